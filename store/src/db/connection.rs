//! Connections and transactions.

use sqlx::{PgPool, Postgres, Sqlite, SqlitePool, Transaction};

use super::statement::{Row, Sql, Value, postgres_query, postgres_rows, sqlite_query, sqlite_rows};
use crate::error::StoreError;

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

    /// Runs one statement that writes in a transaction of its own; returns how many rows it changed.
    pub(crate) async fn execute(&self, sql: impl Into<Sql>, args: Vec<Value>) -> Result<u64, StoreError> {
        let sql = sql.into();
        Ok(match self {
            Self::Sqlite { writer, .. } => sqlite_query(sql.sqlite, args)?.execute(writer).await?.rows_affected(),
            Self::Postgres(pool) => postgres_query(sql.postgres, args)?.execute(pool).await?.rows_affected(),
        })
    }

    /// Begins a transaction that writes. On SQLite it is the only one: others wait until it ends.
    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(match self {
            Self::Sqlite { writer, .. } => Tx::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres(pool) => Tx::Postgres(pool.begin().await?),
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
}
