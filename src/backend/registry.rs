//! The registry of probes of a hub: `/api/discovery/…`.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    client::{Backend, Reported, report_request},
    credentials::Bearer,
    documents::Envelope,
    error::BackendError,
    http::{Request, Response},
};
use crate::Secret;

/// What a probe tells the registry about itself when it starts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Registration {
    /// The id of the probe, unique at the backend.
    pub server_id: String,
    /// A host name or an IP address at which other machines reach the probe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The port of its monitoring API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The region from which it checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The version of the probe.
    pub version: String,
    /// What the probe can do, one word each: the transports it can check, and `monitoring`.
    pub capabilities: Vec<String>,
    /// The machine it runs on.
    pub system: System,
    /// For an enrollment: the node token that the probe has made itself, so that it can send the same request again when it
    /// does not get the answer. `None`: the backend makes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_token: Option<Secret>,
}

/// The machine of a probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct System {
    /// The operating system, such as `linux`.
    pub platform: String,
    /// The processor architecture, such as `x86_64`.
    pub arch: String,
    /// How many processors the process may use.
    pub cpus: usize,
    /// Total memory in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
}

/// The answer of the registry to a [`Registration`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Registered {
    /// The region in which the backend lists the probe.
    pub region: Option<String>,
    /// The node token of an enrollment. A token that the backend has made is sent only once.
    pub node_token: Option<Secret>,
}

impl Backend {
    /// Registers the probe: with its node token if it has one, else with the enrollment key, for which the backend
    /// issues a node token. `None`: the backend has no registry.
    ///
    /// # Errors
    /// [`BackendError::ServerIdTaken`] if another probe has the server id, [`BackendError::Unauthorized`] if the
    /// backend refuses the token or the key, and every error of a failed request but [`BackendError::NoSuchRoute`].
    pub async fn register(
        &self,
        registration: &Registration,
        deadline: Instant,
    ) -> Result<Option<Registered>, BackendError> {
        let bearer = match self.config().node_token.is_none() && self.config().enrollment_key.is_some() {
            true => Bearer::EnrollmentKey,
            false => Bearer::NodeToken,
        };
        let request = report_request(Method::POST, "/api/discovery/register", registration, bearer)?;
        let response = self.send_to_registry(&request, deadline).await?;
        let registered = |response: Response| Envelope::parse(&response.body).and_then(|envelope| envelope.data());
        Ok(response.map(|response| registered(response).unwrap_or_default()))
    }

    /// Reports that the probe is alive. `counters` must serialize to a JSON object; the backend stores it unchanged.
    ///
    /// # Errors
    /// As [`register`](Self::register).
    pub async fn heartbeat(
        &self,
        server_id: &str,
        counters: &(impl Serialize + Sync),
        deadline: Instant,
    ) -> Result<Reported, BackendError> {
        let path = format!("/api/discovery/heartbeat/{server_id}");
        let request = report_request(Method::POST, &path, counters, Bearer::NodeToken)?;
        Ok(reported(self.send_to_registry(&request, deadline).await?))
    }

    /// Reports that the probe stops.
    ///
    /// # Errors
    /// As [`register`](Self::register).
    pub async fn unregister(&self, server_id: &str, deadline: Instant) -> Result<Reported, BackendError> {
        let path = format!("/api/discovery/unregister/{server_id}");
        let request = Request { body: None, ..report_request(Method::DELETE, &path, &(), Bearer::NodeToken)? };
        Ok(reported(self.send_to_registry(&request, deadline).await?))
    }

    /// Sends a request to the registry; `None` if the backend has none.
    async fn send_to_registry(
        &self,
        request: &Request<'_>,
        deadline: Instant,
    ) -> Result<Option<Response>, BackendError> {
        let lacking = "the probe is not in its list of probes, and it is asked again later";
        let taken = BackendError::with_conflict_as_server_id_taken;
        self.send_to_optional(|endpoint| &endpoint.registry, lacking, request, deadline, taken).await
    }
}

fn reported(response: Option<Response>) -> Reported {
    match response {
        Some(_) => Reported::Accepted,
        None => Reported::Unsupported,
    }
}
