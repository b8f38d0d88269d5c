//! Incidents, with the time of the test.

mod properties;

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{
    Cause,
    policy::{Fresh, Subject},
};

const MINUTE: i64 = 60 * SECOND;
const START: i64 = 1_800_000_000_000;

/// Nodes that are up, and a probe in each of two regions.
#[derive(Clone)]
struct World {
    now: i64,
    state: State,
    nodes: BTreeMap<i64, NodeFacts>,
    seen: BTreeMap<i64, Seen>,
    probes: BTreeMap<i64, ProbeFacts>,
    sights: BTreeMap<i64, Sights>,
    maintained: BTreeSet<i64>,
    acknowledged: BTreeMap<i64, (String, i64)>,
    fresh: Vec<Fresh>,
    entries: Vec<Entry>,
    closed: Vec<(i64, Incident, i64)>,
}

impl World {
    /// `hosts`: those of the nodes 1, 2, …
    fn new(hosts: &[&str]) -> Self {
        let node = |host: &str| NodeFacts { host: host.into(), ip: host.parse().ok(), ..NodeFacts::default() };
        let nodes: BTreeMap<i64, NodeFacts> = (1..).zip(hosts.iter().map(|host| node(host))).collect();
        let probe = |region: &str| ProbeFacts { name: "p".into(), region: region.into(), can_check: true };
        Self {
            now: START,
            state: State::default(),
            seen: nodes.keys().map(|id| (*id, Seen::Up)).collect(),
            nodes,
            probes: [(1, probe("eu")), (2, probe("us"))].into(),
            sights: BTreeMap::new(),
            maintained: BTreeSet::new(),
            acknowledged: BTreeMap::new(),
            fresh: Vec::new(),
            entries: Vec::new(),
            closed: Vec::new(),
        }
    }

    fn node(&mut self, id: i64, became: Seen) {
        let was = self.seen.insert(id, became).unwrap_or(Seen::Unknown);
        if was != became {
            self.fresh.push(Fresh { at: self.now, subject: Subject::Node(id), was, became });
        }
    }

    fn probe(&mut self, id: i64, becomes: bool) {
        self.probes.get_mut(&id).unwrap().can_check = becomes;
        let (was, became) = if becomes { (Seen::Down, Seen::Up) } else { (Seen::Up, Seen::Down) };
        self.fresh.push(Fresh { at: self.now, subject: Subject::Probe(id), was, became });
    }

    fn step(&mut self) -> Option<i64> {
        let unknown = self.seen.values().filter(|seen| **seen == Seen::Unknown).count() as u64;
        let facts = Facts {
            nodes: &self.nodes,
            levels: None,
            sights: &self.sights,
            probes: &self.probes,
            counts: Counts { nodes: self.seen.len() as u64, unknown },
            maintained: &self.maintained,
            acknowledged: &self.acknowledged,
            staleness: MINUTE,
        };
        let step = step(&mut self.state, &std::mem::take(&mut self.fresh), &facts, self.now);
        self.entries.extend(step.entries);
        self.closed.extend(step.closed);
        step.next_at
    }

    /// Steps once a second.
    fn run(&mut self, length: i64) {
        for _ in 0..length / SECOND {
            self.now += SECOND;
            self.step();
        }
    }

    /// The nodes of the open incidents.
    fn open(&self) -> Vec<Vec<i64>> {
        self.state.open.values().map(|one| one.members.keys().copied().collect()).collect()
    }

    fn whats(&self) -> Vec<(&What, &[i64])> {
        self.entries.iter().map(|entry| (&entry.what, entry.nodes.as_slice())).collect()
    }
}

