//! Passes checks on to the observer, and holds failures back until it is known whether they are the probe's own.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use easytier_probe::{
    CheckReport, Checker, Peer,
    self_check::{Checked, Finding, Judge, Judged, Reach, Scope, SelfCheckTarget},
};
use futures::FutureExt;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::{health::Health, observer::Observer, panic_message::panic_message};

/// The shortest and the longest time between two looks at the failures that are held back.
const TICKS: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];

/// How long a failure waits while it is not suspicious. When the probe is cut off, checks that fail at once are followed by
/// those that take their whole time, which begin an interval later at last. A check may wait for others as long as it takes.
fn hold(interval: Duration, longest_check: Duration) -> Duration {
    interval + 2 * longest_check
}

/// The rounds of checks: in each, every peer is checked once.
pub struct Rounds {
    observer: Arc<Observer>,
    health: Arc<Health>,
    checker: Checker,
    targets: Vec<SelfCheckTarget>,
    interval: Duration,
    judge: Mutex<Judge<Observation>>,
}

/// A check that may have to wait.
struct Observation {
    peer: Arc<Peer>,
    report: CheckReport,
    since_due: Duration,
}

impl Rounds {
    /// Rounds of checks that are `interval` apart. `targets` say whether the probe is cut off.
    pub fn new(
        observer: Arc<Observer>,
        health: Arc<Health>,
        checker: Checker,
        targets: Vec<SelfCheckTarget>,
        interval: Duration,
    ) -> Self {
        Self { observer, health, checker, targets, interval, judge: Mutex::new(Judge::new(interval)) }
    }

    /// Sets the longest time that a check of one of the peers may take.
    pub fn set_longest_check(&self, longest_check: Duration) {
        self.judge().set_hold(hold(self.interval, longest_check));
    }

    /// Adds a peer.
    pub fn expect(&self, peer: &Peer) {
        self.observer.expect(peer.id);
        if peer.was_online {
            self.judge().expect_online(peer.id, Scope::of_url(&peer.url));
        }
    }

    /// Removes a peer.
    pub fn forget(&self, id: i64) {
        self.judge().forget(id);
        self.observer.forget(id);
    }

    /// Takes a check of a peer that was added and has just ended. `since_due` is the time from when the check was due until
    /// it was done.
    pub fn observe(&self, peer: Arc<Peer>, report: CheckReport, began: Instant, since_due: Duration) {
        let checked =
            Checked { peer_id: peer.id, scope: Scope::of_url(&peer.url), finding: Finding::of(&report), began };
        let observation = Observation { peer, report, since_due };
        let passed = self.judge().observe(Instant::now(), checked, observation);
        if let Some(Observation { peer, report, since_due }) = passed {
            self.observer.observe(&peer, &report, since_due);
        }
    }

    /// Records that a check began.
    pub fn check_started(&self) {
        self.observer.check_started();
    }

    /// Records that the watch of a peer panicked: until its next check the peer has no status.
    pub fn watch_panicked(&self, id: i64) {
        self.observer.watch_panicked(id);
    }

    #[cfg(test)]
    pub fn observer(&self) -> &Arc<Observer> {
        &self.observer
    }

    /// Counts checks that were not done because the probe was late.
    pub fn missed(&self, checks: u64) {
        self.observer.missed(checks);
    }

    /// Decides about failures as they come, until `stop`. Then decides about those that wait.
    pub async fn run(&self, stop: CancellationToken) {
        // Without it no failure would ever be reported, so a panic must not end it.
        while let Err(panic) = AssertUnwindSafe(self.decide_until(&stop)).catch_unwind().await {
            tracing::error!(
                "a defect of this program: the self-check panicked ({}); it goes on",
                panic_message(&*panic)
            );
        }
        self.end_checks().await;
    }

    async fn decide_until(&self, stop: &CancellationToken) {
        let tick = (self.interval / 10).clamp(TICKS[0], TICKS[1]);
        while stop.run_until_cancelled(sleep(tick)).await.is_some() {
            if self.judge().needs_proof() {
                self.decide().await;
            }
            let due = self.judge().release_due(Instant::now());
            self.pass_on(due);
            self.health.set_doubt(self.judge().doubt());
        }
    }

    /// Decides about all failures that wait: the round is over.
    pub async fn end_round(&self) {
        if self.judge().needs_proof() {
            self.decide().await;
        }
        let rest = self.judge().release_all(Instant::now());
        self.pass_on(rest);
        self.health.set_doubt(self.judge().doubt());
    }

    /// Decides about all failures that wait, although not every peer was checked after them.
    async fn end_checks(&self) {
        let asked_at = Instant::now();
        let holds_failures = self.judge().holds_failures();
        let reach = match holds_failures {
            true => Reach::ask(&self.checker, &self.targets).await,
            false => Reach::default(),
        };
        let rest = self.judge().end(asked_at, Instant::now(), reach);
        self.pass_on(rest);
    }

    async fn decide(&self) {
        let asked_at = Instant::now();
        let reach = Reach::ask(&self.checker, &self.targets).await;
        let decided = self.judge().decide(asked_at, Instant::now(), reach);
        self.pass_on(decided);
    }

    fn pass_on(&self, judged: Vec<Judged<Observation>>) {
        for Judged { observation: Observation { peer, mut report, since_due }, doubt } in judged {
            if let Some(doubt) = doubt {
                doubt.apply_to(&mut report);
            }
            self.observer.observe(&peer, &report, since_due);
        }
    }

    fn judge(&self) -> MutexGuard<'_, Judge<Observation>> {
        self.judge.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
