//! When a backend is asked again: every pause between requests, of this library and of a daemon that uses it, is
//! decided here.
//!
//! | after | the next request is sent | decided by |
//! |---|---|---|
//! | a retryable error within one call | after a pause that doubles from 0.5 s to 10 s, or after `Retry-After`, while the deadline of the call lasts | [`RetryPolicy`] |
//! | a failover | to the first base URL again after 5 minutes, by one call only | `Cooldown` |
//! | 404, 405 or 501 for a route that some backends lack | after an hour, or at once when the backend turns out to be a hub | `Cooldown` |
//! | a failed call that has a schedule | when it is due next, but not before `Retry-After` has passed, nor within 30 s of 401 or 403 | [`Availability::may_call`] |
//! | a failed call that is repeated until it succeeds | after a pause that doubles from 1 s to 60 s; after 401, 403 or a final refusal 30 s to 60 s; not before `Retry-After` has passed | [`Availability::retry_at`] |
//! | 401 or 403, when there are other credentials | at once | [`Availability::forget_refusals`] |
//!
//! All pauses that double are drawn at random from the upper half of their range, so that probes which failed
//! together do not retry together.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rand::RngExt;
use tokio::time::Instant;

use super::error::BackendError;

/// The longest pause that is taken from a `Retry-After` header; a longer one is most likely a mistake.
pub(super) const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Pause of scheduled calls after 401 or 403.
const UNAUTHORIZED_PAUSE: Duration = Duration::from_secs(30);

/// Pauses of calls that are repeated until they succeed.
const BACKOFF: RetryPolicy =
    RetryPolicy { max_rounds: u32::MAX, first_pause: Duration::from_secs(1), max_pause: Duration::from_secs(60) };

/// How often, and after which pauses, a request is sent again within one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Maximum number of rounds; one round tries every base URL once. At least 1.
    pub max_rounds: u32,
    /// Upper limit of the pause after the first round. It doubles with every further round.
    pub first_pause: Duration,
    /// Upper limit of every pause, unless the backend asks for a longer one by `Retry-After`.
    pub max_pause: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { max_rounds: 5, first_pause: Duration::from_millis(500), max_pause: Duration::from_secs(10) }
    }
}

impl RetryPolicy {
    /// A pause after round `round`, counted from 0: a random part, between one half and the whole, of the doubled and
    /// capped `first_pause`.
    pub fn pause(&self, round: u32) -> Duration {
        let doubled = self.first_pause.saturating_mul(2_u32.saturating_pow(round));
        doubled.min(self.max_pause).mul_f64(rand::rng().random_range(0.5..=1.0))
    }
}

/// A pause of fixed length that begins when something was found not to work.
#[derive(Debug)]
pub(super) struct Cooldown {
    length: Duration,
    began: Mutex<Option<Instant>>,
}

impl Cooldown {
    pub(super) fn new(length: Duration) -> Self {
        Self { length, began: Mutex::default() }
    }

    pub(super) fn begin(&self) {
        *lock(&self.began) = Some(Instant::now());
    }

    pub(super) fn end(&self) {
        *lock(&self.began) = None;
    }

    pub(super) fn is_active(&self) -> bool {
        lock(&self.began).is_some_and(|began| began.elapsed() < self.length)
    }

    /// Begins again if it is over, and returns whether it did: `true` for one caller in each period.
    pub(super) fn begin_again(&self) -> bool {
        let mut began = lock(&self.began);
        let is_over = began.is_none_or(|began| began.elapsed() >= self.length);
        if is_over {
            *began = Some(Instant::now());
        }
        is_over
    }
}

/// A call that a daemon makes to its backend again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum BackendCall {
    /// [`Backend::register`](super::Backend::register)
    Register,
    /// [`Backend::heartbeat`](super::Backend::heartbeat)
    Heartbeat,
    /// [`Backend::peers_page`](super::Backend::peers_page)
    Peers,
    /// [`Backend::send_results`](super::Backend::send_results)
    Results,
    /// [`Backend::report_status`](super::Backend::report_status)
    Status,
    /// [`Backend::orders`](super::Backend::orders)
    Orders,
}

