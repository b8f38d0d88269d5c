use easytier_probe::CheckResult;
use easytier_uptime_store::{
    Store, StoreError,
    domain::{Grain, PageRequest, PeerId, Receipt, RecordFilter, Rejected, Rejection, Timestamp, Verdict},
};
use futures::future::join_all;

use crate::support::{NOW, TestStore, batch, offline, on_both_engines, online, region, seconds, spec, unknown};

on_both_engines! {
    a_result_is_stored_once_however_often_it_is_sent,
    a_batch_sent_again_after_the_clock_was_corrected_is_a_duplicate,
    rejected_results_are_listed_and_not_stored,
    valid_results_of_a_batch_are_stored_beside_rejected_ones,
    results_for_a_peer_of_another_region_are_rejected,
    changes_of_peers_at_another_hub_apply_at_once,
    buckets_start_for_some_peers_and_continue_for_others,
    batches_that_arrive_together_are_all_stored,
    two_hubs_that_get_the_same_batch_store_it_once,
    two_hubs_count_every_result_of_the_same_peers,
    results_survive_a_restart,
    a_late_result_counts_but_replaces_nothing_newer,
    unknown_results_count_neither_for_nor_against,
    text_that_an_engine_cannot_store_does_not_fail_the_batch,
    a_closed_store_refuses_batches_and_loses_none,
    an_empty_batch_shows_that_the_probe_runs,
    extreme_results_of_one_probe_do_not_stop_another,
}

async fn total_records(store: &Store, peer: PeerId, now: Timestamp) -> u64 {
    store.health_records(peer, &RecordFilter::default(), PageRequest::default(), now).await.unwrap().total
}

fn accepted(count: usize) -> Receipt {
    Receipt { accepted: count, ..Receipt::default() }
}

async fn a_result_is_stored_once_however_often_it_is_sent(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    let results = vec![online(peer, NOW - seconds(20)), online(peer, NOW - seconds(10))];
    assert_eq!(hub.report(&probe, results.clone(), NOW).await, accepted(2));
    let again = hub.report(&probe, results.clone(), NOW + seconds(60)).await;
    assert_eq!(again, Receipt { duplicates: 2, ..Receipt::default() });
    let twice_in_one = vec![results[0].clone(), online(peer, NOW), results[1].clone()];
    let mixed = hub.report(&probe, [twice_in_one.clone(), twice_in_one].concat(), NOW).await;
    assert_eq!(mixed, Receipt { accepted: 1, duplicates: 5, rejected: vec![] });
    assert_eq!(total_records(&hub, peer, NOW).await, 3);
    let node = hub.node(peer, NOW).await.unwrap();
    assert_eq!(node.ring.iter().map(|slot| slot.checks).sum::<u32>(), 3);
}

async fn a_batch_sent_again_after_the_clock_was_corrected_is_a_duplicate(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    let wrong_clock = NOW - seconds(2 * 24 * 3600);
    let mut first = batch(&probe, vec![online(peer, wrong_clock)], NOW);
    first.sent_at = Some(wrong_clock);
    assert_eq!(hub.store_and_fold(first.clone()).await, accepted(1));
    assert_eq!(hub.node(peer, NOW).await.unwrap().last_check_at, Some(NOW));
    first.sent_at = Some(NOW);
    assert_eq!(hub.ingest(first).await.unwrap().duplicates, 1);
    assert_eq!(total_records(&hub, peer, NOW).await, 1);
}

async fn rejected_results_are_listed_and_not_stored(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    let results = vec![
        online(PeerId(peer.0 + 1000), NOW),
        online(PeerId(i64::MAX), NOW),
        online(peer, NOW - seconds(8 * 24 * 3600)),
        online(peer, NOW + seconds(2 * 24 * 3600)),
        CheckResult { checks: 1, healthy: Some(2), ..online(peer, NOW) },
    ];
    let receipt = hub.report(&probe, results, NOW).await;
    let reasons =
        [Rejection::UnknownPeer, Rejection::UnknownPeer, Rejection::TooOld, Rejection::InFuture, Rejection::Invalid];
    let rejected = reasons.into_iter().enumerate().map(|(index, reason)| Rejected { index, reason }).collect();
    assert_eq!(receipt, Receipt { rejected, ..Receipt::default() });
    let node = hub.node(peer, NOW).await.unwrap();
    assert_eq!((node.verdict, node.last_check_at), (Verdict::Unknown, None));
    assert_eq!(total_records(&hub, peer, NOW).await, 0);
}

