//! What the status page shows: all peers at once, and the history of the few that are on one page of it.

use std::collections::HashMap;

use easytier_probe::Status;

use super::{
    Store, StoreError,
    engine::{args, sql},
    rows,
    tally::Tally,
};
use crate::{
    consensus::{State, Word},
    model::{FailureCount, Grain, NodeView, PeerId, Pulse, Region, RegionId, RegionView, SeriesPoint},
    time::{QUARTER, Timestamp},
};

#[derive(sqlx::FromRow)]
struct PointRow {
    peer_id: PeerId,
    region: String,
    bucket: i64,
    #[sqlx(flatten)]
    tally: Tally,
}

#[derive(sqlx::FromRow)]
struct FailureRow {
    stage: String,
    error: Option<String>,
    checks: i64,
    last_at: Timestamp,
}

/// The counts of the grain `$1` in the buckets `$2` of the peers `$3`; `$4` is how many times five minutes the grain is.
/// As in `history`, what the rollups do not count yet is beside the newest results.
macro_rules! points {
    (sqlite) => {
        points!("IN (SELECT value FROM json_each($2))", "IN (SELECT value FROM json_each($3))")
    };
    (postgres) => {
        points!("= ANY($2)", "= ANY($3)")
    };
    ($buckets:literal, $peers:literal) => {
        concat!(
            "SELECT c.peer_id, r.name AS region, c.bucket, CAST(sum(c.checks) AS BIGINT) AS checks, \
             CAST(sum(c.healthy) AS BIGINT) AS healthy, CAST(sum(c.latency_count) AS BIGINT) AS latency_count, \
             CAST(sum(c.latency_sum) AS BIGINT) AS latency_sum, min(c.latency_min) AS latency_min, \
             max(c.latency_max) AS latency_max FROM (\
             SELECT peer_id, region_id, bucket, checks, healthy, latency_count, latency_sum, latency_min, latency_max \
             FROM rollups WHERE grain = $1 AND region_id IN (SELECT id FROM regions) AND bucket ",
            $buckets,
            " AND peer_id ",
            $peers,
            " UNION ALL SELECT l.peer_id, l.region_id, l.bucket / $4, l.checks, l.healthy, l.latency_count, \
             l.latency_sum, l.latency_min, l.latency_max FROM probes b CROSS JOIN latest l WHERE l.probe_id = b.id \
             AND l.checks > 0 AND l.bucket / $4 ",
            $buckets,
            " AND l.peer_id ",
            $peers,
            ") c JOIN regions r ON r.id = c.region_id GROUP BY c.peer_id, r.name, c.bucket \
             ORDER BY c.peer_id, r.name, c.bucket"
        )
    };
}

impl Store {
    /// Every approved peer with what the regions say of it now, in the order of ids: three statements.
    pub async fn overview(&self, now: Timestamp) -> Result<Vec<NodeView>, StoreError> {
        let names = self.region_names().await?;
        let select =
            "SELECT s.peer_id, s.evidence FROM peer_states s JOIN peers p ON p.id = s.peer_id WHERE p.approved";
        let evidence: Vec<(PeerId, String)> = self.db().all(select, vec![]).await?;
        let mut regions = HashMap::new();
        for (id, evidence) in evidence {
            regions.insert(id, said(rows::evidence(id, &evidence)?, &names));
        }
        let view = |node: crate::model::Node| NodeView { regions: regions.remove(&node.id).unwrap_or_default(), node };
        Ok(self.all_nodes(now).await?.into_iter().map(view).collect())
    }

    /// The history of peers by region in the buckets of a grain that began after `from` and up to `to`, sorted by peer,
    /// region and time; buckets without checks are left out.
    pub async fn series(
        &self,
        ids: &[PeerId],
        grain: Grain,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<SeriesPoint>, StoreError> {
        let duration = grain.duration();
        let buckets: Vec<i64> = (from.bucket(duration) + 1..=to.bucket(duration)).collect();
        let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        let times = grain.seconds() / Grain::FiveMinutes.seconds();
        let rows: Vec<PointRow> = self.db().all(sql!((points)), args![grain.seconds(), buckets, ids, times]).await?;
        let point = |row: PointRow| {
            Some(SeriesPoint {
                peer: row.peer_id,
                region: row.region.parse().ok()?,
                at: Timestamp::of_bucket(row.bucket, duration),
                stats: row.tally.stats(),
            })
        };
        Ok(rows.into_iter().filter_map(point).collect())
    }

    /// In which ways the checks of an approved peer failed since then, the most frequent first; as far back as raw
    /// results are kept. What says nothing about the peer is no failure.
    pub async fn node_failures(
        &self,
        id: PeerId,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<FailureCount>, StoreError> {
        self.node_url(id).await?;
        let since = since.max(now - self.shared.retention().results);
        let quarters: Vec<i64> = (since.bucket(QUARTER)..=now.bucket(QUARTER)).collect();
        let offline = rows::status_code(Status::Offline);
        let select = sql!(
            "SELECT stage, error, CAST(sum(checks - healthy) AS BIGINT) AS checks, max(checked_at) AS last_at \
             FROM results WHERE quarter ",
            ["IN (SELECT value FROM json_each($1))" | "= ANY($1)"],
            " AND peer_id = $2 AND checked_at >= $3 AND status = $4 GROUP BY stage, error \
             ORDER BY sum(checks - healthy) DESC, max(checked_at) DESC"
        );
        let rows: Vec<FailureRow> = self.db().all(select, args![quarters, id, since, offline]).await?;
        let count = |row: FailureRow| FailureCount {
            stage: rows::stage(&row.stage),
            code: rows::failure_code(row.error),
            checks: rows::count(row.checks),
            last_at: row.last_at,
        };
        Ok(rows.into_iter().map(count).collect())
    }

    /// What tells whether there is something new.
    pub async fn pulse(&self) -> Result<Pulse, StoreError> {
        let select = "SELECT coalesce((SELECT max(id) FROM events), 0), (SELECT max(last_check_at) FROM peer_states)";
        let (event, checked_at): (i64, Option<Timestamp>) = self.db().one(select, vec![]).await?;
        Ok(Pulse { event, checked_at, config_version: self.config_version().await? })
    }

    /// The names of peers, approved ones or all, by id.
    pub async fn peer_names(&self, ids: &[i64]) -> Result<HashMap<i64, String>, StoreError> {
        let select =
            sql!("SELECT id, name FROM peers WHERE id ", ["IN (SELECT value FROM json_each($1))" | "= ANY($1)"]);
        Ok(self.db().all::<(i64, String)>(select, args![ids.to_vec()]).await?.into_iter().collect())
    }

    async fn region_names(&self) -> Result<HashMap<RegionId, Region>, StoreError> {
        let rows: Vec<(RegionId, String)> = self.db().all("SELECT id, name FROM regions", vec![]).await?;
        Ok(rows.into_iter().filter_map(|(id, name)| Some((id, name.parse().ok()?))).collect())
    }
}

fn said(state: State, names: &HashMap<RegionId, Region>) -> Vec<RegionView> {
    let view = |(id, region): (RegionId, crate::consensus::RegionState)| {
        let response_us = region.response_us().filter(|_| region.word == Some(Word::Online));
        Some(RegionView { region: names.get(&id)?.clone(), word: region.word, response_us })
    };
    let mut regions: Vec<RegionView> = state.regions.into_iter().filter_map(view).collect();
    regions.sort_by(|a, b| a.region.cmp(&b.region));
    regions
}
