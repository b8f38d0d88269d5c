//! A test hub, which serves probes and the test over HTTP, and whose store the test can use.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{net::SocketAddr, time::Duration};

use easytier_probe::{AddressPolicy, CheckOptions, Checker, PeerUrl};
use easytier_uptime_hub::{WebOptions, serve};
use easytier_uptime_store::{
    HubKey, Location, Store, StoreOptions,
    domain::{CredentialKind, EnrollmentLimits, PeerId, PeerSpec, Policy, Probe, Timestamp},
    upkeep,
};
use serde_json::Value;
use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::http;

/// A running hub. It ends when dropped.
pub struct Hub {
    pub store: Store,
    pub address: SocketAddr,
    _stop: DropGuard,
    folder: TempDir,
}

impl Hub {
    /// Starts a hub without flap damping.
    pub async fn start() -> Self {
        Self::start_at("127.0.0.1:0").await
    }

    /// Starts a hub without flap damping, which serves at `address`.
    pub async fn start_at(address: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::Sqlite(folder.path().join("hub.db"));
        let policy = Policy { confirmations: 1, ..Policy::default() };
        let options = StoreOptions { policy, ..StoreOptions::new(location, HubKey::generate()) };
        let store = Store::open(options, Timestamp::now()).await.unwrap();
        let checker = Checker::new(CheckOptions { addresses: AddressPolicy::PUBLIC_ONLY, ..CheckOptions::default() });
        let router = easytier_uptime_hub::router(store.clone(), checker, WebOptions::default(), None);
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(serve(listener, router, stop.clone().cancelled_owned(), Duration::ZERO));
        tokio::spawn(upkeep(store.clone(), stop.clone().cancelled_owned()));
        Self { store, address, _stop: stop.drop_guard(), folder }
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
        let issued =
            self.store.create_enrollment_key("new ones", &EnrollmentLimits::default(), Timestamp::now()).await.unwrap();
        issued.token.expose().to_owned()
    }

    /// Revokes all tokens or keys of a kind.
    pub async fn revoke_all(&self, kind: CredentialKind) {
        for credential in self.store.credentials(kind).await.unwrap() {
            self.store.revoke_credential(kind, credential.id, Timestamp::now()).await.unwrap();
        }
    }

    /// Makes the hub one that knows its keys and peers, but none of its probes: as if an older backup was restored.
    pub async fn forget_probes(&self) {
        let file = SqliteConnectOptions::new().filename(self.folder.path().join("hub.db")).foreign_keys(false);
        let mut database = file.connect().await.unwrap();
        let forget = "DELETE FROM latest; DELETE FROM credentials WHERE kind = 'node'; DELETE FROM probes";
        sqlx::raw_sql(forget).execute(&mut database).await.unwrap();
        database.close().await.unwrap();
    }

    /// Adds the node at `url`.
    pub async fn add(&self, url: impl AsRef<str>) -> PeerId {
        let url: PeerUrl = url.as_ref().parse().expect("a peer URL");
        self.store.add_peer(&PeerSpec::new(url), Timestamp::now()).await.unwrap()
    }

    pub async fn edit(&self, id: PeerId, edit: impl Fn(&mut PeerSpec) + Send + Sync) {
        self.store.edit_peer(id, edit, Timestamp::now()).await.unwrap();
    }

    pub async fn remove(&self, id: PeerId) {
        self.store.delete_peer(id, Timestamp::now()).await.unwrap();
    }

    /// The probe with this `server_id` in the store.
    pub async fn probe(&self, server_id: &str) -> Option<Probe> {
        let probes = self.store.probes(Timestamp::now()).await.unwrap();
        probes.into_iter().find(|probe| probe.server_id == server_id)
    }

    /// The entry of the probe at `/api/discovery/servers`, requested with this token.
    pub async fn server(&self, token: &str, server_id: &str) -> Option<Value> {
        let request = http::client().get(format!("{}/api/discovery/servers", self.url())).header("x-node-token", token);
        let answer: Value = serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap();
        let servers = answer["data"]["servers"].as_array().unwrap_or_else(|| panic!("{answer}"));
        servers.iter().find(|server| server["server_id"] == server_id).cloned()
    }

    /// How many checks of a peer the hub has.
    pub async fn checks(&self, id: PeerId) -> u64 {
        http::checks(&self.url(), id.0).await
    }
}
