//! What goes to the log: JSON lines, each with the id of its request.

use std::panic;

use easytier_uptime_config::{LogFormat, log_filter};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, registry, util::SubscriberInitExt};

/// The span that knows the id of the request is the runtime's, so it is never filtered away.
const REQUESTS: &str = "lambda_runtime=info";

/// Logs from now on, panics too.
pub fn start(filter: EnvFilter, format: LogFormat) {
    // CloudWatch notes the time.
    match format {
        LogFormat::Json => registry().with(filter).with(json()).init(),
        LogFormat::Text => registry().with(filter).with(fmt::layer().without_time().with_ansi(false)).init(),
    }
    panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
}

fn json<S>() -> impl tracing_subscriber::Layer<S>
where
    S: tracing::Subscriber + for<'a> registry::LookupSpan<'a>,
{
    fmt::layer().json().flatten_event(true).without_time()
}

/// The filter that `RUST_LOG` asks for, or what would be right instead.
pub fn filter(rust_log: &str) -> Result<EnvFilter, String> {
    log_filter(rust_log, &[REQUESTS])
}
