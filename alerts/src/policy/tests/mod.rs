//! What is told, in time and not too often.

mod hub_trouble;
mod levels;
mod nodes;
mod properties;

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{
    Condition, Counts, Draft, Duty, Facts, Fresh, Key, Levels, NodeFacts, ProbeFacts, Recipient, Seen, State, Step,
    Subject, step,
};
use crate::{Change, Rule};

/// 2027-01-15T08:00:00Z.
const START: i64 = 1_800_000_000_000;
const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// A hub, its nodes and probes, and what it has told.
#[derive(Clone)]
struct World {
    state: State,
    rules: Vec<(Recipient, Rule)>,
    nodes: BTreeMap<i64, NodeFacts>,
    seen: BTreeMap<Subject, Seen>,
    probes: BTreeMap<i64, ProbeFacts>,
    levels: Levels,
    acknowledged: BTreeSet<Key>,
    muted: BTreeSet<String>,
    now: i64,
    fresh: Vec<Fresh>,
    next_at: Option<i64>,
    told: Vec<(i64, Draft)>,
    /// What only ends what a service keeps open.
    ended: Vec<Draft>,
    /// What a service keeps open that has a state of its own.
    open: BTreeSet<String>,
}

fn rule(on: &[Change]) -> Rule {
    let version_below = on.contains(&Change::Version).then(|| "2.4.0".parse().unwrap());
    Rule { on: on.iter().copied().collect(), version_below, ..Rule::new(Uuid::from_u128(1)) }
}

fn usual() -> Rule {
    rule(&[Change::Down, Change::Up])
}

fn everything() -> Rule {
    rule(&Change::ALL)
}

impl World {
    /// A hub that has looked for a while, with so many nodes that are up, and a probe in each of two regions.
    fn new(rule: Rule, nodes: i64) -> Self {
        let node =
            |id: i64| NodeFacts { name: format!("node {id}"), host: format!("{id}.example"), ..NodeFacts::default() };
        let probe = |name: &str, region: &str| ProbeFacts { name: name.into(), region: region.into(), can_check: true };
        Self {
            state: State { planned_at: Some(START), ..State::default() },
            rules: vec![(Recipient::Channel(1), rule)],
            nodes: (1..=nodes).map(|id| (id, node(id))).collect(),
            seen: (1..=nodes).map(|id| (Subject::Node(id), Seen::Up)).collect(),
            probes: [(1, probe("a", "eu")), (2, probe("b", "asia"))].into(),
            levels: Levels::default(),
            acknowledged: BTreeSet::new(),
            muted: BTreeSet::new(),
            now: START,
            fresh: Vec::new(),
            next_at: None,
            told: Vec::new(),
            ended: Vec::new(),
            open: BTreeSet::new(),
        }
    }

    fn see(&mut self, subject: Subject, became: Seen) {
        let was = self.seen.insert(subject, became).unwrap_or(Seen::Up);
        if was != became {
            self.fresh.push(Fresh { at: self.now, subject, was, became });
        }
    }

    fn node(&mut self, id: i64, became: Seen) {
        self.see(Subject::Node(id), became);
    }

    fn probe(&mut self, id: i64, became: Seen) {
        self.probes.get_mut(&id).unwrap().can_check = became == Seen::Up;
        self.see(Subject::Probe(id), became);
    }

    /// Looks once.
    fn look(&mut self) -> Step {
        let of_nodes = self.seen.iter().filter(|(subject, _)| matches!(subject, Subject::Node(_)));
        let unknown = of_nodes.filter(|(_, seen)| **seen == Seen::Unknown).count();
        let facts = Facts {
            rules: &self.rules,
            nodes: &self.nodes,
            probes: &self.probes,
            counts: Counts { nodes: self.nodes.len() as u64, unknown: unknown as u64 },
            levels: &self.levels,
            acknowledged: &self.acknowledged,
            muted: &self.muted,
            check_interval: MINUTE,
            staleness: 3 * MINUTE,
        };
        let done = step(&mut self.state, &std::mem::take(&mut self.fresh), &facts, self.now);
        self.keep_open(&done);
        let (ended, told): (Vec<_>, Vec<_>) = done.drafts.iter().cloned().partition(|draft| draft.ends_only);
        self.told.extend(told.into_iter().map(|draft| (self.now, draft)));
        self.ended.extend(ended);
        self.next_at = done.next_at;
        done
    }

    /// What a service does that keeps a state. Nobody tells it of a rule that was removed.
    fn keep_open(&mut self, done: &Step) {
        for draft in &done.drafts {
            match draft.is_end() {
                true => drop(self.open.remove(&draft.subject)),
                false => drop(self.open.insert(draft.subject.clone())),
            }
        }
        if !done.drafts.is_empty() || !done.ended.is_empty() || !done.removed.is_empty() {
            self.open.retain(|subject| self.rules.iter().any(|(_, rule)| subject.starts_with(&rule.id.to_string())));
            let wrong: BTreeSet<&str> = self.state.conditions.values().flat_map(Condition::episodes).collect();
            let open: BTreeSet<&str> = self.open.iter().map(String::as_str).collect();
            assert_eq!(open, wrong, "open is what was told and is not over: {:?}", done.drafts);
        }
    }

    /// Looks every five seconds for so long, as the hub does whether or not there is something to do.
    fn run(&mut self, length: i64) {
        let until = self.now + length;
        while self.now < until {
            self.look();
            self.now = (self.now + 5 * SECOND).min(until);
        }
        self.look();
    }

    /// The hub stops for so long.
    fn pause(&mut self, length: i64) {
        self.now += length;
    }

    fn titles(&self) -> Vec<&str> {
        self.told.iter().map(|(_, draft)| draft.title.as_str()).collect()
    }
}
