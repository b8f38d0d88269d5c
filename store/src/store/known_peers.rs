//! The peers that exist, cached between transactions: reading them costs as much as storing a result.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::metadata;
use crate::{
    db::Tx,
    domain::{ConfigVersion, PeerId, RegionId, Rejection, Timestamp},
    error::StoreError,
};

/// What decides whether a result of a peer is taken.
#[derive(Debug)]
pub(super) struct KnownPeer {
    /// The regions that check it; without any, all do.
    regions: Vec<RegionId>,
    /// Since when the peer is what it is, and the version of the list of peers that had it so first.
    target_since: Timestamp,
    target_version: i64,
}

impl KnownPeer {
    /// Why a result is not taken, if it is not. `listing` is the version of the list of peers under which the peer was checked,
    /// as far as it is known: without one in the result, that of the list that the probe fetched last.
    ///
    /// A result of a check before the peer was changed, or under a list that has the peer as it was, is about another peer. A
    /// probe that sends no version may check the peer as it was until it fetches the list, and report that afterwards: such a
    /// result is taken for one of the peer as it is.
    pub(super) fn refusal(&self, region: RegionId, checked_at: Timestamp, listing: Option<i64>) -> Option<Rejection> {
        if !self.regions.is_empty() && !self.regions.contains(&region) {
            Some(Rejection::WrongRegion)
        } else if !self.is_about(checked_at) || listing.is_some_and(|version| version < self.target_version) {
            Some(Rejection::PeerChanged)
        } else {
            None
        }
    }

    /// Whether a check at this time was of the peer as it is.
    pub(super) fn is_about(&self, checked_at: Timestamp) -> bool {
        checked_at >= self.target_since
    }

    /// Whether a check that is about this peer is about `other`, and the reverse.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.target_since == other.target_since
    }
}

/// The peers that exist.
pub(super) type PeersById = HashMap<PeerId, KnownPeer>;

/// The peers that were read last, and the version of the list of peers that they belong to. Every transaction that adds,
/// changes or deletes a peer increases the version. A dependent takes over the version of the configuration that it adopts, which
/// may be a lower one, so the number of adoptions is a part of it.
#[derive(Default)]
pub(super) struct KnownPeers(Mutex<Option<(ListVersion, Arc<PeersById>)>>);

/// How often a list was adopted, and the version of the list.
type ListVersion = (i64, ConfigVersion);

impl KnownPeers {
    /// The peers as the transaction sees them, and the version of the configuration that they belong to.
    pub(super) async fn get(&self, tx: &mut Tx) -> Result<(ConfigVersion, Arc<PeersById>), StoreError> {
        // The version before the peers: a change in between is read again by the next transaction.
        let (adoptions, version) = (metadata::adoptions(tx).await?, metadata::held_config_in(tx).await?);
        let cached = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((of, peers)) = cached
            && of == (adoptions, version)
        {
            return Ok((version, peers));
        }
        let peers = Arc::new(read(tx).await?);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(((adoptions, version), Arc::clone(&peers)));
        Ok((version, peers))
    }
}

async fn read(tx: &mut Tx) -> Result<PeersById, StoreError> {
    let select = "SELECT id, target_since, target_version FROM peers WHERE NOT set_aside";
    let peers: Vec<(PeerId, Timestamp, i64)> = tx.all(select, vec![]).await?;
    let peer =
        |(id, target_since, target_version)| (id, KnownPeer { regions: Vec::new(), target_since, target_version });
    let mut known: PeersById = peers.into_iter().map(peer).collect();
    for (peer, region) in tx.all::<(PeerId, RegionId)>("SELECT peer_id, region_id FROM peer_regions", vec![]).await? {
        // Not of those that are set aside; a peer that was added after the first statement is left to the next transaction.
        known.entry(peer).and_modify(|peer| peer.regions.push(region));
    }
    Ok(known)
}
