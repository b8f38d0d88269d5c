//! A minimal backend for a cycle: it serves the pages, results and status of the contract from memory.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderValue, Uri},
    middleware::map_response,
    response::Response,
    routing::{get, post, put},
};
use easytier_probe::{CheckResult, Peer, Status};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::nodes;

const DEFAULT_PAGE: usize = 500;

struct Backend {
    peers: Vec<Peer>,
    results: Mutex<HashMap<Uuid, CheckResult>>,
    status_reports: Mutex<usize>,
}

/// The role of the backend. The arguments are the number of peers and the URLs of the nodes. It prints its base URL,
/// serves until it reads a line, and then prints the counts of what it received.
pub fn serve(arguments: &[String]) {
    let count = arguments[0].parse().expect("a number");
    let backend = Arc::new(Backend {
        peers: nodes::peers(&arguments[1..], count),
        results: Mutex::default(),
        status_reports: Mutex::default(),
    });
    let app = Router::new()
        .route("/peers", get(list))
        .route("/results", post(store))
        .route("/nodes/status", put(count_status))
        .layer(map_response(identify_as_hub))
        .with_state(backend.clone());
    nodes::runtime().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        nodes::say(format!("http://{}", listener.local_addr().expect("bound")));
        tokio::spawn(async { axum::serve(listener, app).await.expect("serves") });
        tokio::task::spawn_blocking(nodes::wait_to_go_on).await.expect("the parent sends a line");
    });
    let results = backend.results.lock().expect("no holder panics");
    let online = results.values().filter(|result| result.status == Status::Online).count();
    let status_reports = backend.status_reports.lock().expect("no holder panics");
    nodes::say(format!("{} results, {online} online, {status_reports} status reports", results.len()));
}

async fn identify_as_hub(mut response: Response) -> Response {
    response.headers_mut().insert("x-uptime-hub", HeaderValue::from_static("1"));
    response
}

async fn list(State(backend): State<Arc<Backend>>, uri: Uri) -> Json<Value> {
    let query: HashMap<&str, &str> =
        uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('=')).collect();
    let number = |name: &str| query.get(name).map(|text| text.parse().expect("a number"));
    let start: usize = number("cursor").unwrap_or(0);
    let end = backend.peers.len().min(start + number("count").unwrap_or(DEFAULT_PAGE));
    let next = (end < backend.peers.len()).then(|| end.to_string());
    let peers: Vec<Value> = backend.peers[start..end]
        .iter()
        .map(|peer| {
            json!({"id": peer.id, "name": format!("node {}", peer.id), "host": peer.url.host_text(),
                "port": peer.url.port(), "protocol": peer.url.protocol(), "status": "Online",
                "response_time": 12, "tags": ["bench"], "allow_relay": false})
        })
        .collect();
    envelope(json!({"peers": peers, "total_available": backend.peers.len(), "next_batch_available": next.is_some(),
        "next_cursor": next, "config_version": 1}))
}

#[derive(Deserialize)]
struct Batch {
    results: Vec<CheckResult>,
}

async fn store(State(backend): State<Arc<Backend>>, Json(batch): Json<Batch>) -> Json<Value> {
    let accepted = batch.results.len();
    backend
        .results
        .lock()
        .expect("no holder panics")
        .extend(batch.results.into_iter().map(|result| (result.id, result)));
    envelope(json!({"accepted": accepted, "duplicates": 0, "rejected": []}))
}

async fn count_status(State(backend): State<Arc<Backend>>) -> Json<Value> {
    *backend.status_reports.lock().expect("no holder panics") += 1;
    envelope(Value::Null)
}

fn envelope(data: Value) -> Json<Value> {
    Json(json!({"code": 200, "message": "ok", "data": data}))
}
