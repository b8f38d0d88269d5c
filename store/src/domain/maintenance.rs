//! Maintenance: windows of time in which nodes are expected to be out of service. They are checked all the same, and their
//! verdicts are shown; but nobody is told, and uptime does not count the time.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    PeerId, Region, Tag, Timestamp, WindowId,
    schedule::{Occurrence, Schedule},
};

/// How many occurrences may go on at a time: an occurrence takes 31 days at most, and begins once a day at most.
const OVERLAPS: usize = 34;

/// Which nodes a window is for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Coverage {
    /// All nodes, whatever else is named.
    pub all: bool,
    /// These nodes.
    pub peers: BTreeSet<PeerId>,
    /// The nodes with one of these tags.
    pub tags: BTreeSet<Tag>,
    /// The nodes that are checked by one of these regions and not by every region.
    pub regions: BTreeSet<Region>,
}

impl Coverage {
    /// Whether it names nothing.
    pub fn is_empty(&self) -> bool {
        !self.all && self.peers.is_empty() && self.tags.is_empty() && self.regions.is_empty()
    }

    /// Whether it covers a node with these tags that these regions check; no `regions` means every region.
    pub fn covers(&self, peer: PeerId, tags: &BTreeSet<Tag>, regions: &BTreeSet<Region>) -> bool {
        self.all || self.peers.contains(&peer) || !self.tags.is_disjoint(tags) || !self.regions.is_disjoint(regions)
    }

    /// Whether it covers a region as a whole, with its probes.
    pub fn covers_region(&self, region: &Region) -> bool {
        self.all || self.regions.contains(region)
    }
}

/// What an operator says about a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaintenanceSpec {
    /// What visitors read.
    pub title: String,
    /// What visitors read in Chinese, if it differs.
    pub title_zh: Option<String>,
    /// Which nodes it is for.
    pub coverage: Coverage,
    /// When it takes place.
    pub schedule: Schedule,
}

/// A window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaintenanceWindow {
    /// Its id.
    pub id: WindowId,
    /// What it is for, and when.
    pub spec: MaintenanceSpec,
    /// When an occurrence was ended before its time: those that had begun have ended by then.
    pub ended_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl MaintenanceWindow {
    /// The first `limit` occurrences that have not ended at `from`, in the order of their beginnings.
    pub fn occurrences(&self, from: Timestamp, limit: usize) -> Vec<Occurrence> {
        // Only those that are going on can have been ended.
        let found = self.spec.schedule.occurrences(from, limit.saturating_add(OVERLAPS)).into_iter();
        let ended = |mut one: Occurrence| {
            one.ends_at = match self.ended_at {
                Some(at) if one.begins_at <= at => one.ends_at.min(at),
                _ => one.ends_at,
            };
            one
        };
        found.map(ended).filter(|one| one.ends_at > from).take(limit).collect()
    }

    /// The time around `at` in which the window takes place without a pause, as far as it has begun; `None` when it does not.
    pub fn active(&self, at: Timestamp) -> Option<Occurrence> {
        let found = self.occurrences(at, OVERLAPS).into_iter().filter(|one| one.contains(at));
        found.reduce(|a, b| Occurrence { begins_at: a.begins_at.min(b.begins_at), ends_at: a.ends_at.max(b.ends_at) })
    }

    /// The first occurrence that begins after a time.
    pub fn next(&self, at: Timestamp) -> Option<Occurrence> {
        self.occurrences(at, OVERLAPS).into_iter().find(|one| one.begins_at > at)
    }
}

/// A window that takes place now or soon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveWindow {
    /// The window.
    pub window: MaintenanceWindow,
    /// When it begins, and when it ends.
    pub occurrence: Occurrence,
}

/// The maintenance that a node is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeMaintenance {
    /// The window that covers the node for the longest time.
    pub window: WindowId,
    /// When it ends.
    pub until: Timestamp,
    /// What visitors read.
    pub title: String,
    /// What visitors read in Chinese, if it differs.
    pub title_zh: Option<String>,
}
