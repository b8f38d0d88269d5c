//! Checks over QUIC, of real nodes of both kinds and of ports without a node.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

#[path = "daemon_machine/namespace.rs"]
#[allow(dead_code, reason = "another test binary uses the rest")]
mod namespace;
#[path = "support/mod.rs"]
mod support;

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket as StdUdpSocket},
    process::{Command, Stdio},
    time::Duration,
};

use easytier_probe::{CheckMode, CheckOptions, CheckReport, Checker, FailureCode, Peer, Scheme, Stage, Status};
use easytier_uptime_config::QUIC_PORT;
use futures::{StreamExt, stream};
use support::{
    LONG, SHORT, assert_failed, assert_online, assert_refused, check, check_with,
    closed_port::ClosedPort,
    current_node::{CurrentNode, CurrentNodeOptions},
    fake::Fake,
    guest,
    node::{Node, NodeOptions},
    options,
};
use tokio::time::Instant;

const PROGRAM: &str = env!("CARGO_BIN_EXE_easytier-uptime");

/// A datagram of this size begins a connection (RFC 9000, section 14.1).
const INITIAL_SIZE: usize = 1200;

/// It speaks QUIC with TLS.
fn old_node() -> Node {
    NodeOptions::listening_on(&[Scheme::Quic]).start(PROGRAM)
}

/// It speaks plain QUIC.
fn current_node() -> CurrentNode {
    CurrentNodeOptions::listening_on(&[Scheme::Quic]).start()
}

#[track_caller]
fn assert_whole(report: &CheckReport, version: &str, hostname: &str) {
    assert_online(report);
    assert_eq!(report.result.stage, Stage::Route, "{report:?}");
    assert!(report.result.version.as_ref().is_some_and(|said| said.starts_with(version)), "{report:?}");
    assert_eq!(report.result.hostname.as_deref(), Some(hostname));
}

// --- both kinds of nodes ---------------------------------------------------------------------------------------------

#[tokio::test]
async fn both_kinds_of_nodes_tell_guests_and_members_about_themselves() {
    let (old, current) = (old_node(), current_node());
    for (node, version) in [(&old, "2.0.3"), (&*current, "2.6.4")] {
        let report = check(&node.as_guest(Scheme::Quic), LONG).await;
        assert_whole(&report, version, "PublicServer_test-node");
        let report = check(&node.as_member(Scheme::Quic), LONG).await;
        assert_whole(&report, version, "test-node");
    }
}

#[tokio::test]
async fn both_kinds_of_nodes_refuse_a_wrong_secret() {
    let (old, current) = (old_node(), current_node());
    for node in [&old, &*current] {
        let report = check(&node.as_member_of(Scheme::Quic, "test-network", "wrong"), LONG).await;
        assert_refused(&report, FailureCode::SecretMismatch, "another secret");
    }
}

/// One checker sees a node that is updated, and one that is replaced by an older one: what it spoke before must not harm
/// what it is now.
#[tokio::test]
async fn a_node_may_change_its_kind_between_two_checks() {
    let checker = Checker::new(options(LONG));
    let old = old_node();
    let peer = old.as_guest(Scheme::Quic);
    assert_online(&check_with(&checker, &peer, LONG).await);

    let node = old.stop();
    let current = CurrentNodeOptions { node, ..CurrentNodeOptions::listening_on(&[]) }.start();
    assert_online(&check_with(&checker, &peer, LONG).await);

    let old = current.stop().node.start(PROGRAM);
    assert_online(&check_with(&checker, &peer, LONG).await);
    assert_online(&check_with(&checker, &old.as_guest(Scheme::Quic), LONG).await);
}

// --- answers that get lost -------------------------------------------------------------------------------------------

/// How many checks there are. A node that closes right after its answer loses one of ten answers.
const CHECKS: usize = 60;

/// The reports of many checks of `peer`.
async fn check_often(peer: &Peer) -> Vec<CheckReport> {
    let checker = Checker::new(options(LONG));
    stream::iter(0..CHECKS).map(|_| checker.check(peer)).buffer_unordered(4).collect().await
}

#[tokio::test]
async fn a_node_that_refuses_guests_is_online_for_every_check_of_the_handshake() {
    let node = CurrentNodeOptions::listening_on(&[Scheme::Quic]).flag("private_mode", true).start();
    let peer = Peer { mode: CheckMode::Handshake, ..node.as_guest(Scheme::Quic) };
    check_often(&peer).await.iter().for_each(assert_online);
    for refused in check_often(&node.as_guest(Scheme::Quic)).await {
        assert_refused(&refused, FailureCode::Rejected, "whitelist or private mode");
    }
}

