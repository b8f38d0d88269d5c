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
                contact.problem = None;
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
                // What keeps the configuration from a probe that answers is still so.
                if contact.push_state != PushState::Unavailable {
                    contact.problem = None;
                }
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
        contact.path = Some(path);
        contact.round_trip_us = Some(i64::try_from(round_trip.as_micros()).unwrap_or(i64::MAX));
    }

    fn contact(&mut self) -> &mut Contact {
        self.is_news = true;
        &mut self.managed.probe.contact
    }
}

#[cfg(test)]
mod tests {
    use easytier_uptime_store::domain::{ManagedProbe, ProbeId};
    use proptest::{collection::vec, prelude::*, prop_oneof};

    use super::*;

    const VERSION: ConfigVersion = ConfigVersion { epoch: 1, version: 5 };
    const AT: Timestamp = Timestamp(1_800_000_000_000);

    fn member(now: Instant) -> Member {
        let contact = Contact {
            pushed: ConfigVersion::default(),
            pushed_revision: 0,
            push_state: PushState::Untried,
            pull_state: PullState::Untried,
            path: None,
            round_trip_us: None,
            problem: None,
            pushed_at: None,
            pulled_at: None,
            usage_bytes: 0,
            counted_bytes: 0,
        };
        let probe = ManagedProbe {
            id: ProbeId(500),
            server_id: "p".to_owned(),
            region: "eu".parse().unwrap(),
            address: None,
            settings: Default::default(),
            revision: 1,
            contact,
            added_at: AT,
        };
        Member::new(Managed { probe, token: None, enrollment: Some("node token".into()) }, now)
    }

    fn reached(path: ProbePath, has_backend: Option<bool>) -> Reached {
        Reached { path, round_trip: Duration::from_millis(3), has_backend }
    }

    fn taken(path: ProbePath, version: ConfigVersion) -> Result<Pushed, ManageProblem> {
        Ok(Pushed { version, revision: 1, reached: reached(path, None) })
    }

    fn told(bytes: i64, holds: Option<ConfigVersion>) -> Result<(Reached, Statistics), ManageProblem> {
        Ok((reached(ProbePath::Direct, Some(true)), Statistics { bytes, holds }))
    }

    #[tokio::test(start_paused = true)]
    async fn a_push_that_failed_is_repeated_after_ten_seconds_or_at_once_for_a_newer_configuration() {
        let now = Instant::now();
        let mut member = member(now);
        assert_eq!(member.due(VERSION, now), Some(Work::Push));
        member.pushed(Err(ManageProblem::WrongToken), now, AT);
        let contact = &member.managed.probe.contact;
        assert_eq!((contact.push_state, &contact.problem), (PushState::Unavailable, &Some(ManageProblem::WrongToken)));
        let seconds = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(member.due(VERSION, seconds(1)), None);
        assert_eq!(member.due(VERSION, seconds(10)), Some(Work::Push));
        member.push_now(seconds(1));
        assert_eq!(member.due(VERSION, seconds(1)), Some(Work::Push));
        member.is_busy = true;
        assert_eq!(member.due(VERSION, seconds(99)), None, "one question at a time");
        member.is_busy = false;

        member.pushed(taken(ProbePath::Proxy, VERSION), seconds(1), AT);
        let contact = &member.managed.probe.contact;
        assert_eq!(
            (contact.push_state, &contact.problem, contact.path),
            (PushState::Dirty, &None, Some(ProbePath::Proxy))
        );
        assert_eq!(member.due(VERSION, seconds(20)), Some(Work::Pull), "it has the configuration");
        let newer = ConfigVersion { version: 6, ..VERSION };
        assert_eq!(member.due(newer, seconds(20)), Some(Work::Push));
    }

    #[tokio::test(start_paused = true)]
    async fn statistics_are_unavailable_after_a_minute_without_an_answer() {
        let now = Instant::now();
        let mut member = member(now);
        member.pushed(taken(ProbePath::Direct, VERSION), now, AT);
        assert_eq!(member.due(VERSION, now + INTERVAL / 2), Some(Work::Pull), "half of the interval, by its id");
        member.pulled(told(10, None), now, AT);
        assert!(member.managed.enrollment.is_none(), "it has a backend");
        for (seconds, state) in [(59, PullState::Available), (60, PullState::Unavailable)] {
            let later = AT + Duration::from_secs(seconds);
            member.pulled(Err(ManageProblem::Slow { seconds: 10 }), now, later);
            assert_eq!(member.managed.probe.contact.pull_state, state, "{seconds}");
        }
        assert_eq!(member.due(VERSION, now + INTERVAL), Some(Work::Pull));
        member.pulled(told(12, None), now, AT);
        assert_eq!(member.managed.probe.contact.pull_state, PullState::Available);
        assert_eq!(member.managed.probe.contact.usage_bytes, 12);
        // After a restart the probe counts from 0.
        member.pulled(told(5, None), now, AT);
        assert_eq!(member.managed.probe.contact.usage_bytes, 17);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Push(Option<i64>),
        Pull(Option<(i64, Option<i64>)>),
        Edit,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            proptest::option::of(0..10_i64).prop_map(Step::Push),
            proptest::option::of((0..1000_i64, proptest::option::of(0..10_i64))).prop_map(Step::Pull),
            Just(Step::Edit),
        ];
        vec(step, 0..40)
    }

    proptest! {
        /// Whatever happens: a probe that may lack the configuration is due for it, one that told that it has it is not, news are told
        /// once, and the bytes never become fewer.
        #[test]
        fn nothing_that_a_probe_lacks_is_forgotten(steps in steps()) {
            let now = Instant::now();
            let mut member = member(now);
            let mut usage = 0;
            for step in steps {
                let version = |version| ConfigVersion { epoch: 1, version };
                match step {
                    Step::Push(taken_version) => {
                        let revision = member.managed.probe.revision;
                        let reached = reached(ProbePath::Direct, None);
                        let outcome = taken_version.map(|number| Pushed { version: version(number), revision, reached });
                        member.pushed(outcome.ok_or(ManageProblem::WrongToken), now, AT);
                        if let Some(number) = taken_version {
                            prop_assert!(!member.managed.probe.is_outdated(version(number)));
                        }
                    }
                    Step::Pull(answer) => {
                        let holds = answer.and_then(|(_, holds)| holds).map(version);
                        let outcome = answer.map(|(bytes, _)| (reached(ProbePath::Direct, None), Statistics { bytes, holds }));
                        member.pulled(outcome.ok_or(ManageProblem::NoConnection), now, AT);
                        if let Some(holds) = holds {
                            prop_assert!(member.managed.probe.contact.pushed <= holds);
                        }
                    }
                    Step::Edit => {
                        let mut managed = member.managed.clone();
                        managed.probe.revision += 1;
                        member.renew(managed, now);
                        prop_assert_eq!(member.due(member.managed.probe.contact.pushed, now), Some(Work::Push));
                    }
                }
                let contact = &member.managed.probe.contact;
                prop_assert!(contact.usage_bytes >= usage);
                usage = contact.usage_bytes;
                prop_assert!(member.news().is_none_or(|news| news.contact == member.managed.probe.contact));
                prop_assert!(member.news().is_none());
            }
        }
    }
}
