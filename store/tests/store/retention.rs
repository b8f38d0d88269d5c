use easytier_uptime_store::{
    Store, Swept,
    domain::{DAY, Grain, PageRequest, PeerId, RecordFilter, Timestamp},
};

use crate::support::{Engine, NOW, TestStore, batch, id_at, on_both_engines, online, seconds};

on_both_engines! {
    expired_rows_are_deleted_and_others_stay,
    a_sweep_deletes_in_chunks,
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
    let results = (0..4500).map(|nth| online(peer, NOW - seconds(nth * 30))).collect();
    hub.report(&probe, results, NOW).await;
    let later = NOW + 10 * DAY;
    let first = hub.sweep(later).await.unwrap();
    if hub.engine() == Engine::Sqlite {
        assert!(first.more && first.rows >= 2000, "{first:?}");
    }
    sweep_all(&hub, later).await;
    assert_eq!(hub.sweep(later).await.unwrap(), Swept::default());
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
