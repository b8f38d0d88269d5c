//! Puts the backup of a SQLite database in its place.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};
use uuid::Uuid;

use crate::{
    crypto::create_private,
    db::{FileLock, contents},
    domain::Timestamp,
    error::StoreError,
    store::{
        backup,
        files::{beside, give_to_owner_of, sync_folder},
    },
};

/// What SQLite makes beside a database.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// Why a backup cannot be restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The file cannot be read, is another program's, or the database is in use.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is nothing in the file.
    #[error("'{0}' is empty: it is no backup")]
    Empty(String),
    /// SQLite finds errors in the file.
    #[error("'{file}' is damaged: {reason}")]
    Damaged {
        /// The backup.
        file: String,
        /// What SQLite says about it.
        reason: String,
    },
}

/// A copy of a backup beside the database whose place it is to take. Nobody else serves the database meanwhile. Unless it is put
/// in place, the copy is removed when this is dropped.
#[derive(Debug)]
pub struct Restored {
    database: PathBuf,
    copy: PathBuf,
    lock: FileLock,
}

impl Restored {
    /// Checks the SQLite file `backup`, and copies it beside `database`, which need not exist. The backup may be of an older
    /// version of this program: the copy is upgraded when it is opened.
    ///
    /// # Errors
    ///
    /// [`Refusal::Foreign`](crate::Refusal::Foreign) if the file is another program's, [`Refusal::InUse`](crate::Refusal::InUse)
    /// if a hub or daemon serves the database, [`RestoreError::Empty`], [`RestoreError::Damaged`]; otherwise when a file cannot be
    /// read or written.
    pub async fn stage(backup: &Path, database: &Path) -> Result<Self, RestoreError> {
        let shown = || backup.display().to_string();
        let failed = |path: &Path| {
            let path = path.display().to_string();
            move |source| StoreError::File { path, source }
        };
        // A file that does not exist has no tables either.
        backup.metadata().map_err(failed(backup))?;
        if contents::of_sqlite(backup).await?.is_empty() {
            return Err(RestoreError::Empty(shown()));
        }
        // A link stays a link.
        let database = database.canonicalize().unwrap_or_else(|_| database.to_owned());
        let lock = FileLock::acquire(&database)?;
        let copy = backup::draft_of(&database, &Uuid::new_v4().simple().to_string());
        create_private(&copy).map_err(failed(&copy))?;
        let restored = Self { database, copy, lock };
        let damaged = |reason: String| RestoreError::Damaged { file: shown(), reason };
        let problems = problems(backup).await.map_err(|error| damaged(error.to_string()))?;
        if problems != ["ok"] {
            return Err(damaged(problems.join("; ")));
        }
        let target =
            restored.copy.to_str().ok_or_else(|| failed(&restored.copy)(std::io::ErrorKind::InvalidFilename.into()))?;
        backup::copy(backup, target).await.map_err(StoreError::from)?;
        Ok(restored)
    }

    /// The copy, to be opened and made ready, see [`Store::make_ready_after_restore`](crate::Store::make_ready_after_restore).
    pub fn copy(&self) -> &Path {
        &self.copy
    }

    /// Puts the copy, which is closed, in the place of the database. Returns where the database is now that was there before.
    /// At each moment there is a database in its place.
    ///
    /// # Errors
    ///
    /// [`StoreError::File`] when a file cannot be renamed: then the database is still there.
    pub fn put_in_place(self, now: Timestamp) -> Result<Option<PathBuf>, StoreError> {
        let failed = |source| StoreError::File { path: self.database.display().to_string(), source };
        fs::File::open(&self.copy).and_then(|copy| copy.sync_all()).map_err(failed)?;
        // A hub that is not root has to open what root restored.
        for file in [&self.copy, &beside(&self.database, ".lock")] {
            give_to_owner_of(&self.database, file).map_err(failed)?;
        }
        let aside = self.database.exists().then(|| beside(&self.database, &format!(".replaced-{}", now.0)));
        if let Some(aside) = &aside {
            fs::hard_link(&self.database, aside).map_err(failed)?;
            // The log belongs to the old file, and would damage the new one.
            for end in BESIDE {
                let of_old = beside(&self.database, end);
                if of_old.exists() {
                    fs::rename(of_old, beside(aside, end)).map_err(failed)?;
                }
            }
        }
        fs::rename(&self.copy, &self.database).map_err(failed)?;
        sync_folder(&self.database).map_err(failed)?;
        self.lock.release();
        Ok(aside)
    }
}

impl Drop for Restored {
    /// What cannot be removed is no harm: no database has that name.
    fn drop(&mut self) {
        for end in ["", ".lock"].into_iter().chain(BESIDE) {
            drop(fs::remove_file(beside(&self.copy, end)));
        }
    }
}

/// What is wrong with a database; `ok` when nothing is.
async fn problems(file: &Path) -> Result<Vec<String>, sqlx::Error> {
    let mut connection = SqliteConnectOptions::new().filename(file).connect().await?;
    let problems = sqlx::query_scalar("PRAGMA integrity_check(3)").fetch_all(&mut connection).await?;
    connection.close().await?;
    Ok(problems)
}