async fn valid_results_of_a_batch_are_stored_beside_rejected_ones(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    let results = vec![online(peer, NOW), online(PeerId(999), NOW), online(peer, NOW - seconds(5))];
    let receipt = hub.report(&probe, results, NOW).await;
    assert_eq!(receipt.accepted, 2);
    assert_eq!(receipt.rejected, [Rejected { index: 1, reason: Rejection::UnknownPeer }]);
}

async fn results_for_a_peer_of_another_region_are_rejected(hub: TestStore) {
    let mut of_asia = spec("tcp://192.0.2.1:11010");
    of_asia.regions = [region("asia"), region("us")].into();
    let peer = hub.add_peer(&of_asia, NOW).await.unwrap();
    let eu = hub.probe("p1", "eu").await;
    let asia = hub.probe("p2", "asia").await;
    let refused = hub.report(&eu, vec![online(peer, NOW)], NOW).await;
    assert_eq!(refused.rejected, [Rejected { index: 0, reason: Rejection::WrongRegion }]);
    assert_eq!(hub.report(&asia, vec![online(peer, NOW)], NOW).await, accepted(1));
}

async fn changes_of_peers_at_another_hub_apply_at_once(hub: TestStore) {
    let probe = hub.probe("p1", "eu").await;
    let other = hub.second_hub().await.unwrap();
    assert_eq!(hub.report(&probe, vec![], NOW).await, Receipt::default());
    let report = |peer| hub.report(&probe, vec![online(peer, NOW)], NOW);
    let refused = |reason| Receipt { rejected: vec![Rejected { index: 0, reason }], ..Receipt::default() };

    let peer = other.add_peer(&spec("tcp://192.0.2.1:11010"), NOW).await.unwrap();
    assert_eq!(report(peer).await, accepted(1));
    other.edit_peer(peer, |spec| spec.regions = [region("asia")].into(), NOW).await.unwrap();
    assert_eq!(report(peer).await, refused(Rejection::WrongRegion));
    other.edit_peer(peer, |spec| spec.regions = [region("eu")].into(), NOW).await.unwrap();
    assert_eq!(report(peer).await, accepted(1));
    other.delete_peer(peer, NOW).await.unwrap();
    assert_eq!(report(peer).await, refused(Rejection::UnknownPeer));
}

async fn buckets_start_for_some_peers_and_continue_for_others(hub: TestStore) {
    let peers = [hub.add("tcp://192.0.2.1:1").await, hub.add("tcp://192.0.2.2:1").await];
    let new = hub.add("tcp://192.0.2.3:1").await;
    let probe = hub.probe("p1", "eu").await;
    let (early, late, next) = (NOW, NOW + seconds(299), NOW + seconds(300));
    hub.report(&probe, peers.map(|peer| online(peer, early)).to_vec(), early).await;
    let mixed = vec![online(peers[0], late), online(peers[1], late), online(peers[1], next), online(new, next)];
    assert_eq!(hub.report(&probe, mixed, next).await, accepted(4));
    for (peer, counts) in [(peers[0], vec![2]), (peers[1], vec![2, 1]), (new, vec![1])] {
        let points = hub.node_series(peer, Grain::FiveMinutes, early - seconds(600), next).await.unwrap();
        let checks: Vec<u64> = points.iter().map(|point| point.stats.total_checks).collect();
        assert_eq!(checks, counts);
    }
}

