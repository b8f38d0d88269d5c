//! The changes that were lost.

use crate::{
    db::{Bulk, Column, Tx, args},
    domain::{LostChange, ObjectKey, ObjectKind, ObjectState, SyncedObject, Timestamp},
    error::StoreError,
    store::Store,
};

static CONFLICTS: Bulk = Bulk::new(
    "sync_conflicts",
    &[
        ("at", Column::Int),
        ("kind", Column::Text),
        ("uid", Column::Text),
        ("lost", Column::Text),
        ("won", Column::Text),
    ],
    "",
);

/// Whether a change is lost to another one: who made that one did not know it, and says something else. `known` is the highest
/// counter, of the instance that made the change, that the other side knew; `None` when it does not say.
pub(super) fn is_lost(change: &SyncedObject, won: &SyncedObject, known: Option<i64>) -> bool {
    // Without its word: it counts on from what it has seen.
    let known = known.unwrap_or(won.version.counter - 1);
    change.version.counter > known
        && !matches!(change.key.kind, ObjectKind::Region | ObjectKind::Probe)
        && !change.state.means(&won.state)
}

/// Stores lost changes, each with what it lost to.
pub(super) async fn record(
    tx: &mut Tx,
    lost: &[(&ObjectState, &SyncedObject)],
    now: Timestamp,
) -> Result<(), StoreError> {
    let values = lost.iter().flat_map(|(lost, won)| {
        let ObjectKey { kind, uid } = &won.key;
        args![now, kind.as_str(), uid.as_str(), lost.shown().to_string(), won.state.shown().to_string()]
    });
    CONFLICTS.execute(tx, values.collect()).await.map(drop)
}

#[derive(sqlx::FromRow)]
struct Row {
    at: Timestamp,
    kind: String,
    uid: String,
    lost: String,
    won: String,
}

impl Store {
    /// What was changed and lost to a higher version, the newest first, at most `limit`. It holds no secrets. A change that is lost
    /// is noted by the instance that first sees both.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn lost_changes(&self, limit: u32) -> Result<Vec<LostChange>, StoreError> {
        let select = "SELECT at, kind, uid, lost, won FROM sync_conflicts ORDER BY id DESC LIMIT $1";
        let rows: Vec<Row> = self.db().all(select, args![limit]).await?;
        rows.into_iter().map(Row::into_change).collect()
    }
}

impl Row {
    fn into_change(self) -> Result<LostChange, StoreError> {
        let corrupt = |what: &str| StoreError::Corrupt(format!("sync_conflicts.{what}"));
        Ok(LostChange {
            at: self.at,
            key: ObjectKey { kind: ObjectKind::from_name(&self.kind).ok_or_else(|| corrupt("kind"))?, uid: self.uid },
            lost: serde_json::from_str(&self.lost).map_err(|_| corrupt("lost"))?,
            won: serde_json::from_str(&self.won).map_err(|_| corrupt("won"))?,
        })
    }
}
