//! Incidents with their timelines, which visitors read from the database.

use std::{sync::Arc, time::Duration};

use easytier_uptime_monitor::{Party, Readers, Refusal};
use easytier_uptime_store::{
    Store,
    domain::{Event, EventSubject, Incident, IncidentEntry, IncidentFilter, IncidentId, Page, PageRequest, PeerId},
};

use super::{Freshness, shared_reads::SharedReads};

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
    lists: SharedReads<(IncidentFilter, u32, u32), Page<Incident>>,
    timelines: SharedReads<IncidentId, (Incident, Vec<IncidentEntry>)>,
    nodes: SharedReads<PeerId, NodeNews>,
}

impl Chronicle {
    /// What is read of `store`, in the turns of `readers`.
    pub fn new(store: Store, readers: &Readers, freshness: Freshness) -> Self {
        Self {
            store,
            lists: SharedReads::new(readers, freshness, ROOM, LIFETIME),
            timelines: SharedReads::new(readers, freshness, ROOM, LIFETIME),
            nodes: SharedReads::new(readers, freshness, ROOM, LIFETIME),
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
        self.lists.get(party, key, async { Ok(self.store.incidents(filter, page).await?) }).await
    }

    /// An incident and its timeline. `party`: who asks.
    pub async fn timeline(&self, party: Party, id: IncidentId) -> Result<Arc<(Incident, Vec<IncidentEntry>)>, Refusal> {
        self.timelines.get(party, id, async { Ok(self.store.incident(id).await?) }).await
    }

    /// What is new about a node that is listed. `party`: who asks.
    pub async fn of_node(&self, party: Party, id: PeerId) -> Result<Arc<NodeNews>, Refusal> {
        let read = async {
            let events = self.store.events(Some(EventSubject::Peer(id)), None, CHANGES, false).await?;
            let filter = IncidentFilter { open: None, node: Some(id) };
            let incidents = self.store.incidents(filter, PageRequest { page: 1, per_page: INCIDENTS }).await?.items;
            Ok(NodeNews { events, incidents })
        };
        self.nodes.get(party, id, read).await
    }
}
