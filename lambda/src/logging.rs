//! The log: JSON lines, each with the id of its request.

use std::panic;

use easytier_uptime_config::{LogFormat, log_filter};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, registry, util::SubscriberInitExt};

/// The runtime's span holds the id of the request, so it passes every filter.
const REQUESTS: &str = "lambda_runtime=info";

/// Starts logging, of panics too. `rust_log` must have passed [`filter`].
pub fn start(rust_log: &str, format: LogFormat) {
    let filter = filter(rust_log).unwrap_or_else(|_| EnvFilter::new(REQUESTS));
    // CloudWatch adds the time.
    match format {
        LogFormat::Json => registry().with(filter).with(fmt::layer().json().flatten_event(true).without_time()).init(),
        LogFormat::Text => registry().with(filter).with(fmt::layer().without_time().with_ansi(false)).init(),
    }
    panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
}

/// Parses the value of `RUST_LOG`. The error says what to write instead.
pub fn filter(rust_log: &str) -> Result<EnvFilter, String> {
    log_filter(rust_log, &[REQUESTS])
}
