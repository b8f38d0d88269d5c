//! What was seen of one approved peer over time.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Store, StoreError,
    engine::{Value, args, sql},
    rows::{self, ResultRow, result_columns},
    tally::Tally,
};
use crate::{
    model::{
        Grain, HealthRecord, LatestResult, NodeStats, Page, PageRequest, PeerId, RecordFilter, RegionId, RegionReport,
        RegionStats, RollupPoint,
    },
    time::{DAY, QUARTER, Timestamp},
};

/// Sums over the checks of a peer `$1` in the buckets `$3` of the grain `$2`, from a table of those; `$4` is how many
/// times five minutes the grain is. Rollups are sorted by bucket and region before the peer, so both are named: each
/// pair is one seek. What they do not count yet is beside the newest results, which are sorted by probe.
macro_rules! tallies {
    ($bucket:literal) => {
        concat!(
            "CAST(coalesce(sum(checks), 0) AS BIGINT) AS checks, CAST(coalesce(sum(healthy), 0) AS BIGINT) AS healthy, \
             CAST(coalesce(sum(latency_count), 0) AS BIGINT) AS latency_count, \
             CAST(coalesce(sum(latency_sum), 0) AS BIGINT) AS latency_sum, min(latency_min) AS latency_min, \
             max(latency_max) AS latency_max FROM (\
             SELECT bucket, region_id, checks, healthy, latency_count, latency_sum, latency_min, latency_max \
             FROM rollups WHERE peer_id = $1 AND grain = $2 AND region_id IN (SELECT id FROM regions) AND bucket ",
            $bucket,
            " UNION ALL SELECT l.bucket / $4, l.region_id, l.checks, l.healthy, l.latency_count, l.latency_sum, \
             l.latency_min, l.latency_max FROM probes b CROSS JOIN latest l WHERE l.probe_id = b.id \
             AND l.peer_id = $1 AND l.checks > 0 AND l.bucket / $4 ",
            $bucket,
            ") counted"
        )
    };
}

macro_rules! tally_columns {
    (sqlite) => {
        tallies!("IN (SELECT value FROM json_each($3))")
    };
    (postgres) => {
        tallies!("= ANY($3)")
    };
}

#[derive(sqlx::FromRow)]
struct TallyRow {
    /// What the sums are by.
    key: i64,
    #[sqlx(flatten)]
    tally: Tally,
}

#[derive(sqlx::FromRow)]
struct RecordRow {
    id: i64,
    checked_at: Timestamp,
    status: i64,
    response_us: Option<i64>,
    error: Option<String>,
    message: Option<String>,
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
    /// Raw results from the newest back. The total is counted in an index, and only the quarters of an hour that the
    /// page lies in are read.
    pub async fn health_records(
        &self,
        id: PeerId,
        filter: &RecordFilter,
        page: PageRequest,
        now: Timestamp,
    ) -> Result<Page<HealthRecord>, StoreError> {
        self.node_url(id).await?;
        let kept_since = now - self.shared.retention().results;
        let since = filter.since.unwrap_or(kept_since).max(kept_since);
        let status = filter.status.map(rows::status_code);
        let quarters: Vec<i64> = (since.bucket(QUARTER)..=now.bucket(QUARTER)).collect();
        let count = sql!(
            "SELECT quarter, count(*) FROM results WHERE quarter ",
            ["IN (SELECT value FROM json_each($1))" | "= ANY($1)"],
            " AND peer_id = $2 AND checked_at >= $3 AND ($4 IS NULL OR status = $4) GROUP BY quarter \
             ORDER BY quarter DESC"
        );
        let counts: Vec<(i64, i64)> = self.db().all(count, args![quarters, id, since, status]).await?;
        let total = counts.iter().map(|(_, count)| count).sum();

        let (mut first, mut skip) = (page.offset(), 0);
        let mut on_page = Vec::new();
        let mut rows_seen = 0;
        for (quarter, count) in counts {
            if on_page.is_empty() && first >= count {
                first -= count;
                continue;
            }
            if on_page.is_empty() {
                skip = first;
            } else if rows_seen - skip >= page.limit() {
                break;
            }
            on_page.push(quarter);
            rows_seen += count;
        }
        let select = sql!(
            "SELECT id, checked_at, status, response_us, error, message FROM results WHERE quarter ",
            ["IN (SELECT value FROM json_each($1))" | "= ANY($1)"],
            " AND peer_id = $2 AND checked_at >= $3 AND ($4 IS NULL OR status = $4) \
             ORDER BY checked_at DESC, id DESC LIMIT $5 OFFSET $6"
        );
        let parameters = args![on_page, id, since, status, page.limit(), skip];
        let found: Vec<RecordRow> = self.db().all(select, parameters).await?;
        let record = |row: RecordRow| HealthRecord {
            id: row.id,
            node_id: id,
            status: rows::status(row.status),
            response_us: row.response_us,
            error: rows::failure_code(row.error),
            message: row.message,
            checked_at: row.checked_at,
        };
        Ok(Page { items: found.into_iter().map(record).collect(), total: rows::count(total) })
    }

