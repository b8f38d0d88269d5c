//! In and out.

use std::time::Duration;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use easytier_probe::Secret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    TAG,
    session::{self, AdminSession},
};
use crate::{
    api::{
        App,
        client::Client,
        error::{Answer, PublicDone, PublicEnvelope, PublicRefusal, Refusal},
        input::Body,
    },
    password,
    time::{DAY, Timestamp},
};

/// How long a login lasts.
const LIFETIME: Duration = DAY;

#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Login {
    #[schema(value_type = String, format = Password)]
    password: Secret,
}

/// A session that began.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LoggedIn {
    /// To be shown as `Authorization: Bearer`.
    #[schema(value_type = String)]
    token: Secret,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// Begins a session of 24 hours. The token comes in the answer, and in a cookie for the pages.
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
        (status = FORBIDDEN, description = "The page that asks is not the hub's.", body = PublicRefusal),
        (status = PAYLOAD_TOO_LARGE, body = PublicRefusal),
        (status = TOO_MANY_REQUESTS, body = PublicRefusal),
    ),
)]
pub(super) async fn login(
    State(app): State<App>,
    Client(address): Client,
    headers: HeaderMap,
    Body(login): Body<Login>,
) -> Result<Response, Refusal> {
    // A page, of which only those of this hub are to have the cookie.
    if headers.contains_key(header::ORIGIN) {
        session::own_page(&headers)?;
    }
    app.limits.logins.check(address)?;
    if !password::matches(&app.store, &login.password).await? {
        tracing::warn!(%address, "somebody tried to log in with a wrong password");
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, "the password is wrong"));
    }
    let session = app.store.start_session(LIFETIME, Timestamp::now()).await?;
    let token = session::token(&session, &app.options.session_key);
    let cookie = session::set_cookie(&token, LIFETIME.as_secs(), &headers);
    let mut response = PublicEnvelope::of(LoggedIn { token, expires_at: session.expires_at }).into_response();
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(response)
}

/// A session that lasts.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Verified {
    /// Always true.
    valid: bool,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// Says whether the session lasts.
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

/// Ends the session: its token is worth nothing from now on.
#[utoipa::path(
    post, path = "/api/admin/logout", tag = TAG, operation_id = "admin_logout",
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicDone),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The page that asks is not the hub's.", body = PublicRefusal),
    ),
)]
pub(super) async fn logout(
    State(app): State<App>,
    AdminSession(session): AdminSession,
) -> Result<impl IntoResponse, Refusal> {
    app.store.end_session(session.id).await?;
    Ok(([(header::SET_COOKIE, session::clear_cookie())], PublicEnvelope::done("logged out")))
}
