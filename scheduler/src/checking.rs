//! The two ways in which peers are checked: each at its own interval, or all in cycles at the times of a schedule.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::Utc;
use chrono_tz::Tz;
use easytier_probe::{
    CheckOptions, Checker, CycleOptions, Peer,
    cycle::{ListedPeers, NoSink},
    run_cycle,
};

use easytier_uptime_store::tuning::Intervals;
use tokio::time::Instant;

use crate::{
    jobs::Job,
    metrics::Metrics,
    observer::Observer,
    schedule::Schedule,
    watch::{Changes, Watch, WatchOptions},
};

/// How long checks in flight may take at the end.
pub const GRACE: Duration = Duration::from_secs(5);

/// How peers are checked, and how often.
#[derive(Debug, Clone)]
pub struct CheckPlan {
    pub checks: CheckOptions,
    /// Checks at the same time; with held sessions, sessions that are opened at the same time.
    pub concurrency: usize,
    /// Time from one check of a peer to the next, where there is no schedule.
    pub interval: Duration,
    /// How often results are told that say nothing new.
    pub report_interval: Duration,
    /// When whole cycles run, instead of the intervals.
    pub schedule: Option<Schedule>,
    /// The clocks that the schedule goes by.
    pub zone: Tz,
}

impl CheckPlan {
    /// The intervals, where it is they that say when peers are checked.
    pub fn intervals(&self) -> Option<Intervals> {
        let intervals = Intervals { check: self.interval, report: self.report_interval };
        self.schedule.is_none().then_some(intervals)
    }

    /// The same plan with other intervals.
    pub fn with_intervals(self, Intervals { check, report }: Intervals) -> Self {
        Self { interval: check, report_interval: report, ..self }
    }

    /// The longest time from one result of a peer to the next.
    pub fn longest_pause(&self) -> Duration {
        match &self.schedule {
            Some(schedule) => schedule.longest_pause(Utc::now(), self.zone),
            None => self.interval.max(self.report_interval),
        }
    }

    /// Whether a session is kept open on every peer.
    pub fn holds_sessions(&self) -> bool {
        self.schedule.is_none() && self.watch().holds_sessions()
    }

    fn watch(&self) -> WatchOptions {
        WatchOptions { interval: self.interval, timeout: self.checks.timeout, concurrency: self.concurrency }
    }
}

/// The peers that are checked, and how.
pub struct Checking {
    observer: Arc<Observer>,
    mode: Mode,
}

enum Mode {
    /// Empty when it has ended.
    Watch(Mutex<Option<Watch>>),
    Cycles {
        checker: Checker,
        peers: Mutex<Vec<Peer>>,
        concurrency: usize,
        budget: Duration,
    },
}

impl Checking {
    pub fn new(plan: &CheckPlan, observer: Arc<Observer>) -> Self {
        let checker = Checker::new(plan.checks.clone());
        let mode = match &plan.schedule {
            None => Mode::Watch(Mutex::new(Some(Watch::new(checker, Arc::clone(&observer), plan.watch())))),
            Some(_) => Mode::Cycles {
                checker,
                peers: Mutex::default(),
                concurrency: plan.concurrency,
                budget: CycleOptions::default().budget.max(plan.longest_pause()),
            },
        };
        Self { observer, mode }
    }

    /// Checks these peers and no others from now on.
    pub fn set_peers(&self, peers: Vec<Peer>) {
        let count = peers.len();
        let changes = match &self.mode {
            Mode::Watch(watch) => match &mut *watch.lock().unwrap_or_else(PoisonError::into_inner) {
                Some(watch) => watch.set_peers(peers),
                None => return,
            },
            Mode::Cycles { peers: current, .. } => {
                let mut current = current.lock().unwrap_or_else(PoisonError::into_inner);
                let changes = Changes::between(&current, &peers);
                peers.iter().for_each(|peer| self.observer.expect(peer.id));
                let listed: HashSet<i64> = peers.iter().map(|peer| peer.id).collect();
                for gone in current.iter().filter(|peer| !listed.contains(&peer.id)) {
                    self.observer.forget(gone.id);
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

    /// Runs one cycle over all peers, which is due now, where there are cycles.
    pub async fn cycle(&self) {
        let due = Instant::now();
        let Mode::Cycles { checker, peers, concurrency, budget } = &self.mode else { return };
        let peers = peers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let options = CycleOptions { concurrency: *concurrency, budget: *budget, ..CycleOptions::default() };
        let observe = |peer: &Peer, report: &_| self.observer.observe(peer, report, due.elapsed());
        let report = run_cycle(&mut ListedPeers::new(peers), checker, &NoSink, &options, observe).await;
        self.observer.flush();
        tracing::info!(
            checked = report.checked,
            online = report.online,
            offline = report.offline,
            unknown = report.unknown,
            "a cycle of {:.1} s",
            report.duration_ms / 1000.0
        );
    }

    /// What is to be done at times: in cycles, the cycles; else the telling of what says nothing new.
    pub fn job(self: &Arc<Self>, plan: &CheckPlan, metrics: &Metrics) -> Job {
        let (checking, metrics) = (Arc::clone(self), metrics.clone());
        match &plan.schedule {
            Some(schedule) => Job::new("cycle", schedule.clone(), move || {
                let checking = Arc::clone(&checking);
                async move { checking.cycle().await }
            })
            .on_skip(move || metrics.add_skipped_cycle()),
            None => Job::new("report", Schedule::Every(plan.report_interval), move || {
                checking.observer.flush();
                std::future::ready(())
            }),
        }
    }

    /// Ends the checks; those in flight are finished first, if they don't take long.
    pub async fn stop(&self) {
        let Mode::Watch(watch) = &self.mode else { return };
        let watch = watch.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(watch) = watch {
            watch.stop().await;
        }
    }
}
