//! Statements in both dialects, their parameters and their rows.

use serde::Serialize;
use sqlx::{
    Arguments, FromRow, Postgres, Sqlite,
    postgres::{PgArguments, PgRow},
    query::{Query, QueryAs},
    sqlite::{SqliteArguments, SqliteRow},
};
use uuid::Uuid;

use crate::domain::{
    AnnouncementId, ChannelId, CredentialId, IncidentId, PeerId, ProbeId, RegionId, SourceId, SubmissionId,
    SubscriberId, Timestamp, WindowId,
};

/// A statement in both dialects; parameters are `$1`, `$2`, … in both.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sql {
    pub sqlite: &'static str,
    pub postgres: &'static str,
}

impl From<&'static str> for Sql {
    /// A statement that both dialects understand.
    fn from(both: &'static str) -> Self {
        Self { sqlite: both, postgres: both }
    }
}

/// A statement made of parts. A part is a literal; `[sqlite | postgres]` where the dialects differ; `(in n)` for "is one
/// of the list `$n`"; or `(name …)` for the text that the macro `name!` gives for `sqlite …` and for `postgres …`.
macro_rules! sql {
    (@$engine:ident $text:literal) => { $text };
    (@sqlite [$sqlite:literal | $postgres:literal]) => { $sqlite };
    (@postgres [$sqlite:literal | $postgres:literal]) => { $postgres };
    (@$engine:ident (in $n:literal)) => { $crate::db::in_list!($engine $n) };
    (@$engine:ident ($name:ident $($rest:tt)*)) => { $name!($engine $($rest)*) };
    ($($part:tt),+ $(,)?) => {
        $crate::db::Sql {
            sqlite: concat!($($crate::db::sql!(@sqlite $part)),+),
            postgres: concat!($($crate::db::sql!(@postgres $part)),+),
        }
    };
}
pub(crate) use sql;

/// The end of the condition `column <in_list>`: whether the column is one of the list that is parameter `$n`.
macro_rules! in_list {
    (sqlite $n:literal) => {
        concat!("IN (SELECT value FROM json_each($", $n, "))")
    };
    (postgres $n:literal) => {
        concat!("= ANY($", $n, ")")
    };
}
pub(crate) use in_list;

/// A parameter of a statement. A list is one parameter, for [`in_list`]: an array on PostgreSQL, JSON text on SQLite.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Int(Option<i64>),
    Real(Option<f64>),
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
    f64 => Real(std::convert::identity),
    u32 => Int(i64::from),
    u16 => Int(i64::from),
    Timestamp => Int(|time: Timestamp| time.0),
    PeerId => Int(|id: PeerId| id.0),
    SubmissionId => Int(|id: SubmissionId| id.0),
    SubscriberId => Int(|id: SubscriberId| id.0),
    AnnouncementId => Int(|id: AnnouncementId| id.0),
    IncidentId => Int(|id: IncidentId| id.0),
    ProbeId => Int(|id: ProbeId| id.0),
    RegionId => Int(|id: RegionId| id.0),
    CredentialId => Int(|id: CredentialId| id.0),
    ChannelId => Int(|id: ChannelId| id.0),
    WindowId => Int(|id: WindowId| id.0),
    SourceId => Int(|id: SourceId| id.0),
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
    ($($value:expr),* $(,)?) => { vec![$($crate::db::Value::from($value)),*] };
}
pub(crate) use args;

/// A row type that both drivers can decode: tuples, and structs with `#[derive(sqlx::FromRow)]`.
pub(crate) trait Row: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

impl<T> Row for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

/// Encodes `$args` for a driver; `$encoded` is the driver's form of a list.
macro_rules! encode {
    ($arguments:ty, $args:expr, |$list:ident| $encoded:expr) => {{
        let mut arguments = <$arguments>::default();
        for value in $args {
            match value {
                Value::Int(value) => arguments.add(value),
                Value::Real(value) => arguments.add(value),
                Value::Text(value) => arguments.add(value),
                Value::Bool(value) => arguments.add(value),
                Value::Bytes(value) => arguments.add(value),
                Value::Uuid(value) => arguments.add(value),
                Value::Ints($list) => arguments.add($encoded),
                Value::Texts($list) => arguments.add($encoded),
            }
            .map_err(sqlx::Error::Encode)?;
        }
        Ok(arguments)
    }};
}

fn sqlite_arguments(args: Vec<Value>) -> Result<SqliteArguments, sqlx::Error> {
    encode!(SqliteArguments, args, |list| json(&list)?)
}

fn postgres_arguments(args: Vec<Value>) -> Result<PgArguments, sqlx::Error> {
    encode!(PgArguments, args, |list| list)
}

/// A value as JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<String, sqlx::Error> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(error.into()))
}

pub(super) fn sqlite_query(
    sql: &'static str,
    args: Vec<Value>,
) -> Result<Query<'static, Sqlite, SqliteArguments>, sqlx::Error> {
    Ok(sqlx::query_with(sql, sqlite_arguments(args)?))
}

pub(super) fn postgres_query(
    sql: &'static str,
    args: Vec<Value>,
) -> Result<Query<'static, Postgres, PgArguments>, sqlx::Error> {
    Ok(sqlx::query_with(sql, postgres_arguments(args)?))
}

pub(super) fn sqlite_rows<T: Row>(
    sql: &'static str,
    args: Vec<Value>,
) -> Result<QueryAs<'static, Sqlite, T, SqliteArguments>, sqlx::Error> {
    Ok(sqlx::query_as_with(sql, sqlite_arguments(args)?))
}

pub(super) fn postgres_rows<T: Row>(
    sql: &'static str,
    args: Vec<Value>,
) -> Result<QueryAs<'static, Postgres, T, PgArguments>, sqlx::Error> {
    Ok(sqlx::query_as_with(sql, postgres_arguments(args)?))
}
