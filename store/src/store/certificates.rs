//! The certificates of nodes, as each region saw them last.

use std::{collections::BTreeMap, time::Duration};

use super::{Store, watched::is_watched};
use crate::{
    db::{Bulk, Column, Tx, args, sql},
    domain::{DAY, PeerId, RegionId, Timestamp, millis},
    error::StoreError,
};

/// A region whose last sight of a certificate is so much older than another's does not count: it checks the node no longer, or on
/// a connection that was opened with an earlier certificate.
const OUTDATED: Duration = DAY;

/// That a certificate is still the same is noted once an hour, because each check that opens a connection sees it.
static SEEN: Bulk = Bulk::new(
    "certificates",
    &[("peer_id", Column::Int), ("region_id", Column::Int), ("expires_at", Column::Int), ("seen_at", Column::Int)],
    "ON CONFLICT (peer_id, region_id) DO UPDATE SET expires_at = excluded.expires_at, seen_at = excluded.seen_at \
     WHERE excluded.seen_at >= certificates.seen_at + \
     CASE WHEN excluded.expires_at = certificates.expires_at THEN 3600000 ELSE 0 END",
);

/// A certificate that a check saw.
#[derive(Debug, Clone, Copy)]
pub(super) struct SeenCertificate {
    pub peer: PeerId,
    pub region: RegionId,
    pub expires_at: Timestamp,
    pub seen_at: Timestamp,
}

/// Stores certificates that checks saw.
pub(super) async fn note(tx: &mut Tx, seen: impl Iterator<Item = SeenCertificate>) -> Result<(), StoreError> {
    // The newest by peer and region, because a statement may change a row once.
    let mut newest: BTreeMap<(PeerId, RegionId), SeenCertificate> = BTreeMap::new();
    for one in seen {
        let known = newest.entry((one.peer, one.region)).or_insert(one);
        if known.seen_at < one.seen_at {
            *known = one;
        }
    }
    let row = |one: SeenCertificate| args![one.peer, one.region, one.expires_at, one.seen_at];
    SEEN.execute(tx, newest.into_values().flat_map(row).collect()).await.map(drop)
}

/// Forgets the certificates of peers, which have other addresses now.
pub(super) async fn forget(tx: &mut Tx, peers: Vec<i64>) -> Result<(), StoreError> {
    tx.execute(sql!("DELETE FROM certificates WHERE peer_id ", (in 1)), args![peers]).await.map(drop)
}

impl Store {
    /// The listed nodes with a certificate that expires before a time, and when it does: the first one, where regions see several.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn certificates_until(&self, before: Timestamp) -> Result<Vec<(PeerId, Timestamp)>, StoreError> {
        let select = sql!(
            "SELECT c.peer_id, min(c.expires_at) FROM certificates c JOIN \
             (SELECT peer_id, max(seen_at) AS newest FROM certificates GROUP BY peer_id) n ON n.peer_id = c.peer_id \
             JOIN peers p ON p.id = c.peer_id WHERE c.seen_at > n.newest - $2 AND ",
            (is_watched),
            " GROUP BY c.peer_id HAVING min(c.expires_at) < $1 ORDER BY c.peer_id"
        );
        self.db().all(select, args![before, millis(OUTDATED)]).await
    }

    /// The certificates of these peers, as each region saw them that counts.
    pub(super) async fn certificates_of(
        &self,
        ids: &[PeerId],
    ) -> Result<Vec<(PeerId, RegionId, Timestamp)>, StoreError> {
        let select = sql!(
            "SELECT c.peer_id, c.region_id, c.expires_at FROM certificates c WHERE c.seen_at > \
             (SELECT max(n.seen_at) FROM certificates n WHERE n.peer_id = c.peer_id) - $2 AND c.peer_id ",
            (in 1)
        );
        let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        self.db().all(select, args![ids, millis(OUTDATED)]).await
    }
}
