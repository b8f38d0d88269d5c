//! What happens on a connection after it is open, with nodes of EasyTier 2.6.4.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

mod support;

use std::time::Duration;

use easytier::tunnel::packet_def::PacketType;
use easytier_probe::{CheckMode, CheckOptions, CheckReport, Checker, FailureCode, Peer, Scheme, Stage, Status};
use futures::{StreamExt, stream};
use support::{
    LONG, SHORT, assert_failed, assert_online, check,
    current_node::{CurrentNode, CurrentNodeOptions},
    guest, member, options, proxy,
};
use tokio::time::{Instant, sleep, timeout};

const TRANSPORTS: [Scheme; 6] = [Scheme::Tcp, Scheme::Udp, Scheme::Ws, Scheme::Wss, Scheme::Wg, Scheme::Quic];

fn secure_node() -> CurrentNode {
    CurrentNodeOptions { secure: true, ..CurrentNodeOptions::listening_on(&TRANSPORTS) }.start()
}

#[track_caller]
fn assert_whole(report: &CheckReport, hostname: &str) {
    assert_online(report);
    assert_eq!((report.result.stage, report.result.hostname.as_deref()), (Stage::Route, Some(hostname)), "{report:?}");
    assert!(report.result.version.as_ref().is_some_and(|version| version.starts_with("2.6.4")), "{report:?}");
}

// --- secure mode -----------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_member_learns_all_about_a_node_in_secure_mode_over_every_transport() {
    let node = secure_node();
    for scheme in TRANSPORTS {
        let report = check(&node.as_member(scheme), LONG).await;
        assert_whole(&report, "test-node");
        assert_eq!(report.result.network_count, Some(0), "{report:?}");
    }
}

#[tokio::test]
async fn a_node_in_secure_mode_serves_guests_as_ever() {
    let node = secure_node();
    for scheme in [Scheme::Tcp, Scheme::Udp] {
        assert_whole(&check(&node.as_guest(scheme), LONG).await, "PublicServer_test-node");
    }
}

#[tokio::test]
async fn a_private_node_in_secure_mode_rejects_guests_and_admits_members() {
    let options = CurrentNodeOptions { secure: true, ..CurrentNodeOptions::listening_on(&TRANSPORTS) };
    let node = options.flag("private_mode", true).start();
    for scheme in [Scheme::Tcp, Scheme::Udp] {
        let guest = check(&node.as_guest(scheme), LONG).await;
        assert_failed(&guest, FailureCode::Rejected, Stage::Admit, "whitelist or private mode");
        assert_whole(&check(&node.as_member(scheme), LONG).await, "test-node");
    }
}

#[tokio::test]
async fn a_node_in_secure_mode_may_use_another_cipher() {
    for cipher in ["aes-256-gcm", "chacha20"] {
        let options = CurrentNodeOptions { secure: true, ..CurrentNodeOptions::listening_on(&[Scheme::Tcp]) };
        let node = options.flag("encryption_algorithm", cipher).start();
        assert_whole(&check(&node.as_member(Scheme::Tcp), LONG).await, "test-node");
    }
}

#[tokio::test]
async fn a_held_session_remembers_that_the_node_is_in_secure_mode() {
    const AGE: Duration = Duration::from_millis(200);
    let node = secure_node();
    let proxy = proxy::to(&node.url(Scheme::Tcp)).await;
    let checker = Checker::new(CheckOptions { renew_after: AGE, ..options(LONG) });
    let mut held = checker.hold(Peer { access: node.as_member(Scheme::Tcp).access, ..guest(proxy.url(Scheme::Tcp)) });
    assert_whole(&held.next(Instant::now()).await, "test-node");
    assert_eq!(proxy.arrived(), 2, "the plain handshake, and that of secure mode");
    for renewals in 1..=2 {
        // A session lives up to a tenth longer than its age.
        assert_whole(&held.next(Instant::now() + 2 * AGE).await, "test-node");
        assert_eq!(proxy.arrived(), 2 + renewals);
    }
}

/// The node is known to be in secure mode, so its proof tells that it has another secret.
#[tokio::test]
async fn a_node_in_secure_mode_that_changes_its_secret_is_a_secret_mismatch() {
    for scheme in [Scheme::Tcp, Scheme::Udp] {
        let node = secure_node();
        let mut held = Checker::new(options(SHORT)).hold(node.as_member(scheme));
        assert_whole(&held.next(Instant::now()).await, "test-node");

        let mut options = node.stop();
        assert_eq!(held.next(Instant::now()).await.result.status, Status::Offline);
        options.node.network_secret = "another secret".to_owned();
        let _changed = options.start();
        for _round in 0..2 {
            let report = held.next(Instant::now()).await;
            assert_failed(&report, FailureCode::SecretMismatch, Stage::Handshake, "another secret");
        }
    }
}