#[tokio::test]
async fn a_private_node_of_another_network_rejects_every_member() {
    let node = CurrentNodeOptions::listening_on(&[Scheme::Quic]).flag("private_mode", true).start();
    for report in check_often(&node.as_member_of(Scheme::Quic, "elsewhere", "secret")).await {
        assert_refused(&report, FailureCode::Rejected, "whitelist or private mode");
    }
}

#[tokio::test]
async fn members_are_told_secure_mode_from_a_wrong_secret_at_every_check() {
    let node = CurrentNodeOptions { secure: true, ..CurrentNodeOptions::listening_on(&[Scheme::Quic]) };
    let node = node.flag("private_mode", true).start();
    for report in check_often(&node.as_member(Scheme::Quic)).await {
        assert_whole(&report, "2.6.4", "test-node");
    }
}

// --- sparing the nodes -----------------------------------------------------------------------------------------------

/// The listener of an old node ends at the first handshake that fails.
#[tokio::test]
async fn an_old_node_survives_many_checks() {
    let node = old_node();
    let checker = Checker::new(options(LONG));
    for _ in 0..20 {
        assert_online(&check_with(&checker, &node.as_guest(Scheme::Quic), LONG).await);
    }
}

#[tokio::test]
async fn a_current_node_survives_many_checks() {
    let node = current_node();
    let checker = Checker::new(options(LONG));
    for _ in 0..100 {
        assert_online(&check_with(&checker, &node.as_guest(Scheme::Quic), LONG).await);
    }
}

/// Such a node accepts one connection at a time: one that was only forgotten would block it for half a minute.
#[tokio::test]
async fn a_current_node_serves_on_after_checks_that_ended_at_any_moment() {
    let node = current_node();
    let peer = node.as_guest(Scheme::Quic);
    let checker = Checker::new(options(LONG));
    assert_online(&check_with(&checker, &peer, LONG).await);
    for micros in (0..20_000).step_by(400) {
        let hurried = Peer { timeout: Some(Duration::from_micros(micros)), ..peer.clone() };
        let _whatever = checker.check(&hurried).await;
    }
    assert_online(&check_with(&checker, &peer, LONG).await);
}

#[tokio::test]
async fn a_current_node_serves_on_after_programs_that_ended_at_any_moment() {
    let node = current_node();
    let peer = node.as_guest(Scheme::Quic);
    let url = peer.url.to_string();
    for millis in (1..30).step_by(3) {
        let mut program = Command::new(PROGRAM);
        program.args(["check", &url, "--timeout", &format!("{millis}ms")]).stdout(Stdio::null()).stderr(Stdio::null());
        program.status().expect("it runs");
    }
    assert_online(&check(&peer, LONG).await);
}

/// Who sent a datagram that begins a connection to `socket`, of those that have arrived.
fn senders(socket: &StdUdpSocket) -> Vec<SocketAddr> {
    socket.set_nonblocking(true).unwrap();
    let mut senders = Vec::new();
    let mut datagram = [0; 2000];
    while let Ok((length, from)) = socket.recv_from(&mut datagram) {
        if length >= INITIAL_SIZE {
            senders.push(from);
        }
    }
    senders
}

/// In a network of its own, where nobody else takes the port.
#[tokio::test]
async fn all_connections_of_a_checker_come_from_one_port() {
    if !namespace::has_own("all_connections_of_a_checker_come_from_one_port") {
        return;
    }
    let port = 12345;
    let brief = Duration::from_millis(200);
    for quic_port in [Some(port), None] {
        let silent = ["127.0.0.1:0", "[::1]:0", "127.0.0.1:0"].map(|address| StdUdpSocket::bind(address).unwrap());
        let checker = Checker::new(CheckOptions { quic_port, ..options(brief) });
        let mut ports = Vec::new();
        for socket in &silent {
            let peer = guest(format!("quic://{}", socket.local_addr().unwrap()));
            for _ in 0..2 {
                let report = check_with(&checker, &peer, brief).await;
                assert_failed(&report, FailureCode::ConnectTimeout, Stage::Connect, "no answer");
            }
            let mut senders = senders(socket);
            assert!(!senders.is_empty());
            senders.dedup();
            assert_eq!(senders.len(), 1, "{senders:?}");
            ports.push(senders[0].port());
        }
        match quic_port {
            Some(port) => assert_eq!(ports, [port; 3]),
            // One for each address family.
            None => assert_eq!(ports[0], ports[2]),
        }
    }
}

