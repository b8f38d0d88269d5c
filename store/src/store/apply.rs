//! Several edits, all or none.

use super::{Store, alerts, edits, maintenance, metadata, peers, shared::Shared};
use crate::{
    db::{Tx, work},
    domain::{ObjectEdit, Timestamp},
    error::StoreError,
};

impl Store {
    /// Makes several edits in their order, all or none. Each is noted in the audit log.
    ///
    /// # Errors
    ///
    /// That of the first edit that cannot be made; a conflict when somebody changed one of the objects since the caller read it;
    /// [`StoreError::NotPrimary`] at a dependent; otherwise when the database fails. Then nothing is changed.
    pub async fn apply_edits(&self, edits: &[ObjectEdit], now: Timestamp) -> Result<(), StoreError> {
        let shared = &*self.shared;
        self.db().transaction(|tx| work(apply(tx, shared, edits, now))).await?;
        match edits.iter().any(ObjectEdit::is_of_window) {
            true => self.keep_maintenance(now).await.map(drop),
            false => Ok(()),
        }
    }
}

async fn apply(tx: &mut Tx, shared: &Shared, list: &[ObjectEdit], now: Timestamp) -> Result<(), StoreError> {
    // Each edit asks again; what they lock is locked here in the order of all transactions.
    edits::allow(tx).await?.skip();
    if list.iter().any(ObjectEdit::is_of_peer) {
        metadata::bump_config_version(tx).await?;
    }
    if list.iter().any(ObjectEdit::is_of_window) {
        maintenance::bump(tx).await?;
    }
    for edit in list {
        match edit {
            ObjectEdit::AddPeer(peer) => peers::add(tx, &shared.key, peer, now).await.map(drop)?,
            ObjectEdit::ChangePeer { id, seen, spec } => {
                let edit = |stored: &mut _| *stored = spec.clone();
                peers::edit_seen(tx, shared, *id, Some(*seen), &edit, now).await.map(drop)?;
            }
            ObjectEdit::ApprovePeer { id, approved } => peers::set_approved(tx, *id, *approved, now).await?,
            ObjectEdit::RemovePeer(id) => peers::delete_one(tx, *id, now).await?,
            ObjectEdit::AddWindow(spec) => maintenance::add(tx, spec, now).await.map(drop)?,
            ObjectEdit::ChangeWindow { id, seen, spec } => maintenance::change(tx, *id, Some(*seen), spec, now).await?,
            ObjectEdit::RemoveWindow(id) => maintenance::remove(tx, *id).await?,
            ObjectEdit::AddChannel(spec) => alerts::add_channel(tx, &shared.key, spec, now).await.map(drop)?,
            ObjectEdit::ChangeChannel { id, seen, spec } => {
                let edit = |stored: &mut _| *stored = spec.clone();
                alerts::edit_channel(tx, &shared.key, *id, Some(*seen), &edit, now).await?;
            }
            ObjectEdit::RemoveChannel(id) => alerts::remove_channel(tx, *id, now).await?,
        }
    }
    Ok(())
}
