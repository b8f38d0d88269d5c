//! `/api/admin/login`, `/verify` and `/logout`.

use axum::{
    extract::{Request, State},
    http::header,
    response::{IntoResponse, Response},
};
use easytier_probe::Secret;
use easytier_uptime_monitor::{
    Refusal,
    envelope::{Answer, PublicDone, PublicEnvelope, PublicRefusal},
    input,
};
use easytier_uptime_store::domain::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::TAG;
use crate::{
    service::Sessions,
    web::{self, AdminSession, Client},
};

#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Login {
    #[schema(value_type = String, format = Password)]
    password: Secret,
}

/// A new session.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LoggedIn {
    /// The token for the header `Authorization: Bearer`.
    #[schema(value_type = String)]
    token: Secret,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// Starts a session of 24 hours. The token is in the response, and in a cookie for the pages.
#[utoipa::path(
    post, path = "/api/admin/login", tag = TAG, operation_id = "admin_login",
    request_body = Login,
    responses(
        (
            status = OK, body = PublicEnvelope<LoggedIn>,
            headers(("set-cookie" = String, description = "The token, HttpOnly and SameSite=Strict.")),
        ),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, description = "The password is wrong.", body = PublicRefusal),
        (status = FORBIDDEN, description = "The request comes from a page of another site.", body = PublicRefusal),
        (status = PAYLOAD_TOO_LARGE, body = PublicRefusal),
        (status = TOO_MANY_REQUESTS, body = PublicRefusal),
    ),
)]
pub(super) async fn login(
    State(sessions): State<Sessions>,
    Client(address): Client,
    request: Request,
) -> Result<Response, Refusal> {
    let attempt = sessions.admit(address)?;
    let headers = request.headers().clone();
    let login: Login = input::parse(&input::read_json(request, input::MAX_STRANGERS_BODY).await?)?;
    let session = sessions.log_in(attempt, &login.password).await?;
    let cookie = web::set_cookie(&session, &headers);
    let mut response =
        PublicEnvelope::of(LoggedIn { token: session.token, expires_at: session.expires_at }).into_response();
    response.headers_mut().extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
    Ok(response)
}

/// A valid session.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Verified {
    /// Always true.
    valid: bool,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// Checks that the session is valid.
#[utoipa::path(
    get, path = "/api/admin/verify", tag = TAG, operation_id = "admin_verify",
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicEnvelope<Verified>),
        (status = UNAUTHORIZED, body = PublicRefusal),
    ),
)]
pub(super) async fn verify(AdminSession(session): AdminSession) -> Answer<PublicEnvelope<Verified>> {
    Ok(PublicEnvelope::of(Verified { valid: true, expires_at: session.expires_at }))
}

/// Ends the session; its token is no longer valid.
#[utoipa::path(
    post, path = "/api/admin/logout", tag = TAG, operation_id = "admin_logout",
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicDone),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The request comes from a page of another site.", body = PublicRefusal),
    ),
)]
pub(super) async fn logout(
    State(sessions): State<Sessions>,
    AdminSession(session): AdminSession,
) -> Result<Response, Refusal> {
    sessions.log_out(&session).await?;
    let mut response = PublicEnvelope::done("logged out").into_response();
    response.headers_mut().extend(web::clear_cookie().map(|cookie| (header::SET_COOKIE, cookie)));
    Ok(response)
}
