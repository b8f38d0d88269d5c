//! A probe of the demo: one stands where it says, the others stand farther away than they are.

use std::time::Duration;

use easytier_probe::{
    Backend, BackendConfig, CheckResult, Checker, CycleOptions, CycleReport, Secret,
    backend::{BaseUrl, Delivery, StatusReport},
    cycle::{BackendPeers, BoxError, ReportSink},
    run_cycle,
};
use tokio::time::Instant;
use uuid::Uuid;

/// The region that is what it says.
pub const HERE: Place = Place { region: "this-machine", distance: None };

/// All regions of the demo.
pub const PLACES: [Place; 3] = [
    HERE,
    Place { region: "simulated-near", distance: Some(Duration::from_millis(35)) },
    Place { region: "simulated-far", distance: Some(Duration::from_millis(180)) },
];

/// The distance is so much more from one check to another, at most, as it is on the internet.
const JITTER: f64 = 0.08;

/// Where a probe stands.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// The region, by which the probe is known too.
    pub region: &'static str,
    /// What is added to every round trip, where the distance is simulated.
    pub distance: Option<Duration>,
}

/// It checks as any probe does, and knows no more of the nodes than what the hub gives it.
pub struct DemoProbe {
    pub place: Place,
    backend: Backend,
    checker: Checker,
    options: CycleOptions,
}

impl DemoProbe {
    /// Probes with clones of one checker spare the nodes together.
    pub fn new(
        place: Place,
        hub: BaseUrl,
        node_token: Secret,
        checker: Checker,
        interval: Duration,
    ) -> anyhow::Result<Self> {
        let backend = Backend::new(BackendConfig {
            node_token: Some(node_token),
            region: Some(place.region.to_owned()),
            ..BackendConfig::new(vec![hub])
        })?;
        let server_id = Some(place.region.to_owned());
        let options = CycleOptions { server_id, check_interval: interval, ..CycleOptions::default() };
        Ok(Self { place, backend, checker, options })
    }

    /// One cycle over all nodes.
    pub async fn cycle(&self) -> CycleReport {
        let mut peers = BackendPeers::new(self.backend.clone());
        match self.place.distance {
            None => run_cycle(&mut peers, &self.checker, &self.backend, &self.options, |_, _| {}).await,
            Some(distance) => {
                let sink = Distant { backend: &self.backend, distance };
                run_cycle(&mut peers, &self.checker, &sink, &self.options, |_, _| {}).await
            }
        }
    }
}

/// Reports round trips as they were and a distance; whether a node is online is never touched.
struct Distant<'a> {
    backend: &'a Backend,
    distance: Duration,
}

impl Distant<'_> {
    fn result(&self, result: &CheckResult) -> CheckResult {
        let distance = self.distance.as_secs_f64() * 1000.0 * (1.0 + rand::random::<f64>() * JITTER);
        let farther = |ms: Option<f64>| ms.map(|ms| ms + distance);
        CheckResult {
            response_time: farther(result.response_time),
            min_ms: farther(result.min_ms),
            max_ms: farther(result.max_ms),
            ..result.clone()
        }
    }
}

impl ReportSink for Distant<'_> {
    async fn send(&self, cycle_id: Uuid, results: &[CheckResult], deadline: Instant) -> Result<Delivery, BoxError> {
        let results: Vec<CheckResult> = results.iter().map(|result| self.result(result)).collect();
        ReportSink::send(self.backend, cycle_id, &results, deadline).await
    }

    async fn report_status(&self, status: &StatusReport, deadline: Instant) -> Result<(), BoxError> {
        let distance = self.distance.as_secs_f64() * 1000.0;
        let response_time_ms = status.response_time_ms.map(|ms| ms + distance);
        let status = StatusReport { response_time_ms, ..status.clone() };
        ReportSink::report_status(self.backend, &status, deadline).await
    }
}
