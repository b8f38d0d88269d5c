//! A copy of a SQLite database while it is in use.

use std::{fs, path::Path};

use sqlx::Connection;

use super::Store;
use crate::{crypto::create_private, db::Db, error::StoreError};

impl Store {
    /// Writes a consistent copy of the database to `file`, without blocking other work. The file appears when it is
    /// complete. The hub's key is not in it; without the key the secrets in the copy cannot be read.
    ///
    /// # Errors
    ///
    /// [`StoreError::SqliteOnly`] on PostgreSQL; [`StoreError::File`] when `file` exists or cannot be written; otherwise
    /// when the database fails.
    pub async fn backup(&self, file: &Path) -> Result<(), StoreError> {
        let Db::Sqlite { writer, .. } = self.db() else { return Err(StoreError::SqliteOnly("backup")) };
        let failed = |source| StoreError::File { path: file.display().to_string(), source };
        if file.exists() {
            return Err(failed(std::io::ErrorKind::AlreadyExists.into()));
        }
        let draft = file.with_added_extension("part");
        let Some(target) = draft.to_str() else { return Err(failed(std::io::ErrorKind::InvalidFilename.into())) };
        create_private(&draft).map_err(failed)?;
        // A connection of its own: readers cannot write at all, and the writer is needed for results.
        let copied = async {
            let mut connection = sqlx::SqliteConnection::connect_with(&writer.connect_options()).await?;
            sqlx::query("VACUUM INTO $1").bind(target).execute(&mut connection).await?;
            connection.close().await
        };
        let copied = copied.await.map_err(StoreError::from).and_then(|()| {
            fs::File::open(&draft).and_then(|copy| copy.sync_all()).map_err(failed)?;
            fs::hard_link(&draft, file).map_err(failed)
        });
        fs::remove_file(&draft).map_err(failed)?;
        copied
    }
}