#[tokio::test]
async fn a_wrong_secret_of_a_node_in_secure_mode_is_a_secret_mismatch() {
    let node = secure_node();
    for scheme in [Scheme::Tcp, Scheme::Udp, Scheme::Wss] {
        let report = check(&node.as_member_of(scheme, "test-network", "wrong"), LONG).await;
        assert_failed(&report, FailureCode::SecretMismatch, Stage::Admit, "another secret");
    }
}

/// What a node sends right before it closes may get lost, over QUIC in one of ten joins.
#[tokio::test]
async fn a_member_recognises_secure_mode_although_the_first_answer_gets_lost() {
    let node = secure_node();
    let cases = [("test-secret", None), ("wrong", Some(FailureCode::SecretMismatch))];
    for (secret, code) in cases {
        let proxy = proxy::losing_once(&node.url(Scheme::Tcp), PacketType::HandShake, true).await;
        let report = check(&member(proxy.url(Scheme::Tcp), "test-network", secret), LONG).await;
        assert_eq!(report.result.error, code, "{report:?}");
        assert_eq!(proxy.arrived(), 3, "as a member, as a guest, and by the handshake of secure mode");
    }
}

#[tokio::test]
async fn a_wrong_secret_is_recognised_although_the_first_answer_gets_lost() {
    let node = CurrentNodeOptions::listening_on(&[Scheme::Tcp]).start();
    let proxy = proxy::losing_once(&node.url(Scheme::Tcp), PacketType::HandShake, true).await;
    let report = check(&member(proxy.url(Scheme::Tcp), "test-network", "wrong"), LONG).await;
    assert_failed(&report, FailureCode::SecretMismatch, Stage::Handshake, "another secret");
    assert_eq!(proxy.arrived(), 3);
}

#[tokio::test]
async fn a_member_of_another_network_that_the_node_refuses_is_rejected_although_the_first_answer_gets_lost() {
    let node = CurrentNodeOptions::listening_on(&[Scheme::Tcp]).flag("private_mode", true).start();
    let proxy = proxy::losing_once(&node.url(Scheme::Tcp), PacketType::HandShake, true).await;
    let report = check(&member(proxy.url(Scheme::Tcp), "elsewhere", "secret"), LONG).await;
    assert_failed(&report, FailureCode::Rejected, Stage::Handshake, "it lets no other network in");
    assert_eq!(proxy.arrived(), 2);
}

/// A node that is just forgetting a network refuses it, and serves guests.
#[tokio::test]
async fn a_member_of_another_network_that_the_node_refuses_once_is_a_network_mismatch() {
    let node = CurrentNodeOptions::listening_on(&[Scheme::Tcp]).start();
    let proxy = proxy::losing_once(&node.url(Scheme::Tcp), PacketType::Pong, true).await;
    let report = check(&member(proxy.url(Scheme::Tcp), "elsewhere", "secret"), LONG).await;
    // The node may answer a request before it sends the pong that gets lost. Then the session itself shows the network, without a
    // second one as a guest.
    assert_failed(&report, FailureCode::NetworkMismatch, Stage::Admit, "the one given for it");
}

#[tokio::test]
async fn a_held_session_in_secure_mode_outlives_what_the_node_allows() {
    const LONGER: Duration = Duration::from_secs(12);
    let node = secure_node();
    let proxy = proxy::to(&node.url(Scheme::Tcp)).await;
    let mut held = Checker::new(options(LONG))
        .hold(Peer { access: node.as_member(Scheme::Tcp).access, ..guest(proxy.url(Scheme::Tcp)) });
    assert_whole(&held.next(Instant::now()).await, "test-node");
    assert_whole(&held.next(Instant::now() + LONGER).await, "test-node");
    assert_eq!(proxy.arrived(), 2);
}

