//! Opening the database, with the options of each engine.

use std::{path::Path, time::Duration};

use sqlx::{
    Connection, PgConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::time::{Instant, sleep, timeout};

use super::Db;
use crate::{crypto::create_private, error::StoreError};

/// The maximum time to wait for a free connection, or for another process that writes to the same SQLite file.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(15);

/// The pause before a file that another process is creating is opened again.
const LOCKED_PAUSE: Duration = Duration::from_millis(20);

/// How many connections read a SQLite file: enough for the cores of a small machine. Each has its own page cache.
const SQLITE_READERS: u32 = 4;

/// The maximum number of connections to PostgreSQL.
const POSTGRES_CONNECTIONS: u32 = 16;

/// The maximum time for the reply to a ping on an idle PostgreSQL connection; shorter than the timeout of any caller.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// When a connection is lost without a close, PostgreSQL does not notice: without this timeout, a transaction that was
/// open on it would hold its locks for hours. The hub never idles within a transaction.
const SET_IDLE_IN_TX_TIMEOUT: &str = "SET idle_in_transaction_session_timeout = '15s'";

impl Db {
    /// Opens a SQLite file. It is created, readable only for its owner, when it does not exist.
    pub(crate) async fn open_sqlite(path: &Path, cache_mebibytes: u32) -> Result<Self, StoreError> {
        match create_private(path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(StoreError::File { path: path.display().to_string(), source: error });
            }
            _ => {}
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .foreign_keys(true)
            .busy_timeout(ACQUIRE_TIMEOUT)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let writer = options
            .clone()
            // Pages that change often are written to the file once per 32 MiB of log instead of once per 4 MiB.
            .pragma("wal_autocheckpoint", "8192")
            .pragma("journal_size_limit", "67108864")
            .pragma("cache_size", kibibytes(cache_mebibytes * 1024));
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            // On a full disk SQLite rolls back by itself, and sqlx believes for ever that the connection is in a
            // transaction.
            .before_acquire(|connection, _| Box::pin(std::future::ready(Ok(!connection.is_in_transaction()))));
        let writer = open_when_unlocked(|| pool.clone().connect_with(writer.clone())).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(SQLITE_READERS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options.pragma("query_only", "on").pragma("cache_size", kibibytes(cache_mebibytes * 64)))
            .await?;
        Ok(Self::Sqlite { writer, readers })
    }

    pub(crate) async fn open_postgres(url: &str) -> Result<Self, StoreError> {
        let options: PgConnectOptions = url.parse()?;
        let pool = PgPoolOptions::new()
            .max_connections(POSTGRES_CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            // sqlx's own test has no timeout: it would never return on a connection that was lost without a close.
            .test_before_acquire(false)
            .before_acquire(|connection, _| Box::pin(ping(connection)))
            .after_release(|connection, _| Box::pin(ping(connection)))
            .after_connect(|connection, _| {
                Box::pin(async move { sqlx::query(SET_IDLE_IN_TX_TIMEOUT).execute(connection).await.map(drop) })
            })
            .connect_with(options.application_name("easytier-uptime hub"))
            .await?;
        Ok(Self::Postgres(pool))
    }
}

/// Opens a database that other processes may be creating. Two connections that switch a new file to the write-ahead log at
/// the same time would wait for each other, so SQLite fails one of them at once, whatever its busy timeout.
async fn open_when_unlocked<T, F>(open: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, sqlx::Error>>,
{
    let deadline = Instant::now() + ACQUIRE_TIMEOUT;
    loop {
        match open().await.map_err(StoreError::from) {
            Err(error) if error.is_transient() && Instant::now() < deadline => sleep(LOCKED_PAUSE).await,
            opened => return opened,
        }
    }
}

/// Pings a connection, which also completes the rollback of a transaction that was dropped on it.
async fn ping(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    match timeout(PING_TIMEOUT, connection.ping()).await {
        Ok(answered) => answered.map(|()| true),
        Err(elapsed) => Err(sqlx::Error::Io(elapsed.into())),
    }
}

/// The value of `cache_size` for a size in KiB; positive values would be pages.
fn kibibytes(count: u32) -> String {
    format!("-{count}")
}
