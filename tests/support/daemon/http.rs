//! Requests of tests to hubs and daemons.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::sync::LazyLock;

use reqwest::Client;
use serde_json::Value;

use crate::eventually;

static CLIENT: LazyLock<()> = LazyLock::new(easytier::tunnel::insecure_tls::init_crypto_provider);

/// A client for one request. Clients cannot be shared, because each test has its own runtime.
pub fn client() -> Client {
    LazyLock::force(&CLIENT);
    Client::builder().no_proxy().tls_certs_only([]).build().unwrap()
}

/// The status and the body of a response.
pub async fn get(url: &str) -> (u16, String) {
    let answer = client().get(url).send().await.unwrap_or_else(|error| panic!("{url}: {error}"));
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// `data` of a response of the public API, or `null`.
pub async fn data(base: &str, path: &str) -> Value {
    let (_, text) = get(&format!("{base}{path}")).await;
    let answer: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{path}: {text}"));
    answer["data"].clone()
}

/// How many checks of a node were made in the last day; 0 for an unknown node.
pub async fn checks(base: &str, id: i64) -> u64 {
    data(base, &format!("/api/nodes/{id}/health/stats?hours=24")).await["total_checks"].as_u64().unwrap_or(0)
}

/// The nodes of the public list, by name.
pub async fn nodes(base: &str) -> Vec<Value> {
    data(base, "/api/nodes?per_page=1000").await["items"].as_array().cloned().unwrap_or_default()
}

/// The node with this address in the public list.
pub async fn node(base: &str, address: &str) -> Option<Value> {
    nodes(base).await.into_iter().find(|node| node["address"] == address)
}

/// The value at `/metrics` of this series, written with its labels; 0 if it does not exist yet.
pub async fn figure(base: &str, series: &str) -> f64 {
    let text = figures(base).await;
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().expect("a number"))
}

/// How many checks a daemon has made, whatever their result.
pub async fn all_checks(base: &str) -> u64 {
    let text = figures(base).await;
    let counts = text.lines().filter(|line| line.starts_with("easytier_uptime_probe_checks_total{"));
    counts.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64).sum()
}

/// All of `/metrics`; 503 on a busy machine is retried.
async fn figures(base: &str) -> String {
    eventually("figures", async || match get(&format!("{base}/metrics")).await {
        (200, text) => Some(text),
        (503, _) => None,
        (status, text) => panic!("{status}: {text}"),
    })
    .await
}
