//! Applies results to the states of their peers in one transaction: the consensus and its events, counts.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{
        doubts::{self, Doubtful},
        duties::Lease,
        events::{self, NewEvent},
        liveness::{self, DEFAULT_INTERVAL, Probes},
        shared::Shared,
        states::{self, PeerState},
    },
    counts,
    packed::Appended,
    pending::Group,
};
use crate::{
    db::{Tx, args, sql},
    domain::{PeerId, Policy, RegionId, Timestamp},
    error::StoreError,
};

/// Applies results, sorted by peer and time, as if it were `now`. Results of peers that do not exist any more, and of checks
/// before the peer was changed, are skipped. Returns the changes, which are to be recorded, and the peers whose change to offline is
/// in doubt although they have no result here.
///
/// Rows are locked in the order `latest`, `rollups`, `peer_states`, as hubs of versions without a fold do when they store
/// results: on PostgreSQL these may run beside this one.
pub(super) async fn apply(
    tx: &mut Tx,
    shared: &Shared,
    results: &[Appended],
    now: Timestamp,
) -> Result<(Vec<NewEvent>, Doubtful), StoreError> {
    keep_probes(tx, results).await?;
    let (probes, policy) = liveness::judgement(tx, shared.policy(), now).await?;
    let (_, known) = shared.known_peers.get(tx).await?;
    // The peer may have been changed after its results were appended.
    let is_current = |one: &&Appended| known.get(&one.peer).is_some_and(|peer| peer.is_about(one.checked_at));
    let new: Vec<&Appended> = results.iter().filter(is_current).collect();
    counts::add(tx, &new, &probes).await?;

    let by_peer: BTreeMap<PeerId, &[&Appended]> =
        new.chunk_by(|a, b| a.peer == b.peer).map(|of_peer| (of_peer[0].peer, of_peer)).collect();
    let mut states = states::load(tx, by_peer.keys().map(|peer| peer.0).collect()).await?;
    // With the lock of its state a peer stays as it is.
    let (_, locked) = shared.known_peers.get(tx).await?;
    let is_same = |peer| locked.get(peer).zip(known.get(peer)).is_some_and(|(now, before)| now.is_same(before));
    if !by_peer.keys().all(is_same) {
        return Err(StoreError::Overtaken);
    }
    let mut turned = BTreeSet::new();
    for state in &mut states {
        let of_peer = by_peer.get(&state.peer).copied().unwrap_or_default();
        turned.extend(observe(state, of_peer, &probes, &policy, now));
    }
    let doubtful = doubts::judge(tx, turned, &mut states, &probes, &policy, now).await?;
    let changes = states::settle(tx, states, &policy, now).await?;
    Ok((changes, doubtful))
}

/// Keeps the senders from being removed until the end of the transaction; results of one that was removed before have none.
async fn keep_probes(tx: &mut Tx, results: &[Appended]) -> Result<(), StoreError> {
    let senders: BTreeSet<i64> = results.iter().map(|one| one.probe.0).collect();
    let select = sql!(
        "SELECT id FROM probes WHERE id ",
        (in 1),
        " ORDER BY id",
        ["" | " FOR KEY SHARE"]
    );
    tx.all::<(i64,)>(select, args![senders.into_iter().collect::<Vec<i64>>()]).await.map(drop)
}

/// Updates the state of one peer; returns the regions in which it turned offline.
fn observe(
    state: &mut PeerState,
    results: &[&Appended],
    probes: &Probes,
    policy: &Policy,
    now: Timestamp,
) -> impl Iterator<Item = RegionId> + use<> {
    let mut observations = Vec::with_capacity(results.len());
    for one in results {
        let Some(status) = one.status else { continue };
        state.count(one.checked_at, one.count);
        state.describe(one.checked_at, one.version.as_deref(), one.network_count);
        let interval = probes.get(&one.probe).map_or(DEFAULT_INTERVAL, |facts| facts.interval);
        observations.push(one.observation(status, interval));
    }
    state.advance(&observations, probes, policy, now)
}

/// A result that cannot be applied.
pub(super) struct Parked {
    pub result: Appended,
    pub reason: String,
}

/// Applies the results of a group but those that are parked, and ends the transaction.
pub(super) async fn fold(
    tx: &mut Tx,
    shared: &Shared,
    leases: &[Lease],
    group: &Group,
    good: &[Appended],
    parked: &[Parked],
) -> Result<Doubtful, StoreError> {
    let (changes, doubtful) = apply(tx, shared, good, group.now).await?;
    let park = "INSERT INTO parked (result_id, peer_id, probe_id, parked_at, reason) VALUES ($1, $2, $3, $4, $5) \
                ON CONFLICT (result_id) DO NOTHING";
    for Parked { result, reason } in parked {
        let parameters = args![result.id, result.peer, result.probe, group.now, reason.as_str()];
        tx.execute(park, parameters).await?;
    }
    let delete = sql!("DELETE FROM appends WHERE id ", (in 1));
    tx.execute(delete, args![group.rows.clone()]).await?;
    events::record_in_order(tx, changes).await?;
    shared.duties.fence(tx, leases).await?;
    Ok(doubtful)
}
