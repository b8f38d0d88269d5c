//! What waits for the backend: across a kill, within its bounds, and what the backend never takes.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use easytier_probe::Scheme;
use serde_json::{Value, json};

use crate::{
    assert_delivered_once, await_checks,
    backend::{TestBackend, envelope, foreign},
    behind_a_proxy,
    hub::Hub,
    node,
    program::{Folder, Running},
    support::proxy::{Fault, Faulty},
    until,
};

/// A peer whose check is over at once: no node can be at such an address.
fn impossible(port: usize) -> String {
    format!("tcp://0.0.0.1:{port}")
}

async fn await_waiting(daemon: &Running, results: f64) {
    until(&format!("{results} results that wait"), async || daemon.figure("spool_results").await >= results).await;
}

async fn lost(daemon: &Running, reason: &str) -> f64 {
    daemon.figure(&format!("results_lost_total{{reason=\"{reason}\"}}")).await
}

/// Once while they wait, and once while they are delivered.
#[tokio::test]
async fn what_was_stored_is_delivered_once_though_the_daemon_is_killed() {
    let (hub, _node, good, proxy, folder) = behind_a_proxy(Fault::None).await;
    let dead = hub.add(impossible(1)).await;
    let daemon = folder.daemon().await;
    until("checks at the hub", async || hub.checks(good).await > 2 && hub.checks(dead).await > 2).await;

    proxy.set(Fault::Refuse);
    await_waiting(&daemon, 4.0).await;
    let (seen, told) = (daemon.checks(1).await, hub.checks(good).await);
    assert!(seen > told);
    daemon.kill().await;

    // The hub gets them, and the probe does not hear of it.
    proxy.set(Fault::Truncate);
    let daemon = folder.daemon().await;
    assert!(daemon.checks(1).await >= seen, "what was stored is there");
    until("what waited at the hub", async || hub.checks(good).await >= seen).await;
    daemon.kill().await;

    proxy.set(Fault::None);
    let daemon = folder.daemon().await;
    await_checks(&daemon, 1, 1).await;
    assert_delivered_once(&hub, &folder, &daemon, &[(good, 1), (dead, 2)]).await;
    assert_eq!(lost(&daemon, "not_delivered").await + lost(&daemon, "rejected").await, 0.0);
}

/// A full spool is delivered to its last result, and once, though it filled up and was cut down until the very end.
#[tokio::test]
async fn a_spool_that_is_full_when_the_daemon_is_killed_is_delivered_once() {
    const FULL: i64 = 1000;
    // Many new peers are spread over the interval, so that no test sees a check of any.
    const ONE_YEAR: &str = "8760h";
    let hub = Hub::start().await;
    for port in 1..=400 {
        hub.add(impossible(port)).await;
    }
    let proxy = Faulty::to(hub.address, Fault::None).await;
    let folder = Folder::of_probe(&proxy.url(), &hub.token("probe-1").await);
    folder.set(&[("SPOOL_MAX_RESULTS", &FULL.to_string()), ("HEALTH_CHECK_INTERVAL", ONE_YEAR)]);
    let daemon = folder.daemon().await;
    daemon.await_log("400 peers to watch").await;
    proxy.set(Fault::Refuse);
    folder.set(&[("HEALTH_CHECK_INTERVAL", "500ms")]);
    daemon.reload_until("400 peers to watch").await;
    until("results given up", async || lost(&daemon, "not_delivered").await > 0.0).await;
    daemon.kill().await;
    assert_eq!(hub.store.newest_result().await.unwrap(), 0, "the hub has none so far");

    folder.set(&[("HEALTH_CHECK_INTERVAL", ONE_YEAR)]);
    let daemon = folder.daemon().await;
    await_waiting(&daemon, FULL as f64).await;
    proxy.set(Fault::None);
    until("nothing to wait", async || daemon.figure("spool_results").await == 0.0).await;
    assert_eq!(daemon.figure("results_delivered_total").await, FULL as f64);
    assert_eq!(lost(&daemon, "rejected").await, 0.0);
    assert_eq!(hub.store.newest_result().await.unwrap(), FULL, "rows, none of which is there twice");
}

/// As that of a container is, which gets a new host name with every version.
#[tokio::test]
async fn what_waits_is_delivered_under_another_name_too() {
    let (hub, _node, peer, proxy, folder) = behind_a_proxy(Fault::None).await;
    let daemon = folder.daemon().await;
    until("checks at the hub", async || hub.checks(peer).await > 2).await;
    proxy.set(Fault::Refuse);
    await_waiting(&daemon, 4.0).await;
    daemon.stop().await;

    proxy.set(Fault::None);
    folder.set(&[("SERVER_ID", "probe-2"), ("NODE_TOKEN", &hub.token("probe-2").await)]);
    let daemon = folder.daemon().await;
    await_checks(&daemon, 1, 1).await;
    assert_delivered_once(&hub, &folder, &daemon, &[(peer, 1)]).await;
}

