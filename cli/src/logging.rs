//! What goes to stderr while a command runs.

use std::io::{self, IsTerminal};

use easytier_probe::config::{LogFormat, Reader, values};
use tracing::Level;
use tracing_subscriber::{
    EnvFilter, Layer, Registry, filter::Targets, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

use crate::descriptors;

/// Where our own code's lines come from.
const OURS: [&str; 2] = ["easytier_probe", "easytier_uptime"];

/// Shows on stderr what each check sends and receives, and when, counted from the start of the process.
pub fn trace_checks() {
    let lines = fmt::layer().with_writer(io::stderr).with_timer(fmt::time::uptime()).with_ansi(colored());
    tracing_subscriber::registry().with(Targets::new().with_target("easytier_probe", Level::DEBUG)).with(lines).init();
}

/// What is logged, and how.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// Of a filter that is known to be one: a filter itself cannot be cloned.
    filter: String,
    format: LogFormat,
}

impl LogSettings {
    /// Reads `RUST_LOG` and `LOG_FORMAT`, together with whatever else a command reads.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            filter: reader.value("RUST_LOG", |text| filter(text).map(|_| text.to_owned())),
            format: reader.value("LOG_FORMAT", values::log_format),
        }
    }

    fn filter(&self) -> EnvFilter {
        filter(&self.filter).expect("it was read as one")
    }
}

/// The log of this process, whose filter can be changed while it runs.
pub struct Log(reload::Handle<EnvFilter, Registry>);

impl Log {
    /// Logs what the settings say from now on; the format stays as it is.
    pub fn filter_by(&self, settings: &LogSettings) {
        self.0.reload(settings.filter()).expect("the log lasts as long as the process");
    }
}

/// Logs to stderr as the settings say.
pub fn start(settings: &LogSettings) -> Log {
    let log = to_stderr(settings.filter(), settings.format);
    descriptors::tell();
    log
}

/// Logs to stderr what somebody has to know, for commands that take no settings.
pub fn start_with_warnings() {
    to_stderr(filter("warn").expect("a level is a filter"), LogFormat::Text);
}

fn to_stderr(filter: EnvFilter, format: LogFormat) -> Log {
    let lines = match format {
        LogFormat::Text => fmt::layer().with_writer(io::stderr).with_ansi(colored()).boxed(),
        LogFormat::Json => fmt::layer().with_writer(io::stderr).json().flatten_event(true).boxed(),
    };
    let (filter, handle) = reload::Layer::new(filter);
    tracing_subscriber::registry().with(filter).with(lines).init();
    Log(handle)
}

/// The filter that `RUST_LOG` asks for, or what would be right instead.
fn filter(rust_log: &str) -> Result<EnvFilter, String> {
    values::log_filter(rust_log, &OURS, EnvFilter::try_new)
}

fn colored() -> bool {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stderr().is_terminal() && !no_color
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter_of(rust_log: &str) -> String {
        let mut directives: Vec<String> = filter(rust_log).unwrap().to_string().split(',').map(str::to_owned).collect();
        directives.sort();
        directives.join(" ")
    }

    #[test]
    fn a_level_is_for_our_own_code() {
        assert_eq!(filter_of("info"), "easytier_probe=info easytier_uptime=info error");
        assert_eq!(filter_of("debug,hyper=trace"), "easytier_probe=debug easytier_uptime=debug error hyper=trace");
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        assert!(filter("easytier=loud").is_err());
    }
}
