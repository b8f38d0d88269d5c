//! Checks that somebody asks for: who gets the order, what it says, and what becomes of the answers.

use std::{net::IpAddr, time::Duration};

use easytier_probe::Secret;
use easytier_uptime_store::{
    Conflict, StoreError,
    domain::{CheckTarget, NewCheck, Order, PeerId, PeerSpec, ProbeIdentity, RequestedCheck, RunOutcome, Timestamp},
};
use uuid::Uuid;

use crate::support::{NOW, TestStore, offline, on_both_engines, online, seconds};

on_both_engines! {
    an_order_goes_to_a_probe_that_asked_and_its_answer_to_who_waits,
    a_region_stands_for_one_of_its_probes_and_a_name_for_none_is_unavailable,
    an_address_is_checked_once_in_ten_seconds_whoever_asks,
    a_probe_that_does_not_answer_in_time_is_unavailable,
    a_probe_with_a_hundred_orders_gets_no_more,
    what_was_requested_is_forgotten_after_an_hour,
}

fn wanted(target: CheckTarget, from: &[&str]) -> NewCheck {
    NewCheck {
        id: Uuid::new_v4(),
        target,
        from: from.iter().map(|name| (*name).to_owned()).collect(),
        timeout: Duration::from_secs(5),
        addresses: Vec::new(),
        requested_by: "admin".to_owned(),
    }
}

fn at(url: &str) -> CheckTarget {
    CheckTarget::Url { url: url.parse().unwrap(), submitted: true }
}

/// A probe that asks for orders at `now`.
async fn asking(hub: &TestStore, server_id: &str, region: &str, now: Timestamp) -> ProbeIdentity {
    let probe = hub.probe(server_id, region).await;
    hub.note_channel(probe.probe, now).await.unwrap();
    probe
}

async fn orders(hub: &TestStore, probe: &ProbeIdentity, since: i64) -> Vec<Order> {
    hub.orders(probe.probe, since, NOW).await.unwrap()
}

/// From where it was asked for, and the probes that were chosen.
fn places(check: &RequestedCheck) -> Vec<(&str, Option<&str>)> {
    check.runs.iter().map(|run| (&*run.vantage, run.probe.as_ref().map(|(server_id, _)| &**server_id))).collect()
}

async fn an_order_goes_to_a_probe_that_asked_and_its_answer_to_who_waits(hub: TestStore) {
    let (asks, silent) = (asking(&hub, "p", "eu", NOW).await, hub.probe("q", "asia").await);
    let mut spec = PeerSpec::new("tcp://192.0.2.1:11010".parse().unwrap());
    (spec.network_name, spec.network_secret) = (Some("net".to_owned()), Some(Secret::from("no secret at all")));
    let peer = hub.add_peer(&spec, NOW).await.unwrap();
    let first = wanted(CheckTarget::Peer(peer), &[]);
    hub.request_check(&first, NOW).await.unwrap();
    let second = wanted(at("udp://192.0.2.2:11010"), &["p"]);
    hub.request_check(&second, NOW).await.unwrap();

    assert_eq!(hub.probes_with_orders(NOW).await.unwrap(), [(asks.probe, 2)].into());
    assert_eq!(orders(&hub, &silent, 0).await, []);
    let both = orders(&hub, &asks, 0).await;
    let said = |order: &Order| (order.number, order.peer.id, order.peer.url.to_string(), order.peer.submitted);
    assert_eq!(said(&both[0]), (1, peer, "tcp://192.0.2.1:11010".to_owned(), false));
    assert_eq!(said(&both[1]), (2, PeerId(0), "udp://192.0.2.2:11010".to_owned(), true));
    assert_eq!(both[0].peer.network_secret, spec.network_secret);
    assert!(both.iter().all(|order| order.peer.timeout == Some(first.timeout)));
    assert_eq!(orders(&hub, &asks, 1).await, both[1..]);

    // The answer stays, whatever comes after it, and only the probe with the order can give it.
    let result = online(peer, NOW);
    let refused = hub.answer_order(silent.probe, 1, &result, NOW).await;
    assert!(matches!(refused, Err(StoreError::NotFound(_))));
    hub.answer_order(asks.probe, 1, &result, NOW).await.unwrap();
    hub.answer_order(asks.probe, 1, &offline(peer, NOW), NOW).await.unwrap();
    let check = hub.requested_check(first.id, NOW).await.unwrap();
    assert_eq!((places(&check), check.peer, check.is_running()), (vec![("eu", Some("p"))], Some(peer), false));
    assert_eq!(check.runs[0].outcome, RunOutcome::Done(Box::new(result)));
    assert_eq!(orders(&hub, &asks, 0).await, both[1..]);
    assert!(hub.requested_check(second.id, NOW).await.unwrap().is_running());
}

