//! Delivers results from the local history to the backend.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use easytier_probe::{
    Backend, BackendError, CheckResult, ListingVersion,
    backend::{BackendCall, Delivery, MAX_CONCURRENT_NODE_REPORTS},
};
use easytier_uptime_store::{
    Outgoing, OutgoingFilter, Store, StoreError,
    domain::{ProbeId, Timestamp},
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    backend_handle::BackendHandle,
    checking::Checking,
    expiry::Expiry,
    journal::clamp_to_now,
    metrics::{DropReason, Metrics},
    spool::{Rows, Spool, SpoolPart},
};

/// The maximum number of results in one request.
const MAX_BATCH: u32 = 1_000;

/// The pause between two requests from the backlog. It limits the rate to 2,000 results per second, which spares a
/// backend that has just recovered.
const BACKLOG_PAUSE: Duration = Duration::from_millis(500);

/// How long one delivery may take, with all its retries.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// How often the limits of the spool are applied when no results are stored.
const IDLE_INTERVAL: Duration = Duration::from_secs(30);

/// How often the spool is measured, and its limits applied, while nothing can be delivered.
const MEASURE_INTERVAL: Duration = Duration::from_secs(1);

/// The limits of the results that wait for the backend. Older results are dropped.
#[derive(Debug, Clone, Copy)]
pub struct SpoolLimits {
    /// The maximum age of a result.
    pub max_age: Duration,
    /// The maximum number of results.
    pub max_results: u64,
}

/// Delivers the results of this probe.
pub struct Uploader {
    pub store: Store,
    pub probe: ProbeId,
    /// The name of the backend in the store.
    pub backend_name: String,
    pub backend: BackendHandle,
    pub limits: SpoolLimits,
    pub expiry: Expiry,
    pub metrics: Metrics,
    /// Notified when results were stored.
    pub stored: Arc<Notify>,
    /// Does the tests that the backend asks for.
    pub checking: Arc<Checking>,
}

/// Why nothing more can be delivered for now.
enum DeliveryError {
    Backend(BackendError),
    Store(StoreError),
}

impl From<StoreError> for DeliveryError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Uploader {
    /// Loads the spool. If there is none, because the backend is new, only later results are delivered. If it cannot be
    /// read, such as after a downgrade, all results within the maximum age are delivered again: the backend deduplicates
    /// by result id.
    pub async fn load_spool(&self) -> Result<Spool, StoreError> {
        let newest = self.store.newest_result().await?;
        let stored = self.store.spool(&self.backend_name).await?;
        let spool = match stored.as_deref().map(serde_json::from_str) {
            None => Spool::new(newest),
            Some(Ok(spool)) => spool,
            Some(Err(error)) => {
                tracing::error!(
                    %error,
                    "the record of which results are delivered cannot be read; all results of the last {} s are sent again",
                    self.limits.max_age.as_secs()
                );
                Spool::new(self.last_too_old((0, newest)).await?)
            }
        };
        self.store_spool(&spool).await?;
        Ok(spool)
    }

