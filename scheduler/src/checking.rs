//! The two ways to check peers: each at its own interval, or all of them in cycles at the times of a schedule.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::Utc;
use easytier_probe::{
    CheckOptions, CheckReport, Checker, CycleOptions, Peer,
    cycle::{ListedPeers, NoSink},
    run_cycle,
    self_check::SelfCheckTarget,
};
use easytier_uptime_config::PushedSettings;
use easytier_uptime_store::domain::Intervals;
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    health::Health,
    jobs::Job,
    metrics::Metrics,
    observer::Observer,
    relay_tests::RelayTests,
    rounds::Rounds,
    schedule::Schedule,
    watch::{Changes, Watch, WatchOptions},
};

/// How long checks in flight and running jobs may take when the probe stops.
pub const GRACE: Duration = Duration::from_secs(5);

/// How peers are checked, and how often.
#[derive(Debug, Clone)]
pub struct CheckPlan {
    /// How to check one peer, and how many at the same time; with held sessions, how many sessions are opened at the same
    /// time.
    pub checks: CheckOptions,
    /// The time from one check of a peer to the next, without a schedule.
    pub interval: Duration,
    /// The time from one report of unchanged peers to the next.
    pub report_interval: Duration,
    /// The servers by which the probe recognises that it is cut off itself.
    pub self_check_targets: Vec<SelfCheckTarget>,
    /// When whole cycles run, instead of checks at the interval.
    pub schedule: Option<Schedule>,
    /// The time from each time of the schedule until its cycle starts; see [`delay_within`](crate::schedule::delay_within).
    pub delay: Duration,
    /// Whether one cycle runs as soon as there are peers, before the first time of the schedule.
    pub cycle_at_start: bool,
}

impl CheckPlan {
    /// The intervals; `None` when a schedule replaces them.
    pub fn intervals(&self) -> Option<Intervals> {
        let intervals = Intervals { check: self.interval, report: self.report_interval };
        self.schedule.is_none().then_some(intervals)
    }

    /// The same plan with other intervals.
    pub fn with_intervals(self, Intervals { check, report }: Intervals) -> Self {
        Self { interval: check, report_interval: report, ..self }
    }

    /// The same plan with settings that a hub pushed. A schedule stays.
    pub fn with_settings(mut self, pushed: &PushedSettings) -> Self {
        let PushedSettings {
            health_check_interval,
            status_report_interval,
            health_check_timeout,
            health_check_pings,
            check_concurrency,
        } = *pushed;
        let checks = &mut self.checks;
        checks.timeout = health_check_timeout.unwrap_or(checks.timeout);
        checks.pings = health_check_pings.unwrap_or(checks.pings);
        checks.max_checks = check_concurrency.unwrap_or(checks.max_checks);
        self.interval = health_check_interval.unwrap_or(self.interval);
        self.report_interval = status_report_interval.unwrap_or(self.report_interval);
        self
    }

    /// The longest time from one result of a peer to the next.
    #[expect(clippy::disallowed_methods, reason = "the pauses of a cron expression depend on the present time")]
    pub fn longest_pause(&self) -> Duration {
        match &self.schedule {
            Some(schedule) => schedule.longest_pause(Utc::now()),
            None => self.interval.max(self.report_interval),
        }
    }

    /// Whether a cycle runs before the first time of the schedule.
    pub fn cycles_at_start(&self) -> bool {
        self.schedule.is_some() && self.cycle_at_start
    }

    /// Whether a session is kept open on every peer.
    pub fn holds_sessions(&self) -> bool {
        self.schedule.is_none() && self.watch().holds_sessions()
    }

    fn watch(&self) -> WatchOptions {
        WatchOptions { interval: self.interval, timeout: self.checks.timeout, grace: GRACE }
    }
}

/// Checks the peers that [`set_peers`](Self::set_peers) sets.
pub struct Checking {
    observer: Arc<Observer>,
    rounds: Arc<Rounds>,
    health: Arc<Health>,
    /// The timeout of peers without one of their own.
    timeout: Duration,
    mode: Mode,
    relay_tests: RelayTests,
    checker: Checker,
}

enum Mode {
    /// Each peer at the interval; `None` after the end.
    Watch(Mutex<Option<Watch>>),
    /// All peers at the times of a schedule.
    Cycles {
        checker: Checker,
        peers: Mutex<Vec<Peer>>,
        /// Notified when a list that is not empty is set.
        has_peers: Notify,
        budget: Duration,
    },
}

