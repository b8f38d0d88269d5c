//! Work on the store at intervals: the fold, reviews of the consensus, deletion of expired rows, reloading of live settings, a
//! sign of life for other hubs, counts of failed authentications.

use std::{ops::AddAssign, panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::{
    domain::Timestamp,
    error::StoreError,
    pulse::Pulse,
    store::{Folded, Store},
};

/// The time between two looks for results that other hubs have stored; those of this hub are noticed at once.
const FOLD_INTERVAL: Duration = Duration::from_secs(1);

/// The least pause between two folds, so that results that arrive within it are applied together.
const FOLD_PAUSE: Duration = Duration::from_millis(200);

/// The time from the start of a fold to that of the next one while many results arrive. A fold of more results costs little
/// more, because those of the same probe and peer are merged; but every result is to be applied within a second, also while
/// folds take long.
const BUSY_FOLD_INTERVAL: Duration = Duration::from_millis(400);

/// How many results a fold applies at least when many arrive.
const BUSY_FOLD: u64 = 5000;

/// The time between two reviews. It is the maximum delay until stale evidence, a stopped probe, or a setting that was
/// changed at another hub is noticed, and until maintenance begins or ends.
const REVIEW_INTERVAL: Duration = Duration::from_secs(5);

/// The time between two sweeps. A sweep that leaves expired rows is followed by another at once.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// The time between two writes of when tokens and keys were last used.
const USE_INTERVAL: Duration = Duration::from_secs(60);
/// The time between two comparisons of the hub's clock with the database's.
const CLOCK_INTERVAL: Duration = Duration::from_secs(60);

/// The maximum time for one piece of work; far longer than it takes while the database responds.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Folds results, reviews the consensus, deletes expired rows and reloads the live settings, until `shutdown` resolves; work
/// in progress is finished first. Every hub runs this; where several share a database, one of them does each piece of work.
pub async fn upkeep(store: Store, shutdown: impl Future<Output = ()>) {
    let shutdown = shutdown.shared();
    tokio::join!(fold_until(&store, shutdown.clone()), maintain_until(&store, shutdown));
    store.pulses().fold.rest();
    store.pulses().maintenance.rest();
}

async fn fold_until(store: &Store, shutdown: impl Future<Output = ()>) {
    let mut shutdown = std::pin::pin!(shutdown);
    let mut looks = interval(FOLD_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => return,
            () = store.appended() => {}
            _ = looks.tick() => {}
        }
        let started = Instant::now();
        let results = fold(store).await;
        tokio::select! {
            biased;
            () = &mut shutdown => return,
            () = sleep(pause_after_fold(results, started.elapsed())) => {}
        }
    }
}

/// The pause after a fold that applied so many results and took so long.
fn pause_after_fold(results: u64, took: Duration) -> Duration {
    if results < BUSY_FOLD { FOLD_PAUSE } else { BUSY_FOLD_INTERVAL.saturating_sub(took).max(FOLD_PAUSE) }
}

async fn maintain_until(store: &Store, shutdown: impl Future<Output = ()>) {
    let mut shutdown = std::pin::pin!(shutdown);
    let intervals = [REVIEW_INTERVAL, SWEEP_INTERVAL, USE_INTERVAL, CLOCK_INTERVAL];
    let [mut reviews, mut sweeps, mut uses, mut clocks] = intervals.map(interval);
    for interval in [&mut reviews, &mut sweeps, &mut uses, &mut clocks] {
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => return,
            _ = reviews.tick() => {
                refresh_hub(store).await;
                reload_live_settings(store).await;
                review(store).await;
                keep_maintenance(store).await;
                store_auth_failures(store).await;
            }
            _ = uses.tick() => store_last_uses(store).await,
            _ = clocks.tick() => compare_clocks(store).await,
            _ = sweeps.tick() => {
                // Through the loop, so that reviews run between the parts of a long sweep.
                if sweep(store).await {
                    sweeps.reset_immediately();
                }
            }
        }
    }
}

/// Returns how many results were applied.
async fn fold(store: &Store) -> u64 {
    let mut folded = Folded::default();
    let outcome = in_steps(&store.pulses().fold, || store.fold_group(), &mut folded).await;
    if let Err(error) = outcome {
        tracing::error!(%error, "the fold failed; it will be tried again");
    }
    if folded.results > 0 {
        tracing::debug!(results = folded.results, "folded results");
    }
    folded.results
}

/// Takes steps until one says that there are no more, and adds up what they did. Each has its own timeout: a long backlog is no
/// reason to give up.
async fn in_steps<T: AddAssign, F: Future<Output = Result<(T, bool), StoreError>>>(
    pulse: &Pulse,
    mut step: impl FnMut() -> F,
    done: &mut T,
) -> Result<(), StoreError> {
    loop {
        let (did, more) = in_time(pulse, step()).await?;
        *done += did;
        if !more {
            return Ok(());
        }
    }
}

