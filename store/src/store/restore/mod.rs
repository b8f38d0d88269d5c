//! A database that was restored from a backup.

mod file;

pub use self::file::{RestoreError, Restored};
use super::{
    Store,
    audit::{self, Change},
    instance, roles,
};
use crate::{
    db::{Tx, args, sql, work},
    domain::{AuditObject, AuditVerb, Instance, Role},
    error::StoreError,
};

/// How many rows of results a restored database leaves out: more than an instance takes between two backups. Other instances
/// know by its row up to where they have its results, so no row may get the number of one that the backup does not have.
const ROWS_LEFT_OUT: i64 = 1_000_000_000;

impl Store {
    /// Makes a restored database ready to be served. Messages and mails that wait to be sent are dropped. Its rows of results get numbers that none had before. At a primary, with
    /// `seen`, the highest epoch that another instance named or 0, a new epoch begins, which is greater than all of them;
    /// and the other instances have to register again, and hand in what they have that the backup does not have. Without
    /// `seen`, because another instance leads, the epoch stays, and the hub follows that one when it starts.
    ///
    /// # Errors
    ///
    /// [`RoleConflict::EpochOutOfRange`](crate::RoleConflict::EpochOutOfRange) when `seen` is too far ahead to be right; otherwise
    /// when the database fails.
    pub async fn make_ready_after_restore(&self, seen: Option<i64>) -> Result<Instance, StoreError> {
        self.db().transaction(|tx| work(make_ready(tx, seen))).await
    }
}

async fn make_ready(tx: &mut Tx, seen: Option<i64>) -> Result<Instance, StoreError> {
    let row = instance::lock(tx).await?;
    leave_out_rows(tx).await?;
    // Whatever waited when the backup was made was sent since.
    let told = "UPDATE alert_deliveries SET state = 'dropped', done_at = created_at WHERE state = 'waiting'";
    tx.execute(told, vec![]).await?;
    tx.execute("DELETE FROM subscription_mails", vec![]).await?;
    if let (Role::Primary, Some(seen)) = (row.role()?, seen) {
        let leader = row.leader()?;
        let (name, url) = leader.map(|leader| (leader.name, leader.url)).unwrap_or_default();
        roles::promote(tx, &name, url.as_deref(), row.epoch, seen).await?;
        // Whoever led before may hand in its configuration when it registers.
        tx.execute("UPDATE instances SET role = 'primary', mirrored_row = 0", vec![]).await?;
        tx.execute("DELETE FROM instance_tokens", vec![]).await?;
    }
    let change = Change::of(AuditObject::Database, AuditVerb::Change).detail("restored from a backup");
    audit::note(tx, change).await?;
    instance::lock(tx).await?.instance()
}

async fn leave_out_rows(tx: &mut Tx) -> Result<(), StoreError> {
    let raise = sql!(["UPDATE sqlite_sequence SET seq = seq + $1 WHERE name = 'results' RETURNING seq"
        | "SELECT setval('results_id', last_value + $1) FROM results_id"]);
    if tx.optional::<(i64,)>(raise, args![ROWS_LEFT_OUT]).await?.is_none() {
        let insert = "INSERT INTO sqlite_sequence (name, seq) VALUES ('results', $1)";
        tx.execute(insert, args![ROWS_LEFT_OUT]).await?;
    }
    Ok(())
}