impl Checking {
    /// Checks nothing until [`set_peers`](Self::set_peers) is called.
    pub fn new(plan: &CheckPlan, observer: Arc<Observer>, health: Arc<Health>) -> Self {
        health.set_longest_check(plan.checks.timeout);
        let checker = Checker::new(plan.checks.clone());
        let targets = plan.self_check_targets.clone();
        let rounds = Rounds::new(Arc::clone(&observer), Arc::clone(&health), checker.clone(), targets, plan.interval);
        rounds.set_longest_check(plan.checks.timeout);
        let rounds = Arc::new(rounds);
        let relay_tests = RelayTests::new(checker.clone(), Arc::clone(&observer));
        let mode = match &plan.schedule {
            None => Mode::Watch(Mutex::new(Some(Watch::new(checker.clone(), Arc::clone(&rounds), plan.watch())))),
            Some(_) => Mode::Cycles {
                checker: checker.clone(),
                peers: Mutex::default(),
                has_peers: Notify::new(),
                budget: CycleOptions::default().budget.max(plan.longest_pause()),
            },
        };
        Self { observer, rounds, health, timeout: plan.checks.timeout, mode, relay_tests, checker }
    }

    /// Checks these peers and no others from now on.
    pub fn set_peers(&self, peers: Vec<Peer>) {
        let count = peers.len();
        let timeouts = peers.iter().filter_map(|peer| peer.timeout);
        let longest_check = timeouts.fold(self.timeout, Duration::max);
        self.health.set_longest_check(longest_check);
        self.rounds.set_longest_check(longest_check);
        let changes = match &self.mode {
            Mode::Watch(watch) => match &mut *watch.lock().unwrap_or_else(PoisonError::into_inner) {
                Some(watch) => watch.set_peers(peers),
                None => return,
            },
            Mode::Cycles { peers: current, has_peers, .. } => {
                let mut current = current.lock().unwrap_or_else(PoisonError::into_inner);
                let changes = Changes::between(&current, &peers);
                // Those that stay are not expected anew: the probe has seen for itself whether they are online.
                not_in(&current, &peers).for_each(|added| self.rounds.expect(added));
                not_in(&peers, &current).for_each(|gone| self.rounds.forget(gone.id));
                if !peers.is_empty() {
                    has_peers.notify_one();
                }
                *current = peers;
                changes
            }
        };
        if changes != Changes::default() {
            let Changes { added, changed, removed } = changes;
            tracing::info!(added, changed, removed, "{count} peers to watch");
        }
    }

    /// Tests soon whether these peers relay, of which those count that are checked then.
    pub fn test_relay(&self, peers: impl IntoIterator<Item = i64>) {
        self.relay_tests.ask(peers);
    }

    /// Runs the tests of [`test_relay`](Self::test_relay) until `stop`.
    pub async fn run_relay_tests(&self, stop: CancellationToken) {
        self.relay_tests.run(|id| self.peer(id), stop).await;
    }

    /// The checker of all checks, which keeps joins of one address apart.
    pub fn checker(&self) -> &Checker {
        &self.checker
    }

    fn peer(&self, id: i64) -> Option<Arc<Peer>> {
        match &self.mode {
            Mode::Watch(watch) => watch.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.peer(id),
            Mode::Cycles { peers, .. } => {
                let peers = peers.lock().unwrap_or_else(PoisonError::into_inner);
                peers.iter().find(|peer| peer.id == id).cloned().map(Arc::new)
            }
        }
    }

    /// Waits until there are peers. Never returns if no cycles run.
    pub async fn has_peers(&self) {
        match &self.mode {
            Mode::Cycles { has_peers, .. } => has_peers.notified().await,
            Mode::Watch(_) => std::future::pending().await,
        }
    }

    /// Runs one cycle over all peers. Does nothing without a schedule.
    pub async fn cycle(&self) {
        let due = Instant::now();
        let Mode::Cycles { checker, peers, budget, .. } = &self.mode else { return };
        let peers = peers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let options = CycleOptions { budget: *budget, ..CycleOptions::default() };
        self.observer.check_started();
        // The round is judged at its end, so it does not matter when each check began.
        let observe = |peer: &Peer, report: &CheckReport| {
            self.rounds.observe(Arc::new(peer.clone()), report.clone(), Instant::now(), due.elapsed());
        };
        let report = run_cycle(&mut ListedPeers::new(peers), checker, &NoSink, &options, observe).await;
        self.rounds.end_round().await;
        self.observer.flush();
        tracing::info!(
            checked = report.checked,
            online = report.online,
            offline = report.offline,
            unknown = report.unknown,
            "the cycle took {:.1} s",
            report.duration_ms / 1000.0
        );
    }

