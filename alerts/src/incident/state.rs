//! What is known of incidents between two steps. Times are in milliseconds since 1970.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::QUIET;
use crate::{
    cause::{Cause, Place},
    policy::Seen,
};

/// All that is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The open incidents.
    pub open: BTreeMap<i64, Incident>,
    /// The nodes that may open one.
    pub waiting: BTreeMap<i64, Waiting>,
    /// The probes that stopped lately.
    pub lost: Vec<LostProbe>,
    /// The id of the newest incident.
    pub last_id: i64,
}

/// An open incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// When its first node went wrong.
    pub opened_at: i64,
    /// When a node joined it last.
    pub joined_at: i64,
    /// What its nodes have in common.
    pub cause: Option<Cause>,
    /// Its nodes.
    pub members: BTreeMap<i64, Member>,
    /// How many entries there were, also those that are left out because there are too many.
    pub entries: u32,
}

impl Incident {
    /// Since when all its nodes are well; `None` while one is not.
    pub fn well_at(&self) -> Option<i64> {
        let all_well = self.members.values().all(|member| member.seen == Seen::Up);
        let last = self.members.values().map(|member| member.since).max();
        all_well.then(|| last.unwrap_or(self.opened_at))
    }

    /// When it is closed, if nothing changes.
    pub(super) fn closes_at(&self) -> Option<i64> {
        self.well_at().map(|at| at + QUIET)
    }
}

/// A node of an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Where it was when it went wrong.
    pub place: Place,
    /// How it is seen.
    pub seen: Seen,
    /// Since when.
    pub since: i64,
    /// How the timeline last said it was.
    pub noted: Seen,
    /// When that nothing is known about it is noted, unless something is.
    #[serde(default)]
    pub due: Option<i64>,
    /// When somebody last took care of it.
    #[serde(default)]
    pub acknowledged_at: Option<i64>,
}

/// A node that may open an incident, or join one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// How it is seen.
    pub seen: Seen,
    /// Since when.
    pub since: i64,
    /// How it was when it went wrong.
    pub wrong: Seen,
    /// Since when it has been wrong.
    pub began_at: i64,
    /// When it opens one, if nothing holds it up.
    pub due: i64,
    /// Whether something held it up.
    pub held: bool,
}

/// A probe that stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostProbe {
    /// Its id.
    pub id: i64,
    /// Its region.
    pub region: String,
    /// When that was noticed.
    pub at: i64,
}
