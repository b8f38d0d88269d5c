//! The routes with which a hub controls a daemon: it pushes configuration and pulls figures. Both need the daemon's control token,
//! before anything else of the request is read.

use std::{net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{ConnectInfo, FromRequestParts, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, request::Parts},
};
use bytes::Bytes;
use easytier_probe::{Secret, backend::Statistic};
use easytier_uptime_store::{
    Store,
    domain::{Actor, ActorKind, AuthFailure, Timestamp},
};
use serde::Serialize;
use tokio::sync::Semaphore;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Metrics, Monitor, bears, envelope::BackendRefusal, input::read_json, limit::Limit, refusal::Refusal};

/// The longest configuration, in bytes.
const MAX_CONFIG: usize = 32 << 20;

/// How many configurations are read at the same time. Each may take much memory.
const CONFIGS_AT_ONCE: usize = 2;

const PER_MINUTE: Duration = Duration::from_secs(60);

/// The header of a probe with its `server_id`, in UTF-8.
pub const SERVER_ID: HeaderName = HeaderName::from_static("x-uptime-server-id");
/// The header of a probe with its region, in UTF-8.
pub const REGION: HeaderName = HeaderName::from_static("x-uptime-region");
/// The header of a probe that says whether it has a backend: `true` or `false`.
pub const ENROLLED: HeaderName = HeaderName::from_static("x-uptime-enrolled");

/// Work of a daemon that a request starts.
pub type Controlling<T> = Pin<Box<dyn Future<Output = Result<T, Refusal>> + Send>>;

/// A daemon, as a hub controls it.
pub trait Controlled: Send + Sync {
    /// Takes a configuration. It goes on when the request ends.
    fn configure(self: Arc<Self>, body: Bytes) -> Controlling<()>;

    /// What the daemon counts.
    fn statistics(self: Arc<Self>) -> Controlling<Vec<Statistic>>;

    /// Who the daemon is.
    fn identity(&self) -> Identity;
}

/// Who a probe is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its id.
    pub server_id: String,
    /// Its region, if it has one.
    pub region: Option<String>,
    /// Whether it has a backend, from its own configuration or by an enrollment.
    pub is_enrolled: bool,
}

/// The routes of a daemon that a hub may control.
#[derive(Clone)]
pub struct Control {
    token: Secret,
    daemon: Arc<dyn Controlled>,
}

/// The state of the routes.
#[derive(Clone)]
struct Desk {
    control: Control,
    store: Store,
    metrics: Arc<Metrics>,
    /// How many wrong tokens one address may present, and all together. Right ones are always accepted: somebody else's wrong
    /// ones must not keep the hub away.
    wrong_tokens: Arc<Limit>,
    configs: Arc<Semaphore>,
}

impl Control {
    /// Who sends `token` controls `daemon`.
    pub fn new(token: Secret, daemon: Arc<dyn Controlled>) -> Self {
        Self { token, daemon }
    }

    pub(crate) fn routes(self, monitor: &Monitor) -> OpenApiRouter {
        let desk = Desk {
            control: self,
            store: monitor.store.clone(),
            metrics: monitor.metrics(),
            wrong_tokens: Arc::new(Limit::new(PER_MINUTE, 10, 1000)),
            configs: Arc::new(Semaphore::new(CONFIGS_AT_ONCE)),
        };
        OpenApiRouter::default().routes(routes!(configure)).routes(routes!(statistics)).with_state(desk)
    }
}

/// A caller with the control token.
struct Controller;

impl FromRequestParts<Desk> for Controller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, desk: &Desk) -> Result<Self, Refusal> {
        if bears(&parts.headers, &desk.control.token) {
            return Ok(Self);
        }
        let address = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|from| from.0.ip());
        desk.metrics.auth_failed(AuthFailure::Token, 1);
        desk.store.note_auth_failure(AuthFailure::Token, address, &Actor::new(ActorKind::Anyone, ""), Timestamp::now());
        if let Some(address) = address {
            desk.wrong_tokens.check(address)?;
        }
        Err(Refusal::unauthorized("this needs the token of CONTROL_TOKEN, as Authorization: Bearer"))
    }
}

/// A configuration, as it is documented.
#[derive(ToSchema)]
#[schema(as = PushedConfig)]
#[expect(dead_code, reason = "for the document alone")]
struct ConfigDocument {
    /// The peers to check, as `GET /peers` of a hub lists them.
    #[schema(value_type = Vec<Object>)]
    peers: (),
    settings: SettingsDocument,
    /// The backend of the probe, if it has none in its own configuration. Needed with the first configuration of such a probe.
    enrollment: Option<EnrollmentDocument>,
    metadata: MetadataDocument,
}

