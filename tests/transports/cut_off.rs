//! A probe whose own network fails, or which lacks a resource. Each test has a network namespace of its own.

use std::{
    fs::File,
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use easytier_probe::{CheckReport, Checker, FailureCode, Scheme, Stage, Status};
use futures::future::join_all;
use tokio::{io::AsyncReadExt, net::TcpListener, time::Instant};

use crate::{
    TRANSPORTS,
    namespace::{self, system},
    support::{LONG, SHORT, assert_failed, assert_online, fake::Fake, member, node::NodeOptions, options},
};

/// Addresses that are reserved for documentation.
const V4: &str = "192.0.2.7";
const V6: &str = "[2001:db8::7]";

/// Checks `host` over all `transports`.
async fn check_all(transports: &[Scheme], host: &str) -> Vec<(Scheme, CheckReport)> {
    let checker = Checker::new(options(SHORT));
    join_all(transports.iter().map(|scheme| {
        let peer = member(format!("{scheme}://{host}:11010"), "net", "secret");
        let checker = &checker;
        async move { (*scheme, checker.check(&peer).await) }
    }))
    .await
}

async fn assert_all_cut_off(transports: &[Scheme], host: &str, words: &str) {
    for (scheme, report) in check_all(transports, host).await {
        assert_eq!(report.result.status, Status::Unknown, "{scheme}: {report:?}");
        assert_failed(&report, FailureCode::ProbeUnreachable, Stage::Connect, words);
    }
}

#[tokio::test]
async fn without_a_route_no_peer_is_offline() {
    if !namespace::has_own("cut_off::without_a_route_no_peer_is_offline") {
        return;
    }
    assert_all_cut_off(&TRANSPORTS, V4, "no IPv4 route").await;
    assert_all_cut_off(&TRANSPORTS, V6, "no IPv6 route").await;
}

#[tokio::test]
async fn without_ipv6_no_ipv6_peer_is_offline() {
    if !namespace::has_own("cut_off::without_ipv6_no_ipv6_peer_is_offline") {
        return;
    }
    // There is a default route, but no address to send from.
    system("ip", &["-6", "route", "add", "default", "dev", "lo"]);
    system("sysctl", &["-w", "net.ipv6.conf.all.disable_ipv6=1"]);
    for host in [V6, "[::1]"] {
        assert_all_cut_off(&TRANSPORTS, host, "no IPv6 route").await;
    }
}

#[tokio::test]
async fn what_this_machine_forbids_is_not_blamed_on_a_peer() {
    if !namespace::has_own("cut_off::what_this_machine_forbids_is_not_blamed_on_a_peer") {
        return;
    }
    // Each kind has an error of its own: EACCES, EHOSTUNREACH, EINVAL, ENETUNREACH.
    for kind in ["prohibit", "unreachable", "blackhole", "throw"] {
        for host in ["192.0.2.7", "2001:db8::7"] {
            system("ip", &["route", "add", kind, host]);
        }
        for host in [V4, V6] {
            assert_all_cut_off(&TRANSPORTS, host, "this").await;
        }
        for host in ["192.0.2.7", "2001:db8::7"] {
            system("ip", &["route", "del", kind, host]);
        }
    }
}

#[tokio::test]
async fn without_a_free_descriptor_no_peer_is_offline() {
    if !namespace::has_own("cut_off::without_a_free_descriptor_no_peer_is_offline") {
        return;
    }
    system("prlimit", &["--pid", &std::process::id().to_string(), "--nofile=64:64"]);
    let _all: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    for (scheme, report) in check_all(&TRANSPORTS, "127.0.0.1").await {
        assert_eq!(report.result.status, Status::Unknown, "{scheme}: {report:?}");
        assert_failed(&report, FailureCode::Internal, Stage::Connect, "this probe");
    }
}

#[tokio::test]
async fn without_a_free_port_no_peer_is_offline() {
    if !namespace::has_own("cut_off::without_a_free_port_no_peer_is_offline") {
        return;
    }
    system("sysctl", &["-w", "net.ipv4.ip_local_port_range=60000 60001"]);
    let taken = [60000, 60001].map(|port| SocketAddr::from(([0, 0, 0, 0], port)));
    let _udp = taken.map(|address| UdpSocket::bind(address).unwrap());
    let _tcp = taken.map(|address| std::net::TcpListener::bind(address).unwrap());
    for (scheme, report) in check_all(&TRANSPORTS, "127.0.0.1").await {
        assert_eq!(report.result.status, Status::Unknown, "{scheme}: {report:?}");
        assert_failed(&report, FailureCode::Internal, Stage::Connect, "this");
    }
}

/// A server of which the probe is cut off once a connection is open: then it closes, if `closes`, or else stays silent.
async fn cutting_off(closes: bool) -> Fake {
    let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
    Fake::run(listener.local_addr().unwrap(), move |_| async move {
        let mut connections = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            system("ip", &CUT);
            if !closes {
                connections.push(stream);
            }
        }
    })
}

