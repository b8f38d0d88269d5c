//! The delivery of results to the backend, out of the local history.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use easytier_probe::{
    Backend, BackendError, CheckResult,
    backend::{Delivery, PER_NODE_AT_ONCE},
};
use easytier_uptime_store::{
    model::ProbeId,
    store::{Outgoing, Store, StoreError, Wanted},
    time::Timestamp,
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    backoff::Backoff,
    journal::at_the_latest,
    link::Link,
    metrics::DropReason,
    spool::{Lane, Rows, Spool},
    vitals::{Ask, Vitals},
};

/// Results of one request.
const BATCH: u32 = 1_000;

/// The pause between two requests out of what piled up: 2,000 results a second spare a backend that has just come back.
const BACKLOG_PAUSE: Duration = Duration::from_millis(500);

/// How long one delivery may take, with all its attempts.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often is looked whether something waits for too long, when nothing else happens.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// How often what waits is measured, and bounded, while nothing can be delivered.
const MEASURE_EVERY: Duration = Duration::from_secs(1);

/// How much may wait for the backend.
#[derive(Debug, Clone, Copy)]
pub struct SpoolLimits {
    pub max_age: Duration,
    pub max_results: u64,
}

/// Delivers the results of this probe.
pub struct Uploader {
    pub store: Store,
    pub probe: ProbeId,
    /// By which the backend is known in the store.
    pub backend: String,
    pub link: Link,
    pub limits: SpoolLimits,
    pub vitals: Arc<Vitals>,
    /// Told when results were stored.
    pub stored: Arc<Notify>,
}

