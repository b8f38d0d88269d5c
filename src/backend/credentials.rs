//! The credentials of a backend client, and how they are kept out of every message.

use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::{config::BackendConfig, error::BackendError};
use crate::{
    Secret,
    text::{one_line, truncate},
};

/// The maximum length of a quotation from the backend, in characters.
const MAX_QUOTE_CHARS: usize = 200;

const API_KEY_HEADER: HeaderName = HeaderName::from_static("x-api-key");
const NODE_TOKEN_HEADER: HeaderName = HeaderName::from_static("x-node-token");

/// Which secret is sent in the header `Authorization`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bearer {
    ApiKey,
    NodeToken,
    EnrollmentKey,
}

/// The secrets, and the headers that carry them, which are made once.
pub(super) struct Credentials {
    api_key: Option<Secret>,
    node_token: Option<Secret>,
    enrollment_key: Option<Secret>,
    with_api_key: HeaderMap,
    with_node_token: HeaderMap,
    with_enrollment_key: HeaderMap,
}

impl Credentials {
    pub(super) fn new(config: &BackendConfig) -> Result<Self, BackendError> {
        let BackendConfig { api_key, node_token, enrollment_key, .. } = config.clone();
        let mut common = HeaderMap::new();
        let (mut with_api_key, mut with_node_token) = (HeaderMap::new(), HeaderMap::new());
        let mut with_enrollment_key = HeaderMap::new();
        if let Some(key) = &api_key {
            common.insert(API_KEY_HEADER, header_value("API_KEY", key.expose())?);
            with_api_key.insert(header::AUTHORIZATION, header_value("API_KEY", &bearer(key))?);
        }
        if let Some(token) = &node_token {
            common.insert(NODE_TOKEN_HEADER, header_value("NODE_TOKEN", token.expose())?);
            with_node_token.insert(header::AUTHORIZATION, header_value("NODE_TOKEN", &bearer(token))?);
        }
        if let Some(key) = &enrollment_key {
            with_enrollment_key.insert(header::AUTHORIZATION, header_value("ENROLLMENT_KEY", &bearer(key))?);
        }
        with_api_key.extend(common.clone());
        with_node_token.extend(common);
        Ok(Self { api_key, node_token, enrollment_key, with_api_key, with_node_token, with_enrollment_key })
    }

    pub(super) fn headers(&self, bearer: Bearer) -> HeaderMap {
        match bearer {
            Bearer::ApiKey => self.with_api_key.clone(),
            Bearer::NodeToken => self.with_node_token.clone(),
            Bearer::EnrollmentKey => self.with_enrollment_key.clone(),
        }
    }

    /// Names the credentials that a backend refused with 401 or 403, and the advice for the user.
    ///
    /// `needs_token`: only the node token can authorize the request.
    pub(super) fn describe_refusal(&self, bearer: Bearer, needs_token: bool) -> (&'static str, &'static str) {
        const TOKEN: &str = "a backend's operator creates one with 'easytier-uptime hub token create --name NAME \
                             --region REGION'; set NODE_TOKEN to it";
        const EITHER: &str = "set API_KEY to a key of this backend, or NODE_TOKEN to a token that its operator creates \
                              with 'easytier-uptime hub token create --name NAME --region REGION'";
        const ENROLLMENT: &str = "a backend's operator creates one with 'easytier-uptime hub enroll create'; set \
                                  ENROLLMENT_KEY to it, or NODE_TOKEN to the token of a probe";
        match (&self.api_key, &self.node_token) {
            _ if bearer == Bearer::EnrollmentKey => ("ENROLLMENT_KEY", ENROLLMENT),
            (_, Some(_)) if needs_token => ("NODE_TOKEN", TOKEN),
            (_, None) if needs_token => ("a request without NODE_TOKEN", TOKEN),
            (Some(_), Some(_)) => ("API_KEY or NODE_TOKEN", EITHER),
            (None, Some(_)) => ("NODE_TOKEN", EITHER),
            (Some(_), None) => ("API_KEY", EITHER),
            (None, None) => ("a request without credentials", EITHER),
        }
    }

    /// Prepares a text of the backend for a message: short, on one line, and without our secrets, which it may repeat.
    pub(super) fn quote(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in [&self.api_key, &self.node_token, &self.enrollment_key].into_iter().flatten() {
            if !secret.expose().is_empty() {
                text = text.replace(secret.expose(), "[redacted]");
            }
        }
        truncate(&one_line(&text), MAX_QUOTE_CHARS)
    }
}

fn bearer(secret: &Secret) -> String {
    format!("Bearer {}", secret.expose())
}

/// A header value that is marked as sensitive, so that no library logs or indexes it.
fn header_value(name: &str, text: &str) -> Result<HeaderValue, BackendError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        BackendError::Unusable(format!("{name} holds characters that no header can carry, such as a line break"))
    })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> Credentials {
        let config = BackendConfig::new(vec!["http://h".parse().unwrap()]);
        let [api_key, node_token, enrollment_key] = ["k3y", "t0ken", "j0in"].map(|secret| Some(secret.into()));
        Credentials::new(&BackendConfig { api_key, node_token, enrollment_key, ..config }).unwrap()
    }

    #[test]
    fn debug_output_of_headers_hides_the_secrets() {
        let credentials = credentials();
        for (bearer, count) in [(Bearer::ApiKey, 3), (Bearer::NodeToken, 3), (Bearer::EnrollmentKey, 1)] {
            let headers = credentials.headers(bearer);
            assert_eq!(headers.len(), count);
            let shown = format!("{headers:?}");
            assert!(["k3y", "t0ken", "j0in"].iter().all(|secret| !shown.contains(secret)), "{shown}");
        }
    }

    #[test]
    fn a_quotation_is_one_short_line_without_our_secrets() {
        let credentials = credentials();
        assert_eq!(credentials.quote("k3y\nand\tt0ken, j0in"), "[redacted] and [redacted], [redacted]");
        let long = credentials.quote(&"ü".repeat(MAX_QUOTE_CHARS + 1));
        assert_eq!(long.chars().count(), MAX_QUOTE_CHARS + 1);
        assert!(long.ends_with('…'));
    }
}
