//! Counts of checks: those of the newest bucket of each probe and peer go to `latest`, all earlier ones to the rollups.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use super::{
    super::{
        liveness::Probes,
        rollups::{LatestCounts, Rollups, latest_counts_columns},
        tally::{Tally, capped_sum},
    },
    packed::Appended,
};
use crate::{
    db::{Bulk, Column, Tx, Value, args, sql},
    domain::{Grain, PeerId, ProbeId, RegionId, Timestamp},
    error::StoreError,
};

const FINEST: Grain = Grain::FiveMinutes;

/// The results of one probe about one peer in a group.
struct PeerResults {
    region: RegionId,
    /// Of the newest result.
    at: Timestamp,
    day: i64,
    id: Uuid,
    /// By bucket.
    tallies: BTreeMap<i64, Tally>,
}

impl PeerResults {
    fn newest_bucket(&self) -> i64 {
        self.at.bucket(FINEST.duration())
    }

    fn newest_tally(&self) -> Tally {
        self.tallies.get(&self.newest_bucket()).copied().unwrap_or_default()
    }
}

type ByProbeAndPeer = BTreeMap<(ProbeId, PeerId), PeerResults>;

/// Counts results. Those of a probe that was removed meanwhile go to the rollups at once.
pub(super) async fn add(tx: &mut Tx, new: &[&Appended], probes: &Probes) -> Result<(), StoreError> {
    let mut results = group(new);
    let mut rollups = Rollups::default();
    for ((probe, peer), new) in &results {
        let newest = if probes.contains_key(probe) { new.newest_bucket() } else { i64::MAX };
        for (bucket, tally) in new.tallies.range(..newest) {
            rollups.add(*bucket, new.region, *peer, tally);
        }
    }
    results.retain(|(probe, _), _| probes.contains_key(probe));
    // In most transactions every bucket continues, so the rows need not be read.
    if ADD_TO_BUCKET.execute(tx, results.iter().flat_map(row).collect()).await? < results.len() as u64 {
        start_buckets(tx, results, &mut rollups).await?;
    }
    rollups.write(tx).await
}

/// Counts the results that [`ADD_TO_BUCKET`] skipped, because `latest` has the counts of another bucket or region.
async fn start_buckets(tx: &mut Tx, mut results: ByProbeAndPeer, rollups: &mut Rollups) -> Result<(), StoreError> {
    let mut started = Vec::new();
    for (key, stored) in other_buckets(tx, &results).await? {
        let (_, peer) = key;
        let Some(new) = results.remove(&key) else { continue };
        if stored.region_id == new.region && stored.bucket > new.newest_bucket() {
            // All new results are late. The stored counts are newer and stay.
            rollups.add(new.newest_bucket(), new.region, peer, &new.newest_tally());
        } else {
            rollups.add(stored.bucket, stored.region_id, peer, &stored.tally);
            started.push((key, new));
        }
    }
    started.sort_unstable_by_key(|(key, _)| *key);
    START_BUCKET.execute(tx, started.iter().flat_map(|(key, new)| row((key, new))).collect()).await.map(drop)
}

fn group(new: &[&Appended]) -> ByProbeAndPeer {
    let mut grouped = ByProbeAndPeer::new();
    for one in new {
        let results = grouped.entry((one.probe, one.peer)).or_insert_with(|| PeerResults {
            region: one.region,
            at: one.checked_at,
            day: one.day,
            id: one.id,
            tallies: BTreeMap::new(),
        });
        if one.checked_at > results.at {
            (results.at, results.day, results.id) = (one.checked_at, one.day, one.id);
        }
        results.tallies.entry(one.checked_at.bucket(FINEST.duration())).or_default().add(&tally(one));
    }
    grouped
}

/// The counts of a result; zero for `Unknown`, which is evidence neither for nor against the peer.
fn tally(one: &Appended) -> Tally {
    if one.status.is_none() {
        return Tally::default();
    }
    let (checks, healthy) = (i64::from(one.count.checks), i64::from(one.count.healthy));
    let counted = Tally { checks, healthy, ..Tally::default() };
    match one.response_us {
        Some(median) if healthy > 0 => Tally {
            latency_count: healthy,
            latency_sum: median.saturating_mul(healthy),
            latency_min: Some(one.min_us.unwrap_or(median)),
            latency_max: Some(one.max_us.unwrap_or(median)),
            ..counted
        },
        _ => counted,
    }
}

