//! Measures what one hostile peer of each kind does to the checks of 40 healthy ones.
//!
//! Rounds with the hostile peer and without it alternate. In each round every healthy peer is checked once, and the hostile
//! peer during the whole round.

use std::time::Duration;

use easytier_probe::{CheckReport, Checker, Peer, Status};
use futures::future::join_all;
use tokio::{
    task::AbortHandle,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    hostile_servers::ROWS,
    interleaved::Spread,
    nodes::{self, Helper},
    usage::{mebibytes, median, own_cpu, resident_peak},
};

const HEALTHY: usize = 40;
/// The distance of two checks of healthy peers.
const DISTANCE: Duration = Duration::from_millis(6);
const ROUND: Duration = Duration::from_millis(300);
/// Pairs of rounds.
const ROUNDS: usize = 24;
/// The interval of checks of a held session with the hostile peer.
const HELD_INTERVAL: Duration = Duration::from_millis(100);
/// The median may be later by this many milliseconds.
const MAX_DELAY: f64 = 0.2;
/// The part of a core, in percent.
const MAX_CPU: f64 = 10.0;
/// In MiB.
const MAX_GROWTH: f64 = 4.0;

pub fn run() {
    println!("{HEALTHY} healthy peers; the hostile peer's effect, the median over {ROUNDS} pairs of rounds (10-90 %)");
    println!("                                              later by (ms)            CPU (of a core)   memory");
    for (index, row) in ROWS.iter().enumerate() {
        let (_nodes, urls) = nodes::start();
        let mut server = Helper::role("hostile-server", &[index.to_string()]);
        let mut arguments = vec![row.is_held.to_string(), server.line()];
        arguments.extend(urls);
        let mut probe = Helper::role("hostile-probe", &arguments);
        let result = probe.line();
        let numbers: Vec<f64> = result.split(' ').map(|number| number.parse().expect("a number")).collect();
        let [delay, low, high, cpu, growth] = numbers[..] else { panic!("{result}") };
        let is_met = delay <= MAX_DELAY && cpu <= MAX_CPU && growth <= MAX_GROWTH;
        println!(
            "{:5} {:36} {delay:+8.3} ({low:+.3} to {high:+.3}) {cpu:8.2} % {growth:9.2} MiB  {}",
            row.scheme,
            row.name,
            if is_met { "" } else { "goal missed" },
        );
    }
    println!("goals: {MAX_DELAY} ms, {MAX_CPU} %, {MAX_GROWTH} MiB");
}

/// The role of the probe: prints the delay of the healthy peers' median in milliseconds with its spread, the CPU time in
/// percent of a core, and the growth of the peak memory in MiB.
pub fn probe(arguments: &[String]) {
    let [is_held, hostile, urls @ ..] = arguments else { panic!("no URLs") };
    let is_held = is_held == "true";
    let hostile = Peer::local(-1, hostile.parse().expect("a peer URL"));
    let healthy = nodes::peers(urls, HEALTHY);
    let checker = nodes::checker();
    nodes::runtime().block_on(async {
        for _ in 0..2 {
            round(&checker, &healthy, None).await;
        }
        let before = resident_peak(std::process::id());
        let (mut delays, mut shares) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let without = round(&checker, &healthy, None).await;
            let with = round(&checker, &healthy, Some((&hostile, is_held))).await;
            delays.push(with.median - without.median);
            shares.push((with.cpu.as_secs_f64() - without.cpu.as_secs_f64()) / ROUND.as_secs_f64() * 100.0);
        }
        let growth = mebibytes(resident_peak(std::process::id()) - before);
        let delay = Spread::of(delays);
        nodes::say(format!("{} {} {} {} {growth}", delay.median, delay.low, delay.high, median(shares)));
    });
}

struct Round {
    /// The median of the healthy peers' round trips, in milliseconds.
    median: f64,
    cpu: Duration,
}

/// Checks the healthy peers, and the hostile one if there is one, whose session may be held.
async fn round(checker: &Checker, healthy: &[Peer], hostile: Option<(&Peer, bool)>) -> Round {
    let (started, cpu) = (Instant::now(), own_cpu());
    let harm = hostile.map(|(peer, is_held)| check_for_ever(checker.clone(), peer.clone(), is_held));
    let checks = healthy.iter().enumerate().map(async |(index, peer)| {
        sleep_until(started + DISTANCE * index as u32).await;
        let report = checker.check(peer).await;
        assert_eq!(report.result.status, Status::Online, "{report:?}");
        round_trip(&report)
    });
    let round_trips = join_all(checks).await;
    sleep_until(started + ROUND).await;
    harm.inspect(AbortHandle::abort);
    let cpu = own_cpu() - cpu;
    // The hostile server notices the end.
    sleep(DISTANCE).await;
    Round { median: median(round_trips), cpu }
}

fn check_for_ever(checker: Checker, peer: Peer, is_held: bool) -> AbortHandle {
    let task = async move {
        if is_held {
            let mut held = checker.hold(peer);
            loop {
                held.next(Instant::now() + HELD_INTERVAL).await;
            }
        }
        checker.check(&peer).await;
    };
    tokio::spawn(task).abort_handle()
}

fn round_trip(report: &CheckReport) -> f64 {
    report.latency.as_ref().expect("an online peer has a latency").median_ms
}