/// Takes the route to the server away.
const CUT: [&str; 7] = ["rule", "add", "pref", "50", "to", "127.0.0.2", "prohibit"];
const MEND: [&str; 4] = ["rule", "del", "pref", "50"];

fn let_rules_precede_local_addresses() {
    system("ip", &["rule", "add", "pref", "100", "lookup", "local"]);
    system("ip", &["rule", "del", "pref", "0"]);
}

#[tokio::test]
async fn a_probe_that_is_cut_off_during_a_check_blames_nobody() {
    if !namespace::has_own("cut_off::a_probe_that_is_cut_off_during_a_check_blames_nobody") {
        return;
    }
    let_rules_precede_local_addresses();
    for (closes, timeout) in [(true, LONG), (false, Duration::from_millis(500))] {
        for scheme in [Scheme::Tcp, Scheme::Ws, Scheme::Wss] {
            let server = cutting_off(closes).await;
            let report = Checker::new(options(timeout)).check(&member(server.url(scheme), "net", "secret")).await;
            system("ip", &MEND);
            assert_eq!(report.result.error, Some(FailureCode::ProbeUnreachable), "{scheme}: {report:?}");
            assert_eq!(report.result.status, Status::Unknown, "{scheme}: {report:?}");
        }
    }
}

#[tokio::test]
async fn a_probe_that_is_cut_off_between_checks_blames_nobody() {
    if !namespace::has_own("cut_off::a_probe_that_is_cut_off_between_checks_blames_nobody") {
        return;
    }
    let_rules_precede_local_addresses();
    let listen = TRANSPORTS.map(|scheme| format!("{scheme}://127.0.0.2:0")).into();
    let node = NodeOptions { listen, ..NodeOptions::listening_on(&[]) }.start(env!("CARGO_BIN_EXE_easytier-uptime"));
    let checker = Checker::new(options(SHORT));
    let mut held = TRANSPORTS.map(|scheme| checker.hold(node.as_member(scheme)));
    for report in join_all(held.iter_mut().map(|held| held.next(Instant::now()))).await {
        assert_online(&report);
    }

    system("ip", &CUT);
    // On the open session, and on a new one.
    for _ in 0..2 {
        for report in join_all(held.iter_mut().map(|held| held.next(Instant::now()))).await {
            assert_eq!(report.result.error, Some(FailureCode::ProbeUnreachable), "{report:?}");
            assert_eq!(report.result.status, Status::Unknown, "{report:?}");
        }
    }

    system("ip", &MEND);
    // A 2.0 node accepts no QUIC after a connection that ended early.
    let held = held.iter_mut().filter(|held| held.peer().url.scheme() != Some(Scheme::Quic));
    for report in join_all(held.map(|held| held.next(Instant::now()))).await {
        assert_online(&report);
    }
}
