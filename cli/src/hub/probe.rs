//! `hub probe`: the probes that have reported to the hub.

use anyhow::anyhow;
use clap::{Args, Subcommand};
use easytier_uptime_hub::service::ServiceError;
use easytier_uptime_store::{Access, Conflict, StoreError};

use super::{
    config::HubConfig,
    desk::{Desk, DeskError, ListedProbe, WhichHub},
};
use crate::{exit::Exit, print, text::printable};

/// Manages the probes that have reported to the hub
#[derive(Debug, Subcommand)]
pub enum ProbeCommand {
    /// Lists the probes and whether they are online; with --hub the key needs the scope read
    List(ListArgs),
    /// Removes a probe that is offline and revokes its tokens; its results are kept. With --hub the key needs the scope nodes
    Remove(RemoveArgs),
}

#[derive(Debug, Args)]
pub struct ListArgs {
    /// Print a JSON array instead of a table
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    which: WhichHub,
}

#[derive(Debug, Args)]
pub struct RemoveArgs {
    /// ID of the probe (first column of 'hub probe list')
    #[arg(value_name = "SERVER_ID")]
    server_id: String,

    #[command(flatten)]
    which: WhichHub,
}

pub fn run(command: ProbeCommand, config: &HubConfig) -> anyhow::Result<Exit> {
    match command {
        ProbeCommand::List(args) => {
            let probes = args.which.run(Access::Read, config, async |desk| Ok(desk.probes().await?))?;
            list(&probes, args.json)?;
        }
        ProbeCommand::Remove(args) => {
            args.which.run(Access::Change, config, async |desk| remove(desk, &args.server_id).await)?;
        }
    }
    Ok(Exit::Success)
}

fn list(probes: &[ListedProbe], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return print::json(&probes);
    }
    if probes.is_empty() {
        print::note("no probe has reported yet");
        return Ok(());
    }
    let row = |probe: &ListedProbe| {
        [
            printable(&probe.server_id),
            printable(&probe.status),
            printable(&probe.region),
            probe.version.as_deref().map(printable).unwrap_or_default(),
            probe.last_seen.to_string(),
        ]
    };
    let rows: Vec<_> = probes.iter().map(row).collect();
    Ok(print::table(["PROBE", "STATUS", "REGION", "VERSION", "LAST SEEN"], &rows)?)
}

async fn remove(desk: &Desk, server_id: &str) -> anyhow::Result<()> {
    let name = printable(server_id);
    desk.remove_probe(server_id).await.map_err(|error| match error {
        DeskError::Here(ServiceError::Store(StoreError::Conflict(Conflict::ProbeNotOffline))) => {
            anyhow!("the probe '{name}' is still online; stop it first, and wait until it is offline")
        }
        error if error.is_not_found() => anyhow!("there is no probe '{name}'; see 'hub probe list'"),
        error => error.into(),
    })?;
    Ok(print::line(format!("removed probe '{name}'"))?)
}
