//! The envelopes of responses: one of the backend contract, one of the public API.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use crate::refusal::Refusal;

/// The envelope of the backend contract (section 1).
#[derive(Debug, Serialize, ToSchema)]
pub struct BackendEnvelope<T> {
    /// The HTTP status.
    #[schema(example = 200)]
    code: u16,
    message: String,
    data: Option<T>,
}

/// A refusal in the backend contract.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the document alone")]
pub struct BackendRefusal {
    /// The HTTP status.
    #[schema(example = 400)]
    code: u16,
    /// A message for people.
    message: String,
    #[schema(value_type = Option<Object>)]
    data: (),
}

/// A response of the backend contract without data.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the document alone")]
pub struct BackendDone {
    #[schema(example = 200)]
    code: u16,
    message: String,
    #[schema(value_type = Option<Object>)]
    data: (),
}

/// The envelope of the public API (section 2).
#[derive(Debug, Serialize, ToSchema)]
pub struct PublicEnvelope<T> {
    success: bool,
    data: Option<T>,
    error: Option<String>,
    message: Option<String>,
}

/// A refusal in the public API.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the document alone")]
pub struct PublicRefusal {
    /// Always false.
    success: bool,
    #[schema(value_type = Option<Object>)]
    data: (),
    /// A message for people.
    error: String,
    message: Option<String>,
}

/// A response of the public API without data.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the document alone")]
pub struct PublicDone {
    /// Always true.
    success: bool,
    #[schema(value_type = Option<Object>)]
    data: (),
    error: Option<String>,
    message: Option<String>,
}

/// What a handler returns: a document in an envelope, or a refusal.
pub type Answer<T> = Result<Json<T>, Refusal>;

impl<T> BackendEnvelope<T> {
    /// A success with `data`.
    pub fn of(data: T) -> Json<Self> {
        Json(Self { code: 200, message: "ok".to_owned(), data: Some(data) })
    }
}

impl BackendEnvelope<()> {
    /// A success without data.
    pub fn done() -> Json<Self> {
        Json(Self { code: 200, message: "ok".to_owned(), data: None })
    }
}

impl<T> PublicEnvelope<T> {
    /// A success with `data`.
    pub fn of(data: T) -> Json<Self> {
        Json(Self { success: true, data: Some(data), error: None, message: None })
    }

    /// A success with `data` and a sentence for people.
    pub fn with_message(data: T, message: impl Into<String>) -> Json<Self> {
        Json(Self { success: true, data: Some(data), error: None, message: Some(message.into()) })
    }

    /// A success with a sentence for people, and perhaps with data.
    pub fn noted(data: Option<T>, message: impl Into<String>) -> Json<Self> {
        Json(Self { success: true, data, error: None, message: Some(message.into()) })
    }

    /// The outcome of an attempt: always with `data`, and with the `error` if it failed.
    pub fn outcome(success: bool, data: T, error: Option<String>) -> Json<Self> {
        Json(Self { success, data: Some(data), error, message: None })
    }
}

impl PublicEnvelope<()> {
    /// A success without data; `message` is a sentence for people.
    pub fn done(message: impl Into<String>) -> Json<Self> {
        Json(Self { success: true, data: None, error: None, message: Some(message.into()) })
    }
}
