//! The retry loop of one call: from endpoint to endpoint, and round after round, within the caller's deadline.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::debug;

use super::{
    availability::RetryPolicy,
    endpoint::{Endpoint, Endpoints},
    error::BackendError,
};

/// Where the next attempt goes, and how long it may take.
///
/// Within a round the endpoints are tried without a pause; a pause follows every round.
pub(super) struct RetryLoop<'a> {
    endpoints: &'a Endpoints,
    /// Positions of endpoints, in the order to try them. Not empty during an attempt.
    order: Vec<usize>,
    /// The call may go to one endpoint only.
    is_bound: bool,
    policy: RetryPolicy,
    deadline: Instant,
    /// How many endpoints failed in this round.
    failed: usize,
    round: u32,
    /// The shortest pause that an endpoint asked for in this round; `None` when no endpoint may be asked again.
    next_in: Option<Duration>,
    /// Why the first endpoint that did so refused the credentials.
    refusal: Option<BackendError>,
}

impl<'a> RetryLoop<'a> {
    pub(super) fn new(endpoints: &'a Endpoints, order: Vec<usize>, policy: RetryPolicy, deadline: Instant) -> Self {
        let is_bound = order.len() == 1;
        Self { endpoints, order, is_bound, policy, deadline, failed: 0, round: 0, next_in: None, refusal: None }
    }

    /// The position of the endpoint of this attempt.
    pub(super) fn position(&self) -> usize {
        self.order[self.failed]
    }

    pub(super) fn endpoint(&self) -> &'a Endpoint {
        self.endpoints.get(self.position())
    }

    /// The deadline of this attempt: the remaining time is shared among the remaining endpoints of the round, so that
    /// one that hangs leaves time for one that answers.
    pub(super) fn attempt_deadline(&self) -> Instant {
        let now = Instant::now();
        let untried = self.order.len() - self.failed;
        now + self.deadline.saturating_duration_since(now) / untried as u32
    }

    pub(super) fn succeeded(&self) {
        // A call that is bound to one endpoint says nothing about the others.
        if !self.is_bound {
            self.endpoints.use_from_now_on(self.position());
        }
    }

    /// Records that this attempt failed, and waits until the next one is due.
    ///
    /// # Errors
    /// Returns `error` when there is no next attempt: another would not help, the rounds are used up, or the pause
    /// would last beyond the deadline.
    pub(super) async fn failed(&mut self, error: BackendError) -> Result<(), BackendError> {
        if error.is_retryable() {
            let pause = error.retry_after().unwrap_or_default();
            self.next_in = Some(self.next_in.map_or(pause, |others| others.min(pause)));
        }
        let is_last = self.failed + 1 == self.order.len();
        if error.is_unauthorized() {
            // Another one may know them, but this one is not asked twice.
            self.order.remove(self.failed);
            self.refusal.get_or_insert_with(|| error.clone());
        } else if error.should_fail_over() {
            self.failed += 1;
        }
        if !is_last && (error.is_unauthorized() || error.should_fail_over()) {
            return Ok(());
        }
        let pause = self.next_in.filter(|_| self.round + 1 < self.policy.max_rounds);
        let pause = pause.map(|pause| pause.max(self.policy.pause(self.round)));
        let left = self.deadline.saturating_duration_since(Instant::now());
        let Some(pause) = pause.filter(|pause| *pause < left) else {
            return Err(self.refusal.take().unwrap_or(error));
        };
        debug!(?pause, "retrying the request to the backend");
        sleep(pause).await;
        (self.failed, self.next_in) = (0, None);
        self.round += 1;
        Ok(())
    }
}
