//! Batches of due peers for stateless callers.
//!
//! A region in which nobody claims has no rows in `leases`. The first claim fills them in, and so does the first one
//! after each change of the configuration.

use super::{
    Store, StoreError,
    bulk::{Bulk, Column},
    engine::{Tx, args, sql},
    peers::watched_from_1,
    rows, settings,
};
use crate::{
    model::{Claim, ClaimedPeers, PeerId, ProbeId, ProbeIdentity, RegionId},
    time::{CLOCK_TOLERANCE, Timestamp, millis},
};

impl Store {
    /// Leases the next due peers of the caller's region to it, least recently checked first. Two callers never get the
    /// same peer: on PostgreSQL rows that another claim holds are passed over, on SQLite claims take turns.
    pub async fn claim_peers(
        &self,
        caller: &ProbeIdentity,
        claim: &Claim,
        now: Timestamp,
    ) -> Result<ClaimedPeers, StoreError> {
        self.fill_leases(caller.region_id).await?;
        let config_version = self.config_version().await?;
        let lease_expires_at = now + claim.lease;
        let due_before = now - claim.interval;

        let mut tx = self.db().begin().await?;
        let take = sql!(
            "WITH due AS MATERIALIZED (SELECT peer_id FROM leases WHERE region_id = $1 AND checked_at <= $2 \
             AND leased_until <= $3 ORDER BY checked_at, peer_id LIMIT $4",
            ["" | " FOR UPDATE SKIP LOCKED"],
            ") \
             UPDATE leases SET leased_at = $3, leased_until = $5, leased_by = $6 \
             WHERE region_id = $1 AND peer_id IN (SELECT peer_id FROM due) RETURNING checked_at, peer_id"
        );
        let limit = i64::from(claim.count.max(1));
        let parameters = args![caller.region_id, due_before, now, limit, lease_expires_at, caller.probe];
        let mut taken: Vec<(Timestamp, PeerId)> = tx.all(take, parameters).await?;
        tx.commit().await?;
        taken.sort_unstable();

        let more = "SELECT count(*) FROM leases WHERE region_id = $1 AND checked_at <= $2 AND leased_until <= $3";
        let (more_due,): (i64,) = self.db().one(more, args![caller.region_id, due_before, now]).await?;
        let ids: Vec<PeerId> = taken.into_iter().map(|(_, id)| id).collect();
        let peers = self.probe_peers_by_id(&ids).await?;
        Ok(ClaimedPeers { peers, more_due: rows::count(more_due), lease_expires_at, config_version })
    }

    /// Brings the region's rows up to date with the list of peers.
    async fn fill_leases(&self, region: RegionId) -> Result<(), StoreError> {
        let current = "SELECT r.id FROM regions r JOIN settings v ON v.key = 'config_version' \
                       WHERE r.id = $1 AND r.leases_version = CAST(v.value AS BIGINT)";
        if self.db().optional::<(RegionId,)>(current, args![region]).await?.is_some() {
            return Ok(());
        }
        let mut tx = self.db().begin().await?;
        // One filler at a time; the version before the peers, so that a change in between is filled in next time.
        let lock = sql!("SELECT id FROM regions WHERE id = $1", ["" | " FOR UPDATE"]);
        tx.optional::<(RegionId,)>(lock, args![region]).await?;
        let version = settings::config_version_in(&mut tx).await?;
        let remove = sql!(
            "DELETE FROM leases WHERE region_id = $1 AND peer_id NOT IN (SELECT p.id FROM peers p WHERE ",
            (watched_from_1),
            ")"
        );
        tx.execute(remove, args![region]).await?;
        // Peers that the region's probes check without claiming are due only when those pause.
        let insert = sql!(
            "INSERT INTO leases (region_id, peer_id, checked_at, leased_at, leased_until) \
             SELECT $1, p.id, coalesce((SELECT max(l.checked_at) FROM probes b JOIN latest l ON l.probe_id = b.id \
             AND l.peer_id = p.id WHERE b.region_id = $1), 0), 0, 0 FROM peers p WHERE ",
            (watched_from_1),
            " ON CONFLICT (region_id, peer_id) DO NOTHING"
        );
        tx.execute(insert, args![region]).await?;
        tx.execute("UPDATE regions SET leases_version = $2 WHERE id = $1", args![region, version]).await?;
        tx.commit().await
    }
}

/// A result ends the lease of its own probe, unless the check is older than the lease; a late result of a probe whose
/// lease ran out leaves its successor's alone. In `leased_at` is the caller's tolerance for clocks.
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

/// The newest check of a peer by a probe.
pub(super) struct Checked {
    pub region: RegionId,
    pub peer: PeerId,
    pub probe: ProbeId,
    pub at: Timestamp,
}

/// Notes checks in the regions where callers claim; at most one of each region and peer.
pub(super) async fn note_checked(tx: &mut Tx, checked: Vec<Checked>) -> Result<(), StoreError> {
    let claiming: Vec<(RegionId,)> = tx.all("SELECT id FROM regions WHERE leases_version IS NOT NULL", vec![]).await?;
    let tolerance = millis(CLOCK_TOLERANCE);
    let values = checked
        .into_iter()
        .filter(|one| claiming.contains(&(one.region,)))
        .flat_map(|one| args![one.region, one.peer, one.at, one.at.0 + tolerance, 0i64, one.probe])
        .collect();
    CHECKED.execute(tx, values).await.map(drop)
}
