//! The backend is away or faulty: the checks go on, and no result is lost or duplicated.

use std::time::Duration;

use easytier_probe::Scheme;

use crate::{
    assert_delivered_once, await_checks, behind_a_proxy, eventually, http,
    hub::Hub,
    node,
    program::Folder,
    support::proxy::{Fault, Faulty},
    until,
};

#[tokio::test]
async fn a_daemon_waits_for_a_hub_that_is_down_at_the_start() {
    let (hub, _node, peer, proxy, folder) = behind_a_proxy(Fault::Refuse).await;

    let daemon = folder.daemon().await;
    let line = daemon.await_log("no connection").await;
    assert!(line.contains("BACKEND_BASE_URL") && line.contains("the checks go on"), "{line}");
    assert_eq!(
        http::get(&format!("{}/health", daemon.url)).await.0,
        200,
        "an outage of the hub does not make the probe unhealthy"
    );
    proxy.set(Fault::None);
    until("checks at the hub", async || hub.checks(peer).await > 0).await;
    daemon.await_log("the backend answers all requests again").await;
    assert_delivered_once(&hub, &folder, &daemon, &[(peer, 1)]).await;
}

#[tokio::test]
async fn the_peers_of_the_last_good_fetch_are_checked_when_the_hub_is_down_at_the_start() {
    let (hub, node) = (Hub::start().await, node());
    hub.add("tcp://192.0.2.1:11010").await;
    let peer = hub.add(node.url(Scheme::Tcp).to_string()).await;
    hub.remove(easytier_uptime_store::domain::PeerId(1)).await;
    let proxy = Faulty::to(hub.address, Fault::None).await;
    let folder = Folder::of_probe(&proxy.url(), &hub.token("probe-1").await);
    let daemon = folder.daemon().await;
    until("checks at the hub", async || hub.checks(peer).await > 0).await;
    daemon.stop().await;

    proxy.set(Fault::Refuse);
    let daemon = folder.daemon().await;
    await_checks(&daemon, 1, 5).await;
    assert_eq!(daemon.figure("peers_watched{status=\"online\"}").await, 1.0);
    proxy.set(Fault::None);
    assert_delivered_once(&hub, &folder, &daemon, &[(peer, 1)]).await;
}

/// The duration of an outage in checks of a peer, at two per second: long enough for several consecutive failed calls.
const LONG: u64 = 24;

/// Runs a daemon with a good node and a dead one, whose hub has this fault during `checks` checks of each.
async fn assert_no_result_is_lost_or_duplicated_by(fault: Fault, checks: u64) {
    let (hub, _node, good, proxy, folder) = behind_a_proxy(Fault::None).await;
    let dead = hub.add("tcp://0.0.0.1:11010").await;
    let daemon = folder.daemon().await;
    until("checks at the hub", async || hub.checks(good).await > 2 && hub.checks(dead).await > 2).await;

    proxy.set(fault);
    await_checks(&daemon, 1, checks).await;
    await_checks(&daemon, 2, checks).await;
    until("a failed delivery", async || {
        let failed = async |request| daemon.figure(&format!("backend_errors_total{{request=\"{request}\"}}")).await;
        failed("results").await > 0.0
    })
    .await;
    until("results that wait", async || daemon.figure("spool_results").await > 0.0).await;
    assert!(daemon.figure("spool_age_seconds").await > 0.0);
    proxy.set(Fault::None);
    assert_delivered_once(&hub, &folder, &daemon, &[(good, 1), (dead, 2)]).await;
    assert_eq!(daemon.figure("results_lost_total{reason=\"rejected\"}").await, 0.0);
}

#[tokio::test]
async fn an_outage_of_the_hub_loses_no_results() {
    assert_no_result_is_lost_or_duplicated_by(Fault::Refuse, LONG).await;
}

#[tokio::test]
async fn a_hub_that_stalls_loses_no_results() {
    assert_no_result_is_lost_or_duplicated_by(Fault::Stall, 6).await;
}

/// A reverse proxy answers with a page of its own while the hub is away, and the daemon restarts meanwhile.
#[tokio::test]
async fn an_html_page_in_place_of_the_hub_takes_no_results() {
    let (hub, _node, peer, proxy, folder) = behind_a_proxy(Fault::None).await;
    let mut daemon = folder.daemon().await;
    until("checks at the hub", async || hub.checks(peer).await > 2).await;

    proxy.set(Fault::Answer("200 OK\r\nContent-Type: text/html"));
    await_checks(&daemon, 1, 3).await;
    for restarts in [true, false] {
        match restarts {
            true => {
                daemon.kill().await;
                daemon = folder.daemon().await;
            }
            false => _ = daemon.reload_until("peers to watch").await,
        }
        until("a failed delivery of results", async || {
            daemon.figure("backend_errors_total{request=\"results\"}").await > 0.0
        })
        .await;
        until("results that wait", async || daemon.figure("spool_results").await >= 3.0).await;
    }
    proxy.set(Fault::None);
    assert_delivered_once(&hub, &folder, &daemon, &[(peer, 1)]).await;
    assert_eq!(daemon.figure("results_lost_total{reason=\"rejected\"}").await, 0.0);
}

