//! The requests to a site.

use std::time::Duration;

use reqwest::Client;
use url::Url;

use super::error::{FetchError, shown};
use crate::{backend::is_loopback, text::root_cause, tls};

/// The maximum length of all responses of one list together.
const MAX_BYTES: usize = 256 << 20;

/// The deadline of one request.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A web client for one list.
pub(super) struct Reader {
    client: Client,
    /// How many bytes may still come.
    left: usize,
}

impl Reader {
    pub(super) fn new(url: &Url) -> Result<Self, FetchError> {
        let is_local = is_loopback(url);
        // A machine without CA certificates can read a list of its own too.
        let tls = match url.scheme() == "http" && is_local {
            true => tls::without_trust(),
            false => tls::for_web_servers(),
        };
        let tls = tls.map_err(|error| FetchError::NoClient(error.to_string()))?;
        let mut client = Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("easytier-uptime/", env!("CARGO_PKG_VERSION")))
            .timeout(TIMEOUT);
        if is_local {
            client = client.no_proxy();
        }
        let client = client.build().map_err(|error| FetchError::NoClient(root_cause(&error)))?;
        Ok(Self { client, left: MAX_BYTES })
    }

    /// The body of a successful response.
    pub(super) async fn get(&mut self, url: &Url) -> Result<Vec<u8>, FetchError> {
        let request = self.client.get(url.clone()).header("accept", "application/json");
        let sent = request.send().await.map_err(reqwest::Error::without_url);
        let mut response =
            sent.map_err(|error| FetchError::Unreachable { url: shown(url), cause: root_cause(&error) })?;
        let status = response.status();
        if !status.is_success() {
            return Err(FetchError::Answered { url: shown(url), status });
        }
        let cut_off =
            |error: reqwest::Error| FetchError::CutOff { url: shown(url), cause: root_cause(&error.without_url()) };
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(cut_off)? {
            let too_long = || FetchError::TooLong { url: shown(url), mib: MAX_BYTES >> 20 };
            self.left = self.left.checked_sub(chunk.len()).ok_or_else(too_long)?;
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}
