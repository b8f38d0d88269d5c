//! Giving peers other ids: their rows and their history follow.
//!
//! The rows of a peer move in one transaction, and with them its results of this quarter of an hour and the rollups that still grow.
//! Earlier ones may be many, so they move afterwards, in steps; by then another peer may have the old id, and results. What is left to move is stored, and goes on after a crash, before anything else is adopted.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::{
    capture::{Captured, Held},
    ids,
};
use crate::{
    db::{self, Sql, Tx, args, sql, work},
    domain::{Content, Grain, ObjectKey, ObjectKind, ObjectState, QUARTER, SyncedObject, Timestamp},
    error::StoreError,
    store::{Store, metadata},
};

/// The name of what is left to move, in `settings`.
const PENDING: &str = "peer_moves";

/// How many buckets of rollups one transaction moves.
const BUCKETS: usize = 288;

/// How many quarters of an hour of results one transaction moves.
const QUARTERS: usize = 24;

/// Peers that get other ids at the same time. No new id is in use.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Stage {
    /// The old and the new id of each.
    pairs: Vec<(i64, i64)>,
    /// When their rows moved, in milliseconds since 1970; what is older follows. Earlier versions did not store it.
    #[serde(default = "forever")]
    moved_at: i64,
}

fn forever() -> i64 {
    i64::MAX
}

/// The common table `moved`, from the pairs in the JSON text `$1`.
macro_rules! moved {
    (sqlite) => {
        "WITH moved(old_id, new_id) AS \
         (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each($1)) "
    };
    (postgres) => {
        "WITH moved(old_id, new_id) AS (SELECT CAST(value->>0 AS BIGINT), CAST(value->>1 AS BIGINT) \
         FROM json_array_elements(CAST($1 AS JSON))) "
    };
}

/// Moves what a table has of peers in its column; a condition may follow.
macro_rules! move_in {
    ($table:literal, $column:literal $(, $condition:literal)?) => {
        sql!(
            (moved),
            "UPDATE ",
            $table,
            " SET ",
            $column,
            " = moved.new_id FROM moved WHERE ",
            $table,
            ".",
            $column,
            " = moved.old_id"
            $(, $condition)?
        )
    };
}

/// Selects the first and the last bucket of the rollups of a grain.
macro_rules! bounds {
    ($grain:literal) => {
        concat!("SELECT coalesce(min(bucket), 0), coalesce(max(bucket), -1) FROM rollups WHERE grain = ", $grain)
    };
}

/// Moves the rollups of a grain, of some buckets.
macro_rules! move_rollups {
    ($grain:literal) => {
        sql!(
            (moved),
            "UPDATE rollups SET peer_id = moved.new_id FROM moved WHERE rollups.grain = ",
            $grain,
            " AND rollups.bucket >= $2 AND rollups.bucket < $3 AND rollups.peer_id = moved.old_id"
        )
    };
}

/// Which peers and which dead ids of this instance must make way, so that each peer of `merged` can have its id. In stages,
/// because a peer may get the id of one that gets another.
pub(super) async fn plan(
    tx: &mut Tx,
    captured: &Captured,
    merged: &BTreeMap<ObjectKey, SyncedObject>,
    highest: i64,
) -> Result<Vec<Stage>, StoreError> {
    let wanted: BTreeSet<i64> = merged.values().filter_map(id_of).collect();
    let mut fresh = highest.max(wanted.last().copied().unwrap_or(0)) + 1..;
    let mut moves: BTreeMap<i64, i64> = BTreeMap::new();
    let mut used: BTreeSet<i64> = BTreeSet::new();
    let deleted: Vec<(i64,)> = tx.all("SELECT peer_id FROM deleted_peers", vec![]).await?;
    let deleted: BTreeSet<i64> = deleted.into_iter().map(|(id,)| id).collect();
    // A peer that comes back finds its history, whatever id it has now.
    let id_of_deleted = |held: &Held| held.local_key.as_ref()?.parse().ok().filter(|id| deleted.contains(id));
    for (key, held) in captured.held.iter().filter(|(key, _)| key.kind == ObjectKind::Peer) {
        let Some(id) = id_of(&held.object).or_else(|| id_of_deleted(held)) else { continue };
        used.insert(id);
        match merged.get(key).and_then(id_of) {
            Some(new) if new == id => {}
            Some(new) => drop(moves.insert(id, new)),
            None if wanted.contains(&id) => moves.extend(Some(id).zip(fresh.next())),
            None => {}
        }
    }
    let set_aside: Vec<(i64,)> = tx.all("SELECT id FROM peers WHERE set_aside", vec![]).await?;
    let others = set_aside.into_iter().map(|(id,)| id).chain(deleted);
    for id in others {
        // The peers of `captured` are planned already.
        if used.insert(id) && wanted.contains(&id) {
            moves.extend(Some(id).zip(fresh.next()));
        }
    }
    let mut first = Stage::default();
    let mut second = Stage::default();
    for (old, new) in moves {
        match used.contains(&new).then(|| fresh.next()).flatten() {
            Some(between) => {
                first.pairs.push((old, between));
                second.pairs.push((between, new));
            }
            // It makes way for the second stage: an id is never an old and a new one of the same stage, so a stage that was
            // interrupted can begin anew.
            None => first.pairs.push((old, new)),
        }
    }
    Ok([first, second].into_iter().filter(|stage| !stage.pairs.is_empty()).collect())
}

fn id_of(object: &SyncedObject) -> Option<i64> {
    match &object.state {
        ObjectState::Present(Content::Peer(peer)) => Some(peer.id),
        _ => None,
    }
}

