//! The time of one check.

use std::{sync::OnceLock, time::Duration};

use tokio::time::Instant;

/// The part of the timeout, as a divisor, that an attempt may lose to other checks while the clock runs.
const TOLERATED_LOSS: u32 = 10;

/// The time that all addresses of a peer share. It begins when the first of them has its turn, so that waiting for other
/// checks takes nothing from it. An address whose turn comes later does not prolong it.
pub(super) struct CheckClock {
    timeout: Duration,
    /// What resolving the peer left of the timeout.
    remaining: Duration,
    /// When the wait for the first turn ends.
    latest_start: Instant,
    deadline: OnceLock<Instant>,
}

/// The part of a check's time that an attempt has.
pub(super) struct Share {
    pub deadline: Instant,
    /// Whether other work of the probe took so much of the time that a missing answer says nothing about the node.
    pub is_short: bool,
}

impl CheckClock {
    /// The clock of a check with this timeout, of which resolving took `resolving`. It waits for the first turn as long as
    /// the check may take.
    pub fn new(timeout: Duration, resolving: Duration) -> Self {
        let remaining = timeout.saturating_sub(resolving);
        Self { timeout, remaining, latest_start: Instant::now() + timeout, deadline: OnceLock::new() }
    }

    /// When the wait for a turn ends that is asked for now.
    pub fn turn_deadline(&self) -> Instant {
        self.deadline.get().copied().unwrap_or(self.latest_start)
    }

    /// Starts the clock unless it runs, for an attempt whose turn has come and was asked for at `asked_at`. `None` if the
    /// time is over.
    pub fn start_attempt(&self, asked_at: Instant) -> Option<Share> {
        let now = Instant::now();
        let deadline = *self.deadline.get_or_init(|| now + self.remaining);
        let started_at = deadline - self.remaining;
        let lost = now - asked_at.max(started_at);
        let is_short = lost > self.timeout / TOLERATED_LOSS || self.remaining < self.timeout / 2;
        (deadline > now).then_some(Share { deadline, is_short })
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(5);
    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn the_time_begins_with_the_first_turn() {
        let clock = CheckClock::new(TIMEOUT, SECOND);
        assert_eq!(clock.turn_deadline(), Instant::now() + TIMEOUT);
        let asked_at = Instant::now();
        advance(TIMEOUT).await;
        let share = clock.start_attempt(asked_at).unwrap();
        assert_eq!((share.deadline, share.is_short), (Instant::now() + TIMEOUT - SECOND, false));
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_turn_prolongs_nothing_and_is_short_of_time_only_after_a_wait_for_other_checks() {
        let clock = CheckClock::new(TIMEOUT, Duration::ZERO);
        let created = Instant::now();
        advance(SECOND).await;
        let first = clock.start_attempt(created).unwrap();
        advance(SECOND).await;
        // It was asked for when the clock started, just now, or long before the clock started.
        let now = Instant::now();
        for (asked_at, is_short) in [(now - SECOND, true), (now, false), (created, true)] {
            let share = clock.start_attempt(asked_at).unwrap();
            assert_eq!((share.deadline, share.is_short), (first.deadline, is_short));
        }
        assert_eq!(clock.turn_deadline(), first.deadline);
        advance(TIMEOUT).await;
        assert!(clock.start_attempt(now).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_slow_look_up_every_attempt_is_short_of_time() {
        for (resolving, is_short) in [(2 * SECOND, false), (3 * SECOND, true)] {
            assert_eq!(CheckClock::new(TIMEOUT, resolving).start_attempt(Instant::now()).unwrap().is_short, is_short);
        }
        assert!(CheckClock::new(TIMEOUT, TIMEOUT).start_attempt(Instant::now()).is_none());
    }
}
