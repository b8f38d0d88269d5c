//! One step: reads what changed, and stores what follows for incidents.

use std::collections::{BTreeMap, BTreeSet};

use easytier_uptime_alerts::{
    Cause,
    incident::{Entry, Facts, Incident, LostProbe, Member, Sights, State, Step, Waiting, What, step},
    policy::{Fresh, Key, Seen, Subject},
};
use easytier_uptime_store::{
    Store, StoreError,
    domain::{
        IncidentId, IncidentNews, IncidentPlan, IncidentStep, NewIncidentEntry, PeerId, PlannedIncident, PlannedNode,
        RegionStatus, Sight, Timestamp,
    },
};
use serde::{Deserialize, Serialize};

use crate::service::{
    alerts::{check_interval, counts, fresh, millis, node_facts, probe_facts, seen, staleness},
    incidents::{Detail, seen_by_regions},
};

/// How many events one step takes at most.
const MAX_EVENTS: u32 = 1000;

/// Of how many nodes one step asks how each region sees them.
const MAX_SIGHTS: usize = 500;

/// How many nodes an entry names.
const NAMED: usize = 20;

/// How old a change may be for what the regions see now to be what they saw then, in milliseconds.
const SEEN_WITH: i64 = 120_000;

/// How often open incidents are compared with the nodes, in milliseconds.
const COMPARE_INTERVAL: i64 = 60_000;

/// What the store keeps as one text.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Stored {
    waiting: BTreeMap<i64, Waiting>,
    lost: Vec<LostProbe>,
}

/// What the store keeps of an incident as one text.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct StoredIncident {
    joined_at: i64,
}

/// Reads what changed, and stores what follows. [`record`](super::record) lets it look each second.
pub struct Recorder {
    store: Store,
    known: Option<Known>,
}

/// What it knows from the step before. All of it can be read again.
struct Known {
    step: i64,
    acknowledged: (i64, i64),
    next_at: Option<i64>,
}

impl Recorder {
    /// A recorder that knows nothing yet.
    pub fn new(store: Store) -> Self {
        Self { store, known: None }
    }

    /// Reads everything at the next step.
    pub fn forget(&mut self) {
        self.known = None;
    }

