//! A new key for a database: whatever depends on the old one is made anew, in one transaction.
//!
//! The new key has to be stored before the transaction, or a crash after it loses everything. Where the operator configures the
//! key, the caller has stored it: until the commit the old key fits, and afterwards the new one. Where the key is in a file
//! beside a SQLite database, a crash at any moment leaves a database and a key that fit:
//!
//! 1. The new key is written to `uptime.db.key.new`, and synced. Whoever opens the database tries that file first, and takes the
//!    key in it only if the database was made with it; so the old key, which still is in `uptime.db.key`, is used.
//! 2. The transaction is committed. From now on the key in `uptime.db.key.new` fits, and is used.
//! 3. The old key gets a second name, and the new file takes the place of `uptime.db.key`, atomically. If that did not happen, the
//!    next hub that starts does it. It also removes a new key that was never used.

mod key_file;
mod sealed;
mod visitors;

use std::{path::PathBuf, time::Duration};

use easytier_probe::Secret;
use tokio::time::sleep;
use uuid::Uuid;

use self::key_file::NewKeyFile;
pub use self::key_file::new_key_of;
pub(super) use self::key_file::settle;
use super::{
    Store,
    audit::{self, Change},
    hubs, instance, metadata,
    options::{Access, Location, StoreOptions},
    sync,
};
use crate::{
    crypto::HubKey,
    db::{Db, FileLock, Tx, sql, work},
    domain::{AuditObject, AuditVerb, Timestamp},
    error::StoreError,
    refusal::{OtherHub, Refusal},
};

/// How long the connections of a hub that ended may be seen.
const ENDING_PAUSE: Duration = Duration::from_millis(100);
const ENDING_PAUSES: u32 = 10;

/// What the hub derives from its key by itself, see [`Store::signature`].
pub trait KeyedTexts: Sync {
    /// The hashes of the mailbox with this address; `None` if it is no address.
    fn mailbox(&self, key: &HubKey, address: &Secret) -> Option<MailboxHashes>;

    /// A message that waits to be sent, with its links signed by the new key. For a mail to a visitor, `mailbox` has the hash of the
    /// mailbox by the old key and by the new one.
    fn message(&self, message: &str, old: &HubKey, new: &HubKey, mailbox: Option<(Uuid, Uuid)>) -> String;
}

/// By what a mailbox is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailboxHashes {
    /// The hash of the mailbox.
    pub mailbox: Uuid,
    /// The hash of what the mailboxes of one owner have in common.
    pub owner: Uuid,
}

/// Encrypts everything in the database anew, with the key `new`, while no hub runs on it. With `is_beside`, that key also takes
/// the place of the one in the file beside the SQLite database; returns where the old key is then.
///
/// # Errors
///
/// [`Refusal::InUse`](crate::Refusal::InUse) or [`Refusal::HubsRun`](crate::Refusal::HubsRun) while a hub runs, and the other errors
/// of [`Store::open`] for a command; [`StoreError::Undecryptable`] when a value was not encrypted with the present key. Then
/// nothing was changed. [`StoreError::File`] when the new key cannot be stored.
pub async fn rotate_key(
    options: StoreOptions,
    new: &HubKey,
    is_beside: bool,
    texts: &dyn KeyedTexts,
    now: Timestamp,
) -> Result<Option<PathBuf>, StoreError> {
    let lock = match &options.location {
        Location::Sqlite(path) => Some(FileLock::acquire(path)?),
        Location::Postgres(_) => None,
    };
    let old = options.key.clone();
    let location = options.location.clone();
    let store = Store::open(StoreOptions { access: Access::Change, ..options }, now).await?;
    let file = match &location {
        Location::Sqlite(path) if is_beside => {
            settle(path, &old, now).and_then(|()| NewKeyFile::write(path, new)).map(Some)
        }
        _ => Ok(None),
    };
    let rotated = match &file {
        Ok(_) => rotate_when_alone(store.db(), &old, new, texts, now).await,
        Err(_) => Ok(()),
    };
    store.close().await;
    let aside = match (file?, rotated) {
        (Some(file), Ok(())) => file.put_in_place(now).map(Some),
        // The transaction may have been committed although it failed: then the key is needed, and a hub that starts finds out.
        (_, rotated) => rotated.map(|()| None),
    };
    if let Some(lock) = lock {
        lock.release();
    }
    aside
}

/// The connections of a hub that has just ended are there for a moment longer.
async fn rotate_when_alone(
    db: &Db,
    old: &HubKey,
    new: &HubKey,
    texts: &dyn KeyedTexts,
    now: Timestamp,
) -> Result<(), StoreError> {
    for _ in 0..ENDING_PAUSES {
        match db.transaction(|tx| work(rotate(tx, old, new, texts, now))).await {
            Err(StoreError::Refused(Refusal::HubsRun(hubs))) if hubs.iter().all(OtherHub::is_silent) => {
                sleep(ENDING_PAUSE).await;
            }
            done => return done,
        }
    }
    db.transaction(|tx| work(rotate(tx, old, new, texts, now))).await
}

async fn rotate(
    tx: &mut Tx,
    old: &HubKey,
    new: &HubKey,
    texts: &dyn KeyedTexts,
    now: Timestamp,
) -> Result<(), StoreError> {
    hubs::keep_out(tx).await?;
    // What is overwritten is not left in the file, where the old key would open it.
    tx.execute(sql!(["PRAGMA secure_delete = ON" | "SELECT 1"]), vec![]).await?;
    instance::lock(tx).await?;
    metadata::lock_config_version(tx).await?;
    // Before the contents, which it reads with the old key.
    sync::hash_again(tx, old, new, now).await?;
    sealed::seal_again(tx, old, new).await?;
    let mailboxes = visitors::hash_again(tx, new, texts).await?;
    visitors::sign_again(tx, old, new, texts, &mailboxes).await?;
    let change = Change::of(AuditObject::Database, AuditVerb::Change).detail("a new key for its secrets");
    audit::note(tx, change).await
}
