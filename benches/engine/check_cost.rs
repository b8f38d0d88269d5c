//! Compares the CPU time of one tcp check with three pings to that of a bare TCP connection with four round trips.

use std::{net::SocketAddr, time::Duration};

use easytier_probe::Status;

use crate::{
    connect_baseline,
    nodes::{self, Helper},
    usage::{median, micros, own_cpu},
};

const ROUNDS: usize = 15;
const CHECKS_PER_ROUND: usize = 96;

pub fn run() {
    let (_nodes, urls) = nodes::start();
    let mut echo = Helper::role("echo", &[]);
    let echo_address: SocketAddr = echo.line().parse().expect("an address");
    let peers = nodes::peers(&urls, CHECKS_PER_ROUND);
    let checker = nodes::checker();

    let mut check_costs = Vec::new();
    let mut bare_costs = Vec::new();
    nodes::runtime().block_on(async {
        for round in 0..=ROUNDS {
            let before = own_cpu();
            for _ in 0..CHECKS_PER_ROUND {
                connect_baseline::connect_and_echo(echo_address).await;
            }
            let between = own_cpu();
            for peer in &peers {
                let report = checker.check(peer).await;
                assert_eq!(report.result.status, Status::Online, "{report:?}");
                assert!(report.result.version.is_some(), "{report:?}");
            }
            let after = own_cpu();
            // The first round is a warm-up.
            if round > 0 {
                let each = |spent: Duration| micros(spent) / CHECKS_PER_ROUND as f64;
                bare_costs.push(each(between - before));
                check_costs.push(each(after - between));
            }
        }
    });

    let ratios = check_costs.iter().zip(&bare_costs).map(|(check, bare)| check / bare).collect();
    let (check, bare) = (median(check_costs), median(bare_costs));
    println!("bare TCP connect and four round trips   {bare:7.1} µs of CPU");
    println!("one check with three pings              {check:7.1} µs of CPU");
    println!("ratio (median over {ROUNDS} rounds)            {:7.2}", median(ratios));
    println!("checks per second on one core           {:7.0}", 1e6 / check);
}