async fn batches_that_arrive_together_are_all_stored(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    let deliveries = (0..100).map(|nth| hub.report(&probe, vec![online(peer, NOW - seconds(nth))], NOW));
    assert!(join_all(deliveries).await.into_iter().all(|receipt| receipt == accepted(1)));
    assert_eq!(total_records(&hub, peer, NOW).await, 100);
}

async fn two_hubs_that_get_the_same_batch_store_it_once(hub: TestStore) {
    let peers = [hub.add("tcp://192.0.2.1:11010").await, hub.add("tcp://192.0.2.2:11010").await];
    let probe = hub.probe("p1", "eu").await;
    let other = hub.second_hub().await.unwrap();
    for nth in 0..20 {
        let at = NOW + seconds(nth);
        let results: Vec<_> = peers.iter().map(|peer| online(*peer, at)).collect();
        let (one, two) = tokio::join!(
            hub.ingest(batch(&probe, results.clone(), at)),
            other.ingest(batch(&probe, results.clone(), at)),
        );
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!((one.accepted + two.accepted, one.duplicates + two.duplicates), (2, 2));
        hub.fold().await.unwrap();
    }
    let now = NOW + seconds(20);
    for peer in peers {
        assert_eq!(hub.node(peer, now).await.unwrap().ring[0].checks, 20);
        assert_eq!(total_records(&hub, peer, now).await, 20);
    }
}

async fn two_hubs_count_every_result_of_the_same_peers(hub: TestStore) {
    let mut peers = Vec::new();
    for nth in 0..20 {
        peers.push(hub.add(&format!("tcp://192.0.2.{nth}:11010")).await);
    }
    let probes = [hub.probe("p1", "eu").await, hub.probe("p2", "us").await];
    let other = hub.second_hub().await.unwrap();
    let deliveries = (0..40).map(|nth| {
        let (store, probe) = if nth % 2 == 0 { (&hub.store, &probes[0]) } else { (&other, &probes[1]) };
        // Each in another order: locks taken in the order of the results would deadlock.
        let mut results: Vec<_> = peers.iter().map(|peer| online(*peer, NOW)).collect();
        results.rotate_left(nth % 20);
        store.ingest(batch(probe, results, NOW))
    });
    for receipt in join_all(deliveries).await {
        assert_eq!(receipt.unwrap(), accepted(20));
    }
    hub.fold().await.unwrap();
    for peer in peers {
        assert_eq!(hub.node(peer, NOW).await.unwrap().ring[0].checks, 40);
        assert_eq!(hub.node_stats(peer, seconds(3600), NOW).await.unwrap().checks.total_checks, 40);
    }
}

async fn results_survive_a_restart(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    hub.report(&probe, vec![online(peer, NOW)], NOW).await;
    hub.close().await;
    let again = hub.restart().await;
    assert_eq!(total_records(&again, peer, NOW).await, 1);
    assert_eq!(again.node(peer, NOW).await.unwrap().verdict, Verdict::Up);
}

async fn a_late_result_counts_but_replaces_nothing_newer(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    hub.report(&probe, vec![online(peer, NOW)], NOW).await;
    let mut late = offline(peer, NOW - seconds(3 * 3600));
    late.version = Some("1.0.0".into());
    assert_eq!(hub.report(&probe, vec![late.clone()], NOW + seconds(1)).await, accepted(1));
    let node = hub.node(peer, NOW + seconds(1)).await.unwrap();
    assert_eq!((node.verdict, node.last_check_at), (Verdict::Up, Some(NOW)));
    assert_eq!(node.version.as_deref(), Some("2.4.5"));
    assert_eq!((node.ring[0].checks, node.ring[0].healthy), (1, 1));
    assert_eq!((node.ring[12].checks, node.ring[12].healthy), (1, 0));
    let regions = hub.node_regions(peer, NOW + seconds(1)).await.unwrap();
    assert_eq!(regions[0].latest.checked_at, NOW);
    assert_eq!(regions[0].stats.total_checks, 2);
}

