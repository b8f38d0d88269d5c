//! The two engines behind one door: statements are written once, their few differences side by side.
//!
//! sqlx's own `Any` driver knows too few types, and generic code over `sqlx::Database` drowns in bounds. Instead the
//! store speaks in [`Value`]s and rows of types that both drivers can decode.

use std::{path::Path, time::Duration};

use sqlx::{
    Connection, FromRow, PgConnection, PgPool, Postgres, Sqlite, SqlitePool, Transaction,
    postgres::{PgArguments, PgConnectOptions, PgPoolOptions, PgRow},
    query::{Query, QueryAs},
    sqlite::{
        SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
    },
};
use tokio::time::timeout;
use uuid::Uuid;

use super::StoreError;
use crate::{
    crypto::create_private,
    model::{CredentialId, PeerId, ProbeId, RegionId},
    time::Timestamp,
};

/// A statement in both dialects; parameters are `$1`, `$2`, … in both.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sql {
    pub sqlite: &'static str,
    pub postgres: &'static str,
}

impl From<&'static str> for Sql {
    /// A statement that both understand.
    fn from(both: &'static str) -> Self {
        Self { sqlite: both, postgres: both }
    }
}

/// A statement made of parts: a literal, `[sqlite | postgres]` where the dialects differ, or `(name)` for what the
/// macro `name!` gives for `sqlite` or `postgres`.
macro_rules! sql {
    (@sqlite $text:literal) => { $text };
    (@postgres $text:literal) => { $text };
    (@sqlite [$sqlite:literal | $postgres:literal]) => { $sqlite };
    (@postgres [$sqlite:literal | $postgres:literal]) => { $postgres };
    (@sqlite ($name:ident)) => { $name!(sqlite) };
    (@postgres ($name:ident)) => { $name!(postgres) };
    ($($part:tt),+ $(,)?) => {
        $crate::store::engine::Sql {
            sqlite: concat!($(sql!(@sqlite $part)),+),
            postgres: concat!($(sql!(@postgres $part)),+),
        }
    };
}
pub(super) use sql;

/// A parameter of a statement. A list is one parameter: an array on PostgreSQL, a JSON text on SQLite, to be used as
/// `["IN (SELECT value FROM json_each($1))" | "= ANY($1)"]`.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Int(Option<i64>),
    Text(Option<String>),
    Bool(Option<bool>),
    Bytes(Option<Vec<u8>>),
    Uuid(Uuid),
    Ints(Vec<i64>),
    Texts(Vec<String>),
}

macro_rules! value_from {
    ($($type:ty => $variant:ident($to:expr),)+) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(Some(($to)(value)))
            }
        }

        impl From<Option<$type>> for Value {
            fn from(value: Option<$type>) -> Self {
                Self::$variant(value.map($to))
            }
        }
    )+};
}

value_from! {
    i64 => Int(std::convert::identity),
    u32 => Int(i64::from),
    u16 => Int(i64::from),
    Timestamp => Int(|time: Timestamp| time.0),
    PeerId => Int(|id: PeerId| id.0),
    ProbeId => Int(|id: ProbeId| id.0),
    RegionId => Int(|id: RegionId| id.0),
    CredentialId => Int(|id: CredentialId| id.0),
    String => Text(std::convert::identity),
    &str => Text(str::to_owned),
    bool => Bool(std::convert::identity),
    Vec<u8> => Bytes(std::convert::identity),
}

impl From<Uuid> for Value {
    fn from(value: Uuid) -> Self {
        Self::Uuid(value)
    }
}

impl From<Vec<i64>> for Value {
    fn from(value: Vec<i64>) -> Self {
        Self::Ints(value)
    }
}

impl From<Vec<String>> for Value {
    fn from(value: Vec<String>) -> Self {
        Self::Texts(value)
    }
}

/// The parameters of a statement, in order.
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::store::engine::Value::from($value)),*] };
}
pub(super) use args;

/// A row type that both drivers can decode; `#[derive(sqlx::FromRow)]` and tuples are such.
pub(super) trait Row: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

impl<T> Row for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

/// The connections.
#[derive(Debug, Clone)]
pub(super) enum Db {
    /// One connection writes; others read what was committed last, and wait for nobody.
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
    },
    Postgres(PgPool),
}

/// How long a statement waits for a connection, or for another process that writes to the same SQLite file.
const PATIENCE: Duration = Duration::from_secs(15);