fn regions(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn an_outage_of_one_node_opens_an_incident_that_closes_after_ten_quiet_minutes() {
    let mut world = World::new(&["a.example", "b.example"]);
    world.node(1, Seen::Down);
    world.run(GATHER);
    assert_eq!(world.open(), [[1]]);
    world.run(5 * MINUTE);
    let well_at = world.now;
    world.node(1, Seen::Up);
    world.run(QUIET);
    assert_eq!(world.open(), [[0; 0]; 0]);
    let (id, incident, closed_at) = &world.closed[0];
    assert_eq!((*id, incident.opened_at, incident.well_at(), *closed_at), (1, START, Some(well_at), well_at + QUIET));
    let whats = [(&What::Opened(Seen::Down), &[1][..]), (&What::Changed(Seen::Up), &[1]), (&What::Closed, &[])];
    assert_eq!(world.whats(), whats);
    assert_eq!(world.entries[0].at, START);
}

#[test]
fn what_shares_a_host_or_a_network_is_one_incident_and_joins_it_for_some_minutes() {
    let mut world = World::new(&["192.0.2.1", "192.0.2.1", "192.0.2.9", "198.51.100.1", "192.0.2.77", "a", "a"]);
    for id in [1, 2, 3, 4] {
        world.node(id, Seen::Down);
    }
    world.run(MINUTE);
    assert_eq!(world.open(), [vec![1, 2, 3], vec![4]]);
    assert_eq!(world.state.open[&1].cause, Some(Cause::Network("192.0.2.0/24".into())));
    assert_eq!(world.state.open[&2].cause, None);
    world.node(5, Seen::Partial);
    world.node(6, Seen::Down);
    world.run(MINUTE);
    world.node(7, Seen::Down);
    world.run(MINUTE);
    assert_eq!(world.open(), [vec![1, 2, 3, 5], vec![4], vec![6, 7]]);
    assert_eq!(world.state.open[&3].cause, Some(Cause::Host("a".into())));
    // Much later it is another trouble.
    let mut late = World::new(&["a", "a"]);
    late.node(1, Seen::Down);
    late.run(JOIN + MINUTE);
    late.node(2, Seen::Down);
    late.run(MINUTE);
    assert_eq!(late.open(), [[1], [2]]);
}

#[test]
fn what_one_region_alone_does_not_see_is_one_incident() {
    let mut world = World::new(&["a", "b", "c"]);
    for id in [1, 2] {
        world.sights.insert(id, Sights { online: regions(&["eu"]), offline: regions(&["us"]) });
        world.node(id, Seen::Partial);
    }
    world.sights.insert(3, Sights { online: regions(&[]), offline: regions(&["eu", "us"]) });
    world.node(3, Seen::Down);
    world.run(MINUTE);
    assert_eq!(world.open(), [vec![1, 2], vec![3]]);
    assert_eq!(world.state.open[&1].cause, Some(Cause::Region("us".into())));
}

#[test]
fn what_changes_because_a_probe_stopped_is_one_incident() {
    let mut world = World::new(&["a", "b", "c"]);
    world.probe(2, false);
    for id in [1, 2, 3] {
        world.sights.insert(id, Sights { online: regions(&[]), offline: regions(&["eu"]) });
        world.node(id, Seen::Down);
    }
    world.run(MINUTE);
    assert_eq!(world.open(), [[1, 2, 3]]);
    assert_eq!(world.state.open[&1].cause, Some(Cause::Probe { id: 2, region: "us".into() }));
}

#[test]
fn a_node_that_flaps_is_one_incident_with_a_bounded_timeline() {
    let mut world = World::new(&["a"]);
    for _ in 0..200 {
        world.node(1, Seen::Down);
        world.run(20 * SECOND);
        world.node(1, Seen::Up);
        world.run(20 * SECOND);
    }
    assert_eq!((world.open(), world.closed.len()), (vec![vec![1]], 0));
    assert_eq!((world.entries.len(), world.state.open[&1].entries), (MAX_ENTRIES as usize, 400));
    world.run(QUIET);
    assert_eq!((world.open().len(), world.closed.len()), (0, 1));
    assert_eq!(world.entries.last().unwrap().what, What::Closed);
}

#[test]
fn a_blip_that_is_over_at_once_is_an_incident_that_ends() {
    let mut world = World::new(&["a"]);
    world.node(1, Seen::Down);
    world.run(3 * SECOND);
    world.node(1, Seen::Up);
    world.run(MINUTE);
    assert_eq!(world.open(), [[1]]);
    assert_eq!(world.state.open[&1].well_at(), Some(START + 3 * SECOND));
    world.run(QUIET);
    assert_eq!(world.closed.len(), 1);
}

#[test]
fn maintenance_opens_nothing_and_what_lasts_longer_does_afterwards() {
    let mut world = World::new(&["a", "b"]);
    world.maintained = [1, 2].into();
    world.node(1, Seen::Down);
    world.node(2, Seen::Down);
    world.run(10 * MINUTE);
    world.node(2, Seen::Up);
    world.run(10 * MINUTE);
    assert_eq!(world.open().len() + world.closed.len(), 0);
    world.maintained.clear();
    let end = world.now;
    world.run(MINUTE);
    assert_eq!(world.open(), [[1]]);
    assert!(world.state.open[&1].opened_at >= end - LOOK_AGAIN);
}

#[test]
fn unknown_opens_an_incident_only_where_probes_could_know() {
    let mut world = World::new(&["a", "b", "c", "d"]);
    world.node(1, Seen::Unknown);
    world.run(UNKNOWN_HOLD);
    assert_eq!(world.open(), [[1]]);
    // No probe reports any more.
    let mut blind = World::new(&["a", "b", "c", "d"]);
    blind.probe(1, false);
    blind.probe(2, false);
    (1..=4).for_each(|id| blind.node(id, Seen::Unknown));
    blind.run(30 * MINUTE);
    assert_eq!(blind.open().len() + blind.closed.len(), 0);
    blind.probe(1, true);
    blind.run(20 * SECOND);
    (1..=3).for_each(|id| blind.node(id, Seen::Up));
    blind.node(4, Seen::Down);
    blind.run(5 * MINUTE);
    assert_eq!(blind.open(), [[4]]);
}

#[test]
fn an_open_incident_says_nothing_of_what_the_hub_does_not_know() {
    let mut world = World::new(&["a", "b", "c", "d"]);
    world.node(1, Seen::Down);
    world.run(MINUTE);
    world.probe(1, false);
    world.probe(2, false);
    (1..=4).for_each(|id| world.node(id, Seen::Unknown));
    world.run(30 * MINUTE);
    world.probe(1, true);
    (2..=4).for_each(|id| world.node(id, Seen::Up));
    world.node(1, Seen::Down);
    world.run(MINUTE);
    assert_eq!(world.whats(), [(&What::Opened(Seen::Down), &[1][..])]);
}

#[test]
fn a_node_that_was_never_online_has_no_incident() {
    let mut world = World::new(&["a"]);
    world.seen.insert(1, Seen::Unknown);
    world.node(1, Seen::Down);
    world.run(MINUTE);
    world.node(1, Seen::Unknown);
    world.run(MINUTE);
    world.node(1, Seen::Down);
    world.run(MINUTE);
    assert_eq!(world.open().len(), 0);
}

#[test]
fn a_node_that_is_removed_leaves_and_the_last_one_closes_the_incident() {
    let mut world = World::new(&["a", "a"]);
    world.node(1, Seen::Down);
    world.node(2, Seen::Down);
    world.run(MINUTE);
    world.nodes.remove(&1);
    world.run(SECOND);
    assert_eq!(world.open(), [[2]]);
    world.nodes.remove(&2);
    world.run(SECOND);
    assert_eq!((world.open().len(), world.closed.len()), (0, 1));
}

#[test]
fn who_acknowledges_is_on_the_timeline_once() {
    let mut world = World::new(&["a", "a"]);
    world.node(1, Seen::Down);
    world.node(2, Seen::Down);
    world.run(MINUTE);
    world.acknowledged = [(1, ("the operator".into(), world.now)), (2, ("the operator".into(), world.now))].into();
    world.run(MINUTE);
    let said = What::Acknowledged("the operator".into());
    assert_eq!(world.whats()[1..], [(&said, &[1, 2][..])]);
}

#[test]
fn a_change_that_no_event_says_is_noticed() {
    let mut world = World::new(&["a"]);
    world.node(1, Seen::Down);
    world.run(MINUTE);
    let levels = [(1, (Seen::Up, world.now))].into();
    let facts = Facts {
        nodes: &world.nodes,
        levels: Some(&levels),
        sights: &world.sights,
        probes: &world.probes,
        counts: Counts::default(),
        maintained: &world.maintained,
        acknowledged: &world.acknowledged,
        staleness: 0,
    };
    let step = step(&mut world.state, &[], &facts, world.now);
    assert_eq!(step.entries[0].what, What::Changed(Seen::Up));
    assert_eq!(step.next_at, Some(world.now + QUIET));
}
