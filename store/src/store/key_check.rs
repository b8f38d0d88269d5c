//! A known text in the database, encrypted with the hub's key, by which a key is compared with it.

use easytier_probe::Secret;

use crate::{
    crypto::HubKey,
    db::{Db, args},
    error::StoreError,
};

/// The place of the text, see [`HubKey::seal`].
pub(super) const PLACE: &str = "settings.key_check";

/// Its name among the values of `settings`.
pub(super) const NAME: &str = "key_check";

/// Stores it encrypted with `key`. If another hub was faster, checks that it has the same key.
pub(super) async fn ensure(db: &Db, key: &HubKey) -> Result<(), StoreError> {
    let sealed = data_encoding::HEXLOWER.encode(&key.seal(PLACE, &Secret::from("easytier-uptime")));
    let insert = "INSERT INTO settings (key, value) VALUES ('key_check', $1) ON CONFLICT (key) DO NOTHING";
    match db.execute(insert, args![sealed]).await? {
        0 => compare(db, key).await,
        _ => Ok(()),
    }
}

/// Compares `key` with that of the first hub, which may not have stored its text yet.
pub(super) async fn compare(db: &Db, key: &HubKey) -> Result<(), StoreError> {
    let select = "SELECT value FROM settings WHERE key = 'key_check'";
    match db.optional::<(String,)>(select, vec![]).await? {
        Some((stored,)) => fits(key, &stored),
        None => Ok(()),
    }
}

/// Checks that the stored text was encrypted with `key`.
pub(super) fn fits(key: &HubKey, stored: &str) -> Result<(), StoreError> {
    let stored = data_encoding::HEXLOWER
        .decode(stored.as_bytes())
        .map_err(|error| StoreError::Corrupt(format!("settings.{NAME}: {error}")))?;
    Ok(key.open(PLACE, &stored).map(drop)?)
}
