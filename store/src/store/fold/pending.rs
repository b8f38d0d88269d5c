//! Results that are stored but not folded yet: the table `appends` lists ranges of rows.

use std::{collections::HashMap, time::Duration};

use easytier_probe::Status;
use uuid::Uuid;

use super::super::{
    duties::{Duty, Lease, SHARDS},
    rows,
};
use crate::{
    consensus::Observation,
    db::{Db, args, sql},
    domain::{Count, PeerId, ProbeId, RegionId, RegionStatus, Timestamp},
    error::StoreError,
};

/// The maximum number of results in a group. On SQLite new results wait while a group is written.
const GROUP_SIZE: i64 = 10_000;

/// The maximum number of ranges in a group.
const MAX_RANGES: i64 = 1024;

/// The maximum time between the arrivals of the results in a group. All are applied at the time at which the last one
/// arrived, so that a fold that is behind notices the same changes as one that is not.
const MAX_SPAN: Duration = Duration::from_secs(10);

/// The shard to which a peer belongs.
pub(in crate::store) fn shard_of(peer: PeerId) -> usize {
    peer.0.unsigned_abs() as usize % SHARDS
}

/// A stored result, as the fold needs it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(super) struct Appended {
    pub id: i64,
    pub day: i64,
    pub result_id: Uuid,
    pub peer_id: PeerId,
    pub region_id: RegionId,
    pub probe_id: ProbeId,
    pub checked_at: Timestamp,
    status: i64,
    pub checks: i64,
    pub healthy: i64,
    pub response_us: Option<i64>,
    pub min_us: Option<i64>,
    pub max_us: Option<i64>,
    pub version: Option<String>,
    pub network_count: Option<i64>,
}

impl Appended {
    /// How the result sees the peer; `None` when it is no evidence.
    pub fn status(&self) -> Option<RegionStatus> {
        match rows::status(self.status) {
            Status::Online => Some(RegionStatus::Online),
            Status::Offline => Some(RegionStatus::Offline),
            _ => None,
        }
    }

    pub fn count(&self) -> Count {
        Count { checks: rows::count(self.checks), healthy: rows::count(self.healthy) }
    }

    pub fn observation(&self, status: RegionStatus, interval: Duration) -> Observation {
        Observation {
            region: self.region_id,
            probe: self.probe_id,
            status,
            at: self.checked_at,
            interval,
            response_us: self.response_us,
        }
    }
}

/// Results that are folded together.
pub(super) struct Group {
    /// The rows of `appends` that list them.
    pub appends: Vec<i64>,
    /// Sorted by peer and time.
    pub results: Vec<Appended>,
    /// When the last of them arrived.
    pub now: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Range {
    id: i64,
    shard: i64,
    probe_id: ProbeId,
    after_id: i64,
    last_id: i64,
    results: i64,
    received_at: Timestamp,
}

/// The oldest results of the shards that this hub folds; `None` when all are folded.
pub(super) async fn next_group(db: &Db, leases: &[Lease]) -> Result<Option<Group>, StoreError> {
    let ranges = next_ranges(db, leases).await?;
    let (Some(after), Some(last)) =
        (ranges.iter().map(|range| range.after_id).min(), ranges.iter().map(|range| range.last_id).max())
    else {
        return Ok(None);
    };
    let select = "SELECT id, day, result_id, peer_id, region_id, probe_id, checked_at, status, checks, healthy, \
                  response_us, min_us, max_us, version, network_count FROM results WHERE id > $1 AND id <= $2";
    let mut results: Vec<Appended> = db.all(select, args![after, last]).await?;

    let mut listed: HashMap<(ProbeId, usize), Vec<(i64, i64)>> = HashMap::new();
    for range in &ranges {
        let shard = usize::try_from(range.shard).unwrap_or(SHARDS);
        listed.entry((range.probe_id, shard)).or_default().push((range.after_id, range.last_id));
    }
    // Between the rows of a probe there may be some of others, which are folded by another hub or in another group.
    results.retain(|one| {
        let ranges = listed.get(&(one.probe_id, shard_of(one.peer_id)));
        ranges.into_iter().flatten().any(|(after, last)| one.id > *after && one.id <= *last)
    });
    results.sort_by_key(|one| (one.peer_id, one.checked_at));
    let now = ranges.iter().map(|range| range.received_at).max().unwrap_or_default();
    Ok(Some(Group { appends: ranges.into_iter().map(|range| range.id).collect(), results, now }))
}

async fn next_ranges(db: &Db, leases: &[Lease]) -> Result<Vec<Range>, StoreError> {
    let select = sql!(
        "SELECT id, shard, probe_id, after_id, last_id, results, received_at FROM appends WHERE shard ",
        (in 1),
        " ORDER BY id LIMIT $2"
    );
    let mut ranges: Vec<Range> = db.all(select, args![shards(leases), MAX_RANGES]).await?;
    let Some(oldest) = ranges.first().map(|range| range.received_at) else { return Ok(ranges) };
    let mut results = 0;
    ranges.retain(|range| {
        let is_first = results == 0;
        results += range.results;
        is_first || (results <= GROUP_SIZE && range.received_at <= oldest + MAX_SPAN)
    });
    Ok(ranges)
}

/// When the oldest result that is not folded yet arrived.
pub(in crate::store) async fn oldest(db: &Db, leases: &[Lease]) -> Result<Option<Timestamp>, StoreError> {
    let select = sql!("SELECT min(received_at) FROM appends WHERE shard ", (in 1));
    db.one::<(Option<Timestamp>,)>(select, args![shards(leases)]).await.map(|(oldest,)| oldest)
}

/// The shards of leases.
pub(in crate::store) fn shards(leases: &[Lease]) -> Vec<i64> {
    let shard = |lease: &Lease| match lease.duty {
        Duty::Fold(shard) => i64::try_from(shard).ok(),
        Duty::Presence => None,
    };
    leases.iter().filter_map(shard).collect()
}
