//! A real hub on a free port, asked over real HTTP.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::time::Duration;

use easytier_probe::{AddressPolicy, CheckOptions, CheckResult, Checker};
use easytier_uptime_hub::{WebOptions, serve};
use easytier_uptime_store::{
    Store,
    domain::{CredentialKind, PageRequest, PeerId, RecordFilter, Timestamp},
};
use reqwest::{Client, Method, RequestBuilder, header::HeaderMap};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use crate::support::{TestStore, offline, online};

/// A hub that serves. It ends when dropped.
pub struct TestHub {
    /// The hub's own.
    pub store: Store,
    pub test: TestStore,
    /// As `http://127.0.0.1:4711`.
    pub url: String,
    pub client: Client,
    stop: Option<oneshot::Sender<()>>,
    server: Option<JoinHandle<std::io::Result<()>>>,
}

/// An answer.
#[derive(Debug)]
pub struct Said {
    pub status: u16,
    pub headers: HeaderMap,
    /// The text where it is no JSON.
    pub body: Value,
}

impl TestHub {
    /// A hub on the database of `test`; there may be several.
    pub async fn on(test: &TestStore) -> Self {
        Self::with(test, |_| ()).await
    }

    /// The same with other options.
    pub async fn with(test: &TestStore, change: impl FnOnce(&mut WebOptions)) -> Self {
        // Fails when another test was first, which does as well.
        drop(rustls::crypto::ring::default_provider().install_default());
        let store = Store::open(test.options.clone(), Timestamp::now()).await.unwrap();
        let addresses = AddressPolicy { allow_private: false, allow_local: false };
        let checker = Checker::new(CheckOptions { addresses, ..CheckOptions::default() });
        let mut options = WebOptions::default();
        change(&mut options);
        let router = easytier_uptime_hub::router(store.clone(), checker, options, None);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let shutdown = async move { drop(stopped.await) };
        let server = tokio::spawn(serve(listener, router, shutdown, Duration::from_secs(10)));
        let client = Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        Self { store, test: test.clone(), url, client, stop: Some(stop), server: Some(server) }
    }

    /// Tells the hub to stop; it finishes the requests that it accepted.
    pub fn begin_stop(&mut self) -> JoinHandle<std::io::Result<()>> {
        drop(self.stop.take());
        self.server.take().expect("it is stopped once")
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    pub fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.request(Method::POST, path).json(body)
    }

    pub fn put(&self, path: &str, body: &Value) -> RequestBuilder {
        self.request(Method::PUT, path).json(body)
    }

    /// A node token.
    pub async fn token(&self, server_id: &str, region: &str) -> String {
        let region = region.parse().unwrap();
        let issued = self.store.create_node_token(server_id, Some(server_id), &region, Timestamp::now()).await;
        issued.unwrap().token.expose().to_owned()
    }

    pub async fn api_key(&self) -> String {
        self.store.create_api_key("reader", Timestamp::now()).await.unwrap().token.expose().to_owned()
    }

    pub async fn enrollment_key(&self, region: Option<&str>) -> String {
        let region = region.map(|region| region.parse().unwrap());
        let issued = self.store.create_enrollment_key("new ones", region.as_ref(), Timestamp::now()).await;
        issued.unwrap().token.expose().to_owned()
    }

    /// An operator's peer.
    pub async fn peer(&self, url: &str) -> PeerId {
        self.test.add(url).await
    }

    /// All that is kept and that a stranger must not change, as text: but for when probes were last heard from.
    pub async fn kept(&self) -> String {
        let now = Timestamp::now();
        let peers = self.store.export_peers().await.unwrap();
        let mut probes = self.store.probes(now).await.unwrap();
        probes.iter_mut().for_each(|probe| probe.last_seen_at = now);
        let mut credentials = Vec::new();
        for kind in [CredentialKind::Node, CredentialKind::Api, CredentialKind::Enrollment] {
            credentials.extend(self.store.credentials(kind).await.unwrap());
        }
        let mut records = Vec::new();
        for peer in peers.iter().filter(|peer| peer.approved) {
            records.push(self.records(peer.id).await);
        }
        let version = self.store.config_version().await.unwrap();
        let events = self.store.events(None, None, 1000, true).await.unwrap();
        probes.iter_mut().for_each(|probe| probe.last_seen_at = Timestamp(0));
        format!("{peers:#?}\n{probes:#?}\n{credentials:#?}\n{records:?}\n{version}\n{events:#?}")
    }

    /// How many results of a peer are kept.
    pub async fn records(&self, peer: PeerId) -> u64 {
        let filter = RecordFilter::default();
        self.store.health_records(peer, &filter, PageRequest::default(), Timestamp::now()).await.unwrap().total
    }
}

/// Sends a request and reads the response, which must not be a failure of the hub, and must have the hub's header.
pub async fn said(request: RequestBuilder) -> Said {
    let said = said_in_any_way(request).await;
    assert!(said.status < 500, "{said:?}");
    said
}

/// The same for responses that may be failures.
pub async fn said_in_any_way(request: RequestBuilder) -> Said {
    let response = request.send().await.expect("the hub answers");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    assert_eq!(headers["x-uptime-hub"], "1");
    assert!(!headers["x-request-id"].is_empty());
    let text = response.text().await.expect("the answer is whole");
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Said { status, headers, body }
}

impl Said {
    /// The data of an answer of the backend contract, which must be a success.
    pub fn data(&self) -> &Value {
        assert_eq!(self.status, 200, "{self:?}");
        assert_eq!(self.body["code"], 200, "{self:?}");
        &self.body["data"]
    }

    /// The message of a refusal in the backend contract, which must have this status.
    pub fn refusal(&self, status: u16) -> &str {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!((&self.body["code"], &self.body["data"]), (&status.into(), &Value::Null), "{self:?}");
        self.body["message"].as_str().expect("words")
    }
}

/// A good result of a moment ago.
pub fn good(peer: PeerId) -> CheckResult {
    online(peer, Timestamp::now())
}

/// A bad one.
pub fn bad(peer: PeerId) -> CheckResult {
    offline(peer, Timestamp::now())
}

/// The body of `POST /results`.
pub fn batch_of(results: &[CheckResult]) -> Value {
    json!({ "cycle_id": "0190d2a4-7c1e-7b7e-9a55-2f3c8a6f1b20", "sent_at": Timestamp::now(), "results": results })
}
