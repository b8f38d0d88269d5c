//! The histories of single nodes, which visitors read from the database.

use std::{sync::Arc, time::Duration};

use easytier_uptime_monitor::{
    OwnProbe, Party, Readers,
    public::{locations::Names, modes::Modes},
};
use easytier_uptime_store::{
    Store,
    domain::{
        DAY, Event, EventSubject, FailureCount, Grain, Incident, IncidentFilter, NodeStats, PageRequest, PeerId,
        RegionReport, Timestamp, Uptime,
    },
};

use super::chart;
use crate::{
    board::{Freshness, SharedReads},
    service::Subscriptions,
    web::Refusal,
};

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
    /// What each mode of checking last said.
    pub modes: Modes,
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
    subscriptions: Subscriptions,
    own: Own,
    histories: SharedReads<(PeerId, Duration, Grain), History>,
    uptimes: SharedReads<(PeerId, Duration), Uptime>,
}

/// This instance.
pub struct Own {
    pub name: String,
    /// The probe in its process.
    pub probe: OwnProbe,
}

fn of_node(id: PeerId) -> IncidentFilter {
    IncidentFilter { open: None, node: Some(id) }
}

impl Histories {
    pub fn new(store: Store, readers: &Readers, subscriptions: Subscriptions, freshness: Freshness, own: Own) -> Self {
        Self {
            store,
            subscriptions,
            own,
            histories: SharedReads::new(readers, freshness, HISTORIES, LIFETIME),
            uptimes: SharedReads::new(readers, freshness, UPTIMES, UPTIME_LIFETIME),
        }
    }

    /// The history of a node over the last `length`. `party`: who asks.
    pub async fn of(&self, party: Party, id: PeerId, length: Duration, grain: Grain) -> Result<Arc<History>, Refusal> {
        self.histories.get(party, (id, length, grain), self.read(id, length, grain)).await
    }

    async fn read(&self, id: PeerId, length: Duration, grain: Grain) -> Result<History, Refusal> {
        let (store, at) = (&self.store, Timestamp::now());
        let mut uptimes = Vec::with_capacity(WINDOWS.len());
        for window in WINDOWS {
            uptimes.push(store.node_stats(id, window, at).await?);
        }
        let regions = store.node_regions(id, at).await?;
        let (node, requested) = (store.node(id, at).await?, store.requested_answers(id).await?);
        Ok(History {
            at,
            modes: Modes::of(self.own.probe.name(), &regions, node.relay.as_ref(), &requested),
            lines: chart::lines(&store.series(&[id], grain, at - length, at).await?),
            failures: store.node_failures(id, at - length, at).await?,
            regions,
            names: Names::read(store, Some(&self.own.name)).await?,
            incidents: store.incidents(of_node(id), PageRequest { page: 1, per_page: MAX_INCIDENTS }).await?.items,
            events: store.events(Some(EventSubject::Peer(id)), None, MAX_CHANGES, false).await?,
            can_subscribe: self.subscriptions.are_offered().await?,
            uptimes,
        })
    }

    /// The uptime of a node over the last `window`. `party`: who asks.
    pub async fn uptime(&self, party: Party, id: PeerId, window: Duration) -> Result<Arc<Uptime>, Refusal> {
        let read = async { Ok(self.store.node_stats(id, window, Timestamp::now()).await?.uptime) };
        self.uptimes.get(party, (id, window), read).await
    }
}
