//! The registry of probes: the discovery endpoints of the backend contract.

use axum::extract::{Request, State};
use easytier_probe::Secret;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    App,
    auth::{Insider, ProbeCaller, Registrant, own_region},
    error::{Answer, BackendDone, BackendEnvelope, BackendRefusal, Refusal},
    input::{self, Body, Path},
    server_id::ServerId,
};
use crate::{
    model::{self, Presence, ProbeIdentity},
    store::Store,
    time::Timestamp,
};

/// The longest address and version, in characters.
const MAX_HOST: usize = 255;
const MAX_VERSION: usize = 64;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(register))
        .routes(routes!(heartbeat))
        .routes(routes!(list))
        .routes(routes!(unregister))
}

/// A probe about itself, when it starts.
#[derive(Debug, Deserialize, ToSchema)]
struct Registration {
    server_id: ServerId,
    /// An address that other machines can reach.
    #[schema(max_length = 255)]
    host: Option<String>,
    #[serde(default, deserialize_with = "input::whole_number")]
    #[schema(maximum = 65535)]
    port: Option<u16>,
    /// Of an enrollment the key's region, or `default`, where it is missing; else the token's own.
    #[schema(max_length = 64, pattern = r"^[^,\x00-\x1f\x7f-\x9f]*$")]
    region: Option<String>,
    #[schema(max_length = 64)]
    version: Option<String>,
    capabilities: Option<Value>,
    /// Platform, architecture, CPUs, memory.
    system: Option<Value>,
}

/// As whom the probe is registered.
#[derive(Debug, Serialize, ToSchema)]
struct Registered {
    server_id: String,
    region: String,
    /// Shown this once, to an enrollment key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    node_token: Option<Secret>,
}

/// A probe starts.
///
/// An enrollment key gets a node token for a `server_id` that is not registered yet; a probe registers itself again with
/// its own token and keeps its history.
#[utoipa::path(
    post,
    path = "/api/discovery/register",
    tag = "registry",
    operation_id = "register_probe",
    request_body = Registration,
    security(("node_token" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "Registered", body = BackendEnvelope<Registered>),
        (status = 400, description = "The body is no such document", body = BackendRefusal),
        (status = 401, description = "The key or token is wrong or missing", body = BackendRefusal),
        (status = 403, description = "The key or token is for another region, or of another kind", body = BackendRefusal),
        (status = 408, description = "The body took too long to arrive", body = BackendRefusal),
        (status = 409, description = "The server_id is registered already, or the token is another one's", body = BackendRefusal),
        (status = 413, description = "The body is too long", body = BackendRefusal),
    ),
)]
async fn register(
    State(store): State<Store>,
    registrant: Registrant,
    Body(sent): Body<Registration>,
) -> Answer<BackendEnvelope<Registered>> {
    let server_id = sent.server_id.as_str().to_owned();
    let region = input::region("region", sent.region.as_deref())?;
    let registration = parse(sent)?;
    let now = Timestamp::now();
    let registered = match registrant {
        Registrant::Probe(probe) => {
            own_region(&probe, region.as_ref())?;
            store.register_probe(&probe, &server_id, &registration, now).await?;
            Registered { server_id, region: probe.region.into(), node_token: None }
        }
        Registrant::Enrollment { region: only } => {
            if let (Some(only), Some(asked)) = (&only, &region)
                && only != asked
            {
                return Err(Refusal::forbidden(format!("the enrollment key is for the region '{only}'")));
            }
            let region = region.or_else(|| only.clone()).unwrap_or_default();
            let (probe, issued) = store.enroll_probe(only.as_ref(), &server_id, &region, &registration, now).await?;
            Registered { server_id: probe.server_id, region: region.into(), node_token: Some(issued.token) }
        }
    };
    Ok(BackendEnvelope::of(registered))
}

fn parse(sent: Registration) -> Result<model::Registration, Refusal> {
    for (name, text, most) in [("host", &sent.host, MAX_HOST), ("version", &sent.version, MAX_VERSION)] {
        if text.as_ref().is_some_and(|text| text.chars().count() > most) {
            return Err(Refusal::bad_request(format!("{name}: at most {most} characters")));
        }
    }
    for (name, value) in [("capabilities", &sent.capabilities), ("system", &sent.system)] {
        value.as_ref().map_or(Ok(()), |value| input::small(name, value))?;
    }
    let Registration { host, port, version, capabilities, system, .. } = sent;
    Ok(model::Registration { host, port, version, capabilities, system })
}

/// A probe is there. The body, which may be missing, is kept as it is: counters of peers, of results that wait, of the
/// last cycle.
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
        (status = 400, description = "The body is no JSON document", body = BackendRefusal),
        (status = 401, description = "The node token is wrong or missing", body = BackendRefusal),
        (status = 403, description = "The node token is for another server_id", body = BackendRefusal),
        (status = 408, description = "The body took too long to arrive", body = BackendRefusal),
        (status = 413, description = "The body is too long", body = BackendRefusal),
    ),
)]
async fn heartbeat(
    State(store): State<Store>,
    ProbeCaller(probe): ProbeCaller,
    Path(server_id): Path<String>,
    request: Request,
) -> Answer<BackendEnvelope<()>> {
    own_server_id(&probe, &server_id)?;
    let body = input::read(request).await?;
    let counters: Option<Value> = match input::text(&body)?.trim() {
        "" => None,
        text => input::parse_any(text)?,
    };
    counters.as_ref().map_or(Ok(()), |counters| input::small("the body", counters))?;
    store.heartbeat(&probe, counters.as_ref(), Timestamp::now()).await?;
    Ok(BackendEnvelope::done())
}

/// A probe stops. Its history stays.
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
    State(store): State<Store>,
    ProbeCaller(probe): ProbeCaller,
    Path(server_id): Path<String>,
) -> Answer<BackendEnvelope<()>> {
    own_server_id(&probe, &server_id)?;
    store.unregister_probe(&probe, Timestamp::now()).await?;
    Ok(BackendEnvelope::done())
}

fn own_server_id(probe: &ProbeIdentity, named: &str) -> Result<(), Refusal> {
    if probe.server_id != named {
        return Err(Refusal::forbidden("the node token is for another server_id"));
    }
    Ok(())
}

/// Every probe that was ever heard from.
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
    /// Of its last report about itself.
    metadata: Option<Value>,
    /// Of its last heartbeat.
    counters: Option<Value>,
    /// The median round trip to the peers that it found healthy, in milliseconds.
    response_time: Option<f64>,
    /// Seconds between its checks of a peer.
    check_interval: Option<u64>,
    /// Of the listing that it fetched last.
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
    /// Overdue.
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
        (status = 403, description = "An enrollment key lists no probes", body = BackendRefusal),
    ),
)]
async fn list(State(store): State<Store>, _: Insider) -> Answer<BackendEnvelope<Servers>> {
    let probes = store.probes(Timestamp::now()).await?;
    let servers: Vec<Server> = probes.into_iter().map(Server::from).collect();
    Ok(BackendEnvelope::of(Servers { count: servers.len(), servers }))
}

impl From<model::Probe> for Server {
    fn from(probe: model::Probe) -> Self {
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
