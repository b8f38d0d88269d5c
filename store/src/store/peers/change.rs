//! What a change of a peer's description does to what is known about the peer.
//!
//! A peer with another URL, network or depth of checks is another one: its verdict is unknown until a probe has checked it,
//! its version and counts are those since the change, and results of earlier checks that still arrive are refused. Another
//! secret of the same network changes nothing: it is the same node, and the next results show whether the secret is right.
//!
//! A region that does not check the peer any more has no vote.

use std::collections::{BTreeMap, BTreeSet};

use easytier_probe::CheckMode;

use crate::{
    db::{Tx, args},
    domain::{PeerId, PeerSpec, Policy, RegionId, Timestamp},
    error::StoreError,
    store::{certificates, events, liveness, metadata, outages, regions, relays, rings, states, verdict_times},
};

/// A change of the description of a peer.
pub(in crate::store) struct Change<'a> {
    pub id: PeerId,
    pub known: &'a PeerSpec,
    pub changed: &'a PeerSpec,
}

impl Change<'_> {
    /// Whether the peer is another one afterwards.
    fn is_another(&self) -> bool {
        target(self.known) != target(self.changed)
    }

    /// Whether some regions do not check the peer any more.
    fn has_fewer_regions(&self) -> bool {
        self.known.regions != self.changed.regions && !self.changed.regions.is_empty()
    }
}

/// Applies a change to the state of a peer. The transaction has bumped the config version.
pub(super) async fn apply(tx: &mut Tx, change: Change<'_>, policy: &Policy, now: Timestamp) -> Result<(), StoreError> {
    if change.is_another() {
        let version = metadata::config_version(tx).await?;
        let update = "UPDATE peers SET target_since = $2, target_version = $3 WHERE id = $1";
        tx.execute(update, args![change.id, now, version]).await?;
    }
    apply_to_states(tx, &[change], policy, now).await
}

/// Applies changes to the states of peers, each of another peer.
pub(in crate::store) async fn apply_to_states(
    tx: &mut Tx,
    changes: &[Change<'_>],
    policy: &Policy,
    now: Timestamp,
) -> Result<(), StoreError> {
    let others: BTreeSet<PeerId> =
        changes.iter().filter(|change| change.is_another()).map(|change| change.id).collect();
    let mut kept: BTreeMap<PeerId, Vec<RegionId>> = BTreeMap::new();
    for change in changes.iter().filter(|change| !change.is_another() && change.has_fewer_regions()) {
        let mut regions = Vec::with_capacity(change.changed.regions.len());
        for region in &change.changed.regions {
            regions.push(regions::ensure(tx, region).await?);
        }
        kept.insert(change.id, regions);
    }
    if others.is_empty() && kept.is_empty() {
        return Ok(());
    }
    let mut states = states::load(tx, others.iter().chain(kept.keys()).map(|id| id.0).collect()).await?;
    let (probes, policy) = &liveness::judgement(tx, *policy, now).await?;
    for state in &mut states {
        match kept.get(&state.peer) {
            Some(regions) => state.keep_regions(regions),
            None => state.forget(),
        }
        drop(state.advance(&[], probes, policy, now));
    }
    // The new version of the list tells readers of the change.
    let changes = states::settle(tx, states, policy, now).await?;
    events::record(tx, changes).await?;
    let others: Vec<i64> = others.iter().map(|id| id.0).collect();
    rings::forget(tx, others.clone()).await?;
    verdict_times::forget(tx, others.clone()).await?;
    outages::forget(tx, others.clone()).await?;
    certificates::forget(tx, others.clone()).await?;
    relays::forget(tx, others).await
}

/// What a check of a peer speaks to, and how far it goes.
fn target(spec: &PeerSpec) -> (String, Option<&str>, bool, CheckMode) {
    (spec.url.full(), spec.network_name.as_deref(), spec.network_secret.is_some(), spec.mode)
}
