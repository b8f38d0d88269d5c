//! The partitions of raw results on PostgreSQL: one per day, created ahead of time and dropped when it expires.

use std::{collections::BTreeSet, time::Duration};

use sqlx::{AssertSqlSafe, PgPool, Postgres, Transaction};

use super::locks::Lock;
use crate::{
    db::Db,
    domain::{DAY, Timestamp},
    error::StoreError,
};

/// How many days ahead have a partition: a hub may be stopped that long, and the clock of a probe may be that far ahead.
const DAYS_AHEAD: i64 = 7;

/// Creates the partitions that results may need from now on; does nothing on SQLite.
pub(super) async fn prepare(db: &Db, keep: Duration, now: Timestamp) -> Result<(), StoreError> {
    let Db::Postgres(pool) = db else { return Ok(()) };
    let mut tx = locked(pool).await?;
    let existing = existing(&mut tx).await?;
    let wanted = oldest_kept(keep, now)..=now.bucket(DAY) + DAYS_AHEAD;
    let missing: Vec<i64> = wanted.filter(|day| !existing.contains(day)).collect();
    if !missing.is_empty() {
        // Results that a wrong clock put into the default partition move to the new one; none may be added meanwhile.
        run(&mut tx, "LOCK TABLE results_default IN ACCESS EXCLUSIVE MODE".into()).await?;
    }
    for day in missing {
        for statement in [
            format!("CREATE TABLE results_{day} (LIKE results INCLUDING DEFAULTS)"),
            format!("INSERT INTO results_{day} SELECT * FROM results_default WHERE day = {day}"),
            format!("DELETE FROM results_default WHERE day = {day}"),
            format!("ALTER TABLE results ATTACH PARTITION results_{day} FOR VALUES IN ({day})"),
        ] {
            run(&mut tx, statement).await?;
        }
    }
    tx.commit().await?;
    Ok(())
}

/// Drops the partitions of expired days; returns how many.
pub(super) async fn drop_old(pool: &PgPool, keep: Duration, now: Timestamp) -> Result<u64, StoreError> {
    let mut tx = locked(pool).await?;
    let mut dropped = 0;
    for day in existing(&mut tx).await?.range(..oldest_kept(keep, now)) {
        run(&mut tx, format!("DROP TABLE results_{day}")).await?;
        dropped += 1;
    }
    tx.commit().await?;
    Ok(dropped)
}

/// The first day that has not expired: the oldest result that is kept may have been checked on it.
pub(super) fn oldest_kept(keep: Duration, now: Timestamp) -> i64 {
    (now - keep).bucket(DAY)
}

/// A transaction that holds the lock for partitions, after waiting for it.
async fn locked(pool: &PgPool) -> Result<Transaction<'static, Postgres>, StoreError> {
    let mut tx = pool.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(Lock::Partitions.key()).execute(&mut *tx).await?;
    Ok(tx)
}

/// The days that have a partition.
async fn existing(tx: &mut Transaction<'static, Postgres>) -> Result<BTreeSet<i64>, StoreError> {
    let select = "SELECT substr(c.relname, 9)::bigint FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
                  WHERE i.inhparent = 'results'::regclass AND c.relname ~ '^results_[0-9]+$'";
    Ok(sqlx::query_scalar(select).fetch_all(&mut **tx).await?.into_iter().collect())
}

/// Runs a statement that was built from the number of a day.
async fn run(tx: &mut Transaction<'static, Postgres>, statement: String) -> Result<(), StoreError> {
    sqlx::query(AssertSqlSafe(statement)).persistent(false).execute(&mut **tx).await?;
    Ok(())
}
