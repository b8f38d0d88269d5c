//! SQLite and PostgreSQL behind one interface.
//!
//! sqlx's own `Any` driver knows too few types, and code that is generic over `sqlx::Database` needs long lists of bounds.
//! Instead a statement ([`Sql`]) is written once, with the few differences of the dialects side by side; its parameters
//! are [`Value`]s, and its rows are types that both drivers can decode.

mod bulk;
mod connection;
pub(crate) mod contents;
mod decode;
pub(crate) mod disk;
mod file_lock;
mod free_space;
mod migrate;
mod open;
mod postgres;
mod schema;
mod statement;
mod transaction;

pub(crate) use self::{
    bulk::{Bulk, Column},
    connection::{Db, Tx},
    file_lock::{FileLock, network_file_system},
    schema::{Applied, Standing},
    statement::{Sql, Value, args, in_list, json, sql},
    transaction::work,
};
