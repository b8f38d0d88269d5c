//! `hub peer`: the nodes that the hub has checked.

mod decide;
mod edit;
mod export;
mod import;
mod list;
mod test;
mod watch;

use std::{collections::BTreeSet, fmt::Display, time::Duration};

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use easytier_probe::{CheckMode, PeerUrl, PeerUrlError};
use easytier_uptime_config::duration;
use easytier_uptime_hub::service::{NodeId, ServiceError};
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
    test::TestArgs,
    watch::WatchArgs,
};
use super::{
    config::HubConfig,
    desk::{Desk, DeskError, Listed, WhichHub, url_and_name},
};
use crate::{exit::Exit, network::NetworkArgs, print};

/// Manages the nodes that probes check
///
/// With --hub the key needs the scope peers. 'test', 'import', 'export' and 'watch', and decisions on all submissions, need the
/// database.
#[derive(Debug, Subcommand)]
pub enum PeerCommand {
    Add(Box<AddArgs>),
    List(ListArgs),
    /// Shows a peer or a submission, without the secret of its network
    Show(ShowArgs),
    Edit(Box<EditArgs>),
    Test(TestArgs),
    Import(ImportArgs),
    Export(ExportArgs),
    /// Removes peers and all their results, or rejects submissions
    Remove(IdArgs),
    Watch(WatchArgs),
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

    #[command(flatten)]
    which: WhichHub,
}

#[derive(Debug, Args)]
pub struct IdArgs {
    /// IDs (first column of 'hub peer list'); those of submissions are negative
    #[arg(value_name = "ID", required = true, allow_negative_numbers = true)]
    ids: Vec<i64>,

    #[command(flatten)]
    which: WhichHub,
}

pub fn run(command: PeerCommand, config: &HubConfig) -> anyhow::Result<Exit> {
    match command {
        PeerCommand::Add(args) => add(*args, config),
        PeerCommand::List(args) => list::run(&args, config),
        PeerCommand::Show(args) => edit::show(&args, config),
        PeerCommand::Edit(args) => edit::edit(*args, config),
        PeerCommand::Test(args) => test::run(&args, config),
        PeerCommand::Revoke(args) => for_each(&args.ids, &args.which, config, "revoked", async |desk, peer| {
            let id = peer.id();
            if let NodeId::Pending(_) = id {
                bail!("{id} is a submission, which is not on the list; see 'hub peer reject'")
            }
            desk.revoke_peer(id).await?;
            Ok(format!("revoked peer {id}"))
        }),
        PeerCommand::Import(args) => import::run(args, config),
        PeerCommand::Export(args) => export::run(&args, config),
        PeerCommand::Remove(args) => for_each(&args.ids, &args.which, config, "removed", async |desk, peer| {
            let what = match peer.id() {
                NodeId::Pending(_) => "rejected submission",
                NodeId::Peer(_) => "removed peer",
            };
            desk.remove_peer(peer.id()).await?;
            Ok(format!("{what} {}", peer.id()))
        }),
        PeerCommand::Watch(args) => watch::run(&args, config),
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
    args.which.run(Access::Change, config, async |desk| {
        let id = desk.add_peer(&spec).await.map_err(|error| match error {
            DeskError::Here(ServiceError::Store(StoreError::Conflict(Conflict::PeerListed))) => {
                anyhow!("{} is listed already, with the same network; see 'hub peer list'", spec.url)
            }
            error => error.into(),
        })?;
        Ok(print::line(format!("added peer {id}: {}", url_and_name(&spec.url.full(), &spec.name)))?)
    })?;
    Ok(Exit::Success)
}

/// Applies `action` to all nodes, or to none if one does not exist. `action` returns what was done.
async fn apply(
    desk: &Desk,
    ids: &[i64],
    done: &str,
    action: impl AsyncFn(&Desk, &Listed) -> anyhow::Result<String>,
) -> anyhow::Result<()> {
    let mut peers: Vec<Listed> = Vec::with_capacity(ids.len());
    let mut missing = Vec::new();
    for id in BTreeSet::from_iter(ids.iter().copied().map(NodeId::from)) {
        match desk.peer(id).await {
            Ok(peer) => peers.push(peer),
            Err(error) if error.is_not_found() => missing.push(id),
            Err(error) => return Err(error.into()),
        }
    }
    if !missing.is_empty() {
        bail!("there is no peer {}; no peer was {done}, see 'hub peer list'", joined(&missing));
    }
    for peer in peers {
        let done = action(desk, &peer).await?;
        print::line(format!("{done}: {}", peer.url_and_name()))?;
    }
    Ok(())
}

fn for_each(
    ids: &[i64],
    which: &WhichHub,
    config: &HubConfig,
    done: &str,
    action: impl AsyncFn(&Desk, &Listed) -> anyhow::Result<String>,
) -> anyhow::Result<Exit> {
    which.run(Access::Change, config, async |desk| apply(desk, ids, done, action).await)?;
    Ok(Exit::Success)
}

/// `3, 5, 8`.
pub fn joined(items: &[impl Display]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
