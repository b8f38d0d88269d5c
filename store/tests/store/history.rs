use easytier_probe::{FailureCode, Stage, Status};
use easytier_uptime_store::{
    Location, StoreError,
    domain::{CheckStats, DAY, Grain, PageRequest, PeerId, RecordFilter, Verdict},
};

use sqlx::{Connection, PgConnection};

use crate::support::{Engine, NOW, TestStore, offline, on_both_engines, online, seconds, unknown};

on_both_engines! {
    records_are_paged_newest_first,
    records_are_filtered,
    statistics_count_checks_and_not_results,
    statistics_of_a_longer_window_come_from_coarser_rollups,
    regions_have_their_own_latest_and_statistics,
    a_series_has_a_point_for_each_bucket_with_checks,
    a_completed_bucket_is_counted_once,
    a_probe_that_moves_leaves_its_counts_where_they_were_made,
    the_history_of_hidden_peers_is_hidden,
}

async fn records_are_paged_newest_first(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let other = hub.add("tcp://192.0.2.2:11010").await;
    let probe = hub.probe("p1", "eu").await;
    // Every six minutes, so that pages begin and end within quarters of an hour.
    let times: Vec<_> = (0..25).map(|nth| NOW - seconds(nth * 360)).collect();
    hub.report(&probe, times.iter().flat_map(|at| [online(peer, *at), online(other, *at)]).collect(), NOW).await;
    let mut seen = Vec::new();
    for page in 1..=5 {
        let request = PageRequest { page, per_page: 7 };
        let found = hub.health_records(peer, &RecordFilter::default(), request, NOW).await.unwrap();
        assert_eq!(found.total, 25);
        seen.push(found.items.iter().map(|record| record.checked_at).collect::<Vec<_>>());
    }
    assert_eq!(seen.iter().map(Vec::len).collect::<Vec<_>>(), [7, 7, 7, 4, 0]);
    assert_eq!(seen.concat(), times);
}

async fn records_are_filtered(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    let results = vec![
        online(peer, NOW - seconds(1000)),
        offline(peer, NOW - seconds(500)),
        unknown(peer, NOW - seconds(100)),
        online(peer, NOW),
    ];
    hub.report(&probe, results, NOW).await;
    let found = |status, since: Option<u64>| {
        let filter = RecordFilter { status, since: since.map(|ago| NOW - seconds(ago)) };
        let hub = &hub;
        async move { hub.health_records(peer, &filter, PageRequest::default(), NOW).await.unwrap() }
    };
    assert_eq!(found(None, None).await.total, 4);
    assert_eq!(found(None, Some(500)).await.total, 3);
    assert_eq!(found(None, Some(499)).await.total, 2);
    assert_eq!(found(Some(Status::Online), None).await.total, 2);
    assert_eq!(found(Some(Status::Online), Some(600)).await.total, 1);
    let bad = found(Some(Status::Offline), None).await;
    assert_eq!((bad.total, bad.items.len()), (1, 1));
    let record = &bad.items[0];
    assert_eq!((record.node_id, record.status, record.response_us), (peer, Status::Offline, None));
    assert_eq!(record.error, Some(FailureCode::ConnectRefused));
    assert_eq!(record.message.as_deref(), Some("connection refused"));
}

async fn statistics_count_checks_and_not_results(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let (eu, us) = (hub.probe("p1", "eu").await, hub.probe("p2", "us").await);
    let mut condensed = online(peer, NOW);
    (condensed.checks, condensed.healthy) = (6, Some(5));
    hub.report(&eu, vec![condensed, offline(peer, NOW - seconds(400))], NOW).await;
    let mut slow = online(peer, NOW - seconds(7200));
    (slow.response_time, slow.min_ms, slow.max_ms) = (Some(36.0), None, None);
    hub.report(&us, vec![slow], NOW).await;
    let stats = hub.node_stats(peer, seconds(24 * 3600), NOW).await.unwrap();
    assert_eq!(
        stats.checks,
        CheckStats {
            total_checks: 8,
            healthy_count: 6,
            average_response_us: Some((5 * 12_000 + 36_000) / 6),
            min_response_us: Some(11_500),
            max_response_us: Some(40_000),
        }
    );
    assert_eq!(stats.checks.health_percentage(), 75.0);
    assert_eq!((stats.verdict, stats.last_check_at), (Verdict::Up, Some(NOW)));
    assert_eq!(hub.node_stats(peer, seconds(3600), NOW).await.unwrap().checks.total_checks, 7);
    assert_eq!(hub.node_stats(peer, seconds(300), NOW).await.unwrap().checks.total_checks, 6);
}

async fn statistics_of_a_longer_window_come_from_coarser_rollups(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    for days in [0, 1, 3, 5] {
        hub.report(&probe, vec![online(peer, NOW - seconds(days * 24 * 3600))], NOW).await;
    }
    for (days, checks) in [(1, 1), (2, 2), (4, 3), (6, 4), (365, 4)] {
        let stats = hub.node_stats(peer, seconds(days * 24 * 3600), NOW).await.unwrap();
        assert_eq!(stats.checks.total_checks, checks, "{days} days");
    }
}

