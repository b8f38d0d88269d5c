//! `hub probe`: the probes that the hub has heard from.

use anyhow::anyhow;
use clap::{Args, Subcommand};
use easytier_uptime_hub::{
    model::Probe,
    service::{Admin, ServiceError},
    store::{Conflict, Store, StoreError},
    time::Timestamp,
};
use serde_json::json;

use super::{config::HubConfig, database, print};
use crate::{exit::Exit, text::printable};

/// The probes that the hub has heard from
#[derive(Debug, Subcommand)]
pub enum ProbeCommand {
    /// Lists the probes, and whether they are there
    List(ListArgs),
    /// Forgets a probe that is offline: its tokens end, and what it saw is kept
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
    /// Its own id, as 'list' shows it
    #[arg(value_name = "SERVER_ID")]
    server_id: String,
}

pub fn run(command: ProbeCommand, config: &HubConfig) -> anyhow::Result<Exit> {
    database::with(config, async |store| match command {
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
        anstream::eprintln!("no probe has reported yet");
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
            anyhow!("there is no probe '{name}'; see 'hub probe list' for what there is")
        }
        ServiceError::Store(StoreError::Conflict(Conflict::ProbeThere)) => {
            anyhow!("the probe '{name}' was heard from a moment ago; stop it first, and wait until it is offline")
        }
        error => error.into(),
    })?;
    print::line(format!("removed probe '{name}'"))?;
    Ok(Exit::Success)
}