    /// The periodic job of this mode: it runs a cycle, or turns the checks since the last report into results.
    pub fn job(self: &Arc<Self>, plan: &CheckPlan, metrics: &Metrics) -> Job {
        let (checking, metrics) = (Arc::clone(self), metrics.clone());
        match &plan.schedule {
            Some(schedule) => Job::new("cycle", schedule.clone(), move || {
                let checking = Arc::clone(&checking);
                async move { checking.cycle().await }
            })
            .delayed_by(plan.delay)
            .on_skip(move || metrics.add_skipped_cycle()),
            None => Job::new("report", Schedule::Every(plan.report_interval), move || {
                checking.observer.flush();
                std::future::ready(())
            }),
        }
    }

    /// Decides about failures that are held back, until `stop`. With a schedule, each cycle does so at its end.
    pub async fn judge(&self, stop: CancellationToken) {
        match self.mode {
            Mode::Watch(_) => self.rounds.run(stop).await,
            Mode::Cycles { .. } => stop.cancelled().await,
        }
    }

    /// Ends the checks of each peer at its interval. Those in flight may take [`GRACE`] to finish.
    pub async fn stop(&self) {
        let Mode::Watch(watch) = &self.mode else { return };
        let watch = watch.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(watch) = watch {
            watch.stop().await;
        }
    }
}

/// The peers of one list whose ids the `other` list does not have.
fn not_in<'a>(other: &[Peer], peers: &'a [Peer]) -> impl Iterator<Item = &'a Peer> {
    let ids: HashSet<i64> = other.iter().map(|peer| peer.id).collect();
    peers.iter().filter(move |peer| !ids.contains(&peer.id))
}

#[cfg(test)]
mod tests {
    use easytier_probe::Status;
    use tokio::time::advance;

    use super::*;

    /// A plan of cycles, without a target of the self-check.
    fn plan() -> CheckPlan {
        CheckPlan {
            checks: CheckOptions::default(),
            interval: Duration::from_secs(5),
            report_interval: Duration::from_secs(30),
            schedule: Some(Schedule::Every(Duration::from_secs(5))),
            delay: Duration::ZERO,
            cycle_at_start: false,
            self_check_targets: Vec::new(),
        }
    }

    #[test]
    fn pushed_settings_replace_those_of_the_plan_and_its_schedule_stays() {
        let plan = plan();
        let unchanged = plan.clone().with_settings(&PushedSettings::default());
        assert_eq!((unchanged.interval, unchanged.checks.pings), (plan.interval, plan.checks.pings));
        let minute = Duration::from_secs(60);
        let changed = plan.with_settings(&PushedSettings {
            health_check_interval: Some(minute),
            status_report_interval: Some(2 * minute),
            health_check_timeout: Some(minute / 2),
            health_check_pings: Some(7),
            check_concurrency: Some(9),
        });
        assert_eq!((changed.interval, changed.report_interval), (minute, 2 * minute));
        assert_eq!((changed.checks.timeout, changed.checks.pings, changed.checks.max_checks), (minute / 2, 7, 9));
        assert!(changed.schedule.is_some());
    }

    fn in_cycles() -> (Checking, Arc<Health>) {
        let plan = plan();
        let health = Arc::new(Health::new(Schedule::Every(plan.interval), Duration::ZERO));
        let checking = Checking::new(&plan, Arc::new(Observer::new(Metrics::default())), Arc::clone(&health));
        (checking, health)
    }

    /// The backend goes on listing them as online, as it does until several results confirm the change.
    #[tokio::test(start_paused = true)]
    async fn failures_that_stand_are_not_doubted_again_because_the_backend_lists_the_peers_as_online() {
        let (checking, _health) = in_cycles();
        // Nothing listens on these ports of an address that is no other program's.
        let peers = (1..=5).map(|id| {
            let url = format!("tcp://127.1.2.{id}:1").parse().unwrap();
            Peer { was_online: true, ..Peer::local(id, url) }
        });
        let peers: Vec<Peer> = peers.collect();
        let mut statuses = Vec::new();
        for _ in 0..3 {
            checking.set_peers(peers.clone());
            checking.cycle().await;
            let results = checking.observer.take();
            assert_eq!(results.len(), 5);
            assert!(results.iter().all(|result| result.status == results[0].status), "{results:?}");
            statuses.push(results[0].status);
            advance(Duration::from_secs(601)).await;
        }
        assert_eq!(statuses, [Status::Unknown, Status::Offline, Status::Offline]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_health_allows_for_the_longest_timeout_of_a_peer() {
        let (checking, health) = in_cycles();
        let peer = Peer::local(1, "tcp://192.0.2.1:11010".parse().unwrap());
        checking
            .set_peers(vec![Peer { timeout: Some(Duration::from_secs(60)), ..peer.clone() }, Peer { id: 2, ..peer }]);
        advance(Duration::from_secs(60 + 14)).await;
        assert!(health.is_alive());
        advance(Duration::from_secs(1)).await;
        assert!(!health.is_alive());
    }
}
