//! Whether the probe does its work: peers are checked in time, and results are stored.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::Utc;
use easytier_probe::self_check::Doubt;
use easytier_uptime_store::StoreError;
use tokio::time::Instant;

use crate::schedule::Schedule;

/// How many due checks the probe must miss to be unhealthy.
const MAX_MISSED_TIMES: u32 = 3;

/// A shorter time without checks never makes the probe unhealthy: the machine may just be busy.
const MIN_OVERDUE: Duration = Duration::from_secs(10);

/// The health of a probe.
pub struct Health {
    state: Mutex<State>,
}

struct State {
    /// Checks are due this `delay` after the times of the schedule.
    schedule: Schedule,
    delay: Duration,
    /// The longest time that a check may take.
    longest_check: Duration,
    /// Since when `schedule` applies.
    since: Instant,
    last_checks: Option<Instant>,
    /// Why results cannot be stored.
    storage_error: Option<String>,
    /// Why failures are taken for the probe's own.
    doubt: Option<Doubt>,
}

impl Health {
    /// The health of a probe whose checks are due `delay` after the times of `schedule`.
    pub fn new(schedule: Schedule, delay: Duration) -> Self {
        let state = State {
            schedule,
            delay,
            longest_check: Duration::ZERO,
            since: Instant::now(),
            last_checks: None,
            storage_error: None,
            doubt: None,
        };
        Self { state: Mutex::new(state) }
    }

    /// Changes the times at which checks are due from now on.
    pub fn set_schedule(&self, schedule: Schedule, delay: Duration) {
        let mut state = self.state();
        (state.schedule, state.delay, state.since) = (schedule, delay, Instant::now());
    }

    /// Sets the longest time that a check of one of the peers may take. If all peers are silent, that much time passes
    /// without a check that begins or ends.
    pub fn set_longest_check(&self, longest_check: Duration) {
        self.state().longest_check = longest_check;
    }

    /// Records that checks of peers began or ended, or that there are none to check.
    pub fn checks_made(&self) {
        self.state().last_checks = Some(Instant::now());
    }

    /// The time since peers were checked last; `None` if they never were.
    pub fn checks_age(&self) -> Option<Duration> {
        self.state().last_checks.map(|last| last.elapsed())
    }

    /// The time since peers were checked last, or since the start, if it is too long.
    pub fn overdue(&self) -> Option<Duration> {
        let state = self.state();
        let last = state.last_checks.map_or(state.since, |last| last.max(state.since));
        // Uses the monotonic clock: nothing was due while the machine slept, or in a time that the wall clock skipped.
        let age = last.elapsed();
        let idle = age.saturating_sub(state.longest_check);
        #[expect(clippy::disallowed_methods, reason = "a cron expression is due by the wall clock")]
        let were_due = || state.schedule.were_due(MAX_MISSED_TIMES, idle, Utc::now() - state.delay);
        (idle > MIN_OVERDUE && were_due()).then_some(age)
    }

    /// Whether peers are checked in time, whether or not their results can be stored.
    pub fn is_alive(&self) -> bool {
        self.overdue().is_none()
    }

    /// Records that the database stored results. Logs the end of a failure.
    pub fn stored(&self) {
        if self.state().storage_error.take().is_some() {
            tracing::info!("results are stored again");
        }
    }

    /// Records that the database could not store results. Logs the beginning of a failure.
    pub fn not_stored(&self, error: &StoreError) {
        if self.state().storage_error.replace(error.to_string()).is_none() {
            tracing::error!(%error, "results cannot be stored; they are kept in memory and tried again every second");
        }
    }

    /// Why results cannot be stored, if the last attempt failed.
    pub fn storage_error(&self) -> Option<String> {
        self.state().storage_error.clone()
    }

    /// Records whether failures are taken for the probe's own. Logs the beginning and the end.
    pub fn set_doubt(&self, doubt: Option<Doubt>) {
        match (std::mem::replace(&mut self.state().doubt, doubt), doubt) {
            (None, Some(doubt)) => {
                tracing::warn!("this probe seems to be cut off: {doubt}; the failures do not count against the peers");
            }
            (Some(_), None) => tracing::info!("failures count against the peers again"),
            _ => {}
        }
    }

    /// Why failures are taken for the probe's own; `None` if they are not.
    pub fn doubt(&self) -> Option<Doubt> {
        self.state().doubt
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_probe_is_unhealthy_after_three_missed_intervals_but_not_within_ten_seconds() {
        for (interval, limit) in [(1, 11), (60, 180)] {
            let health = Health::new(Schedule::Every(Duration::from_secs(interval)), Duration::ZERO);
            advance(Duration::from_secs(limit - 1)).await;
            assert!(health.is_alive(), "every {interval} s");
            advance(Duration::from_secs(1)).await;
            assert_eq!(health.overdue(), Some(Duration::from_secs(limit)));
            health.checks_made();
            assert!(health.is_alive());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_takes_its_whole_time_does_not_make_the_probe_unhealthy() {
        let health = Health::new(Schedule::Every(Duration::from_secs(5)), Duration::ZERO);
        health.set_longest_check(Duration::from_secs(60));
        advance(Duration::from_secs(60 + 14)).await;
        assert!(health.is_alive());
        advance(Duration::from_secs(1)).await;
        assert_eq!(health.overdue(), Some(Duration::from_secs(75)), "the silence is told as it is");
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_schedule_starts_the_wait_anew() {
        let health = Health::new(Schedule::Every(Duration::from_secs(5)), Duration::ZERO);
        advance(Duration::from_secs(60)).await;
        assert!(!health.is_alive());
        health.set_schedule(Schedule::Every(Duration::from_secs(30)), Duration::ZERO);
        assert!(health.is_alive());
    }
}