    /// Looks once.
    ///
    /// # Errors
    ///
    /// When the database fails. Nothing was stored then, or all of the step.
    pub async fn step(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let Some(news) = self.store.incident_news(MAX_EVENTS).await? else {
            self.forget();
            return Ok(());
        };
        let is_same = |known: &Known| known.step == news.plan.step && known.acknowledged == news.acknowledged;
        if let Some(known) = self.known.take().filter(is_same)
            && news.newest_event == news.plan.cursor
            && known.next_at.is_none_or(|at| at > now.0)
        {
            self.known = Some(known);
            return Ok(());
        }
        let (plan, next_at) = self.plan(&news, now).await?;
        let is_new = plan.plan != news.plan || !plan.incidents.is_empty() || !plan.left.is_empty();
        let mut stored = news.plan.step;
        if is_new {
            match self.store.store_incident_step(news.plan.step, &plan, now).await {
                Ok(()) => stored += 1,
                // Another hub records now, or an operator closed an incident.
                Err(StoreError::DutyLost(_) | StoreError::Overtaken) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.known = Some(Known { step: stored, acknowledged: news.acknowledged, next_at });
        Ok(())
    }

    async fn plan(&self, news: &IncidentNews, now: Timestamp) -> Result<(IncidentStep, Option<i64>), StoreError> {
        let mut state = self.state(&news.plan).await?;
        let changes: Vec<Fresh> = news.events.iter().filter_map(fresh).collect();
        let changed = changes.iter().filter_map(|change| change.subject.node());
        let moving: BTreeSet<i64> = changed.chain(state.waiting.keys().copied()).collect();
        let members = state.open.values().flat_map(|one| one.members.keys()).copied();
        let ids: BTreeSet<i64> = members.chain(moving.iter().copied()).collect();
        let nodes = self.store.alert_nodes(ids.iter().copied().collect()).await?;
        let levels: BTreeMap<i64, (Seen, i64)> =
            nodes.iter().map(|node| (node.id.0, (seen(node.verdict), node.since.0))).collect();
        let is_complete = news.events.len() < MAX_EVENTS as usize;
        let asked: Vec<PeerId> = moving.into_iter().take(MAX_SIGHTS).map(PeerId).collect();
        let sights = self.store.sights(&asked).await?;
        let probes = self.store.probes(now).await?;
        let interval = check_interval(&self.store, &probes, now);
        let maintained = self.store.peers_in_maintenance(now).await?.into_keys().map(|peer| peer.0).collect();
        let probes = probe_facts(&probes);
        let facts = Facts {
            nodes: &node_facts(nodes),
            levels: is_complete.then_some(&levels),
            sights: &by_node(&sights),
            probes: &probes,
            counts: counts(&self.store, &probes).await?,
            maintained: &maintained,
            acknowledged: &self.acknowledged(state.open.is_empty()).await?,
            staleness: millis(staleness(&self.store, interval)),
        };
        let done = step(&mut state, &changes, &facts, now.0);
        let compare_at = (!state.open.is_empty() || !state.waiting.is_empty()).then_some(now.0 + COMPARE_INTERVAL);
        let next_at = [done.next_at, compare_at, (!is_complete).then_some(now.0)].into_iter().flatten().min();
        let last = news.events.last().map_or(0, |event| event.id);
        let cursor = news.plan.cursor.max(last).max(if is_complete { news.newest_event } else { 0 });
        Ok((incident_step(&state, done, &sights, IncidentPlan { cursor, ..news.plan.clone() }, now), next_at))
    }

    async fn state(&self, plan: &IncidentPlan) -> Result<State, StoreError> {
        let Stored { waiting, lost } = serde_json::from_str(&plan.state).unwrap_or_default();
        let open = self.store.open_incidents().await?.into_iter().map(|one| (one.id.0, known(one))).collect();
        Ok(State { open, waiting, lost, last_id: plan.last_id })
    }

    /// The nodes that somebody takes care of. `none`: nobody asks.
    async fn acknowledged(&self, none: bool) -> Result<BTreeMap<i64, (String, i64)>, StoreError> {
        if none {
            return Ok(BTreeMap::new());
        }
        let mut acknowledged: BTreeMap<i64, (String, i64)> = BTreeMap::new();
        for condition in self.store.alert_conditions().await? {
            let subject = condition.key.parse::<Key>().ok().map(|key| key.subject);
            if let (Some((by, at)), Some(Subject::Node(id))) = (condition.acknowledged, subject)
                && acknowledged.get(&id).is_none_or(|(_, known)| *known < at.0)
            {
                acknowledged.insert(id, (by, at.0));
            }
        }
        Ok(acknowledged)
    }
}

fn by_node(sights: &[Sight]) -> BTreeMap<i64, Sights> {
    let mut nodes: BTreeMap<i64, Sights> = BTreeMap::new();
    for sight in sights {
        let of = nodes.entry(sight.peer.0).or_default();
        let seen = if sight.status == RegionStatus::Online { &mut of.online } else { &mut of.offline };
        seen.insert(sight.region.to_string());
    }
    nodes
}

/// The incident, as the policy knows it.
fn known(stored: PlannedIncident) -> Incident {
    let StoredIncident { joined_at } = serde_json::from_str(&stored.state).unwrap_or_default();
    let member = |node: PlannedNode| Some((node.peer.0, serde_json::from_str::<Member>(&node.state).ok()?));
    Incident {
        opened_at: stored.opened_at.0,
        joined_at,
        cause: stored.cause.and_then(|cause| serde_json::from_str::<Cause>(&cause).ok()),
        members: stored.nodes.into_iter().filter_map(member).collect(),
        entries: stored.changes,
    }
}

fn incident_step(state: &State, done: Step, sights: &[Sight], plan: IncidentPlan, now: Timestamp) -> IncidentStep {
    let open = done.changed.iter().filter_map(|id| Some(planned(*id, state.open.get(id)?, None)));
    let closed = done.closed.iter().map(|(id, incident, at)| planned(*id, incident, Some(*at)));
    let stored = Stored { waiting: state.waiting.clone(), lost: state.lost.clone() };
    IncidentStep {
        plan: IncidentPlan { last_id: state.last_id, state: text(&stored), ..plan },
        incidents: open.chain(closed).collect(),
        left: done.left.iter().map(|(id, node)| (IncidentId(*id), PeerId(*node))).collect(),
        entries: done.entries.into_iter().map(|entry| new_entry(entry, sights, now)).collect(),
    }
}

fn planned(id: i64, incident: &Incident, closed_at: Option<i64>) -> PlannedIncident {
    let node = |(id, member): (&i64, &Member)| PlannedNode {
        peer: PeerId(*id),
        verdict: member.seen.name().to_owned(),
        since: Timestamp(member.since),
        state: text(member),
    };
    PlannedIncident {
        id: IncidentId(id),
        opened_at: Timestamp(incident.opened_at),
        well_at: incident.well_at().map(Timestamp),
        closed_at: closed_at.map(Timestamp),
        cause: incident.cause.as_ref().map(text),
        changes: incident.entries,
        state: text(&StoredIncident { joined_at: incident.joined_at }),
        nodes: incident.members.iter().map(node).collect(),
    }
}

fn new_entry(entry: Entry, sights: &[Sight], now: Timestamp) -> NewIncidentEntry {
    let Entry { incident, at, what, mut nodes } = entry;
    let count = nodes.len() as u64;
    let (kind, verdict, by) = match what {
        What::Opened(seen) => ("opened", Some(seen), None),
        What::Joined(seen) => ("joined", Some(seen), None),
        What::Changed(seen) => ("changed", Some(seen), None),
        What::Acknowledged(by) => ("acknowledged", None, Some(by)),
        What::Closed => ("closed", None, None),
    };
    let is_recent = verdict.is_some() && now.0 - at < SEEN_WITH;
    let seen = sights.iter().filter(|sight| is_recent && nodes.contains(&sight.peer.0));
    let regions = seen_by_regions(seen);
    nodes.truncate(NAMED);
    NewIncidentEntry {
        incident: IncidentId(incident),
        at: Timestamp(at),
        kind,
        detail: text(&Detail { verdict: verdict.map(|seen| seen.name().to_owned()), nodes: count, by, regions }),
        nodes: nodes.into_iter().map(PeerId).collect(),
    }
}

/// Plain values always become JSON.
fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "{}".to_owned())
}
