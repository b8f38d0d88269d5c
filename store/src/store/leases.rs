//! Leases: due peers for stateless callers.
//!
//! The table `leases` has rows only for regions with such callers. The first claim of a region inserts its rows, and the
//! first claim after each change of the list of peers updates them.

use std::collections::BTreeMap;

use super::{Store, metadata, peers::checked_from_region, rows};
use crate::{
    db::{Bulk, Column, Tx, args, sql, work},
    domain::{CLOCK_TOLERANCE, Claim, ClaimedPeers, PeerId, ProbeId, ProbeIdentity, RegionId, Timestamp, millis},
    error::StoreError,
};

impl Store {
    /// Leases due peers of the caller's region to it, the one with the oldest check first. Two callers never get the same
    /// peer: on PostgreSQL a claim skips rows that another claim has locked, on SQLite claims run one after another.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn claim_peers(
        &self,
        caller: &ProbeIdentity,
        claim: &Claim,
        now: Timestamp,
    ) -> Result<ClaimedPeers, StoreError> {
        self.update_leases(caller.region_id).await?;
        let config = self.held_config().await?;
        let lease_expires_at = now + claim.lease;
        let due_before = now - claim.interval;

        let take = sql!(
            "WITH due AS MATERIALIZED (SELECT peer_id FROM leases WHERE region_id = $1 AND checked_at <= $2 \
             AND leased_until <= $3 ORDER BY checked_at, peer_id LIMIT $4",
            ["" | " FOR UPDATE SKIP LOCKED"],
            ") \
             UPDATE leases SET leased_at = $3, leased_until = $5, leased_by = $6 \
             WHERE region_id = $1 AND peer_id IN (SELECT peer_id FROM due) RETURNING checked_at, peer_id"
        );
        let limit = i64::from(claim.count.max(1));
        let parameters = &args![caller.region_id, due_before, now, limit, lease_expires_at, caller.probe];
        let mut taken: Vec<(Timestamp, PeerId)> =
            self.db().transaction(|tx| work(async move { tx.all(take, parameters.clone()).await })).await?;
        taken.sort_unstable();

        let more = "SELECT count(*) FROM leases WHERE region_id = $1 AND checked_at <= $2 AND leased_until <= $3";
        let (more_due,): (i64,) = self.db().one(more, args![caller.region_id, due_before, now]).await?;
        let ids: Vec<PeerId> = taken.into_iter().map(|(_, id)| id).collect();
        let peers = self.probe_peers_by_id(&ids).await?;
        Ok(ClaimedPeers { peers, more_due: rows::count(more_due), lease_expires_at, config })
    }

    /// Updates the rows of a region to the current list of peers.
    async fn update_leases(&self, region: RegionId) -> Result<(), StoreError> {
        let current = "SELECT r.id FROM regions r JOIN settings v ON v.key = 'config_version' \
                       WHERE r.id = $1 AND r.leases_version = CAST(v.value AS BIGINT)";
        if self.db().optional::<(RegionId,)>(current, args![region]).await?.is_some() {
            return Ok(());
        }
        // One update at a time. The version is read before the peers, so that the next claim notices a change in between.
        let lock = sql!("SELECT id FROM regions WHERE id = $1", ["" | " FOR UPDATE"]);
        let remove = sql!(
            "DELETE FROM leases WHERE region_id = $1 AND peer_id NOT IN (SELECT p.id FROM peers p WHERE ",
            (checked_from_region),
            ")"
        );
        // Peers that probes of the region check without claims are due only when these probes pause.
        let insert = sql!(
            "INSERT INTO leases (region_id, peer_id, checked_at, leased_at, leased_until) \
             SELECT $1, p.id, coalesce((SELECT max(l.checked_at) FROM probes b JOIN latest l ON l.probe_id = b.id \
             AND l.peer_id = p.id WHERE b.region_id = $1), 0), 0, 0 FROM peers p WHERE ",
            (checked_from_region),
            " ON CONFLICT (region_id, peer_id) DO NOTHING"
        );
        self.db()
            .transaction(|tx| {
                work(async move {
                    tx.optional::<(RegionId,)>(lock, args![region]).await?;
                    let version = metadata::config_version(tx).await?;
                    tx.execute(remove, args![region]).await?;
                    tx.execute(insert, args![region]).await?;
                    let update = "UPDATE regions SET leases_version = $2 WHERE id = $1";
                    tx.execute(update, args![region, version]).await.map(drop)
                })
            })
            .await
    }
}

/// A result ends the lease of its own probe, unless the check is older than the lease. The lease of another probe, which
/// followed an expired one, is left alone. The value of `leased_at` is the time of the check plus the clock tolerance.
static CHECKED: Bulk = Bulk::new(
    "leases",
    &[
        ("region_id", Column::Int),
        ("peer_id", Column::Int),
        ("checked_at", Column::Int),
        ("leased_at", Column::Int),
        ("leased_until", Column::Int),
        ("leased_by", Column::Int),
    ],
    "ON CONFLICT (region_id, peer_id) DO UPDATE SET \
     checked_at = CASE WHEN excluded.checked_at > leases.checked_at THEN excluded.checked_at \
     ELSE leases.checked_at END, \
     leased_until = CASE WHEN leases.leased_by = excluded.leased_by AND leases.leased_at <= excluded.leased_at THEN 0 \
     ELSE leases.leased_until END",
);

/// A check of a peer by a probe.
#[derive(Clone, Copy)]
pub(super) struct Checked {
    pub region: RegionId,
    pub peer: PeerId,
    pub probe: ProbeId,
    pub at: Timestamp,
}

/// Stores the times of checks in the regions that have leases.
pub(super) async fn note_checked(tx: &mut Tx, checks: impl Iterator<Item = Checked>) -> Result<(), StoreError> {
    let claiming: Vec<(RegionId,)> = tx.all("SELECT id FROM regions WHERE leases_version IS NOT NULL", vec![]).await?;
    if claiming.is_empty() {
        return Ok(());
    }
    // The newest by region and peer, because a statement may change a row once.
    let mut newest: BTreeMap<(RegionId, PeerId), Checked> = BTreeMap::new();
    for check in checks.filter(|check| claiming.contains(&(check.region,))) {
        let known = newest.entry((check.region, check.peer));
        known
            .and_modify(|known| {
                if known.at < check.at {
                    *known = check
                }
            })
            .or_insert(check);
    }
    let tolerance = millis(CLOCK_TOLERANCE);
    let row = |one: Checked| args![one.region, one.peer, one.at, one.at.0 + tolerance, 0i64, one.probe];
    CHECKED.execute(tx, newest.into_values().flat_map(row).collect()).await.map(drop)
}
