//! Days of raw results on PostgreSQL: a partition each, made ahead of time and dropped when it is over.

use std::{collections::BTreeSet, time::Duration};

use sqlx::{AssertSqlSafe, PgPool, Postgres, Transaction};

use super::{StoreError, engine::Db};
use crate::time::{DAY, Timestamp};

/// Days ahead that have a partition: a hub may be away for so long, and a probe's clock so far ahead.
const AHEAD: i64 = 7;

/// The key of the advisory lock under which one hub alone makes and drops partitions.
const LOCK: i64 = 0x6574_7570_0002;

/// Makes the partitions that results may need from now on; nothing on SQLite.
pub(super) async fn prepare(db: &Db, keep: Duration, now: Timestamp) -> Result<(), StoreError> {
    let Db::Postgres(pool) = db else { return Ok(()) };
    let mut tx = locked(pool).await?;
    let existing = existing(&mut tx).await?;
    let wanted = oldest_kept(keep, now)..=now.bucket(DAY) + AHEAD;
    let missing: Vec<i64> = wanted.filter(|day| !existing.contains(day)).collect();
    if !missing.is_empty() {
        // What a wrong clock put into the default partition moves to where it belongs, and nobody adds to it
        // meanwhile.
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

/// Drops the days that are over; says how many.
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

/// The first day of which results are kept whole. A result that is just young enough may have been checked on it.
pub(super) fn oldest_kept(keep: Duration, now: Timestamp) -> i64 {
    (now - keep).bucket(DAY)
}

async fn locked(pool: &PgPool) -> Result<Transaction<'static, Postgres>, StoreError> {
    let mut tx = pool.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *tx).await?;
    Ok(tx)
}

/// The days that have a partition.
async fn existing(tx: &mut Transaction<'static, Postgres>) -> Result<BTreeSet<i64>, StoreError> {
    let select = "SELECT substr(c.relname, 9)::bigint FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
                  WHERE i.inhparent = 'results'::regclass AND c.relname ~ '^results_[0-9]+$'";
    Ok(sqlx::query_scalar(select).fetch_all(&mut **tx).await?.into_iter().collect())
}

/// Runs a statement in which nothing but a day was filled in.
async fn run(tx: &mut Transaction<'static, Postgres>, statement: String) -> Result<(), StoreError> {
    sqlx::query(AssertSqlSafe(statement)).persistent(false).execute(&mut **tx).await?;
    Ok(())
}
