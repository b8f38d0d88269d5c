//! The export of spans and metrics, from the program to a collector.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

#[path = "../../tests/support/closed_port.rs"]
mod closed_port;
mod support {
    pub mod hub;
}

use std::{
    collections::BTreeSet,
    path::Path,
    process::Output,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Uri},
    routing::post,
};
use opentelemetry_proto::tonic::{
    collector::{metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::{KeyValue, any_value::Value},
    resource::v1::Resource,
    trace::v1::{Span, span::SpanKind},
};
use prost::Message;
use tokio::net::TcpListener;

use self::{
    closed_port::ClosedPort,
    support::hub::{Hub, printed, run_with, text},
};

const COLLECTOR_KEY: &str = "key-of-the-collector";
const METRICS_TOKEN: &str = "token-of-the-scraper";
const NETWORK_SECRET: &str = "secret-of-the-network";

/// What a collector got.
#[derive(Default)]
struct Got {
    /// With the names of their services.
    spans: Vec<(String, Span)>,
    /// The names of the metrics of the last export, and the services that sent any.
    metrics: BTreeSet<String>,
    services: BTreeSet<String>,
    bodies: Vec<Bytes>,
    keys: BTreeSet<String>,
}

type Collector = Arc<Mutex<Got>>;

async fn receive(State(collector): State<Collector>, uri: Uri, headers: HeaderMap, body: Bytes) {
    let mut got = collector.lock().unwrap();
    assert_eq!(headers["content-type"], "application/x-protobuf");
    got.keys.insert(headers["x-key"].to_str().unwrap().to_owned());
    match uri.path() {
        "/v1/traces" => {
            let request = ExportTraceServiceRequest::decode(body.clone()).unwrap();
            for of_resource in request.resource_spans {
                let service = service(of_resource.resource);
                let spans = of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
                got.spans.extend(spans.map(|span| (service.clone(), span)));
            }
        }
        _ => {
            let request = ExportMetricsServiceRequest::decode(body.clone()).unwrap();
            for of_resource in request.resource_metrics {
                got.services.insert(service(of_resource.resource));
                let metrics = of_resource.scope_metrics.into_iter().flat_map(|scope| scope.metrics);
                got.metrics = metrics.map(|metric| metric.name).collect();
            }
        }
    }
    got.bodies.push(body);
}

fn service(resource: Option<Resource>) -> String {
    attribute(&resource.unwrap().attributes, "service.name").unwrap()
}

fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.clone()?.value? {
        Value::StringValue(text) => Some(text),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{other:?}"),
    }
}

impl Got {
    /// The spans of a service with this name.
    fn named(&self, service: &str, name: &str) -> Vec<&Span> {
        self.spans.iter().filter(|(of, span)| of == service && span.name == name).map(|(_, span)| span).collect()
    }

    #[track_caller]
    fn one(&self, service: &str, name: &str) -> &Span {
        let found = self.named(service, name);
        let names: Vec<_> = self.spans.iter().map(|(service, span)| (service, &span.name)).collect();
        assert_eq!(found.len(), 1, "{service} {name}: {names:?}");
        found[0]
    }
}

/// The families of a text of metrics that have values.
fn families(text: &str) -> BTreeSet<String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let names = types.filter_map(|line| line.split(' ').next());
    let has_value = |name: &&str| text.lines().any(|line| !line.starts_with('#') && line.starts_with(*name));
    names.filter(has_value).map(str::to_owned).collect()
}

