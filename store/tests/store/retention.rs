use easytier_probe::CheckResult;
use easytier_uptime_store::{
    Store, Swept,
    domain::{DAY, Grain, LiveSettings, PageRequest, PeerId, RecordFilter, Retention, Timestamp},
};

use crate::support::{Engine, NOW, TestStore, batch, id_at, on_both_engines, online, seconds};

on_both_engines! {
    expired_rows_are_deleted_and_others_stay,
    a_sweep_deletes_in_chunks,
    nothing_is_left_of_a_deleted_peer_when_its_last_result_has_expired,
    the_file_shrinks_when_less_is_kept,
    results_with_a_wrong_clock_are_kept_as_long_as_others,
    the_next_days_have_partitions,
}

async fn records(store: &Store, peer: PeerId, now: Timestamp) -> u64 {
    store.health_records(peer, &RecordFilter::default(), PageRequest::default(), now).await.unwrap().total
}

async fn sweep_all(hub: &TestStore, now: Timestamp) -> Swept {
    let mut total = Swept::default();
    loop {
        let swept = hub.sweep(now).await.unwrap();
        total.rows += swept.rows;
        total.days += swept.days;
        if !swept.more {
            return total;
        }
    }
}

async fn expired_rows_are_deleted_and_others_stay(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    hub.report(&probe, vec![online(peer, NOW), online(peer, NOW + seconds(3600))], NOW + seconds(3600)).await;
    let later = NOW + 3 * DAY;
    hub.report(&probe, vec![online(peer, later)], later).await;
    sweep_all(&hub, later).await;
    assert_eq!(records(&hub, peer, later).await, 3);
    let five_minutes = hub.node_series(peer, Grain::FiveMinutes, NOW - DAY, later).await.unwrap();
    assert_eq!(five_minutes.iter().map(|point| point.at).collect::<Vec<_>>(), [later]);
    assert_eq!(hub.node_series(peer, Grain::Hour, NOW - DAY, later).await.unwrap().len(), 3);

    let much_later = NOW + 100 * DAY;
    let swept = sweep_all(&hub, much_later).await;
    assert!(if hub.engine() == Engine::Postgres { swept.days > 0 } else { swept.rows >= 3 }, "{swept:?}");
    assert_eq!(
        hub.node_series(peer, Grain::Day, NOW - DAY, much_later).await.unwrap().len(),
        2,
        "rollups of a day are kept for ever"
    );
    let longest = hub.node_stats(peer, 365 * DAY, much_later).await.unwrap();
    assert_eq!(longest.checks.total_checks, 3);
    assert_eq!(hub.events(None, None, 10, true).await.unwrap(), []);
    assert_eq!(hub.sweep(much_later).await.unwrap(), Swept::default());
}

async fn a_sweep_deletes_in_chunks(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    // The clock of the probe is far ahead, so on PostgreSQL these results are in no partition of a day either.
    let results = (0..4500).map(|nth| CheckResult { id: id_at(NOW + 400 * DAY + seconds(nth)), ..online(peer, NOW) });
    hub.report(&probe, results.collect(), NOW).await;
    let later = NOW + 10 * DAY;
    for left in [2500, 500, 0] {
        let swept = hub.sweep(later).await.unwrap();
        assert!((1..=2000 + 10).contains(&swept.rows), "a chunk of results, and a few rollups: {swept:?}");
        assert_eq!(swept.more, left > 0, "{swept:?}");
        assert_eq!(records(&hub, peer, NOW).await, left);
    }
    assert_eq!(hub.sweep(later).await.unwrap(), Swept::default());
}

async fn nothing_is_left_of_a_deleted_peer_when_its_last_result_has_expired(hub: TestStore) {
    let (kept, deleted) = (hub.add("tcp://192.0.2.1:11010").await, hub.add("tcp://192.0.2.2:11010").await);
    let probe = hub.probe("p1", "eu").await;
    for day in 0..5 {
        let at = NOW + day * DAY;
        hub.report(&probe, vec![online(kept, at), online(deleted, at)], at).await;
    }
    let days = async |peer| hub.count(&format!("rollups WHERE grain = 86400 AND peer_id = {peer}")).await;
    let deleted_at = NOW + 4 * DAY;
    hub.delete_peer(deleted, deleted_at).await.unwrap();
    sweep_all(&hub, deleted_at + 7 * DAY).await;
    assert_eq!(days(deleted).await, 4, "a result that arrived late could still be counted");
    let later = deleted_at + 9 * DAY;
    sweep_all(&hub, later).await;
    assert_eq!((days(deleted).await, days(kept).await), (0, 4));
    assert_eq!(hub.count("deleted_peers").await, 0);
    assert_eq!(hub.sweep(later).await.unwrap(), Swept::default());
}

async fn the_file_shrinks_when_less_is_kept(hub: TestStore) {
    if hub.engine() == Engine::Postgres {
        return;
    }
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    for day in 0..5 {
        let at = NOW + day * DAY;
        hub.report(&probe, (0..4000).map(|nth| online(peer, at + seconds(nth))).collect(), at + DAY / 2).await;
    }
    let size = async || {
        // The last connection that closes writes everything to the file.
        hub.second_hub().await.unwrap().close().await;
        hub.folder.path().join("uptime.db").metadata().unwrap().len()
    };
    let now = NOW + 5 * DAY;
    sweep_all(&hub, now).await;
    hub.close().await;
    let before = size().await;
    let less = Retention { results: DAY, ..Retention::default() };
    let second = hub.second_hub().await.unwrap();
    second.change_live_settings(&LiveSettings { retention: less, ..LiveSettings::default() }, now).await.unwrap();
    while second.sweep(now).await.unwrap().more {}
    second.close().await;
    assert!(size().await < before / 2, "{} of {before} bytes are left", size().await);
}

async fn results_with_a_wrong_clock_are_kept_as_long_as_others(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    for wrong in [NOW + 400 * DAY, NOW - 400 * DAY] {
        let mut sent = batch(&probe, vec![online(peer, wrong)], NOW);
        sent.sent_at = Some(wrong);
        assert_eq!(hub.ingest(sent.clone()).await.unwrap().accepted, 1);
        assert_eq!(hub.ingest(sent).await.unwrap().duplicates, 1);
    }
    let mut of_no_time = online(peer, NOW);
    of_no_time.id = uuid::Uuid::new_v4();
    hub.report(&probe, vec![of_no_time], NOW).await;
    sweep_all(&hub, NOW + 6 * DAY).await;
    assert_eq!(records(&hub, peer, NOW + 6 * DAY).await, 3);
    sweep_all(&hub, NOW + 8 * DAY).await;
    let mut again = batch(&probe, vec![online(peer, NOW + 400 * DAY)], NOW);
    again.sent_at = Some(NOW + 400 * DAY);
    assert_eq!(hub.ingest(again).await.unwrap().accepted, 1);
}

async fn the_next_days_have_partitions(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    // No partition exists so far ahead. When it is created, it takes over these results.
    let mut early = online(peer, NOW);
    early.id = id_at(NOW + 10 * DAY);
    hub.report(&probe, vec![early.clone()], NOW).await;
    let later = NOW + 5 * DAY;
    hub.sweep(later).await.unwrap();
    early.checked_at = later.into();
    assert_eq!(hub.report(&probe, vec![early, online(peer, later)], later).await.accepted, 1);
    assert_eq!(records(&hub, peer, later).await, 2);
}
