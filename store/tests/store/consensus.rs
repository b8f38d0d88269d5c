use easytier_uptime_store::domain::{EventSubject, RegionStatus, StatusReport, Verdict};

use crate::support::{NOW, TestStore, offline, on_both_engines, online, seconds, spec};

on_both_engines! {
    a_peer_goes_up_and_down_with_an_event_for_each_change,
    regions_that_disagree_make_a_peer_partial,
    a_peer_without_results_is_unknown_at_the_next_review,
    evidence_lasts_three_check_intervals,
    the_evidence_of_a_probe_that_left_does_not_count,
    a_review_without_due_peers_changes_nothing,
    held_sessions_do_not_count_as_connections,
    events_of_hidden_peers_are_hidden,
}

async fn a_peer_goes_up_and_down_with_an_event_for_each_change(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    hub.report(&probe, vec![online(peer, NOW)], NOW).await;
    hub.report(&probe, vec![offline(peer, NOW + seconds(10))], NOW + seconds(10)).await;
    assert_eq!(
        hub.node(peer, NOW + seconds(10)).await.unwrap().verdict,
        Verdict::Up,
        "one result does not change a known status"
    );
    hub.report(&probe, vec![offline(peer, NOW + seconds(20))], NOW + seconds(20)).await;
    let node = hub.node(peer, NOW + seconds(20)).await.unwrap();
    assert_eq!((node.verdict, node.since, node.response_us), (Verdict::Down, NOW + seconds(20), None));

    let events = hub.events(Some(EventSubject::Peer(peer)), None, 10, false).await.unwrap();
    let changes: Vec<_> = events.iter().map(|event| (event.was.as_str(), event.became.as_str(), event.at)).collect();
    assert_eq!(changes, [("up", "down", NOW + seconds(20)), ("unknown", "up", NOW)]);
    assert_eq!(events[0].detail, serde_json::json!({ "online": 0, "regions": 1 }));
    let older = hub.events(None, Some(events[0].id), 10, false).await.unwrap();
    assert_eq!(older, events[1..]);
}

async fn regions_that_disagree_make_a_peer_partial(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let (eu, us) = (hub.probe("p1", "eu").await, hub.probe("p2", "us").await);
    hub.report(&eu, vec![online(peer, NOW)], NOW).await;
    hub.report(&us, vec![offline(peer, NOW)], NOW).await;
    let node = hub.node(peer, NOW).await.unwrap();
    assert_eq!((node.verdict, node.response_us), (Verdict::Partial, Some(12_000)));
    assert_eq!((node.ring[0].checks, node.ring[0].healthy), (2, 1), "counters are summed");
    let words: Vec<_> = hub.node_regions(peer, NOW).await.unwrap();
    let words: Vec<_> = words.iter().map(|region| (region.region.as_str(), region.status)).collect();
    assert_eq!(words, [("eu", Some(RegionStatus::Online)), ("us", Some(RegionStatus::Offline))]);
}

async fn a_peer_without_results_is_unknown_at_the_next_review(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    let report = StatusReport { check_interval: Some(seconds(5)), ..StatusReport::default() };
    hub.report_status(&probe, &report, NOW).await.unwrap();
    hub.report(&probe, vec![online(peer, NOW)], NOW).await;
    hub.review(NOW).await.unwrap();
    assert_eq!(hub.review(NOW + seconds(60)).await.unwrap(), 0);
    let stale = NOW + seconds(61);
    assert_eq!(hub.review(stale).await.unwrap(), 1);
    let node = hub.node(peer, stale).await.unwrap();
    assert_eq!((node.verdict, node.since, node.response_us), (Verdict::Unknown, stale, None));
    assert_eq!(node.last_check_at, Some(NOW));
    hub.report(&probe, vec![offline(peer, stale)], stale).await;
    assert_eq!(hub.node(peer, stale).await.unwrap().verdict, Verdict::Down, "leaving unknown is immediate");
}

