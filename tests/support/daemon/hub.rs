//! A hub of the test's own, which probes and the test ask over HTTP, and whose database the test looks into.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{net::SocketAddr, time::Duration};

use easytier_probe::{AddressPolicy, CheckOptions, Checker, PeerUrl};
use easytier_uptime_hub::{
    WebOptions,
    consensus::Policy,
    crypto::HubKey,
    model::{PeerId, PeerSpec, Probe},
    serve,
    store::{Location, Store, StoreOptions},
    time::Timestamp,
    upkeep::upkeep,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::http;

/// A hub that serves. It ends when dropped.
pub struct Hub {
    pub store: Store,
    pub address: SocketAddr,
    _stop: DropGuard,
    _folder: TempDir,
}

impl Hub {
    /// It believes the first result that says something new.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::Sqlite(folder.path().join("hub.db"));
        let policy = Policy { confirmations: 1, ..Policy::default() };
        let options = StoreOptions { policy, ..StoreOptions::new(location, HubKey::generate()) };
        let store = Store::open(options, Timestamp::now()).await.unwrap();
        let checker = Checker::new(CheckOptions { addresses: AddressPolicy::PUBLIC_ONLY, ..CheckOptions::default() });
        let router = easytier_uptime_hub::router(store.clone(), checker, WebOptions::default(), None);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(serve(listener, router, stop.clone().cancelled_owned(), Duration::ZERO));
        tokio::spawn(upkeep(store.clone(), stop.clone().cancelled_owned()));
        Self { store, address, _stop: stop.drop_guard(), _folder: folder }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A token for the probe `server_id` in the default region.
    pub async fn token(&self, server_id: &str) -> String {
        let region = "default".parse().unwrap();
        let issued = self.store.create_node_token(server_id, Some(server_id), &region, Timestamp::now()).await;
        issued.unwrap().token.expose().to_owned()
    }

    pub async fn enrollment_key(&self) -> String {
        let issued = self.store.create_enrollment_key("new ones", None, Timestamp::now()).await.unwrap();
        issued.token.expose().to_owned()
    }

    /// Has the node at `url` watched.
    pub async fn add(&self, url: impl AsRef<str>) -> PeerId {
        let url: PeerUrl = url.as_ref().parse().expect("a peer URL");
        self.store.add_peer(&PeerSpec::new(url), Timestamp::now()).await.unwrap()
    }

    pub async fn edit(&self, id: PeerId, edit: impl FnOnce(&mut PeerSpec) + Send) {
        self.store.edit_peer(id, edit, Timestamp::now()).await.unwrap();
    }

    pub async fn remove(&self, id: PeerId) {
        self.store.delete_peer(id).await.unwrap();
    }

    /// The probe of this `server_id`, as the registry has it.
    pub async fn probe(&self, server_id: &str) -> Option<Probe> {
        let probes = self.store.probes(Timestamp::now()).await.unwrap();
        probes.into_iter().find(|probe| probe.server_id == server_id)
    }

    /// What `/api/discovery/servers` says of the probe with this token.
    pub async fn server(&self, token: &str, server_id: &str) -> Option<Value> {
        let request = http::client().get(format!("{}/api/discovery/servers", self.url())).header("x-node-token", token);
        let answer: Value = serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap();
        let servers = answer["data"]["servers"].as_array().unwrap_or_else(|| panic!("{answer}"));
        servers.iter().find(|server| server["server_id"] == server_id).cloned()
    }

    /// How many checks of a peer it knows of.
    pub async fn checks(&self, id: PeerId) -> u64 {
        http::checks(&self.url(), id.0).await
    }
}
