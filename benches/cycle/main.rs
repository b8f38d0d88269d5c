//! Measures one cycle with its backend, for the figures in docs/performance.md.
//!
//! `cargo bench -p easytier-uptime --bench cycle`. The nodes, the backend and the client run in separate processes,
//! so that the client's memory is measured alone. Needs Linux.

#![allow(clippy::disallowed_methods, clippy::restriction, unsafe_code, reason = "a bench fails by a panic, and prints")]

mod backend;
mod client;
#[path = "../support/nodes.rs"]
mod nodes;
#[path = "../support/role.rs"]
mod role;
#[path = "../support/usage.rs"]
mod usage;

use self::{
    client::Cycle,
    usage::{mebibytes, median},
};

const FEW: usize = 1_000;
const MANY: usize = 10_000;
const RUNS: usize = 5;

/// The roles of this binary in child processes.
const ROLES: [nodes::Role; 2] = [("backend", backend::serve), ("client", client::run_cycle)];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if role::play(&ROLES, &arguments) {
        return;
    }
    println!(
        "\none cycle over {} nodes, medians of {RUNS} (best and worst)\n\n  \
         peers   wall time                client CPU   peak resident memory",
        nodes::NODES
    );
    let [few, many] = [FEW, MANY].map(|peers| {
        let cycles: Vec<Cycle> = (0..RUNS).map(|_| client::measure(peers)).collect();
        let walls = cycles.iter().map(|cycle| cycle.wall.as_secs_f64());
        let (best, worst) = (walls.clone().fold(f64::MAX, f64::min), walls.clone().fold(0.0, f64::max));
        let wall = median(walls.collect());
        let cpu = median(cycles.iter().map(|cycle| cycle.cpu.as_secs_f64()).collect());
        let memory = median(cycles.iter().map(|cycle| mebibytes(cycle.peak)).collect());
        println!("{peers:7} {wall:7.2} s ({best:5.2}, {worst:5.2}) {cpu:11.2} s {memory:11.1} MiB");
        memory
    });
    println!("\nmemory for {MANY} peers / memory for {FEW} peers: {:.2}", many / few);
}