#[tokio::test]
async fn only_so_many_results_wait_and_what_is_given_up_is_counted() {
    let hub = Hub::start().await;
    for port in 1..=400 {
        hub.add(impossible(port)).await;
    }
    let proxy = Faulty::to(hub.address, Fault::None).await;
    let token = hub.token("probe-1").await;
    let folder = Folder::of_probe(&proxy.url(), &token);
    folder.set(&[("SPOOL_MAX_RESULTS", "1000")]);
    let daemon = folder.daemon().await;
    let waiting = daemon.await_log("400 peers to watch").await;
    assert!(waiting.contains("added=400"), "{waiting}");
    proxy.set(Fault::Refuse);

    until("results given up", async || lost(&daemon, "not_delivered").await > 0.0).await;
    daemon.await_log("given up: they waited for the backend too long, or too many did").await;
    until("no more than a thousand to wait", async || {
        let waiting = daemon.figure("spool_results").await;
        waiting > 0.0 && waiting <= 1000.0
    })
    .await;
    proxy.set(Fault::None);
    until("the loss in the registry", async || {
        let server = hub.server(&token, "probe-1").await.unwrap();
        server["counters"]["lost"].as_u64().is_some_and(|lost| lost > 0)
    })
    .await;
}

/// The backend asks for an hour's pause; what waits is bounded meanwhile.
#[tokio::test]
async fn results_wait_only_so_long_and_what_is_given_up_is_counted() {
    let (hub, _node, peer, proxy, folder) = behind_a_proxy(Fault::None).await;
    folder.set(&[("SPOOL_MAX_AGE", "3s")]);
    let daemon = folder.daemon().await;
    until("checks at the hub", async || hub.checks(peer).await > 2).await;

    proxy.set(Fault::Answer("503 Service Unavailable\r\nx-uptime-hub: 1\r\nRetry-After: 3600"));
    until("results given up", async || lost(&daemon, "not_delivered").await >= 3.0).await;
    daemon.await_log("given up").await;
    until("only what is new to wait", async || {
        let (waiting, age) = (daemon.figure("spool_results").await, daemon.figure("spool_age_seconds").await);
        waiting > 0.0 && age > 0.0 && age < 5.0
    })
    .await;
}

#[tokio::test]
async fn what_the_hub_never_takes_leaves_the_spool_and_is_counted() {
    let (hub, node) = (Hub::start().await, node());
    let kept = hub.add(node.url(Scheme::Tcp).to_string()).await;
    let removed = hub.add(impossible(1)).await;
    let proxy = Faulty::to(hub.address, Fault::None).await;
    let token = hub.token("probe-1").await;
    let folder = Folder::of_probe(&proxy.url(), &token);
    let daemon = folder.daemon().await;
    until("checks at the hub", async || hub.checks(kept).await > 2 && hub.checks(removed).await > 2).await;

    proxy.set(Fault::Refuse);
    await_waiting(&daemon, 6.0).await;
    hub.remove(removed).await;
    proxy.set(Fault::None);
    let line = daemon.await_log("the backend rejected results for good").await;
    assert!(line.contains("unknown_peer"), "{line}");
    let rejected = lost(&daemon, "rejected").await;
    assert!(rejected >= 2.0, "{rejected}");
    until("the loss in the registry", async || {
        hub.server(&token, "probe-1").await.unwrap()["counters"]["lost"].as_f64().is_some_and(|lost| lost >= rejected)
    })
    .await;
    assert_delivered_once(&hub, &folder, &daemon, &[(kept, 1)]).await;
}

/// Such reports have no time: what piled up would be taken for how things are.
#[tokio::test]
async fn a_backend_of_reports_per_node_gets_the_newest_of_each_peer_after_an_outage() {
    let node = node();
    let peer = json!({"id": 7, "host": "127.0.0.1", "port": node.url(Scheme::Tcp).port(), "protocol": "tcp"});
    let (is_away, taken) = (Arc::new(AtomicBool::new(true)), Arc::new(Mutex::new(Vec::new())));
    let (away, takes) = (is_away.clone(), taken.clone());
    let backend = TestBackend::start(move |seen| match seen.path.as_str() {
        "/peers" => foreign(200, envelope(json!({"peers": [peer]}))),
        "/nodes/7/status" if away.load(SeqCst) => foreign(503, json!({"error": "away"})),
        "/nodes/7/status" => {
            takes.lock().unwrap().push(seen.body["status"].clone());
            foreign(200, envelope(Value::Null))
        }
        _ => foreign(404, json!({"error": "not found"})),
    })
    .await;
    let folder = Folder::of_probe(&backend.url.to_string(), "token");
    folder.set(&[("REPORT_STYLE", "per-node")]);
    let daemon = folder.daemon().await;
    await_waiting(&daemon, 6.0).await;
    node.stop();
    until("a node that is gone", async || daemon.figure("peers_watched{status=\"offline\"}").await == 1.0).await;
    await_checks(&daemon, 1, 2).await;

    is_away.store(false, SeqCst);
    until("nothing to wait", async || daemon.figure("spool_results").await == 0.0).await;
    let taken = taken.lock().unwrap();
    // One was on its way since the node was there.
    let online = taken.iter().filter(|status| **status == "Online").count();
    assert!(online <= 1 && taken.last().is_some_and(|status| status == "Offline"), "{taken:?}");
}
