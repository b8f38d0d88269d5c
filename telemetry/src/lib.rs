//! Exports spans and metrics to an OpenTelemetry collector, by OTLP over HTTP with protobuf.
//!
//! The usual `OTEL_*` variables configure it: [`settings`] reads those that the SDK does not. Without a collector nothing is
//! started, and spans cost nothing.
//!
//! Spans are those of `tracing` with the target [`SPANS`], and no others: the rest of the log is not exported, and these spans are
//! not in the log. Metrics are what [`publish_metrics`] gives: the text of `/metrics`, which [`metrics`] makes OTLP of.

#![warn(missing_docs)]

mod client;
mod metrics;
mod parent;
mod sampler;
mod settings;

use std::{sync::OnceLock, time::Duration};

use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{Config, SdkTracerProvider},
};
use tokio::{runtime::Handle, time::timeout};
use tracing::{Metadata, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

use self::{
    client::Client,
    metrics::push::{Push, Pushing, Source},
    sampler::OwnDecision,
    settings::{Settings, Signal},
};
pub use self::{
    parent::{continue_trace, traceparent},
    settings::TelemetryError,
};
pub use easytier_probe::SPANS;

/// The longest time that the last spans and metrics may take when the process ends.
const FINISH: Duration = Duration::from_secs(5);

/// Where metrics come from, once an exporter runs in this process.
static PUBLISHED: OnceLock<Source> = OnceLock::new();

/// The exporters of this process.
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
    metrics: Option<Pushing>,
}

impl Telemetry {
    /// Starts what the `OTEL_*` variables of this process ask for; `None` when they name no collector. `service`: its name, unless
    /// they name it. It runs on `runtime`, which has to run until [`finish`](Self::finish). One for a process.
    ///
    /// # Errors
    ///
    /// When a variable has a value that cannot be used. Nothing is started then.
    pub fn start(service: &'static str, runtime: &Handle) -> Result<Option<Self>, TelemetryError> {
        let settings = Settings::from_env()?;
        if settings.traces.is_none() && settings.metrics.is_none() {
            return Ok(None);
        }
        let resource = resource(service);
        let traces = settings.traces.map(|signal| tracer_provider(signal, resource.clone(), runtime)).transpose()?;
        let metrics = match settings.metrics {
            Some(signal) => {
                let client = Client::new(&signal, runtime.clone())?;
                let source = PUBLISHED.get_or_init(Source::default).clone();
                let push = Push { client, signal, source, interval: settings.interval };
                Some(push.start((&resource).into(), runtime))
            }
            None => None,
        };
        Ok(Some(Self { traces, metrics }))
    }

    /// The layer that exports spans, if they are exported.
    pub fn layer<S>(&self) -> Option<impl Layer<S> + use<S>>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let tracer = self.traces.as_ref()?.tracer("easytier-uptime");
        let layer = tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false);
        Some(layer.with_filter(filter_fn(is_exported).with_max_level_hint(LevelFilter::INFO)))
    }

    /// Sends what is left, for five seconds at most.
    pub async fn finish(self) {
        let Self { traces, metrics } = self;
        let spans = async {
            if let Some(provider) = traces {
                // It waits for a thread of its own, which waits for the tasks of this runtime.
                let _ = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FINISH)).await;
            }
        };
        let metrics = async {
            if let Some(pushing) = metrics {
                pushing.finish().await;
            }
        };
        let _ = timeout(FINISH, async { tokio::join!(spans, metrics) }).await;
    }
}

/// Has the metrics of `source` exported, in the place of those before; does nothing where metrics are not exported. `source` gives
/// the text that `/metrics` has, or nothing when it cannot.
pub fn publish_metrics<F>(source: impl Fn() -> F + Send + Sync + 'static)
where
    F: Future<Output = Option<String>> + Send + 'static,
{
    if let Some(published) = PUBLISHED.get() {
        published.set(source);
    }
}

fn is_exported(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target() == SPANS
}

/// What the variables say of this process, and what it is.
fn resource(service: &'static str) -> Resource {
    let named = Resource::builder().build();
    let name = named.get(&"service.name".into()).map(|name| name.to_string()).unwrap_or_default();
    let resource = Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    match name.is_empty() || name.starts_with("unknown_service") {
        true => resource.with_service_name(service).build(),
        false => resource.build(),
    }
}

fn tracer_provider(signal: Signal, resource: Resource, runtime: &Handle) -> Result<SdkTracerProvider, TelemetryError> {
    let client = Client::new(&signal, runtime.clone())?;
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_endpoint(signal.url.as_str())
        .with_timeout(signal.timeout)
        .build()
        .map_err(|error| TelemetryError::Exporter(error.to_string()))?;
    Ok(SdkTracerProvider::builder()
        .with_sampler(OwnDecision(Config::default().sampler))
        .with_resource(resource)
        .with_batch_exporter(exporter)
        .build())
}
