//! Sends requests to a collector, and complains little when it does not answer.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use easytier_probe::tls;
use http::{HeaderMap, Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use reqwest::redirect;
use tokio::{runtime::Handle, time::Instant};

use crate::settings::{Signal, TelemetryError};

/// While a collector does not answer, the log says so this often.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(600);

/// How much of an answer is read: it says no more than which spans were refused.
const MAX_ANSWER: usize = 64 * 1024;

/// Sends requests on a runtime, whatever thread they come from.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    headers: HeaderMap,
    timeout: Duration,
    runtime: Handle,
    collector: Arc<Collector>,
}

/// Why a request was not answered as it should be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unanswered(String);

impl Client {
    pub fn new(signal: &Signal, runtime: Handle) -> Result<Self, TelemetryError> {
        let tls = match signal.url.scheme() {
            "https" => tls::for_web_servers(),
            _ => tls::without_trust(),
        };
        let tls = tls.map_err(|error| TelemetryError::Client(error.to_string()))?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("easytier-uptime/", env!("CARGO_PKG_VERSION")))
            // A redirect would send the headers to another place.
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| TelemetryError::Client(error.to_string()))?;
        let collector = Collector { server: signal.server(), trouble: Mutex::default() };
        let (headers, timeout) = (signal.headers.clone(), signal.timeout);
        Ok(Self { http, headers, timeout, runtime, collector: Arc::new(collector) })
    }

    /// Sends a request. An answer of any status is one; the log has what is wrong.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answered = self.exchange(request).await;
        match &answered {
            Ok(response) if response.status().is_success() => self.collector.answered(),
            Ok(response) => self.collector.failed(&format!("it answered {}", response.status())),
            Err(error) => self.collector.failed(&root_cause(error)),
        }
        Ok(answered.map_err(|error| Unanswered(root_cause(&error)))?)
    }

    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, reqwest::Error> {
        let (parts, body) = request.into_parts();
        let mut headers = parts.headers;
        headers.extend(self.headers.clone());
        let request = self.http.request(parts.method, parts.uri.to_string()).headers(headers).body(body);
        let mut answer = request.timeout(self.timeout).send().await?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_ANSWER {
                body.clear();
                break;
            }
        }
        let mut response = Response::new(body.into());
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        Ok(response)
    }
}

impl HttpClient for Client {
    // As the macro `async_trait` writes it.
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        let client = self.clone();
        let sending = self.runtime.spawn(async move { client.send(request).await });
        Box::pin(async { sending.await? })
    }
}

/// A collector, and whether it answers.
struct Collector {
    server: String,
    trouble: Mutex<Option<Trouble>>,
}

struct Trouble {
    said_at: Instant,
    failures: u64,
}

impl Collector {
    fn failed(&self, why: &str) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let failures = trouble.as_ref().map_or(1, |trouble| trouble.failures + 1);
        let is_said = trouble.as_ref().is_some_and(|trouble| now - trouble.said_at < COMPLAINT_INTERVAL);
        let said_at = trouble.as_ref().map_or(now, |trouble| if is_said { trouble.said_at } else { now });
        *trouble = Some(Trouble { said_at, failures });
        if !is_said {
            tracing::warn!(collector = self.server, failures, "spans and metrics are not exported: {why}");
        }
    }

    fn answered(&self) {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Trouble { failures, .. }) = trouble {
            tracing::info!(collector = self.server, failures, "spans and metrics are exported again");
        }
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.server)
    }
}

/// The cause of all: the texts above it name the URL, which may hold a secret.
fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    match cause.downcast_ref::<reqwest::Error>() {
        Some(error) if error.is_timeout() => "it does not answer in time".to_owned(),
        Some(_) => "the request failed".to_owned(),
        None => cause.to_string(),
    }
}
