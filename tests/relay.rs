//! Whether real nodes of both generations relay data between their guests, by their own words and by trying it.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

mod support;

use std::env;

use easytier_probe::{Checker, Peer, Relay, Scheme, Stage, Status};
use futures::{StreamExt, stream};
use support::{
    LONG, SHORT, assert_online,
    current_node::{CurrentNode, CurrentNodeOptions},
    guest, member,
    node::{Node, NodeOptions},
    options,
};

const TRANSPORTS: [Scheme; 6] = [Scheme::Tcp, Scheme::Udp, Scheme::Ws, Scheme::Wss, Scheme::Wg, Scheme::Quic];

fn old(configure: impl FnOnce(&mut NodeOptions)) -> Node {
    let mut options = NodeOptions::listening_on(&TRANSPORTS);
    configure(&mut options);
    options.start(env!("CARGO_BIN_EXE_easytier-uptime"))
}

fn current(configure: impl FnOnce(&mut NodeOptions)) -> CurrentNodeOptions {
    let mut options = CurrentNodeOptions::listening_on(&TRANSPORTS);
    configure(&mut options.node);
    options
}

/// The guests of other networks find each other through it, and send no data.
fn calls_only(options: &mut NodeOptions) {
    (options.relay_whitelist, options.relay_all_peer_rpc) = (Some("friends-*".to_owned()), true);
}

/// Tests the node over every transport, again and again where `RELAY_RUNS` says so.
async fn assert_verdicts(node: &Node, expected: Relay, words: Option<&str>) {
    let runs = env::var("RELAY_RUNS").map_or(1, |text| text.parse().expect("RELAY_RUNS is a number"));
    let checker = Checker::new(options(LONG));
    for scheme in (0..runs).flat_map(|_| TRANSPORTS) {
        let test = checker.test_relay(&node.as_guest(scheme)).await;
        assert_eq!(test.verdict, expected, "over {scheme}: {test:?}");
        assert_eq!(test.round_trip.is_some(), expected == Relay::Ok, "{test:?}");
        assert_eq!(test.message.is_some(), expected != Relay::Ok, "{test:?}");
        let message = test.message.as_deref().unwrap_or_default();
        assert!(words.is_none_or(|words| message.contains(words)), "over {scheme}: {test:?}");
    }
}

#[tokio::test]
async fn a_node_of_each_generation_relays() {
    assert_verdicts(&old(|_| ()), Relay::Ok, None).await;
    assert_verdicts(&current(|_| ()).start(), Relay::Ok, None).await;
}

#[tokio::test]
async fn a_node_that_limits_the_data_of_guests_relays() {
    let node = current(|_| ()).flag("foreign_relay_bps_limit", 20_000).start();
    assert_verdicts(&node, Relay::Ok, None).await;
}

#[tokio::test]
async fn a_node_of_2_0_that_forwards_calls_only_refuses() {
    assert_verdicts(&old(calls_only), Relay::Refused, Some("drops data")).await;
}

#[tokio::test]
async fn a_node_of_2_6_says_that_it_refuses() {
    let disabled = |options: CurrentNodeOptions| options.flag("disable_relay_data", true).start();
    for node in [current(calls_only).start(), disabled(current(|_| ()))] {
        assert_verdicts(&node, Relay::Refused, Some("avoid_relay_data")).await;
        // One session is enough.
        assert_says_so(&node).await;
    }
}

/// A check without a test of relaying.
async fn assert_says_so(node: &CurrentNode) {
    let report = support::check(&node.as_guest(Scheme::Tcp), LONG).await;
    assert_online(&report);
    assert_eq!(report.result.relay, Some(Relay::Refused), "{report:?}");
    assert!(report.result.relay_error.as_ref().is_some_and(|words| words.contains("avoid_relay_data")), "{report:?}");
    // To its members it relays.
    let report = support::check(&node.as_member(Scheme::Tcp), LONG).await;
    assert_eq!((report.result.status, report.result.relay), (Status::Online, None), "{report:?}");
}

#[tokio::test]
async fn a_node_that_admits_no_guest_cannot_be_tested() {
    let nobody = |options: &mut NodeOptions| options.relay_whitelist = Some(String::new());
    let checker = Checker::new(options(SHORT));
    let nodes = [old(nobody)];
    let current = [current(|_| ()).flag("private_mode", true).start()];
    let peers: Vec<Peer> = nodes.iter().chain(current.iter().map(|node| &**node)).map(|node| node.as_guest(Scheme::Tcp)).collect();
    for peer in &peers {
        let test = checker.test_relay(peer).await;
        assert_eq!((test.verdict, test.round_trip), (Relay::Failed, None), "{test:?}");
    }
    let unreachable = checker.test_relay(&guest("tcp://127.0.0.1:1")).await;
    assert_eq!(unreachable.verdict, Relay::Failed, "{unreachable:?}");
    let of_member = checker.test_relay(&member("tcp://127.0.0.1:1", "net", "secret")).await;
    assert!(of_member.message.as_ref().is_some_and(|words| words.contains("only nodes for guests")), "{of_member:?}");
}

#[tokio::test]
async fn a_test_that_fails_leaves_the_peer_online() {
    let node = old(calls_only);
    let checker = Checker::new(options(LONG));
    let mut report = checker.check(&node.as_guest(Scheme::Tcp)).await;
    assert_online(&report);
    report.add_relay(checker.test_relay(&node.as_guest(Scheme::Tcp)).await);
    assert_online(&report);
    assert_eq!((report.result.stage, report.result.relay), (Stage::Relay, Some(Relay::Refused)), "{report:?}");
}

#[tokio::test]
async fn many_nodes_are_tested_at_once() {
    let nodes: Vec<Node> = (0..4).map(|_| old(|_| ())).collect();
    let checker = Checker::new(options(LONG));
    let peers = nodes.iter().flat_map(|node| TRANSPORTS.map(|scheme| node.as_guest(scheme)));
    let tests: Vec<_> = stream::iter(peers)
        .map(|peer| {
            let checker = checker.clone();
            async move { checker.test_relay(&peer).await }
        })
        .buffer_unordered(24)
        .collect()
        .await;
    assert!(tests.iter().all(|test| test.verdict == Relay::Ok), "{tests:#?}");
}
