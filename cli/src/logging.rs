//! What goes to stderr while a command runs.

use std::io::{self, IsTerminal};

use tracing::Level;
use tracing_subscriber::{filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Shows on stderr what each check sends and receives, and when, counted from the start of the process.
pub fn trace_checks() {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let lines = fmt::layer()
        .with_writer(io::stderr)
        .with_timer(fmt::time::uptime())
        .with_ansi(io::stderr().is_terminal() && !no_color);
    tracing_subscriber::registry().with(Targets::new().with_target("easytier_probe", Level::DEBUG)).with(lines).init();
}
