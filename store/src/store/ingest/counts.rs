//! Counts of checks: the newest five minutes of each probe and peer beside its newest result, all before in rollups.

use std::collections::{BTreeMap, HashMap};

use easytier_probe::Status;
use uuid::Uuid;

use super::{
    commit::{Taken, day_of},
    judge::Judged,
};
use crate::{
    model::{Grain, PeerId, ProbeId, RegionId},
    store::{
        StoreError,
        bulk::{Bulk, Column},
        engine::{Tx, Value, args, sql},
        tally::Tally,
    },
    time::Timestamp,
};

const FINEST: Grain = Grain::FiveMinutes;

/// What a group says of one peer as one probe saw it.
struct Seen {
    region: RegionId,
    /// The newest result.
    at: Timestamp,
    day: i64,
    id: Uuid,
    /// By bucket.
    tallies: BTreeMap<i64, Tally>,
}

impl Seen {
    fn newest_bucket(&self) -> i64 {
        self.at.bucket(FINEST.duration())
    }

    fn newest_tally(&self) -> Tally {
        self.tallies.get(&self.newest_bucket()).copied().unwrap_or_default()
    }
}

/// Tallies on their way to the rollups, sorted as the table is, so that neighbours are written together.
#[derive(Default)]
struct Rollups(BTreeMap<(i64, i64, RegionId, PeerId), Tally>);

impl Rollups {
    /// Counts five minutes in all grains.
    fn add(&mut self, bucket: i64, region: RegionId, peer: PeerId, tally: &Tally) {
        if tally.checks == 0 {
            return;
        }
        for grain in Grain::ALL {
            let bucket = bucket / (grain.seconds() / FINEST.seconds());
            self.0.entry((grain.seconds(), bucket, region, peer)).or_default().add(tally);
        }
    }
}

