//! Instances register, tell that they live, and are listed.

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
};
use easytier_uptime_monitor::input::{self, Path};
use easytier_uptime_store::domain::InstanceId;
use uuid::Uuid;

use super::{
    Answer, Contradiction, MAX_BODY, Malformed, MalformedBody, Stranger, TAG, Uninvited,
    beat::{self, ReadBeat},
    body,
};
use crate::{
    instance::wire::{Heartbeat, HeartbeatReceipt, Instances, Register, Registered},
    service::SyncRefusal,
    web::{App, CallerOfPrimary, SyncCaller, SyncError},
};

/// The longest heartbeat, in bytes: 5,000 results with long messages.
const MAX_HEARTBEAT: usize = 16 << 20;

/// Introduces an instance to the primary. Whoever knows `SYNC_SECRET` may; a known instance gets a new token, and the old one
/// ends when the new one is first used.
#[utoipa::path(
    post,
    path = "/sync/api/register",
    tag = TAG,
    operation_id = "sync_register",
    request_body = Register,
    security(("bearer" = [])),
    responses((status = 201, description = "The instance is a dependent", body = Registered), Stranger, Uninvited, Contradiction, MalformedBody),
)]
pub(super) async fn register(
    State(app): State<App>,
    CallerOfPrimary(caller): CallerOfPrimary,
    request: Request,
) -> Result<(StatusCode, Json<Registered>), SyncError> {
    if matches!(caller, SyncCaller::Admin | SyncCaller::Key) {
        return Err(needs_secret().into());
    }
    let register: Register = body(request, MAX_BODY).await?;
    match caller {
        SyncCaller::Secret => Ok((StatusCode::CREATED, Json(app.instances.register(&register).await?))),
        SyncCaller::Instance(id) if id != register.instance_id => {
            Err(SyncRefusal::conflict("other_instance", "the token belongs to another instance").into())
        }
        SyncCaller::Instance(_) | SyncCaller::Admin | SyncCaller::Key => Err(needs_secret().into()),
    }
}

fn needs_secret() -> SyncRefusal {
    SyncRefusal::forbidden("an instance registers with SYNC_SECRET")
}

/// Tells the primary that an instance lives, and gives it at most 5,000 results. They are durably stored when the answer comes.
///
/// Results may be sent again at any time without effect. One that is not valid is `rejected` and does not delay the others.
#[utoipa::path(
    put,
    path = "/sync/api/heartbeat",
    tag = TAG,
    operation_id = "sync_heartbeat",
    request_body = Heartbeat,
    security(("bearer" = [])),
    responses((status = 200, description = "The outcome", body = HeartbeatReceipt), Stranger, Uninvited, Contradiction, MalformedBody),
)]
pub(super) async fn heartbeat(
    State(app): State<App>,
    CallerOfPrimary(caller): CallerOfPrimary,
    request: Request,
) -> Answer<HeartbeatReceipt> {
    let caller = caller.instance()?;
    let ReadBeat { beat, unreadable } = beat::read(&input::read_json(request, MAX_HEARTBEAT).await?)?;
    Ok(Json(app.instances.heartbeat(caller, &beat, unreadable).await?))
}

/// All instances of the cluster, in the order of failover.
#[utoipa::path(
    get,
    path = "/sync/api/instances",
    tag = TAG,
    operation_id = "sync_instances",
    security(("bearer" = [])),
    responses((status = 200, description = "The instances", body = Instances), Stranger, Uninvited),
)]
pub(super) async fn instances(State(app): State<App>, caller: SyncCaller) -> Answer<Instances> {
    caller.reader()?;
    Ok(Json(app.instances.list().await?))
}

/// Removes an instance; its token ends. The admin may, or an API key with the scope `instances`.
#[utoipa::path(
    delete,
    path = "/sync/api/instances/{id}",
    tag = TAG,
    operation_id = "sync_remove_instance",
    params(("id" = Uuid, Path, description = "The id of the instance")),
    security(("bearer" = []), ("session_cookie" = [])),
    responses((status = 204, description = "It is removed"), Stranger, Uninvited, Contradiction, Malformed),
)]
pub(super) async fn remove(
    State(app): State<App>,
    CallerOfPrimary(caller): CallerOfPrimary,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, SyncError> {
    caller.operator()?;
    app.instances.remove(InstanceId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
