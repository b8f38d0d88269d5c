//! What was seen of one peer over time.

use std::time::Duration;

use easytier_probe::{FailureCode, Stage, Status};
use serde::Serialize;

use super::{PeerId, Region, node::percentage};
use crate::{
    consensus::{Verdict, Word},
    time::{DAY, Timestamp},
};

/// Over how long a rollup counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Grain {
    FiveMinutes,
    Hour,
    Day,
}

impl Grain {
    pub const ALL: [Self; 3] = [Self::FiveMinutes, Self::Hour, Self::Day];

    pub const fn duration(self) -> Duration {
        match self {
            Self::FiveMinutes => Duration::from_secs(300),
            Self::Hour => Duration::from_secs(3600),
            Self::Day => DAY,
        }
    }

    /// How the database names it.
    pub(crate) fn seconds(self) -> i64 {
        self.duration().as_secs() as i64
    }
}

/// Which raw results of a peer to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecordFilter {
    pub status: Option<Status>,
    pub since: Option<Timestamp>,
}

/// One raw result, as the public API shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct HealthRecord {
    pub id: i64,
    pub node_id: PeerId,
    pub status: Status,
    pub response_us: Option<i64>,
    pub error: Option<FailureCode>,
    pub message: Option<String>,
    pub checked_at: Timestamp,
}

/// Checks of a peer over some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct RegionStats {
    pub total_checks: u64,
    pub healthy_count: u64,
    /// Microseconds, over checks with a latency.
    pub average_response_us: Option<i64>,
    pub min_response_us: Option<i64>,
    pub max_response_us: Option<i64>,
}

impl RegionStats {
    /// Healthy checks in percent; 0 without any check.
    pub fn health_percentage(&self) -> f64 {
        percentage(self.healthy_count, self.total_checks)
    }
}

/// A peer's statistics over all regions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NodeStats {
    pub checks: RegionStats,
    pub last_check_at: Option<Timestamp>,
    pub verdict: Verdict,
}

/// What one region saw of a peer.
#[derive(Debug, Clone, PartialEq)]
pub struct RegionReport {
    pub region: Region,
    /// What the region says; `None` when it has no fresh evidence.
    pub word: Option<Word>,
    /// Over the last 24 hours.
    pub stats: RegionStats,
    /// The newest result of the region.
    pub latest: LatestResult,
}

/// The newest result of a region.
#[derive(Debug, Clone, PartialEq)]
pub struct LatestResult {
    pub server_id: String,
    pub checked_at: Timestamp,
    pub status: Status,
    pub response_us: Option<i64>,
    pub min_us: Option<i64>,
    pub max_us: Option<i64>,
    pub stage: Option<Stage>,
    pub error: Option<FailureCode>,
    pub message: Option<String>,
    pub version: Option<String>,
    pub hostname: Option<String>,
    pub network_count: Option<u32>,
    pub relay: Option<easytier_probe::result::Relay>,
    pub relay_error: Option<String>,
}

/// One bucket of a peer's history over all regions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RollupPoint {
    /// Its start.
    pub at: Timestamp,
    pub stats: RegionStats,
}
