//! Reads the database of a running hub directly.

use std::{path::PathBuf, time::Duration};

use sqlx::{ConnectOptions, Connection, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions};
use uuid::Uuid;

use crate::scene::DEADLINE;

pub enum Database {
    Sqlite(PathBuf),
    /// A URL.
    Postgres(String),
}

/// The stored results.
pub struct Stored {
    /// The results after a row id, with their row ids.
    pub newer: Vec<(i64, Uuid)>,
    /// The number of all results.
    pub count: u64,
}

const NEWER: &str = "SELECT id, result_id FROM results WHERE id > $1 ORDER BY id";
const COUNT: &str = "SELECT count(*) FROM results";

impl Database {
    pub async fn results_after(&self, row: i64) -> Stored {
        let (newer, count): (_, i64) = match self {
            Self::Sqlite(path) => {
                let mut connection = open(path).await;
                let newer = sqlx::query_as(NEWER).bind(row).fetch_all(&mut connection).await.unwrap();
                (newer, sqlx::query_scalar(COUNT).fetch_one(&mut connection).await.unwrap())
            }
            Self::Postgres(url) => {
                let mut connection = PgConnection::connect(url).await.unwrap();
                let newer = sqlx::query_as(NEWER).bind(row).fetch_all(&mut connection).await.unwrap();
                (newer, sqlx::query_scalar(COUNT).fetch_one(&mut connection).await.unwrap())
            }
        };
        Stored { newer, count: count as u64 }
    }

    /// Whether a hub that is started after another was killed goes on with its work at once. On PostgreSQL it waits until
    /// the leases of the dead have expired.
    pub fn is_taken_over_at_once(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    /// Waits until all stored results are applied to the counts.
    pub async fn await_fold(&self) {
        const WAITING: &str = "SELECT count(*) FROM appends";
        let folded = async {
            loop {
                let waiting: i64 = match self {
                    Self::Sqlite(path) => sqlx::query_scalar(WAITING).fetch_one(&mut open(path).await).await.unwrap(),
                    Self::Postgres(url) => {
                        let mut connection = PgConnection::connect(url).await.unwrap();
                        sqlx::query_scalar(WAITING).fetch_one(&mut connection).await.unwrap()
                    }
                };
                if waiting == 0 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(DEADLINE, folded).await.expect("stored results are applied");
    }

    /// Waits until so many hubs share the fold evenly, and nobody else has a part in it.
    pub async fn await_sharing(&self, hubs: usize) {
        let Self::Postgres(url) = self else { panic!("a SQLite file has one hub") };
        let shares = "SELECT count(*) FROM duties WHERE name LIKE 'fold-%' AND \
                      expires_at > extract(epoch FROM clock_timestamp()) * 1000 GROUP BY holder";
        let mut connection = PgConnection::connect(url).await.unwrap();
        let even = vec![8 / hubs as i64; hubs];
        while sqlx::query_scalar::<_, i64>(shares).fetch_all(&mut connection).await.unwrap() != even {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// How many deadlocks PostgreSQL has ended; those of sessions that run are not counted yet.
    pub async fn deadlocks(&self) -> i64 {
        let Self::Postgres(url) = self else { panic!("a SQLite file has one writer") };
        let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
        let mut connection = PgConnection::connect(url).await.unwrap();
        sqlx::query_scalar(deadlocks).fetch_one(&mut connection).await.unwrap()
    }

    /// Checks the integrity of the database.
    pub async fn assert_intact(&self) {
        let Self::Sqlite(path) = self else { return };
        let told: Vec<String> =
            sqlx::query_scalar("PRAGMA integrity_check").fetch_all(&mut open(path).await).await.unwrap();
        assert_eq!(told, ["ok"]);
    }

    /// Waits until PostgreSQL has closed the connections of killed hubs: until then it may still commit their transactions.
    pub async fn await_end_of_the_dead(&self) {
        let Self::Postgres(url) = self else { return };
        let mut connection = PgConnection::connect(url).await.unwrap();
        let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                      AND pid <> pg_backend_pid()";
        while sqlx::query_scalar::<_, i64>(others).fetch_one(&mut connection).await.unwrap() > 0 {
            tokio::task::yield_now().await;
        }
    }

    /// Blocks transactions that store results.
    pub async fn stop_a_transaction(&self) -> Stopped {
        let Self::Postgres(url) = self else { panic!("transactions of SQLite cannot be stopped") };
        let mut lock = PgConnection::connect(url).await.unwrap();
        // Locking row after row could deadlock with a transaction that has locked some in another order.
        sqlx::raw_sql("BEGIN; LOCK TABLE probes IN EXCLUSIVE MODE").execute(&mut lock).await.unwrap();
        let mut look = PgConnection::connect(url).await.unwrap();
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                       AND wait_event_type = 'Lock' AND query LIKE 'UPDATE probes%'";
        while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut look).await.unwrap() == 0 {
            tokio::task::yield_now().await;
        }
        Stopped(lock)
    }
}

/// Holds the lock for which the transaction of a hub waits.
pub struct Stopped(PgConnection);

impl Stopped {
    pub async fn go_on(self) {
        self.0.close().await.unwrap();
    }
}

async fn open(path: &PathBuf) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).read_only(true).connect().await.unwrap()
}
