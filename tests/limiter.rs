//! What checks share: the joins of one address, and the sockets. No check is blamed on its peer because another was in the
//! way.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

mod support;

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use easytier_probe::{CheckOptions, CheckReport, Checker, FailureCode, Peer, Resolver, Scheme, Stage, Status};
use futures::{
    StreamExt,
    future::join_all,
    stream::{self},
};
use support::{
    LONG, SHORT, assert_failed, assert_online,
    dns::{a, name_server},
    fake::{self, Fake},
    guest, member, options,
    scripted::{Script, ScriptedNode},
};
use tokio::{
    io::AsyncReadExt,
    net::TcpListener,
    time::{Instant, timeout},
};

fn gentle(timeout: Duration) -> CheckOptions {
    CheckOptions { join_interval: CheckOptions::default().join_interval, ..options(timeout) }
}

async fn check_all(checker: &Checker, peers: &[Peer]) -> Vec<CheckReport> {
    join_all(peers.iter().map(|peer| checker.check(peer))).await
}

#[tokio::test]
async fn joins_of_one_address_keep_their_distance() {
    const INTERVAL: Duration = Duration::from_millis(400);
    let node = ScriptedNode::start(Script::default()).await;
    let checker = Checker::new(CheckOptions { join_interval: INTERVAL, ..options(LONG) });
    // Two peers at the same node, such as two of its networks.
    let peers = [guest(node.url().to_string()), member(node.url().to_string(), "net", "secret")];

    for report in join_all([&peers[0], &peers[1], &peers[0]].map(|peer| checker.check(peer))).await {
        assert_online(&report);
    }
    let arrivals = node.fake.arrivals();
    assert_eq!(arrivals.len(), 3);
    for pair in arrivals.windows(2) {
        // The node accepts a connection a little after it is made; that delay varies.
        assert!(pair[1] - pair[0] > INTERVAL - Duration::from_millis(100), "{:?} apart", pair[1] - pair[0]);
    }
}

#[tokio::test]
async fn joins_of_different_addresses_do_not_wait_for_each_other() {
    let nodes = join_all((0..4).map(|_| ScriptedNode::start(Script::default()))).await;
    let checker = Checker::new(CheckOptions { join_interval: Duration::from_secs(60), ..options(LONG) });
    let peers: Vec<Peer> = nodes.iter().map(|node| guest(node.url().to_string())).collect();
    for report in check_all(&checker, &peers).await {
        assert_online(&report);
    }
}

/// The timeout is a multiple of the interval, so that one of the turns comes just before the last moment.
#[tokio::test]
async fn many_peers_at_one_node_are_online_or_missed_their_window() {
    let node = ScriptedNode::start(Script::default()).await;
    let checker = Checker::new(gentle(SHORT));
    let peers: Vec<Peer> = (0..8).map(|_| guest(node.url().to_string())).collect();
    let reports = check_all(&checker, &peers).await;
    let (online, missed): (Vec<_>, Vec<_>) = reports.iter().partition(|report| report.result.status == Status::Online);
    assert!(online.len() >= 2, "{reports:#?}");
    for report in missed {
        assert_failed(report, FailureCode::MissedWindow, Stage::Connect, "list fewer peers at one address");
        assert_eq!(report.result.status, Status::Unknown);
    }
}

#[tokio::test]
async fn a_check_that_may_not_join_in_time_is_a_missed_window() {
    let node = ScriptedNode::start(Script::default()).await;
    let checker = Checker::new(CheckOptions { join_interval: Duration::from_secs(60), ..options(SHORT) });
    let peer = guest(node.url().to_string());
    assert_online(&support::check_with(&checker, &peer, SHORT).await);

    let report = support::check_with(&checker, &peer, SHORT).await;
    assert_failed(&report, FailureCode::MissedWindow, Stage::Connect, "went first and left no time");
    assert_eq!(report.result.status, Status::Unknown);
    assert_eq!(node.fake.arrived(), 1);
}

#[tokio::test]
async fn a_silent_tcp_port_does_not_keep_the_udp_port_of_the_same_number_from_being_checked() {
    // The kernel chooses a free UDP port. The same TCP port is probably free too, but not certainly. It accepts connections
    // and never sends anything.
    let (_node, _silent, address) = loop {
        let node = ScriptedNode::start_udp(Script::default()).await;
        let address = node.fake.address();
        if let Ok(silent) = TcpListener::bind(address).await {
            break (node, silent, address);
        }
    };
    let checker = Checker::new(gentle(SHORT));
    let peers = [guest(format!("tcp://{address}")), guest(format!("udp://{address}"))];
    let reports = check_all(&checker, &peers).await;
    assert_failed(&reports[0], FailureCode::HandshakeTimeout, Stage::Handshake, "port open");
    assert_online(&reports[1]);
}

