//! Which region sees what, and why.

use std::collections::BTreeMap;

use crate::{
    db::{args, sql},
    domain::{PeerId, Region, RegionId, RegionStatus, Sight, Timestamp},
    error::StoreError,
    store::{Store, rows},
};

#[derive(sqlx::FromRow)]
struct FailureRow {
    peer_id: PeerId,
    region_id: RegionId,
    checked_at: Timestamp,
    stage: String,
    error: Option<String>,
}

impl Store {
    /// How the regions see these nodes, those of them that are listed, by node and region. Regions without a current result are
    /// left out.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn sights(&self, ids: &[PeerId]) -> Result<Vec<Sight>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let regions: Vec<(RegionId, String)> = self.db().all("SELECT id, name FROM regions", vec![]).await?;
        let regions: BTreeMap<RegionId, Region> =
            regions.into_iter().filter_map(|(id, name)| Some((id, name.parse().ok()?))).collect();
        let mut failures = self.newest_failures(ids).await?;
        let mut sights = Vec::new();
        for (peer, state) in self.consensus_of_all(ids).await? {
            for (id, region) in &state.regions {
                let (Some(status), Some(name)) = (region.word(), regions.get(id)) else { continue };
                let failure = failures.remove(&(peer, *id)).filter(|_| status == RegionStatus::Offline);
                let (stage, code) =
                    failure.map_or((None, None), |row| (rows::stage(&row.stage), rows::failure_code(row.error)));
                sights.push(Sight { peer, region: name.clone(), status, stage, code });
            }
        }
        sights.sort_by(|a, b| (a.peer, &a.region).cmp(&(b.peer, &b.region)));
        Ok(sights)
    }

    /// The newest failed check of each of these peers in each region.
    async fn newest_failures(&self, ids: &[PeerId]) -> Result<BTreeMap<(PeerId, RegionId), FailureRow>, StoreError> {
        // Probes first: there are few, and `latest` is sorted by probe.
        let select = sql!(
            "SELECT l.peer_id, l.region_id, l.checked_at, d.stage, d.error FROM probes b CROSS JOIN latest l \
             JOIN results d ON d.day = l.day AND d.result_id = l.result_id \
             WHERE l.probe_id = b.id AND d.error IS NOT NULL AND l.peer_id ",
            (in 1)
        );
        let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        let rows: Vec<FailureRow> = self.db().all(select, args![ids]).await?;
        let mut newest: BTreeMap<(PeerId, RegionId), FailureRow> = BTreeMap::new();
        for row in rows {
            let key = (row.peer_id, row.region_id);
            if newest.get(&key).is_none_or(|known| known.checked_at < row.checked_at) {
                newest.insert(key, row);
            }
        }
        Ok(newest)
    }
}
