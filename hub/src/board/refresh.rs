//! What changed in the database since the last snapshot, and the next snapshot from it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use easytier_uptime_store::{
    Store, StoreError,
    domain::{
        ActiveWindow, Announcement, DAY, Event, IncidentFilter, NodeView, PageRequest, PeerId, Pulse, QUARTER,
        Timestamp, UsualUsage,
    },
};
use tokio::time::{Instant, timeout};

use super::{
    past::{self, Past, Reach},
    seats,
    snapshot::{Entry, Incidents, Probes, Shown, Snapshot},
    standing::Standing,
};

use crate::service::OwnInstance;

/// How often all nodes are read at least: their latencies and the times of their last checks change with every result.
const FIGURES_INTERVAL: Duration = Duration::from_secs(15);

/// All nodes are read again after this many times the time that it took the last time, or after [`FIGURES_INTERVAL`]: a small
/// hub has new figures every second.
const FIGURES_FACTOR: u32 = 100;

/// The same after a change of the list, which nobody should wait for.
const LIST_FACTOR: u32 = 10;

/// The maximum time to look whether something changed, and to read what changed.
const POLL_TIMEOUT: Duration = Duration::from_secs(5);
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the database may fail before the nodes are called out of date.
const GRACE: Duration = Duration::from_secs(5);

/// How many nodes are read at once when all are read.
const PART: u32 = 1000;

/// How many nodes' histories are read at once.
const PAST_PART: usize = 100;

/// The length of the shortest buckets of a history.
const BUCKET: Duration = Duration::from_secs(300);

/// In so many buckets every history is read again as a whole, for results that arrived late.
const ROUND: i64 = 12;

/// How far ahead maintenance is announced.
const AHEAD: Duration = DAY.saturating_mul(14);

/// The number of incidents in the feed.
const INCIDENTS: u32 = 30;

/// The number of changes in the feed.
const EVENTS: u32 = 50;

/// How current the nodes are that visitors see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Freshness {
    /// A second or so behind the database. No visitor waits for the database.
    #[default]
    Behind,
    /// Each visitor waits for a snapshot of their own, so that a test sees what it stored.
    Exact,
}

/// How much of the database is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// All nodes.
    All,
    /// What changed since the last time.
    WhatChanged,
    /// All nodes, unless there is a snapshot already.
    IfNone,
}

/// The parts of the next snapshot.
pub struct Making {
    freshness: Freshness,
    own: OwnInstance,
    /// What the parts were read at; `None` before the first time.
    pulse: Option<Pulse>,
    at: Timestamp,
    read_all_at: Option<Instant>,
    /// How long it took to read all nodes.
    took: Duration,
    failing_since: Option<Instant>,
    shown: BTreeMap<PeerId, Arc<Shown>>,
    usual: UsualUsage,
    pasts: HashMap<PeerId, Arc<Past>>,
    /// Of nodes whose history was not read yet.
    no_past: Arc<Past>,
    /// The bucket up to which the histories are complete.
    past_bucket: i64,
    probes: Arc<Probes>,
    standing: Arc<Standing>,
    announcements: Arc<[Announcement]>,
    incidents: Arc<Incidents>,
    /// What the incidents were read at: their revision, and the list of nodes.
    incidents_at: Option<(i64, (i64, i64))>,
    events: Arc<[Event]>,
    maintenance: Arc<[ActiveWindow]>,
    /// Counts changes of verdicts, of the list, of the place of this instance, of announcements and incidents, and of whether all that is out of
    /// date.
    news: u64,
}

impl Making {
    pub fn new(freshness: Freshness, own: OwnInstance) -> Self {
        Self {
            freshness,
            own,
            pulse: None,
            at: Timestamp(0),
            read_all_at: None,
            took: Duration::ZERO,
            failing_since: None,
            shown: BTreeMap::new(),
            usual: UsualUsage::default(),
            pasts: HashMap::new(),
            no_past: Arc::default(),
            past_bucket: 0,
            probes: Arc::default(),
            standing: Arc::default(),
            announcements: Arc::new([]),
            incidents: Arc::default(),
            incidents_at: None,
            events: Arc::new([]),
            maintenance: Arc::new([]),
            news: 0,
        }
    }

    pub async fn refresh(&mut self, store: &Store, depth: Depth) -> Result<(), StoreError> {
        if depth == Depth::IfNone && self.pulse.is_some() {
            return Ok(());
        }
        let started = Instant::now();
        let read = timeout(READ_TIMEOUT, self.read(store, depth)).await;
        let outcome = read.unwrap_or(Err(StoreError::Unavailable));
        match &outcome {
            Ok(()) => self.failing_since = None,
            Err(_) => {
                self.failing_since.get_or_insert(started);
            }
        }
        outcome
    }

