//! The histories of single nodes, which are read from the database: for all visitors who ask within some seconds once, and
//! for few visitors at the same time.

use std::{sync::Arc, time::Duration};

use easytier_uptime_monitor::{Party, Readers, public::locations::Names};
use easytier_uptime_store::{
    Store,
    domain::{
        DAY, Event, EventKind, FailureCount, Grain, Incident, IncidentFilter, NodeStats, PageRequest, PeerId,
        RegionReport, Timestamp, Uptime,
    },
};
use moka::future::Cache;

use super::chart;
use crate::{board::Freshness, service::Subscriptions, web::Refusal};

/// How long a history is shown.
const LIFETIME: Duration = Duration::from_secs(10);

/// How long an uptime is shown: it changes little, and badges are read often.
const UPTIME_LIFETIME: Duration = Duration::from_secs(60);

/// The numbers of histories and of uptimes that are kept.
const HISTORIES: u64 = 128;
const UPTIMES: u64 = 4096;

/// The maximum number of status changes in a history.
const MAX_CHANGES: u32 = 20;

/// The maximum number of incidents in a history.
const MAX_INCIDENTS: u32 = 10;

/// The windows of [`History::uptimes`].
const WINDOWS: [Duration; 3] = [DAY, DAY.saturating_mul(7), DAY.saturating_mul(30)];

/// The history of one node over a range of time.
pub struct History {
    /// When it was read.
    pub at: Timestamp,
    pub lines: chart::Lines,
    pub failures: Vec<FailureCount>,
    pub regions: Vec<RegionReport>,
    /// Of the instances whose own probes are in the regions.
    pub names: Names,
    pub events: Vec<Event>,
    pub incidents: Vec<Incident>,
    /// Of a day, a week and a month.
    pub uptimes: Vec<NodeStats>,
    /// Whether visitors can subscribe by mail.
    pub can_subscribe: bool,
}

/// The histories that were read lately.
pub struct Histories {
    store: Store,
    readers: Readers,
    subscriptions: Subscriptions,
    /// The name of this instance.
    own_name: String,
    histories: Cache<(PeerId, Duration, Grain), Arc<History>>,
    uptimes: Cache<(PeerId, Duration), Uptime>,
}

fn of_node(id: PeerId) -> IncidentFilter {
    IncidentFilter { open: None, node: Some(id) }
}

impl Histories {
    /// `own_name`: the name of this instance.
    pub fn new(
        store: Store,
        readers: Readers,
        subscriptions: Subscriptions,
        freshness: Freshness,
        own_name: &str,
    ) -> Self {
        // A cache without room keeps nothing.
        let room = |number| if freshness == Freshness::Exact { 0 } else { number };
        Self {
            store,
            readers,
            subscriptions,
            own_name: own_name.to_owned(),
            histories: Cache::builder().max_capacity(room(HISTORIES)).time_to_live(LIFETIME).build(),
            uptimes: Cache::builder().max_capacity(room(UPTIMES)).time_to_live(UPTIME_LIFETIME).build(),
        }
    }

    /// The history of a node over the last `length`. Visitors who ask while it is read wait for the same. `party`: who asks.
    pub async fn of(&self, party: Party, id: PeerId, length: Duration, grain: Grain) -> Result<Arc<History>, Refusal> {
        let key = (id, length, grain);
        if let Some(known) = self.histories.get(&key).await {
            return Ok(known);
        }
        // Each visitor has a turn of its own: nobody waits for the turn of a party that has used up its own.
        let _turn = self.readers.turn(party).await?;
        let read = async { self.read(id, length, grain).await.map(Arc::new) };
        self.histories.try_get_with(key, read).await.map_err(|refusal| Refusal::clone(&refusal))
    }

    async fn read(&self, id: PeerId, length: Duration, grain: Grain) -> Result<History, Refusal> {
        let (store, at) = (&self.store, Timestamp::now());
        let mut uptimes = Vec::with_capacity(WINDOWS.len());
        for window in WINDOWS {
            uptimes.push(store.node_stats(id, window, at).await?);
        }
        Ok(History {
            at,
            lines: chart::lines(&store.series(&[id], grain, at - length, at).await?),
            failures: store.node_failures(id, at - length, at).await?,
            regions: store.node_regions(id, at).await?,
            names: Names::read(store, Some(&self.own_name)).await?,
            incidents: store.incidents(of_node(id), PageRequest { page: 1, per_page: MAX_INCIDENTS }).await?.items,
            events: store.events(Some((EventKind::Peer, id.0)), None, MAX_CHANGES, false).await?,
            can_subscribe: self.subscriptions.are_offered().await?,
            uptimes,
        })
    }

    /// The uptime of a node over the last `window`. `party`: who asks.
    pub async fn uptime(&self, party: Party, id: PeerId, window: Duration) -> Result<Uptime, Refusal> {
        if let Some(known) = self.uptimes.get(&(id, window)).await {
            return Ok(known);
        }
        let _turn = self.readers.turn(party).await?;
        let read = async { Ok::<_, Refusal>(self.store.node_stats(id, window, Timestamp::now()).await?.uptime) };
        self.uptimes.try_get_with((id, window), read).await.map_err(|refusal| Refusal::clone(&refusal))
    }
}