impl BackendCall {
    /// The name of the call in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Heartbeat => "heartbeat",
            Self::Peers => "peers",
            Self::Results => "results",
            Self::Status => "status",
            Self::Orders => "orders",
        }
    }
}

/// The failure of a call that did not succeed since.
#[derive(Debug, Clone)]
pub struct Outage {
    /// When the call failed first.
    pub since: Instant,
    /// Why it failed last.
    pub error: BackendError,
}

/// What follows from a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailedCall {
    /// Whether the log should say so: `false` if the same call failed before, or if the backend is unreachable and
    /// another call has already reported that.
    pub is_news: bool,
    /// When to repeat the call, as [`Availability::retry_at`].
    pub retry_at: Instant,
}

/// What a daemon knows about its backend: which calls fail, since when, and when each may be made again.
///
/// It outlives a [`Backend`](super::Backend), which is replaced when a probe enrolls. Callers report the outcome of
/// every call, and ask before the next one: those with a schedule [`may_call`](Self::may_call), those that repeat a
/// call until it succeeds [`retry_at`](Self::retry_at).
#[derive(Debug, Default)]
pub struct Availability {
    calls: Mutex<BTreeMap<BackendCall, CallState>>,
}

/// The state of a call that is not known to work.
#[derive(Debug, Default)]
struct CallState {
    /// Attempts in a row without success.
    attempts: u32,
    retry_at: Option<Instant>,
    /// No call at all before this time, on schedule or not.
    not_before: Option<Instant>,
    outage: Option<Outage>,
}

impl CallState {
    /// The next pause of the backoff.
    fn next_pause(&mut self) -> Duration {
        let pause = BACKOFF.pause(self.attempts);
        self.attempts = self.attempts.saturating_add(1);
        pause
    }
}

impl Availability {
    /// Whether a scheduled call may be made now: neither `Retry-After` nor refused credentials forbid it.
    pub fn may_call(&self, call: BackendCall) -> bool {
        let not_before = lock(&self.calls).get(&call).and_then(|state| state.not_before);
        not_before.is_none_or(|not_before| not_before <= Instant::now())
    }

    /// When a call that is repeated until it succeeds is made again; `None` if it did not fail and was not postponed
    /// since its last success.
    pub fn retry_at(&self, call: BackendCall) -> Option<Instant> {
        lock(&self.calls).get(&call).and_then(|state| state.retry_at)
    }

    /// The backend answered the call: its outage is over, and no pause is due any more. The backoff is not reset,
    /// because a repeated call may consist of several requests.
    ///
    /// Returns how long the outage lasted, if there was one and no other call fails now.
    pub fn answered(&self, call: BackendCall) -> Option<Duration> {
        let mut calls = lock(&self.calls);
        let state = calls.get_mut(&call)?;
        (state.not_before, state.retry_at) = (None, None);
        let outage = state.outage.take()?;
        calls.values().all(|state| state.outage.is_none()).then(|| outage.since.elapsed())
    }

    /// All requests of the repeated call succeeded: the backoff starts again. An outage lasts until the backend has
    /// [`answered`](Self::answered).
    pub fn completed(&self, call: BackendCall) {
        if let Some(state) = lock(&self.calls).get_mut(&call) {
            (state.attempts, state.retry_at) = (0, None);
        }
    }

    /// The backend answered, but the caller waits for another answer: the call is repeated after the next pause of the
    /// backoff. Returns when.
    pub fn postpone(&self, call: BackendCall) -> Instant {
        let mut calls = lock(&self.calls);
        let state = calls.entry(call).or_default();
        let retry_at = Instant::now() + state.next_pause();
        state.retry_at = Some(retry_at);
        retry_at
    }

