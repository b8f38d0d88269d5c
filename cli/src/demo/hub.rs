//! The hub of the demo: a real one, in a folder that is gone at the end.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::Context;
use easytier_probe::{CheckOptions, Checker, PeerUrl, Secret, backend::BaseUrl};
use easytier_uptime_hub::{
    api::{self, ApiOptions},
    crypto::HubKey,
    model::{LatestResult, PeerId, PeerSpec, Region},
    store::{Location, Store, StoreOptions},
    time::Timestamp,
};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::AbortHandle};

/// The probe's name, and where it stands.
pub const PROBE: &str = "demo";

/// It serves until dropped.
pub struct DemoHub {
    address: SocketAddr,
    node_token: Secret,
    /// In the order in which they were given.
    peers: Vec<PeerId>,
    store: Store,
    server: AbortHandle,
    _folder: TempDir,
}

/// What the hub says.
#[derive(Debug, Default)]
pub struct Heard {
    /// The latest result of each peer, in the order of the peers.
    pub latest: Vec<Option<LatestResult>>,
    /// Checks that it knows of.
    pub checks: u64,
}

impl DemoHub {
    /// Starts a hub that has the peers given by name and URL watched.
    pub async fn start<'a>(peers: impl Iterator<Item = (&'a str, &'a str)>) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("no folder for the demo's hub")?;
        let key = HubKey::generate();
        let now = Timestamp::now();
        let location = Location::Sqlite(folder.path().join("demo.db"));
        let store =
            Store::open(StoreOptions::new(location, key), now).await.context("the demo's hub has no database")?;
        let mut ids = Vec::new();
        for (name, url) in peers {
            let url: PeerUrl = url.parse()?;
            ids.push(store.add_peer(&PeerSpec { name: name.to_owned(), ..PeerSpec::new(url) }, now).await?);
        }
        let region: Region = PROBE.parse()?;
        let node_token = store.create_node_token(PROBE, Some(PROBE), &region, now).await?.token;

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("cannot listen at 127.0.0.1")?;
        let address = listener.local_addr()?;
        let session_key = format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>());
        let options = ApiOptions { trusted_proxies: Vec::new(), session_key: session_key.into() };
        let router = api::router(store.clone(), Checker::new(CheckOptions::default()), options);
        let serving = api::serve(listener, router, std::future::pending(), Duration::ZERO);
        let server = tokio::spawn(serving).abort_handle();
        Ok(Self { address, node_token, peers: ids, store, server, _folder: folder })
    }

    pub fn base_url(&self) -> BaseUrl {
        format!("http://{}", self.address).parse().expect("an address makes a base URL")
    }

    pub fn node_token(&self) -> Secret {
        self.node_token.clone()
    }

    pub async fn heard(&self) -> anyhow::Result<Heard> {
        let now = Timestamp::now();
        let mut heard = Heard::default();
        for peer in &self.peers {
            let region = self.store.node_regions(*peer, now).await?.into_iter().next();
            heard.latest.push(region.map(|region| region.latest));
            heard.checks +=
                self.store.node_stats(*peer, Duration::from_secs(24 * 3600), now).await?.checks.total_checks;
        }
        Ok(heard)
    }
}

impl Drop for DemoHub {
    fn drop(&mut self) {
        self.server.abort();
    }
}
