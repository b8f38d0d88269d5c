//! Sessions that are held open and pinged.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

mod support;

use std::{net::SocketAddr, sync::LazyLock, time::Duration};

use easytier::tunnel::packet_def::PacketType;
use easytier_probe::{CheckReport, Checker, FailureCode, HeldPeer, Peer, Scheme, Stage, Status};
use futures::future::join_all;
use support::{
    LONG, SHORT, assert_consistent, assert_failed, assert_online, assert_refused,
    closed_port::ClosedPort,
    fake::{self, Fake},
    guest, member,
    node::{Node, NodeOptions},
    options,
    proxy::{self, Then},
    scripted::{self, Script, ScriptedNode},
};
use tokio::{
    io,
    net::TcpStream,
    sync::mpsc,
    time::{Instant, timeout},
};

const TRANSPORTS: [Scheme; 6] = [Scheme::Tcp, Scheme::Udp, Scheme::Ws, Scheme::Wss, Scheme::Wg, Scheme::Quic];
/// A due time that no test waits for.
const FAR: Duration = Duration::from_secs(3600);

/// A node for tests that do not disturb it.
static SHARED: LazyLock<Node> = LazyLock::new(|| start(NodeOptions::listening_on(&TRANSPORTS)));

fn start(options: NodeOptions) -> Node {
    options.start(env!("CARGO_BIN_EXE_easytier-uptime"))
}

fn hold(peer: Peer) -> HeldPeer {
    Checker::new(options(LONG)).hold(peer)
}

fn hold_briefly(peer: Peer) -> HeldPeer {
    Checker::new(options(SHORT)).hold(peer)
}

/// The next check, due now.
async fn check_now(held: &mut HeldPeer) -> CheckReport {
    let report = held.next(Instant::now()).await;
    assert_consistent(held.peer(), &report);
    report
}

/// The report of a session that ends. It comes long before the next check is due.
async fn end_of(held: &mut HeldPeer) -> CheckReport {
    timeout(LONG, held.next(Instant::now() + FAR)).await.expect("the end is reported before the next check is due")
}

#[tokio::test]
async fn checks_on_an_open_session_report_the_same_as_one_shot_checks() {
    for scheme in TRANSPORTS {
        let mut held = hold(SHARED.as_member(scheme));
        for _round in 0..3 {
            let report = check_now(&mut held).await;
            assert_online(&report);
            assert_eq!(report.result.stage, Stage::Route, "{report:?}");
            assert_eq!(report.result.version.as_deref(), Some(easytier_probe::EASYTIER_VERSION));
            assert_eq!(report.result.hostname.as_deref(), Some("test-node"));
            assert!(report.latency.is_some_and(|latency| latency.loss == 0.0), "{report:?}");
            // At least a ping and its pong.
            assert!(report.traffic.sent >= 16 && report.traffic.received >= 16, "{report:?}");
        }
    }
}

#[tokio::test]
async fn all_checks_share_one_connection() {
    let proxy = proxy::to(&SHARED.url(Scheme::Tcp)).await;
    let mut held = hold(guest(proxy.url(Scheme::Tcp)));
    let mut ids = Vec::new();
    for _round in 0..5 {
        let report = check_now(&mut held).await;
        assert_online(&report);
        ids.push(report.result.id);
    }
    ids.dedup();
    assert_eq!((ids.len(), proxy.arrived()), (5, 1));
}

#[tokio::test]
async fn nothing_is_opened_before_the_first_check_is_due() {
    let node = ScriptedNode::start(Script::default()).await;
    let mut held = hold(guest(node.url().to_string()));
    assert!(timeout(Duration::from_millis(200), held.next(Instant::now() + FAR)).await.is_err());
    assert_eq!(node.fake.arrived(), 0);
}

