//! A hub as a cycle sees it: peers in pages, results kept by their ids, the probe's status noted.

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

/// A backend that knows what the contract asks of it, until the test says otherwise.
pub struct Hub {
    pub http: TestBackend,
    stored: Arc<Mutex<HashMap<Uuid, Value>>>,
}

impl Hub {
    /// Lists `peers`, so many a page.
    pub async fn listing(peers: Vec<Value>, page_size: usize) -> Self {
        Self::with_exceptions(peers, page_size, |_, _| None).await
    }

    /// The same, but where `exception` has an answer that one is given. It is told the request, and how many of the
    /// same method and path came before it.
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

    /// The results it has, by their ids.
    pub fn stored(&self) -> HashMap<Uuid, Value> {
        self.stored.lock().unwrap().clone()
    }

    /// The bodies of the probe's reports on itself.
    pub fn statuses(&self) -> Vec<Value> {
        self.bodies("PUT", "/nodes/status")
    }

    /// The bodies of all requests of this method and path.
    pub fn bodies(&self, method: &str, path: &str) -> Vec<Value> {
        let requests = self.http.requests().into_iter();
        requests.filter(|seen| seen.method == method && seen.path == path).map(|seen| seen.body).collect()
    }
}

/// A client that does not wait between rounds for longer than it must.
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

/// That what the hub has, and what is undelivered, are together all that was checked, and nothing is both.
pub fn assert_stored_or_undelivered(hub: &Hub, ran: &Ran) {
    let stored: HashSet<Uuid> = hub.stored().into_keys().collect();
    assert!(stored.is_disjoint(&ran.undelivered()), "stored, and undelivered too");
    assert_eq!(&stored | &ran.undelivered(), ran.shown());
    assert_eq!(stored.len() as u64, ran.report.delivered);
}

/// A peer as the hub lists it.
pub fn listed(id: i64, url: &PeerUrl) -> Value {
    json!({"id": id, "host": url.host().to_string(), "port": url.port(), "protocol": url.scheme().to_string()})
}

/// Where the page after this query's begins is its cursor.
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
