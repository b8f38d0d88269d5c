//! `hub peer test`: one check from this machine.

use std::time::Duration;

use anyhow::{anyhow, bail};
use clap::Args;
use easytier_probe::{CheckOptions, Checker, Origin, Peer, PeerUrl};
use easytier_uptime_config::{QUIC_PORT, duration};
use easytier_uptime_hub::service::{Admin, Entry, NodeId, ServiceError};
use easytier_uptime_store::{
    Access, Store, StoreError,
    domain::{NodeFilter, PageRequest, PeerFilter, PeerOrder, Role},
};

use super::{joined, known_url};
use crate::{
    check::{AddressArgs, OutputArgs, check_once},
    descriptors,
    exit::{Exit, FailOn},
    hub::{config::HubConfig, database},
    logging, runtime,
};

const EXAMPLES: &str = "\
Examples:
  easytier-uptime hub peer test 7
  easytier-uptime hub peer test -3                        a submission, before you approve it
  easytier-uptime hub peer test --debug tcp://192.0.2.7:11010

Exit codes:
  0  it is online
  1  it is not online
  2  nothing was checked";

/// Checks a peer now from this machine, as a probe of the hub would, with the network and the secret that the hub has
///
/// The result is printed as 'check' prints it, and not stored: the status of the peer does not change. A URL that is no peer
/// is checked as a guest. To have probes elsewhere check it, see 'check --from'.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct TestArgs {
    /// ID (first column of 'hub peer list'), that of a submission is negative; or the URL of a node
    #[arg(value_name = "ID|URL", allow_negative_numbers = true)]
    target: String,
    /// Test also whether the node relays data between two guests
    #[arg(long)]
    relay: bool,
    /// Deadline of the check, if the peer has none of its own
    #[arg(long, short, value_name = "DURATION", env = "HEALTH_CHECK_TIMEOUT", default_value = "5s", value_parser = duration::parse_positive)]
    timeout: Duration,
    /// Number of pings; the latency shown is their median
    #[arg(
        long, short, value_name = "N", env = "HEALTH_CHECK_PINGS", default_value = "3",
        value_parser = clap::value_parser!(u32).range(1..=100),
    )]
    count: u32,
    /// Print a JSON array with one object
    #[arg(long)]
    json: bool,
    /// Log on stderr what the check sends and receives, without secrets
    #[arg(long)]
    debug: bool,

    #[command(flatten)]
    addresses: AddressArgs,
}

/// What is checked.
enum Target {
    Node(NodeId),
    Url(PeerUrl),
}

pub fn run(args: &TestArgs, config: &HubConfig) -> anyhow::Result<Exit> {
    let target = match args.target.parse::<i64>() {
        Ok(id) => Target::Node(id.into()),
        Err(_) => Target::Url(known_url(&args.target)?),
    };
    let peer = database::with(Access::Read, config, async |store| peer_of(store, target).await)?;
    if args.debug {
        logging::trace_checks();
    }
    let checker = Checker::new(CheckOptions {
        timeout: args.timeout,
        pings: args.count,
        max_sockets: descriptors::for_checks(),
        addresses: args.addresses.policy(),
        quic_port: Some(QUIC_PORT),
        ..CheckOptions::default()
    });
    let output = OutputArgs { json: args.json, debug: args.debug, fail_on: FailOn::Any };
    runtime::single_threaded()?.block_on(async {
        let exit = check_once(&checker, &[peer], args.relay, &output).await;
        checker.wait_closed().await;
        exit
    })
}

/// The peer as a probe of the hub checks it.
async fn peer_of(store: &Store, target: Target) -> anyhow::Result<Peer> {
    // The operator entered them at this hub, or another operator at the primary.
    let origin = match store.instance().await?.role {
        Role::Dependent => Origin::Remote,
        Role::Standalone | Role::Primary => Origin::Local,
    };
    let entry = match target {
        Target::Node(id) => Admin::new(store.clone()).node(id).await.map_err(|error| match error {
            ServiceError::Store(StoreError::NotFound(_)) => anyhow!("there is no peer {id}; see 'hub peer list'"),
            error => error.into(),
        })?,
        Target::Url(url) => match known(store, &url).await? {
            Some(entry) => entry,
            None => return Ok(Peer::local(0, url)),
        },
    };
    let peer = entry.to_check(origin);
    // As for a URL on the command line: it is not printed twice.
    let name = peer.name.filter(|name| !peer.url.is_written_as(name));
    Ok(Peer { name, ..peer })
}

/// The peer with this URL, if there is one.
async fn known(store: &Store, url: &PeerUrl) -> anyhow::Result<Option<Entry>> {
    let filter = PeerFilter { approved: None, node: NodeFilter::default(), order: PeerOrder::OldestFirst };
    let everything = PageRequest { page: 1, per_page: u32::MAX };
    let peers = store.peers(&filter, everything).await?.items;
    let mut with_url: Vec<Entry> = peers.into_iter().filter(|peer| peer.spec.url == *url).map(Entry::Peer).collect();
    if let [_, _, ..] = &with_url[..] {
        let ids: Vec<NodeId> = with_url.iter().map(Entry::id).collect();
        bail!("several peers have this URL, in other networks; name one of them: {}", joined(&ids));
    }
    Ok(with_url.pop())
}
