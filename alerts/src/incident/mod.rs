//! Joins changes of one cause to incidents: what went wrong together, from its beginning until all of it has been well for a while.
//! Pure: the caller stores the [`State`] and the [`Entry`]s in one transaction.
//!
//! - A node that is down or reachable from some regions only belongs to one open incident. Nodes that go wrong within minutes and
//!   share a cause belong to the same; any other node has one of its own.
//! - An incident is open until all its nodes have been well for [`QUIET`]. What goes wrong again before that belongs to it, so a
//!   node that goes up and down has one incident.
//! - A node that was never seen online has none. A node in maintenance opens none, and neither does a node about which nothing is
//!   known because of the hub or its probes.

mod group;
mod run;
mod state;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use self::{
    run::step,
    state::{Incident, LostProbe, Member, State, Waiting},
};
use crate::policy::{Counts, NodeFacts, ProbeFacts, Seen};

const SECOND: i64 = 1000;

/// How long changes are gathered before they open an incident, in milliseconds.
pub const GATHER: i64 = 10 * SECOND;

/// For how long after an incident began, or another node joined it, more nodes with the same cause join it.
pub const JOIN: i64 = 300 * SECOND;

/// How long all nodes of an incident must be well before it is closed.
pub const QUIET: i64 = 600 * SECOND;

/// How long nothing must be known about a node before that counts.
pub const UNKNOWN_HOLD: i64 = 90 * SECOND;

/// How often something is looked at that maintenance holds up.
pub const LOOK_AGAIN: i64 = 30 * SECOND;

/// How long after a probe stopped its nodes change because of that.
pub const LOST_FOR: i64 = 120 * SECOND;

/// How many entries an incident has at most, without the last one and those of people.
pub const MAX_ENTRIES: u32 = 200;

/// How the regions see a node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sights {
    /// The regions that see it online.
    pub online: BTreeSet<String>,
    /// The regions that see it offline.
    pub offline: BTreeSet<String>,
}

/// What is known besides the changes.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The nodes of open incidents, those that wait, and those that changed. A node that is missing was removed.
    pub nodes: &'a BTreeMap<i64, NodeFacts>,
    /// How each of them is now, and since when; `None` when not all changes until now are among those that are given.
    pub levels: Option<&'a BTreeMap<i64, (Seen, i64)>>,
    /// How the regions see them.
    pub sights: &'a BTreeMap<i64, Sights>,
    /// All probes.
    pub probes: &'a BTreeMap<i64, ProbeFacts>,
    /// How many nodes there are.
    pub counts: Counts,
    /// The nodes in maintenance.
    pub maintained: &'a BTreeSet<i64>,
    /// The nodes that somebody takes care of: who, and since when.
    pub acknowledged: &'a BTreeMap<i64, (String, i64)>,
    /// How long it takes after a pause until what is known is current again, in milliseconds.
    pub staleness: i64,
}

/// What a timeline says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The incident.
    pub incident: i64,
    /// When it happened, in milliseconds since 1970.
    pub at: i64,
    /// What happened.
    pub what: What,
    /// To which nodes.
    pub nodes: Vec<i64>,
}

/// What happened to nodes of an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The incident began with these nodes, which became so.
    Opened(Seen),
    /// These nodes joined it when they became so.
    Joined(Seen),
    /// Nodes of the incident became so.
    Changed(Seen),
    /// Somebody takes care of them.
    Acknowledged(String),
    /// All has been well for a while, or no node is left.
    Closed,
}

/// What a step did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Step {
    /// Incidents that are new or have changed, and are open.
    pub changed: BTreeSet<i64>,
    /// Incidents that are closed, and when.
    pub closed: Vec<(i64, Incident, i64)>,
    /// Nodes that are no longer part of an incident, because they were removed.
    pub left: Vec<(i64, i64)>,
    /// What the timelines say, in the order in which it was noticed.
    pub entries: Vec<Entry>,
    /// When there is something to do next, if nothing changes.
    pub next_at: Option<i64>,
}
