//! Counts what one check costs in system calls, and in bytes: the payload of the sockets, in both directions.
//!
//! A child process does some checks under `strace`, and another one twice as many: the difference is without the costs of the
//! process. Checks that run at the same time, as those of a probe do, share the calls that wait; one alone has its own.

use std::{collections::BTreeMap, net::SocketAddr, process::Command};

use easytier_probe::{Access, Membership};

use futures::future::join_all;

use crate::{
    check_cost::check_all,
    connect_baseline,
    nodes::{self, Helper},
};

/// Checks of the shorter run. Each node gets as many in each run, and twice as many in the longer one.
const CHECKS: usize = 4 * nodes::NODES;
/// How many run at the same time.
const AT_ONCE: [usize; 2] = [32, 1];
const SCHEMES: [&str; 6] = ["tcp", "udp", "ws", "wss", "wg", "quic"];
/// The goal for tcp: this many times the system calls of the baseline.
const GOAL: f64 = 1.3;

/// The costs of something that was done once.
struct Cost {
    calls: f64,
    bytes: f64,
    /// The system calls by name, the most frequent first.
    by_name: Vec<(String, f64)>,
}

pub fn run() {
    if Command::new("strace").arg("-V").output().is_err() {
        println!("not measured: strace is not installed (Debian has it as a package)");
        return;
    }
    let mut echo = Helper::role("echo", &[]);
    let echo_address = [echo.line()];
    let (_nodes, urls) = nodes::start_with(&SCHEMES);
    for at_once in AT_ONCE {
        println!("{at_once} at the same time                  system calls    bytes   most frequent");
        let bare = Cost::of("count-connects", at_once, &echo_address);
        bare.print("bare TCP connect, four round trips");
        for (scheme, urls) in SCHEMES.iter().zip(&urls) {
            let cost = Cost::of("count-checks", at_once, urls);
            cost.print(&format!("check over {scheme}, three pings"));
            if *scheme == "tcp" {
                println!("  ratio {:.2}, goal {GOAL}", cost.calls / bare.calls);
            }
        }
    }
}

impl Cost {
    /// What it costs that a role does its work once more, when `at_once` run at the same time.
    fn of(role: &str, at_once: usize, arguments: &[String]) -> Self {
        let fewer = trace(role, CHECKS, at_once, arguments);
        let more = trace(role, 2 * CHECKS, at_once, arguments);
        let each = |more: u64, fewer: u64| (more as f64 - fewer as f64) / CHECKS as f64;
        let before = |name: &str| fewer.by_name.get(name).copied().unwrap_or(0);
        let mut by_name: Vec<(String, f64)> =
            more.by_name.iter().map(|(name, count)| (name.clone(), each(*count, before(name)))).collect();
        by_name.sort_by(|one, other| other.1.total_cmp(&one.1));
        let calls = by_name.iter().map(|(_, count)| count).sum();
        Self { calls, bytes: each(more.bytes, fewer.bytes), by_name }
    }

    fn print(&self, what: &str) {
        let often = self.by_name.iter().filter(|(_, count)| *count >= 0.95);
        let often: Vec<String> = often.map(|(name, count)| format!("{name} {count:.1}")).collect();
        println!("{what:38} {:13.1} {:7.0}   {}", self.calls, self.bytes, often.join(", "));
    }
}

/// What a process did.
#[derive(Default)]
struct Calls {
    by_name: BTreeMap<String, u64>,
    /// The payload that it sent and received over sockets.
    bytes: u64,
}

/// Runs a role, which gets `count`, `at_once` and `arguments`, under strace.
fn trace(role: &str, count: usize, at_once: usize, arguments: &[String]) -> Calls {
    let log = std::env::temp_dir().join(format!("calls-{}.txt", std::process::id()));
    let this = std::env::current_exe().expect("this binary has a path");
    let status = Command::new("strace")
        .args(["-f", "-s", "0", "-o"])
        .arg(&log)
        .arg(this)
        .args(["--role", role, &count.to_string(), &at_once.to_string()])
        .args(arguments)
        .status();
    assert!(status.is_ok_and(|status| status.success()), "the traced process failed; may this process trace others?");
    let text = std::fs::read_to_string(&log).expect("strace writes its log");
    let _ = std::fs::remove_file(log);
    let mut calls = Calls::default();
    text.lines().for_each(|line| calls.add(line));
    calls
}

impl Calls {
    /// Adds a line of strace: the number of the process, and a call, or the end of one that another process interrupted.
    fn add(&mut self, line: &str) {
        let Some((_, call)) = line.split_once(' ') else { return };
        let call = call.trim_start();
        let name = match call.strip_prefix("<... ") {
            Some(resumed) => resumed.split(' ').next(),
            None => call.split_once('(').map(|(name, _)| name),
        };
        let Some(name) = name.filter(|_| !call.starts_with("+++") && !call.ends_with("<unfinished ...>")) else {
            return;
        };
        *self.by_name.entry(name.to_owned()).or_default() += 1;
        self.bytes += match name {
            "sendto" | "recvfrom" | "sendmsg" | "recvmsg" | "writev" => {
                call.rsplit("= ").next().and_then(|result| result.parse().ok()).unwrap_or(0)
            }
            // It returns a number of messages, of which each has its length.
            "sendmmsg" | "recvmmsg" => {
                let lengths = call.split("msg_len=").skip(1);
                let digits = |text: &str| text.split(|other: char| !other.is_ascii_digit()).next()?.parse::<u64>().ok();
                lengths.filter_map(digits).sum()
            }
            _ => 0,
        };
    }
}

/// The role: checks nodes.
pub fn check_nodes(arguments: &[String]) {
    let (count, at_once, urls) = counts_of(arguments);
    let checker = nodes::checker();
    nodes::runtime().block_on(async {
        let mut peers = nodes::peers(urls, count);
        for peer in &mut peers {
            if peer.url.to_string().starts_with("wg:") {
                let network = Membership { network_name: "bench".to_owned(), network_secret: "bench".into() };
                peer.access = Access::Member(network);
            }
        }
        for group in peers.chunks(at_once) {
            check_all(&checker, group).await;
        }
    });
}

/// The role: connects to the echo server.
pub fn connect(arguments: &[String]) {
    let (count, at_once, addresses) = counts_of(arguments);
    let address: SocketAddr = addresses[0].parse().expect("an address");
    nodes::runtime().block_on(async {
        for _ in 0..count / at_once {
            join_all((0..at_once).map(|_| connect_baseline::connect_and_echo(address))).await;
        }
    });
}

/// How often to do something, how often at the same time, and the other arguments.
fn counts_of(arguments: &[String]) -> (usize, usize, &[String]) {
    let [count, at_once, rest @ ..] = arguments else { panic!("no counts") };
    (count.parse().expect("a number"), at_once.parse().expect("a number"), rest)
}
