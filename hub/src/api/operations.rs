//! For machines that watch the hub itself: `/health`, `/metrics`, `/openapi.json`.

use std::time::{Duration, Instant};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::time::timeout;
use tracing::Instrument;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    App,
    error::{Answer, PublicDone, PublicEnvelope, PublicRefusal, Refusal},
};
use crate::{store::Store, time::Timestamp};

/// By this header, with the value 1, a hub says that it is one.
const IS_HUB: HeaderName = HeaderName::from_static("x-uptime-hub");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How long the database may take to answer before the hub calls itself unhealthy.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(3);

/// How long any request may take, from its head to the head of its answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest id of a request that is taken over from the caller.
const MAX_REQUEST_ID: usize = 64;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(health)).routes(routes!(metrics)).routes(routes!(document))
}

/// Whether the hub, or the probe, works: its database answers, and peers are checked.
#[utoipa::path(
    get,
    path = "/health",
    tag = "operations",
    operation_id = "health",
    security(()),
    responses(
        (status = 200, description = "It does", body = PublicDone),
        (status = 503, description = "It does not", body = PublicRefusal),
    ),
)]
async fn health(State(app): State<App>) -> Answer<PublicEnvelope<()>> {
    round_trip(&app.store).await?;
    match &app.vitals {
        None => Ok(PublicEnvelope::done("the hub works")),
        Some(vitals) => vitals.health().map(PublicEnvelope::done).map_err(Refusal::unavailable),
    }
}

/// How long the database takes to answer.
async fn round_trip(store: &Store) -> Result<Duration, Refusal> {
    let started = Instant::now();
    match timeout(HEALTH_TIMEOUT, store.ping()).await {
        Ok(Ok(())) => Ok(started.elapsed()),
        Ok(Err(error)) => {
            tracing::error!(%error, "the database does not answer");
            Err(Refusal::unavailable("the database does not answer"))
        }
        Err(_) => {
            tracing::error!(waited = ?HEALTH_TIMEOUT, "the database does not answer");
            Err(Refusal::unavailable("the database does not answer in time"))
        }
    }
}

/// The hub's own figures, as OpenMetrics text, which Prometheus reads.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operations",
    operation_id = "metrics",
    security(()),
    responses(
        (status = 200, description = "The figures", body = String,
            content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        (status = 503, description = "The database does not answer", body = PublicRefusal),
    ),
)]
async fn metrics(State(app): State<App>) -> Result<Response, Refusal> {
    let database_took = round_trip(&app.store).await?;
    let peers = app.store.count_peers().await?;
    let probes = app.store.probes(Timestamp::now()).await?;
    app.metrics.observed(peers, probes.into_iter().map(|probe| probe.presence), database_took);
    let probe = app.vitals.as_ref().map(|vitals| vitals.figures());
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], app.metrics.text(probe)).into_response())
}

/// This document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "operations",
    operation_id = "openapi",
    security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = Object)),
)]
async fn document(State(app): State<App>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], app.document).into_response()
}

/// Stands around every request: gives it an id, which is in the log and in the answer, and counts it.
pub(super) async fn observe(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(&request);
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    // Without the query, which may hold what is nobody else's business.
    let span = tracing::info_span!("request", id = ?id, %method, path = request.uri().path());

    let mut response = next.run(request).instrument(span.clone()).await;
    let (status, took) = (response.status(), started.elapsed());
    app.metrics.answered(&method, route.as_ref().map(MatchedPath::as_str), status, took);
    span.in_scope(|| match status.is_server_error() {
        true => tracing::warn!(status = status.as_u16(), ?took, "answered"),
        false => tracing::debug!(status = status.as_u16(), ?took, "answered"),
    });
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// On every answer, so that a probe knows from the first one on what it may ask for.
pub(super) async fn say_that_this_is_a_hub(mut response: Response) -> Response {
    response.headers_mut().insert(IS_HUB, HeaderValue::from_static("1"));
    response
}

/// On answers that may hold secrets, which no cache on their way keeps.
pub(super) async fn keep_no_copy(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The caller's, or its proxy's, when it is fit for a log; else a new one.
fn request_id(request: &Request) -> HeaderValue {
    let fit =
        |id: &&HeaderValue| (1..=MAX_REQUEST_ID).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic);
    request
        .headers()
        .get(REQUEST_ID)
        .filter(fit)
        .cloned()
        .unwrap_or_else(|| HeaderValue::from_str(&Uuid::now_v7().to_string()).expect("a UUID is of letters and digits"))
}

/// Answers in the place of a request that takes too long.
pub(super) async fn in_time(request: Request, next: Next) -> Response {
    match timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            tracing::warn!(waited = ?REQUEST_TIMEOUT, "gave up on a request");
            Refusal::unavailable("the hub took too long").into_response()
        }
    }
}

/// Answers in the place of a handler that panicked; the hook of the panic has logged it.
pub(super) fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    Refusal::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, "the hub failed; its log says why").into_response()
}
