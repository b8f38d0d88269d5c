//! The attempts at one request: from base URL to base URL, and round after round, within the caller's deadline.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::debug;

use super::{
    base::{Base, Bases},
    error::BackendError,
    retry::RetryPolicy,
};

/// Where the next attempt goes, and until when it may last.
///
/// The base URLs of a round follow each other without a pause; between the rounds there is one.
pub(super) struct Attempts<'a> {
    bases: &'a Bases,
    /// Positions of base URLs.
    order: Vec<usize>,
    policy: RetryPolicy,
    deadline: Instant,
    /// How many base URLs of this round failed.
    failed: usize,
    round: u32,
    /// The wait until the first of this round's base URLs may be asked again; `None` when none may.
    next_in: Option<Duration>,
}

impl<'a> Attempts<'a> {
    pub(super) fn new(bases: &'a Bases, order: Vec<usize>, policy: RetryPolicy, deadline: Instant) -> Self {
        Self { bases, order, policy, deadline, failed: 0, round: 0, next_in: None }
    }

    pub(super) fn position(&self) -> usize {
        self.order[self.failed]
    }

    pub(super) fn base(&self) -> &'a Base {
        self.bases.get(self.position())
    }

    /// When this attempt is given up: the rest of the time is shared out among the rest of the round, so that a
    /// base URL which doesn't answer leaves time for one that does.
    pub(super) fn deadline(&self) -> Instant {
        let now = Instant::now();
        let untried = self.order.len() - self.failed;
        now + self.deadline.saturating_duration_since(now) / untried as u32
    }

    pub(super) fn succeeded(&self) {
        // A request that may go to one base URL alone says nothing about the others.
        if self.order.len() > 1 {
            self.bases.works(self.position());
        }
    }

    /// Comes back when the next attempt is due; gives the error back when there is none.
    pub(super) async fn failed(&mut self, error: BackendError) -> Result<(), BackendError> {
        if error.is_retryable() {
            let wait = error.retry_after().unwrap_or_default();
            self.next_in = Some(self.next_in.map_or(wait, |others| others.min(wait)));
        }
        if error.is_of_this_base_url() && self.failed + 1 < self.order.len() {
            self.failed += 1;
            return Ok(());
        }
        let Some(wait) = self.next_in.filter(|_| self.round + 1 < self.policy.rounds) else {
            return Err(error);
        };
        let wait = wait.max(self.policy.pause(self.round));
        if wait >= self.deadline.saturating_duration_since(Instant::now()) {
            return Err(error);
        }
        debug!(?wait, "asking the backend again");
        sleep(wait).await;
        (self.failed, self.next_in) = (0, None);
        self.round += 1;
        Ok(())
    }
}
