//! What a probe is configured with: the body of `POST /v1/configs` of the contract.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use easytier_probe::Secret;
use easytier_uptime_store::{
    Store, StoreError,
    domain::{ClusterId, ConfigVersion, ManagedProbe, PeerId, PeerScope, ProbeId, ProbeSettings, Region, Timestamp},
};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::Instant;
use url::Url;

use crate::listed_peer::ListedPeer;

/// How many peers are read at a time.
const PAGE_SIZE: u32 = 1000;

/// How long the list of a region is used for other probes of the region. Statuses in it change without its version.
const LIST_LIFETIME: Duration = Duration::from_secs(10);

/// The configuration of a probe.
#[derive(Serialize)]
struct Document<'a> {
    peers: &'a RawValue,
    settings: &'a ProbeSettings,
    #[serde(skip_serializing_if = "Option::is_none")]
    enrollment: Option<Enrollment<'a>>,
    metadata: Metadata,
}

/// What a probe without a backend needs to report to this hub.
#[derive(Serialize)]
struct Enrollment<'a> {
    backend_base_url: &'a Url,
    node_token: &'a str,
    region: &'a Region,
    server_id: &'a str,
}

#[derive(Serialize)]
struct Metadata {
    updated_at: Timestamp,
    updated_by: &'static str,
    cluster_id: String,
    epoch: i64,
    config_version: i64,
}

/// The peers of a region, as JSON.
#[derive(Clone)]
struct List {
    version: ConfigVersion,
    read_at: Instant,
    peers: Arc<RawValue>,
}

/// Makes configurations. Cheap to clone; clones share the lists of regions.
#[derive(Clone)]
pub(crate) struct Configurations {
    store: Store,
    lists: Arc<Mutex<HashMap<Region, List>>>,
}

impl Configurations {
    pub fn new(store: Store) -> Self {
        Self { store, lists: Arc::default() }
    }

    /// The configuration of a probe, with its version. `enrollment`: the node token that the probe is given, and the URL of this hub.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn of(
        &self,
        probe: &ManagedProbe,
        cluster: ClusterId,
        enrollment: Option<(&Secret, &Url)>,
    ) -> Result<(ConfigVersion, String), StoreError> {
        let List { version, peers, .. } = self.list(&probe.region).await?;
        let enrollment = enrollment.map(|(node_token, url)| Enrollment {
            backend_base_url: url,
            node_token: node_token.expose(),
            region: &probe.region,
            server_id: &probe.server_id,
        });
        let metadata = Metadata {
            updated_at: Timestamp::now(),
            updated_by: "hub",
            cluster_id: cluster.to_string(),
            epoch: version.epoch,
            config_version: version.version,
        };
        let document = Document { peers: &peers, settings: &probe.settings, enrollment, metadata };
        Ok((version, serde_json::to_string(&document).map_err(unserializable)?))
    }

    async fn list(&self, region: &Region) -> Result<List, StoreError> {
        let held = self.store.held_config().await?;
        let known = self.lists.lock().unwrap_or_else(PoisonError::into_inner).get(region).cloned();
        if let Some(known) = known.filter(|list| list.version == held && list.read_at.elapsed() < LIST_LIFETIME) {
            return Ok(known);
        }
        let read = self.read(region).await?;
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        lists.retain(|_, list| list.read_at.elapsed() < LIST_LIFETIME);
        lists.insert(region.clone(), read.clone());
        Ok(read)
    }

    async fn read(&self, region: &Region) -> Result<List, StoreError> {
        let scope = PeerScope { region: Some(region.clone()), with_secrets: true };
        let read_at = Instant::now();
        let (mut peers, mut cursor, mut version) = (Vec::new(), None::<PeerId>, None);
        loop {
            let page = self.store.probe_peers(&scope, cursor, PAGE_SIZE).await?;
            // If it changes between two pages, the next push brings the whole.
            let version = *version.get_or_insert(page.config);
            peers.extend(page.peers.into_iter().map(ListedPeer::from));
            cursor = page.next_cursor;
            if cursor.is_none() {
                let peers = serde_json::value::to_raw_value(&peers).map_err(unserializable)?;
                return Ok(List { version, read_at, peers: peers.into() });
            }
        }
    }
}

/// Makes the configuration of a probe that fetches it over its own connection. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Renderer {
    store: Store,
    configurations: Configurations,
}

impl Renderer {
    pub fn new(store: Store) -> Self {
        Self { configurations: Configurations::new(store.clone()), store }
    }

    /// The configuration of a managed probe, which reports to this hub already.
    ///
    /// # Errors
    ///
    /// When there is no managed probe with this id, or the database fails.
    pub async fn configuration(&self, probe: ProbeId) -> Result<Box<RawValue>, StoreError> {
        let probe = self.store.managed_probe(probe).await?.probe;
        let (_, body) = self.configurations.of(&probe, self.store.managing_cluster().await?, None).await?;
        RawValue::from_string(body).map_err(unserializable)
    }
}

fn unserializable(error: serde_json::Error) -> StoreError {
    StoreError::Corrupt(format!("a configuration for a probe: {error}"))
}
