//! What the store does in a second and how long its longest list takes, on both engines, durably.
//!
//! `cargo bench -p easytier-uptime-hub --bench store_ingest [-- PEERS]`

#[path = "../tests/support/mod.rs"]
#[allow(unused_imports, unused_macros)]
mod support;

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use easytier_uptime_hub::model::{NodeFilter, PageRequest, PeerId, ProbeIdentity};
use futures::future::join_all;
use support::{Engine, NOW, TestStore, batch, online, postgres, seconds, spec};

const BATCH: usize = 500;
const BATCHES: usize = 400;
const CALLERS: usize = 8;

/// How often the list is asked for.
const LISTS: usize = 51;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    postgres::DURABLE.store(true, Ordering::Relaxed);
    let peers: usize = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(1000);
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let hub = TestStore::new(engine).await;
        let rate = ingest(&hub, peers).await;
        let list = list(&hub).await;
        println!(
            "{engine:?}, {peers} peers: {rate:.0} results/s from {CALLERS} callers in batches of {BATCH}; \
             the first 1000 nodes in {list:.1?} (median)"
        );
    }
}

async fn ingest(hub: &TestStore, peers: usize) -> f64 {
    let specs: Vec<_> = (0..peers).map(|nth| spec(&format!("tcp://10.{}.{}.1:11010", nth / 256, nth % 256))).collect();
    hub.import_peers(&specs, NOW).await.unwrap();
    let ids: Vec<PeerId> = hub.export_peers().await.unwrap().into_iter().map(|peer| peer.id).collect();
    let mut probes: Vec<ProbeIdentity> = Vec::new();
    for nth in 0..CALLERS {
        probes.push(hub.probe(&format!("p{nth}"), &format!("region-{nth}")).await);
    }
    // Each probe goes through all peers every 30 seconds. The load is made before the clock starts.
    let batches_of_a_round = peers.div_ceil(BATCH);
    let prepared: Vec<_> = (0..BATCHES)
        .map(|nth| {
            let step = nth / CALLERS;
            let at = NOW + seconds((step / batches_of_a_round * 30) as u64);
            let first = step * BATCH;
            let results = (first..first + BATCH).map(|peer| online(ids[peer % ids.len()], at)).collect();
            batch(&probes[nth % CALLERS], results, at)
        })
        .collect();
    let next = AtomicUsize::new(0);
    let started = Instant::now();
    let callers = (0..CALLERS).map(|_| async {
        while let Some(batch) = prepared.get(next.fetch_add(1, Ordering::Relaxed)) {
            let receipt = hub.ingest(batch.clone()).await.unwrap();
            assert_eq!(receipt.accepted, BATCH);
        }
    });
    join_all(callers).await;
    (BATCHES * BATCH) as f64 / started.elapsed().as_secs_f64()
}

async fn list(hub: &TestStore) -> Duration {
    let page = PageRequest { page: 1, per_page: 1000 };
    let mut took = Vec::new();
    for _ in 0..LISTS {
        let started = Instant::now();
        hub.nodes(&NodeFilter::default(), page, NOW + seconds(3600)).await.unwrap();
        took.push(started.elapsed());
    }
    took.sort_unstable();
    took[LISTS / 2]
}