#[tokio::test]
async fn a_check_waits_until_it_is_due_and_pings_once() {
    const INTERVAL: Duration = Duration::from_millis(300);
    let node = ScriptedNode::start(Script::default()).await;
    let mut held = hold(guest(node.url().to_string()));
    check_now(&mut held).await;
    assert_eq!(node.pings(), 3);

    let asked = Instant::now();
    assert_online(&held.next(asked + INTERVAL).await);
    assert!(asked.elapsed() >= INTERVAL, "{:?}", asked.elapsed());
    assert_eq!(node.pings(), 4);
}

#[tokio::test]
async fn a_node_that_is_killed_is_reported_before_the_next_check_and_is_online_when_it_is_back() {
    let node = start(NodeOptions::listening_on(&[Scheme::Tcp, Scheme::Ws, Scheme::Wss]));
    let mut peers: Vec<HeldPeer> =
        [Scheme::Tcp, Scheme::Ws, Scheme::Wss].map(|scheme| hold_briefly(node.as_member(scheme))).into();
    for report in join_all(peers.iter_mut().map(check_now)).await {
        assert_online(&report);
    }

    let options = node.stop();
    for report in join_all(peers.iter_mut().map(end_of)).await {
        assert_failed(&report, FailureCode::Closed, Stage::Ping, "the node closed the open session");
        assert_eq!(report.result.status, Status::Offline);
    }
    for report in join_all(peers.iter_mut().map(check_now)).await {
        assert_failed(&report, FailureCode::ConnectRefused, Stage::Connect, "nothing listens");
    }

    let _again = start(options);
    for report in join_all(peers.iter_mut().map(check_now)).await {
        assert_online(&report);
    }
}

/// Over udp, nothing shows that a node is gone until something is sent to it.
#[tokio::test]
async fn a_udp_node_that_is_killed_is_offline_at_the_next_check_and_online_when_it_is_back() {
    let node = start(NodeOptions::listening_on(&[Scheme::Udp]));
    let mut held = hold_briefly(node.as_member(Scheme::Udp));
    assert_online(&check_now(&mut held).await);

    let options = node.stop();
    assert_failed(&check_now(&mut held).await, FailureCode::Closed, Stage::Ping, "closed the open session");
    assert_failed(&check_now(&mut held).await, FailureCode::ConnectRefused, Stage::Connect, "nothing listens");

    let _again = start(options);
    assert_online(&check_now(&mut held).await);
}

#[tokio::test]
async fn a_frozen_node_times_out_and_is_online_when_it_continues() {
    let node = start(NodeOptions::listening_on(&[Scheme::Tcp, Scheme::Udp, Scheme::Wg, Scheme::Quic]));
    let schemes = [Scheme::Tcp, Scheme::Udp, Scheme::Wg, Scheme::Quic];
    let mut peers: Vec<HeldPeer> = schemes.map(|scheme| hold_briefly(node.as_member(scheme))).into();
    for report in join_all(peers.iter_mut().map(check_now)).await {
        assert_online(&report);
    }

    node.freeze();
    for (scheme, report) in schemes.into_iter().zip(join_all(peers.iter_mut().map(check_now)).await) {
        match scheme {
            // The node might have dropped the session, so another was tried.
            Scheme::Udp | Scheme::Wg => {
                assert_failed(&report, FailureCode::ConnectTimeout, Stage::Connect, "no answer");
            }
            _ => assert_failed(&report, FailureCode::PingTimeout, Stage::Ping, "the open session gave no answer"),
        }
        assert_eq!(report.result.status, Status::Offline);
    }
    node.thaw();
    for report in join_all(peers.iter_mut().map(check_now)).await {
        assert_online(&report);
    }
}

/// Over udp and wg a session can end without notice: by a restart, or when too many of the node's own pings were lost.
#[tokio::test]
async fn a_node_that_dropped_the_session_is_still_online() {
    let node = start(NodeOptions::listening_on(&[Scheme::Udp, Scheme::Wg]));
    let mut peers = [Scheme::Udp, Scheme::Wg].map(|scheme| hold(node.as_member(scheme)));
    for report in join_all(peers.iter_mut().map(check_now)).await {
        assert_online(&report);
    }
    let _again = start(node.stop());
    for report in join_all(peers.iter_mut().map(check_now)).await {
        assert_online(&report);
    }
}

