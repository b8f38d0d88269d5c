//! Work on the store at intervals: reviews of the consensus, deletion of expired rows, reloading of live settings.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::{domain::Timestamp, error::StoreError, store::Store};

/// The time between two reviews. It is the maximum delay until stale evidence, a stopped probe, or a setting that was
/// changed at another hub is noticed.
const REVIEW_INTERVAL: Duration = Duration::from_secs(5);

/// The time between two sweeps. A sweep that leaves expired rows is followed by another at once.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// The maximum time for one piece of work; far longer than it takes while the database responds.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Reviews the consensus, deletes expired rows and reloads the live settings at intervals, until `shutdown` resolves; work
/// in progress is finished first. Every hub runs this; where several share a database, one of them does each piece of work.
pub async fn upkeep(store: Store, shutdown: impl Future<Output = ()>) {
    let mut shutdown = std::pin::pin!(shutdown);
    let [mut reviews, mut sweeps] = [REVIEW_INTERVAL, SWEEP_INTERVAL].map(interval);
    reviews.set_missed_tick_behavior(MissedTickBehavior::Delay);
    sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => return,
            _ = reviews.tick() => {
                reload_live_settings(&store).await;
                review(&store).await;
            }
            _ = sweeps.tick() => {
                // Through the loop, so that reviews run between the parts of a long sweep.
                if sweep(&store).await {
                    sweeps.reset_immediately();
                }
            }
        }
    }
}

async fn reload_live_settings(store: &Store) {
    if let Err(error) = in_time(store.reload_live_settings()).await {
        tracing::error!(%error, "cannot reload the settings; keeping the current ones");
    }
}

async fn review(store: &Store) {
    match in_time(store.review(Timestamp::now())).await {
        Ok(0) => {}
        Ok(peers) => tracing::debug!(peers, "reviewed peers"),
        Err(error) => tracing::error!(%error, "a review failed; the next one will catch up"),
    }
}

/// Returns whether expired rows are left.
async fn sweep(store: &Store) -> bool {
    match in_time(store.sweep(Timestamp::now())).await {
        Ok(swept) => {
            if swept.rows > 0 || swept.days > 0 {
                tracing::debug!(rows = swept.rows, days = swept.days, "deleted expired rows");
            }
            swept.more
        }
        Err(error) => {
            tracing::error!(%error, "a sweep failed; the next one will catch up");
            false
        }
    }
}

async fn in_time<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    timeout(TIMEOUT, work).await.unwrap_or(Err(StoreError::Unavailable))
}
