//! Deletes expired rows in small chunks.

use super::{
    Store, audit,
    duties::{Duty, Lease},
    open_servers,
    partitions::{self, oldest_kept},
    probe_messages, requested_checks, submissions, subscriptions,
};
use crate::{
    db::{Sql, Value, args, sql, work},
    domain::{DAY, Grain, PeerId, Timestamp},
    error::StoreError,
};

/// How many rows one statement deletes. That takes about ten milliseconds, for which results wait on SQLite.
const CHUNK: i64 = 2000;

/// How many incidents one statement deletes, each with its timeline.
const INCIDENTS: i64 = 20;

/// Of how many deleted peers one sweep deletes the rest.
const PEERS: i64 = 20;

/// What regions found long ago of nodes, which nobody tests any more.
const RELAYS: Sql = sql!("DELETE FROM relays WHERE tested_at < $1");
const RELAY_VERDICTS: Sql = sql!("DELETE FROM relay_verdicts WHERE coalesce(tested_at, asked_at) < $1");

/// What one sweep deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// How many rows were deleted.
    pub rows: u64,
    /// How many days of raw results were dropped as partitions, on PostgreSQL.
    pub days: u64,
    /// Whether more expired rows are left, or free space in a SQLite file.
    pub more: bool,
    /// Whether partitions could not be created or dropped, because another transaction stays open. The next sweep tries
    /// again.
    pub postponed: bool,
}

impl Store {
    /// Deletes one chunk of each kind of expired rows, expires some probes, on PostgreSQL creates the partitions of the next
    /// days, and gives free space in a SQLite file back to the system. It is meant to be called every few minutes, and again at
    /// once while rows are left. Where several hubs share a database, one of them does it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn sweep(&self, now: Timestamp) -> Result<Swept, StoreError> {
        let kept = self.shared.retention();
        let mut swept = Swept::default();
        let leases = &self.shared.duties.hold(self.db(), &[Duty::Retention]).await?[..];
        if leases.is_empty() {
            self.shared.postponed.send_replace(None);
            return Ok(swept);
        }
        // First, because it moves counts to the rollups.
        let (expired, more) = self.expire_probes(leases, now).await?;
        swept.rows += expired;
        swept.more |= more;
        let received_before = now - kept.results;
        let oldest_day = oldest_kept(kept.results, now);
        let partitions = partitions::keep_up(&self.shared, leases, oldest_day, now).await;
        (swept.days, swept.postponed) = (partitions.dropped, partitions.postponed);
        self.shared.postponed.send_modify(|since| *since = swept.postponed.then(|| since.unwrap_or(now)));
        let today = now.bucket(DAY);
        // On PostgreSQL only results without a partition, because the clock of their probe was wrong: these expire by the
        // time at which they were received.
        let results = sql!(
            ["DELETE FROM results WHERE id IN (SELECT id FROM results"
                | "DELETE FROM results_default WHERE id IN (SELECT id FROM results_default"],
            " WHERE (day < $1 OR day > $2) AND received_at < $3 LIMIT $4)"
        );
        self.delete(&mut swept, leases, results, args![oldest_day, today + 1, received_before, CHUNK]).await?;

