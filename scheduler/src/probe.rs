//! What the daemon and the standalone hub have in common: peers are checked, and what comes of it is stored.

use std::{sync::Arc, time::Duration};

use easytier_uptime_store::{
    Store, StoreError,
    domain::{ProbeIdentity, Region, Timestamp},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    checking::{CheckPlan, Checking},
    jobs::{self, Job},
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
        vitals.watch(schedule, plan.zone, Arc::clone(&observer));
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

    /// Checks the peers that it is given, with `jobs` beside its own, until it is told to stop. Then what is in flight is
    /// finished, and what was seen is stored.
    pub async fn run(self, mut jobs: Vec<Job>, stop: CancellationToken) {
        let vitals = Arc::clone(&self.vitals);
        jobs.push(self.checking.job(&self.plan, &vitals.metrics));
        jobs.push(Job::new("summary", Schedule::Every(SUMMARY_EVERY), move || {
            tracing::info!("{}", vitals.line());
            std::future::ready(())
        }));
        let all_stored = CancellationToken::new();
        let checks_end = async {
            if let Err(error) = jobs::run(jobs, self.plan.zone, stop.clone()).await {
                // Only a schedule that the scheduler does not know can do this, and ours was parsed before.
                tracing::error!(%error, "nothing is scheduled");
            }
            stop.cancelled().await;
        };
        let checks_end = async {
            tokio::join!(checks_end, async {
                stop.cancelled().await;
                self.checking.stop().await;
            });
            all_stored.cancel();
        };
        tokio::join!(checks_end, self.journal.run(all_stored.clone()));
    }
}
