//! The history of one approved peer, from counts.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Store,
    rows::{self, ResultRow, result_columns},
    tally::{Tally, counted, counted_args, tally_columns},
    watched::is_watched,
};
use crate::{
    consensus::RegionState,
    db::{Value, args, sql},
    domain::{
        CheckStats, DAY, Grain, LatestResult, NodeStats, PeerId, Region, RegionId, RegionReport, RollupPoint, Timestamp,
    },
    error::StoreError,
};

/// The maximum number of buckets in one query: ten years of days, or two weeks of five minutes.
const MAX_BUCKETS: i64 = 4096;

#[derive(sqlx::FromRow)]
struct TallyRow {
    /// By which the sums are grouped.
    key: i64,
    #[sqlx(flatten)]
    tally: Tally,
}

#[derive(sqlx::FromRow)]
struct LatestRow {
    region_id: RegionId,
    region: String,
    server_id: String,
    checked_at: Timestamp,
    #[sqlx(flatten)]
    result: ResultRow,
}

impl LatestRow {
    fn into_latest(self) -> LatestResult {
        let Self { server_id, checked_at, result, .. } = self;
        LatestResult {
            server_id,
            checked_at,
            status: rows::status(result.status),
            response_us: result.response_us,
            min_us: result.min_us,
            max_us: result.max_us,
            stage: rows::stage(&result.stage),
            error: rows::failure_code(result.error),
            message: result.message,
            version: result.version,
            hostname: result.hostname,
            network_count: result.network_count.map(rows::count),
            relay: rows::relay(result.relay),
            relay_error: result.relay_error,
        }
    }
}

impl Store {
    /// Statistics over the last `window`, from the finest rollups that are kept for so long; since the peer was changed, if it
    /// was another one before.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is no approved peer with this id; otherwise when the database fails.
    pub async fn node_stats(&self, id: PeerId, window: Duration, now: Timestamp) -> Result<NodeStats, StoreError> {
        let node = self.node(id, now).await?;
        let uptime = self.uptimes(&[id], window, now).await?.remove(&id).unwrap_or_default();
        let from = (now - window).max(self.target_since(id).await?);
        let grain = self.grain_for(now.since(from));
        let select = sql!("SELECT CAST(0 AS BIGINT) AS key, ", (tally_columns), " FROM ", (counted peer));
        let row: TallyRow = self.db().one(select, buckets_of(id, grain, from, now)).await?;
        let checks = row.tally.stats();
        Ok(NodeStats { checks, uptime, last_check_at: node.last_check_at, verdict: node.verdict })
    }

    /// What each region last measured, how it sees the peer now, and its last 24 hours; sorted by region. A region is left
    /// out when its raw results have expired.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is no approved peer with this id; otherwise when the database fails.
    pub async fn node_regions(&self, id: PeerId, now: Timestamp) -> Result<Vec<RegionReport>, StoreError> {
        let state = self.consensus_of(id).await?;
        let since = self.target_since(id).await?;
        let newest = self.newest_by_probe(id, since).await?;
        let mut relays = self.relays_of(id).await?;
        let select =
            sql!("SELECT c.region_id AS key, ", (tally_columns), " FROM ", (counted peer), " GROUP BY c.region_id");
        let parameters = buckets_of(id, self.grain_for(DAY), since.max(now - DAY), now);
        let tallies: Vec<TallyRow> = self.db().all(select, parameters).await?;
        let stats: BTreeMap<i64, CheckStats> = tallies.into_iter().map(|row| (row.key, row.tally.stats())).collect();

        let is_in_doubt = state.regions.values().any(RegionState::is_in_doubt);
        let doubts = if is_in_doubt { self.doubts().await? } else { BTreeMap::new() };
        let mut reports: BTreeMap<RegionId, RegionReport> = BTreeMap::new();
        for row in newest {
            let id = row.region_id;
            if let Some(report) = reports.get_mut(&id) {
                report.others.push(row.into_latest());
                continue;
            }
            let region: Region =
                row.region.parse().map_err(|_| StoreError::Corrupt(format!("regions.name of {id}")))?;
            let known = state.regions.get(&id);
            let report = RegionReport {
                status: known.and_then(RegionState::word),
                doubt: known.filter(|known| known.is_in_doubt()).and_then(|_| doubts.get(&region).copied()),
                stats: stats.get(&id.0).copied().unwrap_or_default(),
                latest: row.into_latest(),
                others: Vec::new(),
                relay: relays.remove(&id),
                region,
            };
            reports.insert(id, report);
        }
        let mut reports: Vec<RegionReport> = reports.into_values().collect();
        reports.sort_by(|a, b| a.region.cmp(&b.region));
        Ok(reports)
    }

