//! What the hub knows of one managed probe, and what is due for it. It does no I/O.

use std::time::Duration;

use easytier_uptime_store::domain::{
    ConfigVersion, Contact, ManageProblem, Managed, NewContact, ProbePath, PullState, PushState, Timestamp,
};
use tokio::time::Instant;

use super::statistics::Statistics;

/// The time between two tries to push a configuration to a probe that does not have it, and between two questions for statistics.
pub(super) const INTERVAL: Duration = Duration::from_secs(10);

/// The time between two questions for statistics over a connection that the probe made: each is a row of the database.
const REVERSE_INTERVAL: Duration = Duration::from_secs(60);

/// How long a probe may tell nothing before its statistics are unavailable.
const SILENCE: Duration = Duration::from_secs(60);

/// What is due for a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    Push,
    Pull,
}

/// How a probe was reached, and how long its answer took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reached {
    pub path: ProbePath,
    pub round_trip: Duration,
    /// Whether it has a backend, if it says so.
    pub has_backend: Option<bool>,
}

/// A configuration that a probe took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pushed {
    pub version: ConfigVersion,
    /// The revision of what the operator said of the probe.
    pub revision: i64,
    pub reached: Reached,
}

/// A managed probe.
pub(super) struct Member {
    pub managed: Managed,
    /// Whether something is being asked of it.
    pub is_busy: bool,
    has_backend: bool,
    /// Whether what is known differs from what is stored.
    is_news: bool,
    push_at: Instant,
    pull_at: Instant,
}

impl Member {
    /// A probe whose first question for statistics is somewhere within the interval, by its id.
    pub fn new(managed: Managed, now: Instant) -> Self {
        let share = f64::from(u32::try_from(managed.probe.id.0.rem_euclid(1000)).unwrap_or_default()) / 1000.0;
        Self {
            has_backend: managed.enrollment.is_none(),
            managed,
            is_busy: false,
            is_news: false,
            push_at: now,
            pull_at: now + INTERVAL.mul_f64(share),
        }
    }

    /// Takes what was stored, such as after a change of the operator. What is known of the contact stays, unless the operator changed
    /// something.
    pub fn renew(&mut self, managed: Managed, now: Instant) {
        let known = self.managed.probe.contact.clone();
        let is_changed = managed.probe.revision != self.managed.probe.revision;
        self.managed = managed;
        if is_changed {
            (self.push_at, self.pull_at) = (now, now);
        } else {
            self.managed.probe.contact = known;
        }
    }

    /// What is due. `version`: that of the configuration that the hub holds.
    pub fn due(&self, version: ConfigVersion, now: Instant) -> Option<Work> {
        match self.is_busy {
            true => None,
            false if self.push_at <= now && self.managed.probe.is_outdated(version) => Some(Work::Push),
            false if self.pull_at <= now => Some(Work::Pull),
            false => None,
        }
    }

    /// A newer configuration is pushed at once, whatever became of the last try.
    pub fn push_now(&mut self, now: Instant) {
        self.push_at = now;
    }

    /// Notes the outcome of a push.
    pub fn pushed(&mut self, outcome: Result<Pushed, ManageProblem>, now: Instant, at: Timestamp) {
        self.push_at = now + INTERVAL;
        match outcome {
            Ok(Pushed { version, revision, reached }) => {
                self.reached(reached);
                let contact = self.contact();
                contact.push_state = match reached.path {
                    ProbePath::Proxy => PushState::Dirty,
                    ProbePath::Direct | ProbePath::Reverse => PushState::Available,
                };
                (contact.pushed, contact.pushed_revision) = (version, revision);
                contact.pushed_at = Some(at);
            }
            Err(problem) => {
                let contact = self.contact();
                contact.push_state = PushState::Unavailable;
                contact.problem = Some(problem);
            }
        }
    }

    /// Notes the outcome of a question for statistics.
    pub fn pulled(&mut self, outcome: Result<(Reached, Statistics), ManageProblem>, now: Instant, at: Timestamp) {
        let is_reverse = matches!(&outcome, Ok((Reached { path: ProbePath::Reverse, .. }, _)));
        self.pull_at = now + if is_reverse { REVERSE_INTERVAL } else { INTERVAL };
        match outcome {
            Ok((reached, statistics)) => {
                self.reached(reached);
                let contact = self.contact();
                contact.pull_state = PullState::Available;
                contact.pulled_at = Some(at);
                contact.count(statistics.bytes);
                // It forgot what it held, such as after 'daemon --reset-control'.
                if statistics.holds.is_some_and(|holds| holds < contact.pushed) {
                    contact.pushed = statistics.holds.unwrap_or_default();
                }
            }
            Err(problem) => {
                let silent_since = self.managed.probe.contact.pulled_at.unwrap_or(self.managed.probe.added_at);
                let contact = self.contact();
                if at.since(silent_since) >= SILENCE {
                    contact.pull_state = PullState::Unavailable;
                }
                contact.problem = Some(problem);
            }
        }
    }

    /// Tries again later.
    pub fn put_off(&mut self, now: Instant) {
        (self.push_at, self.pull_at) = (now + INTERVAL, now + INTERVAL);
    }

    /// What has to be stored, once.
    pub fn news(&mut self) -> Option<NewContact> {
        let Managed { probe, .. } = &self.managed;
        let news = NewContact { id: probe.id, contact: probe.contact.clone(), has_backend: self.has_backend };
        std::mem::take(&mut self.is_news).then_some(news)
    }

    /// What was not stored has to be stored later.
    pub fn store_again(&mut self) {
        self.is_news = true;
    }

    fn reached(&mut self, Reached { path, round_trip, has_backend }: Reached) {
        if has_backend == Some(true) {
            self.has_backend = true;
            self.managed.enrollment = None;
        }
        let contact = self.contact();
        contact.problem = None;
        contact.path = Some(path);
        contact.round_trip_us = Some(i64::try_from(round_trip.as_micros()).unwrap_or(i64::MAX));
    }

    fn contact(&mut self) -> &mut Contact {
        self.is_news = true;
        &mut self.managed.probe.contact
    }
}
