//! The requests to a site.

use std::time::Duration;

use reqwest::{
    Client, StatusCode,
    redirect::{Attempt, Policy},
};
use url::Url;

use super::{
    error::{FetchError, shown},
    version::ListVersion,
};
use crate::{backend::is_loopback, text::root_cause, tls};

/// The deadline of one request.
const TIMEOUT: Duration = Duration::from_secs(60);

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 10;

/// A web client for one list.
pub(super) struct Reader {
    client: Client,
    max_bytes: usize,
    /// How many bytes may still come.
    left: usize,
    /// The version that is not wanted again.
    known: ListVersion,
    /// The version of the last response.
    got: ListVersion,
}

impl Reader {
    pub(super) fn new(url: &Url, max_bytes: usize, known: ListVersion) -> Result<Self, FetchError> {
        let is_local = is_loopback(url);
        // A machine without CA certificates can read a list of its own too.
        let tls = match url.scheme() == "http" && is_local {
            true => tls::without_trust(),
            false => tls::for_web_servers(),
        };
        let tls = tls.map_err(|error| FetchError::NoClient(error.to_string()))?;
        let mut client = Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(Policy::custom(redirect))
            .user_agent(concat!("easytier-uptime/", env!("CARGO_PKG_VERSION")))
            .timeout(TIMEOUT);
        if is_local {
            client = client.no_proxy();
        }
        let client = client.build().map_err(|error| FetchError::NoClient(root_cause(&error)))?;
        Ok(Self { client, max_bytes, left: max_bytes, known, got: ListVersion::default() })
    }

    /// The version of the last response.
    pub(super) fn version(&self) -> ListVersion {
        self.got.clone()
    }

    /// The body of a successful response to a request for the first page; `None` if it has the version that is known.
    pub(super) async fn get_new(&mut self, url: &Url) -> Result<Option<Vec<u8>>, FetchError> {
        let known = std::mem::take(&mut self.known);
        let outcome = self.body(url, &known).await;
        // The first page may be asked for in several sizes and at several places.
        self.known = known;
        outcome
    }

    /// The body of a successful response.
    pub(super) async fn get(&mut self, url: &Url) -> Result<Vec<u8>, FetchError> {
        Ok(self.body(url, &ListVersion::default()).await?.unwrap_or_default())
    }

    async fn body(&mut self, url: &Url, known: &ListVersion) -> Result<Option<Vec<u8>>, FetchError> {
        let request = known.except(self.client.get(url.clone()).header("accept", "application/json"));
        let mut response = request.send().await.map_err(|error| FetchError::unreachable(url, error))?;
        let status = response.status();
        if status == StatusCode::NOT_MODIFIED && !known.is_empty() {
            return Ok(None);
        }
        if !status.is_success() {
            return Err(FetchError::Answered { url: shown(url), status });
        }
        let cut_off =
            |error: reqwest::Error| FetchError::CutOff { url: shown(url), cause: root_cause(&error.without_url()) };
        self.got = ListVersion::of(response.headers());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(cut_off)? {
            let too_long = || FetchError::TooLong { url: shown(url), max_bytes: self.max_bytes };
            self.left = self.left.checked_sub(chunk.len()).ok_or_else(too_long)?;
            body.extend_from_slice(&chunk);
        }
        Ok(Some(body))
    }
}

/// Follows a redirect, but not from HTTPS to where others on the way can change the list.
fn redirect(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let is_downgrade =
        attempt.url().scheme() != "https" && attempt.previous().last().is_some_and(|url| url.scheme() == "https");
    match attempt.previous().len() {
        MAX_REDIRECTS.. => attempt.error("it redirects too often"),
        _ if is_downgrade => attempt.error("it redirects from https to http"),
        _ => attempt.follow(),
    }
}
