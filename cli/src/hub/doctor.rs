//! `hub doctor`: looks for what is wrong with a hub, and says what to do.
//!
//! What is read is apart from what is made of it: `read` fills [`Readings`](readings::Readings), and `judge` is a pure function of
//! them.

mod judge;
mod read;
mod readings;

use clap::Args;
use easytier_uptime_config::ConfigErrors;
use serde::Serialize;

use super::config::HubConfig;
use crate::{exit::Exit, print, runtime, text::printable};

const EXAMPLES: &str = "\
Exit codes:
  0  nothing is wrong; there may be warnings
  1  something is wrong
  2  bad usage";

/// Looks for what is wrong with the hub on this machine, and says what to do
///
/// It looks at the configuration, the database and its key, clocks, the disk, the port, the proxies and the certificate of
/// PUBLIC_URL, with the settings that the hub has: run it as the hub's user, in its folder and with its environment. The hub may
/// run meanwhile. Nothing is changed. A probe is looked at by 'easytier-uptime health' and the hub's page of probes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DoctorArgs {
    /// Print a JSON document instead of lines
    #[arg(long)]
    json: bool,
}

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Severity {
    Ok,
    /// It was not looked at.
    Skipped,
    Warning,
    Problem,
}

impl Severity {
    fn as_str(self) -> &'static str {
        ["ok", "skipped", "warning", "PROBLEM"][self as usize]
    }
}

/// What was found about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    /// What was looked at.
    check: &'static str,
    severity: Severity,
    /// What is the case.
    found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Finding {
    fn new(check: &'static str, severity: Severity, found: impl Into<String>) -> Self {
        Self { check, severity, found: found.into(), advice: None }
    }

    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self::new(check, Severity::Ok, found)
    }

    fn skipped(check: &'static str, found: impl Into<String>) -> Self {
        Self::new(check, Severity::Skipped, found)
    }

    fn warning(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..Self::new(check, Severity::Warning, found) }
    }

    fn problem(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..Self::new(check, Severity::Problem, found) }
    }
}

#[derive(Serialize)]
struct Document<'a> {
    ok: bool,
    findings: &'a [Finding],
}

/// Runs with a configuration that may not be valid: that is one of the findings.
pub fn run(args: &DoctorArgs, config: Result<HubConfig, ConfigErrors>) -> anyhow::Result<Exit> {
    let findings = match config {
        Ok(config) => {
            easytier::tunnel::insecure_tls::init_crypto_provider();
            let readings = runtime::single_threaded()?.block_on(read::all(&config));
            judge::all(&readings)
        }
        Err(errors) => judge::configuration(&errors.to_string()),
    };
    let ok = findings.iter().all(|finding| finding.severity < Severity::Problem);
    match args.json {
        true => print::json(&Document { ok, findings: &findings })?,
        false => findings.iter().try_for_each(|finding| {
            let advice = finding.advice.as_ref().map(|advice| format!("; {advice}")).unwrap_or_default();
            let line = printable(&format!("{}{advice}", finding.found));
            print::line(format!("{:<8} {:<14} {line}", finding.severity.as_str(), finding.check))
        })?,
    }
    Ok(if ok { Exit::Success } else { Exit::Unexpected })
}
