//! The log lines that a command writes to stderr.

use std::io::{self, IsTerminal};

use easytier_uptime_config::{LogFormat, Reader, log_filter, values};
use easytier_uptime_telemetry::Telemetry;
use tracing::{Level, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer, Registry, filter::Targets, fmt, layer::SubscriberExt, registry::LookupSpan, reload,
    util::SubscriberInitExt,
};

use crate::descriptors;

/// Logs what each check sends and receives, with the time since the start of the process.
pub fn trace_checks() {
    let lines = fmt::layer().with_writer(io::stderr).with_timer(fmt::time::uptime()).with_ansi(colored());
    tracing_subscriber::registry().with(Targets::new().with_target("easytier_probe", Level::DEBUG)).with(lines).init();
}

/// The validated log settings.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// The text of a valid filter, because [`EnvFilter`] cannot be cloned.
    filter: String,
    format: LogFormat,
}

impl LogSettings {
    /// Reads `RUST_LOG` and `LOG_FORMAT`.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            filter: reader.value("RUST_LOG", |text| filter(text).map(|_| text.to_owned())),
            format: reader.value("LOG_FORMAT", values::log_format),
        }
    }

    fn filter(&self) -> anyhow::Result<EnvFilter> {
        filter(&self.filter).map_err(anyhow::Error::msg)
    }
}

/// The log of this process. Its filter can be changed while the process runs.
pub struct Log(reload::Handle<EnvFilter, Registry>);

impl Log {
    /// Applies the filter of `settings`. The format cannot be changed.
    pub fn set_filter(&self, settings: &LogSettings) -> anyhow::Result<()> {
        Ok(self.0.reload(settings.filter()?)?)
    }
}

/// Starts to log to stderr, and to export spans.
pub fn start(settings: &LogSettings, telemetry: Option<&Telemetry>) -> anyhow::Result<Log> {
    let log = to_stderr(settings.filter()?, settings.format, telemetry);
    descriptors::log_limit();
    Ok(log)
}

/// Starts to log warnings and errors to stderr, for commands without log settings.
pub fn start_with_warnings() -> anyhow::Result<()> {
    to_stderr(filter("warn").map_err(anyhow::Error::msg)?, LogFormat::Text, None);
    Ok(())
}

fn to_stderr(filter: EnvFilter, format: LogFormat, telemetry: Option<&Telemetry>) -> Log {
    let (filter, handle) = reload::Layer::new(filter);
    match telemetry.and_then(Telemetry::layer) {
        // The filter of the log is not that of spans.
        Some(spans) => tracing_subscriber::registry().with(lines(format).with_filter(filter)).with(spans).init(),
        None => tracing_subscriber::registry().with(filter).with(lines(format)).init(),
    }
    Log(handle)
}

fn lines<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    match format {
        LogFormat::Text => fmt::layer().with_writer(io::stderr).with_ansi(colored()).boxed(),
        LogFormat::Json => fmt::layer().with_writer(io::stderr).json().flatten_event(true).boxed(),
    }
}

fn filter(rust_log: &str) -> Result<EnvFilter, String> {
    log_filter(rust_log, &[])
}

fn colored() -> bool {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stderr().is_terminal() && !no_color
}
