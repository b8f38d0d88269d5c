//! A copy of a SQLite database while it is in use.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{ConnectOptions, Connection, sqlite::SqliteAutoVacuum, sqlite::SqliteConnectOptions};
use uuid::Uuid;

use crate::{crypto::create_private, db::contents, error::StoreError};

/// The end of the names of unfinished copies.
const DRAFT: &str = ".part";

/// An unfinished copy that was not written to for this long belongs to a backup that was killed.
const ABANDONED_AFTER: Duration = Duration::from_secs(3600);

/// Writes a consistent copy of the SQLite file `database` to `file`, without blocking those who use it. The database may be
/// of any version of this program. The copy appears when it is complete. The hub's key is not in it; without the key the
/// secrets in the copy cannot be read.
///
/// # Errors
///
/// [`StoreError::File`] when `file` exists or cannot be written; otherwise when the database cannot be read.
pub async fn backup(database: &Path, file: &Path) -> Result<(), StoreError> {
    contents::of_sqlite(database).await?;
    let failed = |source| StoreError::File { path: file.display().to_string(), source };
    if file.exists() {
        return Err(failed(io::ErrorKind::AlreadyExists.into()));
    }
    remove_abandoned(file);
    // The name is not used by another backup to the same file, nor by one that was killed.
    let draft = draft_of(file, &Uuid::new_v4().simple().to_string());
    let Some(target) = draft.to_str() else { return Err(failed(io::ErrorKind::InvalidFilename.into())) };
    create_private(&draft).map_err(failed)?;
    let copied = copy(database, target).await.map_err(StoreError::from).and_then(|()| {
        fs::File::open(&draft).and_then(|copy| copy.sync_all()).map_err(failed)?;
        fs::hard_link(&draft, file).map_err(failed)
    });
    fs::remove_file(&draft).map_err(failed)?;
    copied
}

pub(super) async fn copy(database: &Path, target: &str) -> Result<(), sqlx::Error> {
    // A copy of a file that never gives space back does.
    let options = SqliteConnectOptions::new().filename(database).auto_vacuum(SqliteAutoVacuum::Incremental);
    let mut connection = options.connect().await?;
    sqlx::query("VACUUM INTO $1").bind(target).execute(&mut connection).await?;
    connection.close().await
}

pub(super) fn draft_of(file: &Path, unique: &str) -> PathBuf {
    file.with_added_extension(format!("{unique}{DRAFT}"))
}

/// Removes what killed backups to `file` have left. Whatever fails here does not matter for the next one.
fn remove_abandoned(file: &Path) {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (Some(name), Ok(entries)) = (file.file_name().and_then(|name| name.to_str()), folder.read_dir()) else {
        return;
    };
    let is_draft = |other: &str| {
        let unique = other.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')?.strip_suffix(DRAFT));
        unique.is_some_and(|unique| Uuid::try_parse(unique).is_ok())
    };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_draft)) {
        let age = entry.metadata().and_then(|draft| draft.modified()).ok().and_then(|at| at.elapsed().ok());
        if age.is_some_and(|age| age > ABANDONED_AFTER) && fs::remove_file(entry.path()).is_ok() {
            tracing::info!(file = %entry.path().display(), "removed the unfinished copy of a backup that was killed");
        }
    }
}
