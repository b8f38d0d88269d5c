//! The review: updates of the consensus that no result causes.

use super::{
    Store,
    events::{self, NewEvent},
    liveness,
    locks::{Lock, try_lock},
    states,
};
use crate::{
    db::{args, sql},
    domain::{EventKind, Presence, ProbeId, Timestamp},
    error::StoreError,
};

/// How many peers are reviewed in one transaction; results wait as long as that takes.
const REVIEW_BATCH: i64 = 500;

impl Store {
    /// Applies what changes without results: evidence that became stale, and probes that came or went. It is meant to be
    /// called every few seconds. Where several hubs share a database, one does it and the others find nothing to do.
    /// Returns how many peers were reviewed.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn review(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.update_presence(now).await?;
        let mut reviewed = 0;
        loop {
            let batch = self.review_batch(now).await?;
            reviewed += batch;
            if (batch as i64) < REVIEW_BATCH {
                return Ok(reviewed);
            }
        }
    }

    /// Finds the probes that came or went since the last review, and schedules the peers that they checked for review.
    async fn update_presence(&self, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.db().begin().await?;
        if !try_lock(&mut tx, Lock::Review).await? {
            return Ok(());
        }
        let known: Vec<(ProbeId, bool, String, String)> = tx
            .all(
                "SELECT b.id, b.live, b.server_id, r.name FROM probes b JOIN regions r ON r.id = b.region_id \
                 WHERE b.last_seen_at IS NOT NULL ORDER BY b.id",
                vec![],
            )
            .await?;
        let facts = liveness::probes(&mut tx, now).await?;
        let changed: Vec<(ProbeId, bool, NewEvent)> = known
            .into_iter()
            .filter_map(|(probe, was_live, server_id, region)| {
                let live = facts.get(&probe)?.live;
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
            })
            .collect();
        let mut ids = Vec::new();
        let mut new_events = Vec::new();
        for (probe, live, event) in changed {
            tx.execute("UPDATE probes SET live = $2 WHERE id = $1", args![probe, live]).await?;
            ids.push(probe.0);
            new_events.push(event);
        }
        let review = sql!(
            "UPDATE peer_states SET review_at = 0 WHERE peer_id IN (SELECT s.peer_id FROM peer_states s \
             WHERE EXISTS (SELECT 1 FROM latest l WHERE l.peer_id = s.peer_id AND l.probe_id ",
            (in 1),
            ") ORDER BY s.peer_id",
            ["" | " FOR UPDATE OF s"],
            ")"
        );
        if !ids.is_empty() {
            tx.execute(review, args![ids]).await?;
        }
        events::record(&mut tx, new_events).await?;
        tx.commit().await
    }

    /// Reviews some of the peers that are due.
    async fn review_batch(&self, now: Timestamp) -> Result<usize, StoreError> {
        let mut tx = self.db().begin().await?;
        if !try_lock(&mut tx, Lock::Review).await? {
            return Ok(0);
        }
        let due: Vec<(i64,)> = tx
            .all(
                "SELECT peer_id FROM peer_states WHERE review_at <= $1 ORDER BY review_at LIMIT $2",
                args![now, REVIEW_BATCH],
            )
            .await?;
        let mut states = states::load(&mut tx, due.into_iter().map(|(id,)| id).collect()).await?;
        let probes = liveness::probes(&mut tx, now).await?;
        let policy = &self.shared.policy();
        for state in &mut states {
            drop(state.advance(&[], &probes, policy, now));
        }
        let changes = states.iter_mut().filter_map(|state| state.conclude(now)).collect();
        let reviewed = states.len();
        states::save(&mut tx, states, policy).await?;
        events::record(&mut tx, changes).await?;
        tx.commit().await?;
        Ok(reviewed)
    }
}
