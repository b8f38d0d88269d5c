//! A probe of the demo, which may simulate a remote region.

use std::time::Duration;

use easytier_probe::{
    Backend, BackendConfig, CheckResult, Checker, CycleOptions, CycleReport, Secret,
    backend::{BaseUrl, Delivery, StatusReport},
    cycle::{BackendPeers, BoxError, ReportSink},
    run_cycle,
};
use tokio::time::Instant;
use uuid::Uuid;

/// The region without added latency.
pub const LOCAL_REGION: DemoRegion = DemoRegion { name: "this-machine", added_latency: None };

/// All regions of the demo.
pub const REGIONS: [DemoRegion; 3] = [
    LOCAL_REGION,
    DemoRegion { name: "simulated-near", added_latency: Some(Duration::from_millis(35)) },
    DemoRegion { name: "simulated-far", added_latency: Some(Duration::from_millis(180)) },
];

/// The maximum random increase of the added latency.
const JITTER: f64 = 0.08;

/// A region of the demo.
#[derive(Debug, Clone, Copy)]
pub struct DemoRegion {
    /// The name of the region, which is also the id of its probe.
    pub name: &'static str,
    /// The latency that is added to every round trip.
    pub added_latency: Option<Duration>,
}

/// A probe that fetches the nodes from the hub and checks them.
pub struct DemoProbe {
    pub region: DemoRegion,
    backend: Backend,
    checker: Checker,
    options: CycleOptions,
}

impl DemoProbe {
    /// Probes with clones of one checker share its limits for joining a node.
    pub fn new(
        region: DemoRegion,
        hub: BaseUrl,
        node_token: Secret,
        checker: Checker,
        interval: Duration,
    ) -> anyhow::Result<Self> {
        let backend = Backend::new(BackendConfig {
            node_token: Some(node_token),
            region: Some(region.name.to_owned()),
            ..BackendConfig::new(vec![hub])
        })?;
        let server_id = Some(region.name.to_owned());
        let options = CycleOptions { server_id, check_interval: interval, ..CycleOptions::default() };
        Ok(Self { region, backend, checker, options })
    }

    /// Runs one cycle over all nodes.
    pub async fn cycle(&self) -> CycleReport {
        let mut peers = BackendPeers::new(self.backend.clone());
        match self.region.added_latency {
            None => run_cycle(&mut peers, &self.checker, &self.backend, &self.options, |_, _| {}).await,
            Some(latency) => {
                let sink = DelayedSink { backend: &self.backend, latency };
                run_cycle(&mut peers, &self.checker, &sink, &self.options, |_, _| {}).await
            }
        }
    }
}

/// Adds latency to the reported round trips. The status of a node is reported unchanged.
struct DelayedSink<'a> {
    backend: &'a Backend,
    latency: Duration,
}

impl DelayedSink<'_> {
    fn delay(&self, result: &CheckResult) -> CheckResult {
        let latency_ms = self.latency.as_secs_f64() * 1000.0 * (1.0 + rand::random::<f64>() * JITTER);
        let delayed = |ms: Option<f64>| ms.map(|ms| ms + latency_ms);
        CheckResult {
            response_time: delayed(result.response_time),
            min_ms: delayed(result.min_ms),
            max_ms: delayed(result.max_ms),
            ..result.clone()
        }
    }
}

impl ReportSink for DelayedSink<'_> {
    async fn send(&self, cycle_id: Uuid, results: &[CheckResult], deadline: Instant) -> Result<Delivery, BoxError> {
        let results: Vec<CheckResult> = results.iter().map(|result| self.delay(result)).collect();
        ReportSink::send(self.backend, cycle_id, &results, deadline).await
    }

    async fn report_status(&self, status: &StatusReport, deadline: Instant) -> Result<(), BoxError> {
        let latency_ms = self.latency.as_secs_f64() * 1000.0;
        let response_time_ms = status.response_time_ms.map(|ms| ms + latency_ms);
        let status = StatusReport { response_time_ms, ..status.clone() };
        ReportSink::report_status(self.backend, &status, deadline).await
    }
}
