//! The health and the metrics of a probe, which its monitoring API serves at `/health` and `/metrics`.

use std::{sync::Arc, time::Duration};

use easytier_probe::backend::{Availability, Outage};
use easytier_uptime_monitor::ProbeStatus;
use prometheus_client::registry::Registry;

use crate::{
    health::Health,
    metrics::Metrics,
    observer::{Observer, Summary},
    overview::Overview,
    schedule::Schedule,
};

/// The health and the metrics of a probe.
pub struct ProbeMonitor {
    server_id: String,
    health: Arc<Health>,
    overview: Arc<Overview>,
    availability: Arc<Availability>,
    metrics: Metrics,
    registry: Registry,
    /// Whether there is nothing to check, because there is no backend yet.
    waits: bool,
}

impl ProbeMonitor {
    /// That of a daemon which waits for its first configuration.
    pub(crate) fn waiting(server_id: String) -> Self {
        let metrics = Metrics::default();
        let overview = Overview::new(Arc::new(Observer::new(metrics.clone())));
        let health = Health::new(Schedule::Every(Duration::from_secs(60)), Duration::ZERO);
        let (health, overview) = (Arc::new(health), Arc::new(overview));
        Self { waits: true, ..Self::new(server_id, health, overview, Arc::default(), metrics) }
    }

    pub(crate) fn new(
        server_id: String,
        health: Arc<Health>,
        overview: Arc<Overview>,
        availability: Arc<Availability>,
        metrics: Metrics,
    ) -> Self {
        Self { server_id, registry: metrics.registry(), health, overview, availability, metrics, waits: false }
    }

    /// Whether peers are checked in time, whether or not their results can be stored or delivered.
    pub fn is_alive(&self) -> bool {
        self.waits || self.health.is_alive()
    }
}

impl ProbeStatus for ProbeMonitor {
    fn server_id(&self) -> &str {
        &self.server_id
    }

    /// A backend that is away, or a network that is, does not make the probe unhealthy: the checks go on, and a restart
    /// would not help.
    fn health(&self) -> Result<String, String> {
        if self.waits {
            return Ok(
                "waits for its first configuration, which a hub pushes to /v1/configs; nothing is checked".to_owned()
            );
        }
        if let Some(problem) = self.health.storage_error() {
            return Err(format!("results cannot be stored: {problem}"));
        }
        if let Some(age) = self.health.overdue() {
            return Err(match self.health.checks_age() {
                Some(_) => format!("no peer was checked for {} s", age.as_secs()),
                None => format!("no peer was checked since the start, {} s ago", age.as_secs()),
            });
        }
        if let Some(doubt) = self.health.doubt() {
            return Ok(format!("degraded: this probe seems to be cut off: {doubt}"));
        }
        Ok(match self.availability.outage() {
            Some(Outage { since, error, .. }) => {
                format!("peers are checked; for {} s now: {error}", since.elapsed().as_secs())
            }
            None => "peers are checked".to_owned(),
        })
    }

    fn metrics(&self) -> &Registry {
        let Summary { online, offline, unknown, .. } = self.overview.summary();
        self.metrics.set_watched(online, offline, unknown);
        self.metrics.set_degraded(self.health.doubt().is_some());
        &self.registry
    }
}
