//! Peers as the status page shows them.

use easytier_probe::{FailureCode, Stage};

use super::{Node, PeerId, Region, RegionStats};
use crate::{consensus::Word, time::Timestamp};

/// An approved peer, and what each region says of it.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeView {
    pub node: Node,
    /// The regions with fresh evidence, in the order of their names.
    pub regions: Vec<RegionView>,
}

/// What one region says now.
#[derive(Debug, Clone, PartialEq)]
pub struct RegionView {
    pub region: Region,
    pub word: Option<Word>,
    /// Microseconds; of a region that says Online.
    pub response_us: Option<i64>,
}

/// Checks of one peer from one region in one bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesPoint {
    pub peer: PeerId,
    pub region: Region,
    /// The start of the bucket.
    pub at: Timestamp,
    pub stats: RegionStats,
}

/// How often a check failed in one way.
#[derive(Debug, Clone, PartialEq)]
pub struct FailureCount {
    pub stage: Option<Stage>,
    pub code: Option<FailureCode>,
    pub checks: u64,
    pub last_at: Timestamp,
}

/// Changes whenever a page may have something new to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pulse {
    /// The newest event.
    pub event: i64,
    pub config_version: i64,
    /// When a peer was last checked.
    pub checked_at: Option<Timestamp>,
}
