//! The partitions of raw results on PostgreSQL: one per day, created ahead of time and dropped when it expires.
//!
//! Both need a lock that any open transaction may hold that read results, such as a dump's. Whoever reads or writes results
//! meanwhile waits behind them in the queue for that lock, so they wait for a fraction of a second only and leave the rest to
//! the next sweep. Until then results of days without a partition go to the default partition.

use std::{collections::BTreeSet, ops::RangeInclusive, time::Duration};

use super::{duties::Lease, shared::Shared};
use crate::{
    db::{Db, Tx, work},
    domain::{DAY, Timestamp},
    error::StoreError,
};

/// How many days ahead have a partition: a hub may be stopped that long, a transaction may stay open that long, and the
/// clock of a probe may be that far ahead.
const DAYS_AHEAD: i64 = 7;

/// How long a lock is waited for. Each transaction is tried a few times.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '200ms'";

/// What was done about the partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Upkeep {
    /// How many expired days were dropped.
    pub dropped: u64,
    /// Whether something is left to the next sweep.
    pub postponed: bool,
}

/// Creates the partitions that results may need from now on, and drops those of the days before `keep_from`. What cannot be
/// done is logged and left to the next call. Does nothing on SQLite.
pub(super) async fn keep_up(shared: &Shared, leases: &[Lease], keep_from: i64, now: Timestamp) -> Upkeep {
    let created = create(&shared.db, keep_from, now).await;
    let (dropped, all) = drop_before(shared, leases, keep_from).await;
    let mut upkeep = Upkeep { dropped, postponed: false };
    for (done, what) in
        [(created, "create the partitions of the next days"), (all, "drop the partitions of expired days")]
    {
        if let Err(error) = done {
            tracing::warn!(%error, "cannot {what}; the next sweep tries again");
            upkeep.postponed = true;
        }
    }
    upkeep
}

/// Creates the partitions that results may need from now on. A hub also starts without them: the default partition takes
/// the results, and the next sweep tries again.
pub(super) async fn create_at_start(db: &Db, keep: Duration, now: Timestamp) {
    if let Err(error) = create(db, oldest_kept(keep, now), now).await {
        tracing::warn!(%error, "cannot create the partitions of the next days; the next sweep tries again");
    }
}

/// The first day that has not expired: the oldest result that is kept may have been checked on it.
pub(super) fn oldest_kept(keep: Duration, now: Timestamp) -> i64 {
    (now - keep).bucket(DAY)
}

/// Creates the partitions from the day `from` to [`DAYS_AHEAD`]; does nothing on SQLite.
async fn create(db: &Db, from: i64, now: Timestamp) -> Result<(), StoreError> {
    let wanted = from..=now.bucket(DAY) + DAYS_AHEAD;
    if matches!(db, Db::Sqlite { .. }) || missing(wanted.clone(), &existing(db).await?).is_empty() {
        return Ok(());
    }
    let wanted = &wanted;
    db.transaction(|tx| {
        work(async move {
            tx.run(LOCK_TIMEOUT.into()).await?;
            // Results that a wrong clock put into the default partition move to the new one; none may be added meanwhile. Another
            // hub that creates partitions waits too.
            tx.run("LOCK TABLE results_default IN ACCESS EXCLUSIVE MODE".into()).await?;
            let missing = missing(wanted.clone(), &existing_in(tx).await?);
            for day in missing {
                tx.run(format!(
                    "CREATE TABLE results_{day} (LIKE results INCLUDING DEFAULTS); \
                     INSERT INTO results_{day} SELECT * FROM results_default WHERE day = {day}; \
                     DELETE FROM results_default WHERE day = {day}; \
                     ALTER TABLE results ATTACH PARTITION results_{day} FOR VALUES IN ({day})"
                ))
                .await?;
            }
            Ok(())
        })
    })
    .await
}

/// Drops the partitions of the days before `keep_from`, each in a transaction of its own; returns how many, and the error
/// that ended it. Does nothing on SQLite.
async fn drop_before(shared: &Shared, leases: &[Lease], keep_from: i64) -> (u64, Result<(), StoreError>) {
    let (db, mut dropped) = (&shared.db, 0);
    if matches!(db, Db::Sqlite { .. }) {
        return (dropped, Ok(()));
    }
    let expired = match existing(db).await {
        Ok(existing) => existing.into_iter().filter(|day| *day < keep_from),
        Err(error) => return (dropped, Err(error)),
    };
    for day in expired {
        match db.transaction(|tx| work(drop_day(tx, shared, leases, day))).await {
            Ok(()) => dropped += 1,
            Err(error) => return (dropped, Err(error)),
        }
    }
    (dropped, Ok(()))
}

async fn drop_day(tx: &mut Tx, shared: &Shared, leases: &[Lease], day: i64) -> Result<(), StoreError> {
    tx.run(LOCK_TIMEOUT.into()).await?;
    tx.run(format!("DROP TABLE results_{day}")).await?;
    shared.duties.fence(tx, leases).await
}

fn missing(wanted: RangeInclusive<i64>, existing: &BTreeSet<i64>) -> Vec<i64> {
    wanted.filter(|day| !existing.contains(day)).collect()
}

/// Selects the days that have a partition.
const EXISTING: &str = "SELECT substr(c.relname, 9)::bigint FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
                        WHERE i.inhparent = 'results'::regclass AND c.relname ~ '^results_[0-9]+$'";

async fn existing(db: &Db) -> Result<BTreeSet<i64>, StoreError> {
    Ok(db.all::<(i64,)>(EXISTING, vec![]).await?.into_iter().map(|(day,)| day).collect())
}

async fn existing_in(tx: &mut Tx) -> Result<BTreeSet<i64>, StoreError> {
    Ok(tx.all::<(i64,)>(EXISTING, vec![]).await?.into_iter().map(|(day,)| day).collect())
}
