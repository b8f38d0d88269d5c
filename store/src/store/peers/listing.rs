//! Lists of peers for probes.

use std::collections::HashMap;

use super::row::{PeerRow, peer_columns};
use crate::{
    db::{args, sql},
    domain::{PeerId, PeerScope, ProbePeer, ProbePeers, RegionId},
    error::StoreError,
    store::{Store, regions, rows, watched::is_watched},
};

/// The condition that a peer `p` is approved and checked from the region `$1`.
macro_rules! checked_from_region {
    ($engine:ident) => {
        concat!(
            $crate::store::watched::is_watched!($engine),
            " AND (NOT EXISTS (SELECT 1 FROM peer_regions pr WHERE pr.peer_id = p.id) \
             OR EXISTS (SELECT 1 FROM peer_regions pr WHERE pr.peer_id = p.id AND pr.region_id = $1))"
        )
    };
}
pub(in crate::store) use checked_from_region;

impl Store {
    /// One page of approved peers for a probe, in the order of ids: at most `count` peers with ids greater than `cursor`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn probe_peers(
        &self,
        scope: &PeerScope,
        cursor: Option<PeerId>,
        count: u32,
    ) -> Result<ProbePeers, StoreError> {
        // Read before the peers, so that the next fetch notices a change in between.
        let config = self.held_config().await?;
        let after = cursor.unwrap_or(PeerId(0));
        let limit = i64::from(count.max(1));
        // One row more than asked for shows whether there is another page.
        let (mut found, total): (Vec<PeerRow>, (i64,)) = match &scope.region {
            None => {
                let select =
                    sql!("SELECT ", (peer_columns), " WHERE ", (is_watched), " AND p.id > $1 ORDER BY p.id LIMIT $2");
                (
                    self.db().all(select, args![after, limit + 1]).await?,
                    self.db().one(sql!("SELECT count(*) FROM peers p WHERE ", (is_watched)), vec![]).await?,
                )
            }
            Some(region) => {
                // A region that does not exist yet checks the peers of all regions.
                let region = regions::find(self.db(), region).await?.unwrap_or(RegionId(0));
                let select = sql!(
                    "SELECT ",
                    (peer_columns),
                    " WHERE ",
                    (checked_from_region),
                    " AND p.id > $2 ORDER BY p.id LIMIT $3"
                );
                let total = sql!("SELECT count(*) FROM peers p WHERE ", (checked_from_region));
                (
                    self.db().all(select, args![region, after, limit + 1]).await?,
                    self.db().one(total, args![region]).await?,
                )
            }
        };
        let more = found.len() as i64 > limit;
        found.truncate(limit as usize);
        let next_cursor = if more { found.last().map(|row| row.id) } else { None };
        let key = scope.with_secrets.then_some(&self.shared.key);
        let peers = found.into_iter().map(|row| row.into_probe_peer(key)).collect::<Result<_, _>>()?;
        Ok(ProbePeers { peers, total: rows::count(total.0), next_cursor, config })
    }

    /// Approved peers by id, with secrets, in the order of `ids`.
    pub(in crate::store) async fn probe_peers_by_id(&self, ids: &[PeerId]) -> Result<Vec<ProbePeer>, StoreError> {
        let select = sql!("SELECT ", (peer_columns), " WHERE ", (is_watched), " AND p.id ", (in 1));
        let list: Vec<i64> = ids.iter().map(|id| id.0).collect();
        let found: Vec<PeerRow> = self.db().all(select, args![list]).await?;
        let place: HashMap<PeerId, usize> = ids.iter().enumerate().map(|(nth, id)| (*id, nth)).collect();
        let mut peers: Vec<ProbePeer> =
            found.into_iter().map(|row| row.into_probe_peer(Some(&self.shared.key))).collect::<Result<_, _>>()?;
        peers.sort_by_key(|peer| place.get(&peer.id).copied());
        Ok(peers)
    }
}
