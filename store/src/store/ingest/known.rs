//! The peers that exist, remembered from one transaction to the next: looking them up costs as much as storing a result.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use crate::{
    model::{PeerId, RegionId},
    store::{StoreError, engine::Tx, settings},
};

/// The regions of each peer; none for one that is watched from everywhere.
pub(super) type Regions = HashMap<PeerId, Vec<RegionId>>;

/// What was read last, and the version of the configuration that it is of: everything that adds, moves or deletes a peer
/// makes another version.
#[derive(Default)]
pub(in crate::store) struct KnownPeers(Mutex<Option<(i64, Arc<Regions>)>>);

impl KnownPeers {
    /// As the transaction sees them.
    pub(super) async fn get(&self, tx: &mut Tx) -> Result<Arc<Regions>, StoreError> {
        // Before the peers: what changes in between is read again next time.
        let version = settings::config_version_in(tx).await?;
        let remembered = self.0.lock().expect("nobody panics with the lock").clone();
        if let Some((of, regions)) = remembered
            && of == version
        {
            return Ok(regions);
        }
        let regions = Arc::new(read(tx).await?);
        *self.0.lock().expect("nobody panics with the lock") = Some((version, Arc::clone(&regions)));
        Ok(regions)
    }
}

async fn read(tx: &mut Tx) -> Result<Regions, StoreError> {
    let peers: Vec<(PeerId,)> = tx.all("SELECT id FROM peers", vec![]).await?;
    let mut known: Regions = peers.into_iter().map(|(id,)| (id, Vec::new())).collect();
    for (peer, region) in tx.all::<(PeerId, RegionId)>("SELECT peer_id, region_id FROM peer_regions", vec![]).await? {
        // One that was added since the peers were read is nobody's to check yet.
        known.entry(peer).and_modify(|regions| regions.push(region));
    }
    Ok(known)
}
