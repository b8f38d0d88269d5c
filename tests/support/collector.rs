//! An OpenTelemetry collector for tests, which keeps what it gets.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{
    collections::{BTreeMap, BTreeSet},
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
    trace::v1::Span,
};
use prost::Message;
use tokio::net::TcpListener;

/// What a collector got.
#[derive(Default)]
pub struct Got {
    /// With the names of their services.
    pub spans: Vec<(String, Span)>,
    /// The names of the metrics of the last export of each service.
    pub metrics: BTreeMap<String, BTreeSet<String>>,
    pub bodies: Vec<Bytes>,
    /// The header `x-key` of all requests.
    pub keys: BTreeSet<String>,
}

pub type Collector = Arc<Mutex<Got>>;

/// A collector, and its endpoint.
pub async fn start() -> (Collector, String) {
    let collector = Collector::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let routes = Router::new().route("/v1/traces", post(receive)).route("/v1/metrics", post(receive));
    let routes = routes.with_state(Arc::clone(&collector));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (collector, endpoint)
}

async fn receive(State(collector): State<Collector>, uri: Uri, headers: HeaderMap, body: Bytes) {
    let mut got = collector.lock().unwrap();
    assert_eq!(headers["content-type"], "application/x-protobuf");
    got.keys.extend(headers.get("x-key").map(|key| key.to_str().unwrap().to_owned()));
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
                let service = service(of_resource.resource);
                let metrics = of_resource.scope_metrics.into_iter().flat_map(|scope| scope.metrics);
                got.metrics.insert(service, metrics.map(|metric| metric.name).collect());
            }
        }
    }
    got.bodies.push(body);
}

fn service(resource: Option<Resource>) -> String {
    attribute(&resource.unwrap().attributes, "service.name").unwrap()
}

/// The value of an attribute as text.
pub fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.clone()?.value? {
        Value::StringValue(text) => Some(text),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{other:?}"),
    }
}

impl Got {
    /// The spans of a service with this name.
    pub fn named(&self, service: &str, name: &str) -> Vec<&Span> {
        self.spans.iter().filter(|(of, span)| of == service && span.name == name).map(|(_, span)| span).collect()
    }

    /// The span of a service with this name, of which there is one.
    #[track_caller]
    pub fn one(&self, service: &str, name: &str) -> &Span {
        let found = self.named(service, name);
        let names: Vec<_> = self.spans.iter().map(|(service, span)| (service, &span.name)).collect();
        assert_eq!(found.len(), 1, "{service} {name}: {names:?}");
        found[0]
    }
}
