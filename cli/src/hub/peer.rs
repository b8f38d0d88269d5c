//! `hub peer`: the nodes that the hub has checked.

mod decide;
mod edit;
mod export;
mod import;
mod list;

use std::{collections::BTreeSet, fmt::Display, time::Duration};

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use easytier_probe::{CheckMode, PeerUrl, PeerUrlError};
use easytier_uptime_config::duration;
use easytier_uptime_hub::service::{Admin, Entry, NodeId, ServiceError};
use easytier_uptime_store::{
    Access, Conflict, StoreError,
    domain::{PeerSpec, Region, Tag},
};

use self::{
    decide::DecideArgs,
    edit::{EditArgs, ShowArgs},
    export::ExportArgs,
    import::ImportArgs,
    list::ListArgs,
};
use super::{config::HubConfig, database};
use crate::{exit::Exit, network::NetworkArgs, print, text::printable};

/// Manages the nodes that probes check
#[derive(Debug, Subcommand)]
pub enum PeerCommand {
    Add(Box<AddArgs>),
    List(ListArgs),
    /// Shows a peer or a submission, without the secret of its network
    Show(ShowArgs),
    Edit(Box<EditArgs>),
    Import(ImportArgs),
    Export(ExportArgs),
    /// Removes peers and all their results, or rejects submissions
    Remove(IdArgs),
    /// Checks peers again that were set aside when this instance joined a cluster ("local, not watched")
    Watch(IdArgs),
    /// Approves submissions, and peers that are not listed, so that they are checked and listed publicly
    Approve(DecideArgs),
    /// Takes peers off the list, so that they are neither checked nor shown; their history stays
    Revoke(IdArgs),
    /// Rejects submissions, and removes no peer
    Reject(DecideArgs),
}

const ADD_EXAMPLES: &str = "\
Examples:
  A public node, checked as a guest:
    easytier-uptime hub peer add tcp://192.0.2.7:11010 --name 'Shanghai 2' --tag cn --max-connections 100
  A node of a private network, checked as a member:
    NETWORK_SECRET=... easytier-uptime hub peer add udp://node.example.net:11010 --network-name home
  A private node whose secret is not known, checked up to its handshake:
    easytier-uptime hub peer add wg://192.0.2.7:11011 --handshake-only";

/// Adds a node to check; it is approved at once
///
/// Without network options the node is checked as a guest, as anybody uses a shared node.
#[derive(Debug, Args)]
#[command(after_help = ADD_EXAMPLES)]
pub struct AddArgs {
    /// URL of the node: tcp, udp, ws, wss, wg or quic; or an http, https, txt or srv URL that leads to nodes
    #[arg(value_parser = known_url)]
    url: PeerUrl,
    /// Name shown in lists [default: the URL]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Description shown on the status page
    #[arg(long, value_name = "TEXT", default_value = "")]
    description: String,
    /// Tag for filtering lists (repeatable)
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<Tag>,
    /// Check only from this region (repeatable) [default: all regions]
    #[arg(long = "region", value_name = "NAME")]
    regions: Vec<Region>,
    /// Maximum number of networks on the node; 0 for no limit
    #[arg(long, value_name = "N", default_value = "100")]
    max_connections: u32,
    /// The node's owner offers to relay data, so checks may try it
    #[arg(long)]
    allow_relay: bool,
    /// Check only that the node responds to the handshake
    #[arg(long)]
    handshake_only: bool,
    /// Deadline of one check [default: that of the probe]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse_positive)]
    timeout: Option<Duration>,

    #[command(flatten)]
    network: NetworkArgs,
}

#[derive(Debug, Args)]
pub struct IdArgs {
    /// IDs (first column of 'hub peer list'); those of submissions are negative
    #[arg(value_name = "ID", required = true, allow_negative_numbers = true)]
    ids: Vec<i64>,
}

