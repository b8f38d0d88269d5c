//! A hub elsewhere, by its API.

use std::{env, time::Duration};

use anyhow::{Context, bail};
use easytier_probe::backend::BaseUrl;
use reqwest::{Client, Method, StatusCode, header, redirect};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::text::printable;

/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The maximum length of a response: a page of nodes has less.
const MAX_RESPONSE: usize = 64 << 20;

/// A hub elsewhere.
pub struct Remote {
    client: Client,
    base: BaseUrl,
    key: String,
}

/// Why a hub elsewhere did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// It refused.
    #[error("{base} answered {}: {message}", .status.as_u16())]
    Refused { base: String, status: StatusCode, message: String },
    /// It did not answer.
    #[error("{base} does not answer: {source}")]
    Unreachable { base: String, source: reqwest::Error },
    /// It is no hub, or one of another version.
    #[error("{base} answered {} with something else than expected: {reason}", .status.as_u16())]
    Unexpected { base: String, status: StatusCode, reason: String },
}

impl RemoteError {
    /// Whether there is no such object.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: StatusCode::NOT_FOUND, .. })
    }
}

/// An answer of the API, in the envelope of operators or in that of probes.
#[derive(Deserialize)]
struct Envelope {
    data: Option<Value>,
    error: Option<String>,
    message: Option<String>,
}

impl Remote {
    /// The hub at this URL, with the key of the environment.
    pub fn new(base: &BaseUrl) -> anyhow::Result<Self> {
        let key = env::var("API_KEY").ok().map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
        let Some(key) = key else {
            bail!(
                "API_KEY is missing: with --hub set it to a key of that hub; its operator creates one with \
                 'easytier-uptime hub key create --name NAME --scope SCOPE'"
            )
        };
        easytier::tunnel::insecure_tls::init_crypto_provider();
        // A redirect would take the key elsewhere.
        let mut client = Client::builder().timeout(TIMEOUT).redirect(redirect::Policy::none());
        if base.is_loopback() {
            client = client.no_proxy();
        }
        if !base.is_https() {
            // A machine without CA certificates can use this client too.
            client = client.tls_certs_only([]);
        }
        Ok(Self { client: client.build().context("cannot make an HTTP client")?, base: base.clone(), key })
    }

    /// The data of a GET. `path`: what follows `/api/`, in parts, which are escaped.
    pub async fn get<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, String)]) -> Result<T, RemoteError> {
        self.ask(Method::GET, path, query, None).await
    }

    /// The data that another request is answered with; `null` when there is none.
    pub async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        document: Option<&Value>,
    ) -> Result<T, RemoteError> {
        self.ask(method, path, &[], document).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        document: Option<&Value>,
    ) -> Result<T, RemoteError> {
        let base = || self.base.to_string();
        let unreachable =
            |source: reqwest::Error| RemoteError::Unreachable { base: base(), source: source.without_url() };
        let mut url = self.base.join("/api/");
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.client.request(method, url).bearer_auth(&self.key);
        if let Some(document) = document {
            request = request.header(header::CONTENT_TYPE, "application/json").body(document.to_string());
        }
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let unexpected = |reason: String| RemoteError::Unexpected { base: base(), status, reason: printable(&reason) };
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(unreachable)? {
            if body.len() + part.len() > MAX_RESPONSE {
                return Err(unexpected("it is too long".to_owned()));
            }
            body.extend_from_slice(&part);
        }
        let envelope: Envelope = serde_json::from_slice(&body).map_err(|error| unexpected(error.to_string()))?;
        if !status.is_success() {
            let message = printable(&envelope.error.or(envelope.message).unwrap_or_default());
            return Err(RemoteError::Refused { base: base(), status, message });
        }
        serde_json::from_value(envelope.data.unwrap_or_default()).map_err(|error| unexpected(error.to_string()))
    }
}
