//! What a database says of itself, for the command that looks for problems.

use std::path::Path;

use super::Store;
use crate::{
    db::{contents, disk, sql},
    domain::Timestamp,
    error::StoreError,
};

/// The space of a file system, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSpace {
    /// What may still be written.
    pub free: u64,
    /// All of it.
    pub total: u64,
}

/// The space of the file system of a path; `None` when it cannot be told.
pub fn disk_space(path: &Path) -> Option<DiskSpace> {
    let (free, total) = disk::space(path)?;
    Some(DiskSpace { free, total })
}

/// What SQLite finds wrong with the pages of a file, beside its hub; nothing if it is fine. It reads all of the file, and changes
/// nothing.
///
/// # Errors
///
/// When the file cannot be read.
pub async fn damage(file: &Path) -> Result<Vec<String>, StoreError> {
    let mut problems = contents::quick_check(file).await?;
    problems.retain(|problem| problem != "ok");
    Ok(problems)
}

impl Store {
    /// The size of the database, in bytes.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn size(&self) -> Result<u64, StoreError> {
        let select = sql!(["SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
            | "SELECT pg_database_size(current_database())"]);
        let (bytes,): (i64,) = self.db().one(select, vec![]).await?;
        Ok(bytes.unsigned_abs())
    }

    /// When a check was made last, by the clock of its probe; `None` before the first result.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn newest_check(&self) -> Result<Option<Timestamp>, StoreError> {
        let (at,): (Option<Timestamp>,) = self.db().one("SELECT max(checked_at) FROM latest", vec![]).await?;
        Ok(at)
    }
}
