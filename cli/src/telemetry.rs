//! Starts the log, and the export of spans and metrics, if the environment asks for it.

use easytier_probe::BackendConfig;
use easytier_uptime_telemetry::{Telemetry, traceparent};
use tokio::runtime::Handle;

use crate::logging::{self, Log, LogSettings};

/// Starts both. A variable that cannot be followed is a line of the log: the program works without the export. `service`: the name
/// of this process among others.
pub fn start(log: &LogSettings, service: &'static str, runtime: &Handle) -> anyhow::Result<(Log, Option<Telemetry>)> {
    let started = Telemetry::start(service, runtime);
    let log = logging::start(log, started.as_ref().ok().and_then(Option::as_ref))?;
    let telemetry = started.unwrap_or_else(|error| {
        tracing::warn!("spans and metrics are not exported: {error}");
        None
    });
    Ok((log, telemetry))
}

/// Sends what is left, for a few seconds at most.
pub async fn finish(telemetry: Option<Telemetry>) {
    if let Some(telemetry) = telemetry {
        telemetry.finish().await;
    }
}

/// The same configuration of a backend, which can continue the traces of this process.
pub fn traced(config: BackendConfig) -> BackendConfig {
    BackendConfig { traceparent: Some(traceparent), ..config }
}
