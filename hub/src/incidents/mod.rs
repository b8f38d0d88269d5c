//! Joins changes to incidents. One hub at a time does it, whatever its role: each instance has incidents of its own.

mod record;

use std::{panic::AssertUnwindSafe, time::Duration};

use easytier_uptime_store::{Store, StoreError, domain::Timestamp};
use futures::FutureExt;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

pub use self::record::Recorder;

/// The time between two looks for events.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The pause after an error of the database.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// The longest time for one step.
const STEP_TIMEOUT: Duration = Duration::from_secs(60);

/// Records incidents until `stop`.
pub async fn record(store: &Store, stop: &CancellationToken) {
    let mut recorder = Recorder::new(store.clone());
    let mut looks = interval(LOOK_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(looks.tick()).await.is_some() {
        // A step that is stopped has stored all or nothing.
        let step = AssertUnwindSafe(timeout(STEP_TIMEOUT, recorder.step(Timestamp::now()))).catch_unwind();
        let Some(done) = stop.run_until_cancelled(step).await else { return };
        let done = done.unwrap_or(Ok(Err(StoreError::Panicked))).unwrap_or(Err(StoreError::Unavailable));
        if let Err(error) = done {
            recorder.forget();
            tracing::warn!(%error, "cannot record incidents; trying again");
            stop.run_until_cancelled(sleep(RETRY_INTERVAL)).await;
        }
    }
}
