//! A network line with a long delay that loses packets.

use easytier_probe::Scheme;
use easytier_uptime_store::domain::Timestamp;
use tokio::time::Instant;

use crate::{
    http::{data, figure},
    hub::Hub,
    namespace,
    program::{Folder, PROGRAM},
    support::node::NodeOptions,
    until, wire,
};

/// The number of addresses of the node. Each is checked over tcp and over udp.
const ADDRESSES: u8 = 10;
const PEERS: usize = ADDRESSES as usize * 2;

/// How many checks of each peer the test waits for.
const CHECKS: u64 = 8;

/// The default time from one check of a peer to the next, in seconds.
const INTERVAL: f64 = 5.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_behind_a_bad_line_stay_online() {
    if !namespace::has_own("line::peers_behind_a_bad_line_stay_online") {
        return;
    }
    wire::set_up();
    let listen = ["tcp", "udp"].map(|scheme| format!("{scheme}://{}:0", wire::HERE));
    let node = NodeOptions { listen: listen.into(), ..NodeOptions::listening_on(&[]) }.start(PROGRAM);
    let hub = Hub::start().await;
    let mut ids = Vec::new();
    for (scheme, name) in [(Scheme::Tcp, "tcp"), (Scheme::Udp, "udp")] {
        let port = node.url(scheme).port().unwrap();
        for nth in 0..ADDRESSES {
            ids.push(hub.add(format!("{name}://{}:{port}", wire::over_the_line(nth))).await);
        }
    }
    let folder = Folder::of_probe(&hub.url(), &hub.token("probe-1").await);
    folder.set(&[("HEALTH_CHECK_INTERVAL", ""), ("FLAP_DAMPING", "")]);
    let daemon = folder.daemon().await;
    let started = Instant::now();
    until("checks of every peer", async || {
        let mut counts = Vec::new();
        for id in &ids {
            counts.push(hub.checks(*id).await);
        }
        counts.into_iter().all(|checks| checks >= CHECKS)
    })
    .await;

    // Few checks were missed, and none was repeated early.
    let rounds = started.elapsed().as_secs_f64() / INTERVAL + 1.0;
    let (mut checks, mut healthy) = (0.0, 0.0);
    for id in &ids {
        let stats = data(&hub.url(), &format!("/api/nodes/{id}/health/stats?hours=24")).await;
        let [all, good] = ["total_checks", "healthy_count"].map(|field| stats[field].as_f64().unwrap());
        checks += all;
        healthy += good;
        let average = stats["average_response_time"].as_f64().unwrap_or_default() / 1000.0;
        println!("{id}: {good} of {all}, {average} ms");
        assert!((600.0..5000.0).contains(&average), "peer {id}: {stats}");
    }
    let missed = figure(&daemon.url, "easytier_uptime_probe_checks_missed_total").await;
    println!("{checks} checks, {healthy} healthy, {missed} missed, in {rounds} rounds");
    assert!(healthy >= 0.85 * checks, "{healthy} of {checks} checks found the node");
    assert!(checks <= rounds * PEERS as f64 * 1.2, "{checks} checks in {rounds} rounds of {PEERS}");
    assert!(checks + missed >= (rounds - 3.0) * PEERS as f64, "{checks} checks in {rounds} rounds of {PEERS}");
    assert!(missed <= 0.1 * checks, "{missed} checks were missed beside {checks}");
    // A peer may have lost all packets of its last check, but none stays down.
    until("all peers up at the hub", async || {
        crate::http::nodes(&hub.url()).await.iter().all(|node| node["is_active"] == true)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_without_a_route_reports_no_peer_offline() {
    if !namespace::has_own("line::a_probe_without_a_route_reports_no_peer_offline") {
        return;
    }
    wire::set_up();
    let schemes = [Scheme::Tcp, Scheme::Udp, Scheme::Ws, Scheme::Wss, Scheme::Wg, Scheme::Quic];
    let listen = schemes.map(|scheme| format!("{scheme}://{}:0", wire::HERE));
    let node = NodeOptions { listen: listen.into(), ..NodeOptions::listening_on(&[]) }.start(PROGRAM);
    let hub = Hub::start().await;
    let mut ids = Vec::new();
    for scheme in schemes {
        let port = node.url(scheme).port().unwrap();
        let id = hub.add(format!("{scheme}://{}:{port}", wire::over_the_line(0))).await;
        hub.edit(id, |spec| {
            spec.network_name = Some("test-network".to_owned());
            spec.network_secret = Some("test-secret".into());
        })
        .await;
        ids.push(id);
    }
    let folder = Folder::of_probe(&hub.url(), &hub.token("probe-1").await);
    let daemon = folder.daemon().await;
    until("all peers up at the hub", async || {
        crate::http::nodes(&hub.url()).await.iter().filter(|node| node["is_active"] == true).count() == ids.len()
    })
    .await;

    // Before that, the line itself may have lost the packets of a whole check.
    let cut_at = Timestamp::now();
    wire::cut();
    daemon.await_log_times("code=\"probe_unreachable\"", ids.len()).await;
    for id in ids {
        let path = format!("/api/nodes/{id}/health?per_page=100&since={cut_at}");
        let errors = async || -> Vec<String> {
            let results = data(&hub.url(), &path).await;
            let messages =
                results["items"].as_array().unwrap().iter().map(|result| result["error_message"].to_string());
            messages.filter(|message| message != "null").collect()
        };
        let is_own_fault = |message: &String| message.contains("no IPv4 route");
        until("a result of the time without a route", async || errors().await.iter().any(is_own_fault)).await;
        let blames: Vec<String> = errors().await.into_iter().filter(|message| !is_own_fault(message)).collect();
        assert_eq!(blames, Vec::<String>::new());
    }
}
