//! The export of spans and metrics, from the program to a collector.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

#[path = "../../tests/support/closed_port.rs"]
mod closed_port;
#[path = "../../tests/support/collector.rs"]
mod collector;
mod support {
    pub mod hub;
}

use std::{collections::BTreeSet, path::Path, process::Output};

use axum::body::Bytes;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

use self::{
    closed_port::ClosedPort,
    collector::attribute,
    support::hub::{Hub, command, eventually, printed, run_with, text},
};

const COLLECTOR_KEY: &str = "key-of-the-collector";
const METRICS_TOKEN: &str = "token-of-the-scraper";
const NETWORK_SECRET: &str = "secret-of-the-network";

/// The families of a text of metrics that have values.
fn families(text: &str) -> BTreeSet<String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let names = types.filter_map(|line| line.split(' ').next());
    let has_value = |name: &&str| text.lines().any(|line| !line.starts_with('#') && line.starts_with(*name));
    names.filter(has_value).map(str::to_owned).collect()
}

/// The variables of a probe of a hub.
fn probe<'a>(hub: &'a str, token: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("BACKEND_BASE_URL", hub), ("NODE_TOKEN", token), ("ALLOW_LOCAL_PEERS", "true")], more].concat()
}

/// Runs a cycle at a hub.
fn once(folder: &Path, hub: &str, token: &str, more: &[(&str, &str)]) -> Output {
    run_with(folder, &["once"], &probe(hub, token, more), "")
}

/// Runs a daemon at a hub until it has made and delivered a check, and returns its metrics.
fn daemon(folder: &Path, hub: &str, token: &str, more: &[(&str, &str)]) -> String {
    let own = [("DATABASE_PATH", "daemon.db"), ("SERVER_PORT", "0")];
    let variables = probe(hub, token, &[&own, more].concat());
    let daemon = Hub::of(&mut command(folder, &["daemon"], &variables));
    let delivered = "easytier_uptime_probe_results_delivered_total 1";
    let metrics = eventually(|| daemon.text("/metrics", &[]).1, |metrics| metrics.contains(delivered));
    assert!(metrics.contains(delivered), "{metrics}");
    daemon.stop();
    metrics
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_and_metrics_of_a_hub_a_cycle_and_a_daemon_arrive_at_a_collector_without_secrets() {
    let (collector, endpoint) = collector::start().await;
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
        let of_daemon = daemon(&path, &hub.url, &token, &otel);
        let bearer = format!("Bearer {METRICS_TOKEN}");
        let (_, metrics) = hub.text("/metrics", &[("authorization", &bearer)]);
        hub.stop();
        (token, [exported, plain, unreachable, misspelt], metrics, of_daemon)
    });
    let (token, runs, metrics, of_daemon) = done.await.unwrap();

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

    // The daemon's checks and requests are traces of their own, which the hub continues too.
    let of_probe = "easytier-uptime-probe";
    let check = got.named(of_probe, "check")[0];
    assert_eq!(attribute(&check.attributes, "check.failure").as_deref(), Some("connect_refused"));
    let sent = got.named(of_probe, "POST /results")[0];
    assert!(got.named("hub-1", "POST /results").iter().any(|received| received.parent_span_id == sent.span_id));

    let of_daemon = families(&of_daemon);
    assert!(of_daemon.len() > 15 && got.metrics[of_probe].is_superset(&of_daemon), "{of_daemon:?} {:?}", got.metrics);
    assert_eq!(got.metrics["hub-1"], families(&metrics));
    assert_eq!(got.metrics.len(), 2, "{:?}", got.metrics);
    assert!(got.metrics["hub-1"].len() > 15, "{:?}", got.metrics);
    assert_eq!(got.keys, [COLLECTOR_KEY.to_owned()].into());
    let has = |body: &Bytes, secret: &str| body.windows(secret.len()).any(|part| part == secret.as_bytes());
    for secret in [COLLECTOR_KEY, METRICS_TOKEN, NETWORK_SECRET, &token] {
        assert!(!got.bodies.iter().any(|body| has(body, secret)), "{secret} is exported");
    }
}
