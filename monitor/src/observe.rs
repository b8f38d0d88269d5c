//! The middleware of every request: request id, log, metrics, timeout, and a response when a handler panics.

use std::{
    any::Any,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    BoxError, Router,
    error_handling::HandleErrorLayer,
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use easytier_uptime_telemetry::{SPANS, continue_trace};
use tower::{ServiceBuilder, timeout::TimeoutLayer, util::MapRequestLayer};
use tower_http::{
    CompressionLevel,
    catch_panic::CatchPanicLayer,
    compression::CompressionLayer,
    request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer},
    trace::TraceLayer,
};
use tracing::{Instrument, Span, field::Empty};
use uuid::Uuid;

use crate::{
    drain::Rest,
    metrics::{self, Metrics},
    refusal::{Envelope, Refusal, write_body},
    shared::ShareLayer,
    unread::{Reader, Unread},
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The maximum length of a request id that the caller sends, in bytes.
const MAX_REQUEST_ID: usize = 64;

/// The maximum time from the head of a request to the head of its response.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Adds all layers to `router` as one layer, so that a request is boxed once. The first is the outermost.
pub fn layers(router: Router, metrics: Arc<Metrics>) -> Router {
    let trace = TraceLayer::new_for_http()
        .make_span_with(span)
        .on_request(())
        .on_response(log_response)
        .on_body_chunk(())
        .on_eos(())
        .on_failure(());
    router.layer(
        ServiceBuilder::new()
            .layer(MapRequestLayer::new(remove_unfit_request_id))
            .layer(SetRequestIdLayer::new(REQUEST_ID, MakeUuid))
            .layer(PropagateRequestIdLayer::new(REQUEST_ID))
            .layer(trace)
            .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
            .layer(from_fn_with_state(Ledgers { metrics, unread: Arc::default() }, finish))
            .layer(CatchPanicLayer::custom(panicked))
            .layer(HandleErrorLayer::new(timed_out))
            .layer(TimeoutLayer::new(REQUEST_TIMEOUT))
            .layer(ShareLayer),
    )
}

/// Makes ids for requests without one: UUIDs of version 7, which sort by time.
#[derive(Clone, Copy)]
struct MakeUuid;

impl MakeRequestId for MakeUuid {
    fn make_request_id<B>(&mut self, _: &axum::http::Request<B>) -> Option<RequestId> {
        HeaderValue::try_from(Uuid::now_v7().to_string()).ok().map(RequestId::new)
    }
}

/// Removes an id of the caller or its proxy that is not fit for a log.
fn remove_unfit_request_id(mut request: Request) -> Request {
    let fit =
        |id: &HeaderValue| (1..=MAX_REQUEST_ID).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic);
    if !request.headers().get(REQUEST_ID).is_some_and(fit) {
        request.headers_mut().remove(REQUEST_ID);
    }
    request
}

/// The span holds the path without the query, which may hold secrets.
fn span<B>(request: &axum::http::Request<B>) -> Span {
    let id = request.headers().get(REQUEST_ID);
    tracing::info_span!("request", id = id.map(tracing::field::debug), method = %request.method(), path = request.uri().path())
}

fn log_response<B>(response: &axum::http::Response<B>, took: Duration, _: &Span) {
    let status = response.status();
    match status.is_server_error() {
        true => tracing::warn!(status = status.as_u16(), ?took, "answered"),
        false => tracing::debug!(status = status.as_u16(), ?took, "answered"),
    }
}

/// Where responses are counted.
#[derive(Clone)]
struct Ledgers {
    metrics: Arc<Metrics>,
    unread: Arc<Unread>,
}

/// What is done to every response. It is one function, because each function that wraps the router costs a request several
/// allocations.
async fn finish(State(ledgers): State<Ledgers>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let (envelope, reader) = (Envelope::of(request.uri().path()), Reader::of(&request));
    let span = trace_span(&request, &method, route.as_ref());
    let (request, rest) = Rest::of(request);

    let response = next.run(request).instrument(span.clone()).await;

    note_status(&span, response.status());

    let response = reader.counted(&ledgers.unread, write_body(response, envelope));
    let route = route.as_ref().map(MatchedPath::as_str);
    ledgers.metrics.answered(&method, route, response.status(), started.elapsed());
    rest.discard().await;
    response
}

/// The span for traces: a part of the caller's trace, with the route in the place of the path, which may hold ids.
fn trace_span(request: &Request, method: &Method, route: Option<&MatchedPath>) -> Span {
    let (method, route) = (metrics::method(method), route.map_or(metrics::NO_ROUTE, MatchedPath::as_str));
    let span = tracing::info_span!(
        target: SPANS,
        "request",
        otel.name = %format_args!("{method} {route}"),
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        otel.status_code = Empty,
    );
    continue_trace(&span, request.headers().get("traceparent").and_then(|parent| parent.to_str().ok()));
    span
}

fn note_status(span: &Span, status: StatusCode) {
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}

async fn timed_out(_: BoxError) -> Refusal {
    tracing::warn!(waited = ?REQUEST_TIMEOUT, "a request timed out");
    Refusal::unavailable("the hub took too long")
}

/// The response when a handler panicked; the panic hook has logged the panic.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    Refusal::internal().into_response()
}
