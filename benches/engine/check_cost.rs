//! Compares the CPU time of one tcp check with three pings to that of a bare TCP connection with four round trips.
//!
//! Both sides take turns in short rounds, in which all checks, or all connections, run at the same time.

use std::{net::SocketAddr, time::Duration};

use easytier_probe::{Checker, Peer, Status};
use futures::future::join_all;

use crate::{
    connect_baseline,
    interleaved::Spread,
    nodes::{self, Helper},
    usage::{micros, own_cpu},
};

const ROUNDS: usize = 30;
/// Checks of a round. It lasts as long as one of them, 50 ms, and a little more.
const CHECKS: usize = 2 * nodes::NODES;
/// Connections of a round: so many groups of [`CHECKS`].
const GROUPS: usize = 4;

pub fn run() {
    let (_nodes, urls) = nodes::start();
    let mut echo = Helper::role("echo", &[]);
    let echo_address: SocketAddr = echo.line().parse().expect("an address");
    let peers = nodes::peers(&urls, CHECKS);
    let checker = nodes::checker();

    let (mut check_costs, mut bare_costs) = (Vec::new(), Vec::new());
    nodes::runtime().block_on(async {
        for round in 0..=ROUNDS {
            let before = own_cpu();
            for _ in 0..GROUPS {
                join_all((0..CHECKS).map(|_| connect_baseline::connect_and_echo(echo_address))).await;
            }
            let between = own_cpu();
            check_all(&checker, &peers).await;
            let after = own_cpu();
            // The first round is a warm-up.
            if round > 0 {
                let each = |spent: Duration, count: usize| micros(spent) / count as f64;
                bare_costs.push(each(between - before, GROUPS * CHECKS));
                check_costs.push(each(after - between, CHECKS));
            }
        }
    });

    let ratios = Spread::of(check_costs.iter().zip(&bare_costs).map(|(check, bare)| check / bare).collect());
    println!("median over {ROUNDS} pairs of rounds (10-90 %), µs of CPU");
    println!("bare TCP connect and four round trips   {}", Spread::of(bare_costs));
    println!("one check with three pings              {}", Spread::of(check_costs));
    println!("ratio                                   {ratios}");
}

/// Checks all peers at the same time.
pub async fn check_all(checker: &Checker, peers: &[Peer]) {
    join_all(peers.iter().map(async |peer| {
        let report = checker.check(peer).await;
        assert_eq!(report.result.status, Status::Online, "{report:?}");
        assert!(report.result.version.is_some(), "{report:?}");
    }))
    .await;
}
