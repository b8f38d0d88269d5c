//! The registry of probes: the discovery endpoints of the backend contract.

use axum::extract::{Request, State};
use easytier_probe::Secret;
use easytier_uptime_monitor::{
    Refusal,
    envelope::{Answer, BackendDone, BackendEnvelope, BackendRefusal},
    input::{self, Path},
};
use easytier_uptime_store::domain::{self, NodeToken};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    server_id::ServerId,
    service::{self, Discovery, Registry, ServiceError, check_server_id},
    web::{Announcer, App, ServerCaller},
};

/// The maximum length of an address, in characters.
const MAX_HOST: usize = 255;
/// The maximum length of a version, in characters.
const MAX_VERSION: usize = 64;
/// The maximum length of a JSON value of a server without a credential, in bytes: a thousand of them are listed.
const MAX_OPEN_JSON: usize = 1024;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(register)).routes(routes!(heartbeat)).routes(routes!(unregister))
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
/// An enrollment key gets a node token for a `server_id` that is not registered yet, or of which all tokens have ended; a probe
/// registers itself again with its own token and keeps its history. The same key, `server_id` and `node_token` again is no second
/// enrollment. With `OPEN_DISCOVERY` a server without a credential is listed, and nothing else.
#[utoipa::path(
    post,
    path = "/api/discovery/register",
    tag = "registry",
    operation_id = "register_probe",
    request_body = Registration,
    security((), ("node_token" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "Registered", body = BackendEnvelope<Registered>),
        (status = 400, description = "The body is not a valid document", body = BackendRefusal),
        (status = 401, description = "The key or token is wrong or missing, has expired, or is used up", body = BackendRefusal),
        (status = 403, description = "The key or token is for another region, or of another kind", body = BackendRefusal),
        (status = 408, description = "The body took too long to arrive", body = BackendRefusal),
        (status = 409, description = "The server_id or the node_token is registered already, or the token is for another server_id", body = BackendRefusal),
        (status = 413, description = "The body is too long", body = BackendRefusal),
        (status = 429, description = "Without a credential: too many requests, or too many servers of this address", body = BackendRefusal),
        (status = 503, description = "This instance is a dependent, or hands over: try again later, or at the primary; or the list of servers without a credential is full", body = BackendRefusal),
    ),
)]
async fn register(
    State(registry): State<Registry>,
    State(discovery): State<Discovery>,
    announcer: Announcer,
    request: Request,
) -> Answer<BackendEnvelope<Registered>> {
    let max = match announcer {
        Announcer::Known(_) => input::MAX_BODY,
        Announcer::Stranger(_) => input::MAX_STRANGERS_BODY,
    };
    let sent: Registration = input::parse(input::read_json(request, max).await?)?;
    let server_id = sent.server_id.as_str().to_owned();
    let region = input::region("region", sent.region.as_deref())?;
    let token = sent.node_token.as_ref().map(|token| NodeToken::parse(token.expose())).transpose();
    let token = token.map_err(|error| Refusal::bad_request(format!("node_token: {error}")))?;
    let registration = parse(sent)?;
    let registered = match announcer {
        Announcer::Known(known) => {
            registry.register(known, server_id, region, &registration, token.as_ref()).await?.into()
        }
        Announcer::Stranger(from) => {
            check_open_size("capabilities", registration.capabilities.as_ref())?;
            check_open_size("system", registration.system.as_ref())?;
            let region = region.unwrap_or_default();
            discovery.announce(from, &server_id, &region, &registration).await?;
            Registered { server_id, region: region.into(), node_token: None }
        }
    };
    Ok(BackendEnvelope::of(registered))
}

/// Refuses a JSON value that is too long to be stored for a server without a credential.
fn check_open_size(place: &str, value: Option<&Value>) -> Result<(), Refusal> {
    match value.is_some_and(|value| value.to_string().len() > MAX_OPEN_JSON) {
        true => Err(Refusal::bad_request(format!("{place}: longer than 1 KiB, which needs a credential"))),
        false => Ok(()),
    }
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
    security((), ("node_token" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "Noted", body = BackendDone),
        (status = 400, description = "The body is not a JSON document", body = BackendRefusal),
        (status = 401, description = "The node token is wrong or missing; or no server without a credential is registered under this server_id", body = BackendRefusal),
        (status = 403, description = "The node token is for another server_id; or the server was registered from another address", body = BackendRefusal),
        (status = 408, description = "The body took too long to arrive", body = BackendRefusal),
        (status = 413, description = "The body is too long", body = BackendRefusal),
        (status = 429, description = "Too many requests without a credential", body = BackendRefusal),
    ),
)]
async fn heartbeat(
    State(registry): State<Registry>,
    State(discovery): State<Discovery>,
    caller: ServerCaller,
    Path(server_id): Path<String>,
    request: Request,
) -> Answer<BackendEnvelope<()>> {
    let max = match &caller {
        ServerCaller::Probe(probe) => {
            check_server_id(probe, &server_id).map_err(ServiceError::from)?;
            input::MAX_BODY
        }
        ServerCaller::Stranger(_) => input::MAX_STRANGERS_BODY,
    };
    let body = input::read_json(request, max).await?;
    let counters: Option<Value> = match input::text(&body)?.trim() {
        "" => None,
        text => input::parse_any(text)?,
    };
    counters.as_ref().map_or(Ok(()), |counters| input::check_size("the body", counters))?;
    match caller {
        ServerCaller::Probe(probe) => registry.heartbeat(&probe, counters.as_ref()).await?,
        ServerCaller::Stranger(from) => {
            check_open_size("the body", counters.as_ref())?;
            discovery.heartbeat(from, &server_id, counters.as_ref()).await?;
        }
    }
    Ok(BackendEnvelope::done())
}

/// Marks a probe as offline when it stops. Its history stays. A server without a credential is not listed any more.
#[utoipa::path(
    delete,
    path = "/api/discovery/unregister/{server_id}",
    tag = "registry",
    operation_id = "unregister_probe",
    params(("server_id" = ServerId, Path, description = "The probe's own id")),
    security((), ("node_token" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "Noted", body = BackendDone),
        (status = 401, description = "The node token is wrong or missing; or no server without a credential is registered under this server_id", body = BackendRefusal),
        (status = 403, description = "The node token is for another server_id; or the server was registered from another address", body = BackendRefusal),
        (status = 429, description = "Too many requests without a credential", body = BackendRefusal),
    ),
)]
async fn unregister(
    State(registry): State<Registry>,
    State(discovery): State<Discovery>,
    caller: ServerCaller,
    Path(server_id): Path<String>,
) -> Answer<BackendEnvelope<()>> {
    match caller {
        ServerCaller::Probe(probe) => {
            check_server_id(&probe, &server_id).map_err(ServiceError::from)?;
            registry.unregister(&probe).await?;
        }
        ServerCaller::Stranger(from) => discovery.withdraw(from, &server_id).await?,
    }
    Ok(BackendEnvelope::done())
}
