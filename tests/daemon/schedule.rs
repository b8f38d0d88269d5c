//! When peers are checked, and when whole cycles run.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use easytier_probe::Scheme;

use crate::{
    NEVER, await_checks,
    hub::Hub,
    node,
    program::{Folder, Running},
    support::fake::{self, Fake},
    until,
};

/// A server that never answers, and the maximum number of simultaneous connections to it.
async fn silent() -> (Fake, Arc<AtomicUsize>) {
    let (now, peak) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let counted = Arc::clone(&peak);
    let server = Fake::tcp(move |stream| {
        let (now, peak) = (Arc::clone(&now), Arc::clone(&counted));
        async move {
            peak.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
            fake::listen_only(stream).await;
            now.fetch_sub(1, SeqCst);
        }
    })
    .await;
    (server, peak)
}

#[tokio::test]
async fn a_silent_peer_is_checked_once_at_a_time_and_delays_no_other() {
    let (hub, node) = (Hub::start().await, node());
    let (silent, peak) = silent().await;
    hub.add(node.url(Scheme::Tcp).to_string()).await;
    hub.add(silent.url(Scheme::Tcp)).await;
    let folder = Folder::of_probe(&hub.url(), &hub.token("probe-1").await);
    folder.set(&[("HEALTH_CHECK_TIMEOUT", "3s"), ("CHECK_CONCURRENCY", "2")]);
    let daemon = folder.daemon().await;

    until("four checks of the silent peer", async || silent.arrived() >= 4).await;
    assert_eq!(peak.load(SeqCst), 1, "connections at a time");
    let good = daemon.figure("checks_total{status=\"online\",code=\"\"}").await;
    assert!(good > 6.0, "{good} checks of the peer that answers");
    // Each of the three checks that ended also counts for the six intervals during it.
    let seen = daemon.figure("checks_total{status=\"offline\",code=\"handshake_timeout\"}").await;
    assert!(seen >= 3.0 * 7.0, "{seen}");
    until("all checks in the history", async || daemon.checks(2).await >= 3 * 7).await;
}

#[tokio::test]
async fn a_node_that_stops_is_offline_as_soon_as_its_connection_closes() {
    let (hub, node) = (Hub::start().await, node());
    let peer = hub.add(node.url(Scheme::Tcp).to_string()).await;
    let folder = Folder::of_probe(&hub.url(), &hub.token("probe-1").await);
    folder.set(&[("HEALTH_CHECK_INTERVAL", "60s")]);
    let daemon = folder.daemon().await;
    until("checks at the hub", async || hub.checks(peer).await > 0).await;
    folder.await_history().await;
    let seen = daemon.checks(1).await;

    node.stop();
    let line = daemon.await_log("the node closed the open session").await;
    assert!(line.contains("offline") && line.contains("was=\"online\"") && line.contains("closed"), "{line}");
    until("the node to be down at the hub", async || {
        let events = crate::http::data(&hub.url(), "/api/nodes?is_active=false&per_page=100").await;
        let down = events["items"].as_array().unwrap().iter().any(|node| node["id"] == peer.0);
        down && hub.checks(peer).await == seen + 1
    })
    .await;
}

#[tokio::test]
async fn cycles_run_by_an_interval_and_by_a_cron_expression() {
    let (hub, node) = (Hub::start().await, node());
    let peer = hub.add(node.url(Scheme::Tcp).to_string()).await;
    let folder = Folder::of_probe(&hub.url(), &hub.token("probe-1").await);
    folder.set(&[("PROBE_SCHEDULE", "@every 1s")]);
    let daemon = folder.daemon().await;
    until("cycles", async || hub.checks(peer).await >= 3).await;
    assert!(daemon.log_with("the cycle took").len() >= 3);

    folder.set(&[("PROBE_SCHEDULE", "* * * * * *"), ("PROBE_TIMEZONE", "Europe/Berlin")]);
    daemon.reload_until("the cycle took").await;
    await_checks(&daemon, 1, 3).await;
    crate::assert_delivered_once(&hub, &folder, &daemon, &[(peer, 1)]).await;
}

#[tokio::test]
async fn the_hub_receives_the_longest_pause_of_a_schedule() {
    let hub = Hub::start().await;
    let token = hub.token("probe-1").await;
    for (expression, hours) in [("0 30 8-18 * * MON-FRI", 62), (NEVER, 365 * 24)] {
        let folder = Folder::of_probe(&hub.url(), &token);
        folder.set(&[("PROBE_SCHEDULE", expression)]);
        let _daemon = folder.daemon().await;
        until(expression, async || {
            let server = hub.server(&token, "probe-1").await;
            server.is_some_and(|server| server["check_interval"] == hours * 3600)
        })
        .await;
    }
}

