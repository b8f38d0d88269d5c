//! The probe's report about itself: to the backend, and into its own database.

use std::{sync::Arc, time::Duration};

use easytier_probe::{
    Backend,
    backend::{BackendCall, StatusReport},
};
use easytier_uptime_store::{
    Store,
    domain::{self, ProbeIdentity, Timestamp},
};
use serde_json::json;
use tokio::time::Instant;

use crate::{backend_handle::BackendHandle, health::Health, overview::Overview};

/// How long a report may take, with all its retries.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// The longest check interval that a hub accepts.
const MAX_CHECK_INTERVAL: Duration = Duration::from_secs(365 * 24 * 3600);

/// Reports on the probe.
pub struct StatusReporter {
    pub store: Store,
    pub probe: ProbeIdentity,
    pub overview: Arc<Overview>,
    pub health: Arc<Health>,
    /// The longest time between two results of a peer. After a multiple of it the hub calls the probe's results stale.
    pub check_interval: Duration,
    pub holds_sessions: bool,
}

impl StatusReporter {
    /// Stores in the probe's own database that it is alive, how often it checks, and a summary of what it sees.
    pub async fn store(&self) {
        let summary = self.overview.summary();
        let report = domain::StatusReport {
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            response_us: summary.round_trip_ms.map(|ms| (ms * 1000.0).round() as i64),
            check_interval: Some(self.check_interval),
            holds_sessions: self.holds_sessions,
            // As other probes report it to a hub.
            metadata: Some(json!({"total_monitored_nodes": summary.total(), "healthy_nodes": summary.online})),
            ..domain::StatusReport::default()
        };
        if let Err(error) = self.store.report_status(&self.probe, &report, Timestamp::now()).await {
            tracing::debug!(%error, "the probe's own status cannot be stored");
        }
    }

    /// Reports the same to the backend.
    pub async fn report_to(&self, backend: &BackendHandle) {
        let summary = self.overview.summary();
        let report = StatusReport {
            response_time_ms: summary.round_trip_ms,
            total_monitored_nodes: summary.total(),
            healthy_nodes: summary.online,
            server_id: Some(self.probe.server_id.clone()),
            check_interval: self.check_interval.min(MAX_CHECK_INTERVAL),
            degraded: self.health.doubt().is_some(),
            holds_sessions: self.holds_sessions,
        };
        let deadline = Instant::now() + CALL_TIMEOUT;
        let send = async |backend: Backend| backend.report_status(&report, deadline).await;
        backend.scheduled(BackendCall::Status, send).await;
    }
}
