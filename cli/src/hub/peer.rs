//! `hub peer`: the nodes under watch.

mod export;
mod fetch;
mod import;
mod list;

use std::{collections::BTreeSet, fmt::Display, time::Duration};

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use easytier_probe::{CheckMode, PeerUrl};
use easytier_uptime_config::duration;
use easytier_uptime_hub::{
    model::{PeerId, PeerRecord, PeerSpec, Region, Tag},
    store::{Conflict, Store, StoreError},
    time::Timestamp,
};

use self::{export::ExportArgs, import::ImportArgs, list::ListArgs};
use super::{config::HubConfig, database, print};
use crate::{exit::Exit, network::NetworkArgs, text::printable};

/// The nodes that the hub has watched
#[derive(Debug, Subcommand)]
pub enum PeerCommand {
    Add(Box<AddArgs>),
    List(ListArgs),
    Import(ImportArgs),
    Export(ExportArgs),
    /// Forgets peers, with all that was seen of them
    Remove(IdArgs),
    /// Approves peers that strangers submitted, so that they are watched and listed
    Approve(IdArgs),
}

const ADD_EXAMPLES: &str = "\
Examples:
  A public node, as strangers use it:
    easytier-uptime hub peer add tcp://192.0.2.7:11010 --name 'Shanghai 2' --tag cn --max-connections 100
  A node of a private network, by a member of it:
    NETWORK_SECRET=... easytier-uptime hub peer add udp://node.example.net:11010 --network-name home
  A node that takes in nobody else, as far as its handshake:
    easytier-uptime hub peer add wg://192.0.2.7:11011 --handshake-only";

/// Adds a node to watch; it is approved at once
///
/// Without options that name a network the node is checked as a guest, which is how strangers use a shared node.
#[derive(Debug, Args)]
#[command(after_help = ADD_EXAMPLES)]
pub struct AddArgs {
    /// Where the node listens: tcp, udp, ws, wss, wg or quic; or http, https, txt or srv, which yield such URLs
    url: PeerUrl,
    /// What to call it in lists [default: its URL]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// What to say about it
    #[arg(long, value_name = "TEXT", default_value = "")]
    description: String,
    /// A tag to find it by; several may be given
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<Tag>,
    /// Have it watched from this region only; several may be given [default: from everywhere]
    #[arg(long = "region", value_name = "NAME")]
    regions: Vec<Region>,
    /// How many networks the node takes; 0 for no limit
    #[arg(long, value_name = "N", default_value = "100")]
    max_connections: u32,
    /// Its owner offers to relay: checks try it
    #[arg(long)]
    allow_relay: bool,
    /// Check only that the node answers the handshake
    #[arg(long)]
    handshake_only: bool,
    /// The deadline of one check [default: the probe's]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse_positive)]
    timeout: Option<Duration>,

    #[command(flatten)]
    network: NetworkArgs,
}

#[derive(Debug, Args)]
pub struct IdArgs {
    /// Their numbers, as 'hub peer list' shows them
    #[arg(value_name = "ID", required = true)]
    ids: Vec<i64>,
}

pub fn run(command: PeerCommand, config: &HubConfig) -> anyhow::Result<Exit> {
    match command {
        PeerCommand::Add(args) => add(*args, config),
        PeerCommand::List(args) => list::run(&args, config),
        PeerCommand::Import(args) => import::run(args, config),
        PeerCommand::Export(args) => export::run(&args, config),
        PeerCommand::Remove(args) => for_each(&args, config, "removed", async |store, id| store.delete_peer(id).await),
        PeerCommand::Approve(args) => {
            for_each(&args, config, "approved", async |store, id| store.set_approved(id, true, Timestamp::now()).await)
        }
    }
}

fn add(args: AddArgs, config: &HubConfig) -> anyhow::Result<Exit> {
    let network = args.network.membership()?;
    let (network_name, network_secret) = network.map(|of| (of.network_name, of.network_secret)).unzip();
    let spec = PeerSpec {
        network_name,
        network_secret,
        description: args.description,
        mode: if args.handshake_only { CheckMode::Handshake } else { CheckMode::Full },
        timeout: args.timeout,
        allow_relay: args.allow_relay,
        max_connections: args.max_connections,
        tags: BTreeSet::from_iter(args.tags),
        regions: BTreeSet::from_iter(args.regions),
        ..PeerSpec::named(args.url, args.name)
    };
    database::with(config, async |store| {
        let id = store.add_peer(&spec, Timestamp::now()).await.map_err(|error| match error {
            StoreError::Conflict(Conflict::PeerListed) => {
                anyhow!("{} is listed already, with the same network; 'hub peer list' shows it", spec.url)
            }
            error => error.into(),
        })?;
        Ok(print::line(format!("added peer {id}: {}", shown(&spec)))?)
    })?;
    Ok(Exit::Success)
}

/// Does something to all of them, or to none when one does not exist.
async fn act(
    store: &Store,
    ids: &[i64],
    done: &str,
    action: impl AsyncFn(&Store, PeerId) -> Result<(), StoreError>,
) -> anyhow::Result<()> {
    let mut records: Vec<PeerRecord> = Vec::with_capacity(ids.len());
    let mut missing = Vec::new();
    for id in BTreeSet::from_iter(ids.iter().copied().map(PeerId)) {
        match store.peer(id).await {
            Ok(record) => records.push(record),
            Err(StoreError::NotFound(_)) => missing.push(id),
            Err(error) => return Err(error.into()),
        }
    }
    if !missing.is_empty() {
        bail!("there is no peer {}; no peer was {done}, see 'hub peer list' for what there is", joined(&missing));
    }
    for record in records {
        action(store, record.id).await?;
        print::line(format!("{done} peer {}: {}", record.id, shown(&record.spec)))?;
    }
    Ok(())
}

fn for_each(
    args: &IdArgs,
    config: &HubConfig,
    done: &str,
    action: impl AsyncFn(&Store, PeerId) -> Result<(), StoreError>,
) -> anyhow::Result<Exit> {
    database::with(config, async |store| act(store, &args.ids, done, action).await)?;
    Ok(Exit::Success)
}

/// The URL, and the name where it says more.
fn shown(spec: &PeerSpec) -> String {
    let url = spec.url.to_string();
    if spec.name == url { url } else { format!("{url} ({})", printable(&spec.name)) }
}

/// `3, 5, 8`.
pub fn joined(items: &[impl Display]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
