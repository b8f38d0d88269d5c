//! `/v1/nodes`: the probes that this hub manages, which these endpoints call nodes.

use axum::{Json, extract::State};
use easytier_uptime_monitor::{
    Refusal,
    envelope::{Answer, BackendDone, BackendEnvelope, BackendRefusal},
    input::{Body, MAX_STRANGERS_BODY, Path},
};
use easytier_uptime_store::domain::ProbeId;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    service::{ManageChange, ManageRequest, ManagedProbes, ManagedView},
    web::{App, ManageProbes, Permitted},
};

/// The tag of these routes in `/openapi.json`.
const TAG: &str = "manager";

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(list, add)).routes(routes!(one, change, remove)).routes(routes!(push))
}

/// The id of a managed probe in a path.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct ProbePath {
    /// The probe's id.
    #[param(value_type = i64, minimum = 1)]
    id: ProbeId,
}

/// The managed probes, in the order of their server_ids.
#[utoipa::path(
    get, path = "/v1/nodes", tag = TAG, operation_id = "list_managed_probes",
    security(("bearer" = []), ("session_cookie" = []), ("api_key" = [])),
    responses(
        (status = OK, body = Vec<ManagedView>),
        (status = UNAUTHORIZED, body = BackendRefusal),
        (status = FORBIDDEN, description = "The key has no scope `nodes`.", body = BackendRefusal),
    ),
)]
async fn list(
    _: Permitted<ManageProbes>,
    State(probes): State<ManagedProbes>,
) -> Result<Json<Vec<ManagedView>>, Refusal> {
    Ok(Json(probes.all().await?.iter().map(ManagedView::from).collect()))
}

/// Manages a probe. The hub asks it for its statistics first, and pushes the configuration within a second. A probe that has no backend
/// gets a node token of this hub with it, and reports here from then on.
#[utoipa::path(
    post, path = "/v1/nodes", tag = TAG, operation_id = "manage_probe",
    request_body = ManageRequest,
    security(("bearer" = []), ("session_cookie" = []), ("api_key" = [])),
    responses(
        (status = OK, body = ManagedView),
        (status = BAD_REQUEST, body = BackendRefusal),
        (status = UNAUTHORIZED, body = BackendRefusal),
        (status = FORBIDDEN, description = "The key has no scope `nodes`, or the request comes from a page of another site.", body = BackendRefusal),
        (status = CONFLICT, description = "The probe is managed already, reports to another hub, or this instance is a dependent.", body = BackendRefusal),
        (status = PAYLOAD_TOO_LARGE, body = BackendRefusal),
        (status = BAD_GATEWAY, description = "The probe does not answer as one, or refuses the token.", body = BackendRefusal),
    ),
)]
async fn add(
    _: Permitted<ManageProbes>,
    State(probes): State<ManagedProbes>,
    Body(request): Body<ManageRequest, MAX_STRANGERS_BODY>,
) -> Result<Json<ManagedView>, Refusal> {
    let id = probes.add(&request).await?;
    Ok(Json(ManagedView::from(&probes.one(id).await?)))
}

/// A managed probe.
#[utoipa::path(
    get, path = "/v1/nodes/{id}", tag = TAG, operation_id = "managed_probe", params(ProbePath),
    security(("bearer" = []), ("session_cookie" = []), ("api_key" = [])),
    responses(
        (status = OK, body = ManagedView),
        (status = BAD_REQUEST, body = BackendRefusal),
        (status = UNAUTHORIZED, body = BackendRefusal),
        (status = FORBIDDEN, description = "The key has no scope `nodes`.", body = BackendRefusal),
        (status = NOT_FOUND, body = BackendRefusal),
    ),
)]
async fn one(
    _: Permitted<ManageProbes>,
    State(probes): State<ManagedProbes>,
    Path(ProbePath { id }): Path<ProbePath>,
) -> Result<Json<ManagedView>, Refusal> {
    Ok(Json(ManagedView::from(&probes.one(id).await?)))
}

/// Changes where a managed probe is reached, its token or its settings.
#[utoipa::path(
    put, path = "/v1/nodes/{id}", tag = TAG, operation_id = "change_managed_probe", params(ProbePath),
    request_body = ManageChange,
    security(("bearer" = []), ("session_cookie" = []), ("api_key" = [])),
    responses(
        (status = OK, body = ManagedView),
        (status = BAD_REQUEST, body = BackendRefusal),
        (status = UNAUTHORIZED, body = BackendRefusal),
        (status = FORBIDDEN, description = "The key has no scope `nodes`, or the request comes from a page of another site.", body = BackendRefusal),
        (status = NOT_FOUND, body = BackendRefusal),
        (status = PAYLOAD_TOO_LARGE, body = BackendRefusal),
        (status = BAD_GATEWAY, description = "The hub does not connect to this address.", body = BackendRefusal),
    ),
)]
async fn change(
    _: Permitted<ManageProbes>,
    State(probes): State<ManagedProbes>,
    Path(ProbePath { id }): Path<ProbePath>,
    Body(change): Body<ManageChange, MAX_STRANGERS_BODY>,
) -> Result<Json<ManagedView>, Refusal> {
    probes.change(id, &change).await?;
    Ok(Json(ManagedView::from(&probes.one(id).await?)))
}

/// Manages a probe no longer. It stays registered and keeps what it holds.
#[utoipa::path(
    delete, path = "/v1/nodes/{id}", tag = TAG, operation_id = "stop_managing_probe", params(ProbePath),
    security(("bearer" = []), ("session_cookie" = []), ("api_key" = [])),
    responses(
        (status = OK, body = BackendDone),
        (status = BAD_REQUEST, body = BackendRefusal),
        (status = UNAUTHORIZED, body = BackendRefusal),
        (status = FORBIDDEN, description = "The key has no scope `nodes`, or the request comes from a page of another site.", body = BackendRefusal),
        (status = NOT_FOUND, body = BackendRefusal),
    ),
)]
async fn remove(
    _: Permitted<ManageProbes>,
    State(probes): State<ManagedProbes>,
    Path(ProbePath { id }): Path<ProbePath>,
) -> Answer<BackendEnvelope<()>> {
    probes.remove(id).await?;
    Ok(BackendEnvelope::done())
}

/// Has the configuration pushed to a managed probe again, within a second.
#[utoipa::path(
    post, path = "/v1/nodes/{id}/push", tag = TAG, operation_id = "push_to_probe", params(ProbePath),
    security(("bearer" = []), ("session_cookie" = []), ("api_key" = [])),
    responses(
        (status = OK, body = BackendDone),
        (status = BAD_REQUEST, body = BackendRefusal),
        (status = UNAUTHORIZED, body = BackendRefusal),
        (status = FORBIDDEN, description = "The key has no scope `nodes`, or the request comes from a page of another site.", body = BackendRefusal),
        (status = NOT_FOUND, body = BackendRefusal),
    ),
)]
async fn push(
    _: Permitted<ManageProbes>,
    State(probes): State<ManagedProbes>,
    Path(ProbePath { id }): Path<ProbePath>,
) -> Answer<BackendEnvelope<()>> {
    probes.push(id).await?;
    Ok(BackendEnvelope::done())
}
