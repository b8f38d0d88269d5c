//! When a peer is joined again that gives no session, because its answer is not one that soon changes.
//!
//! A node that refuses a network, or is only asked for its handshake, would be joined at every check. Old nodes do not
//! survive thousands of joins, so the joins become rarer, and the checks between them repeat the last answer.

use std::time::Duration;

use tokio::time::Instant;

use super::outcome::Outcome;
use crate::{CheckMode, FailureCode, Status};

/// The time without a join after the first such answer. It doubles each time that the answer is the same.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// The longest time without a join.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// An answer that lasts, and when it is asked for again.
pub(super) struct LastingAnswer {
    /// What the check that got the answer found, without its round trips: a repetition measures nothing.
    outcome: Outcome,
    pause: Duration,
    ask_again_at: Instant,
}

impl LastingAnswer {
    /// What is known after a check with this `outcome`. `None` if the next check has to join again. `before` is what was
    /// known before it.
    pub fn after(outcome: &Outcome, mode: CheckMode, before: Option<Box<Self>>) -> Option<Box<Self>> {
        if !lasts(outcome, mode) {
            return None;
        }
        let pause = match before {
            Some(before) if before.outcome.is_same_verdict(outcome) => (before.pause * 2).min(LONGEST_PAUSE),
            _ => FIRST_PAUSE,
        };
        let outcome = outcome.without_measurements();
        Some(Box::new(Self { outcome, pause, ask_again_at: Instant::now() + pause }))
    }

    /// The outcome of a check that is due now; `None` if it has to join again.
    pub fn outcome(&self) -> Option<Outcome> {
        let repeat = || Outcome { is_repeated: true, ..self.outcome.without_measurements() };
        (Instant::now() < self.ask_again_at).then(repeat)
    }
}

/// Whether the peer will give this answer again, unless somebody configures it or the probe differently.
fn lasts(outcome: &Outcome, mode: CheckMode) -> bool {
    use FailureCode::{NetworkMismatch, Rejected, SecretMismatch};
    match &outcome.failure {
        None => mode == CheckMode::Handshake,
        Some(failure) => {
            failure.status() == Status::Offline && matches!(failure.code, Rejected | SecretMismatch | NetworkMismatch)
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::{Failure, Stage};

    fn failed(code: FailureCode) -> Outcome {
        Outcome::failed(Stage::Admit, Failure::new(code, "the message"))
    }

    fn shaken_hands() -> Outcome {
        Outcome { stage: Stage::Handshake, ..Outcome::new() }
    }

    /// The pauses between joins that all have this outcome.
    async fn pauses(outcome: &Outcome, mode: CheckMode, joins: usize) -> Vec<u64> {
        let mut known = None;
        let mut pauses = Vec::new();
        for _ in 0..joins {
            known = LastingAnswer::after(outcome, mode, known);
            let asked_at = Instant::now();
            while let Some(repeated) = known.as_ref().and_then(|known| known.outcome()) {
                assert!(repeated.is_repeated);
                advance(Duration::from_secs(1)).await;
            }
            pauses.push(asked_at.elapsed().as_secs());
        }
        pauses
    }

    #[tokio::test(start_paused = true)]
    async fn the_joins_of_a_peer_that_gives_the_same_answer_become_rarer() {
        const EXPECTED: [u64; 7] = [2, 4, 8, 16, 32, 60, 60];
        for code in [FailureCode::Rejected, FailureCode::SecretMismatch, FailureCode::NetworkMismatch] {
            assert_eq!(pauses(&failed(code), CheckMode::Full, 7).await, EXPECTED, "{code}");
        }
        assert_eq!(pauses(&shaken_hands(), CheckMode::Handshake, 7).await, EXPECTED);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_that_may_end_at_any_time_is_asked_for_at_every_check() {
        for code in [FailureCode::ConnectRefused, FailureCode::PingTimeout, FailureCode::MissedWindow] {
            assert_eq!(pauses(&failed(code), CheckMode::Full, 3).await, [0, 0, 0], "{code}");
        }
        assert_eq!(pauses(&shaken_hands(), CheckMode::Full, 3).await, [0, 0, 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn another_answer_begins_with_the_first_pause() {
        let after = |outcome: &Outcome, before| LastingAnswer::after(outcome, CheckMode::Full, before);
        let known = after(&failed(FailureCode::Rejected), None);
        let known = after(&failed(FailureCode::Rejected), known);
        assert_eq!(known.as_ref().map(|known| known.pause), Some(2 * FIRST_PAUSE));
        let known = after(&failed(FailureCode::SecretMismatch), known);
        assert_eq!(known.map(|known| known.pause), Some(FIRST_PAUSE));
    }
}