// --- ciphers ---------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_member_reads_route_information_with_every_cipher() {
    for cipher in ["aes-gcm", "aes-256-gcm", "chacha20", "xor"] {
        let node = CurrentNodeOptions::listening_on(&[Scheme::Tcp]).flag("encryption_algorithm", cipher).start();
        let report = check(&node.as_member(Scheme::Tcp), LONG).await;
        assert_whole(&report, "test-node");
        assert_eq!(report.result.network_count, Some(0), "{cipher}: {report:?}");
    }
}

// --- refusals over udp -----------------------------------------------------------------------------------------------

/// A check with far more time than a refusal takes to show.
async fn check_patiently(peer: &Peer) -> CheckReport {
    let peer = Peer { timeout: Some(6 * LONG), ..peer.clone() };
    let checker = Checker::new(options(LONG));
    timeout(LONG, checker.check(&peer)).await.expect("the check ends long before its deadline")
}

#[tokio::test]
async fn a_refusal_over_udp_does_not_take_the_whole_time() {
    let node = CurrentNodeOptions::listening_on(&[Scheme::Udp]).flag("private_mode", true).start();
    let wrong = check_patiently(&node.as_member_of(Scheme::Udp, "test-network", "wrong")).await;
    assert_failed(&wrong, FailureCode::SecretMismatch, Stage::Admit, "another secret");
    for peer in [node.as_guest(Scheme::Udp), node.as_member_of(Scheme::Udp, "elsewhere", "secret")] {
        let refused = check_patiently(&peer).await;
        assert_failed(&refused, FailureCode::Rejected, Stage::Admit, "whitelist or private mode");
    }
    assert_whole(&check(&node.as_member(Scheme::Udp), LONG).await, "test-node");
}

// --- what is left at the node ----------------------------------------------------------------------------------------

/// Checks the peers, a few at once.
async fn check_all(peers: impl IntoIterator<Item = Peer>) -> Vec<CheckReport> {
    let checker = Checker::new(options(LONG));
    let checks = peers.into_iter().map(async |peer| checker.check(&peer).await);
    stream::iter(checks).buffer_unordered(4).collect().await
}

async fn assert_nothing_is_left(node: &CurrentNode) {
    let forgotten = async {
        while !node.foreign_networks().is_empty() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(timeout(LONG, forgotten).await.is_ok(), "left: {:?}", node.foreign_networks());
}

#[tokio::test]
async fn handshake_only_checks_leave_nothing_at_the_node() {
    let node = CurrentNodeOptions::listening_on(&[Scheme::Tcp, Scheme::Ws]).start();
    for scheme in [Scheme::Tcp, Scheme::Ws] {
        let peer = Peer { mode: CheckMode::Handshake, ..node.as_guest(scheme) };
        check_all(vec![peer; 100]).await.iter().for_each(assert_online);
        assert_nothing_is_left(&node).await;
    }
}

#[tokio::test]
async fn members_of_another_network_leave_nothing_at_the_node() {
    let node = CurrentNodeOptions::listening_on(&[Scheme::Tcp]).start();
    // A node that just forgets a network may refuse another of its members.
    let peers = (0..100).map(|id| node.as_member_of(Scheme::Tcp, &format!("elsewhere-{id}"), "secret"));
    for report in check_all(peers).await {
        assert_failed(&report, FailureCode::NetworkMismatch, Stage::Admit, "in another network");
    }
    assert_nothing_is_left(&node).await;
}

/// A busy node sends its route information before it has listed the session, so that it gets lost. It repeats that after 3 s.
#[tokio::test]
async fn route_information_that_gets_lost_is_awaited_again() {
    let node = CurrentNodeOptions::listening_on(&[Scheme::Tcp]).start();
    let proxy = proxy::losing_once(&node.url(Scheme::Tcp), PacketType::RpcReq, false).await;
    assert_whole(&check(&guest(proxy.url(Scheme::Tcp)), LONG).await, "PublicServer_test-node");
}

#[tokio::test]
async fn members_of_another_network_are_told_what_guests_are_told() {
    let node = CurrentNodeOptions::listening_on(&[Scheme::Tcp]).start();
    let report = check(&node.as_member_of(Scheme::Tcp, "elsewhere", "secret"), LONG).await;
    assert_eq!(report.result.network_count, None, "{report:?}");
}

#[tokio::test]
async fn no_check_misses_the_route_information() {
    let node = CurrentNodeOptions::listening_on(&[Scheme::Tcp]).start();
    for report in check_all(vec![node.as_guest(Scheme::Tcp); 400]).await {
        assert_whole(&report, "PublicServer_test-node");
    }
    assert_nothing_is_left(&node).await;
}
