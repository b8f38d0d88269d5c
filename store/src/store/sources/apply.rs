//! Does what a plan says.

use super::plan::{Plan, Remembered, State, said_of};
use crate::{
    db::{Bulk, Column, Tx, args},
    domain::{NewPeer, PeerSpec, SourceChanges, SourceId, SubmissionId, Timestamp},
    error::StoreError,
    store::{
        peers::{self, Identity},
        shared::Shared,
        submissions,
    },
};

static REMEMBERED: Bulk = Bulk::new(
    "source_peers",
    &[
        ("source_id", Column::Int),
        ("url", Column::Text),
        ("network", Column::Text),
        ("state", Column::Text),
        ("said", Column::Text),
        ("changed_at", Column::Int),
        ("submission_id", Column::Int),
        ("missing_since", Column::Int),
    ],
    "ON CONFLICT (source_id, url, network) DO UPDATE SET state = excluded.state, said = excluded.said, \
     changed_at = excluded.changed_at, submission_id = excluded.submission_id, missing_since = excluded.missing_since",
);

/// Changes peers and the queue. Returns what followed, and what is to be remembered of what was added and proposed.
pub(super) async fn write_peers(
    tx: &mut Tx,
    shared: &Shared,
    plan: &Plan<'_>,
    now: Timestamp,
) -> Result<(SourceChanges, Vec<(Identity, Remembered)>), StoreError> {
    let mut new = Vec::new();
    for (id, spec, at) in &plan.change {
        peers::edit(tx, shared, *id, |known| say(known, spec), *at).await?;
    }
    let update = "UPDATE peers SET approved = $2, updated_at = $3 WHERE id = $1";
    for (id, approved, at) in &plan.approve {
        tx.execute(update, args![*id, *approved, *at]).await?;
    }
    peers::insert(tx, &shared.key, &plan.add, now).await?;
    new.extend(plan.add.iter().map(|peer| entry(peer, State::Brought, None, now)));
    submissions::withdraw(tx, &plan.withdraw).await?;
    for peer in &plan.propose {
        // The plan left out those for which there is no room.
        let id = submissions::insert(tx, &shared.key, &peer.spec, u32::MAX, now).await?;
        new.push(entry(peer, State::Proposed, id, Timestamp(0)));
    }
    let restored = plan.approve.iter().filter(|(_, approved, _)| *approved).count();
    let changes = SourceChanges {
        added: plan.add.len(),
        proposed: plan.propose.len(),
        waiting: plan.waiting,
        changed: plan.change.len(),
        dropped: plan.approve.len() - restored + plan.withdraw.len(),
        restored,
    };
    Ok((changes, new))
}

/// Takes from a list what it may change in a peer that it brought.
fn say(known: &mut PeerSpec, listed: &PeerSpec) {
    known.name.clone_from(&listed.name);
    known.tags.clone_from(&listed.tags);
    known.allow_relay = listed.allow_relay;
    known.max_connections = listed.max_connections;
}

fn entry(
    peer: &NewPeer,
    state: State,
    submission: Option<SubmissionId>,
    changed_at: Timestamp,
) -> (Identity, Remembered) {
    let said = said_of(&peer.spec);
    (Identity::of(&peer.spec), Remembered { state, said, changed_at, submission, missing_since: None })
}

/// Writes what is remembered.
pub(super) async fn remember(
    tx: &mut Tx,
    source: SourceId,
    plan: &Plan<'_>,
    new: Vec<(Identity, Remembered)>,
) -> Result<(), StoreError> {
    let mut values = Vec::new();
    for (Identity { url, network }, remembered) in plan.remember.iter().cloned().chain(new) {
        let Remembered { state, said, changed_at, submission, missing_since } = remembered;
        values.extend(args![source, url, network, state.as_str(), said, changed_at, submission, missing_since]);
    }
    REMEMBERED.execute(tx, values).await?;
    let delete = "DELETE FROM source_peers WHERE source_id = $1 AND url = $2 AND network = $3";
    for Identity { url, network } in &plan.forget {
        tx.execute(delete, args![source, url.as_str(), network.as_str()]).await?;
    }
    Ok(())
}
