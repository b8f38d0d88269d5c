//! Stores the results of this probe in its database every second.

use std::{sync::Arc, time::Duration};

use easytier_probe::{CheckResult, Status};
use easytier_uptime_store::{
    Store, StoreError,
    domain::{Batch, PeerId, ProbeIdentity, Timestamp},
};
use tokio::{
    sync::Notify,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::{
    checking::Checking,
    health::Health,
    metrics::{DropReason, Metrics},
    observer::Observer,
};

/// The time between two transactions. A crash loses the results of at most this time, and the checks that are not
/// condensed to a result yet.
const INTERVAL: Duration = Duration::from_secs(1);

/// The maximum number of results in one transaction.
const MAX_BATCH: usize = 5_000;

/// Stores the results that the observer has collected.
pub struct Journal {
    pub store: Store,
    pub probe: ProbeIdentity,
    pub observer: Arc<Observer>,
    pub health: Arc<Health>,
    pub metrics: Metrics,
    /// Notified when results were stored.
    pub stored: Arc<Notify>,
    /// Does the tests that the hub with this store hands out; `None` in a daemon, whose hub is elsewhere.
    pub tests_of_own_hub: Option<Arc<Checking>>,
}

impl Journal {
    /// Stores results every second, and a last time after `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.write().await,
                () = stop.cancelled() => break,
            }
        }
        self.observer.flush();
        self.write().await;
    }

    async fn write(&self) {
        if self.observer.checks_since() > 0 || self.observer.summary().total() == 0 {
            self.health.checks_made();
        }
        let mut results = self.observer.take();
        let has_results = !results.is_empty();
        while !results.is_empty() {
            let rest = results.split_off(results.len().min(MAX_BATCH));
            if let Err(error) = self.write_batch(results.clone()).await {
                self.health.not_stored(&error);
                results.extend(rest);
                let dropped = self.observer.give_back(results);
                return self.metrics.add_dropped(DropReason::NotStored, dropped as u64);
            }
            results = rest;
        }
        if has_results {
            self.health.stored();
            self.stored.notify_one();
        }
    }

    async fn write_batch(&self, mut results: Vec<CheckResult>) -> Result<(), StoreError> {
        let now = Timestamp::now();
        clamp_to_now(now, &mut results);
        let is_online = |result: &&CheckResult| result.status == Status::Online;
        let online: Vec<PeerId> = results.iter().filter(is_online).map(|result| PeerId(result.peer_id)).collect();
        let batch = Batch::of_probe(self.probe.clone(), now, results);
        let receipt = self.store.ingest(batch).await?;
        if let Some(rejected) = receipt.rejected.first() {
            // The peer was removed meanwhile, or the clock was set.
            let count = receipt.rejected.len();
            tracing::debug!(count, reason = ?rejected.reason, "results are not stored");
        }
        if let Some(checking) = &self.tests_of_own_hub {
            match self.store.hand_out_relay_tests(&online, now).await {
                Ok(peers) => checking.test_relay(peers.into_iter().map(|peer| peer.0)),
                Err(error) => tracing::debug!(%error, "no test whether nodes relay is handed out"),
            }
        }
        Ok(())
    }
}

/// Sets the time of results that seem to come from the future to `now`: the clock was set back after the check, and
/// neither the store nor a hub takes results from the future.
pub fn clamp_to_now(now: Timestamp, results: &mut [CheckResult]) {
    for result in results {
        result.checked_at = result.checked_at.min(now.into());
    }
}
