//! Reads the database beside the hubs.

use std::{collections::BTreeMap, time::Duration};

use easytier_uptime_store::domain::Timestamp;
use sqlx::{Connection, PgConnection, Row};
use tokio::time::sleep;

use crate::hub::Hub;

/// How often a hub is stopped to find it within a transaction.
const STOPS: usize = 100;

/// How long a transaction of a hub waits for the hub's next statement when the hub is stopped.
const STANDS_STILL: Duration = Duration::from_millis(100);

/// The bytes of each table with its indexes, and its rows.
pub type Sizes = BTreeMap<String, (i64, i64)>;

/// What is stored and counted.
pub struct Stored {
    pub rows: i64,
    pub different: i64,
    /// The checks of all stored results, and those in the counts.
    pub checks: i64,
    pub counted: i64,
    pub parked: i64,
}

pub struct Witness {
    connection: PgConnection,
}

impl Witness {
    pub async fn of(url: String) -> Self {
        Self { connection: PgConnection::connect(&url).await.expect("the database answers") }
    }

    async fn number(&mut self, select: &'static str) -> i64 {
        sqlx::query_scalar(select).fetch_one(&mut self.connection).await.expect("the statement is right")
    }

    /// How long the oldest result that is not applied has been waiting; `None` when none is.
    pub async fn lag(&mut self) -> Option<Duration> {
        let oldest = self.number("SELECT coalesce(min(received_at), -1) FROM appends").await;
        let waiting = Timestamp::now().0 - oldest;
        (oldest >= 0).then(|| Duration::from_millis(waiting.max(0) as u64))
    }

    /// Waits until no result is older than this.
    pub async fn await_none_before(&mut self, at: Timestamp) {
        let select = "SELECT count(*) FROM appends WHERE received_at <= $1";
        while sqlx::query_scalar::<_, i64>(select).bind(at.0).fetch_one(&mut self.connection).await.expect("right") > 0
        {
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until so many hubs share all shards evenly.
    pub async fn await_sharing(&mut self, hubs: usize) {
        let select = "SELECT count(*) FROM duties WHERE name LIKE 'fold-%' AND \
                      expires_at > extract(epoch FROM clock_timestamp()) * 1000 GROUP BY holder";
        let even = vec![8 / hubs as i64; hubs];
        while sqlx::query_scalar::<_, i64>(select).fetch_all(&mut self.connection).await.expect("right") != even {
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until results wait in the shards of the hub that was started first: then it applies them.
    pub async fn await_work_of_oldest_hub(&mut self) {
        let select = "SELECT count(*) FROM appends WHERE shard IN (SELECT CAST(substr(name, 6) AS BIGINT) FROM duties \
                      WHERE name LIKE 'fold-%' AND holder = (SELECT CAST(id AS TEXT) FROM hubs ORDER BY started_at LIMIT 1))";
        while self.number(select).await == 0 {
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// Stops a hub, if possible within a transaction; returns whether it is.
    pub async fn stop_within_a_transaction(&mut self, hub: &Hub) -> bool {
        // Only the transactions of a stopped hub stand still for so long.
        let standing = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                        AND state = 'idle in transaction' AND state_change < clock_timestamp() - interval '80 ms'";
        for _ in 0..STOPS {
            hub.signal(libc::SIGSTOP);
            sleep(STANDS_STILL).await;
            if self.number(standing).await > 0 {
                return true;
            }
            hub.signal(libc::SIGCONT);
            sleep(STANDS_STILL / 3).await;
        }
        hub.signal(libc::SIGSTOP);
        false
    }

    /// The tables; the partitions of raw results count as one.
    pub async fn sizes(&mut self) -> Sizes {
        sqlx::raw_sql("VACUUM ANALYZE").execute(&mut self.connection).await.expect("it can be analysed");
        let select = "SELECT CASE WHEN relname LIKE 'results%' THEN 'results' ELSE CAST(relname AS TEXT) END AS name, \
                      CAST(sum(pg_total_relation_size(oid)) AS BIGINT), CAST(sum(greatest(reltuples, 0)) AS BIGINT) \
                      FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace GROUP BY 1";
        let rows = sqlx::query(select).fetch_all(&mut self.connection).await.expect("right");
        rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect()
    }

    pub async fn stored(&mut self) -> Stored {
        let select =
            "SELECT count(*), count(DISTINCT result_id), CAST(coalesce(sum(checks), 0) AS BIGINT) FROM results";
        let (rows, different, checks) =
            sqlx::query_as(select).fetch_one(&mut self.connection).await.expect("the statement is right");
        let counted = "SELECT CAST((SELECT coalesce(sum(checks), 0) FROM rollups WHERE grain = 300) + \
                       (SELECT coalesce(sum(checks), 0) FROM latest) AS BIGINT)";
        let counted = self.number(counted).await;
        Stored { rows, different, checks, counted, parked: self.number("SELECT count(*) FROM parked").await }
    }
}