/// In a network of its own, where nobody else takes the port.
#[test]
fn programs_that_end_soon_use_the_same_port_each_time() {
    if !namespace::has_own("programs_that_end_soon_use_the_same_port_each_time") {
        return;
    }
    let silent = StdUdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("quic://{}", silent.local_addr().unwrap());
    let list = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(list.path(), &url).unwrap();
    let list = list.path().to_str().unwrap();
    for arguments in [&["check", &url, "--timeout", "200ms"][..], &["once", "--peers", list]] {
        for _ in 0..2 {
            let mut program = Command::new(PROGRAM);
            program.args(arguments).env("HEALTH_CHECK_TIMEOUT", "200ms").env("ALLOW_LOCAL_PEERS", "true");
            program.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("it runs");
            let mut senders = senders(&silent);
            senders.dedup();
            assert_eq!(senders, [SocketAddr::from((Ipv4Addr::LOCALHOST, QUIC_PORT))], "{arguments:?}");
        }
    }
}

/// The task of an endpoint ends with the runtime on which the first check ran.
#[test]
fn a_checker_can_be_used_on_another_runtime() {
    let node = current_node();
    let checker = Checker::new(options(LONG));
    for _ in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            assert_online(&check_with(&checker, &node.as_guest(Scheme::Quic), LONG).await);
            checker.wait_closed().await;
        });
    }
}

// --- no node ---------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_closed_port_is_noticed_long_before_the_deadline() {
    let port = ClosedPort::new();
    let started = Instant::now();
    let report = check(&guest(port.url(Scheme::Quic)), LONG).await;
    assert_failed(&report, FailureCode::ConnectRefused, Stage::Connect, "nothing listens on the port");
    assert!(started.elapsed() < LONG / 2, "{:?}", started.elapsed());
}

#[tokio::test]
async fn what_is_not_quic_is_no_answer() {
    let garbage = Fake::udp(|_| Some(rand::random::<[u8; 700]>().to_vec())).await;
    let echo = Fake::udp(|datagram| Some(datagram.to_vec())).await;
    // Fixed bit, long header, version 1, and lengths of everything that are wrong.
    let broken = Fake::udp(|_| Some([&[0xc3, 0, 0, 0, 1][..], &[0xff; 60]].concat())).await;
    for server in [garbage, echo, broken] {
        let report = check(&guest(server.url(Scheme::Quic)), SHORT).await;
        assert_failed(&report, FailureCode::ConnectTimeout, Stage::Connect, "no answer");
        assert_eq!(report.result.status, Status::Offline);
    }
}

#[tokio::test]
async fn a_server_that_only_speaks_other_versions_of_quic_is_unknown() {
    let server = Fake::udp(version_negotiation).await;
    let report = check(&guest(server.url(Scheme::Quic)), SHORT).await;
    assert_failed(&report, FailureCode::UnsupportedProtocol, Stage::Connect, "speaks QUIC, but not version 1");
    assert_eq!(report.result.status, Status::Unknown);
}

/// The answer of a QUIC server to a version it does not know (RFC 9000, section 17.2.1).
fn version_negotiation(datagram: &[u8]) -> Option<Vec<u8>> {
    let (destination, rest) = datagram.get(6..)?.split_at_checked(datagram[5].into())?;
    let source = rest.get(1..=usize::from(*rest.first()?))?;
    let mut answer = vec![0x80, 0, 0, 0, 0];
    for id in [source, destination] {
        answer.push(id.len() as u8);
        answer.extend_from_slice(id);
    }
    answer.extend_from_slice(&0xff00_abcd_u32.to_be_bytes());
    Some(answer)
}

/// In a network without routes.
#[tokio::test]
async fn a_probe_without_a_route_blames_nobody() {
    if !namespace::has_own("a_probe_without_a_route_blames_nobody") {
        return;
    }
    for url in ["quic://192.0.2.1:11012", "quic://[2001:db8::1]:11012"] {
        let report = check(&guest(url), SHORT).await;
        assert_failed(&report, FailureCode::ProbeUnreachable, Stage::Connect, "no IPv");
        assert_eq!(report.result.status, Status::Unknown);
    }
}
