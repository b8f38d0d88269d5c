//! Upkeep: the work on the store at intervals.

use std::time::Duration;

use easytier_uptime_store::{
    domain::{Grain, Timestamp, Verdict},
    upkeep,
};
use tokio::{sync::oneshot, time::timeout};

use crate::support::{TestStore, on_both_engines, online};

on_both_engines! {
    stale_evidence_is_reviewed_and_expired_rows_are_deleted_until_shutdown,
}

async fn stale_evidence_is_reviewed_and_expired_rows_are_deleted_until_shutdown(store: TestStore) {
    let peer = store.add("tcp://192.0.2.1:11010").await;
    let now = Timestamp::now();
    let (long_ago, lately) = (now - Duration::from_secs(6 * 24 * 3600), now - Duration::from_secs(3600));
    let probe = store.local_probe("probe-1", &Default::default(), long_ago).await.unwrap();
    for at in [long_ago, lately] {
        store.report(&probe, vec![online(peer, at)], at).await;
    }
    assert_eq!(store.node(peer, lately).await.unwrap().verdict, Verdict::Up);
    let old_rollups = async || {
        let (from, to) = (now - Duration::from_secs(7 * 24 * 3600), now - Duration::from_secs(3 * 24 * 3600));
        store.node_series(peer, Grain::FiveMinutes, from, to).await.unwrap().len()
    };
    assert_eq!(old_rollups().await, 1);

    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(upkeep(store.store.clone(), async move { drop(stopped.await) }));
    let noticed = async {
        while store.node(peer, now).await.unwrap().verdict != Verdict::Unknown || old_rollups().await > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(30), noticed).await.expect("the first review and sweep run at once");
    drop(stop);
    timeout(Duration::from_secs(10), running).await.expect("it stops").unwrap();
}
