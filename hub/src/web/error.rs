//! How a refusal of a use case becomes a response.

use std::sync::Arc;

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use easytier_uptime_monitor::Refusal;

use crate::service::{LinkError, OpenRefusal, ServiceError};

impl From<&ServiceError> for Refusal {
    fn from(error: &ServiceError) -> Self {
        match error {
            ServiceError::Field(_) | ServiceError::InvalidSettings(_) | ServiceError::PasswordHash(_) => {
                Self::bad_request(error.to_string())
            }
            ServiceError::RateLimited { retry_after } => {
                Self::too_many_requests(error.to_string(), retry_after.as_secs() + 1)
            }
            ServiceError::QueueFull { retry_after } => {
                Self { retry_after: Some(retry_after.as_secs()), ..Self::unavailable(error.to_string()) }
            }
            ServiceError::WrongPassword => Self::new(StatusCode::UNAUTHORIZED, error.to_string()),
            ServiceError::Forbidden(_) => Self::forbidden(error.to_string()),
            ServiceError::Link(LinkError::Wrong) => Self::new(StatusCode::NOT_FOUND, error.to_string()),
            ServiceError::Link(LinkError::Expired) => Self::new(StatusCode::GONE, error.to_string()),
            ServiceError::Probe(_) => Self::new(StatusCode::BAD_GATEWAY, error.to_string()),
            ServiceError::Store(error) => Self::from(error),
        }
    }
}

impl From<ServiceError> for Refusal {
    fn from(error: ServiceError) -> Self {
        Self::from(&error)
    }
}

impl From<OpenRefusal> for Refusal {
    fn from(error: OpenRefusal) -> Self {
        let status = match &error {
            OpenRefusal::NotListed => StatusCode::UNAUTHORIZED,
            OpenRefusal::OtherAddress => StatusCode::FORBIDDEN,
            OpenRefusal::AddressFull => StatusCode::TOO_MANY_REQUESTS,
            OpenRefusal::ListFull => StatusCode::SERVICE_UNAVAILABLE,
            OpenRefusal::Store(error) => return Self::from(error),
        };
        Self { retry_after: error.retry_after().map(|after| after.as_secs()), ..Self::new(status, error.to_string()) }
    }
}

impl IntoResponse for ServiceError {
    /// The response of the [`Refusal`]. It also carries the error itself, so that a page can translate it.
    fn into_response(self) -> Response {
        let mut response = Refusal::from(&self).into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}