/// Readers of a SQLite file: enough for the cores of a small machine; each has a page cache of its own.
const SQLITE_READERS: u32 = 4;

const POSTGRES_CONNECTIONS: u32 = 16;

/// How long a connection to PostgreSQL that nobody uses may take to say that it is alive: less than a caller waits.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);

/// Where a connection died silently PostgreSQL does not know it either: without this a transaction that was under way
/// on it would hold its locks for hours. The hub never pauses within one.
const NEVER_IDLE: &str = "SET idle_in_transaction_session_timeout = '15s'";

impl Db {
    /// Opens a SQLite file, and makes one that only its owner can read where there is none.
    pub(super) async fn open_sqlite(path: &Path, cache_mebibytes: u32) -> Result<Self, StoreError> {
        match create_private(path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(StoreError::File { path: path.display().to_string(), source: error });
            }
            _ => {}
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .foreign_keys(true)
            .busy_timeout(PATIENCE)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let writer = options
            .clone()
            // Pages that are written again and again reach the file once per 32 MiB of log, not once per 4 MiB.
            .pragma("wal_autocheckpoint", "8192")
            .pragma("journal_size_limit", "67108864")
            .pragma("cache_size", kibibytes(cache_mebibytes * 1024));
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(PATIENCE)
            // On a full disk SQLite rolls back by itself, after which sqlx takes the connection to be in a transaction
            // for ever.
            .before_acquire(|connection, _| Box::pin(std::future::ready(Ok(!connection.is_in_transaction()))))
            .connect_with(writer)
            .await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(SQLITE_READERS)
            .acquire_timeout(PATIENCE)
            .connect_with(options.pragma("query_only", "on").pragma("cache_size", kibibytes(cache_mebibytes * 64)))
            .await?;
        Ok(Self::Sqlite { writer, readers })
    }

    pub(super) async fn open_postgres(url: &str) -> Result<Self, StoreError> {
        let options: PgConnectOptions = url.parse()?;
        let pool = PgPoolOptions::new()
            .max_connections(POSTGRES_CONNECTIONS)
            .acquire_timeout(PATIENCE)
            // sqlx's own tests wait for ever for an answer on a connection that died silently.
            .test_before_acquire(false)
            .before_acquire(|connection, _| Box::pin(answers(connection)))
            .after_release(|connection, _| Box::pin(answers(connection)))
            .after_connect(|connection, _| {
                Box::pin(async move { sqlx::query(NEVER_IDLE).execute(connection).await.map(drop) })
            })
            .connect_with(options.application_name("easytier-uptime hub"))
            .await?;
        Ok(Self::Postgres(pool))
    }

    /// All rows of a statement that changes nothing.
    pub(super) async fn all<T: Row>(&self, sql: impl Into<Sql>, args: Vec<Value>) -> Result<Vec<T>, StoreError> {
        let sql = sql.into();
        Ok(match self {
            Self::Sqlite { readers, .. } => sqlite_rows(sql.sqlite, args).fetch_all(readers).await?,
            Self::Postgres(pool) => postgres_rows(sql.postgres, args).fetch_all(pool).await?,
        })
    }

    /// The row of a statement that changes nothing, if there is one.
    pub(super) async fn optional<T: Row>(
        &self,
        sql: impl Into<Sql>,
        args: Vec<Value>,
    ) -> Result<Option<T>, StoreError> {
        let sql = sql.into();
        Ok(match self {
            Self::Sqlite { readers, .. } => sqlite_rows(sql.sqlite, args).fetch_optional(readers).await?,
            Self::Postgres(pool) => postgres_rows(sql.postgres, args).fetch_optional(pool).await?,
        })
    }

    /// The row of a statement that changes nothing and always gives one.
    pub(super) async fn one<T: Row>(&self, sql: impl Into<Sql>, args: Vec<Value>) -> Result<T, StoreError> {
        self.optional(sql, args).await?.ok_or(StoreError::Database(sqlx::Error::RowNotFound))
    }

    /// Runs one statement that writes, by itself; says how many rows it changed.
    pub(super) async fn execute(&self, sql: impl Into<Sql>, args: Vec<Value>) -> Result<u64, StoreError> {
        let sql = sql.into();
        Ok(match self {
            Self::Sqlite { writer, .. } => sqlite_query(sql.sqlite, args).execute(writer).await?.rows_affected(),
            Self::Postgres(pool) => postgres_query(sql.postgres, args).execute(pool).await?.rows_affected(),
        })
    }

