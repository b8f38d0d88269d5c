//! Tests whether nodes relay, which a hub hands out.

use easytier_probe::{Relay, Scheme};
use easytier_uptime_store::domain::PeerId;
use serde_json::Value;

use crate::{
    await_health, eventually, http,
    hub::Hub,
    node,
    program::{Folder, PROGRAM},
    support::node::NodeOptions,
};

/// What the hub knows about the node after it was tested.
async fn measured(hub: &Hub, peer: PeerId) -> Relay {
    eventually(&format!("a test of node {peer}"), async || {
        let node = hub.store.node(peer, easytier_uptime_store::domain::Timestamp::now()).await.unwrap();
        Some(node.relay?.verdict)
    })
    .await
}

#[tokio::test]
async fn a_daemon_tests_the_nodes_that_its_hub_asks_for_and_they_stay_online() {
    let (hub, relays) = (Hub::start().await, node());
    let mut options = NodeOptions::listening_on(&[Scheme::Tcp]);
    (options.relay_whitelist, options.relay_all_peer_rpc) = (Some(String::new()), true);
    let refuses = options.start(PROGRAM);
    let [good, bad] = [relays.url(Scheme::Tcp).to_string(), refuses.url(Scheme::Tcp).to_string()];
    let (one, other) = (hub.add(&good).await, hub.add(&bad).await);
    let folder = Folder::of_probe(&hub.url(), &hub.token("probe-1").await);
    let daemon = folder.daemon().await;
    assert_eq!((measured(&hub, one).await, measured(&hub, other).await), (Relay::Ok, Relay::Refused));
    // The daemon's own history has it too.
    let local = eventually("the local history", async || {
        http::node(&daemon.url, &good).await.filter(|node| !node["relay_measured"].is_null())
    });
    assert_eq!(local.await["relay_measured"], "ok");
    for address in [&good, &bad] {
        await_health(&daemon, address, "healthy").await;
    }
    daemon.stop().await;
}

#[tokio::test]
async fn the_probe_of_a_standalone_hub_tests_too() {
    let (folder, node) = (Folder::new(), node());
    let standalone = folder.start(&[]).await;
    let address = node.url(Scheme::Tcp).to_string();
    folder.run(&["hub", "peer", "add", &address]).await;
    let tested = eventually("a test of the node", async || {
        http::node(&standalone.url, &address).await.filter(|node| !node["relay_measured"].is_null())
    });
    let node: Value = tested.await;
    assert_eq!((&node["relay_measured"], &node["is_active"]), (&"ok".into(), &true.into()), "{node}");
    standalone.stop().await;
}
