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

/// The maximum sum of latencies in one row: 101 days. No honest probe comes near it, and a million such rows can be added
/// without an overflow. It is 2⁴³; the SQL of [`capped_sum`] has it as a number.
const MAX_LATENCY_SUM: i64 = 8_796_093_022_208;

impl Tally {
    /// Adds counts; a sum that would exceed its maximum stays there.
    pub fn add(&mut self, other: &Self) {
        self.checks = self.checks.saturating_add(other.checks);
        self.healthy = self.healthy.saturating_add(other.healthy);
        self.latency_count = self.latency_count.saturating_add(other.latency_count);
        self.latency_sum = self.latency_sum.saturating_add(other.latency_sum).min(MAX_LATENCY_SUM);
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

/// The sum of the latencies in a row of a table and in a row to insert, up to [`MAX_LATENCY_SUM`]. It is compared before it is
/// added, because PostgreSQL refuses a sum that overflows and SQLite makes it a float.
macro_rules! capped_sum {
    ($table:literal) => {
        concat!(
            "latency_sum = CASE WHEN ",
            $table,
            ".latency_sum < 8796093022208 - excluded.latency_sum THEN ",
            $table,
            ".latency_sum + excluded.latency_sum ELSE 8796093022208 END"
        )
    };
}
pub(super) use capped_sum;

/// The columns of a [`Tally`], as sums over the rows of [`counted`].
macro_rules! tally_columns {
    ($engine:ident) => {
        "CAST(coalesce(sum(c.checks), 0) AS BIGINT) AS checks, CAST(coalesce(sum(c.healthy), 0) AS BIGINT) AS healthy, \
         CAST(coalesce(sum(c.latency_count), 0) AS BIGINT) AS latency_count, \
         CAST(coalesce(sum(CASE WHEN c.latency_sum < 8796093022208 THEN c.latency_sum ELSE 8796093022208 END), 0) \
         AS BIGINT) AS latency_sum, min(c.latency_min) AS latency_min, \
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_stay_at_their_maximum() {
        let mut tally = Tally { checks: i64::MAX, latency_sum: i64::MAX, ..Tally::default() };
        tally.add(&Tally { checks: 1, latency_sum: i64::MAX, ..Tally::default() });
        assert_eq!((tally.checks, tally.latency_sum), (i64::MAX, MAX_LATENCY_SUM));
        assert!(capped_sum!("t").contains(&format!("{MAX_LATENCY_SUM} - ")), "the SQL has the same maximum");
    }
}
