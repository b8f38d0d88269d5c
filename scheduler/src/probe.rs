//! The part that the daemon and the standalone hub share: it checks peers and stores the results.

use std::{sync::Arc, time::Duration};

use easytier_probe::backend::Availability;
use easytier_uptime_store::{
    Store, StoreError,
    domain::{ProbeIdentity, Region, Timestamp},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    checking::{CheckPlan, Checking, GRACE},
    health::Health,
    jobs::{Job, Scheduler},
    journal::Journal,
    metrics::Metrics,
    monitoring::ProbeMonitor,
    observer::{Observer, Summary},
    overview::Overview,
    schedule::Schedule,
    status::StatusReporter,
};

/// The time between two summaries in the log.
const SUMMARY_INTERVAL: Duration = Duration::from_secs(60);

/// A probe that stores its results.
pub struct Probe {
    pub plan: CheckPlan,
    pub state: ProbeState,
    pub checking: Arc<Checking>,
    pub status: Arc<StatusReporter>,
    /// Notified when results were stored.
    pub stored: Arc<Notify>,
    journal: Journal,
}

/// The parts of a probe that are kept when its plan changes.
#[derive(Clone)]
pub struct ProbeState {
    pub identity: ProbeIdentity,
    pub metrics: Metrics,
    pub health: Arc<Health>,
    pub overview: Arc<Overview>,
}

impl Probe {
    /// A probe without peers.
    pub async fn new(store: Store, server_id: &str, region: &Region, plan: CheckPlan) -> Result<Self, StoreError> {
        let identity = store.local_probe(server_id, region, Timestamp::now()).await?;
        let metrics = Metrics::default();
        let observer = Arc::new(Observer::new(metrics.clone()));
        let state = ProbeState {
            identity,
            health: Arc::new(Health::new(due_times(&plan), plan.delay)),
            overview: Arc::new(Overview::new(Arc::clone(&observer))),
            metrics,
        };
        Ok(Self::with_parts(store, state, plan, observer).await)
    }

    /// The probe with this state, after its last run, with another plan.
    pub async fn with_plan(store: Store, state: ProbeState, plan: CheckPlan) -> Self {
        let observer = Arc::new(Observer::new(state.metrics.clone()));
        state.health.set_schedule(due_times(&plan), plan.delay);
        state.overview.set_observer(Arc::clone(&observer));
        Self::with_parts(store, state, plan, observer).await
    }

    async fn with_parts(store: Store, state: ProbeState, plan: CheckPlan, observer: Arc<Observer>) -> Self {
        let stored = Arc::new(Notify::new());
        let checking = Arc::new(Checking::new(&plan, Arc::clone(&observer), Arc::clone(&state.health)));
        let status = StatusReporter {
            store: store.clone(),
            probe: state.identity.clone(),
            overview: Arc::clone(&state.overview),
            health: Arc::clone(&state.health),
            check_interval: plan.longest_pause(),
            holds_sessions: plan.holds_sessions(),
        };
        status.store().await;
        Self {
            checking,
            journal: Journal {
                store,
                probe: state.identity.clone(),
                observer,
                health: Arc::clone(&state.health),
                metrics: state.metrics.clone(),
                stored: Arc::clone(&stored),
                tests_of_own_hub: None,
            },
            status: Arc::new(status),
            stored,
            state,
            plan,
        }
    }

    /// The probe of a hub with the same store, which hands out tests whether nodes relay.
    pub fn in_hub(mut self) -> Self {
        self.journal.tests_of_own_hub = Some(Arc::clone(&self.checking));
        self
    }

    /// The probe as its monitoring API shows it, with the state of its backend.
    pub fn monitor(&self, availability: Arc<Availability>) -> Arc<ProbeMonitor> {
        let ProbeState { identity, metrics, health, overview } = self.state.clone();
        Arc::new(ProbeMonitor::new(identity.server_id, health, overview, availability, metrics))
    }

    /// Checks the peers that [`Checking::set_peers`] gets, and runs `jobs` beside its own on `scheduler`, until `stop`.
    /// Then checks in flight are finished, and their results are stored.
    pub async fn run(self, scheduler: &Scheduler, mut jobs: Vec<Job>, stop: CancellationToken) {
        let ProbeState { metrics, overview, .. } = self.state.clone();
        let check_job = self.checking.job(&self.plan, &metrics);
        jobs.push(check_job.clone());
        jobs.push(Job::new("summary", Schedule::Every(SUMMARY_INTERVAL), move || {
            tracing::info!("{}", summary_line(overview.summary(), &metrics));
            std::future::ready(())
        }));
        let checks_ended = CancellationToken::new();
        let scheduled = async {
            if let Err(error) = scheduler.run(jobs, stop.clone(), GRACE).await {
                tracing::error!(%error, "the scheduler cannot be started; nothing is scheduled");
            }
            stop.cancelled().await;
        };
        let first_cycle = async {
            if self.plan.cycles_at_start() && stop.run_until_cancelled(self.checking.has_peers()).await.is_some() {
                check_job.run_until(&stop, GRACE).await;
            }
        };
        let stop_checks = async {
            stop.cancelled().await;
            self.checking.stop().await;
        };
        let checks = async {
            tokio::join!(scheduled, first_cycle, stop_checks);
            checks_ended.cancel();
        };
        let judged = CancellationToken::new();
        let judge = async {
            self.checking.judge(checks_ended.clone()).await;
            judged.cancel();
        };
        let tests = self.checking.run_relay_tests(stop.clone());
        tokio::join!(checks, judge, tests, self.journal.run(judged.clone()));
    }
}

/// When checks are due.
fn due_times(plan: &CheckPlan) -> Schedule {
    plan.schedule.clone().unwrap_or(Schedule::Every(plan.interval))
}

/// The state of the probe in one line of the log.
fn summary_line(summary: Summary, metrics: &Metrics) -> String {
    let Summary { online, offline, unknown, round_trip_ms } = summary;
    let mut line = format!("{online} online, {offline} offline, {unknown} unknown");
    if let Some(ms) = round_trip_ms {
        line += &format!("; median round trip {ms:.1} ms");
    }
    let (waiting, dropped) = (metrics.spool_depth(), metrics.dropped());
    if waiting > 0 {
        line += &format!("; {waiting} results wait for the backend");
    }
    let not_wanted = metrics.not_wanted();
    if not_wanted > 0 {
        line += &format!("; the backend had no use for {not_wanted} results so far");
    }
    if dropped > 0 {
        line += &format!("; {dropped} results dropped so far");
    }
    line
}