async fn unknown_results_count_neither_for_nor_against(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    assert_eq!(hub.report(&probe, vec![unknown(peer, NOW)], NOW).await, accepted(1));
    let node = hub.node(peer, NOW).await.unwrap();
    assert_eq!((node.verdict, node.ring[0].checks), (Verdict::Unknown, 0));
    assert_eq!(hub.node_stats(peer, seconds(3600), NOW).await.unwrap().checks.total_checks, 0);
    assert_eq!(total_records(&hub, peer, NOW).await, 1, "but the raw result is kept");
}

async fn text_that_an_engine_cannot_store_does_not_fail_the_batch(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    let mut odd = offline(peer, NOW);
    odd.message = Some("a\0b".into());
    odd.hostname = Some("\0".into());
    assert_eq!(hub.report(&probe, vec![odd], NOW).await, accepted(1));
    let records = hub.health_records(peer, &RecordFilter::default(), PageRequest::default(), NOW).await.unwrap();
    assert_eq!(records.items[0].message.as_deref(), Some("ab"));
}

async fn a_closed_store_refuses_batches_and_loses_none(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    let deliveries =
        join_all((0..20).map(|nth| hub.ingest(batch(&probe, vec![online(peer, NOW - seconds(nth))], NOW))));
    let (receipts, ()) = tokio::join!(deliveries, hub.close());
    let stored = receipts.iter().filter(|receipt| matches!(receipt, Ok(receipt) if receipt.accepted == 1)).count();
    assert!(receipts.iter().all(|receipt| matches!(receipt, Ok(_) | Err(StoreError::Closed))));
    assert!(matches!(hub.ingest(batch(&probe, vec![online(peer, NOW)], NOW)).await, Err(StoreError::Closed)));
    let again = hub.restart().await;
    assert_eq!(total_records(&again, peer, NOW).await, stored as u64);
}

async fn an_empty_batch_shows_that_the_probe_runs(hub: TestStore) {
    let probe = hub.probe("p1", "eu").await;
    let later = NOW + seconds(1000);
    assert_eq!(hub.report(&probe, vec![], later).await, Receipt::default());
    assert_eq!(hub.probes(later).await.unwrap()[0].last_seen_at, later);
}

/// Results with the greatest latencies that a hub takes would make sums that no engine can store.
async fn extreme_results_of_one_probe_do_not_stop_another(hub: TestStore) {
    const DAY_OF_CHECKS: u32 = 172_800;
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let (broken, other) = (hub.probe("p1", "eu").await, hub.probe("p2", "eu").await);
    let extreme = |millis| {
        let mut result = online(peer, NOW);
        (result.checks, result.response_time, result.min_ms, result.max_ms) = (DAY_OF_CHECKS, Some(millis), None, None);
        result
    };
    let impossible = hub.report(&broken, vec![extreme(3_600_000.0)], NOW).await;
    assert_eq!(impossible.rejected, [Rejected { index: 0, reason: Rejection::Invalid }]);
    for _ in 0..3 {
        let results = (0..5000).map(|_| extreme(1000.0)).collect();
        assert_eq!(hub.report(&broken, results, NOW).await, accepted(5000));
    }
    // The next bucket moves the counts of the one before to the rollups, in every grain, beside those of the other probe.
    for (probe, after) in [(&other, 1), (&broken, 300), (&other, 301), (&broken, 600), (&other, 601)] {
        let now = NOW + seconds(after);
        assert_eq!(hub.report(probe, vec![online(peer, now)], now).await, accepted(1));
    }
    let now = NOW + seconds(700);
    for window in [3600, 7 * 24 * 3600, 365 * 24 * 3600] {
        let stats = hub.node_stats(peer, seconds(window), now).await.unwrap().checks;
        assert_eq!(stats.total_checks, u64::from(DAY_OF_CHECKS) * 15_000 + 5);
        assert_eq!(
            stats.average_response_us,
            Some((1 << 43) / stats.total_checks as i64),
            "the sum stays at its maximum"
        );
    }
    assert_eq!(hub.node_regions(peer, now).await.unwrap().len(), 1);
}
