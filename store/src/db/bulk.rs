//! Inserts of many rows in few statements.
//!
//! On PostgreSQL each column is one array parameter, and `unnest` turns them into rows: one statement for any number of
//! rows. On SQLite the rows are a list of `VALUES`, whose length is a power of four, so that a few prepared statements
//! serve every number of rows.

use std::sync::OnceLock;

use sqlx::{Arguments, postgres::PgArguments};
use uuid::Uuid;

use super::{
    connection::Tx,
    statement::{Row, Value, sqlite_query, sqlite_rows},
};
use crate::error::StoreError;

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    Int,
    Text,
    Bool,
    Bytes,
    Uuid,
}

/// How many rows one statement may insert on SQLite, the largest first.
const CHUNKS: [usize; 5] = [256, 64, 16, 4, 1];

/// An `INSERT` of many rows. It is meant to be a `static`, because its statements are built once.
pub(crate) struct Bulk {
    table: &'static str,
    columns: &'static [(&'static str, Column)],
    /// The end of the statement: `ON CONFLICT …`, `RETURNING …`, or nothing.
    suffix: &'static str,
    sqlite: OnceLock<[String; CHUNKS.len()]>,
    postgres: OnceLock<String>,
}

impl Bulk {
    pub(crate) const fn new(
        table: &'static str,
        columns: &'static [(&'static str, Column)],
        suffix: &'static str,
    ) -> Self {
        Self { table, columns, suffix, sqlite: OnceLock::new(), postgres: OnceLock::new() }
    }

    /// Inserts `values`, complete rows one after another; returns how many rows were inserted or updated. Without values
    /// it does nothing.
    pub(crate) async fn execute(&'static self, tx: &mut Tx, values: Vec<Value>) -> Result<u64, StoreError> {
        if values.is_empty() {
            return Ok(0);
        }
        match tx {
            Tx::Sqlite(tx) => {
                let mut changed = 0;
                for (sql, args) in self.chunks(values) {
                    changed += sqlite_query(sql, args)?.execute(&mut **tx).await?.rows_affected();
                }
                Ok(changed)
            }
            Tx::Postgres { tx, persistent } => {
                let insert = sqlx::query_with(self.postgres(), self.arrays(values)?).persistent(*persistent);
                Ok(insert.execute(&mut **tx).await?.rows_affected())
            }
        }
    }

    /// Like [`Self::execute`], but returns the rows of `RETURNING`.
    pub(crate) async fn returning<T: Row>(
        &'static self,
        tx: &mut Tx,
        values: Vec<Value>,
    ) -> Result<Vec<T>, StoreError> {
        if values.is_empty() {
            return Ok(Vec::new());
        }
        match tx {
            Tx::Sqlite(tx) => {
                let mut rows = Vec::new();
                for (sql, args) in self.chunks(values) {
                    rows.extend(sqlite_rows(sql, args)?.fetch_all(&mut **tx).await?);
                }
                Ok(rows)
            }
            Tx::Postgres { tx, persistent } => {
                let insert = sqlx::query_as_with(self.postgres(), self.arrays(values)?).persistent(*persistent);
                Ok(insert.fetch_all(&mut **tx).await?)
            }
        }
    }

    /// The statements for SQLite, each with its values.
    fn chunks(&'static self, values: Vec<Value>) -> impl Iterator<Item = (&'static str, Vec<Value>)> {
        let statements = self.sqlite.get_or_init(|| CHUNKS.map(|rows| self.values_of(rows)));
        let width = self.columns.len();
        let mut left = values.len() / width;
        let mut values = values.into_iter();
        std::iter::from_fn(move || {
            let nth = CHUNKS.iter().position(|rows| *rows <= left)?;
            left -= CHUNKS[nth];
            Some((statements[nth].as_str(), values.by_ref().take(CHUNKS[nth] * width).collect()))
        })
    }

    fn values_of(&self, rows: usize) -> String {
        let row = format!("({})", vec!["?"; self.columns.len()].join(","));
        format!("{} VALUES {} {}", self.insert(), vec![row; rows].join(","), self.suffix)
    }

    /// The statement for PostgreSQL.
    fn postgres(&'static self) -> &'static str {
        self.postgres.get_or_init(|| {
            let arrays: Vec<String> = (1..)
                .zip(self.columns)
                .map(|(nth, (_, column))| {
                    let element = match column {
                        Column::Int => "bigint",
                        Column::Text => "text",
                        Column::Bool => "boolean",
                        Column::Bytes => "bytea",
                        Column::Uuid => "uuid",
                    };
                    format!("${nth}::{element}[]")
                })
                .collect();
            format!("{} SELECT * FROM unnest({}) {}", self.insert(), arrays.join(","), self.suffix)
        })
    }

    fn insert(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        format!("INSERT INTO {} ({})", self.table, names.join(","))
    }

    /// The values as one array per column.
    fn arrays(&self, values: Vec<Value>) -> Result<PgArguments, sqlx::Error> {
        enum Array {
            Ints(Vec<Option<i64>>),
            Texts(Vec<Option<String>>),
            Bools(Vec<Option<bool>>),
            Bytes(Vec<Option<Vec<u8>>>),
            Uuids(Vec<Uuid>),
        }
        let rows = values.len() / self.columns.len();
        let mut arrays: Vec<Array> = self
            .columns
            .iter()
            .map(|(_, column)| match column {
                Column::Int => Array::Ints(Vec::with_capacity(rows)),
                Column::Text => Array::Texts(Vec::with_capacity(rows)),
                Column::Bool => Array::Bools(Vec::with_capacity(rows)),
                Column::Bytes => Array::Bytes(Vec::with_capacity(rows)),
                Column::Uuid => Array::Uuids(Vec::with_capacity(rows)),
            })
            .collect();
        for (nth, value) in values.into_iter().enumerate() {
            let column = nth % self.columns.len();
            match (&mut arrays[column], value) {
                (Array::Ints(array), Value::Int(value)) => array.push(value),
                (Array::Texts(array), Value::Text(value)) => array.push(value),
                (Array::Bools(array), Value::Bool(value)) => array.push(value),
                (Array::Bytes(array), Value::Bytes(value)) => array.push(value),
                (Array::Uuids(array), Value::Uuid(value)) => array.push(value),
                (_, value) => {
                    let message = format!("{value:?} in column {} of {}", self.columns[column].0, self.table);
                    return Err(sqlx::Error::Encode(message.into()));
                }
            }
        }
        let mut arguments = PgArguments::default();
        for array in arrays {
            match array {
                Array::Ints(array) => arguments.add(array),
                Array::Texts(array) => arguments.add(array),
                Array::Bools(array) => arguments.add(array),
                Array::Bytes(array) => arguments.add(array),
                Array::Uuids(array) => arguments.add(array),
            }
            .map_err(sqlx::Error::Encode)?;
        }
        Ok(arguments)
    }
}