/// Moves the rows of peers, and stores that their history is to follow. The transaction holds the lock of the list of peers.
pub(super) async fn begin(tx: &mut Tx, mut stages: Vec<Stage>, now: Timestamp) -> Result<(), StoreError> {
    let defer = sql!(["PRAGMA defer_foreign_keys = ON" | "SET CONSTRAINTS ALL DEFERRED"]);
    tx.execute(defer, vec![]).await?;
    let tables = [
        move_in!("peer_states", "peer_id"),
        move_in!("peers", "id"),
        move_in!("rings", "peer_id"),
        move_in!("verdict_times", "peer_id"),
        move_in!("maintained_times", "peer_id"),
        move_in!("outages", "peer_id"),
        move_in!("open_outages", "peer_id"),
        move_in!("maintained_peers", "peer_id"),
        move_in!("certificates", "peer_id"),
        move_in!("relays", "peer_id"),
        move_in!("relay_verdicts", "peer_id"),
        move_in!("subscriptions", "peer_id"),
        move_in!("subscription_mails", "peer_id"),
        move_in!("incident_nodes", "peer_id"),
        move_in!("incident_entry_nodes", "peer_id"),
        move_in!("events", "subject_id", " AND events.kind IN ('peer', 'relay')"),
        move_in!("latest", "peer_id"),
        move_in!("peer_tags", "peer_id"),
        move_in!("peer_regions", "peer_id"),
        move_in!("peer_origins", "peer_id"),
        move_in!("parked", "peer_id"),
        move_in!("deleted_peers", "peer_id"),
    ];
    let mut highest = 0;
    for stage in &mut stages {
        stage.moved_at = now.0;
        let pairs = stage.json()?;
        for table in tables {
            tx.execute(table, args![pairs.as_str()]).await?;
        }
        for grain in Grain::ALL {
            let (_, update) = rollups_of(grain);
            tx.execute(update, args![pairs.as_str(), now.bucket(grain.duration()), i64::MAX]).await?;
        }
        tx.execute(MOVE_RESULTS, args![pairs.as_str(), now.bucket(QUARTER), i64::MAX]).await?;
        let leases = sql!((moved), "DELETE FROM leases WHERE peer_id IN (SELECT old_id FROM moved)");
        tx.execute(leases, args![pairs.as_str()]).await?;
        for records in [RELEASE_KEYS, MOVE_KEYS] {
            tx.execute(records, args![pairs.as_str()]).await?;
        }
        highest = stage.pairs.iter().fold(highest, |highest, (_, new)| highest.max(*new));
    }
    ids::reserve(tx, highest).await?;
    metadata::put_json(tx, PENDING, &stages).await
}

/// Takes the new ids from peers that were deleted so long ago that nothing is left of them but the deletion.
const RELEASE_KEYS: Sql = sql!(
    (moved),
    "UPDATE synced_objects SET local_key = NULL WHERE kind = 'peer' AND deleted_at IS NOT NULL \
     AND local_key IN (SELECT CAST(new_id AS TEXT) FROM moved)"
);

/// Moves the keys of peers, also of deleted ones: they may come back.
const MOVE_KEYS: Sql = sql!(
    (moved),
    "UPDATE synced_objects SET local_key = CAST(moved.new_id AS TEXT) \
     FROM moved WHERE synced_objects.kind = 'peer' AND synced_objects.local_key = CAST(moved.old_id AS TEXT)"
);

/// Moves the results of some quarters of an hour.
const MOVE_RESULTS: Sql = move_in!("results", "peer_id", " AND results.quarter >= $2 AND results.quarter < $3");

/// The bounds of the rollups of a grain, and what moves a part of them.
fn rollups_of(grain: Grain) -> (&'static str, Sql) {
    match grain {
        Grain::FiveMinutes => (bounds!("300"), move_rollups!("300")),
        Grain::Hour => (bounds!("3600"), move_rollups!("3600")),
        Grain::Day => (bounds!("86400"), move_rollups!("86400")),
    }
}

impl Stage {
    fn json(&self) -> Result<String, StoreError> {
        Ok(db::json(&self.pairs)?)
    }
}

impl Store {
    /// Moves the history of peers that got other ids, if any is left to move.
    pub(super) async fn finish_moves(&self) -> Result<(), StoreError> {
        let mut stages: VecDeque<Stage> =
            self.db().transaction(|tx| work(async move { metadata::json(tx, PENDING).await })).await?;
        if stages.is_empty() {
            return Ok(());
        }
        while let Some(stage) = stages.front() {
            let pairs = &stage.json()?;
            let moved_at = Timestamp(stage.moved_at);
            let range = "SELECT coalesce(min(quarter), 0), coalesce(max(quarter), -1) FROM results";
            self.move_in_steps(range, MOVE_RESULTS, moved_at.bucket(QUARTER), QUARTERS, pairs).await?;
            for grain in Grain::ALL {
                let (range, update) = rollups_of(grain);
                self.move_in_steps(range, update, moved_at.bucket(grain.duration()), BUCKETS, pairs).await?;
            }
            stages.pop_front();
            let left = &stages;
            self.db().transaction(|tx| work(async move { metadata::put_json(tx, PENDING, left).await })).await?;
        }
        self.db().execute("DELETE FROM settings WHERE key = $1", args![PENDING]).await.map(drop)
    }

    /// Runs `update`, of which `$2` and `$3` are bounds, over the part of the range before `end`, a step at a time.
    async fn move_in_steps(
        &self,
        range: &'static str,
        update: Sql,
        end: i64,
        step: usize,
        pairs: &str,
    ) -> Result<(), StoreError> {
        let (first, last): (i64, i64) = self.db().one(range, vec![]).await?;
        let end = end.min(last.saturating_add(1));
        for from in (first..end).step_by(step) {
            self.db().execute(update, args![pairs, from, end.min(from + step as i64)]).await?;
        }
        Ok(())
    }
}
