//! Incidents with their timelines, which are read from the database: for all visitors who ask within some seconds once, and for few
//! visitors at the same time.

use std::{sync::Arc, time::Duration};

use easytier_uptime_monitor::{Party, Readers, Refusal};
use easytier_uptime_store::{
    Store,
    domain::{Event, EventKind, Incident, IncidentEntry, IncidentFilter, IncidentId, Page, PageRequest, PeerId},
};
use moka::future::Cache;

use super::Freshness;

/// How long what was read is shown.
const LIFETIME: Duration = Duration::from_secs(1);

/// How many lists and how many timelines are kept.
const ROOM: u64 = 256;

/// How many changes the feed of a node has at most.
const CHANGES: u32 = 50;

/// How many incidents the feed of a node has at most.
const INCIDENTS: u32 = 20;

/// What readers of one node are told.
#[derive(Debug)]
pub struct NodeNews {
    /// Its newest changes, the newest first.
    pub events: Vec<Event>,
    /// Its newest incidents.
    pub incidents: Vec<Incident>,
}

/// The incidents that were read lately. Clones share them.
#[derive(Clone)]
pub struct Chronicle {
    store: Store,
    readers: Readers,
    lists: Cache<(IncidentFilter, u32, u32), Arc<Page<Incident>>>,
    timelines: Cache<IncidentId, Arc<(Incident, Vec<IncidentEntry>)>>,
    nodes: Cache<PeerId, Arc<NodeNews>>,
}

impl Chronicle {
    /// What is read of `store`, in the turns of `readers`.
    pub fn new(store: Store, readers: Readers, freshness: Freshness) -> Self {
        // A cache without room keeps nothing.
        let room = if freshness == Freshness::Exact { 0 } else { ROOM };
        Self {
            store,
            readers,
            lists: Cache::builder().max_capacity(room).time_to_live(LIFETIME).build(),
            timelines: Cache::builder().max_capacity(room).time_to_live(LIFETIME).build(),
            nodes: Cache::builder().max_capacity(room).time_to_live(LIFETIME).build(),
        }
    }

    /// A page of incidents. `party`: who asks.
    pub async fn list(
        &self,
        party: Party,
        filter: IncidentFilter,
        page: PageRequest,
    ) -> Result<Arc<Page<Incident>>, Refusal> {
        let key = (filter, page.page, page.per_page);
        if let Some(known) = self.lists.get(&key).await {
            return Ok(known);
        }
        let _turn = self.readers.turn(party).await?;
        let read = async { Ok::<_, Refusal>(Arc::new(self.store.incidents(filter, page).await?)) };
        self.lists.try_get_with(key, read).await.map_err(|refusal| Refusal::clone(&refusal))
    }

    /// An incident and its timeline. `party`: who asks.
    pub async fn timeline(&self, party: Party, id: IncidentId) -> Result<Arc<(Incident, Vec<IncidentEntry>)>, Refusal> {
        if let Some(known) = self.timelines.get(&id).await {
            return Ok(known);
        }
        let _turn = self.readers.turn(party).await?;
        let read = async { Ok::<_, Refusal>(Arc::new(self.store.incident(id).await?)) };
        self.timelines.try_get_with(id, read).await.map_err(|refusal| Refusal::clone(&refusal))
    }

    /// What is new about a node that is listed. `party`: who asks.
    pub async fn of_node(&self, party: Party, id: PeerId) -> Result<Arc<NodeNews>, Refusal> {
        if let Some(known) = self.nodes.get(&id).await {
            return Ok(known);
        }
        let _turn = self.readers.turn(party).await?;
        let read = async {
            let events = self.store.events(Some((EventKind::Peer, id.0)), None, CHANGES, false).await?;
            let filter = IncidentFilter { open: None, node: Some(id) };
            let incidents = self.store.incidents(filter, PageRequest { page: 1, per_page: INCIDENTS }).await?.items;
            Ok::<_, Refusal>(Arc::new(NodeNews { events, incidents }))
        };
        self.nodes.try_get_with(id, read).await.map_err(|refusal| Refusal::clone(&refusal))
    }
}
