//! The results of this probe, stored in its database every second.

use std::{sync::Arc, time::Duration};

use easytier_probe::CheckResult;
use easytier_uptime_store::{
    model::{Batch, ProbeIdentity},
    store::{Store, StoreError},
    time::Timestamp,
};
use tokio::{
    sync::Notify,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::{metrics::DropReason, observer::Observer, vitals::Vitals};

/// What a crash may lose of the results; checks that the observer has not condensed to one are lost with them.
const EVERY: Duration = Duration::from_secs(1);

/// Results of one transaction.
const BATCH: usize = 5_000;

/// Stores what the observer has.
pub struct Journal {
    pub store: Store,
    pub probe: ProbeIdentity,
    pub observer: Arc<Observer>,
    pub vitals: Arc<Vitals>,
    /// Told when results were stored.
    pub stored: Arc<Notify>,
}

impl Journal {
    /// Stores every second, and a last time when it is told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let mut ticks = interval(EVERY);
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
            self.vitals.good_cycle();
        }
        let mut results = self.observer.take();
        let had_some = !results.is_empty();
        while !results.is_empty() {
            let rest = results.split_off(results.len().min(BATCH));
            if let Err(error) = self.write_batch(results.clone()).await {
                self.vitals.not_stored(&error);
                results.extend(rest);
                let dropped = self.observer.give_back(results);
                return self.vitals.metrics.add_dropped(DropReason::NotStored, dropped as u64);
            }
            results = rest;
        }
        if had_some {
            self.vitals.stored();
            self.stored.notify_one();
        }
    }

    async fn write_batch(&self, mut results: Vec<CheckResult>) -> Result<(), StoreError> {
        let now = Timestamp::now();
        at_the_latest(now, &mut results);
        let batch = Batch { from: self.probe.clone(), received_at: now, sent_at: None, results };
        let receipt = self.store.ingest(batch).await?;
        if let Some(rejected) = receipt.rejected.first() {
            // Those of a peer that was removed meanwhile, or of before the clock was set.
            let count = receipt.rejected.len();
            tracing::debug!(count, reason = ?rejected.reason, "results are not stored");
        }
        Ok(())
    }
}

/// What is said to be of later than `now` was seen before the clock was set back. It was seen by now, and nobody takes
/// results of the future.
pub fn at_the_latest(now: Timestamp, results: &mut [CheckResult]) {
    for result in results {
        result.checked_at = result.checked_at.min(now.into());
    }
}
