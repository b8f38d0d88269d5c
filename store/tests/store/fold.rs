//! What follows from results that are stored, and which hub applies them.

use easytier_uptime_store::{
    Backlog, Folded,
    domain::{PeerId, ProbeIdentity, Verdict},
};

use crate::support::{NOW, TestStore, batch, offline, on_both_engines, online, seconds, unknown};

on_both_engines! {
    a_result_is_applied_once_and_after_it_is_stored,
    the_backlog_says_how_many_results_wait_and_since_when,
    one_hub_folds_and_another_takes_over_when_it_stops,
    a_hub_that_lost_its_duty_changes_nothing,
    a_result_that_cannot_be_applied_is_parked_and_the_others_count,
    results_of_a_probe_that_was_removed_are_counted_and_are_no_evidence,
    results_of_a_peer_that_was_deleted_are_skipped,
    a_fold_that_is_behind_notices_the_same_changes,
    a_review_does_not_take_evidence_that_waits_for_stale,
    a_fold_does_not_cancel_a_review_that_is_due,
}

async fn checks(hub: &TestStore, peer: PeerId) -> (u32, u64) {
    let ring = hub.node(peer, NOW).await.unwrap().ring[0];
    (ring.checks, hub.node_stats(peer, seconds(3600), NOW).await.unwrap().checks.total_checks)
}

async fn verdict(hub: &TestStore, peer: PeerId) -> Verdict {
    hub.node(peer, NOW).await.unwrap().verdict
}

async fn store_only(hub: &TestStore, from: &ProbeIdentity, peers: &[PeerId]) {
    let results = peers.iter().map(|peer| online(*peer, NOW)).collect();
    assert_eq!(hub.ingest(batch(from, results, NOW)).await.unwrap().accepted, peers.len());
}

async fn a_result_is_applied_once_and_after_it_is_stored(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    store_only(&hub, &probe, &[peer]).await;
    assert_eq!((verdict(&hub, peer).await, checks(&hub, peer).await), (Verdict::Unknown, (0, 0)));
    assert_eq!(hub.fold().await.unwrap(), Folded { results: 1, parked: 0 });
    assert_eq!((verdict(&hub, peer).await, checks(&hub, peer).await), (Verdict::Up, (1, 1)));
    assert_eq!(hub.fold().await.unwrap(), Folded::default());
    assert_eq!(checks(&hub, peer).await, (1, 1));
}

async fn the_backlog_says_how_many_results_wait_and_since_when(hub: TestStore) {
    let peers = [hub.add("tcp://192.0.2.1:11010").await, hub.add("tcp://192.0.2.2:11010").await];
    let probe = hub.probe("p1", "eu").await;
    assert_eq!(hub.backlog().await.unwrap(), Backlog::default());
    store_only(&hub, &probe, &peers).await;
    let later = NOW + seconds(5);
    hub.ingest(batch(&probe, vec![unknown(peers[0], later)], later)).await.unwrap();
    assert_eq!(hub.backlog().await.unwrap(), Backlog { results: 3, oldest: Some(NOW), parked: 0 });
    hub.fold().await.unwrap();
    assert_eq!(hub.backlog().await.unwrap(), Backlog::default());
}

async fn one_hub_folds_and_another_takes_over_when_it_stops(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    let other = hub.second_hub().await.unwrap();
    store_only(&hub, &probe, &[peer]).await;
    assert_eq!(other.fold().await.unwrap().results, 1);
    let later = NOW + seconds(1);
    other.ingest(batch(&probe, vec![online(peer, later)], later)).await.unwrap();
    assert_eq!(hub.fold().await.unwrap(), Folded::default(), "the other hub holds the duties");
    other.close().await;
    assert_eq!(hub.fold().await.unwrap().results, 1);
    assert_eq!(checks(&hub, peer).await, (2, 2));
}

async fn a_hub_that_lost_its_duty_changes_nothing(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    hub.report(&probe, vec![offline(peer, NOW)], NOW).await;
    store_only(&hub, &probe, &[peer]).await;
    // As if the process had been stopped until another hub took over; it still believes in its leases.
    hub.run_sql("UPDATE duties SET holder = 'another', epoch = epoch + 1, expires_at = 9000000000000").await;
    assert_eq!(hub.fold().await.unwrap(), Folded::default());
    assert_eq!((verdict(&hub, peer).await, checks(&hub, peer).await), (Verdict::Down, (1, 1)));
    hub.run_sql("UPDATE duties SET expires_at = 0").await;
    assert_eq!(hub.fold().await.unwrap().results, 1);
    assert_eq!(checks(&hub, peer).await, (2, 2));
}