    async fn read(&mut self, store: &Store, depth: Depth) -> Result<(), StoreError> {
        // Before the nodes: what changes in between is read again.
        let now = Timestamp::now();
        let pulse = timeout(POLL_TIMEOUT, store.pulse()).await.unwrap_or(Err(StoreError::Unavailable))?;
        let known = self.pulse.unwrap_or_default();
        let has_events = pulse.event != known.event;
        if depth != Depth::WhatChanged || self.must_read_all(pulse, now) {
            self.read_all(store, now).await?;
            self.pulse = Some(pulse);
        } else if has_events {
            let changed = store.peers_with_events(known.event, pulse.event).await?;
            for ids in changed.chunks(PART as usize) {
                let views = store.views_of(ids, now).await?;
                ids.iter().for_each(|id| drop(self.shown.remove(id)));
                self.shown.extend(views.into_iter().map(|view| (view.node.id, Arc::new(Shown::new(view, self.usual)))));
            }
            self.compare_loads();
            self.read_probes(store, now).await?;
            self.pulse = Some(Pulse { event: pulse.event, ..known });
        }
        let maintenance = store.coming_maintenance(now, AHEAD).await?;
        if *maintenance != *self.maintenance {
            self.maintenance = maintenance.into();
        }
        if self.pulse != Some(known) || self.news == 0 {
            self.events = store.peer_events(EVENTS).await?.into();
            self.news += 1;
        }
        self.read_announcements(store, now).await?;
        self.read_incidents(store, pulse.list).await?;
        self.at = now;
        Ok(())
    }

    async fn read_announcements(&mut self, store: &Store, now: Timestamp) -> Result<(), StoreError> {
        let mut current = store.announcements().await?;
        current.retain(|announcement| announcement.is_current(now));
        if *current != *self.announcements {
            self.announcements = current.into();
            self.news += 1;
        }
        Ok(())
    }

    /// `list`: the version of the list of nodes, by which some incidents are left out.
    async fn read_incidents(&mut self, store: &Store, list: (i64, i64)) -> Result<(), StoreError> {
        let at = Some((store.incident_revision().await?, list));
        if at == self.incidents_at {
            return Ok(());
        }
        let open = IncidentFilter { open: Some(true), node: None };
        let open = store.incidents(open, PageRequest { page: 1, per_page: 1 }).await?.total;
        let newest = store.incidents(IncidentFilter::default(), PageRequest { page: 1, per_page: INCIDENTS }).await?;
        let incidents = Incidents { newest: newest.items, open };
        if incidents != *self.incidents {
            self.incidents = Arc::new(incidents);
            self.news += 1;
        }
        self.incidents_at = at;
        Ok(())
    }

    /// Whether all nodes are due, and the last time is long enough ago.
    fn must_read_all(&self, pulse: Pulse, now: Timestamp) -> bool {
        let (Some(known), Some(read_at)) = (self.pulse, self.read_all_at) else { return true };
        let is_other_list = pulse.list != known.list
            || pulse.maintenance != known.maintenance
            || now.bucket(QUARTER) != self.at.bucket(QUARTER);
        let pause = match is_other_list {
            true => self.took * LIST_FACTOR,
            false => (self.took * FIGURES_FACTOR).min(FIGURES_INTERVAL).max(self.took * LIST_FACTOR),
        };
        read_at.elapsed() >= pause
    }

    async fn read_all(&mut self, store: &Store, now: Timestamp) -> Result<(), StoreError> {
        let started = Instant::now();
        let mut shown = BTreeMap::new();
        let mut after = PeerId(0);
        loop {
            let views = store.views_after(after, PART, now).await?;
            let is_last = views.len() < PART as usize;
            for view in views {
                after = view.node.id;
                shown.insert(after, self.shared(view));
            }
            if is_last {
                break;
            }
        }
        self.shown = shown;
        self.compare_loads();
        self.pasts.retain(|id, _| self.shown.contains_key(id));
        self.read_probes(store, now).await?;
        (self.read_all_at, self.took) = (Some(started), started.elapsed());
        Ok(())
    }

    /// The node as it is known, if nothing of it changed.
    fn shared(&self, view: NodeView) -> Arc<Shown> {
        match self.shown.get(&view.node.id) {
            Some(known) if known.view == view => Arc::clone(known),
            _ => Arc::new(Shown::new(view, self.usual)),
        }
    }

    /// Brings the loads that are shown for want of measured ones up to date.
    fn compare_loads(&mut self) {
        self.usual = UsualUsage::of(self.shown.values().filter_map(|shown| shown.node().usage_percentage()));
        for shown in self.shown.values_mut() {
            if let Some(other) = shown.among(self.usual) {
                *shown = Arc::new(other);
            }
        }
    }

    async fn read_probes(&mut self, store: &Store, now: Timestamp) -> Result<(), StoreError> {
        let mut regions = self.shown.values().flat_map(|shown| &shown.view.regions);
        let doubts = if regions.any(|view| view.is_in_doubt) { store.doubts().await? } else { BTreeMap::new() };
        let seats = seats::read(store, &self.own, now).await?;
        self.probes = Arc::new(Probes { probes: store.probes(now).await?, doubts, seats });
        Ok(())
    }