/// A node closes a session when its own pings get no answer for six seconds.
#[tokio::test]
async fn a_session_stays_open_because_the_nodes_pings_are_answered() {
    const LONGER: Duration = Duration::from_secs(12);
    let (served, neglected) = (proxy::to(&SHARED.url(Scheme::Tcp)).await, proxy::to(&SHARED.url(Scheme::Tcp)).await);
    let mut held = hold(guest(served.url(Scheme::Tcp)));
    let mut left_alone = hold(guest(neglected.url(Scheme::Tcp)));
    assert_online(&check_now(&mut held).await);
    assert_online(&check_now(&mut left_alone).await);

    let report = held.next(Instant::now() + LONGER).await;
    assert_online(&report);
    assert_eq!(served.arrived(), 1);
    // For comparison: nobody served this session, and the node closed it.
    assert_eq!(check_now(&mut left_alone).await.result.error, Some(FailureCode::Closed));
}

#[tokio::test]
async fn cancelling_the_wait_for_a_check_keeps_the_session() {
    let proxy = proxy::to(&SHARED.url(Scheme::Tcp)).await;
    let mut held = hold(guest(proxy.url(Scheme::Tcp)));
    assert_online(&check_now(&mut held).await);
    for _ in 0..5 {
        assert!(timeout(Duration::from_millis(50), held.next(Instant::now() + FAR)).await.is_err());
    }
    assert_online(&check_now(&mut held).await);
    assert_eq!(proxy.arrived(), 1);
}

#[tokio::test]
async fn dropping_a_held_peer_closes_its_session() {
    let (closed, mut closings) = mpsc::channel(1);
    let node = SHARED.url(Scheme::Tcp);
    let node = SocketAddr::new(node.ip().unwrap(), node.port().unwrap());
    let proxy = Fake::tcp(move |probe| {
        let closed = closed.clone();
        async move {
            let (mut from_probe, mut to_probe) = probe.into_split();
            let (mut from_node, mut to_node) = TcpStream::connect(node).await.unwrap().into_split();
            tokio::select! {
                _ = io::copy(&mut from_probe, &mut to_node) => closed.send("probe").await.unwrap(),
                _ = io::copy(&mut from_node, &mut to_probe) => closed.send("node").await.unwrap(),
            }
        }
    })
    .await;
    let mut held = hold(guest(proxy.url(Scheme::Tcp)));
    assert_online(&check_now(&mut held).await);
    assert!(closings.try_recv().is_err());

    drop(held);
    assert_eq!(timeout(LONG, closings.recv()).await, Ok(Some("probe")));
}

#[tokio::test]
async fn a_session_that_stalls_is_closed_and_opened_again() {
    // One pong more than the first check needs.
    let proxy = proxy::until(&SHARED.url(Scheme::Tcp), PacketType::Pong, 4, Then::Stall).await;
    let mut held = hold_briefly(guest(proxy.url(Scheme::Tcp)));
    assert_online(&check_now(&mut held).await);
    assert_online(&check_now(&mut held).await);

    assert_failed(&check_now(&mut held).await, FailureCode::PingTimeout, Stage::Ping, "no answer to pings");
    assert_online(&check_now(&mut held).await);
    assert_eq!(proxy.arrived(), 2);
}

#[tokio::test]
async fn a_single_lost_ping_only_delays_a_check() {
    // The second and third ping of the first check are answered.
    let node = ScriptedNode::start(Script { then: scripted::Then::PongLater, ..Script::default() }).await;
    let mut held = hold_briefly(guest(node.url().to_string()));
    let first = check_now(&mut held).await;
    assert_online(&first);
    assert!(first.latency.unwrap().loss > 0.0);

    let second = check_now(&mut held).await;
    assert_online(&second);
    assert_eq!((second.latency.unwrap().loss, node.fake.arrived()), (0.0, 1));
}

