//! Checks that a hub has its probes make now: `/api/checks`.

use std::time::Duration;

use reqwest::Method;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    client::{Backend, report_request},
    credentials::Bearer,
    documents::Envelope,
    error::BackendError,
    http::Request,
};
use crate::{CheckResult, PeerUrl};

/// The path of requested checks.
const PATH: &str = "/api/checks";

/// A check that probes of a hub make now.
#[derive(Debug, Clone, Serialize)]
pub struct WantedCheck {
    /// The node to check, as a guest.
    pub url: PeerUrl,
    /// From where: names of regions, or `server_id`s of probes; at most 6. Without any, every region in which a probe is available.
    pub from: Vec<String>,
    /// The deadline of the check, from 100 ms to 30 s.
    #[serde(rename = "timeout_ms", serialize_with = "as_millis")]
    pub timeout: Duration,
}

/// A requested check, with the answers so far.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct RequestedCheck {
    /// Whether an answer may still come.
    pub is_running: bool,
    /// From each region or probe.
    pub results: Vec<RequestedResult>,
}

/// A requested check from one place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestedResult {
    /// The region or `server_id` that was asked for.
    pub from: String,
    /// The region of the probe that was chosen; `None` if none is available.
    pub region: Option<String>,
    /// The probe that was chosen.
    pub server_id: Option<String>,
    /// What it found; `None` if it has not answered.
    pub result: Option<CheckResult>,
}

#[derive(Deserialize)]
struct Requested {
    id: Uuid,
}

fn as_millis<S: serde::Serializer>(timeout: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX))
}

impl Backend {
    /// Has the hub's probes check a node now; returns the id of the check. It needs an API key with the scope `checks`.
    ///
    /// # Errors
    /// Any [`BackendError`]; [`BackendError::Failed`] with the status 429 if an address of the node was checked by request in the last
    /// ten seconds.
    pub async fn request_check(&self, wanted: &WantedCheck, deadline: Instant) -> Result<Uuid, BackendError> {
        let request = Request { needs_token: false, ..report_request(Method::POST, PATH, wanted, Bearer::ApiKey)? };
        self.ask::<Requested>(&request, deadline).await.map(|requested| requested.id)
    }

    /// A check that was requested, with the answers so far.
    ///
    /// # Errors
    /// Any [`BackendError`].
    pub async fn requested_check(&self, id: Uuid, deadline: Instant) -> Result<RequestedCheck, BackendError> {
        let path = format!("{PATH}/{id}");
        let request = report_request(Method::GET, &path, &(), Bearer::ApiKey)?;
        self.ask(&Request { body: None, needs_token: false, ..request }, deadline).await
    }

    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        request: &Request<'_>,
        deadline: Instant,
    ) -> Result<T, BackendError> {
        let mut retry = self.retry_loop(deadline);
        loop {
            let endpoint = retry.endpoint();
            match self.send_report(endpoint, request, retry.attempt_deadline()).await {
                Ok(response) => {
                    retry.succeeded();
                    let data = Envelope::parse(&response.body).and_then(|envelope| envelope.data::<T>());
                    let reason = "the answer has no such document".to_owned();
                    return data.ok_or(BackendError::InvalidResponse { request: request.describe(endpoint), reason });
                }
                Err(error) => retry.failed(error).await?,
            }
        }
    }
}
