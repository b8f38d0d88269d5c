//! What a hub orders over the connection on which the probe waits: checks now, configuration, figures. Somebody waits for the results
//! of such checks; they are no part of the rounds, and are not stored here.

use std::{pin::pin, sync::Arc, time::Duration};

use easytier_probe::{
    Origin,
    backend::{BackendCall, Order, OrderAnswer, Reported, Task},
};
use easytier_uptime_monitor::Refusal;
use easytier_uptime_store::{
    Store, StoreError,
    domain::{ProbeIdentity, ProbePeer, Timestamp},
};
use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    backend_handle::BackendHandle,
    checking::Checking,
    control::{RemoteControl, Via},
};

/// How many ordered checks run at the same time.
const AT_ONCE: usize = 4;

/// How long it may take to send an answer, with all retries. Nobody waits longer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// How often the store of a hub is asked for orders to the probe in its process.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// How often the probe in the process of a hub says that it is there.
const SIGN_INTERVAL: Duration = Duration::from_secs(30);

/// The least time between two requests for orders when there are none: some servers answer everything at once.
const LEAST_POLL: Duration = Duration::from_secs(1);

/// The pause before a backend is asked again that gives no orders.
const NO_ORDERS_PAUSE: Duration = Duration::from_secs(60);

/// Where a probe gets its orders, and brings its answers.
pub trait Desk {
    /// Waits for orders with numbers greater than `since`. None when the wait was long or failed.
    fn orders(&mut self, since: i64) -> impl Future<Output = Vec<Order>>;

    /// Brings the answer to an order. It is given up when that fails for some seconds.
    fn answer(&self, number: i64, answer: OrderAnswer) -> impl Future<Output = ()>;
}

/// What follows orders.
pub struct Worker {
    /// Its checker makes the checks.
    pub checking: Arc<Checking>,
    /// `None` in the process of a hub, which has its configuration from itself.
    pub control: Option<Arc<RemoteControl>>,
}

/// Follows the orders of `desk` until `stop`. Checks in flight are given up then.
pub async fn follow(mut desk: impl Desk + Clone, worker: Worker, stop: CancellationToken) {
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
            for order in orders {
                since = since.max(order.number);
                running.push(worker.carry_out(&answers, &places, order));
            }
        }
    };
    stop.run_until_cancelled(work).await;
}

impl Worker {
    async fn carry_out(&self, desk: &impl Desk, places: &Semaphore, Order { number, task }: Order) {
        let answer = match (task, &self.control) {
            (Task::Check(peer), _) => {
                // The semaphore is never closed.
                let _place = places.acquire().await;
                tracing::info!(number, url = %peer.url, "checking a node because somebody asked for it");
                self.checking.checker().check(&peer).await.result.into()
            }
            (Task::Configure(config), Some(control)) => {
                let taken = control.take(config.expose().as_bytes(), Via::Reverse).await;
                desk.answer(number, configured(taken.as_ref().err())).await;
                // Not before: the next run would take it again.
                if taken.unwrap_or_default() {
                    control.restart();
                }
                return;
            }
            (Task::CountUp, Some(control)) => match control.figures().await {
                Ok(stats) => OrderAnswer::Counted { stats },
                Err(error) => return tracing::warn!(%error, "the figures for the hub cannot be read"),
            },
            (Task::Configure(_) | Task::CountUp, None) => return,
        };
        desk.answer(number, answer).await;
    }
}

/// The answer to a configuration.
fn configured(refused: Option<&Refusal>) -> OrderAnswer {
    OrderAnswer::Configured {
        status: refused.map_or(200, |refusal| refusal.status.as_u16()),
        error: refused.map(|refusal| refusal.message.clone()),
    }
}

/// The desk of a hub elsewhere.
#[derive(Clone)]
pub struct BackendDesk(pub BackendHandle);

impl Desk for BackendDesk {
    async fn orders(&mut self, since: i64) -> Vec<Order> {
        let backend = self.0.ready().await;
        let asked_at = Instant::now();
        let outcome = backend.orders(since).await;
        match self.0.record(BackendCall::Orders, outcome) {
            Some(Some(orders)) => {
                if orders.is_empty() {
                    sleep_until(asked_at + LEAST_POLL).await;
                }
                orders
            }
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

    async fn answer(&self, number: i64, answer: OrderAnswer) {
        let Some(backend) = self.0.client() else { return };
        match backend.answer_order(number, &answer, Instant::now() + ANSWER_TIMEOUT).await {
            Ok(Reported::Accepted) => {}
            Ok(_) => tracing::debug!(number, "nobody waits for the answer to an order any more"),
            Err(error) => tracing::warn!(%error, number, "the answer to an order is lost"),
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

    async fn answer(&self, number: i64, answer: OrderAnswer) {
        let OrderAnswer::Checked { result } = answer else { return };
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
        let task = |peer: ProbePeer| Task::Check(peer.to_check(Origin::Local, version).into());
        Ok(orders.into_iter().map(|order| Order { number: order.number, task: task(order.peer) }).collect())
    }
}
