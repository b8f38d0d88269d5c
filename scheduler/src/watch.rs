//! Checks each peer at its own time within the interval, in a task per peer.

use std::{
    collections::HashMap,
    future::poll_fn,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use easytier_probe::{CheckReport, CheckResult, Checker, HeldPeer, Peer, backend::RetryPolicy};
use futures::FutureExt;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep_until, timeout, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{panic_message::panic_message, rounds::Rounds};

/// The longest interval at which sessions are held open; at longer ones each check opens a session.
const MAX_HELD_INTERVAL: Duration = Duration::from_secs(60);

/// Checks are aligned to steps of this length, so that many share a wake-up. A short interval has shorter steps.
const STEP: Duration = Duration::from_millis(100);

/// How many new peers are checked at once. When there are more, all wait for their time within the interval.
const MAX_AT_ONCE: usize = 32;

/// The pauses before the watch of a peer that panicked starts again.
const RESTART: RetryPolicy =
    RetryPolicy { max_rounds: u32::MAX, first_pause: Duration::from_secs(1), max_pause: Duration::from_secs(60) };

/// How to check the peers.
#[derive(Debug, Clone)]
pub struct WatchOptions {
    /// The time from one check of a peer to the next.
    pub interval: Duration,
    /// The timeout of a whole check, for peers without a timeout of their own.
    pub timeout: Duration,
    /// How long the checks in flight may take at the end.
    pub grace: Duration,
}

impl WatchOptions {
    /// Whether a session is held open with every peer.
    pub fn holds_sessions(&self) -> bool {
        self.interval <= MAX_HELD_INTERVAL
    }
}

/// Checks the peers that [`set_peers`](Self::set_peers) sets.
pub struct Watch {
    watcher: Arc<Watcher>,
    /// The tasks by peer id.
    watched: HashMap<i64, Watched>,
    tracker: TaskTracker,
    stop: CancellationToken,
}

struct Watched {
    listed: Listed,
    /// Cancelled when the peer was removed or replaced: the check in flight is dropped.
    gone: CancellationToken,
}

/// A peer as it is listed now. Its name and tags may change while it is watched.
#[derive(Clone)]
struct Listed(Arc<Mutex<Arc<Peer>>>);

impl Listed {
    fn new(peer: Peer) -> Self {
        Self(Arc::new(Mutex::new(Arc::new(peer))))
    }

    fn peer(&self) -> Arc<Peer> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, peer: Peer) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(peer);
    }
}

/// The state that all tasks share.
struct Watcher {
    checker: Checker,
    rounds: Arc<Rounds>,
    options: WatchOptions,
    /// One permit for each session that may be opened at the same time.
    session_permits: Semaphore,
    started: Instant,
}

/// How many peers [`Watch::set_peers`] added, changed and removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changes {
    pub added: usize,
    pub changed: usize,
    pub removed: usize,
}

impl Changes {
    /// Compares two lists of peers by their ids.
    pub fn between(before: &[Peer], after: &[Peer]) -> Self {
        let before: HashMap<i64, &Peer> = before.iter().map(|peer| (peer.id, peer)).collect();
        let kept = after.iter().filter_map(|peer| Some((*before.get(&peer.id)?, peer)));
        let (kept, same) =
            kept.fold((0, 0), |(kept, same), (was, is)| (kept + 1, same + usize::from(was.is_listed_like(is))));
        Self { added: after.len() - kept, changed: kept - same, removed: before.len() - kept }
    }
}

