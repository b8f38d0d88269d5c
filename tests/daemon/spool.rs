//! The spool: across a kill, within its limits, and with results that the backend rejects.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use axum::response::Response;
use easytier_probe::Scheme;
use easytier_uptime_store::domain::PeerId;
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::{
    assert_delivered_once, await_checks, await_health,
    backend::{Seen, TestBackend, envelope, hub as hub_answer, third_party},
    behind_a_proxy,
    hub::Hub,
    node,
    program::{Folder, Running},
    support::{
        node::Node,
        proxy::{Fault, Faulty},
    },
    until,
};

/// The URL of a peer whose check fails at once, because no node can have this address.
fn impossible(port: usize) -> String {
    format!("tcp://0.0.0.1:{port}")
}

async fn await_waiting(daemon: &Running, results: f64) {
    until(&format!("{results} spooled results"), async || daemon.figure("spool_results").await >= results).await;
}

/// As [`behind_a_proxy`], with a hub that is away, after a daemon that was stopped while results waited for it.
async fn stopped_with_a_spool() -> (Hub, Node, PeerId, Faulty, Folder) {
    let (hub, node, peer, proxy, folder) = behind_a_proxy(Fault::None).await;
    let daemon = folder.daemon().await;
    until("checks at the hub", async || hub.checks(peer).await > 2).await;
    proxy.set(Fault::Refuse);
    await_waiting(&daemon, 4.0).await;
    daemon.stop().await;
    (hub, node, peer, proxy, folder)
}

async fn lost(daemon: &Running, reason: &str) -> f64 {
    daemon.figure(&format!("results_lost_total{{reason=\"{reason}\"}}")).await
}

/// The daemon is killed while results wait, and again while they are delivered.
#[tokio::test]
async fn stored_results_are_delivered_once_although_the_daemon_is_killed() {
    let (hub, _node, good, proxy, folder) = behind_a_proxy(Fault::None).await;
    let dead = hub.add(impossible(1)).await;
    let daemon = folder.daemon().await;
    until("checks at the hub", async || hub.checks(good).await > 2 && hub.checks(dead).await > 2).await;

    proxy.set(Fault::Refuse);
    await_waiting(&daemon, 4.0).await;
    let (seen, delivered) = (daemon.checks(1).await, hub.checks(good).await);
    assert!(seen > delivered);
    daemon.kill().await;

    // The hub stores them, but the response is lost.
    proxy.set(Fault::Truncate);
    let daemon = folder.daemon().await;
    assert!(daemon.checks(1).await >= seen, "the stored checks are kept");
    until("the waiting results at the hub", async || hub.checks(good).await >= seen).await;
    daemon.kill().await;

    proxy.set(Fault::None);
    let daemon = folder.daemon().await;
    await_checks(&daemon, 1, 1).await;
    assert_delivered_once(&hub, &folder, &daemon, &[(good, 1), (dead, 2)]).await;
    assert_eq!(lost(&daemon, "not_delivered").await + lost(&daemon, "rejected").await, 0.0);
}

/// The spool is full when the daemon is killed. Then every result in it is delivered once.
#[tokio::test]
async fn a_spool_that_is_full_when_the_daemon_is_killed_is_delivered_once() {
    const FULL: i64 = 1000;
    // Many new peers are spread over the interval, so that none is checked during the test.
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
    until("dropped results", async || lost(&daemon, "not_delivered").await > 0.0).await;
    daemon.kill().await;
    assert_eq!(hub.store.newest_result().await.unwrap(), 0, "the hub has none so far");

    folder.set(&[("HEALTH_CHECK_INTERVAL", ONE_YEAR)]);
    let daemon = folder.daemon().await;
    await_waiting(&daemon, FULL as f64).await;
    proxy.set(Fault::None);
    until("an empty spool", async || daemon.figure("spool_results").await == 0.0).await;
    assert_eq!(daemon.figure("results_delivered_total").await, FULL as f64);
    assert_eq!(lost(&daemon, "rejected").await, 0.0);
    assert_eq!(hub.store.newest_result().await.unwrap(), FULL, "the number of rows, without duplicates");
}

