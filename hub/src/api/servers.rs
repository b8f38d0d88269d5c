//! The list of servers: the hub itself, the probes, and servers without a credential.

use axum::{Json, extract::State};
use easytier_uptime_monitor::envelope::{Answer, BackendRefusal};
use easytier_uptime_store::domain::{OpenServer, Presence, Probe, Region, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    service::{Discovery, OwnServer},
    web::{App, ServerLister},
};

/// What a hub names among its capabilities.
const HUB: &str = "hub";

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(list))
}

/// The servers, in the envelope of the backend contract and beside it: some clients know them at the top level only.
#[derive(Debug, Serialize, ToSchema)]
struct ServerList {
    /// The HTTP status.
    #[schema(example = 200)]
    code: u16,
    message: String,
    data: Servers,
    /// As in `data`.
    servers: Vec<Server>,
    /// As in `data`.
    count: usize,
}

/// The hub itself, and all servers that registered.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct Servers {
    servers: Vec<Server>,
    count: usize,
}

/// A server.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct Server {
    server_id: String,
    role: ServerRole,
    /// Whether it has no credential: then it is listed only, and nothing that it says is known to be true.
    open: bool,
    /// The id of the instance, for the hub that answers.
    #[schema(value_type = Option<String>, format = Uuid)]
    instance: Option<String>,
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
    /// Of the hub that answers: since when it runs.
    #[schema(value_type = String, format = DateTime)]
    registered_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    last_seen: Timestamp,
}

/// What a server is.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ServerRole {
    /// The hub that answers, or another one that registered at it.
    Hub,
    Probe,
}

#[derive(ToSchema)]
#[schema(as = Presence, rename_all = "lowercase")]
#[expect(dead_code, reason = "for the document alone")]
enum PresenceDoc {
    Online,
    /// The server is overdue, or says that it is cut off.
    Degraded,
    Offline,
}

/// The hub itself, the probes, and servers without a credential.
///
/// With `OPEN_DISCOVERY` no token is needed.
#[utoipa::path(
    get,
    path = "/api/discovery/servers",
    tag = "registry",
    operation_id = "list_probes",
    security((), ("node_token" = []), ("bearer" = []), ("api_key" = [])),
    responses(
        (status = 200, description = "The hub itself, then all others in the order of their server_ids", body = ServerList),
        (status = 401, description = "No token, key or session, or a wrong one", body = BackendRefusal),
        (status = 403, description = "An enrollment key cannot list servers", body = BackendRefusal),
        (status = 429, description = "Too many requests of this address wait", body = BackendRefusal),
    ),
)]
async fn list(State(discovery): State<Discovery>, _: ServerLister) -> Answer<ServerList> {
    let found = discovery.servers().await?;
    let now = Timestamp::now();
    let mut others: Vec<Server> = found.probes.into_iter().map(Server::from).collect();
    others.extend(found.open.into_iter().map(Server::from));
    others.sort_by(|a, b| a.server_id.cmp(&b.server_id));
    let servers: Vec<Server> = std::iter::once(Server::own(found.own, now)).chain(others).collect();
    let data = Servers { count: servers.len(), servers: servers.clone() };
    Ok(Json(ServerList { code: 200, message: "ok".to_owned(), count: data.count, data, servers }))
}

impl Server {
    /// The hub that answers.
    fn own(own: OwnServer, now: Timestamp) -> Self {
        Self {
            server_id: own.options.server_id,
            role: ServerRole::Hub,
            open: false,
            instance: Some(own.instance.to_string()),
            region: own.options.region.unwrap_or_else(|| Region::default().into()),
            status: Presence::Online,
            host: own.options.host,
            port: own.options.port,
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            capabilities: Some(json!([HUB])),
            system: None,
            metadata: None,
            counters: None,
            response_time: None,
            check_interval: None,
            config_version: None,
            registered_at: own.started_at,
            last_seen: now,
        }
    }
}

/// What a server is by what it says that it can do.
fn role(capabilities: Option<&Value>) -> ServerRole {
    let named = capabilities.and_then(Value::as_array);
    match named.is_some_and(|named| named.iter().any(|capability| capability == HUB)) {
        true => ServerRole::Hub,
        false => ServerRole::Probe,
    }
}

impl From<Probe> for Server {
    fn from(probe: Probe) -> Self {
        Self {
            server_id: probe.server_id,
            role: role(probe.capabilities.as_ref()),
            open: false,
            instance: None,
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

impl From<OpenServer> for Server {
    fn from(server: OpenServer) -> Self {
        let declared = server.registration;
        Self {
            server_id: server.server_id,
            role: role(declared.capabilities.as_ref()),
            open: true,
            instance: None,
            region: server.region.into(),
            status: server.presence,
            host: declared.host,
            port: declared.port,
            version: declared.version,
            capabilities: declared.capabilities,
            system: declared.system,
            metadata: None,
            counters: server.counters,
            response_time: None,
            check_interval: None,
            config_version: None,
            registered_at: server.registered_at,
            last_seen: server.last_seen_at,
        }
    }
}
