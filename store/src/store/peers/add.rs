//! Adding peers.

use std::collections::HashSet;

use super::{identity::Identity, write};
use crate::{
    crypto::HubKey,
    db::{Tx, args, sql, work},
    domain::{AuditObject, AuditVerb, ImportCounts, NewPeer, PeerId, PeerSpec, Timestamp},
    error::StoreError,
    store::{Store, audit::Change, edits, metadata},
};

/// The URLs and networks of the peers with one of the URLs `$1`, without those set aside.
macro_rules! listed_identities {
    () => {
        sql!("SELECT url, coalesce(network_name, '') FROM peers WHERE NOT set_aside AND url ", (in 1))
    };
}

impl Store {
    /// Adds a peer of the operator. It is approved at once, and replaces submissions of the same URL and network.
    ///
    /// # Errors
    ///
    /// [`Conflict::PeerListed`] when another peer has the same URL and network; [`StoreError::NotPrimary`] at a dependent;
    /// otherwise when the database fails.
    pub async fn add_peer(&self, spec: &PeerSpec, now: Timestamp) -> Result<PeerId, StoreError> {
        let (peer, key) = (&NewPeer::of_operator(spec.clone()), &self.shared.key);
        self.db().transaction(|tx| work(add(tx, key, peer, now))).await
    }

    /// Adds peers of the operator, see [`Self::import`].
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn import_peers(&self, specs: &[PeerSpec], now: Timestamp) -> Result<ImportCounts, StoreError> {
        let peers: Vec<NewPeer> = specs.iter().cloned().map(NewPeer::of_operator).collect();
        self.import(&peers, now).await
    }

    /// Adds peers, all or none; they replace submissions of the same URL and network. Peers that are listed already stay
    /// unchanged.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn import(&self, peers: &[NewPeer], now: Timestamp) -> Result<ImportCounts, StoreError> {
        let key = &self.shared.key;
        self.db()
            .transaction(|tx| {
                work(async move {
                    let edit = edits::allow(tx).await?;
                    metadata::bump_config_version(tx).await?;
                    let listed = tx.all(listed_identities!(), args![urls(peers)]).await?;
                    let added = peers.iter().zip(are_new(peers, listed));
                    let added: Vec<&NewPeer> = added.filter_map(|(peer, is_new)| is_new.then_some(peer)).collect();
                    write::insert(tx, key, &added, now).await?;
                    match added[..] {
                        [] => edit.skip(),
                        [one] => {
                            edit.note(tx, Change::of(AuditObject::Peer, AuditVerb::Add).named(&one.spec.name)).await?
                        }
                        [first, ..] => {
                            let many = Change::of(AuditObject::Peer, AuditVerb::Add).named(&first.spec.name);
                            edit.note(tx, many.detail(format!("{} peers", added.len()))).await?;
                        }
                    }
                    let unlisted = added.iter().filter(|peer| !peer.approved).count();
                    Ok(ImportCounts { added: added.len(), unlisted, known: peers.len() - added.len() })
                })
            })
            .await
    }

    /// Which of these peers [`Self::import`] would add now.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn importable(&self, peers: &[NewPeer]) -> Result<Vec<bool>, StoreError> {
        let listed = self.db().all(listed_identities!(), args![urls(peers)]).await?;
        Ok(are_new(peers, listed))
    }
}

/// Adds a peer, and notes it.
pub(in crate::store) async fn add(
    tx: &mut Tx,
    key: &HubKey,
    peer: &NewPeer,
    now: Timestamp,
) -> Result<PeerId, StoreError> {
    let edit = edits::allow(tx).await?;
    metadata::bump_config_version(tx).await?;
    let id = write::insert_new(tx, key, peer, now).await?;
    let added = Change::of(AuditObject::Peer, AuditVerb::Add).id(id).named(&peer.spec.name);
    edit.note(tx, added).await?;
    Ok(id)
}

fn urls(peers: &[NewPeer]) -> Vec<String> {
    peers.iter().map(|peer| peer.spec.url.full()).collect()
}

/// Whether each peer is neither listed nor the same as one before it.
fn are_new(peers: &[NewPeer], listed: Vec<(String, String)>) -> Vec<bool> {
    let mut known: HashSet<Identity> = listed.into_iter().map(|(url, network)| Identity { url, network }).collect();
    peers.iter().map(|peer| known.insert(Identity::of(&peer.spec))).collect()
}