/// A peer that hangs takes its whole timeout. The next one at the same address has its own after that.
#[tokio::test]
async fn a_check_that_waited_for_its_turn_has_its_whole_time() {
    let silent = fake::silent().await;
    let checker = Checker::new(CheckOptions { join_interval: Duration::from_millis(1), ..options(SHORT) });
    let peers = [guest(silent.url(Scheme::Tcp)), guest(silent.url(Scheme::Tcp))];
    let peers = peers.map(|peer| Peer { timeout: Some(Duration::from_millis(500)), ..peer });
    let patient = Peer { timeout: Some(SHORT), ..peers[0].clone() };
    let started = Instant::now();
    let (first, second) = tokio::join!(checker.check(&peers[0]), checker.check(&patient));
    assert_failed(&first, FailureCode::HandshakeTimeout, Stage::Handshake, "within 0.5 s");
    assert_failed(&second, FailureCode::HandshakeTimeout, Stage::Handshake, "within 2 s");
    assert!(started.elapsed() >= Duration::from_millis(500) + SHORT, "{:?}", started.elapsed());
}

/// The second address of a peer is in use by another check for almost all of the time.
#[tokio::test]
async fn a_timeout_without_the_whole_time_is_a_missed_window() {
    let (first, second) = (Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::LOCALHOST);
    let silent = Fake::tcp_at((Ipv4Addr::UNSPECIFIED, 0).into(), fake::listen_only).await;
    let port = silent.address().port();
    let zone = [("both.test", a(first.octets())), ("both.test", a(second.octets()))];
    let resolver = Resolver::with_name_servers(gentle(SHORT).addresses, &[name_server(zone).await]);
    let checker = Checker::with_resolver(gentle(SHORT), resolver);
    let other = Peer { timeout: Some(SHORT * 3 / 4), ..guest(format!("tcp://{second}:{port}")) };
    let both = guest(format!("tcp://both.test:{port}"));
    let (other, both) = tokio::join!(checker.check(&other), checker.check(&both));
    assert_eq!(other.result.status, Status::Offline, "{other:?}");
    assert_failed(&both, FailureCode::MissedWindow, Stage::Handshake, "says nothing about the node");
    assert_eq!(both.result.status, Status::Unknown);
}

/// Twenty peers of sixteen silent addresses each, and forty nodes, with sockets for a few of them.
#[tokio::test]
async fn peers_with_many_silent_addresses_leave_sockets_for_others() {
    const SOCKETS: usize = 48;
    const TIMEOUT: Duration = Duration::from_secs(3);
    let (open, peak) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let count = (open.clone(), peak.clone());
    let silent = Fake::tcp_at((Ipv4Addr::UNSPECIFIED, 0).into(), move |mut stream| {
        let (open, peak) = count.clone();
        async move {
            peak.fetch_max(open.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            while stream.read(&mut [0; 512]).await.is_ok_and(|length| length > 0) {}
            open.fetch_sub(1, Ordering::Relaxed);
        }
    })
    .await;
    let names: Vec<String> = (0..20).map(|peer| format!("silent{peer}.test")).collect();
    let zone = names
        .iter()
        .enumerate()
        .flat_map(|(peer, name)| (1..=16).map(move |host| (name.as_str(), a([127, 1, peer as u8, host]))));
    let options = CheckOptions { max_sockets: SOCKETS, ..gentle(TIMEOUT) };
    let resolver = Resolver::with_name_servers(options.addresses, &[name_server(zone).await]);
    let checker = Checker::with_resolver(options, resolver);
    assert!(checker.max_checks() < SOCKETS);

    let port = silent.address().port();
    let silent_peers = names.iter().map(|name| guest(format!("tcp://{name}:{port}")));
    let nodes = join_all((0..40).map(|_| ScriptedNode::start(Script::default()))).await;
    let healthy = nodes.iter().map(|node| guest(node.url().to_string()));
    let peers: Vec<Peer> =
        silent_peers.chain(healthy).enumerate().map(|(id, peer)| Peer { id: id as i64, ..peer }).collect();
    let reports: Vec<CheckReport> =
        stream::iter(&peers).map(|peer| checker.check(peer)).buffer_unordered(checker.max_checks()).collect().await;

    assert_eq!(reports.len(), 60);
    for report in &reports {
        match report.result.peer_id < 20 {
            // Some addresses were not tried, so the peer may be at one of these.
            true => assert_eq!(report.result.error, Some(FailureCode::MissedWindow), "{report:?}"),
            false => assert_online(report),
        }
    }
    assert!((20..=SOCKETS).contains(&peak.load(Ordering::Relaxed)), "{peak:?} connections at the same time");
}

#[tokio::test]
async fn without_sockets_for_all_sessions_the_other_peers_are_joined_at_every_check() {
    let nodes = join_all((0..4).map(|_| ScriptedNode::start(Script::default()))).await;
    // Of twelve sockets eight are for checks that connect, two for their further addresses, two for sessions.
    let checker = Checker::new(CheckOptions { max_sockets: 12, ..options(LONG) });
    let mut held: Vec<_> = nodes.iter().map(|node| checker.hold(guest(node.url().to_string()))).collect();
    for _round in 0..2 {
        for peer in &mut held {
            assert_online(&timeout(LONG, peer.next(Instant::now())).await.unwrap());
        }
    }
    assert_eq!(held.iter().filter(|peer| peer.is_open()).count(), 2);
    let joins: Vec<usize> = nodes.iter().map(|node| node.fake.arrived()).collect();
    assert_eq!(joins, [1, 1, 2, 2]);

    // A session that ends makes room for another.
    held.remove(0);
    for peer in &mut held {
        assert_online(&timeout(LONG, peer.next(Instant::now())).await.unwrap());
    }
    assert_eq!(held.iter().filter(|peer| peer.is_open()).count(), 2);
}