async fn a_result_that_cannot_be_applied_is_parked_and_the_others_count(hub: TestStore) {
    let mut peers = Vec::new();
    for nth in 1..=9 {
        peers.push(hub.add(&format!("tcp://192.0.2.{nth}:11010")).await);
    }
    let probe = hub.probe("p1", "eu").await;
    let broken = peers[4];
    hub.run_sql(&format!("UPDATE peer_states SET evidence = 'not JSON' WHERE peer_id = {broken}")).await;
    store_only(&hub, &probe, &peers).await;
    assert_eq!(hub.fold().await.unwrap(), Folded { results: 8, parked: 1 });
    assert_eq!(hub.backlog().await.unwrap(), Backlog { parked: 1, ..Backlog::default() });
    for peer in peers {
        let expected = if peer == broken { (Verdict::Unknown, (0, 0)) } else { (Verdict::Up, (1, 1)) };
        assert_eq!((verdict(&hub, peer).await, checks(&hub, peer).await), expected, "peer {peer}");
    }
}

async fn results_of_a_probe_that_was_removed_are_counted_and_are_no_evidence(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    store_only(&hub, &probe, &[peer]).await;
    hub.unregister_probe(&probe, NOW).await.unwrap();
    hub.remove_probe("p1", NOW).await.unwrap();
    assert_eq!(hub.fold().await.unwrap().results, 1);
    assert_eq!((verdict(&hub, peer).await, checks(&hub, peer).await), (Verdict::Unknown, (1, 1)));
    assert!(hub.node_regions(peer, NOW).await.unwrap().is_empty());
}

async fn results_of_a_peer_that_was_deleted_are_skipped(hub: TestStore) {
    let peers = [hub.add("tcp://192.0.2.1:11010").await, hub.add("tcp://192.0.2.2:11010").await];
    let probe = hub.probe("p1", "eu").await;
    store_only(&hub, &probe, &peers).await;
    hub.delete_peer(peers[0], NOW).await.unwrap();
    hub.fold().await.unwrap();
    assert_eq!(hub.backlog().await.unwrap(), Backlog::default());
    assert_eq!((verdict(&hub, peers[1]).await, checks(&hub, peers[1]).await), (Verdict::Up, (1, 1)));
}

async fn a_fold_that_is_behind_notices_the_same_changes(hub: TestStore) {
    let prompt = hub.add("tcp://192.0.2.1:11010").await;
    let late = hub.add("tcp://192.0.2.2:11010").await;
    let probe = hub.probe("p1", "eu").await;
    let outcomes = [online, online, offline, offline, offline, online, online, online, offline];
    for (peer, folds_at_once) in [(prompt, true), (late, false)] {
        for (nth, outcome) in (0..).zip(outcomes) {
            let at = NOW + seconds(30 * nth);
            hub.heartbeat(&probe, None, at).await.unwrap();
            hub.ingest(batch(&probe, vec![outcome(peer, at)], at)).await.unwrap();
            if folds_at_once {
                hub.fold().await.unwrap();
            }
        }
        hub.fold().await.unwrap();
    }
    let changes = async |peer: PeerId| -> Vec<_> {
        let events = hub.events(None, None, 100, true).await.unwrap();
        let of_peer = events.into_iter().filter(|event| event.subject_id == peer.0 && event.kind.as_str() == "peer");
        of_peer.map(|event| (event.at, event.became)).collect()
    };
    assert_eq!(changes(prompt).await.len(), 3);
    assert_eq!(changes(late).await, changes(prompt).await);
}

async fn a_review_does_not_take_evidence_that_waits_for_stale(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    hub.report(&probe, vec![online(peer, NOW)], NOW).await;
    // The fold is behind: the results after the first are stored only.
    for nth in 1..20 {
        let at = NOW + seconds(30 * nth);
        hub.heartbeat(&probe, None, at).await.unwrap();
        hub.ingest(batch(&probe, vec![online(peer, at)], at)).await.unwrap();
    }
    hub.review(NOW + seconds(600)).await.unwrap();
    assert_eq!(verdict(&hub, peer).await, Verdict::Up);
    hub.fold().await.unwrap();
    hub.review(NOW + seconds(600)).await.unwrap();
    assert_eq!(verdict(&hub, peer).await, Verdict::Up);
    hub.review(NOW + seconds(3600)).await.unwrap();
    assert_eq!(verdict(&hub, peer).await, Verdict::Unknown);
}

async fn a_fold_does_not_cancel_a_review_that_is_due(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    hub.report(&probe, vec![online(peer, NOW)], NOW).await;
    // As when a probe was noticed to be gone: its peers are scheduled for the review that follows.
    hub.run_sql("UPDATE peer_states SET review_at = 0").await;
    let due = async || hub.count("peer_states WHERE review_at = 0").await;
    let later = NOW + seconds(1);
    hub.report(&probe, vec![online(peer, later)], later).await;
    assert_eq!(due().await, 1);
    hub.review(later).await.unwrap();
    assert_eq!(due().await, 0);
}
