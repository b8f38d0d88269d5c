//! The registry of probes: a probe says that it is there, and that it goes.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    Backend, BackendError, Reported,
    base::Base,
    credentials::Bearer,
    http::{Answer, Request, shown},
    report::report_request,
    wire::Envelope,
};
use crate::Secret;

/// What a probe says about itself when it starts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Registration {
    pub server_id: String,
    /// An address that other machines can reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The port of its monitoring API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    pub version: String,
    /// What it can do, in single words.
    pub capabilities: Vec<String>,
    pub system: System,
}

/// The machine of a probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct System {
    pub platform: String,
    pub arch: String,
    pub cpus: usize,
    /// In bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
}

/// As whom the probe is registered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Registered {
    pub region: Option<String>,
    /// Made for an enrollment key, and told this once.
    pub node_token: Option<Secret>,
}

impl Backend {
    /// Registers the probe: with its node token where it has one, else with the enrollment key, for which it is given a
    /// token. `None` when the backend keeps no registry, as far as one can tell.
    pub async fn register(
        &self,
        registration: &Registration,
        deadline: Instant,
    ) -> Result<Option<Registered>, BackendError> {
        let config = &self.shared.config;
        let bearer = match config.node_token.is_none() && config.enrollment_key.is_some() {
            true => Bearer::EnrollmentKey,
            false => Bearer::NodeToken,
        };
        let request = report_request(Method::POST, "/api/discovery/register", registration, bearer);
        let answer = self.ask_registry(&request, deadline).await?;
        Ok(answer.map(|answer| Envelope::read(&answer.body).and_then(|envelope| envelope.data()).unwrap_or_default()))
    }

    /// Says that the probe is there; `counters` are kept as they are.
    pub async fn heartbeat(
        &self,
        server_id: &str,
        counters: &(impl Serialize + Sync),
        deadline: Instant,
    ) -> Result<Reported, BackendError> {
        let path = format!("/api/discovery/heartbeat/{server_id}");
        let request = report_request(Method::POST, &path, counters, Bearer::NodeToken);
        Ok(reported(self.ask_registry(&request, deadline).await?))
    }

    /// Says that the probe stops.
    pub async fn unregister(&self, server_id: &str, deadline: Instant) -> Result<Reported, BackendError> {
        let path = format!("/api/discovery/unregister/{server_id}");
        let request = Request { body: None, ..report_request(Method::DELETE, &path, &(), Bearer::NodeToken) };
        Ok(reported(self.ask_registry(&request, deadline).await?))
    }

    /// `None` when the backend keeps no registry.
    async fn ask_registry(&self, request: &Request<'_>, deadline: Instant) -> Result<Option<Answer>, BackendError> {
        let mut attempts = self.attempts(deadline);
        loop {
            let base = attempts.base();
            if base.registry.is_missing(self.shared.config.ask_again_after) {
                return Ok(None);
            }
            match self.send_report(base, request, attempts.deadline()).await {
                Ok(answer) => {
                    base.registry.works();
                    attempts.succeeded();
                    return Ok(Some(answer));
                }
                Err(BackendError::Lacking { answer, .. }) => {
                    miss_registry(base, request, &answer);
                    return Ok(None);
                }
                Err(error) => attempts.failed(error.of_the_registry()).await?,
            }
        }
    }
}

fn reported(answer: Option<Answer>) -> Reported {
    match answer {
        Some(_) => Reported::Taken,
        None => Reported::NotWanted,
    }
}

fn miss_registry(base: &Base, request: &Request<'_>, answer: &str) {
    let consequence = "the probe is not in its list of probes, and it is asked again later";
    base.registry.missed(&shown(base, request), answer, consequence);
}
