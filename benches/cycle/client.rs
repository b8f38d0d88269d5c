//! The client of a cycle: a process that fetches, checks and reports once.

use std::time::{Duration, Instant};

use easytier_probe::{Backend, BackendConfig, CycleOptions, cycle::BackendPeers};

use crate::{
    nodes::{self, Helper},
    usage::{cpu_of, resident_peak},
};

/// The cost of a cycle.
pub struct Cycle {
    pub wall: Duration,
    pub cpu: Duration,
    /// The peak resident memory of the client process, in bytes.
    pub peak: u64,
}

/// Runs one cycle over `peers` peers with new nodes, a new backend and a new client: old versions of nodes crash after
/// too many joins.
pub fn measure(peers: usize) -> Cycle {
    let (_nodes, urls) = nodes::start();
    let mut arguments = vec![peers.to_string()];
    arguments.extend(urls);
    let mut backend = Helper::role("backend", &arguments);
    let base_url = backend.line();
    let mut client = Helper::role("client", &[base_url]);
    assert_eq!(client.line(), "ready");
    client.go_on();
    let wall = Duration::from_secs_f64(client.line().parse().expect("a number of seconds"));
    let (cpu, peak) = (cpu_of(client.pid()), resident_peak(client.pid()));
    assert_eq!(client.line(), format!("{peers} online, {peers} delivered"));
    backend.go_on();
    assert_eq!(backend.line(), format!("{peers} results, {peers} online, 1 status reports"));
    client.go_on();
    client.wait();
    Cycle { wall, cpu, peak }
}

/// The role of the client: runs one cycle against the backend at the given URL, as the command `once` does.
pub fn run_cycle(arguments: &[String]) {
    let base_url = arguments[0].parse().expect("a base URL");
    let config = BackendConfig { node_token: Some("bench".into()), ..BackendConfig::new(vec![base_url]) };
    nodes::say("ready");
    nodes::wait_to_go_on();
    let (report, wall) = nodes::runtime().block_on(async {
        let started = Instant::now();
        let backend = Backend::new(config).expect("a client");
        let mut peers = BackendPeers::new(backend.clone());
        let checker = nodes::checker();
        let options = CycleOptions::default();
        let report = easytier_probe::run_cycle(&mut peers, &checker, &backend, &options, |_, _| ()).await;
        (report, started.elapsed())
    });
    nodes::say(wall.as_secs_f64());
    if !report.complete || report.checked != report.online || report.report_error.is_some() {
        eprintln!("{report:?}");
    }
    nodes::say(format!("{} online, {} delivered", report.online, report.delivered));
    nodes::wait_to_go_on();
}