pub fn run(command: PeerCommand, config: &HubConfig) -> anyhow::Result<Exit> {
    match command {
        PeerCommand::Add(args) => add(*args, config),
        PeerCommand::List(args) => list::run(&args, config),
        PeerCommand::Show(args) => edit::show(&args, config),
        PeerCommand::Edit(args) => edit::edit(*args, config),
        PeerCommand::Revoke(args) => for_each(&args.ids, config, "revoked", async |admin, entry| match entry.id() {
            NodeId::Pending(_) => {
                bail!("{} is a submission, which is not on the list; see 'hub peer reject'", entry.id())
            }
            NodeId::Peer(id) => {
                admin.revoke_node(entry.id()).await?;
                Ok(format!("revoked peer {id}"))
            }
        }),
        PeerCommand::Import(args) => import::run(args, config),
        PeerCommand::Export(args) => export::run(&args, config),
        PeerCommand::Remove(args) => for_each(&args.ids, config, "removed", async |admin, entry| {
            let what = match entry.id() {
                NodeId::Pending(_) => "rejected submission",
                NodeId::Peer(_) => "removed peer",
            };
            admin.remove_node(entry.id()).await?;
            Ok(format!("{what} {}", entry.id()))
        }),
        PeerCommand::Watch(args) => for_each(&args.ids, config, "watched", async |admin, entry| {
            admin.watch_node(entry.id()).await.map_err(|error| match error {
                ServiceError::Store(StoreError::NotFound(_)) => {
                    anyhow!("peer {} is not set aside; see 'hub peer list'", entry.id())
                }
                error => error.into(),
            })?;
            Ok(format!("watched peer {}", entry.id()))
        }),
        PeerCommand::Approve(args) => decide::approve(&args, config),
        PeerCommand::Reject(args) => decide::reject(&args, config),
    }
}

/// A URL that probes can check.
fn known_url(text: &str) -> Result<PeerUrl, PeerUrlError> {
    let url: PeerUrl = text.parse()?;
    url.checkable()?;
    Ok(url)
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
    database::with(Access::Change, config, async |store| {
        let id = Admin::new(store.clone()).add_node(&spec).await.map_err(|error| match error {
            ServiceError::Store(StoreError::Conflict(Conflict::PeerListed)) => {
                anyhow!("{} is listed already, with the same network; see 'hub peer list'", spec.url)
            }
            error => error.into(),
        })?;
        Ok(print::line(format!("added peer {id}: {}", url_and_name(&spec)))?)
    })?;
    Ok(Exit::Success)
}

/// Applies `action` to all nodes, or to none if one does not exist. `action` returns what was done.
async fn apply(
    admin: &Admin,
    ids: &[i64],
    done: &str,
    action: impl AsyncFn(&Admin, &Entry) -> anyhow::Result<String>,
) -> anyhow::Result<()> {
    let mut entries: Vec<Entry> = Vec::with_capacity(ids.len());
    let mut missing = Vec::new();
    for id in BTreeSet::from_iter(ids.iter().copied().map(NodeId::from)) {
        match admin.node(id).await {
            Ok(entry) => entries.push(entry),
            Err(ServiceError::Store(StoreError::NotFound(_))) => missing.push(id),
            Err(error) => return Err(error.into()),
        }
    }
    if !missing.is_empty() {
        bail!("there is no peer {}; no peer was {done}, see 'hub peer list'", joined(&missing));
    }
    for entry in entries {
        let done = action(admin, &entry).await?;
        print::line(format!("{done}: {}", url_and_name(entry.spec())))?;
    }
    Ok(())
}

fn for_each(
    ids: &[i64],
    config: &HubConfig,
    done: &str,
    action: impl AsyncFn(&Admin, &Entry) -> anyhow::Result<String>,
) -> anyhow::Result<Exit> {
    database::with(Access::Change, config, async |store| apply(&Admin::new(store.clone()), ids, done, action).await)?;
    Ok(Exit::Success)
}

/// The URL, and the name if it differs.
fn url_and_name(spec: &PeerSpec) -> String {
    match spec.url.is_written_as(&spec.name) {
        true => spec.url.to_string(),
        false => format!("{} ({})", spec.url, printable(&spec.name)),
    }
}

/// `3, 5, 8`.
pub fn joined(items: &[impl Display]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
