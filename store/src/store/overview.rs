//! All approved peers at once, and the history of a few of them, for the status page.

use std::collections::{BTreeMap, HashMap};

use super::{
    Store, maintenance, metadata,
    tally::{Tally, counted, counted_args, tally_columns},
};
use crate::{
    consensus::{self, RegionState, State},
    db::{args, sql},
    domain::{
        DAY, Doubt, Grain, Node, NodeView, PeerId, Pulse, Region, RegionId, RegionStatus, RegionView, SeriesPoint,
        Timestamp, millis,
    },
    error::StoreError,
};

/// How many peers are read at once when all are read, so that memory stays small and other readers get their turn.
const PART: u32 = 1000;

#[derive(sqlx::FromRow)]
struct PointRow {
    peer_id: PeerId,
    region: String,
    bucket: i64,
    #[sqlx(flatten)]
    tally: Tally,
}

impl Store {
    /// Every approved peer and how the regions see it now, in the order of ids.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn overview(&self, now: Timestamp) -> Result<Vec<NodeView>, StoreError> {
        let mut views: Vec<NodeView> = Vec::new();
        loop {
            let after = views.last().map_or(PeerId(0), |view| view.node.id);
            let part = self.views_after(after, PART, now).await?;
            let is_last = part.len() < PART as usize;
            views.extend(part);
            if is_last {
                return Ok(views);
            }
        }
    }

    /// At most `limit` approved peers with larger ids than `after`, and how the regions see them now, in the order of ids.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn views_after(&self, after: PeerId, limit: u32, now: Timestamp) -> Result<Vec<NodeView>, StoreError> {
        self.with_regions(self.approved_after(after, limit, now).await?, now).await
    }

    /// Those of these peers that are approved, and how the regions see them now, in the order of ids.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn views_of(&self, ids: &[PeerId], now: Timestamp) -> Result<Vec<NodeView>, StoreError> {
        self.with_regions(self.approved_of(ids, now).await?, now).await
    }

    async fn with_regions(&self, nodes: Vec<Node>, now: Timestamp) -> Result<Vec<NodeView>, StoreError> {
        let ids: Vec<PeerId> = nodes.iter().map(|node| node.id).collect();
        let names = self.region_names().await?;
        let consensus = self.consensus_of_all(&ids).await?.into_iter();
        let mut regions: HashMap<PeerId, Vec<RegionView>> =
            consensus.map(|(id, state)| (id, region_views(state, &names))).collect();
        let mut certificates: HashMap<PeerId, BTreeMap<Region, Timestamp>> = HashMap::new();
        for (id, region, expires_at) in self.certificates_of(&ids).await? {
            if let Some(region) = names.get(&region) {
                certificates.entry(id).or_default().insert(region.clone(), expires_at);
            }
        }
        let mut uptimes = self.uptimes(&ids, DAY, now).await?;
        let view = |node: Node| NodeView {
            regions: regions.remove(&node.id).unwrap_or_default(),
            uptime: uptimes.remove(&node.id).unwrap_or_default(),
            certificates: certificates.remove(&node.id).unwrap_or_default(),
            node,
        };
        Ok(nodes.into_iter().map(view).collect())
    }

    /// The history of peers by region, in the buckets that began after `from` and up to `to`; sorted by peer, region and
    /// time. Buckets without checks are left out.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn series(
        &self,
        ids: &[PeerId],
        grain: Grain,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<SeriesPoint>, StoreError> {
        let duration = grain.duration();
        let buckets: Vec<i64> = (from.bucket(duration) + 1..=to.bucket(duration)).collect();
        let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        let mut parameters = counted_args(grain, buckets, ids);
        parameters.extend(args![millis(duration)]);
        let select = sql!(
            "SELECT c.peer_id, r.name AS region, c.bucket, ",
            (tally_columns),
            " FROM ",
            (counted peers),
            " JOIN regions r ON r.id = c.region_id JOIN peers p ON p.id = c.peer_id AND c.bucket * $5 >= p.target_since \
             GROUP BY c.peer_id, r.name, c.bucket \
             ORDER BY c.peer_id, r.name, c.bucket"
        );
        let rows: Vec<PointRow> = self.db().all(select, parameters).await?;
        let point = |row: PointRow| {
            Some(SeriesPoint {
                peer: row.peer_id,
                region: row.region.parse().ok()?,
                at: Timestamp::of_bucket(row.bucket, duration),
                stats: row.tally.stats(),
            })
        };
        Ok(rows.into_iter().filter_map(point).collect())
    }

    /// A value that changes whenever the verdict of a peer, what tests of relaying say of it, or the list of peers changes. It is
    /// cheap to read.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn pulse(&self) -> Result<Pulse, StoreError> {
        let (event,): (i64,) = self.db().one("SELECT coalesce(max(id), 0) FROM events", vec![]).await?;
        Ok(Pulse { event, list: metadata::list(self.db()).await?, maintenance: maintenance::version(self.db()).await? })
    }

    /// The peers with events after the first of these ids, up to the second.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn peers_with_events(&self, after: i64, up_to: i64) -> Result<Vec<PeerId>, StoreError> {
        let select = "SELECT DISTINCT subject_id FROM events WHERE kind IN ('peer', 'relay') AND id > $1 AND id <= $2";
        let rows: Vec<(PeerId,)> = self.db().all(select, args![after, up_to]).await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// The regions with changes to offline that do not count yet.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn doubts(&self) -> Result<BTreeMap<Region, Doubt>, StoreError> {
        let consensus = self.all_consensus().await?;
        let doubts = consensus::doubt::doubts(consensus.iter().map(|(_, state)| state));
        if doubts.is_empty() {
            return Ok(BTreeMap::new());
        }
        let names = self.region_names().await?;
        Ok(doubts.into_iter().filter_map(|(id, doubt)| Some((names.get(&id)?.clone(), doubt))).collect())
    }

    async fn region_names(&self) -> Result<HashMap<RegionId, Region>, StoreError> {
        let rows: Vec<(RegionId, String)> = self.db().all("SELECT id, name FROM regions", vec![]).await?;
        Ok(rows.into_iter().filter_map(|(id, name)| Some((id, name.parse().ok()?))).collect())
    }
}

fn region_views(state: State, names: &HashMap<RegionId, Region>) -> Vec<RegionView> {
    let view = |(id, region): (RegionId, RegionState)| {
        let response_us = region.response_us().filter(|_| region.status == Some(RegionStatus::Online));
        Some(RegionView {
            region: names.get(&id)?.clone(),
            status: region.word(),
            is_in_doubt: region.is_in_doubt(),
            is_contradicted: region.contradictions > 0,
            response_us,
        })
    };
    let mut regions: Vec<RegionView> = state.regions.into_iter().filter_map(view).collect();
    regions.sort_by(|a, b| a.region.cmp(&b.region));
    regions
}
