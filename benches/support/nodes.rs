//! Real nodes, and this binary in other roles, as child processes.

#![allow(dead_code, reason = "each bench uses a part of it")]

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdout, Command, Stdio},
};

use easytier_probe::{AddressPolicy, CheckOptions, Checker, Peer};

/// Nodes to spread the joins over: old ones die of too many.
pub const NODES: usize = 16;

/// A role that the binary of a bench plays for itself in a child process: its name, and what plays it.
pub type Role = (&'static str, fn(&[String]));

/// A child process; it is killed when dropped.
pub struct Helper {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Helper {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, stdout }
    }

    /// This binary in another role.
    pub fn role(name: &str, arguments: &[String]) -> Self {
        let this = std::env::current_exe().expect("this binary has a path");
        Self::start(Command::new(this).args(["--role", name]).args(arguments))
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line the process prints.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("readable");
        assert!(!line.is_empty(), "the helper process ended early");
        line.trim().to_owned()
    }

    /// Tells the process to go on.
    pub fn go_on(&mut self) {
        self.child.stdin.as_mut().expect("piped").write_all(b"\n").expect("the helper listens");
    }

    pub fn wait(mut self) {
        let _ = self.child.wait();
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In a role: says a line to the process that started this one.
pub fn say(line: impl std::fmt::Display) {
    println!("{line}");
    std::io::stdout().flush().expect("writable");
}

/// In a role: waits until told to go on.
pub fn wait_to_go_on() {
    std::io::stdin().read_line(&mut String::new()).expect("readable");
}

/// Starts the nodes; the URLs of their tcp listeners.
pub fn start() -> (Vec<Helper>, Vec<String>) {
    start_at("127.0.0.1")
}

/// The same at an address.
pub fn start_at(address: &str) -> (Vec<Helper>, Vec<String>) {
    let mut nodes: Vec<Helper> = (0..NODES)
        .map(|_| {
            Helper::start(Command::new(env!("CARGO_BIN_EXE_easytier-uptime")).args([
                "node",
                "--exit-with-stdin",
                "--listen",
                &format!("tcp://{address}:0"),
                "--network-name",
                "bench",
                "--network-secret",
                "bench",
            ]))
        })
        .collect();
    let urls = nodes.iter_mut().map(|node| node.line().replace("listening on ", "")).collect();
    (nodes, urls)
}

/// `count` peers spread over the nodes.
pub fn peers(urls: &[String], count: usize) -> Vec<Peer> {
    let url = |index: usize| urls[index % urls.len()].parse().expect("a peer URL");
    (0..count).map(|index| Peer::local(index as i64, url(index))).collect()
}

/// A checker without the limit on joins.
pub fn checker() -> Checker {
    Checker::new(CheckOptions {
        join_interval: std::time::Duration::ZERO,
        addresses: AddressPolicy::ANY,
        ..CheckOptions::default()
    })
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}