    /// The newest result of each probe in the regions that check a peer, of those since a time; the newest first.
    async fn newest_by_probe(&self, id: PeerId, since: Timestamp) -> Result<Vec<LatestRow>, StoreError> {
        // Probes first: there are few, and `latest` is sorted by probe.
        let select = concat!(
            "SELECT l.region_id, r.name AS region, b.server_id, l.checked_at, ",
            result_columns!(),
            " FROM probes b CROSS JOIN latest l JOIN regions r ON r.id = l.region_id \
             JOIN results d ON d.day = l.day AND d.result_id = l.result_id \
             WHERE l.probe_id = b.id AND l.peer_id = $1 AND l.checked_at >= $2 \
             AND (l.region_id IN (SELECT region_id FROM peer_regions WHERE peer_id = $1) \
             OR NOT EXISTS (SELECT 1 FROM peer_regions WHERE peer_id = $1)) ORDER BY l.checked_at DESC"
        );
        self.db().all(select, args![id, since]).await
    }

    /// The history of a peer over all regions from `from` to `to`, the oldest bucket first. Buckets without checks are left
    /// out, and so are the oldest ones when there are more than 4096.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is no approved peer with this id; otherwise when the database fails.
    pub async fn node_series(
        &self,
        id: PeerId,
        grain: Grain,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<RollupPoint>, StoreError> {
        let from = from.max(self.target_since(id).await?);
        let select = sql!(
            "SELECT c.bucket AS key, ",
            (tally_columns),
            " FROM ",
            (counted peer),
            " GROUP BY c.bucket ORDER BY c.bucket"
        );
        let rows: Vec<TallyRow> = self.db().all(select, buckets_of(id, grain, from, to)).await?;
        let point = |row: TallyRow| RollupPoint {
            at: Timestamp::of_bucket(row.key, grain.duration()),
            stats: row.tally.stats(),
        };
        Ok(rows.into_iter().map(point).collect())
    }

    /// Since when an approved peer is what it is; the history before is that of another one. It is [`StoreError::NotFound`] when
    /// there is no approved peer with this id.
    pub(super) async fn target_since(&self, id: PeerId) -> Result<Timestamp, StoreError> {
        let select = sql!("SELECT p.target_since FROM peers p WHERE ", (is_watched), " AND p.id = $1");
        let row: Option<(Timestamp,)> = self.db().optional(select, args![id]).await?;
        row.map(|(since,)| since).ok_or(StoreError::NotFound("node"))
    }

    fn grain_for(&self, window: Duration) -> Grain {
        let kept = self.shared.retention();
        if window <= kept.five_minutes {
            Grain::FiveMinutes
        } else if window <= kept.hours {
            Grain::Hour
        } else {
            Grain::Day
        }
    }
}

/// The parameters of [`counted`] for the buckets of a peer that began after `from` and up to `to`, the newest ones when
/// there are too many.
fn buckets_of(peer: PeerId, grain: Grain, from: Timestamp, to: Timestamp) -> Vec<Value> {
    let last = to.bucket(grain.duration());
    let first = (from.bucket(grain.duration()) + 1).max(last - MAX_BUCKETS + 1);
    counted_args(grain, (first..=last).collect(), peer)
}
