//! Requests to other instances.
//!
//! A request goes to one base URL and nowhere else: redirects are refused, so that no token reaches another host. Each has a
//! deadline, and answers are bounded.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use easytier_probe::{Secret, backend::HUB_HEADER, tls};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, header, redirect};
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use url::Url;

use super::wire::{
    Configuration, FailoverOrder, Heartbeat, HeartbeatReceipt, Instances, Mirror, Register, Registered, SyncErrorBody,
};

/// The most bytes of a configuration: more than 100,000 peers with long descriptions.
const MAX_CONFIGURATION: usize = 256 << 20;

/// The most bytes of any other answer.
const MAX_ANSWER: usize = 16 << 20;

/// How much longer than the connection timeout a configuration or results may take.
const LARGE: u32 = 6;

/// Why a request to another instance failed. The messages hold no secret.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// There was no answer.
    #[error("{url} does not answer: {cause}")]
    Unreachable {
        /// The address, without its query.
        url: String,
        /// Why, in words.
        cause: String,
    },
    /// There was no answer in time.
    #[error("{url} did not answer within {waited:?}")]
    TimedOut {
        /// The address, without its query.
        url: String,
        /// The deadline.
        waited: Duration,
    },
    /// The other side refused the request.
    #[error("{url} answers {status}: {message}")]
    Refused {
        /// The address, without its query.
        url: String,
        /// The status.
        status: StatusCode,
        /// A code for programs; empty when the answer has none.
        code: String,
        /// What the other side says, shortened.
        message: String,
    },
    /// The answer is not one of this API.
    #[error("{url} is no synchronisation API: {reason}")]
    Foreign {
        /// The address, without its query.
        url: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// No request can be made at all.
    #[error("no web client: {0}; install the CA certificates of your system")]
    NoClient(String),
}

impl SyncError {
    /// Whether the other side does not accept the token that was sent.
    pub fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == StatusCode::UNAUTHORIZED)
    }

    /// The code of a refusal.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            _ => None,
        }
    }
}

/// An answer to [`SyncClient::configuration`].
pub enum Fetched {
    /// The configuration has the tag that the caller named.
    NotModified,
    /// Another configuration, and its tag.
    Changed(Box<Configuration>, Option<String>),
}

/// Makes requests to other instances.
#[derive(Debug, Clone)]
pub struct SyncClient {
    http: Client,
    timeout: Duration,
    /// Whether this program answered, by the origin of the URL.
    ours: Arc<Mutex<BTreeMap<String, bool>>>,
}

impl SyncClient {
    /// A client whose requests end after `timeout`.
    ///
    /// # Errors
    ///
    /// [`SyncError::NoClient`] when no TLS configuration can be made.
    pub fn new(timeout: Duration) -> Result<Self, SyncError> {
        // A machine without CA certificates can still reach instances over plain HTTP.
        let tls = tls::for_web_servers().or_else(|_| tls::without_trust());
        let tls = tls.map_err(|error| SyncError::NoClient(error.to_string()))?;
        let http = Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("easytier-uptime/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(timeout)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| SyncError::NoClient(error.to_string()))?;
        Ok(Self { http, timeout, ours: Arc::default() })
    }

    /// Whether the last answer from `base` was of this program; `None` before the first.
    pub fn is_ours(&self, base: &Url) -> Option<bool> {
        let known = self.ours.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&base.origin().ascii_serialization()).copied()
    }

    /// Introduces an instance to the primary at `base`.
    ///
    /// # Errors
    ///
    /// When the primary does not answer, or refuses.
    pub async fn register(&self, base: &Url, secret: &Secret, register: &Register) -> Result<Registered, SyncError> {
        let request = |url: Url| self.http.request(Method::POST, url).json(register);
        self.json(base, "register", secret, request, 1).await
    }

    /// Sends a heartbeat, with results.
    ///
    /// # Errors
    ///
    /// When the primary does not answer, or refuses.
    pub async fn heartbeat(&self, base: &Url, token: &Secret, beat: &Heartbeat) -> Result<HeartbeatReceipt, SyncError> {
        let request = |url: Url| self.http.request(Method::PUT, url).json(beat);
        self.json(base, "heartbeat", token, request, LARGE).await
    }

    /// Who leads, and who follows in which order.
    ///
    /// # Errors
    ///
    /// When the other instance does not answer, or refuses.
    pub async fn failover_order(&self, base: &Url, token: &Secret) -> Result<FailoverOrder, SyncError> {
        self.json(base, "failover-order", token, |url| self.http.get(url), 1).await
    }

    /// All instances of the cluster.
    ///
    /// # Errors
    ///
    /// When the primary does not answer, or refuses.
    pub async fn instances(&self, base: &Url, token: &Secret) -> Result<Instances, SyncError> {
        self.json(base, "instances", token, |url| self.http.get(url), 1).await
    }

