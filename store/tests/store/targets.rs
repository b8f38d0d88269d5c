//! Changes of what a peer is: of its URL, network, depth of checks and regions.

use easytier_probe::{CheckMode, CheckResult, Secret};
use easytier_uptime_store::domain::{
    EventSubject, Grain, PageRequest, PeerId, PeerSpec, ProbeIdentity, RecordFilter, Rejected, Rejection, Verdict,
};

use crate::support::{NOW, TestStore, on_both_engines, online, region, seconds};

on_both_engines! {
    a_peer_with_another_url_is_another_peer,
    a_change_of_network_or_depth_makes_another_peer_and_other_changes_do_not,
    results_for_the_peer_as_it_was_are_refused,
    a_result_counts_for_the_list_under_which_the_peer_was_checked,
    a_region_that_is_taken_off_a_peer_has_no_vote,
}

async fn change(hub: &TestStore, peer: PeerId, after: u64, edit: impl Fn(&mut PeerSpec) + Send + Sync) {
    hub.edit_peer(peer, edit, NOW + seconds(after)).await.unwrap();
}

/// A peer that a probe saw online, twice in one bucket.
async fn seen(hub: &TestStore) -> (PeerId, ProbeIdentity) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    hub.report(&probe, vec![online(peer, NOW - seconds(1200)), online(peer, NOW)], NOW).await;
    (peer, probe)
}

async fn a_peer_with_another_url_is_another_peer(hub: TestStore) {
    let (peer, probe) = seen(&hub).await;
    change(&hub, peer, 10, |spec| spec.url = "tcp://192.0.2.99:11010".parse().unwrap()).await;
    let now = NOW + seconds(20);
    let node = hub.node(peer, now).await.unwrap();
    assert_eq!((node.verdict, node.since), (Verdict::Unknown, NOW + seconds(10)));
    assert_eq!((node.version, node.last_check_at, node.current_connections), (None, None, None));
    assert_eq!(node.ring.iter().map(|slot| slot.checks).sum::<u32>(), 0);
    for window in [3600, 24 * 3600, 60 * 24 * 3600] {
        let stats = hub.node_stats(peer, seconds(window), now).await.unwrap();
        assert_eq!((stats.checks.total_checks, stats.uptime.percentage()), (0, None));
    }
    let records = hub.health_records(peer, &RecordFilter::default(), PageRequest::default(), now).await.unwrap();
    assert_eq!((records.total, hub.node_regions(peer, now).await.unwrap().len()), (0, 0));
    assert_eq!(hub.series(&[peer], Grain::FiveMinutes, NOW - seconds(7200), now).await.unwrap(), []);
    let events = hub.events(Some(EventSubject::Peer(peer)), None, 1, false).await.unwrap();
    assert_eq!((events[0].was.as_str(), events[0].became.as_str(), events[0].at), ("up", "unknown", NOW + seconds(10)));

    // From the next bucket on, its own checks are counted.
    let later = NOW + seconds(310);
    hub.report(&probe, vec![online(peer, later)], later).await;
    let stats = hub.node_stats(peer, seconds(24 * 3600), later).await.unwrap();
    assert_eq!((stats.checks.total_checks, stats.verdict), (1, Verdict::Up));
    assert_eq!(hub.node_regions(peer, later).await.unwrap()[0].stats.total_checks, 1);
}

async fn a_change_of_network_or_depth_makes_another_peer_and_other_changes_do_not(hub: TestStore) {
    let (peer, _) = seen(&hub).await;
    let same: [fn(&mut PeerSpec); 4] = [
        |spec| spec.name = "another name".into(),
        |spec| spec.timeout = Some(seconds(3)),
        |spec| spec.regions = [region("eu")].into(),
        |spec| spec.allow_relay = true,
    ];
    for edit in same {
        change(&hub, peer, 1, edit).await;
        assert_eq!(hub.node(peer, NOW + seconds(1)).await.unwrap().verdict, Verdict::Up);
    }
    let other: [fn(&mut PeerSpec); 3] = [
        |spec| spec.network_name = Some("office".into()),
        |spec| spec.mode = CheckMode::Handshake,
        |spec| spec.network_secret = Some(Secret::from("one")),
    ];
    let probe = hub.probe("p2", "eu").await;
    for (edit, after) in other.into_iter().zip([10, 20, 30]) {
        change(&hub, peer, after, edit).await;
        let now = NOW + seconds(after);
        assert_eq!(hub.node(peer, now).await.unwrap().verdict, Verdict::Unknown);
        hub.report(&probe, vec![online(peer, now)], now).await;
        assert_eq!(hub.node(peer, now).await.unwrap().verdict, Verdict::Up);
    }
    change(&hub, peer, 40, |spec| spec.network_secret = Some(Secret::from("another"))).await;
    assert_eq!(hub.node(peer, NOW + seconds(40)).await.unwrap().verdict, Verdict::Up, "the same node");
}

