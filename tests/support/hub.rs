//! A test hub for cycles: it serves peers in pages, stores results by their ids, and records status reports.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use easytier_probe::{
    Backend, BackendConfig, PeerUrl,
    backend::{BaseUrl, RetryPolicy},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    backend::{Reply, Seen, TestBackend, envelope, hub},
    cycle::Ran,
};

pub const NODE_TOKEN: &str = "node-token-5e1d";

/// A backend that follows the contract, unless the test replaces a response.
pub struct Hub {
    pub http: TestBackend,
    stored: Arc<Mutex<HashMap<Uuid, Value>>>,
}

impl Hub {
    /// A hub that lists `peers` in pages of `page_size`.
    pub async fn listing(peers: Vec<Value>, page_size: usize) -> Self {
        Self::with_exceptions(peers, page_size, |_, _| None).await
    }

    /// The same, but a reply of `exception` replaces the hub's own. `exception` gets the request and the number of
    /// earlier requests with the same method and path.
    pub async fn with_exceptions(
        peers: Vec<Value>,
        page_size: usize,
        exception: impl Fn(&Seen, usize) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let stored = Arc::<Mutex<HashMap<Uuid, Value>>>::default();
        let counts = Mutex::<HashMap<String, usize>>::default();
        let store = stored.clone();
        let http = TestBackend::start(move |seen| {
            let before = {
                let mut counts = counts.lock().unwrap();
                let count = counts.entry(format!("{} {}", seen.method, seen.path)).or_default();
                *count += 1;
                *count - 1
            };
            exception(seen, before).unwrap_or_else(|| match (seen.method.as_str(), seen.path.as_str()) {
                ("GET", "/peers") => hub(200, envelope(page_at(&peers, page_size, &seen.query))).into(),
                ("POST", "/results") => hub(200, envelope(store_results(&store, &seen.body))).into(),
                ("PUT", "/nodes/status") => hub(200, envelope(Value::Null)).into(),
                _ => hub(404, json!({"code": 404, "message": "no such endpoint", "data": null})).into(),
            })
        })
        .await;
        Self { http, stored }
    }

    pub fn client(&self) -> Backend {
        client_of(&self.http.url)
    }

    /// The stored results, by their ids.
    pub fn stored(&self) -> HashMap<Uuid, Value> {
        self.stored.lock().unwrap().clone()
    }

    /// The bodies of the probe's status reports.
    pub fn statuses(&self) -> Vec<Value> {
        self.bodies("PUT", "/nodes/status")
    }

    /// The bodies of all requests of this method and path.
    pub fn bodies(&self, method: &str, path: &str) -> Vec<Value> {
        let requests = self.http.requests().into_iter();
        requests.filter(|seen| seen.method == method && seen.path == path).map(|seen| seen.body).collect()
    }
}

/// A client with short pauses between rounds.
pub fn client_of(base_url: &BaseUrl) -> Backend {
    let retry =
        RetryPolicy { max_rounds: 3, first_pause: Duration::from_millis(1), max_pause: Duration::from_millis(2) };
    Backend::new(BackendConfig {
        node_token: Some(NODE_TOKEN.into()),
        region: Some("eu".to_owned()),
        retry,
        ..BackendConfig::new(vec![base_url.clone()])
    })
    .expect("a client")
}

/// Asserts that each result is either stored at the hub or undelivered, and never both.
pub fn assert_stored_or_undelivered(hub: &Hub, ran: &Ran) {
    let stored: HashSet<Uuid> = hub.stored().into_keys().collect();
    assert!(stored.is_disjoint(&ran.undelivered()), "a result is both stored and undelivered");
    assert_eq!(&stored | &ran.undelivered(), ran.shown());
    assert_eq!(stored.len() as u64, ran.report.delivered);
}

/// A peer as the hub lists it.
pub fn listed(id: i64, url: &PeerUrl) -> Value {
    json!({"id": id, "host": url.host_text(), "port": url.port(), "protocol": url.protocol()})
}

/// `data` of the page for this query. The cursor is the index of the first peer of the next page.
fn page_at(peers: &[Value], page_size: usize, query: &str) -> Value {
    let start = query.split('&').find_map(|pair| pair.strip_prefix("cursor=")).map_or(0, |at| at.parse().unwrap());
    let end = peers.len().min(start + page_size);
    let next = (end < peers.len()).then(|| end.to_string());
    json!({"peers": peers[start..end], "total_available": peers.len(), "next_batch_available": next.is_some(),
        "next_cursor": next})
}

fn store_results(stored: &Mutex<HashMap<Uuid, Value>>, body: &Value) -> Value {
    let mut stored = stored.lock().unwrap();
    let (mut accepted, mut duplicates) = (0, 0);
    for result in body["results"].as_array().expect("results") {
        let id = result["id"].as_str().expect("an id").parse().expect("a UUID");
        match stored.insert(id, result.clone()) {
            None => accepted += 1,
            Some(_) => duplicates += 1,
        }
    }
    json!({"accepted": accepted, "duplicates": duplicates, "rejected": []})
}
