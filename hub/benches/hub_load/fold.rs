//! Results per second that the fold applies, compared with the rate at which they are stored.
//!
//! Both use the store directly, without HTTP, and take turns.

use std::time::Instant;

use easytier_uptime_store::{
    Store,
    domain::{Batch, ProbeIdentity, Timestamp},
};
use futures::future::join_all;

use crate::{
    database::{Database, Engine, options},
    load::{BATCH, Load},
    runtime,
    size::Size,
    usage::median,
};

const PROBES: usize = 8;

pub fn run(engine: Engine, size: &Size) {
    runtime().block_on(async {
        println!(
            "{PROBES} probes, batches of {BATCH}; medians of {} turns of {} results\n\n{:14} {:>12} {:>12} {:>8}",
            size.turns,
            size.batches * BATCH,
            "peers",
            "stored/s",
            "applied/s",
            "ratio"
        );
        for peers in [1000, size.many_peers] {
            measure(engine, size, peers).await;
        }
    });
}

async fn measure(engine: Engine, size: &Size, peers: usize) {
    let batches_of_a_probe = size.batches / PROBES;
    let load = Load::up_to_now(peers, (size.turns + 1) * batches_of_a_probe);
    let database = Database::fresh(engine).await;
    database.fill(peers, PROBES).await;
    let store = Store::open(options(engine, &database.place, 48), Timestamp::now()).await.expect("the database opens");
    let mut probes = Vec::new();
    for nth in 1..=PROBES {
        let (name, region) = (format!("probe-{nth}"), format!("region-{nth}").parse().expect("a region"));
        probes.push(store.local_probe(&name, &region, Timestamp::now()).await.expect("a probe"));
    }
    let (mut stored, mut applied) = (Vec::new(), Vec::new());
    for turn in 0..=size.turns {
        let started = Instant::now();
        let (store, load) = (&store, &load);
        join_all(probes.iter().zip(1..).map(|(from, probe): (_, usize)| async move {
            for nth in turn * batches_of_a_probe..(turn + 1) * batches_of_a_probe {
                let receipt = store.ingest(batch(from, load, probe, nth)).await.expect("results are stored");
                assert_eq!(receipt.accepted, BATCH);
            }
        }))
        .await;
        let results = (batches_of_a_probe * PROBES * BATCH) as f64;
        stored.push(results / started.elapsed().as_secs_f64());
        let started = Instant::now();
        store.fold().await.expect("results are applied");
        applied.push(results / started.elapsed().as_secs_f64());
    }
    // The first turn is a warm-up.
    let ratio = median(applied[1..].iter().zip(&stored[1..]).map(|(applied, stored)| applied / stored).collect());
    let (stored, applied) = (median(stored.split_off(1)), median(applied.split_off(1)));
    println!("{peers:<14} {stored:12.0} {applied:12.0} {ratio:8.2}");
    store.close().await;
}

fn batch(from: &ProbeIdentity, load: &Load, probe: usize, nth: usize) -> Batch {
    let results = load.batch(probe, nth).collect();
    Batch::of_probe(from.clone(), Timestamp::now(), results)
}
