//! Doubt about regions in which most peers turn offline at once: see [`consensus::doubt`].
//!
//! It is judged in the transaction that turns a peer offline, before the verdict changes. The results of one round may come
//! in several requests, so the judgement is about all peers of the region as they are stored, and may concern peers that
//! other requests turned. All of it is derived from what is stored with the peers, so it survives a restart.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    duties::Lease,
    events, evidence,
    liveness::{self, Probes},
    shared::Shared,
    states::{self, PeerState},
};
use crate::{
    consensus::{
        self,
        doubt::{Sight, is_in_doubt},
    },
    db::{Tx, args, sql, work},
    domain::{PeerId, Policy, RegionId, Timestamp},
    error::StoreError,
};

/// Peers with changes to offline that are in doubt, and the regions.
pub(super) type Doubtful = BTreeMap<PeerId, Vec<RegionId>>;

/// Judges the regions in which peers of `states` turned offline, and puts the changes of `states` in doubt where the region
/// is. Returns the other peers whose changes are in doubt too, for [`spread`].
pub(super) async fn judge(
    tx: &mut Tx,
    turned: BTreeSet<RegionId>,
    states: &mut [PeerState],
    probes: &Probes,
    policy: &Policy,
    now: Timestamp,
) -> Result<Doubtful, StoreError> {
    let mut doubtful = Doubtful::new();
    if turned.is_empty() || policy.doubt_nodes == 0 {
        return Ok(doubtful);
    }
    let turned = lock(tx, &turned).await?;
    if turned.is_empty() {
        return Ok(doubtful);
    }
    let is_live = |probe| probes.get(&probe).is_some_and(|facts| facts.live);
    let others = evidence::all_but(tx, &states.iter().map(|state| state.peer).collect()).await?;
    let mut others: Vec<_> = others
        .into_iter()
        .map(|(peer, state)| (peer, consensus::advance(&state, &[], is_live, policy, now).0))
        .collect();
    for (region, name) in turned {
        let all = states.iter().map(PeerState::consensus).chain(others.iter().map(|(_, state)| state));
        if !is_in_doubt(all.filter_map(|state| Sight::of(state, region)), policy.doubt_nodes) {
            continue;
        }
        for state in &mut *states {
            state.doubt(region);
        }
        for (peer, state) in &mut others {
            if state.doubt(region) {
                doubtful.entry(*peer).or_default().push(region);
            }
        }
        tracing::warn!(
            region = name,
            "most peers of the region turned offline at once while other regions see them; not counted yet"
        );
    }
    Ok(doubtful)
}

/// Lets one transaction at a time judge a region, where several hubs share a database: each sees what the one before stored.
/// Returns the regions with their names; none where there is only one region, because no other can see its peers.
async fn lock(tx: &mut Tx, regions: &BTreeSet<RegionId>) -> Result<Vec<(RegionId, String)>, StoreError> {
    let select = sql!(
        "SELECT id, name FROM regions WHERE id ",
        (in 1),
        " AND (SELECT count(*) FROM regions) > 1 ORDER BY id",
        ["" | " FOR NO KEY UPDATE"]
    );
    tx.all(select, args![regions.iter().map(|region| region.0).collect::<Vec<i64>>()]).await
}

/// Puts the changes of peers that other transactions turned offline in doubt. It is a transaction of its own, because
/// [`judge`] runs when rows of `peer_states` are locked already.
pub(super) async fn spread(
    shared: &Shared,
    leases: &[Lease],
    doubtful: &Doubtful,
    now: Timestamp,
) -> Result<(), StoreError> {
    if doubtful.is_empty() {
        return Ok(());
    }
    shared.db.transaction(|tx| work(apply(tx, shared, leases, doubtful, now))).await
}

async fn apply(
    tx: &mut Tx,
    shared: &Shared,
    leases: &[Lease],
    doubtful: &Doubtful,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut states = states::load(tx, doubtful.keys().map(|peer| peer.0).collect()).await?;
    let (probes, policy) = liveness::judgement(tx, shared.policy(), now).await?;
    for state in &mut states {
        drop(state.advance(&[], &probes, &policy, now));
        for region in doubtful.get(&state.peer).into_iter().flatten() {
            state.doubt(*region);
        }
    }
    let changes = states::settle(tx, states, &policy, now).await?;
    events::record_in_order(tx, changes).await?;
    shared.duties.fence(tx, leases).await
}
