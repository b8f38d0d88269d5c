//! The order in which the fold locks rows on PostgreSQL. Hubs of versions without a fold lock `latest`, `rollups` and
//! `peer_states` in this order when they store results, and may run beside this one.

use easytier_uptime_store::{
    StoreError,
    domain::{PeerId, ProbeIdentity, Verdict},
};
use tokio::task::JoinHandle;

use crate::{
    held::{hold, in_time, waits_for_a_lock},
    support::{Engine, NOW, TestStore, batch, online, seconds},
};

/// What every transaction that changes peers does first.
const BUMP: &str = "UPDATE settings SET value = CAST(CAST(value AS BIGINT) + 1 AS TEXT) WHERE key = 'config_version'";

/// A hub that has stored results of two buckets, which are not folded, so that the fold writes to each of the tables.
async fn hub_with_results() -> (TestStore, PeerId, ProbeIdentity) {
    let hub = TestStore::new(Engine::Postgres).await;
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    let results = vec![online(peer, NOW - seconds(1200)), online(peer, NOW)];
    assert_eq!(hub.ingest(batch(&probe, results, NOW)).await.unwrap().accepted, 2);
    (hub, peer, probe)
}

/// Starts the fold; returns when it waits for a lock.
async fn fold_that_waits(hub: &TestStore) -> JoinHandle<Result<u64, StoreError>> {
    let store = hub.store.clone();
    let folding = tokio::spawn(async move { store.fold().await.map(|folded| folded.results) });
    waits_for_a_lock(hub).await;
    folding
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fold_locks_in_the_order_of_older_hubs() {
    for (locked, next) in [("latest", "rollups"), ("latest", "peer_states"), ("rollups", "peer_states")] {
        let (hub, peer, _) = hub_with_results().await;
        let mut older = hold(&hub, &format!("LOCK TABLE {locked} IN SHARE ROW EXCLUSIVE MODE")).await;
        let folding = fold_that_waits(&hub).await;
        // The older hub goes on. It would wait for the fold if that had locked these rows.
        let go_on = format!("LOCK TABLE {next} IN SHARE ROW EXCLUSIVE MODE NOWAIT; COMMIT");
        let gone_on = sqlx::raw_sql(sqlx::AssertSqlSafe(go_on)).execute(&mut older).await;
        assert!(gone_on.is_ok(), "{locked}, {next}: {gone_on:?}");
        assert_eq!(in_time(folding).await.unwrap().unwrap(), 2);
        assert_eq!(hub.node(peer, NOW).await.unwrap().verdict, Verdict::Up);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_changes_while_the_fold_waits_gets_nothing_of_before() {
    for locked in ["LOCK TABLE latest IN SHARE ROW EXCLUSIVE MODE", "UPDATE peer_states SET since = since"] {
        let (hub, peer, probe) = hub_with_results().await;
        let since = (NOW + seconds(300)).0;
        let change = format!("{BUMP}; UPDATE peers SET target_since = {since}; {locked}");
        let mut changing = hold(&hub, &change).await;
        let folding = fold_that_waits(&hub).await;
        sqlx::raw_sql("COMMIT").execute(&mut changing).await.unwrap();
        assert_eq!(in_time(folding).await.unwrap().unwrap(), 2);
        let now = NOW + seconds(310);
        let node = hub.node(peer, now).await.unwrap();
        let counted = node.ring.iter().map(|slot| slot.checks).sum::<u32>();
        assert_eq!((node.verdict, counted, hub.count("latest").await), (Verdict::Unknown, 0, 0), "{locked}");
        assert_eq!(hub.report(&probe, vec![online(peer, now)], now).await.accepted, 1);
        assert_eq!(hub.node(peer, now).await.unwrap().verdict, Verdict::Up);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_is_deleted_while_the_fold_waits_leaves_nothing() {
    let (hub, peer, _) = hub_with_results().await;
    let mut deleting = hold(&hub, &format!("{BUMP}; DELETE FROM peers")).await;
    let folding = fold_that_waits(&hub).await;
    sqlx::raw_sql("COMMIT").execute(&mut deleting).await.unwrap();
    assert_eq!(in_time(folding).await.unwrap().unwrap(), 2);
    assert!(hub.node(peer, NOW).await.is_err());
    assert_eq!((hub.count("latest").await, hub.count("rollups").await, hub.count("appends").await), (0, 0, 0));
}
