//! What a database holds: nothing, this program's tables, or those of another program. Looking changes nothing, and makes no
//! file.

use std::{
    io,
    path::{Path, PathBuf},
};

use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};

use super::{
    connection::Db,
    schema::{Applied, Engine},
};
use crate::{
    error::StoreError,
    refusal::{Foreign, Refusal},
};

/// SQLite's code for a file that is not a database.
const NOT_A_DATABASE: &str = "26";

/// The table in which sqlx notes the migrations.
const MIGRATIONS: &str = "_sqlx_migrations";
const APPLIED: &str = "SELECT version, checksum FROM _sqlx_migrations ORDER BY version";

const SQLITE_TABLES: &str =
    "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite!_%' ESCAPE '!'";

/// Without the tables of extensions, which are there before any program.
const POSTGRES_TABLES: &str = "SELECT c.relname::text FROM pg_class c \
    WHERE c.relnamespace = to_regnamespace(quote_ident(current_schema())) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') \
    AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.classid = 'pg_class'::regclass \
    AND d.deptype = 'e')";

/// The migrations that were applied to a SQLite file; none if it does not exist or is empty.
///
/// # Errors
///
/// [`Refusal::Foreign`] if it is another program's; otherwise when it cannot be read.
pub(crate) async fn of_sqlite(path: &Path) -> Result<Vec<Applied>, StoreError> {
    let failed = |source| StoreError::File { path: path.display().to_string(), source };
    match path.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
        Ok(file) if file.is_dir() => return Err(failed(io::ErrorKind::IsADirectory.into())),
        Ok(file) if file.len() == 0 => return Ok(Vec::new()),
        Ok(_) => {}
    }
    match sqlite_tables(&options_to_look(path)).await {
        Ok((tables, applied)) => ours(Engine::Sqlite, tables, applied),
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(NOT_A_DATABASE) => {
            Err(Refusal::Foreign(Foreign::of_file(path).map_err(failed)?).into())
        }
        Err(error) => Err(error.into()),
    }
}

/// A value of the table `settings` in a SQLite file. `None` if there is none.
pub(crate) async fn setting_of_sqlite(path: &Path, name: &str) -> Result<Option<String>, sqlx::Error> {
    let mut connection = options_to_look(path).connect().await?;
    let select = sqlx::query_scalar("SELECT value FROM settings WHERE key = $1").bind(name);
    let value = select.fetch_optional(&mut connection).await?;
    connection.close().await?;
    Ok(value)
}

/// What SQLite finds wrong with the pages of a file: `ok`, or at most three problems.
pub(crate) async fn quick_check(path: &Path) -> Result<Vec<String>, sqlx::Error> {
    let mut connection = options_to_look(path).connect().await?;
    let problems = sqlx::query_scalar("PRAGMA quick_check(3)").fetch_all(&mut connection).await?;
    connection.close().await?;
    Ok(problems)
}

/// With a write-ahead log, new rows may be in the log alone. Without one, a connection would make it, unless it is told that
/// nothing changes the file.
fn options_to_look(path: &Path) -> SqliteConnectOptions {
    let has_log = log_of(path).metadata().is_ok_and(|log| log.len() > 0);
    SqliteConnectOptions::new().filename(path).read_only(true).immutable(!has_log)
}

/// SQLite's log is beside the file itself, not beside a link to it.
fn log_of(path: &Path) -> PathBuf {
    let mut name = path.canonicalize().unwrap_or_else(|_| path.to_owned()).into_os_string();
    name.push("-wal");
    name.into()
}

async fn sqlite_tables(options: &SqliteConnectOptions) -> Result<(Vec<String>, Vec<Applied>), sqlx::Error> {
    let mut connection = options.connect().await?;
    let tables: Vec<String> = sqlx::query_scalar(SQLITE_TABLES).fetch_all(&mut connection).await?;
    let applied = match tables.iter().any(|name| name == MIGRATIONS) {
        true => sqlx::query_as(APPLIED).fetch_all(&mut connection).await?,
        false => Vec::new(),
    };
    connection.close().await?;
    Ok((tables, applied))
}

/// As [`of_sqlite`], for the schema of PostgreSQL in which tables are created.
pub(crate) async fn of_postgres(db: &Db) -> Result<Vec<Applied>, StoreError> {
    let tables: Vec<(String,)> = db.all(POSTGRES_TABLES, vec![]).await?;
    let tables: Vec<String> = tables.into_iter().map(|(name,)| name).collect();
    let applied = match tables.iter().any(|name| name == MIGRATIONS) {
        true => db.all(APPLIED, vec![]).await?,
        false => Vec::new(),
    };
    ours(Engine::Postgres, tables, applied)
}

fn ours(engine: Engine, tables: Vec<String>, applied: Vec<Applied>) -> Result<Vec<Applied>, StoreError> {
    // A hub that is killed while it creates a database on PostgreSQL may leave an empty list of migrations behind.
    let is_empty = applied.is_empty() && tables.iter().all(|name| name == MIGRATIONS);
    match is_empty || engine.made(&applied) {
        true => Ok(applied),
        false => Err(Refusal::Foreign(Foreign::of_tables(tables)).into()),
    }
}