    /// A transaction that writes. On SQLite it is the only one: others wait until it ends.
    pub(super) async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(match self {
            Self::Sqlite { writer, .. } => Tx::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers } => {
                // The last connection to close folds the log into the file, so it must be one that may write.
                readers.close().await;
                writer.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// Whether a connection is alive; what was left under way on it is finished or rolled back by that.
async fn answers(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    match timeout(SIGN_OF_LIFE, connection.ping()).await {
        Ok(answered) => answered.map(|()| true),
        Err(elapsed) => Err(sqlx::Error::Io(elapsed.into())),
    }
}

/// As SQLite wants a size that is not in pages.
fn kibibytes(count: u32) -> String {
    format!("-{count}")
}

/// A transaction; it is rolled back unless it is committed.
pub(super) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    pub(super) async fn all<T: Row>(&mut self, sql: impl Into<Sql>, args: Vec<Value>) -> Result<Vec<T>, StoreError> {
        let sql = sql.into();
        Ok(match self {
            Self::Sqlite(tx) => sqlite_rows(sql.sqlite, args).fetch_all(&mut **tx).await?,
            Self::Postgres(tx) => postgres_rows(sql.postgres, args).fetch_all(&mut **tx).await?,
        })
    }

    pub(super) async fn optional<T: Row>(
        &mut self,
        sql: impl Into<Sql>,
        args: Vec<Value>,
    ) -> Result<Option<T>, StoreError> {
        let sql = sql.into();
        Ok(match self {
            Self::Sqlite(tx) => sqlite_rows(sql.sqlite, args).fetch_optional(&mut **tx).await?,
            Self::Postgres(tx) => postgres_rows(sql.postgres, args).fetch_optional(&mut **tx).await?,
        })
    }

    pub(super) async fn one<T: Row>(&mut self, sql: impl Into<Sql>, args: Vec<Value>) -> Result<T, StoreError> {
        self.optional(sql, args).await?.ok_or(StoreError::Database(sqlx::Error::RowNotFound))
    }

    pub(super) async fn execute(&mut self, sql: impl Into<Sql>, args: Vec<Value>) -> Result<u64, StoreError> {
        let sql = sql.into();
        Ok(match self {
            Self::Sqlite(tx) => sqlite_query(sql.sqlite, args).execute(&mut **tx).await?.rows_affected(),
            Self::Postgres(tx) => postgres_query(sql.postgres, args).execute(&mut **tx).await?.rows_affected(),
        })
    }

    pub(super) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

/// Adds `$args` to the arguments of a driver. `$list` makes a parameter of a list.
macro_rules! bind {
    ($arguments:ty, $args:expr, |$list:ident| $ints:expr) => {{
        use sqlx::Arguments;
        let mut arguments = <$arguments>::default();
        for value in $args {
            match value {
                Value::Int(value) => arguments.add(value),
                Value::Text(value) => arguments.add(value),
                Value::Bool(value) => arguments.add(value),
                Value::Bytes(value) => arguments.add(value),
                Value::Uuid(value) => arguments.add(value),
                Value::Ints($list) => arguments.add($ints),
                Value::Texts($list) => arguments.add($ints),
            }
            .expect("plain values can be encoded");
        }
        arguments
    }};
}

fn sqlite_arguments(args: Vec<Value>) -> SqliteArguments {
    bind!(SqliteArguments, args, |list| serde_json::to_string(&list).expect("a list of plain values"))
}

fn postgres_arguments(args: Vec<Value>) -> PgArguments {
    bind!(PgArguments, args, |list| list)
}

pub(super) fn sqlite_query(sql: &'static str, args: Vec<Value>) -> Query<'static, Sqlite, SqliteArguments> {
    sqlx::query_with(sql, sqlite_arguments(args))
}

fn postgres_query(sql: &'static str, args: Vec<Value>) -> Query<'static, Postgres, PgArguments> {
    sqlx::query_with(sql, postgres_arguments(args))
}

pub(super) fn sqlite_rows<T: Row>(sql: &'static str, args: Vec<Value>) -> QueryAs<'static, Sqlite, T, SqliteArguments> {
    sqlx::query_as_with(sql, sqlite_arguments(args))
}

fn postgres_rows<T: Row>(sql: &'static str, args: Vec<Value>) -> QueryAs<'static, Postgres, T, PgArguments> {
    sqlx::query_as_with(sql, postgres_arguments(args))
}