/// Why nothing more is delivered for now.
enum Trouble {
    Backend(BackendError),
    Store(StoreError),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Uploader {
    /// The spool as it was left; without one, as when a backend is named for the first time, only what comes from now
    /// on is delivered.
    pub async fn spool(&self) -> Result<Spool, StoreError> {
        let newest = self.store.newest_result().await?;
        let kept = self.store.spool(&self.backend).await?;
        let spool = kept.and_then(|kept| serde_json::from_str(&kept).ok()).unwrap_or_else(|| Spool::new(newest));
        self.keep(&spool).await?;
        Ok(spool)
    }

    /// Delivers what is in the spool and what comes, until it is told to stop.
    pub async fn run(mut self, mut spool: Spool, stop: CancellationToken) {
        let mut backoff = Backoff::default();
        loop {
            let delivered = tokio::select! {
                delivered = self.deliver_some(&mut spool) => delivered,
                // What is cut off here is sent again, and known to the backend by its id.
                () = stop.cancelled() => return,
            };
            let pause = match delivered {
                Ok(pause) => {
                    backoff.reset();
                    pause
                }
                Err(Trouble::Backend(error)) => {
                    self.vitals.backend_failed(Ask::Results, &error);
                    Some(backoff.after(&error))
                }
                Err(Trouble::Store(error)) => {
                    tracing::warn!(%error, "the results that wait cannot be read");
                    Some(LOOK_EVERY)
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = async {
                    match pause {
                        Some(pause) => self.wait(&mut spool, pause).await,
                        None => tokio::select! {
                            () = self.stored.notified() => {}
                            () = sleep(LOOK_EVERY) => {}
                        },
                    }
                } => {}
            }
        }
    }

    /// Waits, and sees to it that no more waits than may.
    async fn wait(&self, spool: &mut Spool, pause: Duration) {
        let end = Instant::now() + pause;
        while Instant::now() < end {
            sleep_until(end.min(Instant::now() + MEASURE_EVERY)).await;
            if let Err(error) = self.look(spool).await {
                tracing::debug!(%error, "the results that wait cannot be counted");
            }
        }
    }

    /// Bounds and measures what waits, and gives the newest row.
    async fn look(&self, spool: &mut Spool) -> Result<i64, StoreError> {
        let newest = self.store.newest_result().await?;
        self.give_up_what_is_over(spool, newest).await?;
        self.measure(spool, newest).await?;
        Ok(newest)
    }

    /// Delivers the newest results and a part of the backlog. Gives the pause before the next delivery; `None` when
    /// nothing is left.
    async fn deliver_some(&mut self, spool: &mut Spool) -> Result<Option<Duration>, Trouble> {
        let newest = self.look(spool).await?;
        while let Some(rows) = spool.live(newest) {
            self.deliver(spool, Lane::Live, rows).await?;
        }
        if let Some(rows) = spool.backlog() {
            self.deliver(spool, Lane::Backlog, rows).await?;
        }
        self.measure(spool, newest).await?;
        Ok(spool.backlog().map(|_| BACKLOG_PAUSE))
    }

    /// Delivers the first of `rows`.
    async fn deliver(&mut self, spool: &mut Spool, lane: Lane, rows: Rows) -> Result<(), Trouble> {
        let backend = self.link.ready().await;
        // Those of which all are under way at once let a slow backend get on.
        let (wanted, at_once) = match backend.wants_every_result() {
            true => (Wanted::Every, BATCH as usize),
            false => (Wanted::NewestOfEachPeer, PER_NODE_AT_ONCE),
        };
        let outgoing = self.store.outgoing(&self.backend, self.probe, rows, wanted, BATCH).await?;
        let last = match outgoing.last() {
            Some(last) if outgoing.len() == BATCH as usize => last.row,
            _ => rows.1,
        };
        for some in outgoing.chunks(at_once) {
            self.send(&backend, some).await.map_err(Trouble::Backend)?;
            spool.done(lane, some[some.len() - 1].row);
        }
        spool.done(lane, last);
        Ok(self.keep(spool).await?)
    }

    async fn send(&self, backend: &Backend, outgoing: &[Outgoing]) -> Result<(), BackendError> {
        let mut results: Vec<CheckResult> = outgoing.iter().map(|outgoing| outgoing.result.clone()).collect();
        at_the_latest(Timestamp::now(), &mut results);
        match backend.send_results(Uuid::now_v7(), &results, Instant::now() + PATIENCE).await {
            Ok(delivery) => {
                self.vitals.backend_answered(Ask::Results);
                self.count(&delivery);
            }
            // One request is never taken, whatever is in it: the next ones may be.
            Err(error) if error.is_final() => {
                tracing::warn!(results = results.len(), "{error}; they are given up");
                self.vitals.metrics.add_dropped(DropReason::Rejected, results.len() as u64);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn count(&self, delivery: &Delivery) {
        let Delivery { accepted, duplicates, rejected, .. } = delivery;
        self.vitals.metrics.add_delivered(u64::from(accepted + duplicates));
        self.vitals.metrics.add_dropped(DropReason::Rejected, rejected.len() as u64);
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for rejected in rejected {
            *reasons.entry(&rejected.reason).or_default() += 1;
        }
        for (reason, results) in reasons {
            tracing::warn!(results, reason, "the backend rejected results for good");
        }
    }

    /// Bounds what waits, by age and by number.
    async fn give_up_what_is_over(&self, spool: &mut Spool, newest: i64) -> Result<(), StoreError> {
        let since = Timestamp::now() - self.limits.max_age;
        let too_old = self.store.last_result_before(since, (spool.oldest(), newest)).await?;
        let row = spool.excess(newest, self.limits.max_results).unwrap_or_default().max(too_old);
        if row <= spool.oldest() {
            return Ok(());
        }
        let results = spool.give_up(row, newest);
        if results > 0 {
            tracing::warn!(results, "given up: they waited for the backend too long, or too many did");
            self.vitals.metrics.add_dropped(DropReason::NotDelivered, results);
            self.keep(spool).await?;
        }
        Ok(())
    }

    async fn measure(&self, spool: &Spool, newest: i64) -> Result<(), StoreError> {
        let depth = spool.depth(newest);
        let age = match depth {
            0 => Duration::ZERO,
            _ => match self.store.received_after(spool.oldest()).await? {
                Some(received_at) => Timestamp::now().since(received_at),
                None => Duration::ZERO,
            },
        };
        self.vitals.metrics.set_spool(depth, age);
        Ok(())
    }

    async fn keep(&self, spool: &Spool) -> Result<(), StoreError> {
        let text = serde_json::to_string(spool).expect("numbers can be written");
        self.store.put_spool(&self.backend, &text).await
    }
}
