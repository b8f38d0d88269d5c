//! The routes for monitoring of the process itself: `/health`, `/metrics`, `/openapi.json`.

use std::time::{Duration, Instant};

use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use easytier_uptime_store::{
    Store, StoreError, acting,
    domain::{ActorKind, AuthFailure, Caller, Scope, Timestamp},
};
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    InCluster, Monitor,
    bearer::{bearer, bears},
    cluster::Place,
    envelope::{Answer, PublicEnvelope, PublicRefusal},
    refusal::Refusal,
};

/// How long the database may take to respond before the process calls itself unhealthy.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(3);

/// How long partitions may be postponed before `/health` warns. They are made a week ahead.
const POSTPONED_TOLERANCE: Duration = Duration::from_secs(3600);

/// The media type of metrics.
pub const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The routes that never wait for reads of strangers.
pub fn routes() -> OpenApiRouter<Monitor> {
    OpenApiRouter::default().routes(routes!(health)).routes(routes!(document))
}

/// `/metrics`, which reads all nodes and probes.
pub fn metrics_route() -> OpenApiRouter<Monitor> {
    OpenApiRouter::default().routes(routes!(metrics))
}

/// What there is to say although the process works.
#[derive(Debug, Serialize, ToSchema)]
struct Condition {
    /// What is wrong, in sentences for the operator.
    warnings: Vec<String>,
    /// The place of this instance in its cluster, if it belongs to one or should.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<Place>,
}

/// The envelope of `/health`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the document alone")]
struct Health {
    /// Always true.
    success: bool,
    data: Option<Condition>,
    error: Option<String>,
    message: Option<String>,
}

/// Whether the hub, or the probe, works: its database answers, and peers are checked. `data` is null, or has warnings about its
/// configuration and its database, and the place of an instance in its cluster. A dependent whose primary is away works.
#[utoipa::path(
    get,
    path = "/health",
    tag = "operations",
    operation_id = "health",
    security(()),
    responses(
        (status = 200, description = "It works", body = Health),
        (status = 503, description = "The hub or the probe does not work", body = PublicRefusal),
    ),
)]
async fn health(State(monitor): State<Monitor>) -> Answer<PublicEnvelope<Condition>> {
    round_trip(&monitor.store).await.map_err(|refusal| match monitor.nodes.stale_since() {
        // What visitors see meanwhile.
        Some(since) => {
            Refusal { message: format!("{}; nodes are shown as they were at {since}", refusal.message), ..refusal }
        }
        None => refusal,
    })?;
    let clock = monitor.store.clock_difference();
    let message = match &monitor.probe {
        None if clock.is_too_large() => format!("the hub works, but {clock}"),
        None => "the hub works".to_owned(),
        Some(probe) => probe.health().map_err(Refusal::unavailable)?,
    };
    let instance = match &monitor.cluster {
        Some(InCluster { cluster, .. }) => Some(cluster.place().await?).filter(Place::is_clustered),
        None => None,
    };
    let mut warnings = monitor.warnings.all();
    warnings.extend(postponed(&monitor.store, Timestamp::now()));
    warnings.extend(instance.iter().flat_map(Place::warnings));
    let message = match &instance {
        Some(place) => format!("{message}; {}", place.summary()),
        None => message,
    };
    let condition = (instance.is_some() || !warnings.is_empty()).then_some(Condition { warnings, instance });
    Ok(PublicEnvelope::noted(condition, message))
}

/// A warning when partitions have been postponed for too long. A dump holds its locks that long only where results are many.
fn postponed(store: &Store, now: Timestamp) -> Option<String> {
    let since = store.partitions_postponed_since().filter(|since| now.since(*since) > POSTPONED_TOLERANCE)?;
    Some(format!(
        "since {since} no partitions of results can be created or dropped, because another transaction holds a lock: end it, or \
         expired results stay; pg_stat_activity lists it, with the oldest xact_start"
    ))
}

/// How long the database takes to respond.
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

