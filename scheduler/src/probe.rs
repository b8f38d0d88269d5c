//! What the daemon and the standalone hub have in common: peers are checked, and what comes of it is stored.

use std::{sync::Arc, time::Duration};

use easytier_uptime_store::{
    model::{ProbeIdentity, Region},
    store::{Store, StoreError},
    time::Timestamp,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    checking::{CheckPlan, Checking, GRACE},
    jobs::{Job, Scheduler},
    journal::Journal,
    metrics::Metrics,
    observer::Observer,
    schedule::Schedule,
    status::StatusReporter,
    vitals::Vitals,
};

/// How often the log says how things are.
const SUMMARY_EVERY: Duration = Duration::from_secs(60);

/// A probe that keeps what it sees in a store.
pub struct Probe {
    pub identity: ProbeIdentity,
    pub checking: Arc<Checking>,
    pub vitals: Arc<Vitals>,
    pub status: Arc<StatusReporter>,
    /// Told when results were stored.
    pub stored: Arc<Notify>,
    journal: Journal,
    pub plan: CheckPlan,
}

impl Probe {
    /// A probe that checks nothing yet.
    pub async fn new(store: Store, server_id: &str, region: &Region, plan: CheckPlan) -> Result<Self, StoreError> {
        let identity = store.local_probe(server_id, region, Timestamp::now()).await?;
        Ok(Self::with_vitals(store, identity, plan, Vitals::new(Metrics::default())).await)
    }

    /// The probe of these vitals with another plan, for when it has ended with the one before.
    pub async fn with_vitals(store: Store, identity: ProbeIdentity, plan: CheckPlan, vitals: Arc<Vitals>) -> Self {
        let observer = Arc::new(Observer::new(vitals.metrics.clone()));
        let schedule = plan.schedule.clone().unwrap_or(Schedule::Every(plan.interval));
        vitals.watch(schedule, plan.delay, Arc::clone(&observer));
        let stored = Arc::new(Notify::new());
        let status = StatusReporter {
            store: store.clone(),
            probe: identity.clone(),
            vitals: Arc::clone(&vitals),
            longest_pause: plan.longest_pause(),
            holds_sessions: plan.holds_sessions(),
        };
        status.note().await;
        Self {
            checking: Arc::new(Checking::new(&plan, Arc::clone(&observer))),
            journal: Journal {
                store,
                probe: identity.clone(),
                observer,
                vitals: Arc::clone(&vitals),
                stored: Arc::clone(&stored),
            },
            identity,
            vitals,
            status: Arc::new(status),
            stored,
            plan,
        }
    }

    /// Checks the peers that it is given, and runs `jobs` beside its own on `scheduler`, until `stop`. Then the checks in
    /// flight are finished, and their results are stored.
    pub async fn run(self, scheduler: &Scheduler, mut jobs: Vec<Job>, stop: CancellationToken) {
        let vitals = Arc::clone(&self.vitals);
        let job = self.checking.job(&self.plan, &vitals.metrics);
        jobs.push(job.clone());
        jobs.push(Job::new("summary", Schedule::Every(SUMMARY_EVERY), move || {
            tracing::info!("{}", vitals.line());
            std::future::ready(())
        }));
        let scheduled = async {
            if let Err(error) = scheduler.run(jobs, stop.clone(), GRACE).await {
                tracing::error!(%error, "the scheduler cannot be started; nothing is scheduled");
            }
            stop.cancelled().await;
        };
        let first_cycle = async {
            if self.plan.cycles_at_start() && stop.run_until_cancelled(self.checking.has_peers()).await.is_some() {
                job.run_until(&stop, GRACE).await;
            }
        };
        let checks_stop = async {
            stop.cancelled().await;
            self.checking.stop().await;
        };
        let all_checked = CancellationToken::new();
        let checks_end = async {
            tokio::join!(scheduled, first_cycle, checks_stop);
            all_checked.cancel();
        };
        tokio::join!(checks_end, self.journal.run(all_checked.clone()));
    }
}
