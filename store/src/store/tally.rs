//! Sums over checks, from the rollups and from the counts beside the newest results.

use super::rows;
use crate::{
    db::{Value, args},
    domain::{CheckStats, Grain},
};

/// The checks of one bucket or of several.
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

    pub fn stats(&self) -> CheckStats {
        CheckStats {
            total_checks: rows::count(self.checks),
            healthy_count: rows::count(self.healthy),
            average_response_us: (self.latency_count > 0).then(|| self.latency_sum / self.latency_count),
            min_response_us: self.latency_min,
            max_response_us: self.latency_max,
        }
    }
}

/// The columns of a [`Tally`], as sums over the rows of [`counted`].
macro_rules! tally_columns {
    ($engine:ident) => {
        "CAST(coalesce(sum(c.checks), 0) AS BIGINT) AS checks, CAST(coalesce(sum(c.healthy), 0) AS BIGINT) AS healthy, \
         CAST(coalesce(sum(c.latency_count), 0) AS BIGINT) AS latency_count, \
         CAST(coalesce(sum(c.latency_sum), 0) AS BIGINT) AS latency_sum, min(c.latency_min) AS latency_min, \
         max(c.latency_max) AS latency_max"
    };
}
pub(super) use tally_columns;

/// The table `c` of counts by `peer_id`, `region_id` and `bucket`; its parameters are those of [`counted_args`]. With
/// `(counted peer)` parameter `$3` is one peer, with `(counted peers)` a list.
///
/// Rollups are sorted by bucket and region before the peer, so the query names both: each pair is one seek. The newest
/// counts are not in the rollups yet but in `latest`, which is sorted by probe.
macro_rules! counted {
    ($engine:ident peer) => {
        $crate::store::tally::counted!(@$engine "= $3")
    };
    (sqlite peers) => {
        $crate::store::tally::counted!(@sqlite "IN (SELECT value FROM json_each($3))")
    };
    (postgres peers) => {
        $crate::store::tally::counted!(@postgres "= ANY($3)")
    };
    (@$engine:ident $is_wanted:literal) => {
        concat!(
            "(SELECT peer_id, region_id, bucket, checks, healthy, latency_count, latency_sum, latency_min, latency_max \
             FROM rollups WHERE grain = $1 AND region_id IN (SELECT id FROM regions) AND bucket ",
            $crate::db::in_list!($engine 2),
            " AND peer_id ",
            $is_wanted,
            " UNION ALL SELECT l.peer_id, l.region_id, l.bucket / $4, l.checks, l.healthy, l.latency_count, \
             l.latency_sum, l.latency_min, l.latency_max FROM probes b CROSS JOIN latest l WHERE l.probe_id = b.id \
             AND l.checks > 0 AND l.bucket / $4 ",
            $crate::db::in_list!($engine 2),
            " AND l.peer_id ",
            $is_wanted,
            ") c"
        )
    };
}
pub(super) use counted;

/// The parameters `$1` to `$4` of [`counted`].
pub(super) fn counted_args(grain: Grain, buckets: Vec<i64>, peers: impl Into<Value>) -> Vec<Value> {
    args![grain.seconds(), buckets, peers.into(), grain.finest_buckets()]
}
