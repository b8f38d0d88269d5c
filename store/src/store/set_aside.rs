//! Peers that are set aside: an instance that becomes a dependent keeps its own peers with their history, but they are neither
//! listed to anybody but the operator, nor checked, nor shared.

use super::{Store, audit::Change, edits, metadata, peers};
use crate::{
    db::{Tx, args, work},
    domain::{AuditObject, AuditVerb, PeerId, Timestamp},
    error::{Conflict, StoreError},
};

impl Store {
    /// Watches a peer again that was set aside: it becomes one of those that instances share.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when no such peer is set aside; [`Conflict::PeerListed`] when another peer has the same URL and
    /// network; [`StoreError::NotPrimary`] at a dependent; otherwise when the database fails.
    pub async fn watch_peer(&self, id: PeerId, now: Timestamp) -> Result<(), StoreError> {
        let spec = &self.peer(id).await?.spec;
        self.db()
            .transaction(|tx| {
                work(async move {
                    let edit = edits::allow(tx).await?;
                    metadata::bump_config_version(tx).await?;
                    if !peers::is_set_aside(tx, id).await? {
                        return Err(StoreError::NotFound("peer"));
                    }
                    if peers::is_listed(tx, spec, Some(id)).await? {
                        return Err(Conflict::PeerListed.into());
                    }
                    let update = "UPDATE peers SET set_aside = FALSE, updated_at = $2 WHERE id = $1";
                    tx.execute(update, args![id, now]).await?;
                    edit.note(tx, Change::of(AuditObject::Peer, AuditVerb::Start).id(id).named(&spec.name)).await
                })
            })
            .await
    }
}

/// Sets all peers aside.
pub(super) async fn all(tx: &mut Tx) -> Result<(), StoreError> {
    metadata::bump_config_version(tx).await?;
    tx.execute("UPDATE peers SET set_aside = TRUE WHERE NOT set_aside", vec![]).await.map(drop)
}

/// Watches the peers again that were set aside, unless the same address and network is watched. All peers are this instance's
/// own then.
pub(super) async fn none(tx: &mut Tx) -> Result<(), StoreError> {
    metadata::bump_config_version(tx).await?;
    let back = "UPDATE peers SET set_aside = FALSE WHERE set_aside AND NOT EXISTS (SELECT 1 FROM peers o \
                WHERE o.url = peers.url AND coalesce(o.network_name, '') = coalesce(peers.network_name, '') \
                AND NOT o.set_aside)";
    tx.execute(back, vec![]).await?;
    tx.execute("UPDATE peers SET from_primary = FALSE WHERE from_primary", vec![]).await.map(drop)
}