    /// Notes the place of this instance among others.
    pub fn stand(&mut self, standing: Standing) {
        if *self.standing != standing {
            self.standing = Arc::new(standing);
            self.news += 1;
        }
    }

    /// The next snapshot; `None` before the nodes were read, and if it were the same as the last one.
    pub fn next(&mut self, last: Option<&Snapshot>) -> Option<Snapshot> {
        self.pulse?;
        let grace = if self.freshness == Freshness::Exact { Duration::ZERO } else { GRACE };
        let is_stale = self.failing_since.is_some_and(|since| since.elapsed() >= grace);
        let stale_since = is_stale.then_some(self.at);
        let entry = |(id, shown): (&PeerId, &Arc<Shown>)| {
            let past = self.pasts.get(id).unwrap_or(&self.no_past);
            let known = last.and_then(|last| last.entry(*id));
            let is_same = |known: &&Entry| Arc::ptr_eq(&known.shown, shown) && Arc::ptr_eq(&known.past, past);
            known.filter(is_same).cloned().unwrap_or_else(|| Entry::new(Arc::clone(shown), Arc::clone(past)))
        };
        let entries: Vec<Entry> = self.shown.iter().map(entry).collect();
        let Some(last) = last else {
            return Some(self.snapshot(1, entries, stale_since));
        };
        let versions = |entries: &[Entry]| entries.iter().map(|entry| entry.version).collect::<Vec<_>>();
        let is_same = stale_since == last.stale_since
            && self.at.bucket(QUARTER) == last.at.bucket(QUARTER)
            && self.events == last.events
            && self.maintenance == last.maintenance
            && self.probes.are_like(&last.probes)
            && self.standing == last.standing
            && self.announcements == last.announcements
            && self.incidents == last.incidents
            && versions(&entries) == versions(&last.entries);
        if is_same && Arc::ptr_eq(&self.probes, &last.probes) {
            return None;
        }
        if stale_since.is_some() != last.stale_since.is_some() {
            self.news += 1;
        }
        Some(self.snapshot(last.number + u64::from(!is_same), entries, stale_since))
    }

    fn snapshot(&self, number: u64, entries: Vec<Entry>, stale_since: Option<Timestamp>) -> Snapshot {
        Snapshot {
            number,
            news: self.news,
            at: self.at,
            stale_since,
            entries,
            probes: Arc::clone(&self.probes),
            standing: Arc::clone(&self.standing),
            announcements: Arc::clone(&self.announcements),
            incidents: Arc::clone(&self.incidents),
            events: Arc::clone(&self.events),
            maintenance: Arc::clone(&self.maintenance),
            ..Snapshot::default()
        }
    }

    /// The histories that are due. `all`: every history, as a whole.
    pub fn pasts_due(&self, all: bool) -> Option<PastsDue> {
        self.pulse?;
        let now = Timestamp::now();
        let bucket = now.bucket(BUCKET);
        let reach = |id: PeerId| match self.pasts.contains_key(&id) {
            true if !all && bucket == self.past_bucket => None,
            true if !all && id.0.rem_euclid(ROUND) != bucket.rem_euclid(ROUND) => Some(Reach::Recent),
            _ => Some(Reach::All),
        };
        let mut due = PastsDue { now, bucket, all: Vec::new(), recent: Vec::new(), known: HashMap::new() };
        for id in self.shown.keys() {
            match reach(*id) {
                Some(Reach::All) => due.all.push(*id),
                Some(Reach::Recent) => due.recent.push(*id),
                None => {}
            }
        }
        if !due.recent.is_empty() {
            due.known = self.pasts.clone();
        }
        (!due.all.is_empty() || !due.recent.is_empty()).then_some(due)
    }

    pub fn add_pasts(&mut self, read: HashMap<PeerId, Past>) {
        for (id, past) in read {
            if !self.pasts.get(&id).is_some_and(|known| **known == past) {
                self.pasts.insert(id, Arc::new(past));
            }
        }
    }

    pub fn pasts_done(&mut self, due: &PastsDue) {
        self.past_bucket = due.bucket;
    }
}

/// Histories to read.
pub struct PastsDue {
    now: Timestamp,
    bucket: i64,
    all: Vec<PeerId>,
    recent: Vec<PeerId>,
    known: HashMap<PeerId, Arc<Past>>,
}

impl PastsDue {
    /// The nodes in parts, so that other readers of the database get their turn in between.
    pub fn parts(&self) -> impl Iterator<Item = (Reach, &[PeerId])> {
        let parts = |reach, ids| <[PeerId]>::chunks(ids, PAST_PART).map(move |part| (reach, part));
        parts(Reach::All, &self.all).chain(parts(Reach::Recent, &self.recent))
    }

    pub async fn read(
        &self,
        store: &Store,
        (reach, ids): (Reach, &[PeerId]),
    ) -> Result<HashMap<PeerId, Past>, StoreError> {
        past::read(store, ids, |id| self.known.get(&id).cloned(), reach, self.now).await
    }
}