async fn refresh_hub(store: &Store) {
    if let Err(error) = in_time(&store.pulses().maintenance, store.refresh_hub()).await {
        tracing::warn!(%error, "cannot tell the other hubs that this one runs");
    }
}

async fn reload_live_settings(store: &Store) {
    if let Err(error) = in_time(&store.pulses().maintenance, store.reload_live_settings()).await {
        tracing::error!(%error, "cannot reload the settings; keeping the current ones");
    }
}

async fn review(store: &Store) {
    match in_time(&store.pulses().maintenance, store.review(Timestamp::now())).await {
        Ok(0) => {}
        Ok(peers) => tracing::debug!(peers, "reviewed peers"),
        Err(error) => tracing::error!(%error, "a review failed; the next one will catch up"),
    }
}

async fn keep_maintenance(store: &Store) {
    match in_time(&store.pulses().maintenance, store.keep_maintenance(Timestamp::now())).await {
        Ok(false) => {}
        Ok(true) => tracing::debug!("other nodes are in maintenance now"),
        Err(error) => tracing::error!(%error, "cannot note which nodes are in maintenance; trying again"),
    }
}

async fn store_last_uses(store: &Store) {
    if let Err(error) = in_time(&store.pulses().maintenance, store.store_last_uses()).await {
        tracing::warn!(%error, "cannot store when tokens and keys were last used; trying again");
    }
}

async fn store_auth_failures(store: &Store) {
    if let Err(error) = in_time(&store.pulses().maintenance, store.store_auth_failures()).await {
        tracing::warn!(%error, "cannot store failed authentications; trying again");
    }
}

/// Results, events and evidence have the time of the hub that took them.
async fn compare_clocks(store: &Store) {
    match in_time(&store.pulses().maintenance, store.compare_clocks(Timestamp::now)).await {
        Ok(difference) if difference.is_too_large() => {
            tracing::warn!(
                "{difference}; hubs whose clocks differ take each other's results for late: synchronise the clocks"
            );
        }
        Ok(_) => {}
        Err(error) => tracing::error!(%error, "cannot compare the clock with the database's"),
    }
}

/// Returns whether expired rows are left.
async fn sweep(store: &Store) -> bool {
    match in_time(&store.pulses().maintenance, store.sweep(Timestamp::now())).await {
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

/// Gives up after a timeout. A panic is a defect, but it must not end the upkeep.
async fn in_time<T>(pulse: &Pulse, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    pulse.beat();
    let work = AssertUnwindSafe(timeout(TIMEOUT, work)).catch_unwind();
    match work.await {
        Ok(done) => done.unwrap_or(Err(StoreError::Unavailable)),
        Err(_) => Err(StoreError::Panicked),
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn folds_of_many_results_begin_at_an_interval_unless_they_take_long(results in BUSY_FOLD..1_000_000, took in 0u64..2000) {
            let took = Duration::from_millis(took);
            let pause = pause_after_fold(results, took);
            prop_assert!(pause >= FOLD_PAUSE);
            prop_assert!(pause == FOLD_PAUSE || took + pause == BUSY_FOLD_INTERVAL, "{pause:?}");
        }

        #[test]
        fn few_results_wait_no_longer_than_the_least_pause(results in 0..BUSY_FOLD, took in 0u64..2000) {
            prop_assert_eq!(pause_after_fold(results, Duration::from_millis(took)), FOLD_PAUSE);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_backlog_is_worked_off_however_long_it_takes_and_one_group_that_hangs_is_given_up() {
        let pulse = &Pulse::default();
        let (mut turns, mut done) = (0, 0);
        let half = || {
            turns += 1;
            async move {
                sleep(TIMEOUT / 2).await;
                assert!(pulse.is_alive());
                Ok((1, turns < 10))
            }
        };
        assert!(in_steps(pulse, half, &mut done).await.is_ok());
        assert_eq!(done, 10);

        let (mut turns, mut done) = (0, 0);
        let hanging = || {
            turns += 1;
            async move {
                sleep(if turns == 3 { TIMEOUT * 2 } else { TIMEOUT / 2 }).await;
                Ok((1, true))
            }
        };
        assert!(matches!(in_steps(pulse, hanging, &mut done).await, Err(StoreError::Unavailable)));
        assert_eq!(done, 2, "what was done before counts");
    }

    #[tokio::test(start_paused = true)]
    async fn work_on_a_database_that_never_answers_is_given_up_and_is_no_reason_for_a_restart() {
        let pulse = Pulse::default();
        let outage = async {
            for _ in 0..10 {
                let given_up = in_time(&pulse, pending::<Result<(), StoreError>>()).await;
                assert!(matches!(given_up, Err(StoreError::Unavailable)));
            }
        };
        let watchdog = async {
            loop {
                assert!(pulse.is_alive());
                sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::select! {
            () = outage => {}
            () = watchdog => unreachable!("it never ends"),
        }
    }
}
