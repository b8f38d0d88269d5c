//! A client of the public API that sends paths unchanged, which URL libraries do not allow.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::net::SocketAddr;

use axum::http::{HeaderMap, Request, StatusCode};
use easytier_uptime_hub::WebOptions;
use easytier_uptime_store::domain::{PeerId, ProbeIdentity, Timestamp};
use http_body_util::{BodyExt, Full};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::Value as Json;
use tokio::net::TcpStream;

use crate::{
    hub,
    support::{TestStore, region},
};

/// A hub that trusts `X-Forwarded-For`, so that a test can act as several callers.
pub struct PublicHub {
    pub store: TestStore,
    pub address: SocketAddr,
    serving: hub::TestHub,
}

impl std::ops::Deref for PublicHub {
    type Target = TestStore;

    fn deref(&self) -> &TestStore {
        &self.store
    }
}

impl PublicHub {
    pub async fn over(store: TestStore) -> Self {
        Self::with(store, |_| ()).await
    }

    /// A hub with other options.
    pub async fn with(store: TestStore, change: impl FnOnce(&mut WebOptions)) -> Self {
        let serving = hub::TestHub::with(&store, |options| {
            options.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
            change(options);
        });
        let serving = serving.await;
        let address = serving.url.strip_prefix("http://").unwrap().parse().unwrap();
        Self { store, address, serving }
    }

    /// The hub, for requests of another client.
    pub fn serving(&self) -> &hub::TestHub {
        &self.serving
    }

    /// A probe that has just sent a heartbeat. The time is the machine's, because the hub uses that clock.
    pub async fn live_probe(&self, server_id: &str, name: &str) -> ProbeIdentity {
        let probe = self.local_probe(server_id, &region(name), Timestamp::now()).await.unwrap();
        self.heartbeat(&probe, None, Timestamp::now()).await.unwrap();
        probe
    }

    /// Approves or unlists a peer.
    pub async fn approve(&self, id: PeerId, approved: bool) {
        self.set_approved(id, approved, Timestamp::now()).await.unwrap();
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(Request::get(path), "").await
    }

    pub async fn post(&self, path: &str, body: &Json) -> Reply {
        self.send(Request::post(path), body.to_string()).await
    }

    /// Sends a request on a new connection.
    pub async fn send(&self, request: axum::http::request::Builder, body: impl Into<Bytes>) -> Reply {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request = request.body(Full::new(body.into())).unwrap();
        let host = self.address.to_string().parse().unwrap();
        request.headers_mut().entry("host").or_insert(host);
        let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Reply { status: parts.status, headers: parts.headers, body }
    }
}

/// A response of the hub.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The data of a success in the public API.
    #[track_caller]
    pub fn data(&self) -> Json {
        let mut envelope = self.json();
        assert_eq!(self.status, StatusCode::OK, "{envelope}");
        assert_eq!((&envelope["success"], &envelope["error"]), (&Json::Bool(true), &Json::Null), "{envelope}");
        envelope["data"].take()
    }

    /// The message of a refusal, which must have the envelope of the public API.
    #[track_caller]
    pub fn refusal(&self, status: StatusCode) -> String {
        let envelope = self.json();
        assert_eq!(self.status, status, "{envelope}");
        let keys: Vec<&str> = envelope.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["data", "error", "message", "success"]);
        assert_eq!((&envelope["success"], &envelope["data"]), (&Json::Bool(false), &Json::Null));
        envelope["error"].as_str().unwrap().to_owned()
    }
}