/// The default server id is the host name, and that of a container changes with every version.
#[tokio::test]
async fn the_spool_is_delivered_under_a_new_server_id() {
    let (hub, _node, peer, proxy, folder) = stopped_with_a_spool().await;

    proxy.set(Fault::None);
    folder.set(&[("SERVER_ID", "probe-2"), ("NODE_TOKEN", &hub.token("probe-2").await)]);
    let daemon = folder.daemon().await;
    await_checks(&daemon, 1, 1).await;
    assert_delivered_once(&hub, &folder, &daemon, &[(peer, 1)]).await;
}

#[tokio::test]
async fn the_spool_is_limited_in_number_and_dropped_results_are_counted() {
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

    until("dropped results", async || lost(&daemon, "not_delivered").await > 0.0).await;
    daemon.await_log("dropped: they waited longer than SPOOL_MAX_AGE").await;
    until("at most a thousand results in the spool", async || {
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

/// The backend asks for a pause of an hour; the spool is limited meanwhile.
#[tokio::test]
async fn the_spool_is_limited_in_age_and_dropped_results_are_counted() {
    let (hub, _node, peer, proxy, folder) = behind_a_proxy(Fault::None).await;
    folder.set(&[("SPOOL_MAX_AGE", "3s")]);
    let daemon = folder.daemon().await;
    until("checks at the hub", async || hub.checks(peer).await > 2).await;

    proxy.set(Fault::Answer("503 Service Unavailable\r\nx-uptime-hub: 1\r\nRetry-After: 3600"));
    until("dropped results", async || lost(&daemon, "not_delivered").await >= 3.0).await;
    daemon.await_log("dropped: they waited").await;
    until("only recent results in the spool", async || {
        let (waiting, age) = (daemon.figure("spool_results").await, daemon.figure("spool_age_seconds").await);
        waiting > 0.0 && age > 0.0 && age < 12.0
    })
    .await;
}

#[tokio::test]
async fn rejected_results_leave_the_spool_and_are_counted() {
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

/// The hub's answer to a request of the probe, with these counts for results.
fn counted(seen: &Seen, peer: &Value, counts: Value) -> Response {
    match seen.path.as_str() {
        "/peers" => hub_answer(200, envelope(json!({"peers": [peer]}))),
        "/results" => hub_answer(200, envelope(counts)),
        _ => hub_answer(200, envelope(Value::Null)),
    }
}

#[tokio::test]
async fn results_that_the_backend_does_not_account_for_wait_and_are_delivered_later() {
    let peer = json!({"id": 7, "host": "0.0.0.1", "port": 1, "protocol": "tcp"});
    let (counts_right, stored) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<HashSet<String>>>::default());
    let (is_right, ids) = (counts_right.clone(), stored.clone());
    let backend = TestBackend::start(move |seen| {
        let results = seen.body["results"].as_array().map(Vec::as_slice).unwrap_or_default();
        let counts = match is_right.load(SeqCst) {
            true => {
                ids.lock().unwrap().extend(results.iter().map(|result| result["id"].as_str().unwrap().to_owned()));
                json!({"accepted": results.len(), "duplicates": 0, "rejected": []})
            }
            false => json!({"accepted": 0, "duplicates": 0, "rejected": []}),
        };
        counted(seen, &peer, counts)
    })
    .await;
    let folder = Folder::of_probe(&backend.url.to_string(), "token");
    let daemon = folder.daemon().await;
    let line = daemon.await_log("the answer accounts for 0 results").await;
    assert!(line.contains("ERROR"), "{line}");
    await_waiting(&daemon, 3.0).await;
    assert_eq!(daemon.figure("results_delivered_total").await, 0.0);

    counts_right.store(true, SeqCst);
    until("delivered results", async || daemon.figure("results_delivered_total").await >= 3.0).await;
    assert_eq!(lost(&daemon, "rejected").await, 0.0);
    assert!(stored.lock().unwrap().len() >= 3);
}

#[tokio::test]
async fn results_that_a_third_party_backend_has_no_use_for_are_counted_and_mentioned() {
    let backend = TestBackend::start(|seen| match seen.path.as_str() {
        "/peers" => {
            third_party(200, envelope(json!({"peers": [{"id": 7, "host": "0.0.0.1", "port": 1, "protocol": "tcp"}]})))
        }
        _ => third_party(404, json!({"error": "not found"})),
    })
    .await;
    let folder = Folder::of_probe(&backend.url.to_string(), "token");
    let daemon = folder.daemon().await;
    until("results that are not wanted", async || daemon.figure("results_not_wanted_total").await >= 3.0).await;
    assert_eq!(daemon.log_with("the backend has no use for results").len(), 1);
    assert_eq!(daemon.figure("results_delivered_total").await, 0.0);
}

/// Replaces the record of what is delivered by one that this version does not know, as after a downgrade.
async fn spoil_spool(folder: &Folder) {
    let options = SqliteConnectOptions::new().filename(folder.file("uptime.db"));
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let spoilt = sqlx::query("UPDATE backends SET spool = '{\"parts\": []}'").execute(&mut connection).await.unwrap();
    assert_eq!(spoilt.rows_affected(), 1);
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_spool_that_cannot_be_read_is_an_error_and_its_results_are_delivered() {
    let (hub, _node, peer, proxy, folder) = stopped_with_a_spool().await;
    spoil_spool(&folder).await;

    proxy.set(Fault::None);
    let daemon = folder.daemon().await;
    let line = daemon.await_log("the record of which results are delivered cannot be read").await;
    assert!(line.contains("ERROR"), "{line}");
    await_checks(&daemon, 1, 1).await;
    assert_delivered_once(&hub, &folder, &daemon, &[(peer, 1)]).await;
    assert_eq!(lost(&daemon, "not_delivered").await, 0.0);
}

/// Per-node reports carry no time: the backend would take old results for the current state.
#[tokio::test]
async fn per_node_reports_after_an_outage_send_only_the_newest_result_of_each_peer() {
    let node = node();
    let peer = json!({"id": 7, "host": "127.0.0.1", "port": node.url(Scheme::Tcp).port(), "protocol": "tcp"});
    let (is_away, taken) = (Arc::new(AtomicBool::new(true)), Arc::new(Mutex::new(Vec::new())));
    let (away, takes) = (is_away.clone(), taken.clone());
    let backend = TestBackend::start(move |seen| match seen.path.as_str() {
        "/peers" => third_party(200, envelope(json!({"peers": [peer]}))),
        "/nodes/7/status" if away.load(SeqCst) => third_party(503, json!({"error": "away"})),
        "/nodes/7/status" => {
            takes.lock().unwrap().push(seen.body["status"].clone());
            third_party(200, envelope(Value::Null))
        }
        _ => third_party(404, json!({"error": "not found"})),
    })
    .await;
    let folder = Folder::of_probe(&backend.url.to_string(), "token");
    folder.set(&[("REPORT_STYLE", "per-node")]);
    let daemon = folder.daemon().await;
    await_waiting(&daemon, 6.0).await;
    let address = node.url(Scheme::Tcp).to_string();
    node.stop();
    // The failed checks are stored, and so in the spool.
    await_health(&daemon, &address, "unhealthy").await;

    is_away.store(false, SeqCst);
    until("an empty spool", async || daemon.figure("spool_results").await == 0.0).await;
    let taken = taken.lock().unwrap();
    // One report was in flight when the node came back.
    let online = taken.iter().filter(|status| **status == "Online").count();
    assert!(online <= 1 && taken.last().is_some_and(|status| status == "Offline"), "{taken:?}");
}
