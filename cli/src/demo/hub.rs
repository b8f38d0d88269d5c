//! The hub of the demo, in a temporary folder.

use std::{collections::BTreeSet, net::Ipv4Addr, time::Duration};

use anyhow::Context;
use easytier_probe::{CheckOptions, Checker, PeerUrl, Secret, backend::BaseUrl};
use easytier_uptime_hub::{WebOptions, incidents, service::password};
use easytier_uptime_store::{
    HubKey, Location, Store, StoreOptions,
    domain::{PeerId, PeerSpec, Region, RegionReport, Timestamp},
};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::AbortHandle, time};
use tokio_util::sync::CancellationToken;

use super::{
    probe::REGIONS,
    simulation::{SIMULATED_NODES, Simulation},
};
use crate::hub::serve;

/// The maximum time in which the hub applies results. It takes well below a second, unless the machine is very busy.
const MAX_FOLD: Duration = Duration::from_secs(30);

/// A running hub. It stops when it is dropped.
pub struct DemoHub {
    base_url: BaseUrl,
    admin_password: Secret,
    /// In the order in which they were added.
    peers: Vec<PeerId>,
    store: Store,
    server: AbortHandle,
    _folder: TempDir,
}

/// The results that the hub has.
#[derive(Debug, Default)]
pub struct View {
    /// The latest result of each region, for each peer in the order of the peers.
    pub regions: Vec<Vec<RegionReport>>,
    /// The number of checks.
    pub checks: u64,
}

impl DemoHub {
    /// Starts a hub with nodes that do not exist, and their history.
    pub async fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("cannot create a folder for the demo's hub")?;
        let location = Location::Sqlite(folder.path().join("demo.db"));
        let options = StoreOptions::new(location, HubKey::generate());
        let now = Timestamp::now();
        let opened = Store::open(options, Simulation::beginning(now)).await;
        let store = opened.context("cannot create the database of the demo's hub")?;
        let simulation = Simulation::of_the_past(store.clone(), now).await?;
        let admin_password = password::first(&store, now).await?.context("a new database has a password")?;

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("cannot listen at 127.0.0.1")?;
        let base_url = format!("http://{}", listener.local_addr()?).parse()?;
        let checker = Checker::new(CheckOptions::default());
        let options = WebOptions::default();
        let router = easytier_uptime_hub::router(store.clone(), checker, options, None);
        let (served, never) = (store.clone(), CancellationToken::new());
        let serving = async move {
            let serving = serve::run(listener, router, served.clone(), never.clone(), Duration::ZERO);
            tokio::join!(serving, incidents::record(&served, &never), simulation.go_on())
        };
        let server = tokio::spawn(serving).abort_handle();
        Ok(Self { base_url, admin_password, peers: Vec::new(), store, server, _folder: folder })
    }

    /// Adds a peer that the probes of the demo check.
    pub async fn add_peer(&mut self, name: &str, url: &str) -> anyhow::Result<()> {
        let regions: BTreeSet<Region> = REGIONS.iter().map(|region| region.name.parse()).collect::<Result<_, _>>()?;
        let spec = PeerSpec { name: name.to_owned(), regions, ..PeerSpec::new(url.parse::<PeerUrl>()?) };
        self.peers.push(self.store.add_peer(&spec, Timestamp::now()).await?);
        Ok(())
    }

    /// A token for a probe in `region`, whose id is the name of the region.
    pub async fn node_token(&self, region: &str) -> anyhow::Result<Secret> {
        let parsed: Region = region.parse()?;
        Ok(self.store.create_node_token(region, Some(region), &parsed, Timestamp::now()).await?.token)
    }

    pub fn base_url(&self) -> BaseUrl {
        self.base_url.clone()
    }

    /// How many of its nodes do not exist.
    pub fn simulated_nodes(&self) -> usize {
        SIMULATED_NODES.len()
    }

    pub fn admin_password(&self) -> &Secret {
        &self.admin_password
    }

    /// The results about its peers that probes have reported until now.
    pub async fn view(&self) -> anyhow::Result<View> {
        time::timeout(MAX_FOLD, self.folded()).await.context("the demo's hub does not apply the results")??;
        let now = Timestamp::now();
        let mut view = View::default();
        for peer in &self.peers {
            view.regions.push(self.store.node_regions(*peer, now).await?);
            view.checks += self.store.node_stats(*peer, Duration::from_secs(24 * 3600), now).await?.checks.total_checks;
        }
        Ok(view)
    }

    /// Returns when the hub has applied the results that it has stored.
    async fn folded(&self) -> anyhow::Result<()> {
        while self.store.backlog().await?.results > 0 {
            time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

impl Drop for DemoHub {
    fn drop(&mut self) {
        self.server.abort();
    }
}