/// Runs a cycle at a hub.
fn once(folder: &Path, hub: &str, token: &str, more: &[(&str, &str)]) -> Output {
    let variables = [("BACKEND_BASE_URL", hub), ("NODE_TOKEN", token), ("ALLOW_LOCAL_PEERS", "true")];
    let variables: Vec<_> = variables.iter().chain(more).copied().collect();
    run_with(folder, &["once"], &variables, "")
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_and_metrics_of_a_hub_and_a_cycle_arrive_at_a_collector_without_secrets() {
    let collector = Collector::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let routes = Router::new().route("/v1/traces", post(receive)).route("/v1/metrics", post(receive));
    let served = Arc::clone(&collector);
    tokio::spawn(async move { axum::serve(listener, routes.with_state(served)).await });

    let folder = tempfile::tempdir().unwrap();
    let key = format!("x-key={COLLECTOR_KEY}");
    let path = folder.path().to_owned();
    let closed = ClosedPort::new();
    let peer = closed.url("tcp");
    let done = tokio::task::spawn_blocking(move || {
        let otel = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_EXPORTER_OTLP_HEADERS", &key)];
        // Its exports are those at its end.
        let hub_only = [("METRICS_TOKEN", METRICS_TOKEN), ("OTEL_RESOURCE_ATTRIBUTES", "service.name=hub-1")];
        let hub = Hub::start_with(&path, &[&otel[..], &hub_only].concat());
        let add = ["hub", "peer", "add", &peer, "--network-name", "n"];
        printed(&run_with(&path, &add, &[("NETWORK_SECRET", NETWORK_SECRET)], ""));
        let token = printed(&run_with(&path, &["hub", "token", "create", "--name", "p", "--region", "eu"], &[], ""));
        let token = token.trim().to_owned();
        let exported = once(&path, &hub.url, &token, &otel);
        let plain = once(&path, &hub.url, &token, &[]);
        let away = closed.url("http");
        let unreachable = once(&path, &hub.url, &token, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &away)]);
        let misspelt = once(&path, &hub.url, &token, &[("OTEL_EXPORTER_OTLP_ENDPOINT", "collector")]);
        let bearer = format!("Bearer {METRICS_TOKEN}");
        let (_, metrics) = hub.text("/metrics", &[("authorization", &bearer)]);
        hub.stop();
        (token, [exported, plain, unreachable, misspelt], metrics)
    });
    let (token, runs, metrics) = done.await.unwrap();

    // A collector changes nothing else.
    for run in &runs {
        let (stdout, stderr) = (text(&run.stdout), text(&run.stderr));
        assert_eq!(run.status.code(), Some(1), "{stdout}{stderr}");
        assert!(stdout.contains("1 peer: 0 online, 1 offline") && stdout.contains("1 delivered"), "{stdout}{stderr}");
    }
    let [exported, plain, unreachable, misspelt] = runs.map(|run| text(&run.stderr));
    assert_eq!(exported, plain, "the log is the same");
    assert_eq!(unreachable.matches("spans and metrics are not exported").count(), 1, "{unreachable}");
    assert!(misspelt.contains("OTEL_EXPORTER_OTLP_ENDPOINT is not a URL"), "{misspelt}");

    let got = collector.lock().unwrap();
    let of_once = "easytier-uptime-once";
    let cycle = got.one(of_once, "cycle");
    assert!(cycle.parent_span_id.is_empty());
    for name in ["fetch", "check", "report"] {
        let span = got.one(of_once, name);
        assert_eq!((&span.trace_id, &span.parent_span_id), (&cycle.trace_id, &cycle.span_id), "{name}");
    }
    let check = got.one(of_once, "check");
    assert_eq!(attribute(&check.attributes, "check.failure").as_deref(), Some("connect_refused"));
    let (sent, fetched) = (got.one(of_once, "POST /results"), got.one(of_once, "GET /peers"));
    assert_eq!(sent.parent_span_id, got.one(of_once, "report").span_id);
    assert_eq!(fetched.parent_span_id, got.one(of_once, "fetch").span_id);

    // The hub continues the trace of the probe; requests without a trace begin one.
    let received = got.named("hub-1", "POST /results");
    let received: Vec<_> = received.iter().filter(|span| span.trace_id == cycle.trace_id).collect();
    assert_eq!((received.len(), &received[0].parent_span_id), (1, &sent.span_id));
    assert_eq!((received[0].kind(), sent.kind()), (SpanKind::Server, SpanKind::Client));
    assert_eq!(attribute(&received[0].attributes, "http.response.status_code").as_deref(), Some("200"));
    assert!(!got.named("hub-1", "fold").is_empty());
    assert!(got.one("hub-1", "GET /metrics").parent_span_id.is_empty());

    assert_eq!(got.services, ["hub-1".to_owned()].into());
    assert_eq!(got.metrics, families(&metrics));
    assert!(got.metrics.len() > 15, "{:?}", got.metrics);
    assert_eq!(got.keys, [COLLECTOR_KEY.to_owned()].into());
    let has = |body: &Bytes, secret: &str| body.windows(secret.len()).any(|part| part == secret.as_bytes());
    for secret in [COLLECTOR_KEY, METRICS_TOKEN, NETWORK_SECRET, &token] {
        assert!(!got.bodies.iter().any(|body| has(body, secret)), "{secret} is exported");
    }
}
