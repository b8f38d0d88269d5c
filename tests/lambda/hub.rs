//! A real hub, behind a proxy that records the function's requests.

#![allow(dead_code, reason = "the bench uses a part of it, and the tests another")]

use std::{collections::HashSet, time::Duration};

use easytier_probe::{AddressPolicy, CheckOptions, Checker};
use easytier_uptime_hub::{WebOptions, serve};
use easytier_uptime_store::{
    HubKey, Location, Store, StoreOptions,
    domain::{CredentialKind, PageRequest, PeerId, PeerSpec, RecordFilter, Timestamp},
};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::proxy::Proxy;

/// The region of the functions in the tests.
pub const REGION: &str = "eu";

/// A hub that serves until the test is over.
pub struct Hub {
    pub store: Store,
    /// The hub itself, without the proxy.
    pub url: String,
    /// The proxy, whose URL the function has.
    pub proxy: Proxy,
    _folder: tempfile::TempDir,
}

impl Hub {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = StoreOptions::new(Location::Sqlite(folder.path().join("uptime.db")), HubKey::generate());
        let store = Store::open(options, Timestamp::now()).await.unwrap();
        let addresses = AddressPolicy { allow_private: false, allow_local: false };
        let checker = Checker::new(CheckOptions { addresses, ..CheckOptions::default() });
        let router = easytier_uptime_hub::router(store.clone(), checker, WebOptions::default(), None);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(listener, router, std::future::pending(), Duration::ZERO));
        Self { store, proxy: Proxy::before(&url).await, url, _folder: folder }
    }

    /// A hub with these peers, and the function's variables for it, with a new token.
    pub async fn with_peers<U: AsRef<str>>(urls: impl IntoIterator<Item = U>) -> (Self, Vec<(&'static str, String)>) {
        let hub = Self::start().await;
        hub.add(urls).await;
        let variables = vec![
            ("BACKEND_BASE_URL", hub.proxy.url.clone()),
            ("NODE_TOKEN", hub.token("probe").await),
            ("ALLOW_LOCAL_PEERS", "true".to_owned()),
        ];
        (hub, variables)
    }

    /// Adds peers of the operator.
    pub async fn add<U: AsRef<str>>(&self, urls: impl IntoIterator<Item = U>) {
        let specs: Vec<PeerSpec> = urls.into_iter().map(|url| PeerSpec::new(url.as_ref().parse().unwrap())).collect();
        self.store.import_peers(&specs, Timestamp::now()).await.unwrap();
    }

    /// A token for the region of the tests.
    pub async fn token(&self, name: &str) -> String {
        let region = REGION.parse().unwrap();
        let issued = self.store.create_node_token(name, Some("probe"), &region, Timestamp::now()).await.unwrap();
        issued.token.expose().to_owned()
    }

    /// Revokes all node tokens.
    pub async fn revoke_tokens(&self) {
        for credential in self.store.credentials(CredentialKind::Node).await.unwrap() {
            if credential.revoked_at.is_none() {
                self.store.revoke_credential(CredentialKind::Node, credential.id, Timestamp::now()).await.unwrap();
            }
        }
    }

    /// The number of results of each peer.
    pub async fn records(&self) -> Vec<u64> {
        let mut records = Vec::new();
        for peer in self.store.export_peers().await.unwrap() {
            records.push(self.records_of(peer.id).await);
        }
        records
    }

    async fn records_of(&self, peer: PeerId) -> u64 {
        let filter = RecordFilter::default();
        self.store.health_records(peer, &filter, PageRequest::default(), Timestamp::now()).await.unwrap().total
    }

    /// The ids of the claimed peers, one for each claim.
    pub fn claimed(&self) -> Vec<i64> {
        let claims = self.proxy.seen_of("/peers").into_iter().filter(|seen| seen.query.contains("claim=true"));
        claims.filter(|seen| seen.status == 200).flat_map(|seen| ids(&seen.answer)).collect()
    }
}

fn ids(answer: &str) -> Vec<i64> {
    let answer: Value = serde_json::from_str(answer).expect("the hub answers in JSON");
    let peers = answer["data"]["peers"].as_array().expect("peers").clone();
    peers.iter().map(|peer| peer["id"].as_i64().expect("an id")).collect()
}

/// Asserts that there are no duplicates.
pub fn assert_distinct(ids: &[i64]) {
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "{ids:?}");
}
