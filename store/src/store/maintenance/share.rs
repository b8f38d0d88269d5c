//! Maintenance windows as instances share them. Their numbers are each instance's own; what is the same everywhere is the uid.

use super::{
    bump,
    windows::{WindowRow, columns, windows},
};
use crate::{
    db::{Bulk, Column, Tx, args, sql},
    domain::SyncedMaintenance,
    error::StoreError,
};

static WINDOWS: Bulk = Bulk::new(
    "maintenance_windows",
    &[
        ("uid", Column::Text),
        ("title", Column::Text),
        ("title_zh", Column::Text),
        ("coverage", Column::Text),
        ("starts", Column::Text),
        ("zone", Column::Text),
        ("minutes", Column::Int),
        ("rule", Column::Text),
        ("until", Column::Text),
        ("ended_at", Column::Int),
        ("created_at", Column::Int),
        ("updated_at", Column::Int),
    ],
    "ON CONFLICT (uid) DO UPDATE SET title = excluded.title, title_zh = excluded.title_zh, coverage = excluded.coverage, \
     starts = excluded.starts, zone = excluded.zone, minutes = excluded.minutes, rule = excluded.rule, \
     until = excluded.until, ended_at = excluded.ended_at, created_at = excluded.created_at, \
     updated_at = excluded.updated_at",
);

#[derive(sqlx::FromRow)]
struct SharedRow {
    uid: String,
    #[sqlx(flatten)]
    window: WindowRow,
}

/// All windows, by uid.
pub(in crate::store) async fn shared(tx: &mut Tx) -> Result<Vec<(String, SyncedMaintenance)>, StoreError> {
    let rows: Vec<SharedRow> = tx.all(windows!(), vec![]).await?;
    let shared = |row: SharedRow| {
        let window = row.window.readable()?;
        let (ended_at, created_at, updated_at) = (window.ended_at, window.created_at, window.updated_at);
        Some((row.uid, SyncedMaintenance { spec: window.spec, ended_at, created_at, updated_at }))
    };
    Ok(rows.into_iter().filter_map(shared).collect())
}

/// Writes windows that another instance changed, and deletes those that it deleted. To be called before peers are written.
pub(in crate::store) async fn adopt(
    tx: &mut Tx,
    changed: &[(&str, &SyncedMaintenance)],
    deleted: Vec<String>,
) -> Result<(), StoreError> {
    if changed.is_empty() && deleted.is_empty() {
        return Ok(());
    }
    bump(tx).await?;
    tx.execute(sql!("DELETE FROM maintenance_windows WHERE uid ", (in 1)), args![deleted]).await?;
    let mut values = Vec::new();
    for (uid, SyncedMaintenance { spec, ended_at, created_at, updated_at }) in changed {
        values.extend(args![*uid]);
        values.extend(columns(spec)?);
        values.extend(args![*ended_at, *created_at, *updated_at]);
    }
    WINDOWS.execute(tx, values).await.map(drop)
}

/// Removes all windows: those of an instance that joins a cluster give way to those of the cluster.
pub(in crate::store) async fn clear(tx: &mut Tx) -> Result<(), StoreError> {
    bump(tx).await?;
    tx.execute("DELETE FROM maintenance_windows", vec![]).await.map(drop)
}
