//! All nodes at one moment, with what lists need to filter and to sort them.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, OnceLock,
        atomic::{self, AtomicU64},
    },
};

use easytier_uptime_monitor::public::item::NodeItem;
use easytier_uptime_store::domain::{
    ActiveWindow, Announcement, Doubt, Event, Incident, Node, NodeFilter, NodeView, PeerId, Probe, Region,
    RegionStatus, RegionView, Timestamp, UsualUsage, Verdict,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{past::Past, seats::Seat, standing::Standing};

/// A node as lists show it. Lists of several snapshots share it as long as nothing of it changes.
#[derive(Debug)]
pub struct Shown {
    pub view: NodeView,
    /// Name, URL and description, in lower case.
    texts: Box<str>,
    /// The same, with only ASCII letters in lower case.
    ascii_texts: Box<str>,
    name_lower: Box<str>,
    /// The load in percent; infinite if it was never measured.
    load: f64,
    /// The uptime of the last 24 hours in percent; `None` without a verdict.
    uptime: Option<f64>,
    /// Load times downtime, both with an offset: downtime weighs more than load.
    cost: f64,
    /// The load that lists show for nodes whose load was never measured.
    usual: UsualUsage,
    item: OnceLock<Option<Box<RawValue>>>,
}

/// Between texts that are searched together; no search contains it.
const SEPARATOR: char = '\0';

impl Shown {
    pub fn new(view: NodeView, usual: UsualUsage) -> Self {
        let node = &view.node;
        let texts = [node.name.as_str(), &node.url.full(), &node.description].join(&SEPARATOR.to_string());
        let health = node.health_percentage_24h();
        Self {
            texts: texts.to_lowercase().into(),
            ascii_texts: texts.to_ascii_lowercase().into(),
            name_lower: node.name.to_lowercase().into(),
            load: node.usage_percentage().unwrap_or(f64::INFINITY),
            uptime: view.uptime.percentage(),
            cost: (usual.shown(node.usage_percentage()) + 10.0) * (110.0 - health),
            usual,
            item: OnceLock::new(),
            view,
        }
    }

    pub fn node(&self) -> &Node {
        &self.view.node
    }

    /// The same node among others; `None` if that makes no difference to it.
    pub fn among(&self, usual: UsualUsage) -> Option<Self> {
        let is_same = self.usual == usual || self.node().usage_percentage().is_some();
        (!is_same).then(|| Self::new(self.view.clone(), usual))
    }

    /// Usable nodes first.
    fn rank(&self) -> u8 {
        match self.node().verdict {
            Verdict::Up => 0,
            Verdict::Partial => 1,
            Verdict::Unknown => 2,
            Verdict::Down => 3,
        }
    }
}

/// A node of a snapshot, with its history.
#[derive(Debug, Clone)]
pub struct Entry {
    pub shown: Arc<Shown>,
    pub past: Arc<Past>,
    /// Differs between any two entries that differ.
    pub version: u64,
}

impl Entry {
    pub fn new(shown: Arc<Shown>, past: Arc<Past>) -> Self {
        static VERSIONS: AtomicU64 = AtomicU64::new(0);
        Self { shown, past, version: VERSIONS.fetch_add(1, atomic::Ordering::Relaxed) }
    }

    pub fn node(&self) -> &Node {
        self.shown.node()
    }

    pub fn regions(&self) -> &[RegionView] {
        &self.shown.view.regions
    }

    /// When the node's certificate expires, by the region that saw it.
    pub fn certificates(&self) -> &BTreeMap<Region, Timestamp> {
        &self.shown.view.certificates
    }

    /// The uptime of the last 24 hours in percent; `None` without a verdict.
    pub fn uptime(&self) -> Option<f64> {
        self.shown.uptime
    }

    pub fn is_active(&self) -> bool {
        matches!(self.node().verdict, Verdict::Up | Verdict::Partial)
    }

    /// The node in the public API; `None` if it cannot be written, which the log has.
    pub fn item(&self) -> Option<&RawValue> {
        let write = || {
            let item = serde_json::value::to_raw_value(&NodeItem::public(self.node().clone(), self.shown.usual));
            item.inspect_err(|error| tracing::error!(%error, node = %self.node().id, "a node cannot be written")).ok()
        };
        self.shown.item.get_or_init(write).as_deref()
    }

    /// Whether the text, in lower case, is in the name, the URL or the description.
    pub fn contains(&self, lower: &str) -> bool {
        self.shown.texts.contains(lower)
    }

    /// Whether the public API lists the node with this filter: the same rules as those of the store.
    fn matches(&self, filter: &NodeFilter, search: Option<&str>) -> bool {
        let node = self.node();
        search.is_none_or(|search| self.shown.ascii_texts.contains(search))
            && filter.is_active.is_none_or(|active| active == self.is_active())
            && filter
                .relay_measured
                .is_none_or(|wanted| node.relay.as_ref().is_some_and(|found| found.verdict == wanted))
            && filter.protocol.is_none_or(|protocol| node.url.protocol() == protocol.as_str())
            && (filter.tags.is_empty() || !filter.tags.is_disjoint(&node.tags))
    }
}

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sort {
    /// By verdict, then by reliability and load, then by latency.
    #[default]
    Best,
    Name,
    Latency,
    Uptime,
    Load,
}

impl Sort {
    pub const ALL: [Self; 5] = [Self::Best, Self::Name, Self::Latency, Self::Uptime, Self::Load];

    /// The value in the query.
    pub fn name(self) -> &'static str {
        ["best", "name", "latency", "uptime", "load"][self as usize]
    }

    /// Compares entries whose latencies are `a_latency` and `b_latency`.
    pub fn compare(self, (a, a_latency): (&Entry, Option<i64>), (b, b_latency): (&Entry, Option<i64>)) -> Ordering {
        let by_latency = || a_latency.unwrap_or(i64::MAX).cmp(&b_latency.unwrap_or(i64::MAX));
        let (a, b) = (&*a.shown, &*b.shown);
        let by_uptime = || b.uptime.unwrap_or(-1.0).total_cmp(&a.uptime.unwrap_or(-1.0));
        let by_load = || a.load.total_cmp(&b.load);
        let by_name = || a.name_lower.cmp(&b.name_lower);
        let by_verdict = || a.rank().cmp(&b.rank());
        let order = match self {
            Self::Best => by_verdict().then_with(|| a.cost.total_cmp(&b.cost)).then_with(by_latency),
            Self::Name => by_name(),
            Self::Latency => by_latency().then_with(by_verdict),
            Self::Uptime => by_uptime().then_with(by_verdict),
            Self::Load => by_verdict().then_with(by_load),
        };
        order.then_with(by_name).then_with(|| a.node().id.cmp(&b.node().id))
    }
}

