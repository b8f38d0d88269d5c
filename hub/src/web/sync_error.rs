//! Errors of the synchronisation API: `{"error": code, "message": words}`, without an envelope.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use easytier_uptime_monitor::Refusal;

use crate::{instance::wire::SyncErrorBody, service::SyncRefusal};

/// An error of this API.
#[derive(Debug)]
pub(crate) enum SyncError {
    /// A use case refused, with a code of its own.
    Refused(SyncRefusal),
    /// As of any other route; the code follows from the status.
    General(Refusal),
}

impl From<SyncRefusal> for SyncError {
    fn from(refusal: SyncRefusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Refusal> for SyncError {
    fn from(refusal: Refusal) -> Self {
        Self::General(refusal)
    }
}

impl IntoResponse for SyncError {
    fn into_response(self) -> Response {
        let SyncRefusal { status, code, message, epoch } = match self {
            Self::Refused(refusal) => refusal,
            Self::General(refusal) => return refusal.into_response(),
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(SyncErrorBody { error: code.to_owned(), message, epoch })).into_response();
        let headers = response.headers_mut();
        match status {
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            }
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        response
    }
}
