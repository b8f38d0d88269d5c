//! `hub probe`: the probes that have reported to the hub.

use anyhow::anyhow;
use clap::{Args, Subcommand};
use easytier_uptime_hub::service::{Admin, ServiceError};
use easytier_uptime_store::{
    Access, Conflict, Store, StoreError,
    domain::{Probe, Timestamp},
};
use serde_json::json;

use super::{config::HubConfig, database};
use crate::{exit::Exit, print, text::printable};

/// Manages the probes that have reported to the hub
#[derive(Debug, Subcommand)]
pub enum ProbeCommand {
    /// Lists the probes and whether they are online
    List(ListArgs),
    /// Removes a probe that is offline and revokes its tokens; its results are kept
    Remove(RemoveArgs),
}

#[derive(Debug, Args)]
pub struct ListArgs {
    /// Print a JSON array instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct RemoveArgs {
    /// ID of the probe (first column of 'hub probe list')
    #[arg(value_name = "SERVER_ID")]
    server_id: String,
}

pub fn run(command: ProbeCommand, config: &HubConfig) -> anyhow::Result<Exit> {
    let access = match command {
        ProbeCommand::List(_) => Access::Read,
        ProbeCommand::Remove(_) => Access::Change,
    };
    database::with(access, config, async |store| match command {
        ProbeCommand::List(args) => list(store, &args).await,
        ProbeCommand::Remove(args) => remove(store, &args.server_id).await,
    })
}

async fn list(store: &Store, args: &ListArgs) -> anyhow::Result<Exit> {
    let probes = store.probes(Timestamp::now()).await?;
    if args.json {
        let documents = probes.iter().map(|probe| {
            json!({
                "server_id": probe.server_id,
                "region": probe.region,
                "status": probe.presence,
                "version": probe.version,
                "last_seen": probe.last_seen_at,
            })
        });
        print::json(&documents.collect::<Vec<_>>())?;
    } else if probes.is_empty() {
        print::note("no probe has reported yet");
    } else {
        let row = |probe: &Probe| {
            [
                printable(&probe.server_id),
                probe.presence.as_str().to_owned(),
                printable(&probe.region.to_string()),
                probe.version.as_deref().map(printable).unwrap_or_default(),
                probe.last_seen_at.to_string(),
            ]
        };
        let rows: Vec<_> = probes.iter().map(row).collect();
        print::table(["PROBE", "STATUS", "REGION", "VERSION", "LAST SEEN"], &rows)?;
    }
    Ok(Exit::Success)
}

async fn remove(store: &Store, server_id: &str) -> anyhow::Result<Exit> {
    let name = printable(server_id);
    Admin::new(store.clone()).remove_probe(server_id).await.map_err(|error| match error {
        ServiceError::Store(StoreError::NotFound(_)) => {
            anyhow!("there is no probe '{name}'; see 'hub probe list'")
        }
        ServiceError::Store(StoreError::Conflict(Conflict::ProbeNotOffline)) => {
            anyhow!("the probe '{name}' is still online; stop it first, and wait until it is offline")
        }
        error => error.into(),
    })?;
    print::line(format!("removed probe '{name}'"))?;
    Ok(Exit::Success)
}
