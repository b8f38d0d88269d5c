//! Counts the instructions of the consensus and of storing results, by callgrind.
//!
//! `tools/bench-instructions` installs what this needs, and runs it.

#![allow(clippy::disallowed_methods, clippy::restriction, missing_docs, reason = "a bench fails by a panic")]

#[allow(unused_imports, unused_macros, reason = "the bench uses a part of it")]
#[path = "../../tests/support/mod.rs"]
mod support;

use std::hint::black_box;

use easytier_uptime_store::{
    consensus::{Change, Observation, State, advance},
    domain::{PeerId, Policy, ProbeId, RegionId, RegionStatus, Timestamp},
};
use gungraun::{Callgrind, EntryPoint, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main};

use self::support::{Engine, NOW, TestStore, online, seconds};

/// The regions that see a peer, and the probes of each.
const REGIONS: i64 = 5;
const PROBES: i64 = 2;
/// The results of a batch, each of another peer.
const BATCH: usize = 500;

fn observation(region: i64, probe: i64, at: Timestamp) -> Observation {
    Observation {
        region: RegionId(region),
        probe: ProbeId(region * PROBES + probe),
        status: RegionStatus::Online,
        at,
        interval: seconds(60),
        response_us: Some(12_000 + region),
    }
}

/// A peer that all probes see online, and the next observation of one of them.
fn peer() -> (State, Observation) {
    let observations: Vec<Observation> =
        (0..REGIONS).flat_map(|region| (0..PROBES).map(move |probe| observation(region, probe, NOW))).collect();
    let (state, _) = advance(&State::default(), &observations, |_| true, &Policy::default(), NOW);
    (state, observation(1, 1, NOW + seconds(60)))
}

#[library_benchmark]
#[bench::one_result_of_ten_probes(setup = peer)]
fn consensus((state, observation): (State, Observation)) -> (State, Vec<Change>) {
    black_box(advance(&state, &[observation], |_| true, &Policy::default(), NOW + seconds(60)))
}

// Opens a store, adds the peers, and stores so many batches of their results. The whole process is counted, because the
// database has a thread of its own: what two batches cost is the difference.
#[library_benchmark(
    config = LibraryBenchmarkConfig::default().tool(Callgrind::default().entry_point(EntryPoint::None))
)]
#[bench::two_batches(2)]
#[bench::four_batches(4)]
fn ingest(batches: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = TestStore::new(Engine::Sqlite).await;
        let probe = store.probe("bench", "eu").await;
        let mut peers: Vec<PeerId> = Vec::new();
        for index in 0..BATCH {
            peers.push(store.add(&format!("tcp://192.0.2.1:{}", 10_000 + index)).await);
        }
        for batch in 0..batches {
            let now = NOW + seconds(60 * batch);
            let results = peers.iter().map(|peer| online(*peer, now)).collect();
            assert_eq!(store.report(&probe, results, now).await.accepted, BATCH);
        }
    });
}

library_benchmark_group!(name = verdicts, benchmarks = consensus);
library_benchmark_group!(name = results, benchmarks = ingest);
main!(library_benchmark_groups = [verdicts, results]);