async fn a_region_stands_for_one_of_its_probes_and_a_name_for_none_is_unavailable(hub: TestStore) {
    for server_id in ["a", "b"] {
        asking(&hub, server_id, "eu", NOW).await;
    }
    asking(&hub, "c", "asia", NOW).await;
    asking(&hub, "away", "us", NOW - seconds(75)).await;
    let mut drawn = std::collections::BTreeSet::new();
    for _ in 0..64 {
        let new = wanted(at("tcp://192.0.2.1:11010"), &["eu", "c", "us", "mars"]);
        hub.request_check(&new, NOW).await.unwrap();
        let check = hub.requested_check(new.id, NOW).await.unwrap();
        let [("c", Some("c")), ("eu", Some(one)), ("mars", None), ("us", None)] = places(&check)[..] else {
            panic!("{check:?}")
        };
        drawn.insert(one.to_owned());
        assert_eq!(check.runs[2].outcome, RunOutcome::Unavailable);
        assert_eq!(check.runs[1].outcome, RunOutcome::Waiting);
        for probe in ["a", "b", "c"] {
            let probe = hub.probe(probe, if probe == "c" { "asia" } else { "eu" }).await;
            for order in orders(&hub, &probe, 0).await {
                hub.answer_order(probe.probe, order.number, &online(PeerId(0), NOW), NOW).await.unwrap();
            }
        }
    }
    assert_eq!(drawn, ["a", "b"].map(str::to_owned).into(), "either probe of the region is drawn now and then");
    // Two names for one probe are one check from it.
    let twice = wanted(at("tcp://192.0.2.1:11010"), &["asia", "c"]);
    hub.request_check(&twice, NOW).await.unwrap();
    let check = hub.requested_check(twice.id, NOW).await.unwrap();
    assert_eq!(places(&check), [("asia", Some("c")), ("c", None)]);
}

async fn an_address_is_checked_once_in_ten_seconds_whoever_asks(hub: TestStore) {
    asking(&hub, "p", "eu", NOW).await;
    let of = |addresses: &[&str]| NewCheck {
        addresses: addresses.iter().map(|address| address.parse::<IpAddr>().unwrap()).collect(),
        ..wanted(at("tcp://node.example.net:11010"), &[])
    };
    let refused = async |new: NewCheck, now| match hub.request_check(&new, now).await {
        Ok(()) => false,
        Err(StoreError::Conflict(Conflict::CheckedJustNow)) => true,
        Err(error) => panic!("{error}"),
    };
    assert!(!refused(of(&["192.0.2.1", "2001:db8::1"]), NOW).await);
    assert!(refused(of(&["192.0.2.1"]), NOW + seconds(9)).await);
    // The mapped form is the same address, and a refused request takes none of its addresses.
    assert!(refused(of(&["192.0.2.9", "::ffff:192.0.2.1"]), NOW + seconds(9)).await);
    assert!(!refused(of(&["192.0.2.9"]), NOW + seconds(9)).await);
    assert!(!refused(of(&["192.0.2.1"]), NOW + seconds(10)).await);
    assert_eq!(hub.count("requested_checks").await, 3);
}

async fn a_probe_that_does_not_answer_in_time_is_unavailable(hub: TestStore) {
    let probe = asking(&hub, "p", "eu", NOW).await;
    let new = wanted(at("tcp://192.0.2.1:11010"), &["eu"]);
    hub.request_check(&new, NOW).await.unwrap();
    // The deadline of the check, and five seconds for the way.
    assert!(hub.requested_check(new.id, NOW + seconds(9)).await.unwrap().is_running());
    let over = NOW + seconds(10);
    assert_eq!(hub.requested_check(new.id, over).await.unwrap().runs[0].outcome, RunOutcome::Unavailable);
    assert_eq!(hub.orders(probe.probe, 0, over).await.unwrap(), []);
    assert!(hub.probes_with_orders(over).await.unwrap().is_empty());
    let late = hub.answer_order(probe.probe, 1, &online(PeerId(0), NOW), over).await;
    assert!(matches!(late, Err(StoreError::NotFound(_))));
}

async fn a_probe_with_a_hundred_orders_gets_no_more(hub: TestStore) {
    let probe = asking(&hub, "p", "eu", NOW).await;
    let order = async || {
        let new = wanted(at("tcp://192.0.2.1:11010"), &["p"]);
        hub.request_check(&new, NOW).await.unwrap();
        hub.requested_check(new.id, NOW).await.unwrap().is_running()
    };
    for _ in 0..100 {
        assert!(order().await);
    }
    assert!(!order().await);
    hub.answer_order(probe.probe, 50, &online(PeerId(0), NOW), NOW).await.unwrap();
    assert!(order().await);
}

async fn what_was_requested_is_forgotten_after_an_hour(hub: TestStore) {
    asking(&hub, "p", "eu", NOW).await;
    let new = NewCheck { addresses: vec!["192.0.2.1".parse().unwrap()], ..wanted(at("tcp://192.0.2.1:11010"), &[]) };
    hub.request_check(&new, NOW).await.unwrap();
    let rows = async || {
        let mut rows = Vec::new();
        for table in ["requested_checks", "requested_runs", "checked_addresses", "probe_channels"] {
            rows.push(hub.count(table).await);
        }
        rows
    };
    hub.sweep(NOW + seconds(10 + 3600)).await.unwrap();
    assert_eq!(rows().await, [1, 1, 0, 1]);
    hub.sweep(NOW + seconds(11 + 3600)).await.unwrap();
    assert_eq!(rows().await, [0, 0, 0, 1]);
    let gone = hub.requested_check(new.id, NOW).await;
    assert!(matches!(gone, Err(StoreError::NotFound(_))));
}
