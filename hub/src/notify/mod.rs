//! Tells people what changed: plans messages and sends them.
//!
//! The planner, of which one hub runs at a time, reads events, decides by the rules of the channels what is told, and stores
//! what it knows together with the messages: what is planned is planned once, whatever ends a hub. Any hub sends messages that
//! are due, each claimed for a while. Only a primary and a standalone instance do either.

mod attempt;
mod backoff;
mod channels;
mod deliver;
mod levels;
mod mails;
mod plan;
mod visitors;

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use easytier_probe::backend::BaseUrl;
use easytier_uptime_store::{Store, StoreError, domain::Timestamp};
use futures::FutureExt;
use tokio::{
    sync::Notify,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

pub use self::{channels::Channels, deliver::Deliverer, plan::Planner};
use crate::service::alerts::Messenger;

/// The time between two looks for events, and for messages that are due.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The pause after an error of the database.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// The longest time for one step of the planner.
const STEP_TIMEOUT: Duration = Duration::from_secs(60);

/// What sends messages.
pub fn messenger() -> Arc<dyn Messenger> {
    Arc::new(Channels::default())
}

/// Plans and sends messages until `stop`; messages that are being sent are finished first, within a few seconds. `public_url`: where
/// readers find the pages of nodes.
pub async fn notify(
    store: &Store,
    messenger: Arc<dyn Messenger>,
    public_url: Option<BaseUrl>,
    stop: CancellationToken,
) {
    let planned = Notify::new();
    let planning = plan_until(store, public_url, &planned, &stop);
    tokio::join!(planning, deliver_until(store, messenger, &planned, &stop));
}

async fn plan_until(store: &Store, public_url: Option<BaseUrl>, planned: &Notify, stop: &CancellationToken) {
    let mut planner = Planner::new(store.clone(), public_url);
    let mut looks = interval(LOOK_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(looks.tick()).await.is_some() {
        // A step that is stopped has stored all or nothing.
        let step = AssertUnwindSafe(timeout(STEP_TIMEOUT, planner.step(Timestamp::now()))).catch_unwind();
        let Some(done) = stop.run_until_cancelled(step).await else { return };
        let done = done.unwrap_or(Ok(Err(StoreError::Panicked))).unwrap_or(Err(StoreError::Unavailable));
        match done {
            Ok(0) => {}
            Ok(messages) => {
                tracing::info!(messages, "alerts to send");
                planned.notify_one();
            }
            Err(error) => {
                planner.forget();
                tracing::warn!(%error, "cannot plan alerts; trying again");
                stop.run_until_cancelled(sleep(RETRY_INTERVAL)).await;
            }
        }
    }
}

async fn deliver_until(store: &Store, messenger: Arc<dyn Messenger>, planned: &Notify, stop: &CancellationToken) {
    let mut deliverer = Deliverer::new(store.clone(), messenger);
    let mut looks = interval(LOOK_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = planned.notified() => {}
            () = deliverer.ended() => {}
            _ = looks.tick() => {}
        }
        if let Err(error) = deliverer.look(Timestamp::now()).await {
            tracing::warn!(%error, "cannot look for alerts to send; trying again");
            stop.run_until_cancelled(sleep(RETRY_INTERVAL)).await;
        }
    }
    deliverer.finish().await;
}
