//! What the policy of alerts has to know, read from the store.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use easytier_uptime_alerts::policy::{Counts, Fresh, NodeFacts, ProbeFacts, Seen, Subject};
use easytier_uptime_store::{
    Store, StoreError,
    domain::{AlertNode, Event, EventKind, Presence, Probe, Timestamp, Verdict},
};

/// The check interval of probes that name none.
const USUAL_INTERVAL: Duration = Duration::from_secs(60);

/// The longest time for which nothing is told after a pause.
const MAX_STALENESS: Duration = Duration::from_secs(15 * 60);

/// The change that an event is; `None` for one of a newer version, and for one of relaying, which is a level to the policy.
pub(crate) fn fresh(event: &Event) -> Option<Fresh> {
    let (subject, name): (_, fn(&str) -> Option<Seen>) = match event.kind {
        EventKind::Peer => (Subject::Node(event.subject_id), seen_of_verdict),
        EventKind::Probe => (Subject::Probe(event.subject_id), seen_of_presence),
        EventKind::Relay => return None,
    };
    Some(Fresh { at: event.at.0, subject, was: name(&event.was)?, became: name(&event.became)? })
}

/// How a node with this verdict is seen.
pub(crate) fn seen(verdict: Verdict) -> Seen {
    match verdict {
        Verdict::Unknown => Seen::Unknown,
        Verdict::Down => Seen::Down,
        Verdict::Partial => Seen::Partial,
        Verdict::Up => Seen::Up,
    }
}

fn seen_of_verdict(name: &str) -> Option<Seen> {
    Verdict::ALL.into_iter().find(|verdict| verdict.as_str() == name).map(seen)
}

fn seen_of_presence(name: &str) -> Option<Seen> {
    match name {
        "online" => Some(Seen::Up),
        "offline" => Some(Seen::Down),
        _ => None,
    }
}

pub(crate) fn node_facts(nodes: Vec<AlertNode>) -> BTreeMap<i64, NodeFacts> {
    let facts = |node: AlertNode| {
        let facts = NodeFacts {
            host: node.url.host_text(),
            ip: node.url.ip(),
            name: node.name,
            tags: node.tags.into_iter().map(String::from).collect(),
            regions: node.regions.into_iter().map(String::from).collect(),
        };
        (node.id.0, facts)
    };
    nodes.into_iter().map(facts).collect()
}

/// All probes that did not expire. One that is overdue may be about to be gone, so it is not counted on.
pub(crate) fn probe_facts(probes: &[Probe]) -> BTreeMap<i64, ProbeFacts> {
    let facts = |probe: &Probe| {
        let can_check = probe.presence == Presence::Online;
        (probe.id.0, ProbeFacts { name: probe.server_id.clone(), region: probe.region.to_string(), can_check })
    };
    probes.iter().map(facts).collect()
}

/// How many nodes there are. Nodes that only regions without a probe that can check know are left out while other probes can: that
/// nothing is known about them is due to these regions, and not to the hub.
///
/// # Errors
///
/// When the database fails.
pub(crate) async fn counts(store: &Store, probes: &BTreeMap<i64, ProbeFacts>) -> Result<Counts, StoreError> {
    let counts = store.count_peers().await?;
    let unknown = counts.iter().filter(|(verdict, _)| *verdict == Verdict::Unknown);
    let all =
        Counts { nodes: counts.iter().map(|(_, count)| count).sum(), unknown: unknown.map(|(_, count)| count).sum() };
    let (lit, mut dark): (BTreeSet<_>, BTreeSet<_>) = (
        probes.values().filter(|probe| probe.can_check).map(|probe| &probe.region).collect(),
        probes.values().filter(|probe| !probe.can_check).map(|probe| probe.region.clone()).collect(),
    );
    dark.retain(|region| !lit.contains(region));
    if lit.is_empty() || dark.is_empty() {
        return Ok(all);
    }
    let (nodes, unknown) = store.count_peers_only_of(&Vec::from_iter(dark)).await?;
    Ok(Counts { nodes: all.nodes.saturating_sub(nodes), unknown: all.unknown.saturating_sub(unknown) })
}

/// The longest time between two checks of a node, by probes that run.
pub(crate) fn check_interval(store: &Store, probes: &[Probe], now: Timestamp) -> Duration {
    let is_there = |probe: &&Probe| now.since(probe.last_seen_at) < MAX_STALENESS;
    let named = probes.iter().filter(is_there).filter_map(|probe| probe.check_interval).max();
    let own = store.live_settings().intervals.map(|intervals| intervals.check);
    named.max(own).unwrap_or(USUAL_INTERVAL)
}

/// A length of time in the unit of the policy, milliseconds.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// How long it takes after a pause until what is known is current again: as long as results count.
pub(crate) fn staleness(store: &Store, check_interval: Duration) -> Duration {
    let policy = store.live_settings().policy;
    policy.min_fresh.max(check_interval.saturating_mul(policy.fresh_intervals)).min(MAX_STALENESS)
}
