//! The configuration that instances share, and the results that some of them mirror.

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use easytier_uptime_monitor::{
    input::{Path, Query},
    rendered::Version,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::{Answer, Contradiction, Malformed, MalformedBody, Stranger, TAG, Uninvited, body};
use crate::{
    instance::wire::{Configuration, Endpoint, Mirror},
    service::SyncRefusal,
    web::{App, CallerOfPrimary, SyncError},
};

/// The longest configuration that is handed in, in bytes.
const MAX_CONFIGURATION: usize = 64 << 20;

/// The primary's configuration. Secrets are sealed for the instance that asks.
#[utoipa::path(
    get,
    path = "/sync/api/endpoints",
    tag = TAG,
    operation_id = "sync_endpoints",
    security(("bearer" = [])),
    params(("If-None-Match" = Option<String>, Header, description = "The ETag of the configuration that the caller has")),
    responses(
        (status = 200, description = "The configuration; its ETag is `epoch-version-hash`", body = Configuration),
        (status = 304, description = "The caller has it"),
        Stranger, Uninvited, Contradiction,
    ),
)]
pub(super) async fn endpoints(
    State(app): State<App>,
    CallerOfPrimary(caller): CallerOfPrimary,
    headers: HeaderMap,
) -> Result<Response, SyncError> {
    let caller = caller.instance()?;
    let tagged = app.instances.tagged().await?;
    let tag = HeaderValue::try_from(&tagged.tag).map_err(|_| SyncRefusal::not_found("tag"))?;
    let version = Version { tag: tag.clone(), stale_since: None, vary: "authorization" };
    if let Some(response) = version.not_modified(&headers) {
        return Ok(response);
    }
    let mut response = Json(app.instances.configuration(caller, tagged).await?).into_response();
    response.headers_mut().insert(header::ETAG, tag);
    Ok(response)
}

/// Hands in what an instance changed while it was the primary of an earlier epoch.
#[utoipa::path(
    put,
    path = "/sync/api/endpoints",
    tag = TAG,
    operation_id = "sync_hand_in",
    request_body = Configuration,
    security(("bearer" = [])),
    responses((status = 200, description = "It is merged", body = Object), Stranger, Uninvited, Contradiction, MalformedBody),
)]
pub(super) async fn hand_in(
    State(app): State<App>,
    CallerOfPrimary(caller): CallerOfPrimary,
    request: Request,
) -> Answer<Value> {
    let caller = caller.instance()?;
    // Before the body, which is long.
    app.instances.former_primary(caller).await?;
    let configuration: Configuration = body(request, MAX_CONFIGURATION).await?;
    app.instances.hand_in(caller, configuration).await?;
    Ok(Json(json!({})))
}

/// One peer of the primary's configuration.
#[utoipa::path(
    get,
    path = "/sync/api/endpoints/{id}",
    tag = TAG,
    operation_id = "sync_endpoint",
    params(("id" = i64, Path, description = "The id of the peer")),
    security(("bearer" = [])),
    responses((status = 200, description = "The peer", body = Endpoint), Stranger, Uninvited, Contradiction, Malformed),
)]
pub(super) async fn endpoint(
    State(app): State<App>,
    CallerOfPrimary(caller): CallerOfPrimary,
    Path(id): Path<i64>,
) -> Answer<Endpoint> {
    Ok(Json(app.instances.endpoint(caller.instance()?, id).await?))
}

/// The notification services: channels for alerts. Secrets are sealed for the instance that asks.
#[utoipa::path(
    get,
    path = "/sync/api/notification-services",
    tag = TAG,
    operation_id = "sync_notification_services",
    security(("bearer" = [])),
    responses((status = 200, description = "The services", body = Vec<Object>), Stranger, Uninvited, Contradiction),
)]
pub(super) async fn notification_services(
    State(app): State<App>,
    CallerOfPrimary(caller): CallerOfPrimary,
) -> Answer<Vec<Value>> {
    let caller = caller.instance()?;
    let tagged = app.instances.tagged().await?;
    Ok(Json(app.instances.configuration(caller, tagged).await?.notification_services))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct After {
    /// The position after which results are returned; without it, those of the last hour and older ones that no other instance
    /// has.
    after: Option<String>,
}

/// Results after a position, at most 5,000; with the last of them, what the primary knows about peers and probes. It is for the
/// instances that mirror the primary.
#[utoipa::path(
    get,
    path = "/sync/api/results",
    tag = TAG,
    operation_id = "sync_results",
    params(After),
    security(("bearer" = [])),
    responses((status = 200, description = "The results", body = Mirror), Stranger, Uninvited, Contradiction, Malformed),
)]
pub(super) async fn results(
    State(app): State<App>,
    CallerOfPrimary(caller): CallerOfPrimary,
    Query(query): Query<After>,
) -> Answer<Mirror> {
    caller.instance()?;
    Ok(Json(app.instances.results(query.after.as_deref()).await?))
}