/// What the nodes have, for the choices of a filter.
#[derive(Debug, Default)]
pub struct Facets {
    pub tags: BTreeSet<String>,
    pub protocols: BTreeSet<String>,
    pub regions: BTreeSet<String>,
}

/// The incidents that all visitors see.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Incidents {
    /// The newest, the open ones first.
    pub newest: Vec<Incident>,
    /// How many are open.
    pub open: u64,
}

/// The probes, the doubts about regions, and the instances.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Probes {
    pub probes: Vec<Probe>,
    pub doubts: BTreeMap<Region, Doubt>,
    pub seats: Vec<Seat>,
}

impl Probes {
    /// Whether they are the same probes in the same state: the times at which they were heard from, and their counters, change
    /// all the time.
    pub fn are_like(&self, other: &Self) -> bool {
        let state = |probe: &Probe| (probe.id, probe.region.clone(), probe.presence);
        self.seats == other.seats
            && self.doubts == other.doubts
            && self.probes.iter().map(state).eq(other.probes.iter().map(state))
    }
}

/// How many nodes a region sees in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sight {
    /// Online, and so for most other regions.
    pub online: u64,
    /// Online, but not for most other regions.
    pub partial: u64,
    pub offline: u64,
    /// Without a recent result.
    pub unknown: u64,
}

