//! Sums over checks, as the rollups have them and the rows of the newest results.

use super::rows;
use crate::model::RegionStats;

/// Checks in one bucket, or in several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct Tally {
    pub checks: i64,
    pub healthy: i64,
    pub latency_count: i64,
    pub latency_sum: i64,
    pub latency_min: Option<i64>,
    pub latency_max: Option<i64>,
}

impl Tally {
    pub fn add(&mut self, other: &Self) {
        self.checks += other.checks;
        self.healthy += other.healthy;
        self.latency_count += other.latency_count;
        self.latency_sum += other.latency_sum;
        self.latency_min = self.latency_min.into_iter().chain(other.latency_min).min();
        self.latency_max = self.latency_max.max(other.latency_max);
    }

    pub fn stats(&self) -> RegionStats {
        RegionStats {
            total_checks: rows::count(self.checks),
            healthy_count: rows::count(self.healthy),
            average_response_us: (self.latency_count > 0).then(|| self.latency_sum / self.latency_count),
            min_response_us: self.latency_min,
            max_response_us: self.latency_max,
        }
    }
}