#[tokio::test]
async fn reset_connections_lose_no_results() {
    assert_no_result_is_lost_or_duplicated_by(Fault::Reset, 6).await;
}

/// The hub stores the results, but the response is lost.
#[tokio::test]
async fn truncated_responses_lose_no_results() {
    assert_no_result_is_lost_or_duplicated_by(Fault::Truncate, 6).await;
}

#[tokio::test]
async fn a_hub_that_fails_loses_no_results() {
    assert_no_result_is_lost_or_duplicated_by(Fault::Answer("500 Internal Server Error"), 6).await;
}

/// Every kind of request waits for the requested pause.
#[tokio::test]
async fn retry_after_is_respected_by_every_kind_of_request() {
    const PAUSE: Duration = Duration::from_secs(7);
    let (hub, _node, peer, proxy, folder) = behind_a_proxy(Fault::None).await;
    let daemon = folder.daemon().await;
    until("checks at the hub", async || hub.checks(peer).await > 2).await;

    proxy.set(Fault::Answer("429 Too Many Requests\r\nx-uptime-hub: 1\r\nRetry-After: 7"));
    let kinds = ["get /peers", "post /results", "put /nodes/status"];
    let times = async |kind: &str| -> Vec<_> {
        let taken = proxy.taken().into_iter();
        taken.filter(|(_, line)| line.starts_with(kind)).map(|(time, _)| time).collect()
    };
    for kind in kinds {
        // More than the attempts of one call, so that the next call is among them.
        until(&format!("five times {kind}"), async || times(kind).await.len() >= 5).await;
    }
    for kind in kinds {
        for pair in times(kind).await.windows(2) {
            let pause = pair[1] - pair[0];
            // The time was recorded shortly before the response arrived.
            assert!(pause > PAUSE - Duration::from_millis(100), "{kind} again after {pause:?}");
        }
    }
    daemon.await_log("asks to slow down").await;
    proxy.set(Fault::None);
    assert_delivered_once(&hub, &folder, &daemon, &[(peer, 1)]).await;
}

#[tokio::test]
async fn a_refused_token_is_an_error_in_the_log_while_the_checks_go_on() {
    let (hub, _node, peer, proxy, folder) = behind_a_proxy(Fault::None).await;
    let daemon = folder.daemon().await;
    until("checks at the hub", async || hub.checks(peer).await > 2).await;

    proxy.set(Fault::Answer("401 Unauthorized\r\nx-uptime-hub: 1"));
    let line = daemon.await_log("the backend refused NODE_TOKEN").await;
    assert!(line.contains("ERROR") && line.contains("hub token create"), "{line}");
    await_checks(&daemon, 1, 4).await;
    let (status, health) = http::get(&format!("{}/health", daemon.url)).await;
    assert!(status == 200 && health.contains("refused"), "{health}");

    proxy.set(Fault::None);
    let known = hub.checks(peer).await;
    until("more checks at the hub", async || hub.checks(peer).await > known).await;
    assert_delivered_once(&hub, &folder, &daemon, &[(peer, 1)]).await;
}

#[tokio::test]
async fn another_base_url_is_used_while_the_first_is_away() {
    let (hub, node) = (Hub::start().await, node());
    let peer = hub.add(node.url(Scheme::Tcp).to_string()).await;
    let first = Faulty::to(hub.address, Fault::Refuse).await;
    let second = Faulty::to(hub.address, Fault::None).await;
    let folder = Folder::of_probe(&format!("{},{}", first.url(), second.url()), &hub.token("probe-1").await);
    let daemon = folder.daemon().await;
    until("checks at the hub", async || hub.checks(peer).await > 2).await;
    daemon.await_log(&format!("using {}", second.url())).await;

    first.set(Fault::None);
    second.set(Fault::Refuse);
    eventually("checks by the first", async || {
        let known = hub.checks(peer).await;
        await_checks(&daemon, 1, 2).await;
        (hub.checks(peer).await > known).then_some(())
    })
    .await;
    daemon.await_log(&format!("back to the backend at {}", first.url())).await;
    assert_delivered_once(&hub, &folder, &daemon, &[(peer, 1)]).await;
}
