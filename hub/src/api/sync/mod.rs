//! The synchronisation API, `/sync/api`: what instances of a cluster say to each other, and who leads.
//!
//! It has no envelope; an error is `{"error": code, "message": words}`.

mod beat;
mod configuration;
mod leadership;
mod members;

use axum::{Json, extract::Request};
use easytier_uptime_monitor::input;
use serde::de::DeserializeOwned;
use utoipa::{IntoResponses, OpenApi};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    instance::wire::SyncErrorBody,
    web::{App, SyncError},
};

/// The longest body of a request that carries neither results nor a configuration, in bytes.
const MAX_BODY: usize = 64 << 10;

/// The tag of these routes in `/openapi.json`.
const TAG: &str = "sync";

pub(super) fn routes() -> OpenApiRouter<App> {
    #[derive(OpenApi)]
    #[openapi(tags((name = "sync", description = "Between the instances of a cluster.")), components(schemas(SyncErrorBody)))]
    struct Sync;

    OpenApiRouter::with_openapi(Sync::openapi())
        .routes(routes!(members::register))
        .routes(routes!(members::heartbeat))
        .routes(routes!(members::instances))
        .routes(routes!(members::remove))
        .routes(routes!(configuration::endpoints, configuration::hand_in))
        .routes(routes!(configuration::endpoint))
        .routes(routes!(configuration::notification_services))
        .routes(routes!(configuration::results))
        .routes(routes!(leadership::failover_order))
        .routes(routes!(leadership::promote))
        .routes(routes!(leadership::demote))
}

type Answer<T> = Result<Json<T>, SyncError>;

async fn body<T: DeserializeOwned>(request: Request, max: usize) -> Result<T, SyncError> {
    Ok(input::parse(&input::read_json(request, max).await?)?)
}

/// The refusals that every route has.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it documents")]
enum Stranger {
    /// A token or secret is missing or wrong
    #[response(status = 401)]
    Unauthorized(SyncErrorBody),
    /// This instance belongs to no cluster, or there is no such thing
    #[response(status = 404)]
    Standalone(SyncErrorBody),
}

/// The refusal of a caller who is known, but may not do this.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it documents")]
enum Uninvited {
    /// It is for another kind of caller
    #[response(status = 403)]
    Forbidden(SyncErrorBody),
}

/// The refusals of what contradicts the role, the cluster, the epoch or the token.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it documents")]
enum Contradiction {
    /// Another role, cluster or epoch, or another instance's token. A dependent names the address of its primary
    #[response(status = 409)]
    Conflict(SyncErrorBody),
}

/// The refusals of a parameter.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it documents")]
enum Malformed {
    /// A field or parameter is not valid
    #[response(status = 400)]
    BadRequest(SyncErrorBody),
}

/// The refusals of a body.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it documents")]
enum MalformedBody {
    /// A field is not valid
    #[response(status = 400)]
    BadRequest(SyncErrorBody),
    /// The body took too long to arrive
    #[response(status = 408)]
    TimedOut(SyncErrorBody),
    /// Too long a body, or too many results
    #[response(status = 413)]
    TooLarge(SyncErrorBody),
}