    /// Statistics over the last `window`, from the finest rollups that reach back so far.
    pub async fn node_stats(&self, id: PeerId, window: Duration, now: Timestamp) -> Result<NodeStats, StoreError> {
        let node = self.node(id, now).await?;
        let grain = self.grain_for(window);
        let select = sql!("SELECT CAST(0 AS BIGINT) AS key, ", (tally_columns));
        let row: TallyRow = self.db().one(select, range(id, grain, now - window, now)).await?;
        Ok(NodeStats { checks: row.tally.stats(), last_check_at: node.last_check_at, verdict: node.verdict })
    }

    /// What each region saw last, what it says now, and its last 24 hours; in the order of their names. A region of
    /// which no raw result is kept is left out.
    pub async fn node_regions(&self, id: PeerId, now: Timestamp) -> Result<Vec<RegionReport>, StoreError> {
        let select = "SELECT s.evidence FROM peer_states s JOIN peers p ON p.id = s.peer_id \
                      WHERE p.approved AND p.id = $1";
        let row: Option<(String,)> = self.db().optional(select, args![id]).await?;
        let (evidence,) = row.ok_or(StoreError::NotFound("node"))?;
        let state = rows::evidence(id, &evidence)?;

        // Probes first: their number is small, and the newest results are sorted by probe.
        let select = concat!(
            "SELECT l.region_id, r.name AS region, b.server_id, l.checked_at, ",
            result_columns!(),
            " FROM probes b CROSS JOIN latest l JOIN regions r ON r.id = l.region_id \
             JOIN results d ON d.day = l.day AND d.result_id = l.result_id \
             WHERE l.probe_id = b.id AND l.peer_id = $1 ORDER BY l.checked_at"
        );
        let mut newest: BTreeMap<RegionId, LatestRow> = BTreeMap::new();
        for row in self.db().all::<LatestRow>(select, args![id]).await? {
            newest.insert(row.region_id, row);
        }
        let select = sql!("SELECT region_id AS key, ", (tally_columns), " GROUP BY region_id");
        let parameters = range(id, self.grain_for(DAY), now - DAY, now);
        let tallies: Vec<TallyRow> = self.db().all(select, parameters).await?;
        let stats: BTreeMap<i64, RegionStats> = tallies.into_iter().map(|row| (row.key, row.tally.stats())).collect();

        let mut reports = Vec::new();
        for (region, row) in newest {
            reports.push(RegionReport {
                region: row.region.parse().map_err(|_| StoreError::Corrupt(format!("regions.name of {region}")))?,
                word: state.regions.get(&region).and_then(|region| region.word),
                stats: stats.get(&region.0).copied().unwrap_or_default(),
                latest: row.into_latest(),
            });
        }
        reports.sort_by(|a, b| a.region.cmp(&b.region));
        Ok(reports)
    }

    /// A peer's history over all regions from `from` to `to`, oldest first; buckets without checks are left out.
    pub async fn node_series(
        &self,
        id: PeerId,
        grain: Grain,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<RollupPoint>, StoreError> {
        self.node_url(id).await?;
        let select = sql!("SELECT bucket AS key, ", (tally_columns), " GROUP BY bucket ORDER BY bucket");
        let rows: Vec<TallyRow> = self.db().all(select, range(id, grain, from, to)).await?;
        let point = |row: TallyRow| RollupPoint {
            at: Timestamp::of_bucket(row.key, grain.duration()),
            stats: row.tally.stats(),
        };
        Ok(rows.into_iter().map(point).collect())
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

/// The most buckets that one reading names: ten years of days, or two weeks of five minutes.
const MAX_BUCKETS: i64 = 4096;

/// The parameters of [`tally_columns`]: the buckets that began after `from` and up to `to`, the newest ones of them
/// when there are too many.
fn range(peer: PeerId, grain: Grain, from: Timestamp, to: Timestamp) -> Vec<Value> {
    let last = to.bucket(grain.duration());
    let first = (from.bucket(grain.duration()) + 1).max(last - MAX_BUCKETS + 1);
    let buckets: Vec<i64> = (first..=last).collect();
    args![peer, grain.seconds(), buckets, grain.seconds() / Grain::FiveMinutes.seconds()]
}
