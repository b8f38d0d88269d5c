//! Maintenance windows: what they are, and which peers are in maintenance.

mod keep;
mod share;
mod windows;

pub(super) use self::{
    share::{adopt, clear, shared},
    windows::{add, change, remove},
};

use crate::{
    db::{Db, Tx, args},
    error::StoreError,
};

/// The version of the windows and of the peers in maintenance.
const VERSION: &str = "SELECT CAST(value AS BIGINT) FROM settings WHERE key = 'maintenance_version'";

/// A value that grows whenever a window or the set of peers in maintenance changes.
pub(super) async fn version(db: &Db) -> Result<i64, StoreError> {
    db.one::<(i64,)>(VERSION, vec![]).await.map(|(version,)| version)
}

/// To be called first in every transaction that changes windows: it locks the version, so that they run one after another.
pub(super) async fn bump(tx: &mut Tx) -> Result<(), StoreError> {
    let bump = "UPDATE settings SET value = CAST(CAST(value AS BIGINT) + 1 AS TEXT) WHERE key = 'maintenance_version'";
    tx.execute(bump, vec![]).await.map(drop)
}

/// Like [`bump`], if the version is still this one; returns whether it is.
async fn bump_from(tx: &mut Tx, version: i64) -> Result<bool, StoreError> {
    let bump = "UPDATE settings SET value = $2 WHERE key = 'maintenance_version' AND value = $1";
    let changed = tx.execute(bump, args![version.to_string(), (version + 1).to_string()]).await?;
    Ok(changed > 0)
}