/// The settings that replace the probe's own; others are refused. A value is written as in the environment.
#[derive(ToSchema)]
#[schema(as = PushedSettings)]
#[expect(dead_code, reason = "for the document alone")]
struct SettingsDocument {
    #[schema(example = "5s")]
    health_check_interval: Option<String>,
    #[schema(example = "30s")]
    status_report_interval: Option<String>,
    #[schema(example = "5s")]
    health_check_timeout: Option<String>,
    #[schema(example = 3)]
    health_check_pings: Option<u32>,
    #[schema(example = 512)]
    check_concurrency: Option<u32>,
}

/// The backend of a probe.
#[derive(ToSchema)]
#[schema(as = PushedEnrollment)]
#[expect(dead_code, reason = "for the document alone")]
struct EnrollmentDocument {
    #[schema(example = "https://uptime.example.com")]
    backend_base_url: String,
    node_token: String,
    region: Option<String>,
    server_id: String,
}

/// Which configuration it is.
#[derive(ToSchema)]
#[schema(as = PushedMetadata)]
#[expect(dead_code, reason = "for the document alone")]
struct MetadataDocument {
    updated_at: Option<String>,
    updated_by: Option<String>,
    cluster_id: String,
    #[schema(minimum = 0)]
    epoch: i64,
    #[schema(minimum = 0)]
    config_version: i64,
}

/// The configuration was taken.
#[derive(Debug, Serialize, ToSchema)]
struct Taken {
    /// Always true.
    success: bool,
}

/// Takes a configuration: all of it, or nothing.
#[utoipa::path(
    post, path = "/v1/configs", tag = "control", operation_id = "push_config",
    request_body(content = ConfigDocument, content_type = "application/json"),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The configuration is stored, or was before", body = Taken),
        (status = 400, description = "The body is not a valid configuration", body = BackendRefusal),
        (status = 401, description = "The control token is wrong or missing", body = BackendRefusal),
        (status = 408, description = "The body took too long to arrive", body = BackendRefusal),
        (status = 409, description = "The configuration is older than the one that the probe holds, of another cluster, or of an \
                                      epoch that is too far ahead", body = BackendRefusal),
        (status = 413, description = "The body is longer than 32 MiB", body = BackendRefusal),
    ),
)]
async fn configure(State(desk): State<Desk>, _: Controller, request: Request) -> Result<Json<Taken>, Refusal> {
    let _place = desk.configs.try_acquire().map_err(|_| Refusal::unavailable("other configurations are read now"))?;
    let body = read_json(request, MAX_CONFIG).await?;
    // The caller may go away; then what is stored must be followed all the same.
    let taken = tokio::spawn(desk.control.daemon.clone().configure(body)).await;
    taken.map_err(|_| Refusal::internal())??;
    Ok(Json(Taken { success: true }))
}

/// What the probe counts since it was started or its configuration changed: `peer>>>ID>>>checks>>>healthy`, `unhealthy` and
/// `unknown`, `peer>>>ID>>>traffic>>>downlink` and `uplink` (bytes of packets; `inbound>>>remote>>>traffic` has the sums),
/// `probe>>>spool>>>depth`, `probe>>>config>>>epoch` and `version` (0 while no configuration was pushed). The headers
/// `x-uptime-server-id`, `x-uptime-region` and `x-uptime-enrolled` say who it is, and whether it has a backend.
#[utoipa::path(
    get, path = "/v1/stats", tag = "control", operation_id = "pull_stats",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The figures", body = Vec<StatisticDocument>),
        (status = 401, description = "The control token is wrong or missing", body = BackendRefusal),
    ),
)]
async fn statistics(State(desk): State<Desk>, _: Controller) -> Result<(HeaderMap, Json<Vec<Statistic>>), Refusal> {
    let daemon = desk.control.daemon;
    let headers = headers(&daemon.identity());
    Ok((headers, Json(daemon.statistics().await?)))
}

/// A figure.
#[derive(ToSchema)]
#[schema(as = Statistic)]
#[expect(dead_code, reason = "for the document alone")]
struct StatisticDocument {
    #[schema(example = "peer>>>7>>>checks>>>healthy")]
    name: String,
    value: u64,
}

fn headers(identity: &Identity) -> HeaderMap {
    let Identity { server_id, region, is_enrolled } = identity;
    let mut headers = HeaderMap::new();
    headers.insert(ENROLLED, HeaderValue::from_static(if *is_enrolled { "true" } else { "false" }));
    for (name, value) in [(SERVER_ID, Some(server_id)), (REGION, region.as_ref())] {
        // A region may have letters beyond ASCII, which go as they are, in UTF-8.
        if let Some(Ok(value)) = value.map(|value| HeaderValue::from_bytes(value.as_bytes())) {
            headers.insert(name, value);
        }
    }
    headers
}
