//! Connections and transactions.

use sqlx::{AssertSqlSafe, PgPool, Sqlite, SqlitePool, Transaction};

use super::statement::{Row, Sql, Value, postgres_query, postgres_rows, sqlite_query, sqlite_rows};
use crate::error::StoreError;

/// Begins a transaction on PostgreSQL. The bounds end with it, so that they also hold behind a pooler that gives every
/// transaction another session. A hub that stops within a transaction loses it after ten seconds, and with it its locks.
const BEGIN_POSTGRES: &str = "BEGIN; SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '15s'; \
                                         SET LOCAL idle_in_transaction_session_timeout = '10s'";

/// Begins a transaction on SQLite. It waits here for other processes that write, and for nothing afterwards.
const BEGIN_SQLITE: &str = "BEGIN IMMEDIATE";

/// The connections to the database.
#[derive(Debug, Clone)]
pub(crate) enum Db {
    /// One connection writes. The others read the last commit and wait for nothing; some of them serve urgent reads only.
    Sqlite { writer: SqlitePool, readers: SqlitePool, urgent: SqlitePool },
    /// Any connection reads and writes.
    Postgres(Postgres),
}

/// The connections to PostgreSQL.
#[derive(Debug, Clone)]
pub(crate) struct Postgres {
    pub(super) pool: PgPool,
    pub(super) sessions: Sessions,
}

/// What a connection is to PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sessions {
    /// A session, which keeps its settings and its prepared statements.
    Own,
    /// A pooler, such as PgBouncer, gives each transaction another session. Nothing can be prepared, and a setting ends with
    /// its transaction.
    PerTransaction,
}

impl Postgres {
    /// Whether a statement stays prepared.
    fn persistent(&self) -> bool {
        self.sessions == Sessions::Own
    }
}

impl Db {
    /// All rows of a statement that only reads.
    pub(crate) async fn all<T: Row>(&self, sql: impl Into<Sql>, args: Vec<Value>) -> Result<Vec<T>, StoreError> {
        let sql = sql.into();
        Ok(match self {
            Self::Sqlite { readers, .. } => sqlite_rows(sql.sqlite, args)?.fetch_all(readers).await?,
            Self::Postgres(postgres) if postgres.persistent() => {
                postgres_rows(sql.postgres, args)?.fetch_all(&postgres.pool).await?
            }
            Self::Postgres(_) => {
                let mut tx = self.begin().await?;
                let rows = tx.all(sql, args).await?;
                tx.commit().await?;
                rows
            }
        })
    }

    /// The first row of a statement that only reads; `None` when there is none.
    pub(crate) async fn optional<T: Row>(
        &self,
        sql: impl Into<Sql>,
        args: Vec<Value>,
    ) -> Result<Option<T>, StoreError> {
        let sql = sql.into();
        Ok(match self {
            Self::Sqlite { readers, .. } => sqlite_rows(sql.sqlite, args)?.fetch_optional(readers).await?,
            Self::Postgres(postgres) if postgres.persistent() => {
                postgres_rows(sql.postgres, args)?.fetch_optional(&postgres.pool).await?
            }
            Self::Postgres(_) => {
                let mut tx = self.begin().await?;
                let row = tx.optional(sql, args).await?;
                tx.commit().await?;
                row
            }
        })
    }

    /// Like [`optional`](Self::optional), for statements that take microseconds and must not wait for long reads:
    /// authentication and health. On SQLite they have connections of their own; the connections to PostgreSQL are more than
    /// the hub gives to long reads.
    pub(crate) async fn urgent<T: Row>(&self, sql: impl Into<Sql>, args: Vec<Value>) -> Result<Option<T>, StoreError> {
        match self {
            Self::Sqlite { urgent, .. } => Ok(sqlite_rows(sql.into().sqlite, args)?.fetch_optional(urgent).await?),
            Self::Postgres(_) => self.optional(sql, args).await,
        }
    }

    /// The row of a statement that only reads and always returns one row.
    pub(crate) async fn one<T: Row>(&self, sql: impl Into<Sql>, args: Vec<Value>) -> Result<T, StoreError> {
        self.optional(sql, args).await?.ok_or(StoreError::Database(sqlx::Error::RowNotFound))
    }