        let rollups = "DELETE FROM rollups WHERE (grain, bucket, region_id, peer_id) IN (SELECT grain, bucket, \
                       region_id, peer_id FROM rollups WHERE grain = $1 AND bucket < $2 LIMIT $3)";
        for (grain, keep) in [(Grain::FiveMinutes, kept.five_minutes), (Grain::Hour, kept.hours)] {
            let oldest = (now - keep).bucket(grain.duration());
            self.delete(&mut swept, leases, rollups.into(), args![grain.seconds(), oldest, CHUNK]).await?;
        }
        let events = "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at < $1 LIMIT $2)";
        self.delete(&mut swept, leases, events.into(), args![now - kept.events, CHUNK]).await?;
        let audit = "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < $1 LIMIT $2)";
        self.delete(&mut swept, leases, audit.into(), args![now - kept.events, CHUNK]).await?;
        // However many sources guess, and however long.
        let failures = "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE minute IS NOT NULL AND id <= \
                        (SELECT id FROM audit WHERE minute IS NOT NULL ORDER BY id DESC LIMIT 1 OFFSET $1) LIMIT $2)";
        self.delete(&mut swept, leases, failures.into(), args![audit::MAX_FAILURES, CHUNK]).await?;
        for table in [RELAYS, RELAY_VERDICTS] {
            self.delete(&mut swept, leases, table, args![now - kept.events]).await?;
        }
        let incidents = "DELETE FROM incidents WHERE id IN (SELECT id FROM incidents WHERE closed_at < $1 LIMIT $2)";
        self.delete(&mut swept, leases, incidents.into(), args![now - kept.events, INCIDENTS]).await?;
        self.sweep_deleted_peers(&mut swept, leases, now - kept.results - DAY, now).await?;
        let submissions =
            "DELETE FROM submissions WHERE id IN (SELECT id FROM submissions WHERE created_at < $1 LIMIT $2)";
        self.delete(&mut swept, leases, submissions.into(), args![now - submissions::KEPT_FOR, CHUNK]).await?;
        let forget = self.db().transaction(|tx| {
            work(async move {
                let rows = subscriptions::sweep(tx, now).await?
                    + probe_messages::sweep(tx, now).await?
                    + requested_checks::sweep(tx, now).await?
                    + open_servers::sweep(tx, now).await?;
                self.shared.duties.fence(tx, leases).await?;
                Ok(rows)
            })
        });
        swept.rows += forget.await?;
        // A dependent leaves it to the primary.
        let windows = sql!(
            "DELETE FROM maintenance_windows WHERE (SELECT role FROM instance) <> 'dependent' AND id ",
            (in 1)
        );
        let over = self.windows_to_forget(now).await?;
        if !over.is_empty() {
            self.delete(&mut swept, leases, windows, args![over]).await?;
        }
        let sessions = "DELETE FROM sessions WHERE expires_at <= $1";
        self.db().execute(sessions, args![now]).await?;
        swept.more |= self.db().give_space_back().await?;
        Ok(swept)
    }

    /// Since when partitions could not be created or dropped at the sweeps of this hub, because another transaction held a lock;
    /// `None` while the last sweep could, and where another hub sweeps.
    pub fn partitions_postponed_since(&self) -> Option<Timestamp> {
        *self.shared.postponed.borrow()
    }

    /// Deletes what is left of peers that were deleted before `gone_since`, when their last raw results were kept: nothing can
    /// be added to it any more.
    async fn sweep_deleted_peers(
        &self,
        swept: &mut Swept,
        leases: &[Lease],
        gone_since: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let select = "SELECT peer_id FROM deleted_peers WHERE deleted_at < $1 ORDER BY peer_id LIMIT $2";
        let gone: Vec<(PeerId,)> = self.db().all(select, args![gone_since, PEERS]).await?;
        swept.more |= gone.len() as i64 == PEERS;
        let latest = "DELETE FROM latest WHERE peer_id = $1 AND probe_id IN (SELECT id FROM probes)";
        // The primary key is searched for each day and region; an index by peer would cost far more than this.
        let days = "DELETE FROM rollups WHERE (grain, bucket, region_id, peer_id) IN ( \
                    WITH RECURSIVE days(day) AS (SELECT min(bucket) FROM rollups WHERE grain = $3 \
                    UNION ALL SELECT day + 1 FROM days WHERE day < $2) \
                    SELECT c.grain, c.bucket, c.region_id, c.peer_id FROM days CROSS JOIN regions r \
                    JOIN rollups c ON c.grain = $3 AND c.bucket = day AND c.region_id = r.id AND c.peer_id = $1 LIMIT $4)";
        for (peer,) in gone {
            self.delete(swept, leases, latest.into(), args![peer]).await?;
            let before = swept.rows;
            let parameters = args![peer, now.bucket(DAY), Grain::Day.seconds(), CHUNK];
            self.delete(swept, leases, days.into(), parameters).await?;
            if swept.rows == before {
                self.db().execute("DELETE FROM deleted_peers WHERE peer_id = $1", args![peer]).await?;
            } else {
                swept.more = true;
            }
        }
        Ok(())
    }

    async fn delete(&self, swept: &mut Swept, leases: &[Lease], sql: Sql, args: Vec<Value>) -> Result<(), StoreError> {
        let args = &args;
        let delete = self.db().transaction(|tx| {
            work(async move {
                let rows = tx.execute(sql, args.clone()).await?;
                self.shared.duties.fence(tx, leases).await?;
                Ok(rows)
            })
        });
        let rows = delete.await?;
        swept.rows += rows;
        swept.more |= rows >= CHUNK as u64;
        Ok(())
    }
}
