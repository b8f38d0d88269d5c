//! Whether nodes relay: what the regions found, and the tests that are handed out.

use easytier_probe::{CheckMode, CheckResult, Relay, result::REFUSAL_FLAG};
use easytier_uptime_store::domain::{
    EventKind, EventSubject, LiveSettings, NodeFilter, PageRequest, PeerId, ProbeIdentity, QUARTER, Timestamp,
};
use serde_json::json;

use crate::{
    support::{NOW, TestStore, offline, on_both_engines, online, seconds, spec},
    sync::cluster,
};

on_both_engines! {
    what_regions_find_is_kept_and_makes_one_verdict,
    a_change_of_what_regions_find_is_an_event_of_the_node,
    what_is_known_goes_with_the_address_and_the_node,
    a_refusal_that_each_check_repeats_is_stored_now_and_then,
    only_nodes_that_serve_guests_and_are_online_are_tested,
    a_test_is_handed_out_once_until_it_is_answered,
    a_dependent_hands_tests_out_an_eighth_as_often,
    two_hubs_hand_a_test_out_once,
    few_nodes_of_a_batch_are_tested,
}

fn relaying(peer: PeerId, at: Timestamp) -> CheckResult {
    CheckResult { relay: Some(Relay::Ok), relay_ms: Some(1.5), ..online(peer, at) }
}

fn not_relaying(peer: PeerId, at: Timestamp, relay: Relay, why: &str) -> CheckResult {
    CheckResult { relay: Some(relay), relay_error: Some(why.to_owned()), ..online(peer, at) }
}

async fn what_regions_find_is_kept_and_makes_one_verdict(hub: TestStore) {
    let (one, other) = (hub.add("tcp://192.0.2.1:11010").await, hub.add("tcp://192.0.2.2:11010").await);
    let (eu, asia) = (hub.probe("p", "eu").await, hub.probe("q", "asia").await);
    let at = |minutes: u64| NOW + seconds(minutes * 60);
    let measured = async || {
        let relay = hub.node(one, NOW).await.unwrap().relay?;
        Some((relay.verdict, relay.checked_at, relay.round_trip_us, relay.not_ok))
    };
    hub.report(&eu, vec![online(one, NOW), online(other, NOW)], NOW).await;
    assert_eq!(measured().await, None);
    hub.report(&eu, vec![not_relaying(one, at(1), Relay::Refused, "it drops data")], at(1)).await;
    hub.report(&asia, vec![not_relaying(one, at(2), Relay::Failed, "no answer")], at(2)).await;
    assert_eq!(measured().await, Some((Relay::Refused, at(1), None, 2)));
    // A result without a test changes nothing, and one that comes late does not replace a newer one.
    hub.report(&eu, vec![online(one, at(3)), relaying(one, NOW)], at(3)).await;
    assert_eq!(measured().await, Some((Relay::Refused, at(1), None, 2)));
    hub.report(&asia, vec![relaying(one, at(4))], at(4)).await;
    assert_eq!(measured().await, Some((Relay::Ok, at(4), Some(1500), 0)));

    let regions = hub.node_regions(one, at(5)).await.unwrap();
    let found = regions.iter().map(|of| (of.region.as_str(), of.relay.as_ref().map(|relay| relay.verdict)));
    assert_eq!(found.collect::<Vec<_>>(), [("asia", Some(Relay::Ok)), ("eu", Some(Relay::Refused))]);
    let listed = async |relay| {
        let filter = NodeFilter { relay_measured: Some(relay), ..NodeFilter::default() };
        let page = PageRequest { page: 1, per_page: 10 };
        hub.nodes(&filter, page, NOW).await.unwrap().items.iter().map(|node| node.id).collect::<Vec<_>>()
    };
    assert_eq!((listed(Relay::Ok).await, listed(Relay::Refused).await), (vec![one], vec![]));
    // The raw results keep it for the instance that they are passed on to.
    assert_eq!(hub.count("results WHERE relay_us = 1500").await, 2);
}

async fn a_change_of_what_regions_find_is_an_event_of_the_node(hub: TestStore) {
    let (one, other) = (hub.add("tcp://192.0.2.1:11010").await, hub.add("tcp://192.0.2.2:11010").await);
    let eu = hub.probe("p", "eu").await;
    let at = |minutes: u64| NOW + seconds(minutes * 60);
    let refused = |minutes| not_relaying(one, at(minutes), Relay::Refused, "it drops data");
    hub.report(&eu, vec![relaying(one, NOW), relaying(other, NOW)], NOW).await;
    for (minutes, result) in [(1, refused(1)), (2, refused(2)), (3, relaying(one, at(3))), (4, relaying(one, at(4)))] {
        hub.report(&eu, vec![result], at(minutes)).await;
    }
    let of_one = Some(EventSubject::Peer(one));
    let events = hub.events(of_one, None, 10, false).await.unwrap();
    let changes: Vec<_> =
        events.iter().map(|event| (event.kind, event.was.as_str(), event.became.as_str(), event.at)).collect();
    // What is found first is no change.
    let expected = [
        (EventKind::Relay, "refused", "ok", at(3)),
        (EventKind::Relay, "ok", "refused", at(1)),
        (EventKind::Peer, "unknown", "up", NOW),
    ];
    assert_eq!(changes, expected);
    assert_eq!(
        [&events[0].detail, &events[1].detail],
        [&json!({ "reason": null }), &json!({ "reason": "it drops data" })]
    );
    assert_eq!(hub.events(of_one, Some(events[0].id), 1, false).await.unwrap(), events[1..2]);
    assert_eq!(hub.peer_events(2).await.unwrap(), events[..2]);
    assert_eq!(hub.peers_with_events(events[1].id, events[0].id).await.unwrap(), [one]);

    hub.set_approved(one, false, NOW).await.unwrap();
    let listed = async |all| {
        let events = hub.events(None, None, 100, all).await.unwrap();
        events.iter().filter(|event| event.kind == EventKind::Relay).count()
    };
    assert_eq!((listed(false).await, listed(true).await), (0, 2));
}

