//! Probes that were silent for so long that they expired.

use super::{Store, duties::Lease, probes, rollups, shared::Shared};
use crate::{
    db::{Tx, args, sql, work},
    domain::{PROBE_EXPIRES_AFTER, ProbeId, Timestamp},
    error::StoreError,
};

/// How many probes one transaction handles. Each may have a newest result for every peer.
const BATCH: i64 = 4;

impl Store {
    /// Moves the newest counts of expired probes to the history and deletes their newest results, and removes those that no
    /// token can bring back. A probe whose token is valid stays, so that it can report again after any time. Returns how many
    /// were handled, and whether there may be more.
    pub(super) async fn expire_probes(&self, leases: &[Lease], now: Timestamp) -> Result<(u64, bool), StoreError> {
        self.db().transaction(|tx| work(expire_batch(tx, &self.shared, leases, now))).await
    }
}

async fn expire_batch(
    tx: &mut Tx,
    shared: &Shared,
    leases: &[Lease],
    now: Timestamp,
) -> Result<(u64, bool), StoreError> {
    let select = sql!(
        "SELECT b.id, EXISTS (SELECT 1 FROM credentials c WHERE c.probe_id = b.id AND c.revoked_at IS NULL) \
             FROM probes b WHERE b.last_seen_at < $1 AND (EXISTS (SELECT 1 FROM latest l WHERE l.probe_id = b.id) \
             OR NOT EXISTS (SELECT 1 FROM credentials c WHERE c.probe_id = b.id AND c.revoked_at IS NULL)) \
             ORDER BY b.id LIMIT $2",
        ["" | " FOR UPDATE OF b"]
    );
    let expired: Vec<(ProbeId, bool)> = tx.all(select, args![now - PROBE_EXPIRES_AFTER, BATCH]).await?;
    for (probe, has_token) in &expired {
        if *has_token {
            rollups::flush_probe(tx, *probe).await?;
        } else {
            probes::remove(tx, *probe).await?;
        }
    }
    shared.duties.fence(tx, leases).await?;
    Ok((expired.len() as u64, expired.len() as i64 == BATCH))
}
