//! The probe's report about itself: to the backend, and into its own database.

use std::{sync::Arc, time::Duration};

use easytier_probe::backend::{Reported, StatusReport};
use easytier_uptime_store::{
    model::{self, ProbeIdentity},
    store::Store,
    time::Timestamp,
};
use serde_json::json;
use tokio::time::Instant;

use crate::{
    link::Link,
    vitals::{Ask, Vitals},
};

/// How long a report may take, with all its attempts.
const PATIENCE: Duration = Duration::from_secs(20);

/// The longest pause that a hub takes: a leap year is more.
const LONGEST_PAUSE: Duration = Duration::from_secs(365 * 24 * 3600);

/// Reports on the probe.
pub struct StatusReporter {
    pub store: Store,
    pub probe: ProbeIdentity,
    pub vitals: Arc<Vitals>,
    /// The longest time from one result of a peer to the next, from which is told when the probe's word is stale.
    pub longest_pause: Duration,
    pub holds_sessions: bool,
}

impl StatusReporter {
    /// So that the probe's own database knows that it is there, how often it checks, and what it sees.
    pub async fn note(&self) {
        let summary = self.vitals.summary();
        let report = model::StatusReport {
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            response_us: summary.round_trip_ms.map(|ms| (ms * 1000.0).round() as i64),
            check_interval: Some(self.longest_pause),
            holds_sessions: self.holds_sessions,
            // As a hub is told by other probes.
            metadata: Some(json!({"total_monitored_nodes": summary.total(), "healthy_nodes": summary.online})),
            ..model::StatusReport::default()
        };
        if let Err(error) = self.store.report_status(&self.probe, &report, Timestamp::now()).await {
            tracing::debug!(%error, "the probe's own status cannot be stored");
        }
    }

    /// Tells the backend.
    pub async fn tell(&self, link: &Link) {
        let Some(backend) = link.now().filter(|_| self.vitals.may_ask(Ask::Status)) else { return };
        let summary = self.vitals.summary();
        let report = StatusReport {
            response_time_ms: summary.round_trip_ms,
            total_monitored_nodes: summary.total(),
            healthy_nodes: summary.online,
            server_id: Some(self.probe.server_id.clone()),
            check_interval: self.longest_pause.min(LONGEST_PAUSE),
            holds_sessions: self.holds_sessions,
        };
        match backend.report_status(&report, Instant::now() + PATIENCE).await {
            Ok(Reported::Taken | Reported::NotWanted) => self.vitals.backend_answered(Ask::Status),
            Err(error) => self.vitals.backend_failed(Ask::Status, &error),
        }
    }
}
