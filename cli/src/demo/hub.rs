//! The hub of the demo: a real one, in a folder that is gone at the end.

use std::{
    future::pending,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::Context;
use easytier_probe::{CheckOptions, Checker, PeerUrl, Secret, backend::BaseUrl};
use easytier_uptime_hub::{
    api::{self, ApiOptions},
    crypto::HubKey,
    model::{PeerId, PeerSpec, Region, RegionReport},
    password,
    store::{Location, Store, StoreOptions},
    time::Timestamp,
    upkeep::upkeep,
};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::AbortHandle};

/// It serves until dropped.
pub struct DemoHub {
    address: SocketAddr,
    admin_password: Secret,
    /// In the order in which they were given.
    peers: Vec<PeerId>,
    store: Store,
    works: [AbortHandle; 2],
    _folder: TempDir,
}

/// What the hub says.
#[derive(Debug, Default)]
pub struct Heard {
    /// What each region saw last of each peer, in the order of the peers.
    pub regions: Vec<Vec<RegionReport>>,
    /// Checks that it knows of.
    pub checks: u64,
}

impl DemoHub {
    /// Starts a hub that has nothing watched yet.
    pub async fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("no folder for the demo's hub")?;
        let location = Location::Sqlite(folder.path().join("demo.db"));
        let options = StoreOptions::new(location, HubKey::generate());
        let now = Timestamp::now();
        let store = Store::open(options, now).await.context("the demo's hub has no database")?;
        let admin_password = password::first(&store, now).await?.context("a new database has a password")?;

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("cannot listen at 127.0.0.1")?;
        let address = listener.local_addr()?;
        let session_key = format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>());
        let options = ApiOptions { trusted_proxies: Vec::new(), session_key: session_key.into() };
        let router = api::router(store.clone(), Checker::new(CheckOptions::default()), options);
        let serving = tokio::spawn(api::serve(listener, router, pending(), Duration::ZERO)).abort_handle();
        let upkeep = tokio::spawn(upkeep(store.clone(), pending())).abort_handle();
        Ok(Self { address, admin_password, peers: Vec::new(), store, works: [serving, upkeep], _folder: folder })
    }

    /// Has a peer watched from now on.
    pub async fn watch(&mut self, name: &str, url: &str) -> anyhow::Result<()> {
        let spec = PeerSpec { name: name.to_owned(), ..PeerSpec::new(url.parse::<PeerUrl>()?) };
        self.peers.push(self.store.add_peer(&spec, Timestamp::now()).await?);
        Ok(())
    }

    /// A token for a probe in `region`, which it is called by too.
    pub async fn node_token(&self, region: &str) -> anyhow::Result<Secret> {
        let place: Region = region.parse()?;
        Ok(self.store.create_node_token(region, Some(region), &place, Timestamp::now()).await?.token)
    }

    pub fn base_url(&self) -> BaseUrl {
        format!("http://{}", self.address).parse().expect("an address makes a base URL")
    }

    pub fn admin_password(&self) -> &Secret {
        &self.admin_password
    }

    pub async fn heard(&self) -> anyhow::Result<Heard> {
        let now = Timestamp::now();
        let mut heard = Heard::default();
        for peer in &self.peers {
            heard.regions.push(self.store.node_regions(*peer, now).await?);
            heard.checks +=
                self.store.node_stats(*peer, Duration::from_secs(24 * 3600), now).await?.checks.total_checks;
        }
        Ok(heard)
    }
}

impl Drop for DemoHub {
    fn drop(&mut self) {
        self.works.iter().for_each(AbortHandle::abort);
    }
}