impl Watch {
    /// Checks nothing until [`set_peers`](Self::set_peers) is called.
    pub fn new(checker: Checker, rounds: Arc<Rounds>, options: WatchOptions) -> Self {
        let session_permits = Semaphore::new(checker.max_checks());
        let watcher = Watcher { checker, rounds, options, session_permits, started: Instant::now() };
        Self {
            watcher: Arc::new(watcher),
            watched: HashMap::new(),
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }

    /// Checks these peers and no others. A peer keeps its session as long as nothing changes that its check depends on; else
    /// it gets a new task.
    pub fn set_peers(&mut self, peers: Vec<Peer>) -> Changes {
        let mut changes = Changes::default();
        let mut before = std::mem::take(&mut self.watched);
        let mut new = Vec::new();
        for peer in peers {
            match before.remove(&peer.id) {
                Some(watched) => {
                    let was = watched.listed.peer();
                    changes.changed += usize::from(!was.is_listed_like(&peer));
                    if was.is_checked_like(&peer) {
                        watched.listed.replace(peer);
                        self.watched.insert(was.id, watched);
                        continue;
                    }
                    watched.gone.cancel();
                }
                None => changes.added += 1,
            }
            new.push(peer);
        }
        let at_once = new.len() <= MAX_AT_ONCE;
        for peer in new {
            self.watched.insert(peer.id, self.watch(peer, at_once));
        }
        for (id, gone) in before {
            changes.removed += 1;
            gone.gone.cancel();
            self.watcher.rounds.forget(id);
        }
        changes
    }

    /// The peer with this id as it is listed now.
    pub fn peer(&self, id: i64) -> Option<Arc<Peer>> {
        Some(self.watched.get(&id)?.listed.peer())
    }

    fn watch(&self, peer: Peer, at_once: bool) -> Watched {
        self.watcher.rounds.expect(&peer);
        let gone = CancellationToken::new();
        let listed = Listed::new(peer);
        let watch = Arc::clone(&self.watcher).supervise(listed.clone(), at_once, self.stop.clone());
        self.tracker.spawn(until(gone.clone(), watch));
        Watched { listed, gone }
    }

    /// Ends all tasks. Checks in flight may take [`WatchOptions::grace`] to finish.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// Runs `watch` until `gone` is cancelled. Boxed, because `run_until_cancelled_owned` returns a future about three times the
/// size of its argument.
fn until(gone: CancellationToken, watch: impl Future<Output = ()>) -> impl Future<Output = Option<()>> {
    gone.run_until_cancelled_owned(Box::pin(watch))
}

impl Watcher {
    /// Watches a peer, and starts over when that panics, so that no peer is left unwatched.
    async fn supervise(self: Arc<Self>, listed: Listed, at_once: bool, stop: CancellationToken) {
        let mut panics = 0;
        loop {
            let started = Instant::now();
            // Boxed, so that the supervision adds little to the memory of a task.
            let watch = Box::pin(Arc::clone(&self).watch(listed.clone(), at_once, stop.clone()));
            let Err(panic) = AssertUnwindSafe(watch).catch_unwind().await else { return };
            panics = if started.elapsed() > RESTART.max_pause { 0 } else { panics };
            let pause = RESTART.pause(panics);
            panics = panics.saturating_add(1);
            let peer = listed.peer();
            self.rounds.watch_panicked(peer.id);
            tracing::error!(
                url = %peer.url,
                "a defect of this program: the watch of a peer panicked ({}); it starts again in {pause:.1?}",
                panic_message(&*panic)
            );
            if timeout(pause, stop.cancelled()).await.is_ok() {
                return;
            }
        }
    }

    async fn watch(self: Arc<Self>, listed: Listed, at_once: bool, stop: CancellationToken) {
        let peer = listed.peer();
        let mut held = self.checker.hold(Peer::clone(&peer));
        let now = Instant::now();
        let mut due = if at_once { now } else { self.next_due(peer.id, now) };
        loop {
            let mut check = pin!(self.check(&mut held, due));
            let report = tokio::select! {
                report = &mut check => Some(report),
                () = stop.cancelled() => match due <= Instant::now() {
                    true => timeout_at(Instant::now() + self.options.grace, check).await.ok(),
                    false => None,
                },
            };
            let now = Instant::now();
            let mut lasted_over = 0;
            if let Some((mut report, began)) = report {
                lasted_over = self.due_during(&peer, began, now);
                count_due_times(&mut report.result, lasted_over);
                self.rounds.observe(listed.peer(), report, began.min(now), now.saturating_duration_since(due));
            }
            if stop.is_cancelled() {
                return;
            }
            let next = self.next_due(peer.id, now);
            let passed = next.saturating_duration_since(due).as_nanos() / self.options.interval.as_nanos();
            self.rounds.missed(passed.saturating_sub(1 + u128::from(lasted_over)) as u64);
            due = next;
        }
    }

    /// Runs the check that is due at `due`, or reports the end of the open session before that; with the time at which the
    /// check began.
    async fn check(&self, held: &mut HeldPeer, due: Instant) -> (CheckReport, Instant) {
        if held.is_open() {
            return with_begin(due, pin!(held.next(due))).await;
        }
        sleep_until(due).await;
        // The semaphore is never closed.
        let _permit = self.session_permits.acquire().await;
        self.rounds.check_started();
        match self.options.holds_sessions() {
            true => with_begin(due, pin!(held.next(due))).await,
            // Boxed, because the future of a check is large, and most tasks only wait.
            false => with_begin(due, Box::pin(self.checker.check(held.peer()))).await,
        }
    }

    /// How many times the peer was due during a check from `began` to `ended`. Time beyond the timeout of the check does not
    /// count: the machine stood still.
    fn due_during(&self, peer: &Peer, began: Instant, ended: Instant) -> u32 {
        let took = ended.saturating_duration_since(began).min(peer.timeout.unwrap_or(self.options.timeout));
        let passed = self.next_due(peer.id, began + took) - self.next_due(peer.id, began);
        (passed.as_nanos() / self.options.interval.as_nanos()) as u32
    }

    /// The first time after `now` at which the peer is due. Its offset within the interval is the fractional part of its
    /// id times the golden ratio, which spreads any number of consecutive ids evenly.
    fn next_due(&self, id: i64, now: Instant) -> Instant {
        const GOLDEN_RATIO: f64 = 0.618_033_988_749_894_9;
        let interval = self.options.interval;
        let step = STEP.min(interval / 10).max(Duration::from_millis(1));
        let steps = (interval.as_nanos() / step.as_nanos()).max(1) as u32;
        let place = ((id as f64 * GOLDEN_RATIO).rem_euclid(1.0) * f64::from(steps)) as u32;
        let first = self.started + step * place;
        if now < first {
            return first;
        }
        let passed = now.saturating_duration_since(first).as_nanos() / interval.as_nanos();
        first + interval * (passed as u32 + 1)
    }
}

/// The report of a check, and the time at which the check began: its first poll after `due`.
async fn with_begin(due: Instant, mut check: impl Future<Output = CheckReport> + Unpin) -> (CheckReport, Instant) {
    let mut began = None;
    let outcome = poll_fn(|context| {
        let now = Instant::now();
        began = began.or((now >= due).then_some(now));
        Pin::new(&mut check).poll(context)
    });
    (outcome.await, began.unwrap_or(due))
}

/// Counts a long check once more for each of the `times` at which the peer was due while it lasted, so that slow checks
/// weigh as much as fast ones.
fn count_due_times(result: &mut CheckResult, times: u32) {
    result.checks += times;
    result.healthy = result.healthy.map(|healthy| healthy * result.checks);
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use easytier_probe::{Access, CheckMode, CheckOptions, Membership, Origin};
    use tracing_subscriber::{Layer, layer, layer::SubscriberExt, util::SubscriberInitExt};

    use super::*;
    use crate::{health::Health, metrics::Metrics, observer::Observer, schedule::Schedule};

    /// A running check that opens a session takes twice this size.
    const MAX_BYTES: usize = 5000;

    /// A watch with the default intervals.
    fn watch() -> Watch {
        let seconds = Duration::from_secs(5);
        let options = WatchOptions { interval: seconds, timeout: seconds, grace: seconds };
        let observer = Arc::new(Observer::new(Metrics::default()));
        let health = Arc::new(Health::new(Schedule::Every(seconds), Duration::ZERO));
        let checker = Checker::new(CheckOptions::default());
        let rounds = Rounds::new(observer, health, checker.clone(), Vec::new(), seconds);
        Watch::new(checker, Arc::new(rounds), options)
    }

    fn peer(id: i64) -> Peer {
        Peer::local(id, "tcp://192.0.2.1:11010".parse().unwrap())
    }

    #[test]
    fn every_time_at_which_a_silent_peer_is_due_has_a_verdict() {
        let Watch { watcher, .. } = watch();
        for id in 1..100 {
            let peer = peer(id);
            let first = watcher.next_due(id, watcher.started);
            let mut due = first;
            let mut verdicts = 0;
            for late in [0, 1, 1, 30, 200] {
                let began = due + Duration::from_millis(late);
                let ended = began + Duration::from_millis(5001);
                verdicts += 1 + watcher.due_during(&peer, began, ended);
                due = watcher.next_due(id, ended);
            }
            assert_eq!(first + watcher.options.interval * verdicts, due, "peer {id}");
        }
    }

    #[test]
    fn a_check_stands_for_no_more_than_its_own_time() {
        let Watch { watcher, .. } = watch();
        let began = watcher.next_due(1, watcher.started);
        let due_during = |peer: &Peer, millis| watcher.due_during(peer, began, began + Duration::from_millis(millis));
        let usual = peer(1);
        let patient = Peer { timeout: Some(Duration::from_secs(60)), ..peer(1) };
        assert_eq!([0, 4999, 5000].map(|millis| due_during(&usual, millis)), [0, 0, 1]);
        // The machine stood still for an hour.
        assert_eq!([&usual, &patient].map(|peer| due_during(peer, 3_600_000)), [1, 12]);
        // The session ended before the check was due.
        assert_eq!(watcher.due_during(&usual, began, began - Duration::from_secs(2)), 0);
    }

    /// Panics at the first log lines of the observer, which is no part of a check.
    struct Panics(AtomicU32);

    impl<S: tracing::Subscriber> Layer<S> for Panics {
        fn on_event(&self, event: &tracing::Event<'_>, _: layer::Context<'_, S>) {
            let is_observer = event.metadata().target().ends_with("observer");
            assert!(!is_observer || self.0.fetch_add(1, Relaxed) >= 2, "a panic in the observer");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_panics_is_counted_and_starts_again() {
        let _panics = tracing_subscriber::registry().with(Panics(AtomicU32::new(0))).set_default();
        let mut watch = watch();
        let observer = Arc::clone(watch.watcher.rounds.observer());
        let metrics = observer.metrics().clone();
        // No node can have this address: its check fails at once.
        watch.set_peers(vec![Peer::local(1, "tcp://0.0.0.1:11010".parse().unwrap())]);
        while metrics.watch_panics() < 1 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!((observer.summary().unknown, observer.summary().total()), (1, 1), "its last status is not kept");
        // The first check that is observed without a panic is a result.
        while observer.take().is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(metrics.watch_panics(), 2);
        watch.stop().await;
    }

    /// The peers that the watch checks, and whether their tasks are those of the peers before.
    fn kept(before: Peer, after: Peer) -> (Peer, bool, Changes) {
        let mut watch = watch();
        watch.set_peers(vec![before]);
        let task = watch.watched[&1].gone.clone();
        let changes = watch.set_peers(vec![after]);
        (Peer::clone(&watch.watched[&1].listed.peer()), !task.is_cancelled(), changes)
    }

    #[tokio::test]
    async fn a_rename_keeps_the_session_and_a_change_of_the_check_does_not() {
        let named = Peer { name: Some("new".to_owned()), ..peer(1) };
        let same_check =
            [named, Peer { tags: vec!["new".to_owned()], ..peer(1) }, Peer { allow_relay: true, ..peer(1) }];
        let other_check = [
            Peer { url: "tcp://192.0.2.2:11010".parse().unwrap(), ..peer(1) },
            Peer {
                access: Access::Member(Membership { network_name: "n".into(), network_secret: "s".into() }),
                ..peer(1)
            },
            Peer { mode: CheckMode::Handshake, ..peer(1) },
            Peer { timeout: Some(Duration::from_secs(1)), ..peer(1) },
            Peer { origin: Origin::Remote, ..peer(1) },
        ];
        let one_changed = Changes { changed: 1, ..Changes::default() };
        for (peers, is_kept) in [(&same_check[..], true), (&other_check[..], false)] {
            for after in peers {
                assert_eq!(kept(peer(1), after.clone()), (after.clone(), is_kept, one_changed), "{after:?}");
            }
        }
        // The status at the backend changes by itself.
        for same in [peer(1), Peer { was_online: true, ..peer(1) }] {
            assert_eq!(kept(peer(1), same.clone()), (same.clone(), true, Changes::default()));
            assert_eq!(Changes::between(&[peer(1)], &[same]), Changes::default());
        }
    }

    #[test]
    fn a_peer_that_waits_for_its_check_takes_little_memory() {
        let watch = watch();
        let peer = peer(1);
        let waits = Arc::clone(&watch.watcher).watch(Listed::new(peer.clone()), false, watch.stop.clone());
        let supervised = Arc::clone(&watch.watcher).supervise(Listed::new(peer), false, watch.stop.clone());
        let bytes =
            size_of_val(&waits) + size_of_val(&supervised) + size_of_val(&until(CancellationToken::new(), supervised));
        assert!(bytes <= MAX_BYTES, "{bytes} bytes");
    }
}