    /// The primary's results after a position, of which the first page has none.
    ///
    /// # Errors
    ///
    /// When the primary does not answer, or refuses.
    pub async fn results(&self, base: &Url, token: &Secret, after: Option<&str>) -> Result<Mirror, SyncError> {
        let request = |url: Url| self.http.get(url).query(&after.map(|after| [("after", after)]));
        self.json(base, "results", token, request, LARGE).await
    }

    /// The primary's configuration, unless it has the tag `known`.
    ///
    /// # Errors
    ///
    /// When the primary does not answer, or refuses.
    pub async fn configuration(&self, base: &Url, token: &Secret, known: Option<&str>) -> Result<Fetched, SyncError> {
        let request = |url: Url| match known {
            Some(tag) => self.http.get(url).header(header::IF_NONE_MATCH, tag),
            None => self.http.get(url),
        };
        let (url, deadline) = (address(base, "endpoints"), self.timeout * LARGE);
        let exchange = async {
            let response = self.send(&url, request(url.clone()).bearer_auth(token.expose())).await?;
            if response.status() == StatusCode::NOT_MODIFIED {
                return Ok(Fetched::NotModified);
            }
            let tag = response.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
            let configuration = read(&url, response, MAX_CONFIGURATION).await?;
            Ok(Fetched::Changed(Box::new(configuration), tag))
        };
        within(&url, deadline, exchange).await
    }

    /// Gives the primary what this instance changed while it was the primary itself.
    ///
    /// # Errors
    ///
    /// When the primary does not answer, or refuses.
    pub async fn hand_in(&self, base: &Url, token: &Secret, own: &Configuration) -> Result<(), SyncError> {
        let request = |url: Url| self.http.request(Method::PUT, url).json(own);
        self.json::<serde_json::Value>(base, "endpoints", token, request, LARGE).await.map(drop)
    }

    async fn json<T: DeserializeOwned>(
        &self,
        base: &Url,
        path: &str,
        token: &Secret,
        request: impl FnOnce(Url) -> RequestBuilder,
        patience: u32,
    ) -> Result<T, SyncError> {
        let url = address(base, path);
        let exchange = async {
            let response = self.send(&url, request(url.clone()).bearer_auth(token.expose())).await?;
            read(&url, response, MAX_ANSWER).await
        };
        within(&url, self.timeout * patience, exchange).await
    }

    fn note_program(&self, url: &Url, is_ours: bool) {
        let mut known = self.ours.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(url.origin().ascii_serialization(), is_ours);
    }

    /// Sends a request; any status but 2xx and 304 is an error.
    async fn send(&self, url: &Url, request: RequestBuilder) -> Result<Response, SyncError> {
        let mut response = request.send().await.map_err(|error| unreachable(url, &error))?;
        self.note_program(url, response.headers().contains_key(HUB_HEADER));
        let status = response.status();
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(response);
        }
        let body = body(url, &mut response, 64 << 10).await.unwrap_or_default();
        let told: Option<SyncErrorBody> = serde_json::from_slice(&body).ok();
        let (code, message) = told.map(|told| (told.error, told.message)).unwrap_or_default();
        let short = |text: String| text.chars().filter(|char| !char.is_control()).take(300).collect();
        Err(SyncError::Refused { url: url.to_string(), status, code: short(code), message: short(message) })
    }
}

/// The address of a route below a base URL, which may have a path.
fn address(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    let root = url.path().trim_end_matches('/').to_owned();
    url.set_path(&format!("{root}/sync/api/{path}"));
    url.set_query(None);
    url
}

async fn within<T>(
    url: &Url,
    deadline: Duration,
    exchange: impl Future<Output = Result<T, SyncError>>,
) -> Result<T, SyncError> {
    let timed_out = || SyncError::TimedOut { url: url.to_string(), waited: deadline };
    timeout(deadline, exchange).await.unwrap_or_else(|_| Err(timed_out()))
}

async fn read<T: DeserializeOwned>(url: &Url, mut response: Response, max: usize) -> Result<T, SyncError> {
    let body = body(url, &mut response, max).await?;
    serde_json::from_slice(&body).map_err(|error| foreign(url, format!("unexpected JSON: {error}")))
}

async fn body(url: &Url, response: &mut Response, max: usize) -> Result<Vec<u8>, SyncError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(url, &error))? {
        if body.len() + chunk.len() > max {
            return Err(foreign(url, format!("the answer is longer than {} MiB", max >> 20)));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn foreign(url: &Url, reason: String) -> SyncError {
    SyncError::Foreign { url: url.to_string(), reason }
}

fn unreachable(url: &Url, error: &reqwest::Error) -> SyncError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    SyncError::Unreachable { url: url.to_string(), cause: cause.to_string() }
}
