//! What can go wrong with a backend, in words for whoever has to do something about it.

use std::time::Duration;

use reqwest::StatusCode;

/// Why a backend did not do what it was asked: what happened, at which URL, and what to do. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    #[error("{request}: no connection: {cause}; see whether the backend runs, and whether BACKEND_BASE_URL is right")]
    Unreachable { request: String, cause: String },
    #[error("{request}: no complete answer within {waited:.1?}; the backend is slow, or its network is")]
    TimedOut { request: String, waited: Duration },
    #[error("{request}: the answer broke off: {cause}; see whether something between us and the backend cuts it")]
    CutOff { request: String, cause: String },
    /// 401 and 403.
    #[error("{request}: the backend refused {credentials} ({answer}); {advice}")]
    Unauthorized { request: String, credentials: &'static str, answer: String, advice: &'static str },
    /// 429.
    #[error("{request}: the backend asks to slow down ({answer}); ask less often, or raise its limit")]
    Busy { request: String, answer: String, retry_after: Option<Duration> },
    /// Its own fault, or that of something in front of it.
    #[error("{request}: the backend failed ({answer}); its log says why")]
    Failed { request: String, status: u16, answer: String, retry_after: Option<Duration> },
    /// It never takes this request.
    #[error("{request}: the backend refused the request ({answer}); see whether BACKEND_BASE_URL and REGION are right")]
    Refused { request: String, status: u16, answer: String },
    /// Its registry has somebody else by this id.
    #[error(
        "{request}: the backend did not register this probe ({answer}); give it a SERVER_ID of its own, or the NODE_TOKEN \
         that belongs to this one"
    )]
    Taken { request: String, answer: String },
    #[error(
        "{request}: the backend redirects to {location}, which is not followed; set BACKEND_BASE_URL to where it is"
    )]
    Redirected { request: String, location: String },
    /// It has no such endpoint.
    #[error("{request}: the backend has no such endpoint ({answer}); see whether BACKEND_BASE_URL lacks a path")]
    Lacking { request: String, status: u16, answer: String },
    /// It answered, but not as the contract says.
    #[error("{request}: {reason}; see whether BACKEND_BASE_URL is that of a backend")]
    Nonsense { request: String, reason: String },
    /// Only our hub hands out batches of due peers.
    #[error(
        "{base_url} does not say that it is an easytier-uptime hub, and no other backend hands out peers that are due; \
         fetch its listing instead"
    )]
    NotAHub { base_url: String },
    /// No request can be made at all.
    #[error("{0}")]
    Unusable(String),
}

impl BackendError {
    /// Whether the same request may succeed later, without anyone doing something about it.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::CutOff { .. } | Self::Busy { .. } => true,
            // Those below 500, but 408, are those of what stands in front of a hub; the last are those of a proxy that
            // doesn't reach the backend behind it.
            Self::Failed { status, .. } => matches!(status, 400..=500 | 502..=504 | 520..=530),
            _ => false,
        }
    }

    /// Whether another base URL of the backend may answer better, at once.
    pub(super) fn is_of_this_base_url(&self) -> bool {
        let no_answer = matches!(self, Self::Unreachable { .. } | Self::TimedOut { .. } | Self::CutOff { .. });
        no_answer || matches!(self, Self::Failed { .. } | Self::Nonsense { .. } | Self::NotAHub { .. })
    }

    /// The same error of a request that names this probe.
    pub(super) fn of_the_registry(self) -> Self {
        match self {
            Self::Refused { request, status: 409, answer } => Self::Taken { request, answer },
            error => error,
        }
    }

    /// How long the backend asked to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } | Self::Failed { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The backend wants other credentials.
    pub fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Unauthorized { .. })
    }

    /// The backend is out of reach, or in no state to answer.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Failed { .. }) || self.is_retryable()
    }

    /// Sending the same again is of no use, ever: the backend understood, and does not take it.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Refused { status: 400..=499, .. } | Self::Taken { .. })
    }
}

/// The status and what the backend said beside it, for a message.
pub(super) fn answer(status: StatusCode, said: &str) -> String {
    let reason = status.canonical_reason().unwrap_or_default();
    let status = format!("{} {reason}", status.as_u16());
    match said {
        "" => status.trim_end().to_owned(),
        said => format!("{}: {said}", status.trim_end()),
    }
}
