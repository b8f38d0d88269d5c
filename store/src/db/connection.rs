//! Connections and transactions.

use sqlx::{PgPool, Postgres, Sqlite, SqlitePool, Transaction};

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
    /// One connection writes. The others read the last commit and wait for nothing.
    Sqlite { writer: SqlitePool, readers: SqlitePool },
    /// Any connection reads and writes.
    Postgres(PgPool),
}

impl Db {
    /// All rows of a statement that only reads.
    pub(crate) async fn all<T: Row>(&self, sql: impl Into<Sql>, args: Vec<Value>) -> Result<Vec<T>, StoreError> {
        let sql = sql.into();
        Ok(match self {
            Self::Sqlite { readers, .. } => sqlite_rows(sql.sqlite, args)?.fetch_all(readers).await?,
            Self::Postgres(pool) => postgres_rows(sql.postgres, args)?.fetch_all(pool).await?,
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
            Self::Postgres(pool) => postgres_rows(sql.postgres, args)?.fetch_optional(pool).await?,
        })
    }

    /// The row of a statement that only reads and always returns one row.
    pub(crate) async fn one<T: Row>(&self, sql: impl Into<Sql>, args: Vec<Value>) -> Result<T, StoreError> {
        self.optional(sql, args).await?.ok_or(StoreError::Database(sqlx::Error::RowNotFound))
    }

    /// Begins a transaction that writes; [`Db::transaction`] also retries it.
    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(match self {
            Self::Sqlite { writer, .. } => Tx::Sqlite(writer.begin_with(BEGIN_SQLITE).await?),
            Self::Postgres(pool) => Tx::Postgres(pool.begin_with(BEGIN_POSTGRES).await?),
        })
    }

    /// Closes all connections.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers } => {
                // The last connection to close moves the write-ahead log into the file, so it must be able to write.
                readers.close().await;
                writer.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// A transaction; it is rolled back unless it is committed.
pub(crate) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    pub(crate) async fn all<T: Row>(&mut self, sql: impl Into<Sql>, args: Vec<Value>) -> Result<Vec<T>, StoreError> {
        let sql = sql.into();
        Ok(match self {
            Self::Sqlite(tx) => sqlite_rows(sql.sqlite, args)?.fetch_all(&mut **tx).await?,
            Self::Postgres(tx) => postgres_rows(sql.postgres, args)?.fetch_all(&mut **tx).await?,
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
            Self::Postgres(tx) => postgres_rows(sql.postgres, args)?.fetch_optional(&mut **tx).await?,
        })
    }

    pub(crate) async fn one<T: Row>(&mut self, sql: impl Into<Sql>, args: Vec<Value>) -> Result<T, StoreError> {
        self.optional(sql, args).await?.ok_or(StoreError::Database(sqlx::Error::RowNotFound))
    }

    pub(crate) async fn execute(&mut self, sql: impl Into<Sql>, args: Vec<Value>) -> Result<u64, StoreError> {
        let sql = sql.into();
        Ok(match self {
            Self::Sqlite(tx) => sqlite_query(sql.sqlite, args)?.execute(&mut **tx).await?.rows_affected(),
            Self::Postgres(tx) => postgres_query(sql.postgres, args)?.execute(&mut **tx).await?.rows_affected(),
        })
    }

    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }

    pub(super) async fn rollback(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => tx.rollback().await?,
            Self::Postgres(tx) => tx.rollback().await?,
        }
        Ok(())
    }
}
