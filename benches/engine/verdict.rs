//! Compares the time from the start of the command `check` to its verdict, to the time from the start of an instance to
//! its first peer.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use crate::{held, nodes, usage::median};

const RUNS: usize = 32;

pub fn run() {
    let (_nodes, urls) = nodes::start();
    let mut times = Vec::new();
    for url in urls.iter().cycle().take(RUNS) {
        let started = Instant::now();
        let output = Command::new(env!("CARGO_BIN_EXE_easytier-uptime")).args(["check", url]).output();
        let took = started.elapsed();
        assert!(output.expect("runs").status.success());
        times.push(took.as_secs_f64() * 1000.0);
        // Spaces the joins: each node is joined twice in this bench.
        std::thread::sleep(Duration::from_millis(20));
    }
    println!("start of the process to the end of `check` {:7.1} ms (median of {RUNS})", median(times));
    match held::instance_verdict_time() {
        Some(took) => println!("start of an instance to its first peer     {:7.0} ms", took.as_secs_f64() * 1000.0),
        None => println!("the instance was not measured: no network namespace could be made"),
    }
}