/// Three pings share the time of a check, but none is sent while the one before may still come back.
#[tokio::test]
async fn round_trips_longer_than_a_third_of_the_timeout_are_no_loss() {
    const ROUND_TRIP: Duration = Duration::from_millis(800);
    let script = Script { then: scripted::Then::PongAfter(ROUND_TRIP), ..Script::default() };
    let node = ScriptedNode::start(script).await;
    let mut held = hold_briefly(guest(node.url().to_string()));
    let first = check_now(&mut held).await;
    assert_online(&first);
    assert_eq!(first.latency.unwrap().loss, 0.0, "{first:?}");

    let before = node.pings();
    let second = check_now(&mut held).await;
    assert_online(&second);
    assert_eq!((second.latency.unwrap().loss, node.pings() - before), (0.0, 1), "{second:?}");
}

#[tokio::test]
async fn a_peer_that_was_never_online_is_tried_again_at_every_check() {
    let port = ClosedPort::new();
    let mut held = hold_briefly(guest(port.url(Scheme::Tcp)));
    for _round in 0..3 {
        assert_failed(&check_now(&mut held).await, FailureCode::ConnectRefused, Stage::Connect, "nothing listens");
    }

    let silent = fake::silent().await;
    let mut held = Checker::new(options(Duration::from_millis(200))).hold(guest(silent.url(Scheme::Tcp)));
    for round in 1..=3 {
        assert_failed(&check_now(&mut held).await, FailureCode::HandshakeTimeout, Stage::Handshake, "port open");
        assert_eq!(silent.arrived(), round);
    }
}

/// The second session, which finds out the reason, is opened once, and the node is not joined at every check.
#[tokio::test]
async fn a_wrong_secret_is_diagnosed_once_and_reported_by_every_check() {
    let script = Script { network_name: Some("net"), refused: Some("net"), ..Script::default() };
    let node = ScriptedNode::start(script).await;
    let mut held = hold(member(node.url().to_string(), "net", "wrong"));
    for _round in 0..3 {
        let report = check_now(&mut held).await;
        assert_failed(&report, FailureCode::SecretMismatch, Stage::Handshake, "another secret");
        assert_eq!(node.fake.arrived(), 2);
    }
}

#[tokio::test]
async fn a_wrong_secret_over_udp_is_reported_by_every_check() {
    let mut held = hold_briefly(SHARED.as_member_of(Scheme::Udp, "test-network", "wrong"));
    for _round in 0..3 {
        let report = check_now(&mut held).await;
        assert_refused(&report, FailureCode::SecretMismatch, "another secret");
    }
}

#[tokio::test]
async fn a_node_that_restarts_with_another_secret_is_diagnosed() {
    let node = start(NodeOptions::listening_on(&[Scheme::Tcp]));
    let mut held = hold_briefly(node.as_member(Scheme::Tcp));
    let options = node.stop();
    assert_failed(&check_now(&mut held).await, FailureCode::ConnectRefused, Stage::Connect, "nothing listens");

    let other = start(NodeOptions { network_secret: "other".to_owned(), ..options.clone() });
    for _round in 0..2 {
        assert_refused(&check_now(&mut held).await, FailureCode::SecretMismatch, "another secret");
    }
    other.stop();
    let _right_again = start(options);
    // A refusal is repeated for two seconds at first.
    assert_online(&held.next(Instant::now() + Duration::from_secs(2)).await);
}

#[tokio::test]
async fn garbage_on_an_open_session_ends_it() {
    let proxy = proxy::until(&SHARED.url(Scheme::Tcp), PacketType::Pong, 3, Then::Garbage).await;
    let mut held = hold(guest(proxy.url(Scheme::Tcp)));
    assert_online(&check_now(&mut held).await);
    assert_failed(&end_of(&mut held).await, FailureCode::NotEasytier, Stage::Ping, "on the open session the node sent");
}
