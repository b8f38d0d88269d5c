//! Who leads.

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
};
use easytier_uptime_monitor::input::Path;
use easytier_uptime_store::domain::InstanceId;
use uuid::Uuid;

use super::{Answer, Contradiction, MAX_BODY, Malformed, MalformedBody, Stranger, TAG, Uninvited, body};
use crate::{
    instance::wire::{FailoverOrder, Promote, RoleChange},
    web::{App, CallerOfPrimary, SyncCaller, SyncError},
};

/// Who leads, who takes the place in which order, and whether the answering instance sees the primary.
#[utoipa::path(
    get,
    path = "/sync/api/failover-order",
    tag = TAG,
    operation_id = "sync_failover_order",
    security(("bearer" = [])),
    responses((status = 200, description = "The order", body = FailoverOrder), Stranger, Uninvited),
)]
pub(super) async fn failover_order(State(app): State<App>, caller: SyncCaller) -> Answer<FailoverOrder> {
    caller.reader()?;
    Ok(Json(app.instances.failover_order().await?))
}

/// Makes the answering dependent the primary, on behalf of an admin, or of an API key with the scope `instances`.
///
/// With another epoch than the present one, or at the primary, the answer is 409; it names the present epoch.
#[utoipa::path(
    post,
    path = "/sync/api/promote",
    tag = TAG,
    operation_id = "sync_promote",
    request_body = Promote,
    security(("bearer" = []), ("session_cookie" = [])),
    responses((status = 200, description = "It is the primary", body = RoleChange), Stranger, Uninvited, Contradiction, MalformedBody),
)]
pub(super) async fn promote(State(app): State<App>, caller: SyncCaller, request: Request) -> Answer<RoleChange> {
    caller.operator()?;
    let promote: Promote = body(request, MAX_BODY).await?;
    Ok(Json(app.instances.promote(&promote).await?))
}

/// Lets the primary, which has this id and answers, hand over to the first dependent in the order. The admin may, or an API key
/// with the scope `instances`.
#[utoipa::path(
    post,
    path = "/sync/api/demote/{id}",
    tag = TAG,
    operation_id = "sync_demote",
    params(("id" = Uuid, Path, description = "The id of the primary")),
    security(("bearer" = []), ("session_cookie" = [])),
    responses((status = 202, description = "The hand-over begins", body = RoleChange), Stranger, Uninvited, Contradiction, Malformed),
)]
pub(super) async fn demote(
    State(app): State<App>,
    CallerOfPrimary(caller): CallerOfPrimary,
    Path(id): Path<Uuid>,
) -> Result<(StatusCode, Json<RoleChange>), SyncError> {
    caller.operator()?;
    Ok((StatusCode::ACCEPTED, Json(app.instances.demote(InstanceId(id)).await?)))
}