    /// Begins a transaction that writes; [`Db::transaction`] also retries it.
    pub(super) async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(match self {
            Self::Sqlite { writer, .. } => Tx::Sqlite(writer.begin_with(BEGIN_SQLITE).await?),
            Self::Postgres(postgres) => {
                Tx::Postgres { tx: postgres.pool.begin_with(BEGIN_POSTGRES).await?, persistent: postgres.persistent() }
            }
        })
    }

    /// Closes all connections.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers, urgent } => {
                // The last connection to close moves the write-ahead log into the file, so it must be able to write.
                readers.close().await;
                urgent.close().await;
                writer.close().await;
            }
            Self::Postgres(postgres) => postgres.pool.close().await,
        }
    }
}

/// A transaction; it is rolled back unless it is committed.
pub(crate) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres {
        tx: Transaction<'static, sqlx::Postgres>,
        /// Whether its statements stay prepared.
        persistent: bool,
    },
}

impl Tx {
    pub(crate) async fn all<T: Row>(&mut self, sql: impl Into<Sql>, args: Vec<Value>) -> Result<Vec<T>, StoreError> {
        let sql = sql.into();
        Ok(match self {
            Self::Sqlite(tx) => sqlite_rows(sql.sqlite, args)?.fetch_all(&mut **tx).await?,
            Self::Postgres { tx, persistent } => {
                postgres_rows(sql.postgres, args)?.persistent(*persistent).fetch_all(&mut **tx).await?
            }
        })
    }

    pub(crate) async fn optional<T: Row>(
        &mut self,
        sql: impl Into<Sql>,
        args: Vec<Value>,
    ) -> Result<Option<T>, StoreError> {
        let sql = sql.into();
        Ok(match self {
            Self::Sqlite(tx) => sqlite_rows(sql.sqlite, args)?.fetch_optional(&mut **tx).await?,
            Self::Postgres { tx, persistent } => {
                postgres_rows(sql.postgres, args)?.persistent(*persistent).fetch_optional(&mut **tx).await?
            }
        })
    }

    pub(crate) async fn one<T: Row>(&mut self, sql: impl Into<Sql>, args: Vec<Value>) -> Result<T, StoreError> {
        self.optional(sql, args).await?.ok_or(StoreError::Database(sqlx::Error::RowNotFound))
    }

    pub(crate) async fn execute(&mut self, sql: impl Into<Sql>, args: Vec<Value>) -> Result<u64, StoreError> {
        let sql = sql.into();
        Ok(match self {
            Self::Sqlite(tx) => sqlite_query(sql.sqlite, args)?.execute(&mut **tx).await?.rows_affected(),
            Self::Postgres { tx, persistent } => {
                postgres_query(sql.postgres, args)?.persistent(*persistent).execute(&mut **tx).await?.rows_affected()
            }
        })
    }

    /// Runs statements without parameters that were made at run time, from numbers and names of our own.
    pub(crate) async fn run(&mut self, statements: String) -> Result<(), StoreError> {
        let statements = sqlx::raw_sql(AssertSqlSafe(statements));
        match self {
            Self::Sqlite(tx) => statements.execute(&mut **tx).await.map(|_| ())?,
            Self::Postgres { tx, .. } => statements.execute(&mut **tx).await.map(|_| ())?,
        }
        Ok(())
    }

    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres { tx, .. } => tx.commit().await?,
        }
        Ok(())
    }

    pub(super) async fn rollback(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => tx.rollback().await?,
            Self::Postgres { tx, .. } => tx.rollback().await?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Duration, timeout};

    use super::*;

    #[tokio::test]
    async fn an_urgent_read_does_not_wait_for_long_ones() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::create_sqlite(&folder.path().join("uptime.db"), 1).await.unwrap();
        let Db::Sqlite { readers, .. } = &db else { panic!("it is SQLite") };
        let mut busy = Vec::new();
        for _ in 0..readers.options().get_max_connections() {
            busy.push(readers.acquire().await.unwrap());
        }
        let answer = timeout(Duration::from_secs(5), db.urgent::<(i64,)>("SELECT 1", vec![])).await;
        assert_eq!(answer.expect("it does not wait").unwrap(), Some((1,)));
    }
}
