//! What happens to the store without anybody asking: evidence goes stale, and what is over goes.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::{
    store::{Store, StoreError},
    time::Timestamp,
};

/// How late it may be noticed that a region's word is stale, that a probe is gone, or that the operator changed a setting
/// at another hub.
const REVIEW_EVERY: Duration = Duration::from_secs(5);

/// A sweep that leaves something goes on at once.
const SWEEP_EVERY: Duration = Duration::from_secs(5 * 60);

/// Far longer than a review or a part of a sweep takes, unless the database is not heard of any more.
const LONGEST: Duration = Duration::from_secs(60);

/// Looks after the store until `shutdown` resolves; what is under way then is finished first. Every hub runs this: where
/// several share a database, the store lets one of them do each thing.
pub async fn upkeep(store: Store, shutdown: impl Future<Output = ()>) {
    let mut shutdown = std::pin::pin!(shutdown);
    let [mut reviews, mut sweeps] = [REVIEW_EVERY, SWEEP_EVERY].map(interval);
    reviews.set_missed_tick_behavior(MissedTickBehavior::Delay);
    sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => return,
            _ = reviews.tick() => {
                read_tuning(&store).await;
                review(&store).await;
            }
            _ = sweeps.tick() => {
                // Reviews have their turn between the parts of a long sweep.
                if sweep(&store).await {
                    sweeps.reset_immediately();
                }
            }
        }
    }
}

/// The operator may have changed something at another hub.
async fn read_tuning(store: &Store) {
    if let Err(error) = in_time(store.read_tuning()).await {
        tracing::error!(%error, "the settings cannot be read; those of before hold");
    }
}

async fn review(store: &Store) {
    match in_time(store.review(Timestamp::now())).await {
        Ok(0) => {}
        Ok(peers) => tracing::debug!(peers, "reviewed"),
        Err(error) => tracing::error!(%error, "a review failed; the next one makes up for it"),
    }
}

/// Whether there is more to sweep.
async fn sweep(store: &Store) -> bool {
    match in_time(store.sweep(Timestamp::now())).await {
        Ok(swept) => {
            if swept.rows > 0 || swept.days > 0 {
                tracing::debug!(rows = swept.rows, days = swept.days, "swept");
            }
            swept.more
        }
        Err(error) => {
            tracing::error!(%error, "a sweep failed; the next one makes up for it");
            false
        }
    }
}

async fn in_time<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    timeout(LONGEST, work).await.unwrap_or(Err(StoreError::Unavailable))
}