/// The nodes at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Differs between snapshots with different content.
    pub number: u64,
    /// Changes when a verdict or the list of nodes changes.
    pub news: u64,
    pub at: Timestamp,
    /// Since when it is out of date, because the database does not answer.
    pub stale_since: Option<Timestamp>,
    /// By id.
    pub entries: Vec<Entry>,
    pub probes: Arc<Probes>,
    /// The place of this instance among others.
    pub standing: Arc<Standing>,
    /// What the operator tells visitors now, the newest first.
    pub announcements: Arc<[Announcement]>,
    /// The newest incidents.
    pub incidents: Arc<Incidents>,
    /// The newest changes of nodes, the newest first.
    pub events: Arc<[Event]>,
    /// The maintenance windows that take place or begin soon, by their beginning.
    pub maintenance: Arc<[ActiveWindow]>,
    pub(super) orders: [OnceLock<Vec<u32>>; Sort::ALL.len()],
    pub(super) facets: OnceLock<Facets>,
    pub(super) sights: OnceLock<BTreeMap<Region, Sight>>,
    pub(super) counts: OnceLock<[u64; Verdict::ALL.len()]>,
}

impl Snapshot {
    pub fn entry(&self, id: PeerId) -> Option<&Entry> {
        let place = self.entries.binary_search_by_key(&id, |entry| entry.node().id).ok()?;
        self.entries.get(place)
    }

    /// All entries in an order.
    pub fn sorted(&self, sort: Sort) -> impl Iterator<Item = &Entry> {
        let order = || {
            let with_latency = |place: &u32| {
                let entry = self.entries.get(*place as usize);
                entry.map(|entry| (entry, entry.node().response_us))
            };
            let mut places: Vec<u32> = (0..self.entries.len() as u32).collect();
            places.sort_unstable_by(|a, b| match (with_latency(a), with_latency(b)) {
                (Some(a), Some(b)) => sort.compare(a, b),
                _ => Ordering::Equal,
            });
            places
        };
        let order: &[u32] = match self.orders.get(sort as usize) {
            Some(known) => known.get_or_init(order),
            None => &[],
        };
        order.iter().filter_map(|place| self.entries.get(*place as usize))
    }

    /// The entries that the public API lists with this filter.
    pub fn filtered<'a>(&'a self, filter: &'a NodeFilter) -> impl Iterator<Item = &'a Entry> {
        let search = filter.search.as_ref().map(|search| search.replace(SEPARATOR, "").to_ascii_lowercase());
        self.entries.iter().filter(move |entry| entry.matches(filter, search.as_deref()))
    }

    pub fn facets(&self) -> &Facets {
        self.facets.get_or_init(|| Facets {
            tags: self.entries.iter().flat_map(|entry| entry.node().tags.iter().map(ToString::to_string)).collect(),
            protocols: self.entries.iter().map(|entry| entry.node().url.protocol().to_owned()).collect(),
            regions: self
                .entries
                .iter()
                .flat_map(|entry| entry.regions().iter().map(|view| view.region.to_string()))
                .collect(),
        })
    }

    /// What each region sees.
    pub fn sights(&self) -> &BTreeMap<Region, Sight> {
        self.sights.get_or_init(|| {
            let mut sights: BTreeMap<Region, Sight> = BTreeMap::new();
            for entry in &self.entries {
                let is_up = entry.node().verdict == Verdict::Up;
                for view in entry.regions() {
                    let sight = sights.entry(view.region.clone()).or_default();
                    let count = match view.status {
                        Some(RegionStatus::Online) if is_up => &mut sight.online,
                        Some(RegionStatus::Online) => &mut sight.partial,
                        Some(RegionStatus::Offline) => &mut sight.offline,
                        None => &mut sight.unknown,
                    };
                    *count += 1;
                }
            }
            sights
        })
    }

    /// How many nodes have this verdict.
    pub fn count(&self, verdict: Verdict) -> u64 {
        let counts = self.counts.get_or_init(|| {
            Verdict::ALL
                .map(|verdict| self.entries.iter().filter(|entry| entry.node().verdict == verdict).count() as u64)
        });
        Verdict::ALL.iter().zip(counts).find(|(known, _)| **known == verdict).map_or(0, |(_, count)| *count)
    }
}