async fn regions_have_their_own_latest_and_statistics(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probes = [hub.probe("p1", "eu").await, hub.probe("p2", "eu").await, hub.probe("p3", "us").await];
    hub.report(&probes[0], vec![online(peer, NOW - seconds(5))], NOW).await;
    hub.report(&probes[1], vec![offline(peer, NOW - seconds(2))], NOW).await;
    hub.report(&probes[2], vec![online(peer, NOW - seconds(9))], NOW).await;
    let regions = hub.node_regions(peer, NOW).await.unwrap();
    assert_eq!(regions.iter().map(|region| region.region.as_str()).collect::<Vec<_>>(), ["eu", "us"]);
    let eu = &regions[0];
    assert_eq!((eu.stats.total_checks, eu.stats.healthy_count), (2, 1));
    assert_eq!((eu.latest.server_id.as_str(), eu.latest.checked_at), ("p2", NOW - seconds(2)));
    assert_eq!((eu.latest.stage, eu.latest.error), (Some(Stage::Connect), Some(FailureCode::ConnectRefused)));
    let us = &regions[1];
    assert_eq!((us.latest.hostname.as_deref(), us.latest.network_count), (Some("edge-1"), Some(37)));
}

async fn points(hub: &TestStore, peer: PeerId, grain: Grain, until: u64) -> Vec<(i64, u64)> {
    let to = NOW + seconds(until);
    let series = hub.node_series(peer, grain, NOW - seconds(1), to).await.unwrap();
    series.iter().map(|point| ((point.at.0 - NOW.0) / 1000, point.stats.total_checks)).collect()
}

async fn a_series_has_a_point_for_each_bucket_with_checks(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probes = [hub.probe("p1", "eu").await, hub.probe("p2", "us").await];
    for (probe, after) in [(0, 0), (1, 10), (0, 299), (0, 300), (1, 3600), (0, 3599)] {
        let at = NOW + seconds(after);
        hub.report(&probes[probe], vec![online(peer, at)], NOW + seconds(3600)).await;
    }
    assert_eq!(points(&hub, peer, Grain::FiveMinutes, 3600).await, [(0, 3), (300, 1), (3300, 1), (3600, 1)]);
    assert_eq!(points(&hub, peer, Grain::Hour, 3600).await, [(0, 5), (3600, 1)]);
}

async fn a_completed_bucket_is_counted_once(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    // In one batch and in several, in order, late, and again.
    let results: Vec<_> =
        [0, 30, 290, 310, 10, 900, 905, 20, 600].map(|after| online(peer, NOW + seconds(after))).into();
    let now = NOW + seconds(1000);
    hub.report(&probe, results[..3].to_vec(), now).await;
    hub.report(&probe, results[2..5].to_vec(), now).await;
    for result in &results {
        hub.report(&probe, vec![result.clone()], now).await;
    }
    hub.report(&probe, results, now).await;
    let expected = [(0, 5), (300, 1), (600, 1), (900, 2)];
    assert_eq!(points(&hub, peer, Grain::FiveMinutes, 1000).await, expected);
    assert_eq!(hub.node_stats(peer, seconds(3600), now).await.unwrap().checks.total_checks, 9);
    assert_eq!(hub.node(peer, now).await.unwrap().ring[..2].iter().map(|slot| slot.checks).sum::<u32>(), 9);
}

async fn a_probe_that_moves_leaves_its_counts_where_they_were_made(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let in_eu = hub.probe("p1", "eu").await;
    hub.report(&in_eu, vec![online(peer, NOW), online(peer, NOW + seconds(1))], NOW).await;
    let in_us = hub.probe("p1", "us").await;
    hub.report(&in_us, vec![online(peer, NOW + seconds(2))], NOW + seconds(2)).await;
    let stats = hub.node_stats(peer, seconds(3600), NOW + seconds(2)).await.unwrap();
    assert_eq!(stats.checks.total_checks, 3);
    let regions = hub.node_regions(peer, NOW + seconds(2)).await.unwrap();
    assert_eq!((regions.len(), regions[0].region.as_str(), regions[0].stats.total_checks), (1, "us", 1));
}

async fn the_history_of_hidden_peers_is_hidden(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    hub.report(&probe, vec![online(peer, NOW)], NOW).await;
    hub.set_approved(peer, false, NOW).await.unwrap();
    let hidden = [
        hub.health_records(peer, &RecordFilter::default(), PageRequest::default(), NOW).await.err(),
        hub.node_stats(peer, seconds(60), NOW).await.err(),
        hub.node_regions(peer, NOW).await.err(),
        hub.node_series(peer, Grain::Day, NOW, NOW).await.err(),
        hub.node(peer, NOW).await.err(),
    ];
    assert!(hidden.iter().all(|error| matches!(error, Some(StoreError::NotFound("node")))), "{hidden:?}");
}

/// A query that is not planned with a partition does not wait for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_partitions_of_older_days_are_left_out() {
    let hub = TestStore::new(Engine::Postgres).await;
    let Location::Postgres(url) = &hub.options.location else { panic!("not PostgreSQL") };
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    hub.report(&probe, vec![offline(peer, NOW), offline(peer, NOW - 5 * DAY)], NOW).await;
    let mut other = PgConnection::connect(url.expose()).await.unwrap();
    let old = (NOW - 5 * DAY).bucket(DAY);
    let lock = format!("BEGIN; LOCK TABLE results_{old} IN ACCESS EXCLUSIVE MODE");
    sqlx::raw_sql(sqlx::AssertSqlSafe(lock)).execute(&mut other).await.unwrap();
    let since = NOW - seconds(3600);
    let failures = hub.node_failures(peer, since, NOW);
    let failures = tokio::time::timeout(seconds(10), failures).await.expect("it does not wait").unwrap();
    assert_eq!(failures[0].checks, 1);
    let filter = RecordFilter { since: Some(since), ..RecordFilter::default() };
    let records = hub.health_records(peer, &filter, PageRequest::default(), NOW);
    let records = tokio::time::timeout(seconds(10), records).await.expect("it does not wait").unwrap();
    assert_eq!((records.total, records.items.len()), (1, 1));
    other.close().await.unwrap();
    assert_eq!(hub.node_failures(peer, NOW - 6 * DAY, NOW).await.unwrap()[0].checks, 2);
}