async fn evidence_lasts_three_check_intervals(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.local_probe("function", &"eu".parse().unwrap(), NOW).await.unwrap();
    let report = StatusReport { check_interval: Some(seconds(3600)), ..StatusReport::default() };
    hub.report_status(&probe, &report, NOW).await.unwrap();
    hub.report(&probe, vec![online(peer, NOW)], NOW).await;
    for (after, verdict) in [(3 * 3600, Verdict::Up), (3 * 3600 + 1, Verdict::Unknown)] {
        let now = NOW + seconds(after);
        hub.review(now).await.unwrap();
        assert_eq!(hub.node(peer, now).await.unwrap().verdict, verdict);
    }
}

async fn the_evidence_of_a_probe_that_left_does_not_count(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    hub.report(&probe, vec![online(peer, NOW)], NOW).await;
    hub.review(NOW).await.unwrap();
    hub.unregister_probe(&probe, NOW + seconds(1)).await.unwrap();
    hub.review(NOW + seconds(1)).await.unwrap();
    assert_eq!(hub.node(peer, NOW + seconds(1)).await.unwrap().verdict, Verdict::Unknown);
    hub.heartbeat(&probe, None, NOW + seconds(2)).await.unwrap();
    hub.review(NOW + seconds(2)).await.unwrap();
    assert_eq!(hub.node(peer, NOW + seconds(2)).await.unwrap().verdict, Verdict::Up, "its evidence is still fresh");
    let events = hub.events(Some(EventSubject::Probe(probe.probe)), None, 10, false).await.unwrap();
    let became: Vec<_> = events.iter().map(|event| event.became.as_str()).collect();
    assert_eq!(became, ["online", "offline", "online"]);
    assert_eq!(events[0].detail, serde_json::json!({ "server_id": "p1", "region": "eu" }));
}

async fn a_review_without_due_peers_changes_nothing(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    hub.report(&probe, vec![online(peer, NOW)], NOW).await;
    hub.review(NOW).await.unwrap();
    let before = hub.node(peer, NOW).await.unwrap();
    assert_eq!(hub.review(NOW + seconds(30)).await.unwrap(), 0);
    assert_eq!(hub.node(peer, NOW).await.unwrap(), before);
    assert_eq!(hub.events(None, None, 10, true).await.unwrap().len(), 2, "the probe came, the peer went up");
}

async fn held_sessions_do_not_count_as_connections(hub: TestStore) {
    let shared = hub.add("tcp://192.0.2.1:11010").await;
    let mut of_a_network = spec("tcp://192.0.2.2:11010");
    of_a_network.network_secret = Some("s".into());
    let private = hub.add_peer(&of_a_network, NOW).await.unwrap();
    let holds = StatusReport { holds_sessions: true, ..StatusReport::default() };
    for (server_id, region, report) in
        [("p1", "eu", &holds), ("p2", "us", &holds), ("p3", "asia", &StatusReport::default())]
    {
        let probe = hub.probe(server_id, region).await;
        hub.report_status(&probe, report, NOW).await.unwrap();
        hub.report(&probe, vec![online(shared, NOW), online(private, NOW)], NOW).await;
    }
    let node = hub.node(shared, NOW).await.unwrap();
    assert_eq!(node.current_connections, Some(35), "37 networks, two of them held by probes");
    assert_eq!(node.usage_percentage(), Some(35.0));
    assert_eq!(
        hub.node(private, NOW).await.unwrap().current_connections,
        Some(37),
        "a member of the network adds no network"
    );
}

async fn events_of_hidden_peers_are_hidden(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    hub.report(&probe, vec![online(peer, NOW)], NOW).await;
    hub.set_approved(peer, false, NOW).await.unwrap();
    assert_eq!(hub.events(None, None, 10, false).await.unwrap(), []);
    assert_eq!(hub.events(None, None, 10, true).await.unwrap().len(), 1);
}