#[tokio::test]
async fn a_cycle_that_still_runs_is_not_doubled() {
    let hub = Hub::start().await;
    let (silent, peak) = silent().await;
    hub.add(silent.url(Scheme::Tcp)).await;
    let folder = Folder::of_probe(&hub.url(), &hub.token("probe-1").await);
    folder.set(&[("PROBE_SCHEDULE", "@every 1s"), ("HEALTH_CHECK_TIMEOUT", "4s")]);
    let daemon = folder.daemon().await;
    let line = daemon.await_log_times("still running when it is due again; skipped", 2).await;
    assert!(line.contains("job=\"cycle\""), "{line}");
    until("two cycles", async || daemon.log_with("the cycle took").len() >= 2).await;
    let skipped = daemon.figure("cycles_skipped_total").await;
    assert!(skipped >= 2.0, "{skipped}");
    assert_eq!(peak.load(SeqCst), 1, "connections at a time");
}

/// Waits until the cycle at the start is over and stored, and asserts that there was no other.
async fn assert_checked_once(daemon: &Running) {
    daemon.await_log("the cycle took").await;
    until("a check", async || daemon.checks(1).await > 0).await;
    assert_eq!((daemon.log_with("the cycle took").len(), daemon.checks(1).await), (1, 1));
}

#[tokio::test]
async fn with_a_schedule_one_cycle_runs_at_the_start_and_none_after_a_reload() {
    let (hub, node) = (Hub::start().await, node());
    hub.add(node.url(Scheme::Tcp).to_string()).await;
    let folder = Folder::of_probe(&hub.url(), &hub.token("probe-1").await);
    folder.set(&[("PROBE_SCHEDULE", NEVER)]);
    let daemon = folder.daemon().await;
    assert_checked_once(&daemon).await;
    for _ in 0..2 {
        daemon.reload_until("peers to watch").await;
    }
    // Stopping waits for a cycle that has begun, and stores its results.
    let log = daemon.stop().await;
    assert_eq!(log.matches("the cycle took").count(), 1, "{log}");

    // With the peers of the last run, when the hub is away.
    drop(hub);
    let daemon = folder.daemon().await;
    until("another check", async || daemon.checks(1).await == 2).await;
}

#[tokio::test]
async fn the_standalone_mode_runs_a_cycle_at_the_start_too() {
    let (folder, node) = (Folder::new(), node());
    std::fs::write(folder.file("peers.txt"), node.url(Scheme::Tcp).to_string()).unwrap();
    folder.set(&[("PEERS_FILE", "peers.txt"), ("PROBE_SCHEDULE", NEVER)]);
    assert_checked_once(&folder.start(&[]).await).await;
}

#[tokio::test]
async fn each_cycle_is_delayed_by_the_same_share_of_the_jitter() {
    let (folder, node) = (Folder::new(), node());
    std::fs::write(folder.file("peers.txt"), node.url(Scheme::Tcp).to_string()).unwrap();
    // The share of this id is 0.69: 2.77 s.
    folder.set(&[("SERVER_ID", "probe-1"), ("PROBE_SCHEDULE", "*/10 * * * * *"), ("PROBE_JITTER", "4s")]);
    folder.set(&[("PEERS_FILE", "peers.txt")]);
    let standalone = folder.start(&[]).await;
    standalone.await_log_times("the cycle took", 3).await;
    let lines = standalone.log_with("the cycle took");
    // A line begins like 2026-03-29T01:00:02.912345Z.
    let seconds: Vec<f64> = lines[1..].iter().map(|line| line[18..23].parse().unwrap()).collect();
    assert!(seconds.iter().all(|second| (2.77..7.0).contains(second)), "{lines:#?}");
}

#[tokio::test]
async fn a_jitter_longer_than_the_pauses_is_refused() {
    let folder = Folder::of_probe("http://127.0.0.1:9", "token");
    folder.set(&[("PROBE_SCHEDULE", "*/5 * * * *"), ("PROBE_JITTER", "301s")]);
    let said = folder.refusal(&["daemon"]).await;
    assert!(said.contains("PROBE_JITTER (.env): write at most 5m, the shortest pause"), "{said}");
}

#[tokio::test]
async fn a_wrong_expression_is_refused_with_the_position_of_the_mistake() {
    let folder = Folder::of_probe("http://127.0.0.1:9", "token");
    for (expression, words) in [
        ("0 61 * * * *", "at character 3: '61' is not a valid minute"),
        ("0 0 * *", "write 5 fields, or 6 with seconds first"),
        ("@every 1500ms", "at character 8: write whole seconds"),
        ("@fortnightly", "at character 1: '@fortnightly' is unknown; write @hourly, @daily"),
    ] {
        folder.set(&[("PROBE_SCHEDULE", expression)]);
        let said = folder.refusal(&["daemon"]).await;
        assert!(said.contains("PROBE_SCHEDULE (.env)") && said.contains(words), "{said}");
    }
}
