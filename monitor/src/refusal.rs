//! Refusals: one error type of all handlers, whose response takes on the envelope of the API that was asked.

use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use easytier_uptime_store::StoreError;
use serde_json::{Value, json};

use crate::limit::LimitExceeded;

/// Seconds after which a caller may retry a request that got a 503.
const RETRY_AFTER: u64 = 5;

/// Tells a probe why it got a 503: this instance does not hold the listing that the probe has.
const BEHIND: HeaderName = HeaderName::from_static("x-uptime-behind");

/// Why a request was refused: a status, and a message for the caller without internals of the hub.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The status of the response.
    pub status: StatusCode,
    /// For the caller, in English.
    pub message: String,
    /// In seconds; for 429 and 503.
    pub retry_after: Option<u64>,
    /// Whether the caller knows a newer configuration than this instance holds; the response says so in a header.
    pub behind: bool,
}

impl Refusal {
    /// A refusal without `Retry-After`.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), retry_after: None, behind: false }
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 401.
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, message)
    }

    /// 403.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// 404: there is no such `thing`.
    pub fn not_found(thing: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("no such {thing}"))
    }

    /// 409: what is asked contradicts what is there.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// 429; the caller may retry after some seconds.
    pub fn too_many_requests(message: impl Into<String>, retry_after: u64) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(StatusCode::TOO_MANY_REQUESTS, message) }
    }

    /// 503: the request may succeed in a moment.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { retry_after: Some(RETRY_AFTER), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, message) }
    }

    /// 500: the log has the cause.
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the hub failed; its log says why")
    }
}

impl From<LimitExceeded> for Refusal {
    fn from(LimitExceeded { retry_after }: LimitExceeded) -> Self {
        Self::too_many_requests("too many requests; try again later", retry_after.as_secs() + 1)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::from(&error)
    }
}

impl From<&StoreError> for Refusal {
    fn from(error: &StoreError) -> Self {
        match error {
            StoreError::NotFound(thing) => Self::not_found(thing),
            StoreError::Conflict(conflict) => Self::new(StatusCode::CONFLICT, conflict.to_string()),
            StoreError::Role(conflict) => Self::new(StatusCode::CONFLICT, conflict.to_string()),
            elsewhere @ StoreError::NotPrimary(_) => Self::new(StatusCode::CONFLICT, elsewhere.to_string()),
            later @ (StoreError::NoRegistrations(_) | StoreError::HandingOver) => Self::unavailable(later.to_string()),
            StoreError::Lapsed(lapsed) => Self::unauthorized(lapsed.to_string()),
            StoreError::Closed => Self::unavailable("the hub is stopping"),
            StoreError::Behind(_) => Self { behind: true, ..Self::unavailable(error.to_string()) },
            unavailable if unavailable.is_unavailable() => {
                tracing::error!(error = %unavailable, "the database is not available");
                Self::unavailable("the database is not available")
            }
            other => {
                tracing::error!(error = %other, "the store failed");
                Self::internal()
            }
        }
    }
}

impl IntoResponse for Refusal {
    /// Without a body: [`write_body`] writes it.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if self.behind {
            response.headers_mut().insert(BEHIND, HeaderValue::from_static("1"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// How the API that was asked writes a refusal.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Envelope {
    Backend,
    Instances,
    Public,
}

impl Envelope {
    /// That of the API with this path.
    pub(crate) fn of(path: &str) -> Self {
        match path {
            path if is_of_backend_contract(path) => Self::Backend,
            path if is_of_instances(path) => Self::Instances,
            _ => Self::Public,
        }
    }

    fn body(self, refusal: &Refusal) -> Value {
        let Refusal { status, message, .. } = refusal;
        match self {
            Self::Backend => json!({ "code": status.as_u16(), "message": message, "data": null }),
            Self::Instances => json!({ "error": code(*status), "message": message }),
            Self::Public => json!({ "success": false, "data": null, "error": message, "message": null }),
        }
    }
}

/// Writes the body of a refusal, including the router's own refusals of unknown paths and methods.
pub(crate) fn write_body(mut response: Response, envelope: Envelope) -> Response {
    let refusal = match response.extensions_mut().remove::<Refusal>() {
        Some(refusal) => refusal,
        None if is_bare(&response) => {
            let status = response.status();
            let message = match status {
                StatusCode::NOT_FOUND => "there is nothing at this path".to_owned(),
                StatusCode::METHOD_NOT_ALLOWED => "this path does not support this method".to_owned(),
                _ => status.canonical_reason().unwrap_or("refused").to_lowercase(),
            };
            Refusal::new(status, message)
        }
        None => return response,
    };
    let (mut parts, _) = response.into_parts();
    // The length of the empty body.
    parts.headers.remove(header::CONTENT_LENGTH);
    (parts, Json(envelope.body(&refusal))).into_response()
}

/// What a program between instances reads of a refusal that has no code of its own.
fn code(status: StatusCode) -> String {
    status.canonical_reason().unwrap_or("refused").to_lowercase().replace([' ', '-'], "_")
}

/// Whether a response is an error that has neither a document nor a page yet.
fn is_bare(response: &Response) -> bool {
    let error = response.status().is_client_error() || response.status().is_server_error();
    let media_type = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_written =
        |media_type: &[u8]| media_type.starts_with(b"application/json") || media_type.starts_with(b"text/html");
    error && !media_type.is_some_and(is_written)
}

/// Whether a path belongs to the backend contract, which has an envelope of its own.
pub(crate) fn is_of_backend_contract(path: &str) -> bool {
    if path.starts_with("/v1/") {
        return true;
    }
    let path = path.strip_prefix("/api").unwrap_or(path);
    matches!(path, "/peers" | "/results" | "/nodes/status") || path == "/discovery" || path.starts_with("/discovery/")
}

/// Whether a path belongs to the API between instances, which has no envelope.
pub(crate) fn is_of_instances(path: &str) -> bool {
    path.starts_with("/sync/api/")
}
