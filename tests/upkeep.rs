//! How sessions that stay open are renewed, and how rarely a peer is joined that gives none.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

mod support;

use std::{net::Ipv4Addr, time::Duration};

use easytier_probe::{
    CheckMode, CheckOptions, CheckReport, Checker, FailureCode, HeldPeer, Peer, Resolver, Scheme, Status,
};
use support::{
    LONG, SHORT, assert_consistent, assert_online,
    dns::{Zone, a, name_server_of},
    fake::Fake,
    guest, member, options,
    scripted::{Script, ScriptedNode, Then},
};
use tokio::time::{Instant, advance, pause, resume};

const SECOND: Duration = Duration::from_secs(1);
const RENEW_AFTER: Duration = Duration::from_secs(3600);
/// Longer than the time until any session is renewed.
const LATER: Duration = Duration::from_secs(4000);

/// Lets `time` pass at once.
async fn pass(time: Duration) {
    pause();
    advance(time).await;
    resume();
}

async fn check_now(held: &mut HeldPeer) -> CheckReport {
    let report = held.next(Instant::now()).await;
    assert_consistent(held.peer(), &report);
    report
}

// --- renewal ---------------------------------------------------------------------------------------------------------

/// A peer by the name `node.test`, as `zone` resolves it.
async fn hold_by_name(zone: &Zone, port: u16) -> HeldPeer {
    let options = CheckOptions { renew_after: RENEW_AFTER, ..options(SHORT) };
    let name_server = name_server_of("127.0.0.1:0", zone.clone()).await;
    let resolver = Resolver::with_name_servers(options.addresses, &[name_server]);
    Checker::with_resolver(options, resolver).hold(guest(format!("tcp://node.test:{port}")))
}

#[tokio::test]
async fn an_old_session_is_replaced_after_the_new_one_is_open() {
    let node = ScriptedNode::start(Script::default()).await;
    let mut held = Checker::new(options(LONG)).hold(guest(node.url().to_string()));
    assert_online(&check_now(&mut held).await);
    pass(LATER).await;
    assert_online(&check_now(&mut held).await);
    assert_eq!((node.fake.arrived(), node.most_sessions()), (2, 2));
    node.has_sessions(1).await;
}

#[tokio::test]
async fn a_session_is_not_closed_because_its_name_cannot_be_looked_up() {
    let node = ScriptedNode::start(Script::default()).await;
    let zone = Zone::default();
    zone.set(0, [("node.test", a([127, 0, 0, 1]))]);
    let mut held = hold_by_name(&zone, node.fake.address().port()).await;
    assert_online(&check_now(&mut held).await);

    zone.fail();
    for _round in 0..2 {
        pass(LATER).await;
        assert_online(&check_now(&mut held).await);
    }
    assert_eq!(node.fake.arrived(), 1);

    // The name server is back.
    zone.set(0, [("node.test", a([127, 0, 0, 1]))]);
    pass(LATER).await;
    assert_online(&check_now(&mut held).await);
    assert_eq!(node.fake.arrived(), 2);
}

#[tokio::test]
async fn a_session_is_not_closed_because_no_other_can_be_opened() {
    let node = ScriptedNode::start(Script { sessions: Some(1), ..Script::default() }).await;
    let mut held = Checker::new(options(SHORT)).hold(guest(node.url().to_string()));
    assert_online(&check_now(&mut held).await);
    pass(LATER).await;
    assert_online(&check_now(&mut held).await);
    assert_eq!(node.fake.arrived(), 2);
    node.has_sessions(1).await;
    assert_online(&check_now(&mut held).await);
    assert_eq!(node.fake.arrived(), 2);
}

#[tokio::test]
async fn a_renewal_waits_for_its_turn_as_every_join_does() {
    let node = ScriptedNode::start(Script::default()).await;
    let mut held =
        Checker::new(CheckOptions { join_interval: 2 * LATER, ..options(SHORT) }).hold(guest(node.url().to_string()));
    assert_online(&check_now(&mut held).await);
    pass(LATER).await;
    // The session stays, because no other may be opened yet.
    assert_online(&check_now(&mut held).await);
    assert_eq!(node.fake.arrived(), 1);

    pass(LATER).await;
    assert_online(&check_now(&mut held).await);
    assert_eq!(node.fake.arrived(), 2);
}

