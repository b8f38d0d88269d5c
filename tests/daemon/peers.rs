//! The backend's peers change, and the next fetch applies it.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use easytier_probe::Scheme;
use serde_json::json;

use crate::{
    await_checks, await_health,
    backend::{self, TestBackend, envelope, third_party},
    behind_a_proxy, eventually, http,
    hub::Hub,
    node,
    program::{Folder, Running},
    support::{fake, proxy::Fault},
    until,
};

async fn is_watched(daemon: &Running, address: &str) -> bool {
    http::node(&daemon.url, address).await.is_some()
}

#[tokio::test]
async fn the_next_fetch_applies_added_removed_renamed_and_moved_peers() {
    let (hub, [first, second]) = (Hub::start().await, [node(), node()]);
    let [here, there] = [&first, &second].map(|node| node.url(Scheme::Tcp));
    let peer = hub.add(here.to_string()).await;
    let folder = Folder::of_probe(&hub.url(), &hub.token("probe-1").await);
    let daemon = folder.daemon().await;
    await_health(&daemon, &here.to_string(), "healthy").await;

    let added = hub.add("tcp://0.0.0.1:11010").await;
    await_health(&daemon, "tcp://0.0.0.1:11010", "unhealthy").await;

    hub.edit(peer, |spec| spec.name = "another name".to_owned()).await;
    until("the name", async || {
        http::node(&daemon.url, &here.to_string()).await.is_some_and(|node| node["name"] == "another name")
    })
    .await;

    let url = there.clone();
    hub.edit(peer, move |spec| spec.url = url.clone()).await;
    await_health(&daemon, &there.to_string(), "healthy").await;
    first.stop();
    await_online_checks(&daemon, 3.0).await;
    await_health(&daemon, &there.to_string(), "healthy").await;

    hub.remove(added).await;
    until("the peer to be removed", async || !is_watched(&daemon, "tcp://0.0.0.1:11010").await).await;
    assert_eq!(daemon.figure("peers_watched{status=\"offline\"}").await, 0.0);
    daemon.stop().await;
    // The history of a removed peer stays.
    let stored = folder.run(&["hub", "peer", "list", "--json"]).await;
    assert!(stored.contains("0.0.0.1"), "{stored}");
}

#[tokio::test]
async fn a_failed_first_fetch_is_retried_before_the_next_scheduled_one() {
    let (hub, _node, peer, proxy, folder) = behind_a_proxy(Fault::Refuse).await;
    folder.set(&[("PEER_FETCH_INTERVAL", "1h")]);
    let daemon = folder.daemon().await;
    until("two failed fetches", async || daemon.figure("backend_errors_total{request=\"peers\"}").await >= 2.0).await;
    proxy.set(Fault::None);
    until("checks at the hub", async || hub.checks(peer).await > 0).await;
}

#[tokio::test]
async fn a_changed_network_secret_is_used_at_once() {
    let (hub, node) = (Hub::start().await, node());
    let address = node.url(Scheme::Tcp).to_string();
    let peer = hub.add(&address).await;
    hub.edit(peer, |spec| {
        spec.network_name = Some("test-network".to_owned());
        spec.network_secret = Some("not the secret".into());
    })
    .await;
    let folder = Folder::of_probe(&hub.url(), &hub.token("probe-1").await);
    let daemon = folder.daemon().await;
    daemon.await_log("secret_mismatch").await;
    await_health(&daemon, &address, "unhealthy").await;

    hub.edit(peer, |spec| spec.network_secret = Some("test-secret".into())).await;
    await_health(&daemon, &address, "healthy").await;
    until("the node to be healthy at the hub", async || {
        http::node(&hub.url(), &address).await.is_some_and(|node| node["current_health_status"] == "healthy")
    })
    .await;
    let log = daemon.stop().await;
    assert!(!log.contains("not the secret") && !log.contains("test-secret"), "{log}");
}

/// The check is in flight when the peer is removed. Its result must not bring the peer back.
#[tokio::test]
async fn a_peer_removed_during_its_check_does_not_return() {
    let hub = Hub::start().await;
    let silent = fake::silent().await;
    let peer = hub.add(silent.url(Scheme::Tcp)).await;
    let other = hub.add("tcp://0.0.0.1:1").await;
    let folder = Folder::of_probe(&hub.url(), &hub.token("probe-1").await);
    folder.set(&[("HEALTH_CHECK_TIMEOUT", "4s")]);
    let daemon = folder.daemon().await;
    until("the check to begin", async || silent.arrived() > 0).await;
    hub.remove(peer).await;
    daemon.await_log("removed=1").await;
    let watched = async || {
        let of = async |status: &str| daemon.figure(&format!("peers_watched{{status=\"{status}\"}}")).await;
        of("online").await + of("offline").await + of("unknown").await
    };
    // Longer than the check would have taken.
    await_checks(&daemon, 2, 10).await;
    assert_eq!(watched().await, 1.0);
    assert_eq!(daemon.log_with(&silent.url(Scheme::Tcp)), [""; 0], "the check of a removed peer is not logged");
    assert!(hub.checks(other).await > 0);
}

