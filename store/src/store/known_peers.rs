//! The peers that exist, cached between transactions: reading them costs as much as storing a result.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::metadata;
use crate::{
    db::Tx,
    domain::{PeerId, RegionId},
    error::StoreError,
};

/// The regions that check each peer; a peer without regions is checked from all.
pub(super) type PeerRegions = HashMap<PeerId, Vec<RegionId>>;

/// The regions that were read last, and the version of the list of peers that they belong to. Every transaction that adds,
/// moves or deletes a peer increases the version.
#[derive(Default)]
pub(super) struct KnownPeers(Mutex<Option<(i64, Arc<PeerRegions>)>>);

impl KnownPeers {
    /// The peers as the transaction sees them.
    pub(super) async fn get(&self, tx: &mut Tx) -> Result<Arc<PeerRegions>, StoreError> {
        // The version before the peers: a change in between is read again by the next transaction.
        let version = metadata::config_version(tx).await?;
        let cached = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((of, regions)) = cached
            && of == version
        {
            return Ok(regions);
        }
        let regions = Arc::new(read(tx).await?);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((version, Arc::clone(&regions)));
        Ok(regions)
    }
}

async fn read(tx: &mut Tx) -> Result<PeerRegions, StoreError> {
    let peers: Vec<(PeerId,)> = tx.all("SELECT id FROM peers", vec![]).await?;
    let mut known: PeerRegions = peers.into_iter().map(|(id,)| (id, Vec::new())).collect();
    for (peer, region) in tx.all::<(PeerId, RegionId)>("SELECT peer_id, region_id FROM peer_regions", vec![]).await? {
        // A peer that was added after the first statement is left to the next transaction.
        known.entry(peer).and_modify(|regions| regions.push(region));
    }
    Ok(known)
}