/// Metrics of the process, as OpenMetrics text. Those of nodes and probes are 20 seconds old at most. With the setting
/// METRICS_TOKEN they are for its holders, and for programs with an API key of the scope `metrics`.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operations",
    operation_id = "metrics",
    security((), ("bearer" = [])),
    responses(
        (status = 200, description = "The metrics", body = String,
            content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        (status = 401, description = "The metrics need METRICS_TOKEN, and it is missing or wrong", body = PublicRefusal),
        (status = 403, description = "The API key lacks the scope `metrics`", body = PublicRefusal),
        (status = 503, description = "The database does not answer", body = PublicRefusal),
    ),
)]
async fn metrics(State(monitor): State<Monitor>, headers: HeaderMap) -> Result<Response, Refusal> {
    check_token(&monitor, &headers).await?;
    monitor.figures.when_due(observe(&monitor)).await?;
    let text = text(&monitor).ok_or_else(Refusal::internal)?;
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}

/// The metrics for a collector. While the database is away, its figures are those that were read last.
pub(crate) async fn exported(monitor: &Monitor) -> Option<String> {
    let _ = monitor.figures.when_due(observe(monitor)).await;
    text(monitor)
}

fn text(monitor: &Monitor) -> Option<String> {
    let probe = monitor.probe.as_ref().map(|probe| probe.metrics());
    let cluster = monitor.cluster.as_ref().map(|cluster| &cluster.metrics.registry);
    let text = monitor.metrics.text(probe.into_iter().chain(cluster));
    text.inspect_err(|error| tracing::error!(%error, "the metrics cannot be written")).ok()
}

/// Reads the figures. Where the nodes are not in memory, it costs the database as much as many other requests.
async fn observe(monitor: &Monitor) -> Result<(), Refusal> {
    let database_took = round_trip(&monitor.store).await?;
    let figures = monitor.nodes.figures().await?;
    monitor.metrics.observed(figures.nodes, figures.probes, figures.doubted_regions, database_took);
    monitor.metrics.waiting(monitor.store.backlog().await?, Timestamp::now());
    monitor.metrics.holding(monitor.store.held_duties());
    monitor.metrics.following(monitor.store.source_times().await?);
    monitor.metrics.clock_differs(monitor.store.clock_difference());
    monitor.metrics.partitions_postponed(monitor.store.partitions_postponed_since(), Timestamp::now());
    if let Some(InCluster { cluster, metrics }) = &monitor.cluster {
        metrics.observed(&cluster.figures().await?);
    }
    Ok(())
}

/// Refuses a scrape without the token, if there is one.
async fn check_token(monitor: &Monitor, headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(token) = &monitor.metrics_token else { return Ok(()) };
    if bears(headers, token) || has_key(monitor, headers).await? {
        return Ok(());
    }
    Err(Refusal::unauthorized("the metrics need the token of METRICS_TOKEN, as Authorization: Bearer"))
}

/// Whether the request carries an API key with the scope `metrics`.
async fn has_key(monitor: &Monitor, headers: &HeaderMap) -> Result<bool, Refusal> {
    let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(bearer);
    let Some(key) = sent else { return Ok(false) };
    match monitor.store.authenticate(key, Timestamp::now()).await {
        Ok(Some(Caller::Api { scopes, .. })) if scopes.contains(&Scope::Metrics) => Ok(true),
        Ok(Some(Caller::Api { name, .. })) => {
            acting::acts_as(ActorKind::Key, name);
            acting::fails(AuthFailure::Scope);
            Err(Refusal::forbidden("the API key has no scope 'metrics'"))
        }
        Ok(_) => Ok(false),
        Err(error) => {
            if matches!(error, StoreError::Lapsed(_)) {
                acting::fails(AuthFailure::Lapsed);
            }
            Err(error.into())
        }
    }
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
async fn document(State(monitor): State<Monitor>) -> Response {
    let document = monitor.document.get().cloned().unwrap_or_default();
    ([(header::CONTENT_TYPE, "application/json")], document).into_response()
}
