//! Access to the pages of the operator.

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use easytier_uptime_store::Session;

use crate::{
    pages::{form, site::Site},
    web::AdminSession,
};

pub const LOGIN: &str = "/admin/login";

/// The session of the operator. Requests without one are redirected to the login.
pub struct Operator(pub Session);

impl FromRequestParts<Site> for Operator {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Response> {
        match AdminSession::from_request_parts(parts, site).await {
            Ok(AdminSession(session)) => Ok(Self(session)),
            Err(refusal) if refusal.status == StatusCode::UNAUTHORIZED => Err(form::see_other(LOGIN)),
            Err(refusal) => Err(refusal.into_response()),
        }
    }
}
