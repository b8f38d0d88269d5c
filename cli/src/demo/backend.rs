//! A backend that speaks the contract and remembers the latest result of each peer, and no more. The hub takes its
//! place one day.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context;
use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use easytier_probe::{CheckResult, PeerUrl, Secret, backend::BaseUrl};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::AbortHandle};

/// It serves until dropped.
pub struct DemoBackend {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: AbortHandle,
}

struct Shared {
    node_token: String,
    /// As they are listed.
    peers: Vec<Value>,
    heard: Mutex<Heard>,
}

/// What the probe told.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// The latest result of each peer, by its id.
    pub latest: BTreeMap<i64, CheckResult>,
    pub results: u64,
    pub status_reports: u64,
}

impl DemoBackend {
    /// Starts to list the peers given by id, name and URL.
    pub async fn start<'a>(peers: impl Iterator<Item = (i64, &'a str, &'a str)>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("cannot listen at 127.0.0.1")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            node_token: format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>()),
            peers: peers.map(|(id, name, url)| listed(id, name, url)).collect::<anyhow::Result<_>>()?,
            heard: Mutex::default(),
        });
        let app = Router::new()
            .route("/peers", get(list_peers))
            .route("/results", post(take_results))
            .route("/nodes/status", put(take_status))
            .layer(middleware::from_fn_with_state(shared.clone(), admit))
            .with_state(shared.clone());
        let server = tokio::spawn(async move { axum::serve(listener, app).await }).abort_handle();
        Ok(Self { address, shared, server })
    }

    pub fn base_url(&self) -> BaseUrl {
        format!("http://{}", self.address).parse().expect("an address makes a base URL")
    }

    pub fn node_token(&self) -> Secret {
        self.shared.node_token.as_str().into()
    }

    pub fn heard(&self) -> Heard {
        self.shared.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for DemoBackend {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn listed(id: i64, name: &str, url: &str) -> anyhow::Result<Value> {
    let url: PeerUrl = url.parse()?;
    Ok(json!({
        "id": id, "name": name, "host": url.host().to_string(), "port": url.port(), "protocol": url.scheme().to_string(),
        "network_name": "default",
    }))
}

/// Lets in who has the node token, and says on every answer whose backend this is.
async fn admit(State(shared): State<Arc<Shared>>, headers: HeaderMap, request: Request, next: Next) -> Response {
    let token = headers.get("x-node-token").map(HeaderValue::as_bytes);
    let mut response = match token == Some(shared.node_token.as_bytes()) {
        true => next.run(request).await,
        false => envelope(StatusCode::UNAUTHORIZED, "unknown node token", Value::Null),
    };
    response.headers_mut().insert(HeaderName::from_static("x-uptime-hub"), HeaderValue::from_static("1"));
    response
}

fn envelope(status: StatusCode, message: &str, data: Value) -> Response {
    (status, Json(json!({"code": status.as_u16(), "message": message, "data": data}))).into_response()
}

async fn list_peers(State(shared): State<Arc<Shared>>) -> Response {
    let data = json!({
        "peers": shared.peers, "total_available": shared.peers.len(), "next_batch_available": false,
        "next_cursor": null, "config_version": 1,
    });
    envelope(StatusCode::OK, "ok", data)
}

#[derive(Deserialize)]
struct Results {
    results: Vec<CheckResult>,
}

async fn take_results(State(shared): State<Arc<Shared>>, Json(Results { results }): Json<Results>) -> Response {
    let accepted = results.len();
    let mut heard = shared.heard.lock().unwrap_or_else(PoisonError::into_inner);
    heard.results += accepted as u64;
    heard.latest.extend(results.into_iter().map(|result| (result.peer_id, result)));
    envelope(StatusCode::OK, "stored", json!({"accepted": accepted, "duplicates": 0, "rejected": []}))
}

async fn take_status(State(shared): State<Arc<Shared>>, Json(_): Json<Value>) -> Response {
    shared.heard.lock().unwrap_or_else(PoisonError::into_inner).status_reports += 1;
    envelope(StatusCode::OK, "ok", Value::Null)
}
