//! The history of measurements at one peer.

use std::time::Duration;

use easytier_probe::{FailureCode, Relay, Stage, Status};
use serde::Serialize;

use super::{DAY, Doubt, PeerId, Region, RegionRelay, RegionStatus, Timestamp, Uptime, Verdict, count::percentage};

/// The length of the buckets in which checks are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Grain {
    /// 5 minutes.
    FiveMinutes,
    /// 1 hour.
    Hour,
    /// 1 day.
    Day,
}

impl Grain {
    /// All grains, the finest first.
    pub const ALL: [Self; 3] = [Self::FiveMinutes, Self::Hour, Self::Day];

    /// The length of a bucket.
    pub const fn duration(self) -> Duration {
        match self {
            Self::FiveMinutes => Duration::from_secs(300),
            Self::Hour => Duration::from_secs(3600),
            Self::Day => DAY,
        }
    }

    /// The length in seconds, by which the database names the grain.
    pub(crate) const fn seconds(self) -> i64 {
        self.duration().as_secs() as i64
    }

    /// How many of the finest buckets one bucket spans.
    pub(crate) const fn finest_buckets(self) -> i64 {
        self.seconds() / Self::FiveMinutes.seconds()
    }
}

/// Selects raw results of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecordFilter {
    /// Only results with this status.
    pub status: Option<Status>,
    /// Only results checked at or after this time.
    pub since: Option<Timestamp>,
}

/// One raw result, as the public API shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct HealthRecord {
    /// The row of the result.
    pub id: i64,
    /// The peer that was checked.
    pub node_id: PeerId,
    /// The outcome.
    pub status: Status,
    /// The median round trip in microseconds.
    pub response_us: Option<i64>,
    /// Why the check failed.
    pub error: Option<FailureCode>,
    /// The failure in words.
    pub message: Option<String>,
    /// When the peer was checked, by the hub's clock.
    pub checked_at: Timestamp,
}

/// Checks of a peer over some time, in one region or in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct CheckStats {
    /// All checks that are evidence about the peer.
    pub total_checks: u64,
    /// The checks that found the peer healthy.
    pub healthy_count: u64,
    /// The mean round trip in microseconds, over checks with a latency.
    pub average_response_us: Option<i64>,
    /// The shortest round trip in microseconds.
    pub min_response_us: Option<i64>,
    /// The longest round trip in microseconds.
    pub max_response_us: Option<i64>,
}

impl CheckStats {
    /// Healthy checks in percent, from 0 to 100; 0 without any check.
    pub fn health_percentage(&self) -> f64 {
        percentage(self.healthy_count, self.total_checks)
    }
}

/// A peer's statistics over all regions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NodeStats {
    /// The checks of the time asked for.
    pub checks: CheckStats,
    /// For how long the peer had which verdict in that time.
    pub uptime: Uptime,
    /// When the peer was last checked.
    pub last_check_at: Option<Timestamp>,
    /// The verdict now.
    pub verdict: Verdict,
}

/// What the probes of one region measured at a peer.
#[derive(Debug, Clone, PartialEq)]
pub struct RegionReport {
    /// The region.
    pub region: Region,
    /// How the region sees the peer now; `None` without fresh evidence, and while a change to offline is in doubt.
    pub status: Option<RegionStatus>,
    /// The doubts about the region, when its status of this peer is one of them.
    pub doubt: Option<Doubt>,
    /// The checks of the last 24 hours.
    pub stats: CheckStats,
    /// The newest result.
    pub latest: LatestResult,
    /// The newest result of each other probe of the region, the newest first.
    pub others: Vec<LatestResult>,
    /// Whether the region found that the node relays; `None` when it was never tested there.
    pub relay: Option<RegionRelay>,
}

/// The newest result of a region.
#[derive(Debug, Clone, PartialEq)]
pub struct LatestResult {
    /// The probe that checked.
    pub server_id: String,
    /// When the peer was checked, by the hub's clock.
    pub checked_at: Timestamp,
    /// The outcome.
    pub status: Status,
    /// The median round trip in microseconds.
    pub response_us: Option<i64>,
    /// The shortest round trip in microseconds.
    pub min_us: Option<i64>,
    /// The longest round trip in microseconds.
    pub max_us: Option<i64>,
    /// The last stage that the check reached; `None` for a stage that only a newer hub knows.
    pub stage: Option<Stage>,
    /// Why the check failed.
    pub error: Option<FailureCode>,
    /// The failure in words.
    pub message: Option<String>,
    /// The EasyTier version of the node.
    pub version: Option<String>,
    /// The host name of the node.
    pub hostname: Option<String>,
    /// How many networks the node serves.
    pub network_count: Option<u32>,
    /// Whether the node relayed packets, when that was tried.
    pub relay: Option<Relay>,
    /// Why relaying failed.
    pub relay_error: Option<String>,
}

/// One bucket of a peer's history over all regions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RollupPoint {
    /// The start of the bucket.
    pub at: Timestamp,
    /// The checks in the bucket.
    pub stats: CheckStats,
}
