//! Answers: the two envelopes, and one error type whose answer takes on the envelope of whichever API was asked.

use axum::{
    Json,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::store::StoreError;

/// The envelope of the backend contract (section 1).
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BackendEnvelope<T> {
    /// The HTTP status.
    #[schema(example = 200)]
    pub code: u16,
    pub message: String,
    pub data: Option<T>,
}

/// A refusal in the backend contract.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the document alone")]
pub(super) struct BackendRefusal {
    /// The HTTP status.
    #[schema(example = 400)]
    code: u16,
    /// What is wrong, for a person.
    message: String,
    #[schema(value_type = Option<Object>)]
    data: (),
}

/// An answer in the backend contract without data.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the document alone")]
pub(super) struct BackendDone {
    #[schema(example = 200)]
    code: u16,
    message: String,
    #[schema(value_type = Option<Object>)]
    data: (),
}

/// The envelope of the public API (section 2).
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PublicEnvelope<T> {
    pub success: bool,
    pub data: Option<T>,
    pub error: Option<String>,
    pub message: Option<String>,
}

/// A refusal in the public API.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the document alone")]
pub(super) struct PublicRefusal {
    /// Always false.
    success: bool,
    #[schema(value_type = Option<Object>)]
    data: (),
    /// What is wrong, for a person.
    error: String,
    message: Option<String>,
}

/// An answer of the public API without data.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the document alone")]
pub(super) struct PublicDone {
    /// Always true.
    success: bool,
    #[schema(value_type = Option<Object>)]
    data: (),
    error: Option<String>,
    message: Option<String>,
}

/// What a handler gives: an envelope, or a refusal.
pub(super) type Answer<T> = Result<Json<T>, Refusal>;

impl<T> PublicEnvelope<T> {
    pub(super) fn of(data: T) -> Json<Self> {
        Json(Self { success: true, data: Some(data), error: None, message: None })
    }
}

impl<T> BackendEnvelope<T> {
    pub(super) fn of(data: T) -> Json<Self> {
        Json(Self { code: 200, message: "ok".to_owned(), data: Some(data) })
    }
}

impl PublicEnvelope<()> {
    /// It is done, and there is nothing to tell but `message`.
    pub(super) fn done(message: impl Into<String>) -> Json<Self> {
        Json(Self { success: true, data: None, error: None, message: Some(message.into()) })
    }
}

impl BackendEnvelope<()> {
    /// It is done, and there is nothing to tell.
    pub(super) fn done() -> Json<Self> {
        Json(Self { code: 200, message: "ok".to_owned(), data: None })
    }
}

/// Why a request was not done: a status, and words for the caller that hold no detail of the hub.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub status: StatusCode,
    pub message: String,
    /// In seconds; for 429 and 503.
    pub retry_after: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), retry_after: None }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, message)
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("no such {what}"))
    }

    /// What is missing will be there again in a moment.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self { retry_after: Some(5), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, message) }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(what) => Self::not_found(what),
            StoreError::Conflict(conflict) => Self::new(StatusCode::CONFLICT, conflict.to_string()),
            StoreError::Closed => Self::unavailable("the hub is stopping"),
            away if away.is_unavailable() => {
                tracing::error!(error = %away, "the database is not available");
                Self::unavailable("the database is not available")
            }
            other => {
                tracing::error!(error = %other, "the store failed");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the hub failed; its log says why")
            }
        }
    }
}

impl IntoResponse for Refusal {
    /// Without a body: [`put_into_envelope`] writes it.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Gives every refusal its envelope, and so too what the router refuses by itself: paths and methods that there are
/// not.
pub(super) async fn put_into_envelope(request: Request, next: Next) -> Response {
    let for_probes = is_for_probes(request.uri().path());
    let mut response = next.run(request).await;
    let refusal = match response.extensions_mut().remove::<Refusal>() {
        Some(refusal) => refusal,
        None if is_bare(&response) => {
            let status = response.status();
            let message = match status {
                StatusCode::NOT_FOUND => "there is nothing at this path".to_owned(),
                StatusCode::METHOD_NOT_ALLOWED => "this path does not take this method".to_owned(),
                _ => status.canonical_reason().unwrap_or("refused").to_lowercase(),
            };
            Refusal::new(status, message)
        }
        None => return response,
    };
    let body = match for_probes {
        true => json!({ "code": refusal.status.as_u16(), "message": refusal.message, "data": null }),
        false => json!({ "success": false, "data": null, "error": refusal.message, "message": null }),
    };
    let (mut parts, _) = response.into_parts();
    // Of the empty body.
    parts.headers.remove(header::CONTENT_LENGTH);
    (parts, Json(body)).into_response()
}

/// An error without a document, and without a page.
fn is_bare(response: &Response) -> bool {
    let error = response.status().is_client_error() || response.status().is_server_error();
    let media_type = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_written =
        |media_type: &[u8]| media_type.starts_with(b"application/json") || media_type.starts_with(b"text/html");
    error && !media_type.is_some_and(is_written)
}

/// Whether a path is of the backend contract.
pub(super) fn is_for_probes(path: &str) -> bool {
    let path = path.strip_prefix("/api").unwrap_or(path);
    matches!(path, "/peers" | "/results" | "/nodes/status") || path == "/discovery" || path.starts_with("/discovery/")
}
