//! The registry of probes: the discovery endpoints of the backend contract.

use axum::extract::{Request, State};
use easytier_probe::Secret;
use easytier_uptime_monitor::{
    Refusal,
    envelope::{Answer, BackendDone, BackendEnvelope, BackendRefusal},
    input::{self, Body, Path},
};
use easytier_uptime_store::{
    Store,
    domain::{self, NodeToken, Presence, Timestamp},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    server_id::ServerId,
    service::{self, Registry, ServiceError, check_server_id},
    web::{App, Insider, ProbeCaller, RegistrantCaller},
};

/// The maximum length of an address, in characters.
const MAX_HOST: usize = 255;
/// The maximum length of a version, in characters.
const MAX_VERSION: usize = 64;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(register))
        .routes(routes!(heartbeat))
        .routes(routes!(list))
        .routes(routes!(unregister))
}

/// The registration of a probe, which it sends when it starts.
#[derive(Debug, Deserialize, ToSchema)]
struct Registration {
    server_id: ServerId,
    /// An address that other machines can reach.
    #[schema(max_length = 255)]
    host: Option<String>,
    #[serde(default, deserialize_with = "input::whole_number")]
    #[schema(maximum = 65535)]
    port: Option<u16>,
    /// With an enrollment key it defaults to the key's region, or to `default`; with a node token to the token's region.
    #[schema(max_length = 64, pattern = r"^[^,\x00-\x1f\x7f-\x9f]*$")]
    region: Option<String>,
    #[schema(max_length = 64)]
    version: Option<String>,
    capabilities: Option<Value>,
    /// Platform, architecture, CPUs, memory.
    system: Option<Value>,
    /// With an enrollment key: the node token, if the probe makes it itself. A probe that stores it before it enrolls can send
    /// the same request again when it does not get the answer.
    #[schema(value_type = Option<String>, pattern = r"^etn_[0-9a-f]{16}_[0-9A-Za-z_-]{43}$")]
    node_token: Option<Secret>,
}

/// The outcome of a registration.
#[derive(Debug, Serialize, ToSchema)]
struct Registered {
    server_id: String,
    region: String,
    /// The node token, for an enrollment key only: that of the request, or a new one. It cannot be read again later.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    node_token: Option<Secret>,
}

/// Registers a probe when it starts.
///
/// An enrollment key gets a node token for a `server_id` that is not registered yet; a probe registers itself again with
/// its own token and keeps its history. The same key, `server_id` and `node_token` again is no second enrollment.
#[utoipa::path(
    post,
    path = "/api/discovery/register",
    tag = "registry",
    operation_id = "register_probe",
    request_body = Registration,
    security(("node_token" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "Registered", body = BackendEnvelope<Registered>),
        (status = 400, description = "The body is not a valid document", body = BackendRefusal),
        (status = 401, description = "The key or token is wrong or missing, has expired, or is used up", body = BackendRefusal),
        (status = 403, description = "The key or token is for another region, or of another kind", body = BackendRefusal),
        (status = 408, description = "The body took too long to arrive", body = BackendRefusal),
        (status = 409, description = "The server_id or the node_token is registered already, or the token is for another server_id", body = BackendRefusal),
        (status = 413, description = "The body is too long", body = BackendRefusal),
        (status = 503, description = "This instance is a dependent, or hands over: try again later, or at the primary", body = BackendRefusal),
    ),
)]
async fn register(
    State(registry): State<Registry>,
    RegistrantCaller(registrant): RegistrantCaller,
    Body(sent): Body<Registration>,
) -> Answer<BackendEnvelope<Registered>> {
    let server_id = sent.server_id.as_str().to_owned();
    let region = input::region("region", sent.region.as_deref())?;
    let token = sent.node_token.as_ref().map(|token| NodeToken::parse(token.expose())).transpose();
    let token = token.map_err(|error| Refusal::bad_request(format!("node_token: {error}")))?;
    let registered = registry.register(registrant, server_id, region, &parse(sent)?, token.as_ref()).await?;
    Ok(BackendEnvelope::of(registered.into()))
}

impl From<service::Registered> for Registered {
    fn from(registered: service::Registered) -> Self {
        let service::Registered { server_id, region, node_token } = registered;
        Self { server_id, region: region.into(), node_token }
    }
}

fn parse(sent: Registration) -> Result<domain::Registration, Refusal> {
    for (name, text, max) in [("host", &sent.host, MAX_HOST), ("version", &sent.version, MAX_VERSION)] {
        if text.as_ref().is_some_and(|text| text.chars().count() > max) {
            return Err(Refusal::bad_request(format!("{name}: at most {max} characters")));
        }
    }
    for (name, value) in [("capabilities", &sent.capabilities), ("system", &sent.system)] {
        value.as_ref().map_or(Ok(()), |value| input::check_size(name, value))?;
    }
    let Registration { host, port, version, capabilities, system, .. } = sent;
    Ok(domain::Registration { host, port, version, capabilities, system })
}

