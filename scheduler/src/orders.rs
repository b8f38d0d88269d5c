//! Checks that the hub orders now: somebody waits for their results. They are no part of the rounds, and are not stored here.

use std::{pin::pin, sync::Arc, time::Duration};

use easytier_probe::{
    CheckResult, Checker, Origin, Peer,
    backend::{BackendCall, Reported},
};
use easytier_uptime_store::{
    Store, StoreError,
    domain::{ProbeIdentity, ProbePeer, Timestamp},
};
use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{backend_handle::BackendHandle, checking::Checking};

/// How many ordered checks run at the same time.
const AT_ONCE: usize = 4;

/// How long it may take to send a result, with all retries. Nobody waits longer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// How often the store of a hub is asked for orders to the probe in its process.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// How often the probe in the process of a hub says that it is there.
const SIGN_INTERVAL: Duration = Duration::from_secs(30);

/// The pause before a backend is asked again that gives no orders.
const NO_ORDERS_PAUSE: Duration = Duration::from_secs(60);

/// An order: its number, and the peer to check.
pub type Order = (i64, Peer);

/// Where a probe gets its orders, and brings their results.
pub trait Desk {
    /// Waits for orders with numbers greater than `since`. None when the wait was long or failed.
    fn orders(&mut self, since: i64) -> impl Future<Output = Vec<Order>>;

    /// Brings the result of an order. It is given up when that fails for some seconds.
    fn answer(&self, number: i64, result: CheckResult) -> impl Future<Output = ()>;
}

/// Follows the orders of `desk` with the checker of `checking`, until `stop`. Checks in flight are given up then.
pub async fn follow(mut desk: impl Desk + Clone, checking: Arc<Checking>, stop: CancellationToken) {
    let (places, answers) = (Semaphore::new(AT_ONCE), desk.clone());
    let mut running = FuturesUnordered::new();
    let mut since = 0;
    let work = async {
        loop {
            let orders = {
                let mut orders = pin!(desk.orders(since));
                loop {
                    tokio::select! {
                        orders = &mut orders => break orders,
                        Some(()) = running.next() => {}
                    }
                }
            };
            for (number, peer) in orders {
                since = since.max(number);
                running.push(carry_out(&answers, checking.checker(), &places, number, peer));
            }
        }
    };
    stop.run_until_cancelled(work).await;
}

async fn carry_out(desk: &impl Desk, checker: &Checker, places: &Semaphore, number: i64, peer: Peer) {
    // The semaphore is never closed.
    let _place = places.acquire().await;
    tracing::info!(number, url = %peer.url, "checking a node because somebody asked for it");
    let report = checker.check(&peer).await;
    desk.answer(number, report.result).await;
}

/// The desk of a hub elsewhere.
#[derive(Clone)]
pub struct BackendDesk(pub BackendHandle);

impl Desk for BackendDesk {
    async fn orders(&mut self, since: i64) -> Vec<Order> {
        let backend = self.0.ready().await;
        let outcome = backend.orders(since).await;
        match self.0.record(BackendCall::Orders, outcome) {
            Some(Some(orders)) => orders.into_iter().map(|order| (order.number, order.peer)).collect(),
            Some(None) => {
                sleep(NO_ORDERS_PAUSE).await;
                Vec::new()
            }
            None => {
                let retry_at = self.0.availability().retry_at(BackendCall::Orders);
                self.0.rest_until(retry_at.unwrap_or_else(|| Instant::now() + NO_ORDERS_PAUSE)).await;
                Vec::new()
            }
        }
    }

    async fn answer(&self, number: i64, result: CheckResult) {
        let Some(backend) = self.0.client() else { return };
        match backend.answer_order(number, &result, Instant::now() + ANSWER_TIMEOUT).await {
            Ok(Reported::Accepted) => {}
            Ok(_) => tracing::debug!(number, "nobody waits for the result of an ordered check any more"),
            Err(error) => tracing::warn!(%error, number, "the result of an ordered check is lost"),
        }
    }
}

/// The desk of the hub in this process.
#[derive(Clone)]
pub struct StoreDesk {
    pub store: Store,
    pub probe: ProbeIdentity,
    /// When the probe last said that it is there.
    pub signed_at: Option<Instant>,
}

impl Desk for StoreDesk {
    async fn orders(&mut self, since: i64) -> Vec<Order> {
        loop {
            match self.look(since).await {
                Ok(orders) if !orders.is_empty() => return orders,
                Ok(_) => sleep(POLL_INTERVAL).await,
                Err(error) => {
                    tracing::debug!(%error, "the orders to the probe of this hub cannot be read");
                    sleep(SIGN_INTERVAL).await;
                }
            }
        }
    }

    async fn answer(&self, number: i64, result: CheckResult) {
        if let Err(error) = self.store.answer_order(self.probe.probe, number, &result, Timestamp::now()).await {
            tracing::warn!(%error, number, "the result of an ordered check is lost");
        }
    }
}

impl StoreDesk {
    async fn look(&mut self, since: i64) -> Result<Vec<Order>, StoreError> {
        let now = Timestamp::now();
        if self.signed_at.is_none_or(|at| at.elapsed() >= SIGN_INTERVAL) {
            self.store.note_channel(self.probe.probe, now).await?;
            self.signed_at = Some(Instant::now());
        }
        // The probe's own peers are the operator's.
        let orders = self.store.orders(self.probe.probe, since, now).await?;
        let version = self.store.held_config().await?;
        let local = |peer: ProbePeer| peer.to_check(Origin::Local, version);
        Ok(orders.into_iter().map(|order| (order.number, local(order.peer))).collect())
    }
}
