//! What a change of a peer's description does to what is known about the peer.
//!
//! A peer with another URL, network or depth of checks is another one: its verdict is unknown until a probe has checked it,
//! its version and counts are those since the change, and results of earlier checks that still arrive are refused. Another
//! secret of the same network changes nothing: it is the same node, and the next results show whether the secret is right.
//!
//! A region that does not check the peer any more has no vote.

use easytier_probe::CheckMode;

use crate::{
    db::{Tx, args},
    domain::{PeerId, PeerSpec, Policy, Timestamp},
    error::StoreError,
    store::{
        events, liveness, metadata, regions, rings,
        states::{self, PeerState},
        verdict_times,
    },
};

/// Applies a change from `known` to `changed` to the state of a peer. The transaction has bumped the config version.
pub(super) async fn apply(
    tx: &mut Tx,
    id: PeerId,
    known: &PeerSpec,
    changed: &PeerSpec,
    policy: &Policy,
    now: Timestamp,
) -> Result<(), StoreError> {
    if target(known) != target(changed) {
        let version = metadata::config_version(tx).await?;
        let update = "UPDATE peers SET target_since = $2, target_version = $3 WHERE id = $1";
        tx.execute(update, args![id, now, version]).await?;
        with_state(tx, id, policy, now, PeerState::forget).await?;
        rings::forget(tx, id).await?;
        verdict_times::forget(tx, id).await
    } else if known.regions != changed.regions && !changed.regions.is_empty() {
        let mut kept = Vec::with_capacity(changed.regions.len());
        for region in &changed.regions {
            kept.push(regions::ensure(tx, region).await?);
        }
        with_state(tx, id, policy, now, |state| state.keep_regions(&kept)).await
    } else {
        Ok(())
    }
}

/// What a check of a peer speaks to, and how far it goes.
fn target(spec: &PeerSpec) -> (String, Option<&str>, bool, CheckMode) {
    (spec.url.full(), spec.network_name.as_deref(), spec.network_secret.is_some(), spec.mode)
}

/// Changes the state of a peer, and its verdict accordingly.
async fn with_state(
    tx: &mut Tx,
    id: PeerId,
    policy: &Policy,
    now: Timestamp,
    change: impl FnOnce(&mut PeerState),
) -> Result<(), StoreError> {
    let mut states = states::load(tx, vec![id.0]).await?;
    let Some(state) = states.first_mut() else { return Ok(()) };
    change(state);
    let probes = liveness::probes(tx, now).await?;
    drop(state.advance(&[], &probes, policy, now));
    // The new version of the list tells readers of the change.
    let changes = states::settle(tx, states, policy, now).await?;
    events::record(tx, changes).await
}
