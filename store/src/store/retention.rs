//! What is over goes, a little at a time.

use super::{
    Store, StoreError,
    engine::{Db, Sql, Value, args, sql},
    partitions::{self, oldest_kept},
    states::try_lock,
};
use crate::{
    model::Grain,
    time::{DAY, Timestamp},
};

/// Rows that one statement deletes: some ten milliseconds, which is how long results wait for it on SQLite.
const CHUNK: i64 = 2000;

/// The key of PostgreSQL's advisory lock under which one hub alone deletes.
const LOCK: i64 = 0x6574_7570_0003;

/// What one sweep deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    pub rows: u64,
    /// Days of raw results that were dropped whole, on PostgreSQL.
    pub days: u64,
    /// There is more to delete: sweep again soon.
    pub more: bool,
}

impl Store {
    /// Deletes one chunk of everything that is over, and on PostgreSQL makes the partitions of the days to come. To be
    /// called every few minutes, and again at once as long as there is more. Where several hubs share a database one
    /// does it.
    pub async fn sweep(&self, now: Timestamp) -> Result<Swept, StoreError> {
        let kept = self.shared.retention();
        let mut swept = Swept::default();
        if let Db::Postgres(pool) = self.db() {
            partitions::prepare(self.db(), kept.results, now).await?;
            swept.days = partitions::drop_old(pool, kept.results, now).await?;
        }
        let received_before = now - kept.results;
        let oldest_day = oldest_kept(kept.results, now);
        let today = now.bucket(DAY);
        // On PostgreSQL only what wrong clocks put beside the days; a day that a wrong clock named lasts as long from
        // when its results came.
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
        let mut tx = self.db().begin().await?;
        if try_lock(&mut tx, LOCK).await? {
            let rows = tx.execute(sql, args).await?;
            tx.commit().await?;
            swept.rows += rows;
            swept.more |= rows >= CHUNK as u64;
        }
        Ok(())
    }
}
