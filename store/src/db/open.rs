//! Opening a SQLite file.

use std::{path::Path, time::Duration};

use sqlx::{
    Connection, SqlitePool,
    sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::time::{Instant, sleep};

use super::Db;
use crate::{crypto::create_private, error::StoreError};

/// The maximum time to wait for a free connection, or for another process that writes to the same file.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(15);

/// The pause before a file that another process is creating is opened again.
const LOCKED_PAUSE: Duration = Duration::from_millis(20);

/// How many connections read the file: enough for the cores of a small machine. Each has its own page cache.
const SQLITE_READERS: u32 = 4;

/// How many connections to a SQLite file serve urgent reads only.
const SQLITE_URGENT_READERS: u32 = 2;

impl Db {
    /// Opens a SQLite file. It is created, readable only for its owner, when it does not exist.
    pub(crate) async fn create_sqlite(path: &Path, cache_mebibytes: u32) -> Result<Self, StoreError> {
        match create_private(path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(StoreError::File { path: path.display().to_string(), source: error });
            }
            _ => {}
        }
        Self::open_sqlite(path, cache_mebibytes).await
    }

    /// Opens a SQLite file that exists.
    pub(crate) async fn open_sqlite(path: &Path, cache_mebibytes: u32) -> Result<Self, StoreError> {
        let options = sqlite_options(path).journal_mode(SqliteJournalMode::Wal);
        let writer = options
            .clone()
            .synchronous(SqliteSynchronous::Full)
            // It applies to a file without tables only. It lets `PRAGMA incremental_vacuum` give free pages back.
            .auto_vacuum(SqliteAutoVacuum::Incremental)
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
        let readers = sqlite_readers(&options, SQLITE_READERS, cache_mebibytes).await?;
        let urgent = sqlite_readers(&options, SQLITE_URGENT_READERS, cache_mebibytes).await?;
        Ok(Self::Sqlite { writer, readers, urgent })
    }

    /// Opens a SQLite file that exists, only to read it: writing fails.
    pub(crate) async fn read_sqlite(path: &Path, cache_mebibytes: u32) -> Result<Self, StoreError> {
        let readers = sqlite_readers(&sqlite_options(path), SQLITE_READERS, cache_mebibytes).await?;
        Ok(Self::Sqlite { writer: readers.clone(), urgent: readers.clone(), readers })
    }
}

fn sqlite_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).foreign_keys(true).busy_timeout(ACQUIRE_TIMEOUT)
}

async fn sqlite_readers(
    options: &SqliteConnectOptions,
    connections: u32,
    cache_mebibytes: u32,
) -> Result<SqlitePool, sqlx::Error> {
    let options = options.clone().pragma("query_only", "on").pragma("cache_size", kibibytes(cache_mebibytes * 64));
    let pool = SqlitePoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE_TIMEOUT);
    pool.connect_with(options).await
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

/// The value of `cache_size` for a size in KiB; positive values would be pages.
fn kibibytes(count: u32) -> String {
    format!("-{count}")
}