    /// The call failed.
    pub fn failed(&self, call: BackendCall, error: &BackendError) -> FailedCall {
        let mut calls = lock(&self.calls);
        let both_unreachable = |outage: &Outage| error.is_unreachable() && outage.error.is_unreachable();
        let is_news = !calls.iter().any(|(other, state)| {
            state.outage.as_ref().is_some_and(|outage| *other == call || both_unreachable(outage))
        });
        let state = calls.entry(call).or_default();
        let now = Instant::now();
        let requested = error.retry_after().unwrap_or_default();
        let backoff = state.next_pause();
        // A retry alone does not help: somebody has to change the configuration.
        let needs_attention = error.is_unauthorized() || error.is_final();
        let pause = if needs_attention { BACKOFF.pause(u32::MAX) } else { backoff };
        let minimum = if error.is_unauthorized() { UNAUTHORIZED_PAUSE } else { Duration::ZERO };
        state.not_before = Some(now + requested.max(minimum));
        let retry_at = now + requested.max(minimum).max(pause);
        state.retry_at = Some(retry_at);
        let since = state.outage.as_ref().map_or(now, |outage| outage.since);
        state.outage = Some(Outage { since, error: error.clone() });
        FailedCall { is_news, retry_at }
    }

    /// The backend is called with other credentials from now on: what it refused before is not known to fail any more, and no
    /// pause is due because of it.
    pub fn forget_refusals(&self) {
        let is_refused = |state: &CallState| state.outage.as_ref().is_some_and(|outage| outage.error.is_unauthorized());
        lock(&self.calls).retain(|_, state| !is_refused(state));
    }

    /// An outage, if any call fails; the first in the order of [`BackendCall`].
    pub fn outage(&self) -> Option<Outage> {
        lock(&self.calls).values().find_map(|state| state.outage.clone())
    }
}

