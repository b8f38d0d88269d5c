//! Measures the memory with 1,000 checks in flight.

use std::net::SocketAddr;

use easytier_probe::{CheckReport, FailureCode, Peer};
use futures::{StreamExt, stream::FuturesUnordered};

use crate::{
    nodes::{self, Helper},
    usage::{mebibytes, resident, resident_peak},
};

const CHECKS: usize = 1000;

/// Half of the peers are real nodes. The other half accept connections and send nothing, so that their checks last
/// until the deadline.
pub fn run() {
    let (_nodes, urls) = nodes::start();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let silent_address = silent.local_addr().expect("bound");
    std::thread::spawn(move || silent.incoming().collect::<Vec<_>>());

    let mut arguments = vec![silent_address.to_string()];
    arguments.extend(urls);
    let mut client = Helper::role("in-flight", &arguments);
    assert_eq!(client.line(), "ready");
    let before = resident(client.pid());
    client.go_on();
    let timeouts = client.line();
    let peak = resident_peak(client.pid());
    client.go_on();
    client.wait();
    println!("{CHECKS} checks in flight, {timeouts} of them until the deadline");
    println!("resident memory before {:6.1} MiB", mebibytes(before));
    println!("peak resident memory   {:6.1} MiB", mebibytes(peak));
}

/// The role of the client: runs all checks at once.
pub fn client(arguments: &[String]) {
    let silent: SocketAddr = arguments[0].parse().expect("an address");
    let nodes = &arguments[1..];
    let mut peers = nodes::peers(nodes, CHECKS / 2);
    let silent_url: easytier_probe::PeerUrl = format!("tcp://{silent}").parse().expect("a peer URL");
    peers.extend((0..CHECKS / 2).map(|index| Peer::local(index as i64, silent_url.clone())));
    let checker = nodes::checker();
    nodes::say("ready");
    nodes::wait_to_go_on();
    let reports: Vec<CheckReport> = nodes::runtime().block_on(async {
        let checks: FuturesUnordered<_> = peers.iter().map(|peer| checker.check(peer)).collect();
        checks.collect().await
    });
    let timeouts = reports.iter().filter(|report| report.result.error == Some(FailureCode::HandshakeTimeout)).count();
    nodes::say(timeouts);
    nodes::wait_to_go_on();
}
