//! Results that are stored but not folded yet.

use std::{collections::HashSet, time::Duration};

use super::{
    super::duties::{Duty, Lease, SHARDS},
    packed::{Appended, unpack},
};
use crate::{
    db::{Db, args, sql},
    domain::{PeerId, ProbeId, RegionId, Timestamp},
    error::StoreError,
};

/// The number of results after which a group takes no further rows, so that its memory is bounded.
const GROUP_SIZE: i64 = 40_000;

/// The number of pairs of a probe and a peer after which a group takes no further rows. Results of a pair are merged, so the
/// time to write a group depends on its pairs. On SQLite new results wait while a group is written.
const GROUP_PAIRS: usize = 10_000;

/// The maximum number of rows of `appends` in a group.
const MAX_ROWS: usize = 1024;

/// The maximum time between the arrivals of the results in a group. All are applied at the time at which the last one
/// arrived, so that a fold that is behind notices the same changes as one that is not.
const MAX_SPAN: Duration = Duration::from_secs(10);

/// The shard to which a peer belongs.
pub(in crate::store) fn shard_of(peer: PeerId) -> usize {
    peer.0.unsigned_abs() as usize % SHARDS
}

/// Results that are folded together.
pub(super) struct Group {
    /// The rows of `appends` that hold them.
    pub rows: Vec<i64>,
    /// Sorted by peer and time.
    pub results: Vec<Appended>,
    /// When the last of them arrived.
    pub now: Timestamp,
    /// Whether no other results were waiting.
    pub is_last: bool,
}

#[derive(sqlx::FromRow)]
struct AppendRow {
    id: i64,
    probe_id: ProbeId,
    region_id: RegionId,
    received_at: Timestamp,
    results: i64,
    packed: Vec<u8>,
}

/// The oldest results of the shards that this hub folds; `None` when all are folded.
pub(super) async fn next_group(db: &Db, leases: &[Lease]) -> Result<Option<Group>, StoreError> {
    let select = sql!(
        "SELECT id, probe_id, region_id, received_at, results, packed FROM appends WHERE shard ",
        (in 1),
        " ORDER BY id LIMIT $2"
    );
    let found: Vec<AppendRow> = db.all(select, args![shards(leases), MAX_ROWS as i64]).await?;
    let Some(oldest) = found.first().map(|row| row.received_at) else { return Ok(None) };
    let mut is_last = found.len() < MAX_ROWS;
    let mut group = Group { rows: Vec::new(), results: Vec::new(), now: Timestamp::default(), is_last: false };
    let (mut size, mut pairs) = (0, HashSet::new());
    for row in found {
        let is_full = size + row.results > GROUP_SIZE || pairs.len() >= GROUP_PAIRS;
        if size > 0 && (is_full || row.received_at > oldest + MAX_SPAN) {
            is_last = false;
            break;
        }
        size += row.results;
        group.rows.push(row.id);
        group.now = group.now.max(row.received_at);
        let results = unpack(&row.packed)?;
        pairs.extend(results.iter().map(|one| (row.probe_id, one.peer)));
        group.results.extend(results.into_iter().map(|packed| Appended::new(row.probe_id, row.region_id, packed)));
    }
    group.is_last = is_last;
    group.results.sort_by_key(|one| (one.peer, one.checked_at));
    Ok(Some(group))
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
        Duty::Presence | Duty::Retention | Duty::Instance | Duty::Alerts | Duty::Sources | Duty::Manager => None,
    };
    leases.iter().filter_map(shard).collect()
}