    /// Delivers the spool, and results as they are stored, until `stop`.
    pub async fn run(mut self, mut spool: Spool, stop: CancellationToken) {
        loop {
            let delivered = tokio::select! {
                delivered = self.deliver_some(&mut spool) => delivered,
                // A delivery that is interrupted is repeated later; the backend deduplicates by result id.
                () = stop.cancelled() => return,
            };
            let wake_at = match delivered {
                Ok(pause) => {
                    self.backend.availability().completed(BackendCall::Results);
                    pause.map(|pause| Instant::now() + pause)
                }
                Err(DeliveryError::Backend(error)) => Some(self.backend.failed(BackendCall::Results, &error)),
                Err(DeliveryError::Store(error)) => {
                    tracing::warn!(%error, "the results that wait cannot be read");
                    Some(Instant::now() + IDLE_INTERVAL)
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = async {
                    match wake_at {
                        Some(wake_at) => self.wait_until(wake_at, &mut spool).await,
                        None => tokio::select! {
                            () = self.stored.notified() => {}
                            () = sleep(IDLE_INTERVAL) => {}
                        },
                    }
                } => {}
            }
        }
    }

    /// Waits, while the limits of the spool are applied, but not beyond the moment when the client is replaced.
    async fn wait_until(&mut self, wake_at: Instant, spool: &mut Spool) {
        let client = self.backend.replacements();
        while Instant::now() < wake_at && !client.has_changed().unwrap_or_default() {
            sleep_until(wake_at.min(Instant::now() + MEASURE_INTERVAL)).await;
            if let Err(error) = self.limit_and_measure(spool).await {
                tracing::debug!(%error, "the results that wait cannot be counted");
            }
        }
    }

    /// Applies the limits of the spool, measures it, and returns the newest row.
    async fn limit_and_measure(&mut self, spool: &mut Spool) -> Result<i64, StoreError> {
        let newest = self.store.newest_result().await?;
        self.apply_limits(spool, newest).await?;
        self.measure(spool, newest).await?;
        Ok(newest)
    }

    /// Delivers the live results and a part of the backlog. Returns the pause before the next delivery; `None` if the
    /// spool is empty.
    async fn deliver_some(&mut self, spool: &mut Spool) -> Result<Option<Duration>, DeliveryError> {
        let newest = self.limit_and_measure(spool).await?;
        while let Some(rows) = spool.live(newest) {
            self.deliver(spool, SpoolPart::Live, rows).await?;
        }
        if let Some(rows) = spool.backlog() {
            self.deliver(spool, SpoolPart::Backlog, rows).await?;
        }
        // Results that were stored meanwhile wait too.
        let newest = self.store.newest_result().await?;
        self.measure(spool, newest).await?;
        Ok(spool.backlog().map(|_| BACKLOG_PAUSE))
    }

    /// Delivers the first of `rows`.
    async fn deliver(&self, spool: &mut Spool, part: SpoolPart, rows: Rows) -> Result<(), DeliveryError> {
        let backend = self.backend.ready().await;
        // Per-node reports are recorded after every group that is sent concurrently, so that a slow backend makes
        // progress.
        let (filter, group) = match backend.wants_every_result() {
            true => (OutgoingFilter::All, MAX_BATCH as usize),
            false => (OutgoingFilter::NewestOfEachPeer, MAX_CONCURRENT_NODE_REPORTS),
        };
        // The version before the results: those of a peer that changed with the next list are left out from then on.
        let version = self.store.mirrored_version(&self.backend_name).await?;
        let outgoing = self.store.outgoing(&self.backend_name, self.probe, rows, filter, MAX_BATCH).await?;
        let last = match outgoing.last() {
            Some(last) if outgoing.len() == MAX_BATCH as usize => last.row,
            _ => rows.1,
        };
        for group in outgoing.chunks(group) {
            self.send(&backend, group, version).await.map_err(DeliveryError::Backend)?;
            spool.done(part, group[group.len() - 1].row);
        }
        spool.done(part, last);
        Ok(self.store_spool(spool).await?)
    }

    /// Sends results of peers that are as in this version of the backend's list.
    async fn send(
        &self,
        backend: &Backend,
        outgoing: &[Outgoing],
        version: Option<ListingVersion>,
    ) -> Result<(), BackendError> {
        let result = |outgoing: &Outgoing| CheckResult { listing: version, ..outgoing.result.clone() };
        let mut results: Vec<CheckResult> = outgoing.iter().map(result).collect();
        clamp_to_now(Timestamp::now(), &mut results);
        match backend.send_results(Uuid::now_v7(), &results, Instant::now() + CALL_TIMEOUT).await {
            Ok(delivery) => {
                self.backend.answered(BackendCall::Results);
                self.count(&delivery);
                self.checking.test_relay(delivery.test_relay);
            }
            // The backend will never take this request, but it may take the next one.
            Err(error) if error.is_final() => {
                tracing::warn!(results = results.len(), "{error}; they are dropped");
                self.metrics.add_dropped(DropReason::Rejected, results.len() as u64);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn count(&self, delivery: &Delivery) {
        let Delivery { rejected, not_wanted, .. } = delivery;
        self.metrics.add_delivered(delivery.stored());
        self.metrics.add_not_wanted(u64::from(*not_wanted));
        self.metrics.add_dropped(DropReason::Rejected, rejected.len() as u64);
        if *not_wanted > 0 && self.metrics.not_wanted() == u64::from(*not_wanted) {
            tracing::info!(
                "the backend has no use for results, by REPORT_STYLE or because it is no hub; they are kept in the local \
                 history only"
            );
        }
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for rejected in rejected {
            *reasons.entry(&rejected.reason).or_default() += 1;
        }
        for (reason, results) in reasons {
            tracing::warn!(results, reason, "the backend rejected results for good");
        }
    }

    /// Drops results that are too old or too many.
    async fn apply_limits(&mut self, spool: &mut Spool, newest: i64) -> Result<(), StoreError> {
        let too_old = self.last_too_old((spool.oldest(), newest)).await?;
        let too_old = self.expiry.confirm(too_old, spool.oldest(), Instant::now()).unwrap_or_default();
        let row = spool.excess(newest, self.limits.max_results).unwrap_or_default().max(too_old);
        if row <= spool.oldest() {
            return Ok(());
        }
        let results = spool.drop_up_to(row, newest);
        if results > 0 {
            tracing::warn!(
                results,
                "dropped: they waited longer than SPOOL_MAX_AGE, or more than SPOOL_MAX_RESULTS waited"
            );
            self.metrics.add_dropped(DropReason::NotDelivered, results);
            self.store_spool(spool).await?;
        }
        Ok(())
    }

    /// The row up to which the results in `rows` are older than the maximum age.
    async fn last_too_old(&self, rows: Rows) -> Result<i64, StoreError> {
        self.store.last_result_before(Timestamp::now() - self.limits.max_age, rows).await
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
        self.metrics.set_spool(depth, age);
        Ok(())
    }

    async fn store_spool(&self, spool: &Spool) -> Result<(), StoreError> {
        self.store.put_spool(&self.backend_name, &spool.to_json()).await
    }
}
