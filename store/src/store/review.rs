//! The review: updates of the consensus that no result causes.

use super::{
    Store,
    duties::{Duty, Lease, SHARDS},
    events::{self, NewEvent},
    fold, liveness,
    shared::Shared,
    states,
};
use crate::{
    db::{Tx, args, sql, work},
    domain::{EventKind, Presence, ProbeId, Timestamp},
    error::StoreError,
};

/// How many peers are reviewed in one transaction; results wait as long as that takes.
const REVIEW_BATCH: i64 = 500;

impl Store {
    /// Applies what changes without results: evidence that became stale, and probes that came or went. It is meant to be
    /// called every few seconds. Where several hubs share a database, each reviews the peers of the shards that it folds.
    /// Returns how many peers were reviewed.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn review(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.update_presence(now).await?;
        let leases = self.shared.duties.hold_folds(self.db()).await?;
        if leases.is_empty() {
            return Ok(0);
        }
        // Evidence that waits to be folded must not look stale.
        let now = fold::oldest(self.db(), &leases).await?.map_or(now, |oldest| oldest.min(now));
        let mut reviewed = 0;
        loop {
            let batch = match self.review_batch(&leases, now).await {
                // The hub that folds these shards now reviews their peers too.
                Err(StoreError::DutyLost(_)) => return Ok(reviewed),
                batch => batch?,
            };
            reviewed += batch;
            if (batch as i64) < REVIEW_BATCH {
                return Ok(reviewed);
            }
        }
    }

    /// Finds the probes that came or went since the last review, and schedules the peers that they checked for review.
    async fn update_presence(&self, now: Timestamp) -> Result<(), StoreError> {
        let leases = self.shared.duties.hold(self.db(), &[Duty::Presence]).await?;
        if leases.is_empty() {
            return Ok(());
        }
        self.db().transaction(|tx| work(update_presence(tx, &self.shared, &leases, now))).await
    }

    /// Reviews some of the peers that are due, in the shards of `leases`.
    async fn review_batch(&self, leases: &[Lease], now: Timestamp) -> Result<usize, StoreError> {
        // A reader finds them, because on most calls there are none.
        let due = sql!(
            "SELECT peer_id FROM peer_states WHERE review_at <= $1 AND peer_id % $2 ",
            (in 3),
            " ORDER BY review_at LIMIT $4"
        );
        let parameters = args![now, SHARDS as i64, fold::shards(leases), REVIEW_BATCH];
        let due: Vec<i64> = self.db().all::<(i64,)>(due, parameters).await?.into_iter().map(|(id,)| id).collect();
        if due.is_empty() {
            return Ok(0);
        }
        self.db().transaction(|tx| work(review_peers(tx, &self.shared, leases, due.clone(), now))).await
    }
}

async fn update_presence(tx: &mut Tx, shared: &Shared, leases: &[Lease], now: Timestamp) -> Result<(), StoreError> {
    let (mut ids, mut new_events) = (Vec::new(), Vec::new());
    for (probe, live, event) in presence_changes(tx, shared, now).await? {
        tx.execute("UPDATE probes SET live = $2 WHERE id = $1", args![probe, live]).await?;
        ids.push(probe.0);
        new_events.push(event);
    }
    if ids.is_empty() {
        return Ok(());
    }
    let peers = states::checked_by(tx, ids).await?;
    states::review_soon(tx, peers).await?;
    events::record_in_order(tx, new_events).await?;
    shared.duties.fence(tx, leases).await
}

async fn review_peers(
    tx: &mut Tx,
    shared: &Shared,
    leases: &[Lease],
    due: Vec<i64>,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let mut states = states::load(tx, due).await?;
    let (probes, policy) = &liveness::judgement(tx, shared.policy(), now).await?;
    for state in &mut states {
        state.reviewed();
        drop(state.advance(&[], probes, policy, now));
    }
    let reviewed = states.len();
    let changes = states::settle(tx, states, policy, now).await?;
    events::record_in_order(tx, changes).await?;
    shared.duties.fence(tx, leases).await?;
    Ok(reviewed)
}

/// The probes that came or went since the last review: whether each is live now, and its event.
async fn presence_changes(
    tx: &mut Tx,
    shared: &Shared,
    now: Timestamp,
) -> Result<Vec<(ProbeId, bool, NewEvent)>, StoreError> {
    let known: Vec<(ProbeId, bool, String, String)> = tx
        .all(
            "SELECT b.id, b.live, b.server_id, r.name FROM probes b JOIN regions r ON r.id = b.region_id \
             WHERE b.last_seen_at IS NOT NULL ORDER BY b.id",
            vec![],
        )
        .await?;
    let (facts, _) = liveness::judgement(tx, shared.policy(), now).await?;
    let change = |(probe, was_live, server_id, region): (ProbeId, bool, String, String)| {
        let live = facts.get(&probe).is_some_and(|facts| facts.live);
        let name = |live| if live { Presence::Online.as_str() } else { Presence::Offline.as_str() };
        let event = NewEvent {
            at: now,
            kind: EventKind::Probe,
            subject_id: probe.0,
            was: name(was_live),
            became: name(live),
            detail: serde_json::json!({ "server_id": server_id, "region": region }),
        };
        (live != was_live).then_some((probe, live, event))
    };
    Ok(known.into_iter().filter_map(change).collect())
}