#[tokio::test]
async fn a_node_whose_name_leads_elsewhere_is_followed_within_minutes() {
    const MINUTES: Duration = Duration::from_secs(360);
    let old = ScriptedNode::start(Script::default()).await;
    let port = old.fake.address().port();
    let new = Fake::tcp_at((Ipv4Addr::new(127, 0, 0, 2), port).into(), async |_closed| ()).await;
    let zone = Zone::default();
    zone.set(0, [("node.test", a([127, 0, 0, 1]))]);
    let mut held = hold_by_name(&zone, port).await;
    assert_online(&check_now(&mut held).await);

    // As long as the address is the same, nothing is opened.
    pass(MINUTES).await;
    assert_online(&check_now(&mut held).await);
    assert_eq!(old.fake.arrived(), 1);

    zone.set(0, [("node.test", a([127, 0, 0, 2]))]);
    pass(MINUTES).await;
    let report = check_now(&mut held).await;
    assert_eq!(report.result.status, Status::Offline, "{report:?}");
    assert_eq!(new.arrived(), 1);
    old.has_sessions(0).await;
}

// --- joins that give no session --------------------------------------------------------------------------------------

/// Checks the peer every five seconds. Returns the numbers of the checks that joined the node, and all reports.
async fn checks(held: &mut HeldPeer, node: &ScriptedNode, count: usize) -> (Vec<usize>, Vec<CheckReport>) {
    let (mut joins, mut reports) = (Vec::new(), Vec::new());
    for round in 0..count {
        let before = node.fake.arrived();
        reports.push(check_now(held).await);
        if node.fake.arrived() > before {
            joins.push(round);
        }
        pass(5 * SECOND).await;
    }
    (joins, reports)
}

/// The checks that join, at five seconds each: after pauses of 2, 4, 8, 16, 32, 60 and 60 seconds.
const RARER: [usize; 8] = [0, 1, 2, 4, 8, 15, 27, 39];

#[tokio::test]
async fn a_peer_that_refuses_is_joined_more_and_more_rarely_and_reported_by_every_check() {
    let refuses = Script { network_name: Some("other"), then: Then::Close, ..Script::default() };
    let wrong_secret = Script { digest: Some(vec![0; 32]), then: Then::Close, ..Script::default() };
    let other_network = Script { network_name: Some("other"), ..Script::default() };
    let cases = [
        (refuses, FailureCode::Rejected),
        (wrong_secret, FailureCode::SecretMismatch),
        (other_network, FailureCode::NetworkMismatch),
    ];
    for (script, code) in cases {
        let node = ScriptedNode::start(script).await;
        let mut held = Checker::new(options(LONG)).hold(member(node.url().to_string(), "net", "secret"));
        let (joins, reports) = checks(&mut held, &node, 40).await;
        assert_eq!(joins, RARER, "{code}");
        let first = &reports[0].result;
        assert_eq!((first.status, first.error), (Status::Offline, Some(code)), "{first:?}");
        for report in &reports {
            let result = &report.result;
            assert_eq!((result.status, result.error, result.stage), (first.status, first.error, first.stage));
            assert_eq!((&result.message, result.checks), (&first.message, 1));
        }
        let mut ids: Vec<_> = reports.iter().map(|report| report.result.id).collect();
        ids.dedup();
        assert_eq!(ids.len(), reports.len());
    }
}

#[tokio::test]
async fn a_peer_that_is_only_asked_for_its_handshake_is_joined_more_and_more_rarely() {
    let node = ScriptedNode::start(Script::default()).await;
    let peer = Peer { mode: CheckMode::Handshake, ..guest(node.url().to_string()) };
    let mut held = Checker::new(options(LONG)).hold(peer);
    let (joins, reports) = checks(&mut held, &node, 40).await;
    assert_eq!(joins, RARER);
    reports.iter().for_each(assert_online);
}

#[tokio::test]
async fn a_peer_that_does_not_answer_is_tried_at_every_check() {
    let closed = support::closed_port::ClosedPort::new();
    let mut held = Checker::new(options(LONG)).hold(guest(closed.url(Scheme::Tcp)));
    for _round in 0..3 {
        assert_eq!(check_now(&mut held).await.result.error, Some(FailureCode::ConnectRefused));
    }
}
