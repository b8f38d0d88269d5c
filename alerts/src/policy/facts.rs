//! What the caller knows when something is decided.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use serde::{Deserialize, Serialize};

use super::subject::{Key, Subject};
use crate::{Rule, cause::Place, duty::Duty};

/// How a node or probe is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Seen {
    /// A node is up; a probe reports.
    Up,
    /// Half of the regions or fewer see the node online.
    Partial,
    /// A node is down; a probe does not report.
    Down,
    /// Nothing current is known.
    Unknown,
}

impl Seen {
    /// The name, as in the API.
    pub fn name(self) -> &'static str {
        ["up", "partial", "down", "unknown"][self as usize]
    }
}

/// A change that was noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fresh {
    /// When it was noticed, in milliseconds since 1970.
    pub at: i64,
    /// What changed.
    pub subject: Subject,
    /// How it was seen before.
    pub was: Seen,
    /// How it is seen now.
    pub became: Seen,
}

/// A node, as rules and messages need it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeFacts {
    /// Its name.
    pub name: String,
    /// Its host name or address.
    pub host: String,
    /// Its address, if the host is one.
    pub ip: Option<IpAddr>,
    /// Its tags.
    pub tags: BTreeSet<String>,
    /// The regions that check it; all when it is empty.
    pub regions: BTreeSet<String>,
}

impl NodeFacts {
    /// Where it is, and the region that alone checks it.
    pub fn place(&self) -> Place {
        let mut regions = self.regions.iter();
        let region = regions.next().filter(|_| regions.next().is_none()).cloned();
        Place { region, ..Place::new(&self.host, self.ip) }
    }
}

/// Whether the hub or its probes are why nothing is known about a node.
pub fn cannot_know(node: &NodeFacts, probes: &BTreeMap<i64, ProbeFacts>, counts: Counts) -> bool {
    let checks = |probe: &&ProbeFacts| node.regions.is_empty() || node.regions.contains(&probe.region);
    counts.is_blind() || !probes.values().filter(checks).any(|probe| probe.can_check)
}

/// A probe, as rules and messages need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeFacts {
    /// Its name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// Whether it reports, and does not say of itself that it is cut off.
    pub can_check: bool,
}

/// How many nodes there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// All nodes.
    pub nodes: u64,
    /// Those about which nothing current is known.
    pub unknown: u64,
}

impl Counts {
    /// Whether so much is unknown that the reason is the hub or its probes, and not the nodes.
    pub(super) fn is_blind(self) -> bool {
        self.unknown >= 3 && self.unknown * 2 > self.nodes
    }
}

/// What nothing notes when it changes: it is looked at now and then. It holds what some rule may tell; what is missing is well.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Levels {
    /// When the certificates of nodes expire, in milliseconds since 1970, by the ids of the nodes.
    pub certificates: BTreeMap<i64, i64>,
    /// The versions of nodes, as they report them.
    pub versions: BTreeMap<i64, String>,
    /// The nodes that do not relay whose owners declare that they do, and whether they refuse it; otherwise tests failed.
    pub relays: BTreeMap<i64, bool>,
    /// The work that no hub does.
    pub idle: BTreeSet<Duty>,
}

impl Levels {
    /// The ids of the nodes that it is about.
    pub fn nodes(&self) -> impl Iterator<Item = i64> {
        self.certificates.keys().chain(self.versions.keys()).chain(self.relays.keys()).copied()
    }
}

/// Who is told by a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Recipient {
    /// The channel with this id.
    Channel(i64),
    /// The visitor with this id, who subscribed by mail.
    Visitor(i64),
}

/// What is known besides the changes.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The rules of channels that are enabled and of visitors, each with who is told by it.
    pub rules: &'a [(Recipient, Rule)],
    /// The nodes that changes or conditions are about. A node that is missing was removed.
    pub nodes: &'a BTreeMap<i64, NodeFacts>,
    /// All probes.
    pub probes: &'a BTreeMap<i64, ProbeFacts>,
    /// How many nodes there are.
    pub counts: Counts,
    /// What is looked at now and then.
    pub levels: &'a Levels,
    /// The conditions that somebody acknowledged.
    pub acknowledged: &'a BTreeSet<Key>,
    /// What is muted: `all`, `rule:ID`, a subject, or a key.
    pub muted: &'a BTreeSet<String>,
    /// The time between two checks of a node, in milliseconds.
    pub check_interval: i64,
    /// How long it takes after a pause until what is known is current again, in milliseconds.
    pub staleness: i64,
}

impl Facts<'_> {
    /// Whether a rule is about a subject.
    pub(super) fn concerns(&self, rule: &Rule, subject: Subject) -> bool {
        let nodes = &rule.nodes;
        match subject {
            Subject::Node(id) | Subject::Certificate(id) | Subject::Version(id) | Subject::Relay(id) => {
                self.nodes.get(&id).is_some_and(|node| {
                    let in_region = |region: &String| node.regions.is_empty() || node.regions.contains(region);
                    nodes.is_all()
                        || nodes.ids.contains(&id)
                        || !nodes.tags.is_disjoint(&node.tags)
                        || nodes.regions.iter().any(in_region)
                })
            }
            Subject::Probe(id) => self
                .probes
                .get(&id)
                .is_some_and(|probe| nodes.regions.is_empty() || nodes.regions.contains(&probe.region)),
            Subject::Duty(_) | Subject::Hub => true,
        }
    }

    /// Whether the hub or its probes are why nothing is known about a node.
    pub(super) fn cannot_know(&self, node: i64) -> bool {
        self.nodes.get(&node).is_none_or(|node| cannot_know(node, self.probes, self.counts))
    }

    /// Where a node is, and the region that alone checks it, or the probe if the region has one.
    pub(super) fn place_of(&self, node: &NodeFacts) -> Place {
        let place = node.place();
        let mut of_region = self.probes.values().filter(|probe| place.region.as_ref() == Some(&probe.region));
        match (of_region.next(), of_region.next()) {
            (Some(only), None) => Place { checker: Some(only.name.clone()), ..place },
            _ => place,
        }
    }

    /// Whether no probe can check anything.
    pub(super) fn no_probe_checks(&self) -> bool {
        !self.probes.values().any(|probe| probe.can_check)
    }

    pub(super) fn is_muted(&self, key: &Key) -> bool {
        !self.muted.is_empty()
            && (self.muted.contains("all")
                || self.muted.contains(&format!("rule:{}", key.rule))
                || self.muted.contains(&key.subject.to_string())
                || key.subject.node().is_some_and(|id| self.muted.contains(&Subject::Node(id).to_string()))
                || self.muted.contains(&key.to_string()))
    }
}