async fn what_is_known_goes_with_the_address_and_the_node(hub: TestStore) {
    let (one, other) = (hub.add("tcp://192.0.2.1:11010").await, hub.add("tcp://192.0.2.2:11010").await);
    let eu = hub.probe("p", "eu").await;
    hub.report(&eu, vec![relaying(one, NOW), relaying(other, NOW)], NOW).await;
    let rows = async || (hub.count("relays").await, hub.count("relay_verdicts").await);
    assert_eq!(rows().await, (2, 2));
    hub.edit_peer(one, |spec| spec.description = "another text".to_owned(), NOW).await.unwrap();
    assert_eq!(rows().await, (2, 2));
    hub.edit_peer(one, |spec| spec.url = "tcp://192.0.2.7:11010".parse().unwrap(), NOW).await.unwrap();
    assert_eq!((rows().await, hub.node(one, NOW).await.unwrap().relay), ((1, 1), None));
    hub.delete_peer(other, NOW).await.unwrap();
    assert_eq!(rows().await, (0, 0));

    // What was found long ago is forgotten.
    let third = hub.add("tcp://192.0.2.3:11010").await;
    hub.report(&eu, vec![relaying(third, NOW)], NOW).await;
    let kept = hub.live_settings().retention.events;
    hub.sweep(NOW + kept).await.unwrap();
    assert_eq!(rows().await, (1, 1));
    hub.sweep(NOW + kept + seconds(1)).await.unwrap();
    assert_eq!(rows().await, (0, 0));
}

async fn a_refusal_that_each_check_repeats_is_stored_now_and_then(hub: TestStore) {
    let (peer, eu) = (hub.add("tcp://192.0.2.1:11010").await, hub.probe("p", "eu").await);
    for minutes in 0..12 {
        let at = NOW + seconds(minutes * 60);
        hub.report(&eu, vec![not_relaying(peer, at, Relay::Refused, REFUSAL_FLAG)], at).await;
    }
    let relay = hub.node(peer, NOW).await.unwrap().relay.unwrap();
    assert_eq!((relay.checked_at, relay.not_ok), (NOW + seconds(600), 3));
    assert_eq!(hub.relays_that_do_not().await.unwrap(), [], "nobody declares that it relays");
    hub.edit_peer(peer, |spec| spec.allow_relay = true, NOW).await.unwrap();
    assert_eq!(hub.relays_that_do_not().await.unwrap(), [(peer, Relay::Refused)]);
}

/// The peers of these that the hub hands tests out of, one after another.
async fn handed_out(hub: &TestStore, reported: &[PeerId], now: Timestamp) -> Vec<PeerId> {
    let mut all = Vec::new();
    loop {
        let some = hub.hand_out_relay_tests(reported, now).await.unwrap();
        if some.is_empty() {
            return all;
        }
        all.extend(some);
    }
}

async fn only_nodes_that_serve_guests_and_are_online_are_tested(hub: TestStore) {
    let eu = hub.probe("p", "eu").await;
    let guest = hub.add("tcp://192.0.2.1:11010").await;
    let list = hub.add("https://nodes.example.net/list").await;
    let wg = hub.add("wg://192.0.2.2:11010").await;
    let down = hub.add("tcp://192.0.2.3:11010").await;
    let not_approved = hub.add("tcp://192.0.2.4:11010").await;
    let mut private = spec("tcp://192.0.2.5:11010");
    private.mode = CheckMode::Handshake;
    let mut member = spec("tcp://192.0.2.6:11010");
    (member.network_name, member.network_secret) = (Some("n".into()), Some("".into()));
    let (private, member) = (hub.add_peer(&private, NOW).await.unwrap(), hub.add_peer(&member, NOW).await.unwrap());
    let all = [guest, list, wg, down, not_approved, private, member];
    let results = all.iter().filter(|peer| **peer != down).map(|peer| online(*peer, NOW)).collect::<Vec<_>>();
    hub.report(&eu, results, NOW).await;
    hub.report(&eu, vec![offline(down, NOW), offline(down, NOW + seconds(1))], NOW + seconds(1)).await;
    hub.set_approved(not_approved, false, NOW).await.unwrap();

    assert_eq!(handed_out(&hub, &[down, private, member, wg], NOW + seconds(5)).await, []);
    assert_eq!(handed_out(&hub, &all, NOW + seconds(5)).await, [guest, list]);
    let off = LiveSettings { relay_interval: seconds(0), ..hub.live_settings() };
    hub.change_live_settings(&off, NOW).await.unwrap();
    assert_eq!(handed_out(&hub, &all, NOW + seconds(100_000)).await, []);
}

