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
pub(crate) struct SyncError(SyncRefusal);

impl From<SyncRefusal> for SyncError {
    fn from(refusal: SyncRefusal) -> Self {
        Self(refusal)
    }
}

impl From<Refusal> for SyncError {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal.status {
            StatusCode::UNAUTHORIZED => "unauthorized",
            StatusCode::FORBIDDEN => "forbidden",
            StatusCode::PAYLOAD_TOO_LARGE => "too_large",
            status if status.is_server_error() => "unavailable",
            _ => "bad_request",
        };
        Self(SyncRefusal { status: refusal.status.as_u16(), code, message: refusal.message, epoch: None })
    }
}

impl IntoResponse for SyncError {
    fn into_response(self) -> Response {
        let SyncRefusal { status, code, message, epoch } = self.0;
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(SyncErrorBody { error: code.to_owned(), message, epoch })).into_response();
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}
