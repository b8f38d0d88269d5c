//! One HTTP request and its response, without retries.

use std::time::SystemTime;

use reqwest::{Client, Method, StatusCode, header, redirect};
use tokio::time::{Instant, timeout_at};
use tracing::{Instrument, debug, field::Empty};

use super::{
    config::BackendConfig,
    credentials::{Bearer, Credentials},
    documents::Envelope,
    endpoint::{BackendKind, Endpoint},
    error::{BackendError, format_answer},
    retry_after::retry_after,
};
use crate::{
    ListingVersion, SPANS,
    text::{root_cause, without_secrets},
    tls,
};

/// Our hub sends this header, with the value `1`, on every response.
pub const HUB_HEADER: &str = "x-uptime-hub";

/// Our hub sends this header with a 503 when it does not hold the listing that the request names.
const BEHIND_HEADER: &str = "x-uptime-behind";

/// How much of an error response is read, in bytes.
const MAX_ERROR_BODY: usize = 64 * 1024;

/// A request to an endpoint.
pub(super) struct Request<'a> {
    pub(super) method: Method,
    /// The path below the base URL; begins with a slash.
    pub(super) path: &'a str,
    pub(super) query: Vec<(&'static str, String)>,
    /// A JSON document.
    pub(super) body: Option<Vec<u8>>,
    pub(super) bearer: Bearer,
    /// The listing that it names.
    pub(super) listing: Option<ListingVersion>,
    /// Only the node token can authorize the request.
    pub(super) needs_token: bool,
    /// The maximum length of the response, in bytes.
    pub(super) max_response: usize,
}

impl Request<'_> {
    /// The path without what differs between nodes, for traces.
    fn route(&self) -> &str {
        match self.path.split_once("/nodes/") {
            Some((_, node)) if node.ends_with("/status") => "/nodes/{id}/status",
            Some((_, node)) if node.ends_with("/private-info") => "/nodes/{id}/private-info",
            Some((_, node)) if node.ends_with("/heartbeat") => "/nodes/{id}/heartbeat",
            _ => self.path,
        }
    }

    /// The request as messages show it: method and URL, without the query.
    pub(super) fn describe(&self, endpoint: &Endpoint) -> String {
        format!("{} {}", self.method, endpoint.url.join(self.path))
    }
}

/// A successful response.
pub(super) struct Response {
    pub(super) body: Vec<u8>,
    /// It carries the header of our hub.
    pub(super) is_hub: bool,
}

/// A request that failed.
struct Failure {
    error: BackendError,
    /// The hub answered that it does not hold the listing.
    is_behind: bool,
}

impl From<BackendError> for Failure {
    fn from(error: BackendError) -> Self {
        Self { error, is_behind: false }
    }
}

/// A connection pool with the credentials.
pub(super) struct Http {
    client: Client,
    pub(super) credentials: Credentials,
    traceparent: Option<fn() -> Option<String>>,
}