async fn a_test_is_handed_out_once_until_it_is_answered(hub: TestStore) {
    let eu = hub.probe("p", "eu").await;
    let (declares, other) = (hub.add("tcp://192.0.2.1:11010").await, hub.add("tcp://192.0.2.2:11010").await);
    hub.edit_peer(declares, |spec| spec.allow_relay = true, NOW).await.unwrap();
    let both = [declares, other];
    hub.report(&eu, both.map(|peer| online(peer, NOW)).into(), NOW).await;
    assert_eq!(handed_out(&hub, &both, NOW).await, both);
    // Without an answer it is handed out again after five minutes.
    for (at, expected) in [(270, &[][..]), (300, &both), (330, &[])] {
        assert_eq!(handed_out(&hub, &both, NOW + seconds(at)).await, expected, "after {at} s");
    }
    // With one it is due after about the interval; where relay is not declared, after eight times that.
    let expected = [(0.89, &[][..]), (1.11, &[declares]), (7.1, &[declares]), (8.9, &both)];
    assert_due(&hub, &eu, both, NOW + seconds(340), expected).await;
}

/// Both nodes answer a test. These are due again after so many intervals; of them the first node answers each time.
async fn assert_due<const N: usize>(
    hub: &TestStore,
    probe: &ProbeIdentity,
    nodes: [PeerId; 2],
    answered: Timestamp,
    expected: [(f64, &[PeerId]); N],
) {
    hub.report(probe, nodes.map(|peer| relaying(peer, answered)).into(), answered).await;
    for (intervals, expected) in expected {
        let now = answered + QUARTER.mul_f64(intervals);
        hub.report(probe, nodes.map(|peer| online(peer, now)).into(), now).await;
        assert_eq!(handed_out(hub, &nodes, now).await, expected, "after {intervals} intervals");
        if !expected.is_empty() {
            hub.report(probe, vec![relaying(nodes[0], now)], now).await;
        }
    }
}

async fn a_dependent_hands_tests_out_an_eighth_as_often(primary: TestStore) {
    let (declares, other) = (primary.add("tcp://192.0.2.1:11010").await, primary.add("tcp://192.0.2.2:11010").await);
    primary.edit_peer(declares, |spec| spec.allow_relay = true, NOW).await.unwrap();
    let dependent = cluster(&primary).await;
    let (eu, both) = (dependent.probe("p", "eu").await, [declares, other]);
    dependent.report(&eu, both.map(|peer| online(peer, NOW)).into(), NOW).await;
    assert_eq!(handed_out(&dependent, &both, NOW).await, both);
    let expected = [(7.1, &[][..]), (8.9, &[declares]), (57.0, &[declares]), (71.0, &both)];
    assert_due(&dependent, &eu, both, NOW + seconds(10), expected).await;
}

async fn two_hubs_hand_a_test_out_once(hub: TestStore) {
    let eu = hub.probe("p", "eu").await;
    let mut peers = Vec::new();
    for nth in 1..=30 {
        peers.push(hub.add(&format!("tcp://192.0.2.{nth}:11010")).await);
    }
    hub.report(&eu, peers.iter().map(|peer| online(*peer, NOW)).collect(), NOW).await;
    let second = hub.second_hub().await.unwrap();
    // Both have read that all are due.
    let ask = async |store: &easytier_uptime_store::Store| {
        let mut all = Vec::new();
        for _ in 0..60 {
            all.extend(store.hand_out_relay_tests(&peers, NOW).await.unwrap());
        }
        all
    };
    let (mut all, others) = tokio::join!(ask(&hub.store), ask(&second));
    all.extend(others);
    all.sort_unstable();
    assert_eq!(all, peers);
}

async fn few_nodes_of_a_batch_are_tested(hub: TestStore) {
    let eu: ProbeIdentity = hub.probe("p", "eu").await;
    let mut peers = Vec::new();
    for nth in 0..250 {
        peers.push(hub.add(&format!("tcp://192.0.2.1:{}", 1000 + nth)).await);
    }
    hub.report(&eu, peers.iter().map(|peer| online(*peer, NOW)).collect(), NOW).await;
    let first = hub.hand_out_relay_tests(&peers, NOW).await.unwrap();
    assert_eq!(first.len(), 2);
    assert_eq!(hub.hand_out_relay_tests(&peers[200..], NOW).await.unwrap().len(), 1);
    assert_eq!(hub.hand_out_relay_tests(&[PeerId(99_999)], NOW).await.unwrap(), []);
}