/// Counts results that were just stored.
pub(super) async fn add(tx: &mut Tx, taken: &[Taken<'_>]) -> Result<(), StoreError> {
    let seen = sort(taken);
    let mut rollups = Rollups::default();
    for ((_, peer), new) in &seen {
        for (bucket, tally) in new.tallies.range(..new.newest_bucket()) {
            rollups.add(*bucket, new.region, *peer, tally);
        }
    }
    // Mostly the same five minutes go on everywhere: then what is kept need not be read.
    if SAME.execute(tx, seen.iter().flat_map(row).collect()).await? < seen.len() as u64 {
        begin_others(tx, seen, &mut rollups).await?;
    }
    write_rollups(tx, rollups).await
}

/// Counts what [`SAME`] left alone, where other five minutes are kept than those of the newest new result, or those of
/// another region.
async fn begin_others(
    tx: &mut Tx,
    mut seen: BTreeMap<(ProbeId, PeerId), Seen>,
    rollups: &mut Rollups,
) -> Result<(), StoreError> {
    let mut begun = Vec::new();
    for (key, kept) in mismatched(tx, &seen).await? {
        let (_, peer) = key;
        let new = seen.remove(&key).expect("only what was seen was asked for");
        if kept.region_id == new.region && kept.bucket > new.newest_bucket() {
            // All of it is late. What is kept is newer, and stays.
            rollups.add(new.newest_bucket(), new.region, peer, &new.newest_tally());
        } else {
            rollups.add(kept.bucket, kept.region_id, peer, &kept.tally);
            begun.push((key, new));
        }
    }
    begun.sort_unstable_by_key(|(key, _)| *key);
    OTHER.execute(tx, begun.iter().flat_map(|(key, new)| row((key, new))).collect()).await.map(drop)
}

/// Counts what is kept of a probe's newest five minutes, and forgets its newest results. Says of which peers there were
/// such.
pub(in crate::store) async fn settle(tx: &mut Tx, probe: ProbeId) -> Result<Vec<i64>, StoreError> {
    let delete = "DELETE FROM latest WHERE probe_id = $1 RETURNING peer_id, region_id, bucket, checks, healthy, \
                  latency_count, latency_sum, latency_min, latency_max";
    let kept: Vec<Kept> = tx.all(delete, args![probe]).await?;
    let mut rollups = Rollups::default();
    for Kept { peer_id, region_id, bucket, tally } in &kept {
        rollups.add(*bucket, *region_id, *peer_id, tally);
    }
    write_rollups(tx, rollups).await?;
    Ok(kept.into_iter().map(|kept| kept.peer_id.0).collect())
}

fn sort(taken: &[Taken<'_>]) -> BTreeMap<(ProbeId, PeerId), Seen> {
    let mut sorted: BTreeMap<(ProbeId, PeerId), Seen> = BTreeMap::new();
    for one in taken {
        let (at, id) = (one.judged.at, one.judged.result.id);
        let seen = sorted.entry((one.from.probe, one.peer())).or_insert_with(|| Seen {
            region: one.from.region_id,
            at,
            day: day_of(id),
            id,
            tallies: BTreeMap::new(),
        });
        if at > seen.at {
            (seen.at, seen.day, seen.id) = (at, day_of(id), id);
        }
        seen.tallies.entry(at.bucket(FINEST.duration())).or_default().add(&tally(&one.judged));
    }
    sorted
}

/// `Unknown` results count neither for nor against.
fn tally(judged: &Judged) -> Tally {
    let Judged { healthy, response_us, min_us, max_us, result, .. } = judged;
    if result.status == Status::Unknown {
        return Tally::default();
    }
    let healthy = i64::from(*healthy);
    let counted = Tally { checks: i64::from(result.checks), healthy, ..Tally::default() };
    match *response_us {
        Some(median) if healthy > 0 => Tally {
            latency_count: healthy,
            latency_sum: median * healthy,
            latency_min: Some(min_us.unwrap_or(median)),
            latency_max: Some(max_us.unwrap_or(median)),
            ..counted
        },
        _ => counted,
    }
}

/// What `latest` keeps.
#[derive(sqlx::FromRow)]
struct Kept {
    peer_id: PeerId,
    region_id: RegionId,
    bucket: i64,
    #[sqlx(flatten)]
    tally: Tally,
}

/// What is kept of other five minutes than those of the newest new result, or of another region.
async fn mismatched(
    tx: &mut Tx,
    seen: &BTreeMap<(ProbeId, PeerId), Seen>,
) -> Result<Vec<((ProbeId, PeerId), Kept)>, StoreError> {
    let mut alike: HashMap<(ProbeId, RegionId, i64), Vec<i64>> = HashMap::new();
    for ((probe, peer), new) in seen {
        alike.entry((*probe, new.region, new.newest_bucket())).or_default().push(peer.0);
    }
    let select = sql!(
        "SELECT peer_id, region_id, bucket, checks, healthy, latency_count, latency_sum, latency_min, latency_max \
         FROM latest WHERE probe_id = $1 AND (bucket <> $2 OR region_id <> $3) AND peer_id ",
        ["IN (SELECT value FROM json_each($4))" | "= ANY($4)"]
    );
    let mut found = Vec::new();
    for ((probe, region, bucket), peers) in alike {
        let kept: Vec<Kept> = tx.all(select, args![probe, bucket, region, peers]).await?;
        found.extend(kept.into_iter().map(|kept| ((probe, kept.peer_id), kept)));
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

/// Which result is the newest.
macro_rules! newest {
    () => {
        "ON CONFLICT (probe_id, peer_id) DO UPDATE SET (day, result_id, checked_at) = (\
         CASE WHEN latest.checked_at >= excluded.checked_at THEN latest.day ELSE excluded.day END, \
         CASE WHEN latest.checked_at >= excluded.checked_at THEN latest.result_id ELSE excluded.result_id END, \
         CASE WHEN latest.checked_at >= excluded.checked_at THEN latest.checked_at ELSE excluded.checked_at END), "
    };
}

/// Begins the five minutes of new peers, and goes on with those that are kept; leaves others alone. A comparison with
/// null is not true: a figure stays unless a lesser or greater one comes.
static SAME: Bulk = Bulk::new(
    "latest",
    LATEST_COLUMNS,
    concat!(
        newest!(),
        "checks = latest.checks + excluded.checks, healthy = latest.healthy + excluded.healthy, \
         latency_count = latest.latency_count + excluded.latency_count, \
         latency_sum = latest.latency_sum + excluded.latency_sum, \
         latency_min = CASE WHEN excluded.latency_min IS NULL OR latest.latency_min < excluded.latency_min \
         THEN latest.latency_min ELSE excluded.latency_min END, \
         latency_max = CASE WHEN excluded.latency_max IS NULL OR latest.latency_max > excluded.latency_max \
         THEN latest.latency_max ELSE excluded.latency_max END \
         WHERE latest.bucket = excluded.bucket AND latest.region_id = excluded.region_id"
    ),
);

/// Begins other five minutes.
static OTHER: Bulk = Bulk::new(
    "latest",
    LATEST_COLUMNS,
    concat!(
        newest!(),
        "checks = excluded.checks, healthy = excluded.healthy, latency_count = excluded.latency_count, \
         latency_sum = excluded.latency_sum, latency_min = excluded.latency_min, latency_max = excluded.latency_max, \
         bucket = excluded.bucket, region_id = excluded.region_id"
    ),
);

/// A row of `latest`.
fn row(((probe, peer), new): (&(ProbeId, PeerId), &Seen)) -> Vec<Value> {
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

static ROLLUPS: Bulk = Bulk::new(
    "rollups",
    &[
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
    ],
    "ON CONFLICT (grain, bucket, region_id, peer_id) DO UPDATE SET checks = rollups.checks + excluded.checks, \
     healthy = rollups.healthy + excluded.healthy, latency_count = rollups.latency_count + excluded.latency_count, \
     latency_sum = rollups.latency_sum + excluded.latency_sum, \
     latency_min = CASE WHEN rollups.latency_min IS NULL OR excluded.latency_min < rollups.latency_min \
     THEN excluded.latency_min ELSE rollups.latency_min END, \
     latency_max = CASE WHEN rollups.latency_max IS NULL OR excluded.latency_max > rollups.latency_max \
     THEN excluded.latency_max ELSE rollups.latency_max END",
);

async fn write_rollups(tx: &mut Tx, rollups: Rollups) -> Result<(), StoreError> {
    let values = rollups
        .0
        .into_iter()
        .flat_map(|((grain, bucket, region, peer), tally)| {
            let Tally { checks, healthy, latency_count, latency_sum, latency_min, latency_max } = tally;
            args![grain, bucket, region, peer, checks, healthy, latency_count, latency_sum, latency_min, latency_max,]
        })
        .collect();
    ROLLUPS.execute(tx, values).await.map(drop)
}