/// A heartbeat of a probe. The optional body is stored unchanged: counters of peers, of queued results, of the last
/// cycle.
#[utoipa::path(
    post,
    path = "/api/discovery/heartbeat/{server_id}",
    tag = "registry",
    operation_id = "probe_heartbeat",
    params(("server_id" = ServerId, Path, description = "The probe's own id")),
    request_body(content = Option<Value>, description = "Counters"),
    security(("node_token" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "Noted", body = BackendDone),
        (status = 400, description = "The body is not a JSON document", body = BackendRefusal),
        (status = 401, description = "The node token is wrong or missing", body = BackendRefusal),
        (status = 403, description = "The node token is for another server_id", body = BackendRefusal),
        (status = 408, description = "The body took too long to arrive", body = BackendRefusal),
        (status = 413, description = "The body is too long", body = BackendRefusal),
    ),
)]
async fn heartbeat(
    State(registry): State<Registry>,
    ProbeCaller(probe): ProbeCaller,
    Path(server_id): Path<String>,
    request: Request,
) -> Answer<BackendEnvelope<()>> {
    check_server_id(&probe, &server_id).map_err(ServiceError::from)?;
    let body = input::read_json(request, input::MAX_BODY).await?;
    let counters: Option<Value> = match input::text(&body)?.trim() {
        "" => None,
        text => input::parse_any(text)?,
    };
    counters.as_ref().map_or(Ok(()), |counters| input::check_size("the body", counters))?;
    registry.heartbeat(&probe, counters.as_ref()).await?;
    Ok(BackendEnvelope::done())
}

/// Marks a probe as offline when it stops. Its history stays.
#[utoipa::path(
    delete,
    path = "/api/discovery/unregister/{server_id}",
    tag = "registry",
    operation_id = "unregister_probe",
    params(("server_id" = ServerId, Path, description = "The probe's own id")),
    security(("node_token" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "Noted", body = BackendDone),
        (status = 401, description = "The node token is wrong or missing", body = BackendRefusal),
        (status = 403, description = "The node token is for another server_id", body = BackendRefusal),
    ),
)]
async fn unregister(
    State(registry): State<Registry>,
    ProbeCaller(probe): ProbeCaller,
    Path(server_id): Path<String>,
) -> Answer<BackendEnvelope<()>> {
    check_server_id(&probe, &server_id).map_err(ServiceError::from)?;
    registry.unregister(&probe).await?;
    Ok(BackendEnvelope::done())
}

/// All probes that ever reported.
#[derive(Debug, Serialize, ToSchema)]
struct Servers {
    servers: Vec<Server>,
    count: usize,
}

/// A probe.
#[derive(Debug, Serialize, ToSchema)]
struct Server {
    server_id: String,
    region: String,
    #[schema(value_type = PresenceDoc)]
    status: Presence,
    host: Option<String>,
    port: Option<u16>,
    version: Option<String>,
    capabilities: Option<Value>,
    system: Option<Value>,
    /// The metadata of its last status report.
    metadata: Option<Value>,
    /// The counters of its last heartbeat.
    counters: Option<Value>,
    /// The median round trip to its healthy peers, in milliseconds.
    response_time: Option<f64>,
    /// The time between two checks of a peer, in seconds.
    check_interval: Option<u64>,
    /// The version of the list of peers that it fetched last.
    config_version: Option<i64>,
    #[schema(value_type = String, format = DateTime)]
    registered_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    last_seen: Timestamp,
}

#[derive(ToSchema)]
#[schema(as = Presence, rename_all = "lowercase")]
#[expect(dead_code, reason = "for the document alone")]
enum PresenceDoc {
    Online,
    /// The probe is overdue, or says that it is cut off.
    Degraded,
    Offline,
}

/// The probes.
#[utoipa::path(
    get,
    path = "/api/discovery/servers",
    tag = "registry",
    operation_id = "list_probes",
    security(("node_token" = []), ("bearer" = []), ("api_key" = [])),
    responses(
        (status = 200, description = "All probes, in the order of their server_ids", body = BackendEnvelope<Servers>),
        (status = 401, description = "No token, key or session, or a wrong one", body = BackendRefusal),
        (status = 403, description = "An enrollment key cannot list probes", body = BackendRefusal),
    ),
)]
async fn list(State(store): State<Store>, _: Insider) -> Answer<BackendEnvelope<Servers>> {
    let probes = store.probes(Timestamp::now()).await?;
    let servers: Vec<Server> = probes.into_iter().map(Server::from).collect();
    Ok(BackendEnvelope::of(Servers { count: servers.len(), servers }))
}

impl From<domain::Probe> for Server {
    fn from(probe: domain::Probe) -> Self {
        Self {
            server_id: probe.server_id,
            region: probe.region.into(),
            status: probe.presence,
            host: probe.host,
            port: probe.port,
            version: probe.version,
            capabilities: probe.capabilities,
            system: probe.system,
            metadata: probe.metadata,
            counters: probe.counters,
            response_time: probe.response_us.map(|micros| micros as f64 / 1000.0),
            check_interval: probe.check_interval.map(|interval| interval.as_secs()),
            config_version: probe.config_version,
            registered_at: probe.created_at,
            last_seen: probe.last_seen_at,
        }
    }
}
