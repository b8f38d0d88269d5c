//! One request, one answer: what goes over HTTP, without any second try.

use std::{error::Error, iter};

use reqwest::{Client, Method, Response, StatusCode, header, redirect};
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use super::{
    base::{Base, Kind},
    config::BackendConfig,
    credentials::{Bearer, Credentials},
    error::{self, BackendError},
    retry::retry_after,
    wire::Envelope,
};
use crate::tls;

/// By this header, with the value 1, our hub says on every answer that it is ours.
const HUB_HEADER: &str = "x-uptime-hub";

/// The most that is read of an answer that tells an error, in bytes.
const MAX_ERROR_BODY: usize = 64 * 1024;

/// One request to make.
pub(super) struct Request<'a> {
    pub(super) method: Method,
    /// The path below the base URL, with a slash in front.
    pub(super) path: &'a str,
    pub(super) query: Vec<(&'static str, String)>,
    /// A JSON document.
    pub(super) body: Option<Vec<u8>>,
    pub(super) bearer: Bearer,
    /// The node token alone decides whether it is allowed.
    pub(super) needs_token: bool,
    /// The longest answer that is read, in bytes.
    pub(super) max_answer: usize,
}

/// An answer of success.
pub(super) struct Answer {
    pub(super) body: Vec<u8>,
    pub(super) is_hub: bool,
}

/// A connection pool, and who we are.
pub(super) struct Http {
    client: Client,
    pub(super) credentials: Credentials,
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
            // A redirect would take the keys elsewhere, and turns a POST into a GET.
            .redirect(redirect::Policy::none());
        if config.base_urls.iter().all(|url| url.is_loopback()) {
            client = client.no_proxy();
        }
        let client = client.build().map_err(|error| unusable(&root_cause(&error)))?;
        Ok(Self { client, credentials })
    }

    /// Sends `request` to `base` and reads the answer, before `deadline`. Anything but a success is an error.
    pub(super) async fn send(
        &self,
        base: &Base,
        request: &Request<'_>,
        deadline: Instant,
    ) -> Result<Answer, BackendError> {
        let started = Instant::now();
        let timed_out = || BackendError::TimedOut { request: shown(base, request), waited: started.elapsed() };
        if started >= deadline {
            return Err(timed_out());
        }
        let result = timeout_at(deadline, self.exchange(base, request)).await.unwrap_or_else(|_| Err(timed_out()));
        let outcome = match &result {
            Ok(_) => "ok".to_owned(),
            Err(error) => error.to_string(),
        };
        debug!(request = shown(base, request), took = ?started.elapsed(), outcome, "asked the backend");
        result
    }

    async fn exchange(&self, base: &Base, request: &Request<'_>) -> Result<Answer, BackendError> {
        let mut url = base.url.endpoint(request.path);
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        let mut builder =
            self.client.request(request.method.clone(), url).headers(self.credentials.headers(request.bearer));
        if let Some(body) = &request.body {
            builder = builder.header(header::CONTENT_TYPE, "application/json").body(body.clone());
        }
        let started = Instant::now();
        let failed = |error| self.transport_error(base, request, started, error);
        let mut response = builder.send().await.map_err(failed)?;

        let is_hub = response.headers().get(HUB_HEADER).is_some_and(|value| value == "1");
        let was_hub = base.kind() == Kind::Hub;
        if is_hub {
            base.learn(Kind::Hub);
        }
        let status = response.status();
        if !status.is_success() {
            let body = first_part(&mut response).await;
            let said = Envelope::read(&body).and_then(|envelope| envelope.said()).unwrap_or_default();
            return Err(self.refusal(base, request, &response, status, &said, was_hub && !is_hub));
        }
        let body = match whole_body(&mut response, request.max_answer).await {
            Ok(Some(body)) => body,
            Ok(None) => {
                let reason = format!("the answer is longer than {} MiB", request.max_answer >> 20);
                return Err(BackendError::Nonsense { request: shown(base, request), reason });
            }
            Err(error) => return Err(failed(error)),
        };
        // Some backends answer 200 to everything and tell the status in the body.
        if let Some(envelope) = Envelope::read(&body)
            && let Some(status) = envelope.code().filter(|code| (400..600).contains(code))
            && let Ok(status) = StatusCode::from_u16(status)
        {
            let said = envelope.said().unwrap_or_default();
            return Err(self.refusal(base, request, &response, status, &said, was_hub && !is_hub));
        }
        Ok(Answer { body, is_hub })
    }

    /// What an answer means that is no success. `interposed`: our hub is there, and this is not its answer.
    fn refusal(
        &self,
        base: &Base,
        request: &Request<'_>,
        response: &Response,
        status: StatusCode,
        said: &str,
        interposed: bool,
    ) -> BackendError {
        let retry_after = retry_after(response.headers());
        let answer = error::answer(status, &self.credentials.quoted(said));
        let code = status.as_u16();
        let request_shown = shown(base, request);
        match code {
            300..=399 if response.headers().contains_key(header::LOCATION) => {
                let location = response.headers()[header::LOCATION].to_str().unwrap_or_default();
                let location = self.credentials.quoted(&without_query(location));
                BackendError::Redirected { request: request_shown, location }
            }
            401 | 403 => {
                let (credentials, advice) = self.credentials.refused(request.bearer, request.needs_token);
                BackendError::Unauthorized { request: request_shown, credentials, answer, advice }
            }
            429 => BackendError::Busy { request: request_shown, answer, retry_after },
            // While a hub is being replaced, what stands in front of it answers in its place. A limit to the length of
            // a request holds, whoever sets it.
            400..=499 if interposed && code != 413 => {
                BackendError::Failed { request: request_shown, status: code, answer, retry_after }
            }
            404 | 405 | 501 => BackendError::Lacking { request: request_shown, status: code, answer },
            408 | 500..=599 => BackendError::Failed { request: request_shown, status: code, answer, retry_after },
            _ => BackendError::Refused { request: request_shown, status: code, answer },
        }
    }

    fn transport_error(
        &self,
        base: &Base,
        request: &Request<'_>,
        started: Instant,
        error: reqwest::Error,
    ) -> BackendError {
        // The error would print the URL, query and all.
        let error = error.without_url();
        let cause = self.credentials.quoted(&root_cause(&error));
        let request = shown(base, request);
        match error {
            error if error.is_builder() => {
                BackendError::Unusable(format!("{request}: no request can be made: {cause}"))
            }
            error if error.is_connect() => BackendError::Unreachable { request, cause },
            error if error.is_timeout() => BackendError::TimedOut { request, waited: started.elapsed() },
            _ => BackendError::CutOff { request, cause },
        }
    }
}

/// The request as messages show it: without its query.
pub(super) fn shown(base: &Base, request: &Request<'_>) -> String {
    format!("{} {}", request.method, base.url.endpoint(request.path))
}

/// The body, unless it is longer than `most`.
async fn whole_body(response: &mut Response, most: usize) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > most {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// As much of the body as an error needs; one that breaks off does as well.
async fn first_part(response: &mut Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ERROR_BODY {
            break;
        }
    }
    body
}

/// What is behind the error, without what wraps it.
fn root_cause(error: &reqwest::Error) -> String {
    let error: &(dyn Error + 'static) = error;
    iter::successors(Some(error), |error| (**error).source()).last().map(ToString::to_string).unwrap_or_default()
}

fn without_query(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    match url.split_once("://") {
        // Nor what stands before an '@', which may be a password.
        Some((scheme, rest)) => format!("{scheme}://{}", rest.rsplit('@').next().unwrap_or_default()),
        None => url.to_owned(),
    }
}
