//! The table `synced_objects`: the version of each shared object.

use crate::{
    db::{Bulk, Column, Tx, args, sql},
    domain::{ObjectKey, ObjectKind, ObjectState, ObjectVersion, SyncedObject, Timestamp},
    error::StoreError,
};

/// What is known about a shared object besides its content.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub key: ObjectKey,
    pub local_key: Option<String>,
    pub version: ObjectVersion,
    pub digest: Vec<u8>,
    pub deleted_at: Option<Timestamp>,
    pub made_here: bool,
}

#[derive(sqlx::FromRow)]
struct Row {
    kind: String,
    uid: String,
    local_key: Option<String>,
    epoch: i64,
    counter: i64,
    digest: Vec<u8>,
    deleted_at: Option<Timestamp>,
    made_here: bool,
}

static RECORDS: Bulk = Bulk::new(
    "synced_objects",
    &[
        ("kind", Column::Text),
        ("uid", Column::Text),
        ("local_key", Column::Text),
        ("epoch", Column::Int),
        ("counter", Column::Int),
        ("digest", Column::Bytes),
        ("deleted_at", Column::Int),
        ("made_here", Column::Bool),
    ],
    "ON CONFLICT (kind, uid) DO UPDATE SET local_key = excluded.local_key, epoch = excluded.epoch, \
     counter = excluded.counter, digest = excluded.digest, deleted_at = excluded.deleted_at, \
     made_here = excluded.made_here",
);

impl Record {
    pub fn of(object: &SyncedObject, local_key: Option<String>, digest: Vec<u8>, made_here: bool) -> Self {
        let deleted_at = match object.state {
            ObjectState::Present(_) => None,
            ObjectState::Deleted(at) => Some(at),
        };
        Self { key: object.key.clone(), local_key, version: object.version, digest, deleted_at, made_here }
    }

    /// The object, if it was deleted.
    pub fn deleted(&self) -> Option<SyncedObject> {
        let state = ObjectState::Deleted(self.deleted_at?);
        Some(SyncedObject { key: self.key.clone(), version: self.version, state })
    }
}

/// All records.
pub(super) async fn all(tx: &mut Tx) -> Result<Vec<Record>, StoreError> {
    let select = "SELECT kind, uid, local_key, epoch, counter, digest, deleted_at, made_here FROM synced_objects";
    let rows: Vec<Row> = tx.all(select, vec![]).await?;
    let record = |row: Row| {
        // A kind of a newer program is left to it.
        let kind = ObjectKind::from_name(&row.kind)?;
        Some(Record {
            key: ObjectKey { kind, uid: row.uid },
            local_key: row.local_key,
            version: ObjectVersion { epoch: row.epoch, counter: row.counter },
            digest: row.digest,
            deleted_at: row.deleted_at,
            made_here: row.made_here,
        })
    };
    Ok(rows.into_iter().filter_map(record).collect())
}

/// Stores records, each of another object.
pub(super) async fn put(tx: &mut Tx, records: Vec<Record>) -> Result<(), StoreError> {
    // A peer that was deleted long ago loses its id to one that has it now.
    let ids = records.iter().filter(|record| record.key.kind == ObjectKind::Peer && record.deleted_at.is_none());
    let ids: Vec<String> = ids.filter_map(|record| record.local_key.clone()).collect();
    if !ids.is_empty() {
        let release = sql!(
            "UPDATE synced_objects SET local_key = NULL WHERE kind = 'peer' AND deleted_at IS NOT NULL AND local_key ",
            (in 1)
        );
        tx.execute(release, args![ids]).await?;
    }
    let values = records.into_iter().flat_map(|record| {
        let Record { key: ObjectKey { kind, uid }, local_key, version, digest, deleted_at, made_here } = record;
        args![kind.as_str(), uid, local_key, version.epoch, version.counter, digest, deleted_at, made_here]
    });
    RECORDS.execute(tx, values.collect()).await.map(drop)
}

/// Deletes records.
pub(super) async fn forget(tx: &mut Tx, keys: &[ObjectKey]) -> Result<(), StoreError> {
    let delete = sql!("DELETE FROM synced_objects WHERE kind = $1 AND uid ", (in 2));
    for kind in ObjectKind::ALL {
        let uids: Vec<String> = keys.iter().filter(|key| key.kind == kind).map(|key| key.uid.clone()).collect();
        if !uids.is_empty() {
            tx.execute(delete, args![kind.as_str(), uids]).await?;
        }
    }
    Ok(())
}