impl Http {
    pub(super) fn new(config: &BackendConfig) -> Result<Self, BackendError> {
        let credentials = Credentials::new(config)?;
        let unusable = |cause: &str| {
            BackendError::Unusable(format!("no web client: {cause}; install the CA certificates of your system"))
        };
        // A machine without CA certificates can still reach a backend over plain HTTP.
        let tls = match config.base_urls.iter().any(|url| url.is_https()) {
            true => tls::for_web_servers(),
            false => tls::without_trust(),
        };
        let tls = tls.map_err(|error| unusable(&error.to_string()))?;
        let mut client = Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("easytier-uptime/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(config.connect_timeout)
            .read_timeout(config.read_timeout)
            // A redirect would send the keys to another place, and turn a POST into a GET.
            .redirect(redirect::Policy::none());
        if config.base_urls.iter().all(|url| url.is_loopback()) {
            client = client.no_proxy();
        }
        let client = client.build().map_err(|error| unusable(&root_cause(&error)))?;
        Ok(Self { client, credentials, traceparent: config.traceparent })
    }

    /// Sends `request` to `endpoint` and reads the response, before `deadline`. Any status but 2xx is an error.
    pub(super) async fn send(
        &self,
        endpoint: &Endpoint,
        request: &Request<'_>,
        deadline: Instant,
    ) -> Result<Response, BackendError> {
        let started = Instant::now();
        let timed_out = || BackendError::TimedOut { request: request.describe(endpoint), waited: started.elapsed() };
        if started >= deadline {
            return Err(timed_out());
        }
        let span = tracing::info_span!(
            target: SPANS,
            "request",
            otel.name = %format_args!("{} {}", request.method, request.route()),
            otel.kind = "client",
            otel.status_code = Empty,
        );
        let exchange = timeout_at(deadline, self.exchange(endpoint, request)).instrument(span.clone()).await;
        let result = exchange.unwrap_or_else(|_| Err(timed_out().into()));
        if let Some(named) = request.listing {
            match &result {
                Ok(_) => endpoint.behind.found(named),
                Err(Failure { is_behind: true, .. }) => endpoint.behind.lacks(named),
                Err(_) => endpoint.behind.end(),
            }
        }
        if result.is_err() {
            span.record("otel.status_code", "ERROR");
        }
        let result = result.map_err(|Failure { error, .. }| error);
        let outcome = match &result {
            Ok(_) => "ok".to_owned(),
            Err(error) => error.to_string(),
        };
        debug!(request = request.describe(endpoint), took = ?started.elapsed(), outcome, "sent a request to the backend");
        result
    }

    async fn exchange(&self, endpoint: &Endpoint, request: &Request<'_>) -> Result<Response, Failure> {
        let mut url = endpoint.url.join(request.path);
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        let mut builder =
            self.client.request(request.method.clone(), url).headers(self.credentials.headers(request.bearer));
        if let Some(body) = &request.body {
            builder = builder.header(header::CONTENT_TYPE, "application/json").body(body.clone());
        }
        if let Some(traceparent) = self.traceparent.and_then(|current| current()) {
            builder = builder.header("traceparent", traceparent);
        }
        let started = Instant::now();
        let failed = |error| self.transport_error(endpoint, request, started, error);
        let mut response = builder.send().await.map_err(failed)?;

        let is_hub = response.headers().get(HUB_HEADER).is_some_and(|value| value == "1");
        let was_hub = endpoint.kind() == BackendKind::Hub;
        if is_hub {
            endpoint.answered_as_hub();
        }
        let status = response.status();
        if !status.is_success() {
            let is_behind = response.headers().contains_key(BEHIND_HEADER);
            let body = read_prefix(&mut response).await;
            let message = Envelope::parse(&body).and_then(|envelope| envelope.message()).unwrap_or_default();
            let error = self.status_error(endpoint, request, &response, status, &message, was_hub && !is_hub);
            return Err(Failure { error, is_behind });
        }
        let body = match read_body(&mut response, request.max_response).await {
            Ok(Some(body)) => body,
            Ok(None) => {
                let reason = format!("the answer is longer than {} MiB", request.max_response >> 20);
                return Err(BackendError::InvalidResponse { request: request.describe(endpoint), reason }.into());
            }
            Err(error) => return Err(failed(error).into()),
        };
        // Some backends answer 200 to everything, with the status in the body.
        if let Some(envelope) = Envelope::parse(&body)
            && let Some(status) = envelope.code().filter(|code| (400..600).contains(code))
            && let Ok(status) = StatusCode::from_u16(status)
        {
            let message = envelope.message().unwrap_or_default();
            return Err(self.status_error(endpoint, request, &response, status, &message, was_hub && !is_hub).into());
        }
        Ok(Response { body, is_hub })
    }

    /// The error that an unsuccessful status means. `from_proxy`: the endpoint is our hub, but this response is not the
    /// hub's own.
    fn status_error(
        &self,
        endpoint: &Endpoint,
        request: &Request<'_>,
        response: &reqwest::Response,
        status: StatusCode,
        message: &str,
        from_proxy: bool,
    ) -> BackendError {
        #[expect(clippy::disallowed_methods, reason = "a date in Retry-After is relative to the time of the response")]
        let retry_after = retry_after(response.headers(), SystemTime::now());
        let answer = format_answer(status, &self.credentials.quote(message));
        let code = status.as_u16();
        let description = request.describe(endpoint);
        match code {
            300..=399 if response.headers().contains_key(header::LOCATION) => {
                let location = response.headers()[header::LOCATION].to_str().unwrap_or_default();
                let location = self.credentials.quote(&without_secrets(location));
                BackendError::Redirected { request: description, location }
            }
            401 | 403 => {
                let (credentials, advice) = self.credentials.describe_refusal(request.bearer, request.needs_token);
                BackendError::Unauthorized { request: description, status: code, credentials, answer, advice }
            }
            429 => BackendError::RateLimited { request: description, answer, retry_after },
            // While a hub restarts, the reverse proxy in front of it answers in its place. Only its limit to the size of
            // a request is final.
            400..=499 if from_proxy && code != 413 => {
                BackendError::Failed { request: description, status: code, answer, retry_after }
            }
            404 | 405 | 501 => BackendError::NoSuchRoute { request: description, status: code, answer },
            408 | 500..=599 => BackendError::Failed { request: description, status: code, answer, retry_after },
            _ => BackendError::Refused { request: description, status: code, answer },
        }
    }

    fn transport_error(
        &self,
        endpoint: &Endpoint,
        request: &Request<'_>,
        started: Instant,
        error: reqwest::Error,
    ) -> BackendError {
        // Its text would show the URL with the query.
        let error = error.without_url();
        let cause = self.credentials.quote(&root_cause(&error));
        let request = request.describe(endpoint);
        match error {
            error if error.is_builder() => {
                BackendError::Unusable(format!("{request}: no request can be made: {cause}"))
            }
            error if error.is_connect() => BackendError::Unreachable { request, cause },
            error if error.is_timeout() => BackendError::TimedOut { request, waited: started.elapsed() },
            _ => BackendError::ConnectionLost { request, cause },
        }
    }
}

/// The body; `None` if it is longer than `max` bytes.
async fn read_body(response: &mut reqwest::Response, max: usize) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > max {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// The beginning of the body of an error response, even if the connection breaks.
async fn read_prefix(response: &mut reqwest::Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ERROR_BODY {
            break;
        }
    }
    body
}
