//! `hub peer edit` and `hub peer show`.

use std::time::Duration;

use anyhow::{anyhow, bail};
use clap::Args;
use easytier_uptime_config::duration;
use easytier_uptime_hub::{
    CheckDepth,
    service::{NodeChange, NodeFields, OperatorFields},
};
use easytier_uptime_store::{
    Access,
    domain::{Region, Tag},
};
use serde_json::Value;

use crate::{
    exit::Exit,
    hub::{
        config::HubConfig,
        desk::{Desk, DeskError, WhichHub},
    },
    network::NetworkArgs,
    print,
    text::printable,
};

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// ID (first column of 'hub peer list'); that of a submission is negative
    #[arg(value_name = "ID", allow_negative_numbers = true)]
    id: i64,
    /// Print a JSON object instead of lines
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    which: WhichHub,
}

const EXAMPLES: &str = "\
Examples:
  easytier-uptime hub peer edit 7 --name 'Shanghai 2' --tag cn --tag relay
  easytier-uptime hub peer edit 7 --all-regions --timeout 3s
  NETWORK_SECRET=... easytier-uptime hub peer edit 7 --network-name home

A peer with another URL is another peer: add it, and remove the old one.";

/// Changes a peer or a submission; what is not named stays as it is
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct EditArgs {
    /// ID (first column of 'hub peer list'); that of a submission is negative
    #[arg(value_name = "ID", allow_negative_numbers = true)]
    id: i64,
    /// Name shown in lists
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Description shown on the status page
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Tag for filtering lists (repeatable); all tags that it had before are replaced
    #[arg(long = "tag", value_name = "TAG", conflicts_with = "no_tags")]
    tags: Vec<Tag>,
    /// Remove all tags
    #[arg(long)]
    no_tags: bool,
    /// Check only from this region (repeatable)
    #[arg(long = "region", value_name = "NAME", conflicts_with = "all_regions")]
    regions: Vec<Region>,
    /// Check from all regions
    #[arg(long)]
    all_regions: bool,
    /// Maximum number of networks on the node
    #[arg(long, value_name = "N")]
    max_connections: Option<u32>,
    /// Whether the node's owner offers to relay data
    #[arg(long, value_name = "true|false")]
    allow_relay: Option<bool>,
    /// How far a check goes: full, or handshake
    #[arg(long, value_name = "DEPTH", value_parser = depth)]
    check: Option<CheckDepth>,
    /// Deadline of one check; 0s for that of the probe
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    timeout: Option<Duration>,
    /// Check it as a guest: the secret of its network is forgotten
    #[arg(long)]
    guest: bool,

    #[command(flatten)]
    network: NetworkArgs,

    #[command(flatten)]
    which: WhichHub,
}

fn depth(name: &str) -> Result<CheckDepth, String> {
    match name {
        "full" => Ok(CheckDepth::Full),
        "handshake" => Ok(CheckDepth::Handshake),
        _ => Err("write full or handshake".to_owned()),
    }
}

/// What to say when there is no such node, or a field is not valid.
fn explained(error: DeskError, id: i64) -> anyhow::Error {
    match error.is_not_found() {
        true => anyhow!("there is no peer {id}; see 'hub peer list'"),
        false => error.into(),
    }
}

pub fn show(args: &ShowArgs, config: &HubConfig) -> anyhow::Result<Exit> {
    let read = async |desk: &Desk| desk.peer(args.id.into()).await.map_err(|error| explained(error, args.id));
    let document = serde_json::to_value(args.which.run(Access::Read, config, read)?)?;
    if args.json {
        print::json(&document)?;
        return Ok(Exit::Success);
    }
    for (name, value) in document.as_object().into_iter().flatten() {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        if !text.is_empty() {
            print::line(format!("{name}: {}", printable(&text)))?;
        }
    }
    Ok(Exit::Success)
}

pub fn edit(args: EditArgs, config: &HubConfig) -> anyhow::Result<Exit> {
    let id = args.id;
    let (which, change) = change(args)?;
    which.run(Access::Change, config, async |desk| {
        desk.change_peer(id.into(), change).await.map_err(|error| explained(error, id))?;
        let peer = desk.peer(id.into()).await?;
        Ok(print::line(format!("changed peer {id}: {}", peer.url_and_name()))?)
    })?;
    Ok(Exit::Success)
}

/// The change, and where it is made.
fn change(args: EditArgs) -> anyhow::Result<(WhichHub, NodeChange)> {
    // A variable alone must not change the network of a peer whose name is edited.
    let network = if args.network.is_given() { args.network.membership()? } else { None };
    if network.is_some() && args.guest {
        bail!("--guest and a network exclude each other");
    }
    let replaced = |named: Vec<String>, none: bool| (none || !named.is_empty()).then_some(named);
    let (network_name, network_secret) = network.map(|of| (of.network_name, of.network_secret)).unzip();
    let timeout = args.timeout.map(|timeout| u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX));
    let node = NodeFields {
        name: args.name,
        description: args.description,
        max_connections: args.max_connections,
        allow_relay: args.allow_relay,
        network_name,
        network_secret,
        tags: replaced(args.tags.into_iter().map(String::from).collect(), args.no_tags),
        ..NodeFields::default()
    };
    let operator = OperatorFields {
        regions: replaced(args.regions.into_iter().map(String::from).collect(), args.all_regions),
        check: args.check,
        timeout_ms: timeout,
        has_secret: args.guest.then_some(false),
    };
    Ok((args.which, NodeChange { node, operator, seen: None }))
}
