//! Probes that a hub manages: one without a backend at its address, and one that nobody can reach over its own connection.

use easytier_probe::Scheme;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    http, node,
    program::{Folder, Running},
    until,
};

const TOKEN: &str = "the-token-with-which-a-hub-controls-this-probe";

/// How the manager of a hub is called.
struct Manager<'a> {
    hub: &'a str,
    key: String,
}

impl Manager<'_> {
    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = http::client().request(method, format!("{}{path}", self.hub)).header("x-api-key", &self.key);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap())
    }

    async fn add(&self, request: Value) -> Value {
        let (status, probe) = self.call(Method::POST, "/v1/nodes", Some(request)).await;
        assert_eq!(status, 200, "{probe}");
        probe
    }

    /// Waits until the managed probe has these values.
    async fn await_probe(&self, server_id: &str, values: &[(&str, &str)]) {
        until(&format!("{server_id} with {values:?}"), async || {
            let (_, probes) = self.call(Method::GET, "/v1/nodes", None).await;
            let probe = probes.as_array().unwrap().iter().find(|probe| probe["server_id"] == server_id);
            probe.is_some_and(|probe| values.iter().all(|(name, value)| probe[name] == *value))
        })
        .await;
    }
}

/// Waits until the daemon checks so many nodes.
async fn await_nodes(daemon: &Running, count: usize) {
    until(&format!("{count} nodes"), async || http::nodes(&daemon.url).await.len() == count).await;
}

#[tokio::test]
async fn a_hub_configures_a_fresh_probe_and_one_that_nobody_can_reach_also_after_it_was_killed() {
    let (first, second, third) = (node(), node(), node());
    let url = |node: &crate::Node| node.url(Scheme::Tcp).to_string();
    let folder = Folder::new();
    let hub = folder.start(&["hub"]).await;
    folder.run(&["hub", "peer", "add", &url(&first)]).await;
    let key = folder.run(&["hub", "key", "create", "--name", "manager", "--scope", "nodes"]).await;
    let manager = Manager { hub: &hub.url.clone(), key: key.trim().to_owned() };

    // Neither would fetch the list again during the test.
    let fresh = Folder::new();
    fresh.set(&[("CONTROL_TOKEN", TOKEN), ("SERVER_ID", "probe-7"), ("REGION", "eu"), ("PEER_FETCH_INTERVAL", "1h")]);
    let fresh_daemon = fresh.daemon().await;
    let token = folder.run(&["hub", "token", "create", "--name", "probe-1", "--region", "asia"]).await;
    let natted = Folder::of_probe(&hub.url, token.trim());
    natted.set(&[("PEER_FETCH_INTERVAL", "1h")]);
    let natted_daemon = natted.daemon().await;
    await_nodes(&natted_daemon, 1).await;

    let port: u16 = fresh_daemon.url.rsplit(':').next().unwrap().parse().unwrap();
    let added = manager
        .add(json!({
            "host": "127.0.0.1", "http_port": port, "http_token": TOKEN, "settings": { "health_check_interval": "300ms" },
        }))
        .await;
    assert_eq!((&added["server_id"], &added["region"]), (&json!("probe-7"), &json!("eu")));
    until("the connection of the other probe", async || {
        let request = Some(json!({ "server_id": "probe-1" }));
        manager.call(Method::POST, "/v1/nodes", request).await.0 == 200
    })
    .await;
    manager
        .await_probe("probe-7", &[("push_status", "available"), ("pull_status", "available"), ("path", "direct")])
        .await;
    manager
        .await_probe("probe-1", &[("push_status", "available"), ("pull_status", "available"), ("path", "reverse")])
        .await;

    // The fresh probe reports to the hub, and counts what that costs.
    until("results of both", async || {
        let sides = http::data(&hub.url, "/api/nodes/1/regions").await;
        let regions = sides["regions"].as_array().into_iter().flatten().map(|side| side["region"].clone());
        regions.collect::<Vec<_>>() == [json!("asia"), json!("eu")]
    })
    .await;
    until("bytes of checks", async || {
        let (_, probe) = manager.call(Method::GET, &format!("/v1/nodes/{}", added["id"]), None).await;
        probe["usage_bytes"].as_i64() > Some(0)
    })
    .await;

    // A change reaches both at once.
    folder.run(&["hub", "peer", "add", &url(&second)]).await;
    await_nodes(&fresh_daemon, 2).await;
    await_nodes(&natted_daemon, 2).await;

    // The hub is killed, perhaps between a message and its answer, and another one goes on at the same address.
    let at = hub.url.rsplit(':').next().unwrap().to_owned();
    folder.run(&["hub", "peer", "add", &url(&third)]).await;
    hub.kill().await;
    folder.set(&[("SERVER_PORT", &at)]);
    let hub = folder.start(&["hub"]).await;
    await_nodes(&fresh_daemon, 3).await;
    await_nodes(&natted_daemon, 3).await;
    manager.await_probe("probe-7", &[("push_status", "available")]).await;
    manager.await_probe("probe-1", &[("push_status", "available")]).await;
    for running in [fresh_daemon, natted_daemon, hub] {
        let log = running.stop().await;
        assert!(!log.contains(TOKEN), "{log}");
    }
}
