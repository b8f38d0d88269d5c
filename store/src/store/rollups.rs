//! Rollups: counts of checks by grain, bucket, region and peer.
//!
//! The counts of the newest bucket of each probe and peer are not in the rollups yet: they are in the row of the newest
//! result, in `latest`, so that most results change one row instead of three.

use std::collections::BTreeMap;

use super::tally::{Tally, capped_sum};
use crate::{
    db::{Bulk, Column, Tx, args, sql},
    domain::{Grain, PeerId, ProbeId, RegionId},
    error::StoreError,
};

/// Counts that are added to the rollups, sorted like the table, so that neighbours are written together.
#[derive(Default)]
pub(super) struct Rollups(BTreeMap<(i64, i64, RegionId, PeerId), Tally>);

impl Rollups {
    /// Adds the counts of one bucket of the finest grain, in all grains.
    pub(super) fn add(&mut self, bucket: i64, region: RegionId, peer: PeerId, tally: &Tally) {
        if tally.checks == 0 {
            return;
        }
        for grain in Grain::ALL {
            let bucket = bucket / grain.finest_buckets();
            self.0.entry((grain.seconds(), bucket, region, peer)).or_default().add(tally);
        }
    }

    /// Writes the counts to the table.
    pub(super) async fn write(self, tx: &mut Tx) -> Result<(), StoreError> {
        let mut values = Vec::with_capacity(self.0.len() * ROLLUP_COLUMNS.len());
        for ((grain, bucket, region, peer), tally) in self.0 {
            let Tally { checks, healthy, latency_count, latency_sum, latency_min, latency_max } = tally;
            values.extend(args![
                grain,
                bucket,
                region,
                peer,
                checks,
                healthy,
                latency_count,
                latency_sum,
                latency_min,
                latency_max
            ]);
        }
        ROLLUPS.execute(tx, values).await.map(drop)
    }
}

/// The counts in a row of `latest`.
#[derive(sqlx::FromRow)]
pub(super) struct LatestCounts {
    pub peer_id: PeerId,
    pub region_id: RegionId,
    /// Of the finest grain.
    pub bucket: i64,
    #[sqlx(flatten)]
    pub tally: Tally,
}

/// The columns of [`LatestCounts`].
macro_rules! latest_counts_columns {
    ($engine:ident) => {
        "peer_id, region_id, bucket, checks, healthy, latency_count, latency_sum, latency_min, latency_max"
    };
}
pub(super) use latest_counts_columns;

/// Moves the newest counts of a probe to the rollups and deletes its newest results.
pub(super) async fn flush_probe(tx: &mut Tx, probe: ProbeId) -> Result<(), StoreError> {
    let delete = sql!("DELETE FROM latest WHERE probe_id = $1 RETURNING ", (latest_counts_columns));
    let newest: Vec<LatestCounts> = tx.all(delete, args![probe]).await?;
    let mut rollups = Rollups::default();
    for LatestCounts { peer_id, region_id, bucket, tally } in &newest {
        rollups.add(*bucket, *region_id, *peer_id, tally);
    }
    rollups.write(tx).await
}

const ROLLUP_COLUMNS: &[(&str, Column)] = &[
    ("grain", Column::Int),
    ("bucket", Column::Int),
    ("region_id", Column::Int),
    ("peer_id", Column::Int),
    ("checks", Column::Int),
    ("healthy", Column::Int),
    ("latency_count", Column::Int),
    ("latency_sum", Column::Int),
    ("latency_min", Column::Int),
    ("latency_max", Column::Int),
];

static ROLLUPS: Bulk = Bulk::new(
    "rollups",
    ROLLUP_COLUMNS,
    concat!(
        "ON CONFLICT (grain, bucket, region_id, peer_id) DO UPDATE SET checks = rollups.checks + excluded.checks, \
     healthy = rollups.healthy + excluded.healthy, latency_count = rollups.latency_count + excluded.latency_count, ",
        capped_sum!("rollups"),
        ", latency_min = CASE WHEN rollups.latency_min IS NULL OR excluded.latency_min < rollups.latency_min \
     THEN excluded.latency_min ELSE rollups.latency_min END, \
     latency_max = CASE WHEN rollups.latency_max IS NULL OR excluded.latency_max > rollups.latency_max \
     THEN excluded.latency_max ELSE rollups.latency_max END",
    ),
);
