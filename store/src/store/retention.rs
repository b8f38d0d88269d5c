//! Deletes expired rows in small chunks.

use super::{
    Store,
    locks::{Lock, try_lock},
    partitions::{self, oldest_kept},
};
use crate::{
    db::{Sql, Value, args, sql, work},
    domain::{DAY, Grain, Timestamp},
    error::StoreError,
};

/// How many rows one statement deletes. That takes about ten milliseconds, for which results wait on SQLite.
const CHUNK: i64 = 2000;

/// What one sweep deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// How many rows were deleted.
    pub rows: u64,
    /// How many days of raw results were dropped as partitions, on PostgreSQL.
    pub days: u64,
    /// Whether more expired rows are left.
    pub more: bool,
    /// Whether partitions could not be created or dropped, because another transaction stays open. The next sweep tries
    /// again.
    pub postponed: bool,
}

impl Store {
    /// Deletes one chunk of each kind of expired rows, and on PostgreSQL creates the partitions of the next days. It is
    /// meant to be called every few minutes, and again at once while rows are left. Where several hubs share a database,
    /// one of them does it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn sweep(&self, now: Timestamp) -> Result<Swept, StoreError> {
        let kept = self.shared.retention();
        let mut swept = Swept::default();
        let received_before = now - kept.results;
        let oldest_day = oldest_kept(kept.results, now);
        let partitions = partitions::keep_up(self.db(), oldest_day, now).await;
        (swept.days, swept.postponed) = (partitions.dropped, partitions.postponed);
        let today = now.bucket(DAY);
        // On PostgreSQL only results without a partition, because the clock of their probe was wrong: these expire by the
        // time at which they were received.
        let results = sql!(
            ["DELETE FROM results WHERE id IN (SELECT id FROM results"
                | "DELETE FROM results_default WHERE id IN (SELECT id FROM results_default"],
            " WHERE (day < $1 OR day > $2) AND received_at < $3 LIMIT $4)"
        );
        self.delete(&mut swept, results, args![oldest_day, today + 1, received_before, CHUNK]).await?;

        let rollups = "DELETE FROM rollups WHERE (grain, bucket, region_id, peer_id) IN (SELECT grain, bucket, \
                       region_id, peer_id FROM rollups WHERE grain = $1 AND bucket < $2 LIMIT $3)";
        for (grain, keep) in [(Grain::FiveMinutes, kept.five_minutes), (Grain::Hour, kept.hours)] {
            let oldest = (now - keep).bucket(grain.duration());
            self.delete(&mut swept, rollups.into(), args![grain.seconds(), oldest, CHUNK]).await?;
        }
        let events = "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at < $1 ORDER BY id LIMIT $2)";
        self.delete(&mut swept, events.into(), args![now - kept.events, CHUNK]).await?;
        let sessions = "DELETE FROM sessions WHERE expires_at <= $1";
        self.db().execute(sessions, args![now]).await?;
        Ok(swept)
    }

    async fn delete(&self, swept: &mut Swept, sql: Sql, args: Vec<Value>) -> Result<(), StoreError> {
        let args = &args;
        let rows = self
            .db()
            .transaction(|tx| {
                work(async move {
                    match try_lock(tx, Lock::Sweep).await? {
                        true => tx.execute(sql, args.clone()).await,
                        false => Ok(0),
                    }
                })
            })
            .await?;
        swept.rows += rows;
        swept.more |= rows >= CHUNK as u64;
        Ok(())
    }
}
