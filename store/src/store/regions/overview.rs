//! The list of regions.

use crate::{
    db::args,
    domain::{Region, RegionId, RegionOverview, Timestamp},
    error::StoreError,
    store::Store,
};

#[derive(sqlx::FromRow)]
struct OverviewRow {
    name: String,
    probes: i64,
    tokens: i64,
    keys: i64,
    peers: i64,
    checked: i64,
}

impl Store {
    /// All regions, sorted by name, with what belongs to each.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn regions(&self, now: Timestamp) -> Result<Vec<RegionOverview>, StoreError> {
        // `latest` is grouped once for all regions.
        let select = "SELECT r.name, \
             (SELECT count(*) FROM probes b WHERE b.region_id = r.id) AS probes, \
             (SELECT count(*) FROM credentials c JOIN probes b ON b.id = c.probe_id WHERE b.region_id = r.id \
              AND c.revoked_at IS NULL AND (c.expires_at IS NULL OR c.expires_at > $1)) AS tokens, \
             (SELECT count(*) FROM credentials c WHERE c.region_id = r.id \
              AND c.revoked_at IS NULL AND (c.expires_at IS NULL OR c.expires_at > $1)) AS keys, \
             (SELECT count(*) FROM peer_regions p WHERE p.region_id = r.id) AS peers, \
             coalesce(l.checked, 0) AS checked \
             FROM regions r LEFT JOIN (SELECT region_id, count(DISTINCT peer_id) AS checked FROM latest GROUP BY region_id) l \
             ON l.region_id = r.id";
        let rows: Vec<OverviewRow> = self.db().all(select, args![now]).await?;
        let mut regions = rows.into_iter().map(OverviewRow::into_overview).collect::<Result<Vec<_>, _>>()?;
        regions.sort_by(|a, b| a.region.cmp(&b.region));
        Ok(regions)
    }

    /// The name that a region has now, by its name or one that it had until lately; the same name when there is no such region.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn present_name(&self, region: &Region) -> Result<Region, StoreError> {
        let Some(id) = super::find(self.db(), region).await? else { return Ok(region.clone()) };
        name_of(self, id).await
    }
}

async fn name_of(store: &Store, id: RegionId) -> Result<Region, StoreError> {
    let (name,): (String,) = store.db().one("SELECT name FROM regions WHERE id = $1", args![id]).await?;
    name.parse().map_err(|_| StoreError::Corrupt(format!("regions.name of {id}")))
}

impl OverviewRow {
    fn into_overview(self) -> Result<RegionOverview, StoreError> {
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        Ok(RegionOverview {
            region: self.name.parse().map_err(|_| StoreError::Corrupt(format!("regions.name: {}", self.name)))?,
            probes: count(self.probes),
            node_tokens: count(self.tokens),
            enrollment_keys: count(self.keys),
            peers: count(self.peers),
            checked_peers: count(self.checked),
        })
    }
}