/// A panic of another holder leaves nothing half done here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::{BackendCall::*, *};

    fn failed(retry_after: Option<Duration>) -> BackendError {
        BackendError::Failed { request: "GET /".into(), status: 503, answer: "503".into(), retry_after }
    }

    fn unauthorized() -> BackendError {
        BackendError::Unauthorized {
            request: "".into(),
            status: 401,
            credentials: "NODE_TOKEN",
            answer: "".into(),
            advice: "",
        }
    }

    /// The pause until a repeated call is made again.
    fn pause(availability: &Availability, call: BackendCall) -> Duration {
        availability.retry_at(call).unwrap() - Instant::now()
    }

    #[test]
    fn pauses_within_a_call_double_up_to_the_maximum_and_vary() {
        let policy = RetryPolicy {
            max_rounds: 10,
            first_pause: Duration::from_millis(100),
            max_pause: Duration::from_millis(700),
        };
        for (round, max) in [(0, 100), (1, 200), (2, 400), (3, 700), (40, 700), (u32::MAX, 700)] {
            let max = Duration::from_millis(max);
            for _ in 0..50 {
                let pause = policy.pause(round);
                assert!(pause >= max / 2 && pause <= max, "{pause:?} after round {round}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_cooldown_lasts_for_its_length_and_begins_again_for_one_caller() {
        let cooldown = Cooldown::new(Duration::from_secs(60));
        assert!(!cooldown.is_active());
        cooldown.begin();
        advance(Duration::from_secs(59)).await;
        assert!(cooldown.is_active() && !cooldown.begin_again());
        advance(Duration::from_secs(1)).await;
        assert!(!cooldown.is_active());
        assert!(cooldown.begin_again() && !cooldown.begin_again());
        assert!(cooldown.is_active());
        cooldown.end();
        assert!(!cooldown.is_active());
    }

    #[tokio::test(start_paused = true)]
    async fn a_repeated_call_backs_off_up_to_a_minute_and_starts_anew_after_success() {
        let availability = Availability::default();
        assert_eq!(availability.retry_at(Results), None);
        for max in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            availability.failed(Results, &failed(None));
            let (pause, max) = (pause(&availability, Results), Duration::from_secs(max));
            assert!(pause >= max / 2 && pause <= max, "{pause:?} of {max:?}");
        }
        availability.answered(Results);
        availability.completed(Results);
        assert_eq!(availability.retry_at(Results), None);
        availability.failed(Results, &failed(None));
        assert!(pause(&availability, Results) <= BACKOFF.first_pause);
    }

    #[tokio::test(start_paused = true)]
    async fn one_answer_of_several_does_not_reset_the_backoff() {
        let availability = Availability::default();
        for _ in 0..10 {
            availability.failed(Results, &failed(None));
            availability.answered(Results);
        }
        availability.failed(Results, &failed(None));
        assert!(pause(&availability, Results) >= BACKOFF.max_pause / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_postponed_call_backs_off_without_an_outage() {
        let availability = Availability::default();
        for max in [1, 2, 4, 8] {
            let pause = availability.postpone(Register) - Instant::now();
            assert!(pause >= Duration::from_secs(max) / 2 && pause <= Duration::from_secs(max), "{pause:?} of {max} s");
        }
        assert!(availability.outage().is_none() && availability.may_call(Register));
    }

    #[tokio::test(start_paused = true)]
    async fn a_scheduled_call_is_made_at_its_next_time_after_an_ordinary_failure() {
        let availability = Availability::default();
        availability.failed(Peers, &failed(None));
        assert!(availability.may_call(Peers));
    }

    #[tokio::test(start_paused = true)]
    async fn retry_after_holds_for_scheduled_and_repeated_calls() {
        let availability = Availability::default();
        let requested = Duration::from_secs(120);
        availability.failed(Peers, &failed(Some(requested)));
        assert_eq!(pause(&availability, Peers), requested);
        assert!(!availability.may_call(Peers) && availability.may_call(Status));
        advance(requested - Duration::from_secs(1)).await;
        assert!(!availability.may_call(Peers));
        advance(Duration::from_secs(1)).await;
        assert!(availability.may_call(Peers));
    }

    #[tokio::test(start_paused = true)]
    async fn other_credentials_are_tried_at_once() {
        let availability = Availability::default();
        availability.failed(Heartbeat, &unauthorized());
        availability.failed(Peers, &failed(Some(Duration::from_secs(120))));
        availability.forget_refusals();
        assert!(availability.may_call(Heartbeat) && availability.retry_at(Heartbeat).is_none());
        assert!(
            !availability.may_call(Peers) && availability.outage().is_some(),
            "other failures are none of refusals"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn refused_credentials_are_tried_slowly_from_the_first_time_on() {
        let availability = Availability::default();
        availability.failed(Heartbeat, &unauthorized());
        assert!(pause(&availability, Heartbeat) >= BACKOFF.max_pause / 2);
        advance(UNAUTHORIZED_PAUSE - Duration::from_secs(1)).await;
        assert!(!availability.may_call(Heartbeat));
        advance(Duration::from_secs(1)).await;
        assert!(availability.may_call(Heartbeat));

        availability.failed(Heartbeat, &unauthorized());
        availability.answered(Heartbeat);
        assert!(availability.may_call(Heartbeat));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_news_once_until_the_call_succeeds() {
        let availability = Availability::default();
        assert!(availability.failed(Peers, &failed(None)).is_news);
        assert!(!availability.failed(Peers, &failed(None)).is_news);
        // The backend is unreachable for every call.
        assert!(!availability.failed(Status, &failed(None)).is_news);
        // Refused credentials are another problem.
        assert!(availability.failed(Results, &unauthorized()).is_news);

        advance(Duration::from_secs(5)).await;
        assert_eq!(availability.answered(Peers), None);
        assert_eq!(availability.answered(Status), None);
        assert!(availability.outage().is_some_and(|outage| outage.error.is_unauthorized()));
        assert_eq!(availability.answered(Results), Some(Duration::from_secs(5)));
        assert_eq!(availability.answered(Results), None);
        assert!(availability.outage().is_none());
        assert!(availability.failed(Peers, &failed(None)).is_news);
    }
}
