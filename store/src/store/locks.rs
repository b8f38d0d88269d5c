//! Locks by which one hub alone does a piece of work, where several hubs share a database.

use crate::{
    db::{Tx, args, sql},
    error::StoreError,
};

/// The keys of PostgreSQL's advisory locks.
#[derive(Debug, Clone, Copy)]
#[repr(i64)]
pub(super) enum Lock {
    /// Creating and dropping partitions.
    Partitions = 0x6574_7570_0002,
    /// Deleting expired rows.
    Sweep = 0x6574_7570_0003,
}

impl Lock {
    pub(super) fn key(self) -> i64 {
        self as i64
    }
}

/// Takes a lock until the end of the transaction, unless another transaction holds it; returns whether it was taken. On
/// SQLite there is only one transaction that writes.
pub(super) async fn try_lock(tx: &mut Tx, lock: Lock) -> Result<bool, StoreError> {
    let select = sql!("SELECT ", ["$1 = $1" | "pg_try_advisory_xact_lock($1)"]);
    tx.one::<(bool,)>(select, args![lock.key()]).await.map(|(taken,)| taken)
}
