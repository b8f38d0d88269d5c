//! The synchronisation API, `/sync/api`: what instances of a cluster say to each other, and who leads.
//!
//! It has no envelope; an error is `{"error": code, "message": words}`.

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use easytier_uptime_monitor::input::{self, Path, Query};
use easytier_uptime_store::domain::InstanceId;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::{
    instance::wire::{
        Configuration, Endpoint, FailoverOrder, Heartbeat, HeartbeatReceipt, Instances, Mirror, Promote, Register,
        Registered, RoleChange, SyncErrorBody,
    },
    service::{self, SyncRefusal},
    web::{App, SyncCaller, SyncError},
};

/// The longest configuration that is handed in, in bytes.
const MAX_CONFIGURATION: usize = 64 << 20;
/// The longest heartbeat, in bytes: 5,000 results with long messages.
const MAX_HEARTBEAT: usize = 16 << 20;
/// The longest of all other bodies, in bytes.
const MAX_BODY: usize = 64 << 10;

/// The tag of these routes in `/openapi.json`.
const TAG: &str = "sync";

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(register))
        .routes(routes!(heartbeat))
        .routes(routes!(instances))
        .routes(routes!(remove))
        .routes(routes!(endpoints, hand_in))
        .routes(routes!(endpoint))
        .routes(routes!(notification_services))
        .routes(routes!(results))
        .routes(routes!(failover_order))
        .routes(routes!(promote))
        .routes(routes!(demote))
}

type Answer<T> = Result<Json<T>, SyncError>;

async fn body<T: DeserializeOwned>(request: Request, max: usize) -> Result<T, SyncError> {
    Ok(input::parse(&input::read_json(request, max).await?)?)
}

/// Introduces an instance to the primary. Whoever knows `SYNC_SECRET` may; a known instance gets a new token, and the old one
/// ends when the new one is first used.
#[utoipa::path(
    post,
    path = "/sync/api/register",
    tag = TAG,
    operation_id = "sync_register",
    request_body = Register,
    security(("bearer" = [])),
    responses(
        (status = 201, description = "The instance is a dependent", body = Registered),
        (status = 400, description = "A field is not valid", body = SyncErrorBody),
        (status = 401, description = "SYNC_SECRET is missing or wrong", body = SyncErrorBody),
        (status = 404, description = "This instance belongs to no cluster", body = SyncErrorBody),
        (status = 409, description = "Another cluster, another instance's token, or this instance is no primary", body = SyncErrorBody),
    ),
)]
async fn register(
    State(app): State<App>,
    caller: SyncCaller,
    request: Request,
) -> Result<(StatusCode, Json<Registered>), SyncError> {
    let register: Register = body(request, MAX_BODY).await?;
    match caller {
        SyncCaller::Instance(id) if id != register.instance_id => {
            return Err(SyncRefusal::conflict("other_instance", "the token belongs to another instance").into());
        }
        SyncCaller::Instance(_) | SyncCaller::Secret => {}
        SyncCaller::Admin => return Err(SyncRefusal::forbidden("an instance registers with SYNC_SECRET").into()),
    }
    Ok((StatusCode::CREATED, Json(app.instances.register(&register).await?)))
}

/// Tells the primary that an instance lives, and gives it at most 5,000 results. They are durably stored when the answer comes.
#[utoipa::path(
    put,
    path = "/sync/api/heartbeat",
    tag = TAG,
    operation_id = "sync_heartbeat",
    request_body = Heartbeat,
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The outcome", body = HeartbeatReceipt),
        (status = 401, description = "The token is missing or wrong", body = SyncErrorBody),
        (status = 409, description = "The token belongs to another instance, or this instance is no primary", body = SyncErrorBody),
        (status = 413, description = "More than 5,000 results, or a body that is too long", body = SyncErrorBody),
    ),
)]
async fn heartbeat(State(app): State<App>, caller: SyncCaller, request: Request) -> Answer<HeartbeatReceipt> {
    let caller = caller.instance()?;
    let beat: Heartbeat = body(request, MAX_HEARTBEAT).await?;
    Ok(Json(app.instances.heartbeat(caller, &beat).await?))
}

/// All instances of the cluster, in the order of failover.
#[utoipa::path(
    get,
    path = "/sync/api/instances",
    tag = TAG,
    operation_id = "sync_instances",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The instances", body = Instances),
        (status = 401, description = "A token or secret is missing or wrong", body = SyncErrorBody),
        (status = 404, description = "This instance belongs to no cluster", body = SyncErrorBody),
    ),
)]
async fn instances(State(app): State<App>, _: SyncCaller) -> Answer<Instances> {
    Ok(Json(app.instances.list().await?))
}