async fn results_for_the_peer_as_it_was_are_refused(hub: TestStore) {
    let (peer, probe) = seen(&hub).await;
    hub.note_fetched(&probe, hub.config_version().await.unwrap()).await.unwrap();
    change(&hub, peer, 100, |spec| spec.url = "tcp://192.0.2.99:11010".parse().unwrap()).await;
    let refused = [Rejected { index: 0, reason: Rejection::PeerChanged }];

    // From the spool: checked before the change, delivered after it.
    let now = NOW + seconds(110);
    assert_eq!(hub.report(&probe, vec![online(peer, NOW + seconds(99))], now).await.rejected, refused);
    // Checked after the change, by a probe that does not know of it.
    assert_eq!(hub.report(&probe, vec![online(peer, NOW + seconds(105))], now).await.rejected, refused);
    assert_eq!(hub.node(peer, now).await.unwrap().verdict, Verdict::Unknown);

    hub.note_fetched(&probe, hub.config_version().await.unwrap()).await.unwrap();
    assert_eq!(hub.report(&probe, vec![online(peer, NOW + seconds(99))], now).await.rejected, refused);
    assert_eq!(hub.report(&probe, vec![online(peer, NOW + seconds(109))], now).await.accepted, 1);
    assert_eq!(hub.node(peer, now).await.unwrap().verdict, Verdict::Up);
    // A probe that never fetched the list has it from elsewhere.
    let other = hub.probe("p2", "us").await;
    assert_eq!(hub.report(&other, vec![online(peer, NOW + seconds(109))], now).await.accepted, 1);
}

async fn a_result_counts_for_the_list_under_which_the_peer_was_checked(hub: TestStore) {
    let (peer, probe) = seen(&hub).await;
    let (unchanged, before) = (hub.add("tcp://192.0.2.2:11010").await, hub.held_config().await.unwrap());
    change(&hub, peer, 100, |spec| spec.url = "tcp://192.0.2.99:11010".parse().unwrap()).await;
    let after = hub.held_config().await.unwrap();
    // The probe has the new list when the results arrive, but had the old one when it made the checks.
    hub.note_fetched(&probe, after.version).await.unwrap();
    let now = NOW + seconds(110);
    let under = |version, peer| CheckResult { listing: version, ..online(peer, NOW + seconds(105)) };
    let old = vec![under(Some(before.into()), peer), under(Some(before.into()), unchanged)];
    let receipt = hub.report(&probe, old, now).await;
    assert_eq!(receipt.rejected, [Rejected { index: 0, reason: Rejection::PeerChanged }]);
    assert_eq!(hub.node(peer, now).await.unwrap().verdict, Verdict::Unknown);
    assert_eq!(hub.node(unchanged, now).await.unwrap().verdict, Verdict::Up);
    assert_eq!(hub.report(&probe, vec![under(Some(after.into()), peer)], now).await.accepted, 1);
    assert_eq!(hub.node(peer, now).await.unwrap().verdict, Verdict::Up);
    // Without a version, the list that the probe fetched last counts, as before.
    assert_eq!(hub.report(&probe, vec![under(None, peer)], now).await.accepted, 1);
    hub.note_fetched(&probe, before.version).await.unwrap();
    assert_eq!(hub.report(&probe, vec![under(None, peer)], now).await.rejected.len(), 1);
}

async fn a_region_that_is_taken_off_a_peer_has_no_vote(hub: TestStore) {
    let (peer, _) = seen(&hub).await;
    let us = hub.probe("p2", "us").await;
    hub.report(&us, vec![crate::support::offline(peer, NOW)], NOW).await;
    assert_eq!(hub.node(peer, NOW).await.unwrap().verdict, Verdict::Partial);
    change(&hub, peer, 1, |spec| spec.regions = [region("us"), region("asia")].into()).await;
    let now = NOW + seconds(1);
    let node = hub.node(peer, now).await.unwrap();
    assert_eq!((node.verdict, node.response_us), (Verdict::Down, None));
    let regions = hub.node_regions(peer, now).await.unwrap();
    assert_eq!(regions.iter().map(|report| report.region.as_str()).collect::<Vec<_>>(), ["us"]);
    let events = hub.events(Some(EventSubject::Peer(peer)), None, 1, false).await.unwrap();
    assert_eq!((events[0].was.as_str(), events[0].became.as_str(), events[0].at), ("partial", "down", now));
    change(&hub, peer, 2, |spec| spec.regions.clear()).await;
    assert_eq!(hub.node(peer, NOW + seconds(2)).await.unwrap().verdict, Verdict::Down, "all regions check it again");
}
