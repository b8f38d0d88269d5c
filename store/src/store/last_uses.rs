//! When tokens and keys were last used. A request only notes it in memory; the notes are written together, a few minutes
//! later at most, so that no request waits for the database's writer because of them.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::Store;
use crate::{
    db::{args, sql},
    domain::{CredentialId, Timestamp},
    error::StoreError,
};

/// How old the stored time is at least before a use is noted again. With several hubs each sees the times that the others
/// stored, so that a credential costs one write in this time, however many requests it makes.
const PRECISION: Duration = Duration::from_secs(5 * 60);

/// The uses that are not stored yet.
#[derive(Default)]
pub(super) struct LastUses(Mutex<BTreeMap<CredentialId, Timestamp>>);

impl LastUses {
    /// Notes a use at `now`. `stored`: the last use that the database knows.
    pub fn note(&self, id: CredentialId, stored: Option<Timestamp>, now: Timestamp) {
        if stored.is_none_or(|stored| now.since(stored) >= PRECISION) {
            self.notes().insert(id, now);
        }
    }

    fn take(&self) -> BTreeMap<CredentialId, Timestamp> {
        std::mem::take(&mut *self.notes())
    }

    /// Puts back what could not be stored; later notes win.
    fn put_back(&self, unstored: BTreeMap<CredentialId, Timestamp>) {
        let mut notes = self.notes();
        for (id, at) in unstored {
            notes.entry(id).or_insert(at);
        }
    }

    fn notes(&self) -> std::sync::MutexGuard<'_, BTreeMap<CredentialId, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Stores when tokens and keys were last used, as far as this hub has noted it since the last call. All get the time of
    /// the latest note. Returns how many there were.
    ///
    /// # Errors
    ///
    /// When the database fails. The next call tries again.
    pub async fn store_last_uses(&self) -> Result<usize, StoreError> {
        let notes = self.shared.last_uses.take();
        let Some(latest) = notes.values().max().copied() else { return Ok(0) };
        // In the order of ids, like every transaction that locks several rows of a table.
        let update = sql!(
            "UPDATE credentials SET last_used_at = $2 WHERE id IN (SELECT id FROM credentials WHERE id ",
            (in 1),
            " AND (last_used_at IS NULL OR last_used_at < $2) ORDER BY id",
            ["" | " FOR UPDATE"],
            ")"
        );
        let ids: Vec<i64> = notes.keys().map(|id| id.0).collect();
        match self.db().execute(update, args![ids, latest]).await {
            Ok(_) => Ok(notes.len()),
            Err(error) => {
                self.shared.last_uses.put_back(notes);
                Err(error)
            }
        }
    }
}