/// Removes an instance; its token ends.
#[utoipa::path(
    delete,
    path = "/sync/api/instances/{id}",
    tag = TAG,
    operation_id = "sync_remove_instance",
    params(("id" = Uuid, Path, description = "The id of the instance")),
    security(("bearer" = [])),
    responses(
        (status = 204, description = "It is removed"),
        (status = 403, description = "The caller is no admin", body = SyncErrorBody),
        (status = 404, description = "There is no such instance", body = SyncErrorBody),
    ),
)]
async fn remove(State(app): State<App>, caller: SyncCaller, Path(id): Path<Uuid>) -> Result<StatusCode, SyncError> {
    caller.admin()?;
    app.instances.remove(InstanceId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The primary's configuration. Secrets are sealed for the instance that asks.
#[utoipa::path(
    get,
    path = "/sync/api/endpoints",
    tag = TAG,
    operation_id = "sync_endpoints",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The configuration", body = Configuration),
        (status = 304, description = "It has the tag that If-None-Match names"),
        (status = 409, description = "This instance is no primary", body = SyncErrorBody),
    ),
)]
async fn endpoints(State(app): State<App>, caller: SyncCaller, headers: HeaderMap) -> Result<Response, SyncError> {
    let caller = caller.instance()?;
    let tagged = app.instances.tagged().await?;
    let tag = HeaderValue::from_str(&tagged.tag).map_err(|_| SyncRefusal::bad_request("no tag"))?;
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = match known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => Json(app.instances.configuration(caller, &tagged).await?).into_response(),
    };
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
    responses(
        (status = 200, description = "It is merged"),
        (status = 403, description = "The instance was not the primary before", body = SyncErrorBody),
        (status = 409, description = "This instance is no primary", body = SyncErrorBody),
    ),
)]
async fn hand_in(State(app): State<App>, caller: SyncCaller, request: Request) -> Answer<Value> {
    let caller = caller.instance()?;
    let configuration: Configuration = body(request, MAX_CONFIGURATION).await?;
    app.instances.hand_in(caller, &configuration).await?;
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
    responses(
        (status = 200, description = "The peer", body = Endpoint),
        (status = 404, description = "There is no such peer", body = SyncErrorBody),
    ),
)]
async fn endpoint(State(app): State<App>, caller: SyncCaller, Path(id): Path<i64>) -> Answer<Endpoint> {
    let caller = caller.instance()?;
    let tagged = app.instances.tagged().await?;
    let configuration = app.instances.configuration(caller, &tagged).await?;
    let found = configuration.endpoints.into_iter().find(|endpoint| endpoint.id == id);
    found.map(Json).ok_or_else(|| service::SyncRefusal::not_found("peer").into())
}

/// The notification services; none until they exist.
#[utoipa::path(
    get,
    path = "/sync/api/notification-services",
    tag = TAG,
    operation_id = "sync_notification_services",
    security(("bearer" = [])),
    responses((status = 200, description = "The services", body = Vec<Object>)),
)]
async fn notification_services(State(app): State<App>, caller: SyncCaller) -> Answer<Vec<Value>> {
    caller.instance()?;
    app.instances.tagged().await?;
    Ok(Json(Vec::new()))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct After {
    /// The position after which results are returned; without it, those of the last hour.
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
    responses(
        (status = 200, description = "The results", body = Mirror),
        (status = 409, description = "This instance is no primary", body = SyncErrorBody),
    ),
)]
async fn results(State(app): State<App>, caller: SyncCaller, Query(query): Query<After>) -> Answer<Mirror> {
    caller.instance()?;
    Ok(Json(app.instances.results(query.after.as_deref()).await?))
}

/// Who leads, who takes the place in which order, and whether the answering instance sees the primary.
#[utoipa::path(
    get,
    path = "/sync/api/failover-order",
    tag = TAG,
    operation_id = "sync_failover_order",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The order", body = FailoverOrder),
        (status = 404, description = "This instance belongs to no cluster", body = SyncErrorBody),
    ),
)]
async fn failover_order(State(app): State<App>, _: SyncCaller) -> Answer<FailoverOrder> {
    Ok(Json(app.instances.failover_order().await?))
}

/// Makes the answering dependent the primary, on behalf of an admin.
#[utoipa::path(
    post,
    path = "/sync/api/promote",
    tag = TAG,
    operation_id = "sync_promote",
    request_body = Promote,
    security(("bearer" = [])),
    responses(
        (status = 200, description = "It is the primary", body = RoleChange),
        (status = 403, description = "The caller is no admin", body = SyncErrorBody),
        (status = 409, description = "The epoch is another one, or it is the primary already", body = SyncErrorBody),
    ),
)]
async fn promote(State(app): State<App>, caller: SyncCaller, request: Request) -> Answer<RoleChange> {
    caller.admin()?;
    let promote: Promote = body(request, MAX_BODY).await?;
    Ok(Json(app.instances.promote(&promote).await?))
}

/// Lets the primary, which has this id and answers, hand over to the first dependent in the order.
#[utoipa::path(
    post,
    path = "/sync/api/demote/{id}",
    tag = TAG,
    operation_id = "sync_demote",
    params(("id" = Uuid, Path, description = "The id of the primary")),
    security(("bearer" = [])),
    responses(
        (status = 202, description = "The hand-over begins", body = RoleChange),
        (status = 403, description = "The caller is no admin", body = SyncErrorBody),
        (status = 409, description = "It is no primary, or nobody can take its place", body = SyncErrorBody),
    ),
)]
async fn demote(
    State(app): State<App>,
    caller: SyncCaller,
    Path(id): Path<Uuid>,
) -> Result<(StatusCode, Json<RoleChange>), SyncError> {
    caller.admin()?;
    Ok((StatusCode::ACCEPTED, Json(app.instances.demote(InstanceId(id)).await?)))
}
