//! The end of a region.

use super::rename::refuse_shared;
use crate::{
    db::{Sql, Tx, args, sql, work},
    domain::{AuditObject, AuditVerb, Grain, ProbeId, Region, RegionId, Timestamp},
    error::{Conflict, StoreError},
    store::{Store, audit::Change, edits, liveness, metadata, probes, states},
};

/// How many buckets of the history one transaction deletes: of a hundred thousand peers, that takes seconds.
const BUCKETS: i64 = 6;

/// What a region has, apart from its probes and its history. Its newest results go before the probes leave their counts to the history.
const BEFORE_PROBES: [&str; 3] = [
    "DELETE FROM certificates WHERE region_id = $1",
    "DELETE FROM relays WHERE region_id = $1",
    "DELETE FROM latest WHERE region_id = $1",
];
const AFTER_PROBES: [&str; 5] = [
    "DELETE FROM leases WHERE region_id = $1",
    "DELETE FROM appends WHERE region_id = $1",
    // Those that were revoked or have expired.
    "DELETE FROM credentials WHERE region_id = $1",
    "DELETE FROM former_regions WHERE region_id = $1",
    "DELETE FROM regions WHERE id = $1",
];

impl Store {
    /// Removes a region with its probes, which are offline, and all their results.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is none with this name; [`Conflict::RegionHasProbes`], [`Conflict::RegionHasTokens`] or
    /// [`Conflict::RegionHasPeers`] when it is in use; [`Conflict::RegionShared`] when this instance belongs to a cluster, whose other
    /// instances would keep it: then nothing is changed. Otherwise when the database fails: then a part of its results may be gone.
    pub async fn remove_region(&self, region: &Region, now: Timestamp) -> Result<(), StoreError> {
        let id = self.db().transaction(|tx| work(removable(tx, region, now))).await?;
        self.remove_history(id).await?;
        self.db().transaction(|tx| work(remove(tx, region, now))).await
    }

    /// Deletes the counts and the raw results of a region.
    async fn remove_history(&self, region: RegionId) -> Result<(), StoreError> {
        for grain in Grain::ALL {
            let bounds = sql!("SELECT min(bucket), max(bucket) FROM rollups WHERE grain = $1");
            let delete =
                sql!("DELETE FROM rollups WHERE grain = $1 AND bucket >= $2 AND bucket < $3 AND region_id = $4");
            self.remove_buckets(region, Some(grain), bounds, delete).await?;
        }
        let bounds = sql!("SELECT min(quarter), max(quarter) FROM results");
        let delete = sql!("DELETE FROM results WHERE quarter >= $1 AND quarter < $2 AND region_id = $3");
        self.remove_buckets(region, None, bounds, delete).await
    }

    async fn remove_buckets(
        &self,
        region: RegionId,
        grain: Option<Grain>,
        bounds: Sql,
        delete: Sql,
    ) -> Result<(), StoreError> {
        let of_grain = || grain.map(|grain| args![grain.seconds()]).unwrap_or_default();
        let (first, last): (Option<i64>, Option<i64>) = self.db().one(bounds, of_grain()).await?;
        let (Some(mut first), Some(last)) = (first, last) else { return Ok(()) };
        while first <= last {
            let mut parameters = of_grain();
            parameters.extend(args![first, first + BUCKETS, region]);
            self.db().execute(delete, parameters).await?;
            first += BUCKETS;
        }
        Ok(())
    }
}

/// The id of a region that can be removed.
async fn removable(tx: &mut Tx, region: &Region, now: Timestamp) -> Result<RegionId, StoreError> {
    edits::allow(tx).await?.skip();
    refuse_shared(tx).await?;
    let id = super::present(tx, region).await?.ok_or(StoreError::NotFound("region"))?;
    let live = liveness::probes(tx, now).await?;
    let has_live = probes_of(tx, id).await?.iter().any(|(probe, _)| live.get(probe).is_some_and(|facts| facts.live));
    let tokens = "SELECT count(*) FROM credentials c LEFT JOIN probes b ON b.id = c.probe_id \
                  WHERE (b.region_id = $1 OR c.region_id = $1) AND c.revoked_at IS NULL \
                  AND (c.expires_at IS NULL OR c.expires_at > $2)";
    let (tokens,): (i64,) = tx.one(tokens, args![id, now]).await?;
    let (peers,): (i64,) = tx.one("SELECT count(*) FROM peer_regions WHERE region_id = $1", args![id]).await?;
    let in_use = [
        (has_live, Conflict::RegionHasProbes),
        (tokens > 0, Conflict::RegionHasTokens),
        // Without it they would be checked from everywhere.
        (peers > 0, Conflict::RegionHasPeers),
    ];
    match in_use.into_iter().find_map(|(is_so, conflict)| is_so.then_some(conflict)) {
        Some(conflict) => Err(conflict.into()),
        None => Ok(id),
    }
}

async fn probes_of(tx: &mut Tx, region: RegionId) -> Result<Vec<(ProbeId, String)>, StoreError> {
    tx.all("SELECT id, server_id FROM probes WHERE region_id = $1 ORDER BY id", args![region]).await
}

/// Removes a region without history.
async fn remove(tx: &mut Tx, region: &Region, now: Timestamp) -> Result<(), StoreError> {
    let edit = edits::allow(tx).await?;
    metadata::bump_config_version(tx).await?;
    let id = removable(tx, region, now).await?;
    let mut its_probes = Vec::new();
    for (_, server_id) in probes_of(tx, id).await? {
        its_probes.push(probes::lock(tx, &server_id).await?);
    }
    let checked: Vec<(i64,)> = tx.all("SELECT DISTINCT peer_id FROM latest WHERE region_id = $1", args![id]).await?;
    states::review_soon(tx, checked.into_iter().map(|(peer,)| peer).collect()).await?;
    for delete in BEFORE_PROBES {
        tx.execute(delete, args![id]).await?;
    }
    for probe in its_probes {
        probes::remove(tx, probe).await?;
    }
    for delete in AFTER_PROBES {
        tx.execute(delete, args![id]).await?;
    }
    edit.note(tx, Change::of(AuditObject::Region, AuditVerb::Remove).named(region)).await
}