/// The rows of `latest` whose bucket or region differs from those of the newest new result.
async fn other_buckets(
    tx: &mut Tx,
    results: &ByProbeAndPeer,
) -> Result<Vec<((ProbeId, PeerId), LatestCounts)>, StoreError> {
    let mut peers_by_bucket: HashMap<(ProbeId, RegionId, i64), Vec<i64>> = HashMap::new();
    for ((probe, peer), new) in results {
        peers_by_bucket.entry((*probe, new.region, new.newest_bucket())).or_default().push(peer.0);
    }
    let select = sql!(
        "SELECT ",
        (latest_counts_columns),
        " FROM latest WHERE probe_id = $1 AND (bucket <> $2 OR region_id <> $3) AND peer_id ",
        (in 4)
    );
    let mut found = Vec::new();
    for ((probe, region, bucket), peers) in peers_by_bucket {
        let stored: Vec<LatestCounts> = tx.all(select, args![probe, bucket, region, peers]).await?;
        found.extend(stored.into_iter().map(|stored| ((probe, stored.peer_id), stored)));
    }
    Ok(found)
}

const LATEST_COLUMNS: &[(&str, Column)] = &[
    ("probe_id", Column::Int),
    ("peer_id", Column::Int),
    ("region_id", Column::Int),
    ("checked_at", Column::Int),
    ("day", Column::Int),
    ("result_id", Column::Uuid),
    ("bucket", Column::Int),
    ("checks", Column::Int),
    ("healthy", Column::Int),
    ("latency_count", Column::Int),
    ("latency_sum", Column::Int),
    ("latency_min", Column::Int),
    ("latency_max", Column::Int),
];

/// Keeps the newer of two results.
macro_rules! keep_newer_result {
    () => {
        "ON CONFLICT (probe_id, peer_id) DO UPDATE SET (day, result_id, checked_at) = (\
         CASE WHEN latest.checked_at >= excluded.checked_at THEN latest.day ELSE excluded.day END, \
         CASE WHEN latest.checked_at >= excluded.checked_at THEN latest.result_id ELSE excluded.result_id END, \
         CASE WHEN latest.checked_at >= excluded.checked_at THEN latest.checked_at ELSE excluded.checked_at END), "
    };
}

/// Adds counts to the bucket in the row, and inserts rows of new peers; skips rows of another bucket or region. A
/// comparison with null is not true: a minimum or maximum stays unless a smaller or greater one comes.
static ADD_TO_BUCKET: Bulk = Bulk::new(
    "latest",
    LATEST_COLUMNS,
    concat!(
        keep_newer_result!(),
        "checks = latest.checks + excluded.checks, healthy = latest.healthy + excluded.healthy, \
         latency_count = latest.latency_count + excluded.latency_count, ",
        capped_sum!("latest"),
        ", latency_min = CASE WHEN excluded.latency_min IS NULL OR latest.latency_min < excluded.latency_min \
         THEN latest.latency_min ELSE excluded.latency_min END, \
         latency_max = CASE WHEN excluded.latency_max IS NULL OR latest.latency_max > excluded.latency_max \
         THEN latest.latency_max ELSE excluded.latency_max END \
         WHERE latest.bucket = excluded.bucket AND latest.region_id = excluded.region_id"
    ),
);

/// Replaces the counts in the row by those of another bucket or region.
static START_BUCKET: Bulk = Bulk::new(
    "latest",
    LATEST_COLUMNS,
    concat!(
        keep_newer_result!(),
        "checks = excluded.checks, healthy = excluded.healthy, latency_count = excluded.latency_count, \
         latency_sum = excluded.latency_sum, latency_min = excluded.latency_min, latency_max = excluded.latency_max, \
         bucket = excluded.bucket, region_id = excluded.region_id"
    ),
);

/// A row of `latest`.
fn row(((probe, peer), new): (&(ProbeId, PeerId), &PeerResults)) -> Vec<Value> {
    let Tally { checks, healthy, latency_count, latency_sum, latency_min, latency_max } = new.newest_tally();
    args![
        *probe,
        *peer,
        new.region,
        new.at,
        new.day,
        new.id,
        new.newest_bucket(),
        checks,
        healthy,
        latency_count,
        latency_sum,
        latency_min,
        latency_max,
    ]
}
