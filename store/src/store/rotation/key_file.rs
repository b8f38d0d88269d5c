//! The key in the file beside a SQLite database, and the one that is to take its place.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    crypto::HubKey,
    db::contents,
    domain::Timestamp,
    error::StoreError,
    store::{
        files::{beside, give_to_owner_of, sync_folder},
        key_check,
        options::key_file,
    },
};

/// The key in `uptime.db.key.new`, if there is one and the database was made with it: its file has not taken the place of the old one
/// yet.
pub async fn new_key_of(database: &Path) -> Option<HubKey> {
    let new = HubKey::from_file(&new_key_file(database)).ok()?;
    let check = contents::setting_of_sqlite(database, key_check::NAME).await.ok()??;
    key_check::fits(&new, &check).ok()?;
    Some(new)
}

/// Ends a rotation that was interrupted. `key` is the one that the database was made with, and the lock of the database is held.
pub(in crate::store) fn settle(database: &Path, key: &HubKey, now: Timestamp) -> Result<(), StoreError> {
    let file = NewKeyFile::of(database);
    let failed = |source| StoreError::File { path: file.new.display().to_string(), source };
    match HubKey::from_file(&file.new) {
        Ok(new) if new == *key => file.put_in_place(now).map(drop),
        // It was never used, or is not complete.
        _ => match fs::remove_file(&file.new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
            _ => Ok(()),
        },
    }
}

/// A new key, before it takes the place of the old one.
pub(super) struct NewKeyFile {
    new: PathBuf,
    place: PathBuf,
}

impl NewKeyFile {
    fn of(database: &Path) -> Self {
        Self { new: new_key_file(database), place: key_file(database) }
    }

    /// Stores the key durably, for the owner of the old one alone.
    pub fn write(database: &Path, key: &HubKey) -> Result<Self, StoreError> {
        let file = Self::of(database);
        let failed = |source| StoreError::File { path: file.new.display().to_string(), source };
        key.write(&file.new)
            .and_then(|()| give_to_owner_of(&file.place, &file.new))
            .and_then(|()| sync_folder(&file.new))
            .map_err(failed)?;
        Ok(file)
    }

    /// Puts it in the place of the old key. Returns where that one is now, because older backups need it.
    pub fn put_in_place(&self, now: Timestamp) -> Result<PathBuf, StoreError> {
        let failed = |source| StoreError::File { path: self.place.display().to_string(), source };
        let aside = beside(&self.place, &format!(".replaced-{}", now.0));
        match fs::hard_link(&self.place, &aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        fs::rename(&self.new, &self.place).map_err(failed)?;
        sync_folder(&self.place).map_err(failed)?;
        Ok(aside)
    }
}

fn new_key_file(database: &Path) -> PathBuf {
    beside(&key_file(database), ".new")
}
