//! `hub status`: what there is, and what is wrong, at a glance.

use clap::Args;
use easytier_uptime_store::Access;
use serde_json::Value;

use super::{
    config::HubConfig,
    desk::{Desk, WhichHub},
};
use crate::{exit::Exit, print, text::printable};

/// Shows what the hub has, and what is wrong now
///
/// With --hub the key needs the scope read.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    which: WhichHub,
}

pub fn run(args: &StatusArgs, config: &HubConfig) -> anyhow::Result<Exit> {
    let status = args.which.run(Access::Read, config, Desk::status)?;
    if args.json {
        print::json(&status)?;
        return Ok(Exit::Success);
    }
    for (name, value) in status.as_object().into_iter().flatten() {
        print::line(format!("{name}: {}", printable(&words(value))))?;
    }
    Ok(Exit::Success)
}

/// `3 up, 1 down` of an object of counts.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(counts) => {
            let named = counts.iter().map(|(name, count)| format!("{count} {}", name.replace('_', " ")));
            named.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}
