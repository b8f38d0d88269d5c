//! The order of the rows of results across transactions.
//!
//! On PostgreSQL rows get their numbers when they are inserted, and become visible when their transaction ends: a higher row may
//! be visible before a lower one. So every transaction that inserts results announces first which rows it cannot have, by an
//! advisory lock that nobody waits for. Whoever reads results in the order of rows reads up to the first row that an open
//! transaction may have. On SQLite one transaction writes at a time.

use crate::{
    db::{Db, Tx, args},
    error::StoreError,
};

/// Locks the low 32 bits of the last row that was given out. The lock belongs to the sequence, because a database may have the
/// tables of several programs.
const ANNOUNCE: &str = "SELECT pg_advisory_xact_lock_shared('results_id'::regclass::oid::bigint::bit(32)::int, \
                        (CASE WHEN is_called THEN last_value ELSE 0 END)::bit(32)::int) FROM results_id";

/// The least row that was announced and is not above `$1`. Locks have 32 bits of a row, and no transaction lives for 2^31 rows.
const OPEN: &str = "SELECT min(last) FROM (SELECT $1 - ($1 - objid::bigint)::bit(32)::int::bigint AS last FROM pg_locks \
                    WHERE locktype = 'advisory' AND objsubid = 2 AND classid = 'results_id'::regclass::oid \
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) announced \
                    WHERE last <= $1";

/// To be called before a transaction inserts results.
pub(super) async fn announce(tx: &mut Tx) -> Result<(), StoreError> {
    match tx {
        Tx::Sqlite(_) => Ok(()),
        Tx::Postgres { .. } => tx.execute(ANNOUNCE, vec![]).await.map(drop),
    }
}

/// The highest row up to which all rows are visible to whoever reads afterwards; `newest` is the newest row, read before.
///
/// A row up to `newest` was given out before, so its transaction has announced a lower row and either still holds the lock or
/// ended before the locks are read.
pub(super) async fn settled(db: &Db, newest: i64) -> Result<i64, StoreError> {
    if matches!(db, Db::Sqlite { .. }) {
        return Ok(newest);
    }
    let (open,): (Option<i64>,) = db.one(OPEN, args![newest]).await?;
    Ok(open.unwrap_or(newest))
}
