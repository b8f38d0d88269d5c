//! The monitoring API of a daemon.

use easytier_probe::Scheme;

use crate::{http, hub::Hub, node, program::Folder, support::fake, until};

#[tokio::test]
async fn the_public_api_is_read_only_and_over_the_local_history() {
    let (hub, node) = (Hub::start().await, node());
    hub.add("tcp://0.0.0.1:11010").await;
    hub.add(node.url(Scheme::Tcp).to_string()).await;
    let folder = Folder::of_probe(&hub.url(), &hub.token("probe-1").await);
    let daemon = folder.daemon().await;
    until("checks of both", async || daemon.checks(1).await > 2 && daemon.checks(2).await > 2).await;

    let good = http::node(&daemon.url, &node.url(Scheme::Tcp).to_string()).await.unwrap();
    assert_eq!((&good["is_active"], &good["current_health_status"]), (&true.into(), &"healthy".into()), "{good}");
    assert!(good["last_response_time"].as_u64().is_some_and(|micros| micros > 0), "{good}");
    assert!(good["health_record_total_counter_ring"][0].as_u64().is_some_and(|checks| checks > 0), "{good}");
    let id = good["id"].as_i64().unwrap();
    assert_eq!(http::get(&format!("{}/node/{id}", daemon.url)).await.1, node.url(Scheme::Tcp).to_string());
    let records = http::data(&daemon.url, &format!("/api/nodes/{}/health?per_page=5", 3 - id)).await;
    let record = &records["items"][0];
    assert_eq!(record["status"], "unhealthy", "{records}");
    let regions = http::data(&daemon.url, &format!("/api/nodes/{id}/regions")).await;
    assert_eq!(regions["regions"][0]["region"], "default", "{regions}");
    assert!(http::get(&format!("{}/openapi.json", daemon.url)).await.1.contains("/api/nodes/{id}/health/stats"));

    for (method, path) in [
        ("POST", "/api/nodes"),
        ("POST", "/api/test_connection"),
        ("POST", "/api/admin/login"),
        ("POST", "/results"),
        ("GET", "/peers"),
        ("GET", "/api/discovery/servers"),
    ] {
        let request = http::client().request(method.parse().unwrap(), format!("{}{path}", daemon.url)).body("{}");
        let status = request.send().await.unwrap().status().as_u16();
        assert!(status == 404 || status == 405, "{method} {path}: {status}");
    }
}

#[tokio::test]
async fn the_metrics_count_the_checks() {
    let (hub, node) = (Hub::start().await, node());
    hub.add("tcp://0.0.0.1:11010").await;
    hub.add(node.url(Scheme::Tcp).to_string()).await;
    let folder = Folder::of_probe(&hub.url(), &hub.token("probe-1").await);
    let daemon = folder.daemon().await;
    until("figures of both", async || {
        let online = daemon.figure("checks_total{status=\"online\",code=\"\"}").await;
        let (_, text) = http::get(&format!("{}/metrics", daemon.url)).await;
        let offline =
            text.lines().any(|line| line.starts_with("easytier_uptime_probe_checks_total{status=\"offline\""));
        let latencies = daemon.figure("latency_seconds_count").await;
        online > 2.0 && latencies > 2.0 && offline && daemon.figure("results_delivered_total").await > 2.0
    })
    .await;
    assert_eq!(daemon.figure("peers_watched{status=\"online\"}").await, 1.0);
    assert_eq!(daemon.figure("peers_watched{status=\"offline\"}").await, 1.0);
    for histogram in ["check_duration_seconds", "latency_seconds", "check_lag_seconds"] {
        assert!(daemon.figure(&format!("{histogram}_count")).await > 2.0, "{histogram}");
    }
    // One line for its status, regardless of the number of checks.
    assert_eq!(daemon.log_with(&node.url(Scheme::Tcp).to_string()).len(), 1);
    assert_eq!(daemon.log_with("tcp://0.0.0.1:11010").len(), 1);

    let (_, text) = http::get(&format!("{}/metrics", daemon.url)).await;
    for name in ["spool_results", "spool_age_seconds", "checks_missed_total", "cycles_skipped_total"] {
        assert!(text.contains(&format!("\neasytier_uptime_probe_{name} ")), "{name} is not in {text}");
    }
}

#[tokio::test]
async fn check_lag_includes_the_wait_for_a_free_slot_in_a_cycle() {
    let hub = Hub::start().await;
    let silent = [fake::silent().await, fake::silent().await];
    for peer in &silent {
        hub.add(peer.url(Scheme::Tcp)).await;
    }
    let folder = Folder::of_probe(&hub.url(), &hub.token("probe-1").await);
    folder.set(&[("PROBE_SCHEDULE", "@every 1s"), ("CHECK_CONCURRENCY", "1"), ("HEALTH_CHECK_TIMEOUT", "1s")]);
    let daemon = folder.daemon().await;
    daemon.await_log("checked=2").await;
    let late = daemon.figure("check_lag_seconds_sum").await;
    assert!(late >= 0.9, "one check waited for another, which took a second: {late} s");
}

/// The only peer is silent for longer than ten seconds and three intervals: that is its own affair.
#[tokio::test]
async fn a_probe_whose_peers_are_silent_for_their_whole_timeout_is_healthy() {
    let hub = Hub::start().await;
    let silent = fake::silent().await;
    hub.add(silent.url(Scheme::Tcp)).await;
    let folder = Folder::of_probe(&hub.url(), &hub.token("probe-1").await);
    folder.set(&[("HEALTH_CHECK_TIMEOUT", "13s")]);
    let daemon = folder.daemon().await;
    until("a verdict", async || {
        let (status, text) = http::get(&format!("{}/health", daemon.url)).await;
        assert!(status == 200 && text.contains("peers are checked"), "{text}");
        daemon.checks(1).await > 0
    })
    .await;
}