/// The result of a check of its old address says nothing about the new one.
#[tokio::test]
async fn a_peer_moved_during_its_check_is_judged_by_its_new_address() {
    let (hub, node) = (Hub::start().await, node());
    let silent = fake::silent().await;
    let peer = hub.add(silent.url(Scheme::Tcp)).await;
    let folder = Folder::of_probe(&hub.url(), &hub.token("probe-1").await);
    folder.set(&[("HEALTH_CHECK_TIMEOUT", "4s")]);
    let daemon = folder.daemon().await;
    until("the check to begin", async || silent.arrived() > 0).await;
    let url = node.url(Scheme::Tcp);
    hub.edit(peer, move |spec| spec.url = url.clone()).await;
    daemon.await_log("changed=1").await;
    await_online_checks(&daemon, 12.0).await;
    assert_eq!(daemon.log_with("offline:"), [""; 0]);
}

/// Some third-party backends list only peers that are online.
#[tokio::test]
async fn a_third_party_listing_may_omit_a_peer_for_a_while() {
    let nodes = [node(), node()];
    let addresses = nodes.each_ref().map(|node| node.url(Scheme::Tcp).to_string());
    let ports = nodes.each_ref().map(|node| node.url(Scheme::Tcp).port().unwrap());
    let listed = Arc::new(Mutex::new(BTreeSet::from([0, 1])));
    let lists = Arc::clone(&listed);
    let backend = TestBackend::start(move |seen| match seen.path.as_str() {
        "/peers" => {
            let peers: Vec<_> = lists.lock().unwrap().iter().map(|nth| {
                json!({"id": 100 + nth, "name": format!("n{nth}"), "host": "127.0.0.1", "port": ports[*nth], "protocol": "tcp"})
            }).collect();
            third_party(200, envelope(json!({"peers": peers, "total_available": peers.len(), "next_batch_available": false})))
        }
        _ => third_party(404, json!({"error": "not found"})),
    })
    .await;
    let folder = Folder::of_probe(&backend.url.to_string(), "token");
    folder.set(&[("PEER_FORGET_AFTER", "1h")]);
    let daemon = folder.daemon().await;
    for address in &addresses {
        await_health(&daemon, address, "healthy").await;
    }

    listed.lock().unwrap().remove(&1);
    let fetches = || backend.lines().iter().filter(|line| line.starts_with("GET /peers")).count();
    let before = fetches();
    until("fetches", async || fetches() > before + 2).await;
    await_checks(&daemon, 2, 2).await;
    assert!(is_watched(&daemon, &addresses[1]).await);

    folder.set(&[("PEER_FORGET_AFTER", "2s")]);
    daemon.reload_until("removed=1").await;
    until("the peer to be forgotten", async || !is_watched(&daemon, &addresses[1]).await).await;
    await_checks(&daemon, 1, 2).await;

    listed.lock().unwrap().insert(1);
    let again = eventually("the peer to be back", async || http::node(&daemon.url, &addresses[1]).await).await;
    assert_eq!(again["id"], 2, "with its history");
}

#[tokio::test]
async fn of_an_unchanged_listing_only_the_first_page_is_fetched() {
    let version = Arc::new(Mutex::new(1));
    let current = Arc::clone(&version);
    let backend = TestBackend::start(move |seen| {
        let first = !seen.line().contains("cursor=");
        let data = json!({
            "peers": [{"id": if first { 1 } else { 2 }, "host": "0.0.0.1", "port": if first { 1 } else { 2 }}],
            "next_cursor": first.then_some("second"),
            "config_version": *current.lock().unwrap(),
        });
        match seen.path.as_str() {
            "/peers" => backend::hub(200, envelope(data)),
            _ => backend::hub(404, json!({"error": "not found"})),
        }
    })
    .await;
    let folder = Folder::of_probe(&backend.url.to_string(), "token");
    let daemon = folder.daemon().await;
    let fetches = || backend.lines().iter().filter(|line| line.starts_with("GET /peers")).count();
    let of_second_page = || backend.lines().iter().filter(|line| line.contains("cursor=second")).count();
    until("fetches", async || fetches() >= 5).await;
    assert_eq!(of_second_page(), 1);
    let offline = async || daemon.figure("peers_watched{status=\"offline\"}").await;
    until("the peers of both pages", async || offline().await == 2.0).await;

    *version.lock().unwrap() = 2;
    until("the changed list", async || of_second_page() == 2).await;
}

/// Waits for so many more checks that find a peer online. The history cannot tell: a peer with another address is another
/// one, whose history begins with the next bucket.
async fn await_online_checks(daemon: &Running, more: f64) {
    let online = async || daemon.figure("checks_total{status=\"online\",code=\"\"}").await;
    let before = online().await;
    until("checks of the new address", async || online().await >= before + more).await;
}
