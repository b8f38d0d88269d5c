//! The probe's own status, by `PUT /nodes/status`.

use std::time::Duration;

use reqwest::Method;
use tokio::time::Instant;

use super::{
    client::{Backend, Reported, report_request},
    credentials::Bearer,
    documents::{StatusBody, StatusMetadata, whole_millis},
    endpoint::{BackendKind, Endpoint},
    error::BackendError,
};

/// The probe's report about itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StatusReport {
    /// The median round trip to the peers found healthy in the last cycle, in milliseconds.
    pub response_time_ms: Option<f64>,
    /// How many peers the probe watches.
    pub total_monitored_nodes: u64,
    /// How many of them are online.
    pub healthy_nodes: u64,
    /// The id under which the probe is registered.
    pub server_id: Option<String>,
    /// The time between two checks of a peer; sent in whole seconds, at least 1.
    pub check_interval: Duration,
    /// Whether the probe seems to be cut off, so that its failures are no evidence against the peers.
    pub degraded: bool,
    /// Whether the probe keeps a session open on every peer. The hub subtracts these sessions from a node's load.
    pub holds_sessions: bool,
}

impl Backend {
    /// Reports whether this probe works, with a summary of its peers.
    ///
    /// # Errors
    /// Any [`BackendError`] but [`BackendError::NoSuchRoute`]. A third-party backend that answers 401 is assumed
    /// not to have the route.
    pub async fn report_status(&self, report: &StatusReport, deadline: Instant) -> Result<Reported, BackendError> {
        let body = StatusBody {
            status: if report.degraded { "Degraded" } else { "Online" },
            response_time: whole_millis(report.response_time_ms),
            metadata: StatusMetadata {
                version: env!("CARGO_PKG_VERSION"),
                total_monitored_nodes: report.total_monitored_nodes,
                healthy_nodes: report.healthy_nodes,
                region: self.config().region.as_deref(),
                server_id: report.server_id.as_deref(),
                check_interval: report.check_interval.as_secs().max(1),
                holds_sessions: report.holds_sessions,
            },
        };
        let request = report_request(Method::PUT, "/nodes/status", &body, Bearer::ApiKey)?;
        let mut retry = self.retry_loop(deadline);
        loop {
            let endpoint = retry.endpoint();
            if endpoint.status.is_missing() {
                return Ok(Reported::Unsupported);
            }
            let error = match self.send_report(endpoint, &request, retry.attempt_deadline()).await {
                Ok(_) => {
                    endpoint.status.set_working();
                    retry.succeeded();
                    return Ok(Reported::Accepted);
                }
                Err(error) => error,
            };
            if let Some((answer, consequence)) = is_unsupported(endpoint, &error) {
                endpoint.status.set_missing(&request.describe(endpoint), answer, consequence);
                return Ok(Reported::Unsupported);
            }
            retry.failed(error.with_conflict_as_server_id_taken()).await?;
        }
    }
}

/// The answer of the backend and its consequence, if the answer means that the backend does not have this route.
fn is_unsupported<'e>(endpoint: &Endpoint, error: &'e BackendError) -> Option<(&'e str, &'static str)> {
    match error {
        BackendError::NoSuchRoute { answer, .. } => {
            Some((answer, "the probe does not report its own status, and it is asked again later"))
        }
        // Third-party backends answer 401 to every route that they do not know; a hub does not.
        BackendError::Unauthorized { answer, .. }
            if endpoint.kind() != BackendKind::Hub && answer.starts_with("401") =>
        {
            Some((
                answer,
                "or it refused NODE_TOKEN: the probe does not report its own status, and it is asked again later",
            ))
        }
        _ => None,
    }
}
