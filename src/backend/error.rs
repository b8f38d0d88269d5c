//! The errors of a backend, in words for the person who has to act on them.

use std::time::Duration;

use reqwest::StatusCode;

/// Why a call to the backend failed: what happened, at which URL, and what to do. It holds no secret.
///
/// In all variants `request` is the method and the URL without its query, `answer` the HTTP status with the message of
/// the backend, and `retry_after` the pause that the backend asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the fields that recur are described once, above")]
pub enum BackendError {
    /// No connection could be opened.
    #[error("{request}: no connection: {cause}; see whether the backend runs, and whether BACKEND_BASE_URL is right")]
    Unreachable { request: String, cause: String },
    /// The response was not complete before the read timeout or the deadline of the call.
    #[error("{request}: no complete answer within {waited:.1?}; the backend is slow, or its network is")]
    TimedOut { request: String, waited: Duration },
    /// The connection broke before the response was complete.
    #[error("{request}: the answer broke off: {cause}; see whether a proxy between us and the backend cuts it")]
    ConnectionLost { request: String, cause: String },
    /// 401 or 403.
    #[error("{request}: the backend refused {credentials} ({answer}); {advice}")]
    Unauthorized { request: String, status: u16, credentials: &'static str, answer: String, advice: &'static str },
    /// 429.
    #[error("{request}: the backend asks to slow down ({answer}); ask less often, or raise its limit")]
    RateLimited { request: String, answer: String, retry_after: Option<Duration> },
    /// 408 or 5xx, or a 4xx of a reverse proxy in front of a hub.
    #[error("{request}: the backend failed ({answer}); its log says why")]
    Failed { request: String, status: u16, answer: String, retry_after: Option<Duration> },
    /// Another 4xx: the backend will never take this request.
    #[error("{request}: the backend refused the request ({answer}); see whether BACKEND_BASE_URL and REGION are right")]
    Refused { request: String, status: u16, answer: String },
    /// 409: another probe is registered under this server id.
    #[error(
        "{request}: the backend did not register this probe ({answer}); give it a SERVER_ID of its own, or the NODE_TOKEN \
         that belongs to this one"
    )]
    ServerIdTaken { request: String, answer: String },
    /// A redirect. It is not followed, as it would send the credentials to another place.
    #[error(
        "{request}: the backend redirects to {location}, which is not followed; set BACKEND_BASE_URL to where it is"
    )]
    Redirected { request: String, location: String },
    /// 404, 405 or 501: the backend does not have this route.
    #[error("{request}: the backend has no such endpoint ({answer}); see whether BACKEND_BASE_URL lacks a path")]
    NoSuchRoute { request: String, status: u16, answer: String },
    /// The response does not match the contract.
    #[error("{request}: {reason}; see whether BACKEND_BASE_URL is that of a backend")]
    InvalidResponse { request: String, reason: String },
    /// Only our hub hands out batches of due peers.
    #[error(
        "{base_url} does not identify itself as an easytier-uptime hub, and no other backend hands out due peers; \
         fetch its listing instead"
    )]
    NotAHub { base_url: String },
    /// No request can be made with this configuration.
    #[error("{0}")]
    Unusable(String),
}

impl BackendError {
    /// Whether the same request may succeed later, without anybody's help.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::ConnectionLost { .. } => true,
            Self::RateLimited { .. } => true,
            // 4xx other than 408 come from a reverse proxy in front of the hub; 520-530 are Cloudflare's "origin
            // unreachable".
            Self::Failed { status, .. } => matches!(status, 400..=500 | 502..=504 | 520..=530),
            _ => false,
        }
    }

    /// Whether the same request should be sent to another base URL at once.
    pub(super) fn should_fail_over(&self) -> bool {
        let no_answer = matches!(self, Self::Unreachable { .. } | Self::TimedOut { .. } | Self::ConnectionLost { .. });
        no_answer || matches!(self, Self::Failed { .. } | Self::InvalidResponse { .. } | Self::NotAHub { .. })
    }

    /// For requests that carry the server id: 409 means that another probe has it.
    pub(super) fn with_conflict_as_server_id_taken(self) -> Self {
        match self {
            Self::Refused { request, status: 409, answer } => Self::ServerIdTaken { request, answer },
            error => error,
        }
    }

    /// The pause that the backend asked for.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } | Self::Failed { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the backend does not know the credentials, or accepts them no longer: 401. A 403 does not say so.
    pub fn is_unauthenticated(&self) -> bool {
        matches!(self, Self::Unauthorized { status: 401, .. })
    }

    /// Whether the backend refused the credentials, or what they are used for.
    pub fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Unauthorized { .. })
    }

    /// Whether the backend cannot be reached, or is in no state to answer.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Failed { .. }) || self.is_retryable()
    }

    /// Whether sending the same request again is useless: the backend understood it, and will never take it.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Refused { status: 400..=499, .. } | Self::ServerIdTaken { .. })
    }
}

/// A status and the message of the backend, as error messages show them: `404 Not Found: no such node`.
pub(super) fn format_answer(status: StatusCode, message: &str) -> String {
    let reason = status.canonical_reason().unwrap_or_default();
    let status = format!("{} {reason}", status.as_u16());
    match message {
        "" => status.trim_end().to_owned(),
        message => format!("{}: {message}", status.trim_end()),
    }
}
