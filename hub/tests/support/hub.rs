//! A real hub on a free port, with a client over real HTTP.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{sync::Arc, time::Duration};

use easytier_probe::{AddressPolicy, CheckOptions, CheckResult, Checker};
use easytier_uptime_hub::{Freshness, ProbeStatus, WebOptions, serve};
use easytier_uptime_store::{
    Store,
    domain::{CredentialKind, EnrollmentLimits, NodeFilter, PageRequest, PeerId, PeerOrder, RecordFilter, Timestamp},
};
use reqwest::{Client, Method, RequestBuilder, header::HeaderMap};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use crate::support::{TestStore, offline, online};

/// A running hub. It stops when this is dropped.
pub struct TestHub {
    /// The store of the hub; `test` has another one on the same database.
    pub store: Store,
    pub test: TestStore,
    /// For example `http://127.0.0.1:4711`.
    pub url: String,
    pub client: Client,
    stop: Option<oneshot::Sender<()>>,
    server: Option<JoinHandle<std::io::Result<()>>>,
}

/// A response.
#[derive(Debug)]
pub struct ApiReply {
    pub status: u16,
    pub headers: HeaderMap,
    /// The JSON document, or the text if it is not JSON.
    pub body: Value,
}

impl TestHub {
    /// Starts a hub on the database of `test`; there may be several.
    pub async fn on(test: &TestStore) -> Self {
        Self::with(test, |_| ()).await
    }

    /// Starts a hub with other options.
    pub async fn with(test: &TestStore, change: impl FnOnce(&mut WebOptions)) -> Self {
        Self::with_probe(test, change, None).await
    }

    /// Starts a hub with other options, and a probe in its process.
    pub async fn with_probe(
        test: &TestStore,
        change: impl FnOnce(&mut WebOptions),
        probe: Option<Arc<dyn ProbeStatus>>,
    ) -> Self {
        // It fails when another test has installed the provider already.
        drop(rustls::crypto::ring::default_provider().install_default());
        let store = Store::open(test.options_of_second(), Timestamp::now()).await.unwrap();
        // What is allowed for peers must not open anything for strangers.
        let checker = Checker::new(CheckOptions { addresses: AddressPolicy::ANY, ..CheckOptions::default() });
        let mut options = WebOptions { freshness: Freshness::Exact, ..WebOptions::default() };
        change(&mut options);
        let router = easytier_uptime_hub::router(store.clone(), checker, options, probe);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let shutdown = async move { drop(stopped.await) };
        let server = tokio::spawn(serve(listener, router, shutdown, Duration::from_secs(10)));
        let client = Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        Self { store, test: test.clone(), url, client, stop: Some(stop), server: Some(server) }
    }

    /// Stops the hub, which first finishes the requests that it accepted.
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

    /// Creates a node token.
    pub async fn token(&self, server_id: &str, region: &str) -> String {
        let region = region.parse().unwrap();
        let issued = self.store.create_node_token(server_id, Some(server_id), &region, Timestamp::now()).await;
        issued.unwrap().token.expose().to_owned()
    }

    pub async fn api_key(&self) -> String {
        self.store.create_api_key("reader", None, Timestamp::now()).await.unwrap().token.expose().to_owned()
    }

    pub async fn enrollment_key(&self, region: Option<&str>) -> String {
        let region = region.map(|region| region.parse().unwrap());
        let limits = EnrollmentLimits { region, ..EnrollmentLimits::default() };
        let issued = self.store.create_enrollment_key("new ones", &limits, Timestamp::now()).await;
        issued.unwrap().token.expose().to_owned()
    }

    /// Adds a peer of the operator.
    pub async fn peer(&self, url: &str) -> PeerId {
        self.test.add(url).await
    }

    /// All stored data that a stranger must not change, as text. The times of the probes' last requests are left out.
    pub async fn kept(&self) -> String {
        let now = Timestamp::now();
        let peers = self.store.export_peers().await.unwrap();
        let waiting = self
            .store
            .submissions(&NodeFilter::default(), PeerOrder::OldestFirst, PageRequest::default())
            .await
            .unwrap();
        let mut probes = self.store.probes(now).await.unwrap();
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
        let windows = self.store.maintenance_windows().await.unwrap();
        let sources = self.store.sources().await.unwrap();
        probes.iter_mut().for_each(|probe| probe.last_seen_at = Timestamp(0));
        credentials.iter_mut().for_each(|credential| credential.last_used_at = None);
        format!(
            "{peers:#?}\n{waiting:#?}\n{probes:#?}\n{credentials:#?}\n{records:?}\n{version}\n{events:#?}\n{windows:?}\n{sources:?}"
        )
    }

    /// Applies the results that were stored.
    pub async fn fold(&self) {
        self.test.fold().await.unwrap();
    }

    /// How many results of a peer are stored.
    pub async fn records(&self, peer: PeerId) -> u64 {
        let filter = RecordFilter::default();
        self.store.health_records(peer, &filter, PageRequest::default(), Timestamp::now()).await.unwrap().total
    }
}

/// Sends a request and reads the response, which must not be a 5xx and must have the hub's headers.
pub async fn send(request: RequestBuilder) -> ApiReply {
    let reply = send_unchecked(request).await;
    assert!(reply.status < 500, "{reply:?}");
    reply
}

/// Sends a request and reads the response, which may be a 5xx and must have the hub's headers.
pub async fn send_unchecked(request: RequestBuilder) -> ApiReply {
    let response = request.send().await.expect("the hub answers");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    assert_eq!(headers["x-uptime-hub"], "1");
    assert!(!headers["x-request-id"].is_empty());
    let text = response.text().await.expect("the answer is whole");
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    ApiReply { status, headers, body }
}

impl ApiReply {
    /// The data of a response in the backend contract, which must be a success.
    pub fn data(&self) -> &Value {
        assert_eq!(self.status, 200, "{self:?}");
        assert_eq!(self.body["code"], 200, "{self:?}");
        &self.body["data"]
    }

    /// The server with this id in a list of servers.
    #[track_caller]
    pub fn server(&self, server_id: &str) -> &Value {
        let servers = self.data()["servers"].as_array().expect("a list");
        let found = servers.iter().find(|server| server["server_id"] == server_id);
        found.unwrap_or_else(|| panic!("no {server_id} in {servers:?}"))
    }

    /// The message of a refusal in the backend contract, which must have this status.
    pub fn refusal(&self, status: u16) -> &str {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!((&self.body["code"], &self.body["data"]), (&status.into(), &Value::Null), "{self:?}");
        self.body["message"].as_str().expect("a message")
    }
}

/// A result of a check that succeeded now.
pub fn good(peer: PeerId) -> CheckResult {
    online(peer, Timestamp::now())
}

/// A result of a check that failed now.
pub fn bad(peer: PeerId) -> CheckResult {
    offline(peer, Timestamp::now())
}

/// The body of `POST /results`.
pub fn batch_of(results: &[CheckResult]) -> Value {
    json!({ "cycle_id": "0190d2a4-7c1e-7b7e-9a55-2f3c8a6f1b20", "sent_at": Timestamp::now(), "results": results })
}
