//! Peers as the status page shows them.

use std::collections::BTreeMap;

use easytier_probe::{FailureCode, Stage};

use super::{CheckStats, Node, PeerId, Region, RegionStatus, Timestamp, Uptime};

/// An approved peer, and how each region sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeView {
    /// The peer.
    pub node: Node,
    /// The regions with fresh evidence, sorted by name.
    pub regions: Vec<RegionView>,
    /// For how long it had which verdict in the last 24 hours.
    pub uptime: Uptime,
    /// When its certificate expires, as regions saw it that looked lately; empty for a peer without one.
    pub certificates: BTreeMap<Region, Timestamp>,
}

/// How one region sees a peer now.
#[derive(Debug, Clone, PartialEq)]
pub struct RegionView {
    /// The region.
    pub region: Region,
    /// Its status; `None` when none of its probes is live, and while a change to offline is in doubt.
    pub status: Option<RegionStatus>,
    /// Whether a change to offline is in doubt; see [`Doubt`](super::Doubt).
    pub is_in_doubt: bool,
    /// Whether its newest results contradict its status, so that flap damping delays a change.
    pub is_contradicted: bool,
    /// The round trip in microseconds, when the region sees the peer online.
    pub response_us: Option<i64>,
}

/// Checks of one peer from one region in one bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesPoint {
    /// The peer.
    pub peer: PeerId,
    /// The region.
    pub region: Region,
    /// The start of the bucket.
    pub at: Timestamp,
    /// The checks in the bucket.
    pub stats: CheckStats,
}

/// How many checks of a peer failed in one way.
#[derive(Debug, Clone, PartialEq)]
pub struct FailureCount {
    /// The stage at which they failed; `None` for a stage that only a newer hub knows.
    pub stage: Option<Stage>,
    /// Why they failed.
    pub code: Option<FailureCode>,
    /// How many checks failed.
    pub checks: u64,
    /// When the newest of them was made.
    pub last_at: Timestamp,
}

/// A value that changes whenever the verdict of a peer, the list of peers or the maintenance changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pulse {
    /// The id of the newest event.
    pub event: i64,
    /// How many times another instance's configuration was adopted, and the version of the list of peers, which that may lower.
    pub list: (i64, i64),
    /// Grows whenever a maintenance window, or the set of nodes in maintenance, changes.
    pub maintenance: i64,
}
