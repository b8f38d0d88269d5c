//! `check`: checks peers named on the command line, once or repeatedly.

mod addresses;
mod from_hub;
mod peers;
mod progress;
mod rounds;

use std::{io::Write, path::PathBuf, time::Duration};

use anyhow::Context;
use clap::Args;
use easytier_probe::{CheckOptions, CheckReport, Checker, Peer, backend::BaseUrl, peer_url::without_secrets};
use easytier_uptime_config::{QUIC_PORT, duration};
use futures::{
    StreamExt,
    stream::{self, LocalBoxStream},
};
use tokio::time::Instant;

pub use self::addresses::AddressArgs;
use crate::{
    descriptors,
    exit::{Exit, FailOn},
    logging,
    network::NetworkArgs,
    peer_list::InvalidPeers,
    print,
    results::{Checked, json, summary, table},
    runtime,
};

const EXAMPLES: &str = "\
Examples:
  A shared node, as a guest:
    easytier-uptime check tcp://192.0.2.7:11010
  A node of your own network:
    NETWORK_SECRET=... easytier-uptime check --network-name home udp://[2001:db8::7]:11010
  A list with one URL per line ('#' begins a comment), as JSON:
    easytier-uptime check --file nodes.txt --json
  Every 10 seconds until Ctrl-C:
    easytier-uptime check --interval 10s wss://node.example.com
  Does it relay data?
    easytier-uptime check --relay tcp://192.0.2.7:11010
  Is it reachable from elsewhere? (API_KEY is a key of the hub with the scope 'checks')
    API_KEY=... easytier-uptime check --hub https://uptime.example.com --from eu,asia tcp://192.0.2.7:11010
  Why is it offline?
    easytier-uptime check --debug tcp://192.0.2.7:11010

Exit codes:
  0  all peers online
  1  a peer is not online (see --fail-on)
  2  nothing was checked: bad usage, an invalid URL, an unreadable file";

/// Checks EasyTier nodes and shows which of them work
///
/// A node is online if it admits the probe and answers a ping. Without a secret it is checked as a guest: in a temporary
/// network with a random name, as anybody uses a shared node. With a secret it is checked as a member of its own network.
/// A network that a list names for a peer takes precedence over the options.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CheckArgs {
    /// Peers to check: a tcp, udp, ws, wss, wg or quic URL of a node; an http, https, txt or srv URL that leads to nodes,
    /// and is online if one of them is; or '-' for a list on standard input
    #[arg(value_name = "URL", required_unless_present = "file")]
    urls: Vec<String>,
    /// Read peers from a list in any form, in a file or at an http(s) URL: URLs, JSON, TOML, CSV, an EasyTier configuration
    /// or command line (repeatable)
    #[arg(long, short, value_name = "PATH|URL")]
    file: Vec<PathBuf>,
    #[command(flatten)]
    invalid: InvalidPeers,

    #[command(flatten)]
    network: NetworkArgs,

    #[command(flatten)]
    probing: ProbingArgs,

    #[command(flatten)]
    elsewhere: ElsewhereArgs,

    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Checking from elsewhere")]
struct ElsewhereArgs {
    /// Have probes of a hub check the peers: names of regions, or server IDs of probes, with commas between them; at most 6.
    /// The hub's key is read from the environment variable API_KEY
    #[arg(
        long, value_name = "REGION|ID", value_delimiter = ',', requires = "hub",
        conflicts_with_all = ["handshake_only", "relay", "interval", "count", "debug"],
    )]
    from: Vec<String>,
    /// The hub whose probes --from names
    #[arg(long, env = "BACKEND_BASE_URL", value_name = "URL")]
    hub: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Checking")]
struct ProbingArgs {
    /// Stop after a valid handshake response, for private nodes whose secret you don't have
    #[arg(long)]
    handshake_only: bool,
    /// Test also whether the nodes relay data between two guests; this takes two more sessions
    #[arg(long, conflicts_with_all = ["handshake_only", "interval"])]
    relay: bool,
    /// Number of pings in one check; the latency shown is their median
    #[arg(long, short, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u32).range(1..=100))]
    count: u32,
    /// Deadline of one check, all stages together: whole seconds, or 500ms, 30s, 5m, 24h
    #[arg(long, short, value_name = "DURATION", default_value = "5s", value_parser = duration::parse_positive)]
    timeout: Duration,
    /// Repeat the checks at this interval until Ctrl-C; the latest results decide the exit code
    #[arg(long, short, value_name = "DURATION", value_parser = duration::parse_positive)]
    interval: Option<Duration>,
    /// Maximum number of concurrent checks
    #[arg(long, value_name = "N", default_value = "512", value_parser = clap::value_parser!(u16).range(1..))]
    concurrency: u16,
    #[command(flatten)]
    addresses: AddressArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Print a JSON array with an object for each peer; with --interval one object per line
    #[arg(long)]
    pub json: bool,
    /// Log on stderr what each check sends and receives, without secrets
    #[arg(long)]
    pub debug: bool,
    /// Which results make the exit code 1
    #[arg(long, value_name = "WHICH", value_enum, default_value = "any")]
    pub fail_on: FailOn,
}

pub fn run(args: CheckArgs) -> anyhow::Result<Exit> {
    let CheckArgs { urls, file, invalid, network, probing, elsewhere, output } = args;
    let mut peers = peers::gather(&urls, &file, invalid)?;
    peers::apply(&mut peers, network.membership()?, probing.handshake_only);

    if let Some(hub) = elsewhere.hub.filter(|_| !elsewhere.from.is_empty()) {
        let hub: BaseUrl = hub.parse().with_context(|| format!("--hub: {}", without_secrets(&hub)))?;
        return from_hub::run(&peers, &hub, &elsewhere.from, probing.timeout, &output);
    }
    if output.debug {
        logging::trace_checks();
    }
    let checker = Checker::new(probing.options());
    let runtime = runtime::single_threaded()?;
    runtime.block_on(async {
        let exit = match probing.interval {
            None => check_once(&checker, &peers, probing.relay, &output).await,
            Some(interval) => rounds::run(&checker, &peers, interval, &output).await,
        };
        checker.wait_closed().await;
        exit
    })
}

impl ProbingArgs {
    fn options(&self) -> CheckOptions {
        CheckOptions {
            timeout: self.timeout,
            pings: self.count,
            max_checks: self.concurrency.into(),
            max_sockets: descriptors::for_checks(),
            addresses: self.addresses.policy(),
            quic_port: Some(QUIC_PORT),
            ..CheckOptions::default()
        }
    }
}

/// Checks all peers, and prints what was found.
pub async fn check_once(checker: &Checker, peers: &[Peer], relay: bool, output: &OutputArgs) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let progress = progress::bar(peers.len(), output.debug);
    let mut checked: Vec<Option<Checked>> = vec![None; peers.len()];
    let mut results = check_all(checker, peers, relay);
    while let Some((index, report)) = results.next().await {
        progress.inc(1);
        checked[index] = Some(Checked::new(&peers[index], report));
    }
    progress.finish_and_clear();
    let took = started.elapsed();

    // Every peer has exactly one report.
    let checked: Vec<Checked> = checked.into_iter().flatten().collect();
    let mut stdout = anstream::stdout().lock();
    if output.json {
        json::write_array(&mut stdout, &checked)?;
        writeln!(stdout)?;
    } else {
        writeln!(stdout, "{}", table::of(&checked))?;
    }
    stdout.flush()?;
    let statuses = || checked.iter().map(|peer| peer.report.result.status);
    print::note(summary::line(statuses(), took));
    Ok(Exit::of_checks(statuses(), output.fail_on))
}

/// Checks every peer, as many at a time as `checker` can, and tests whether it relays, if that is wanted. The stream yields
/// each report, with the position of its peer, as soon as the check ends.
fn check_all<'a>(checker: &'a Checker, peers: &'a [Peer], relay: bool) -> LocalBoxStream<'a, (usize, CheckReport)> {
    let check = async move |peer| match relay {
        true => checker.check_with_relay(peer).await,
        false => checker.check(peer).await,
    };
    stream::iter(peers.iter().enumerate())
        .map(move |(index, peer)| async move { (index, check(peer).await) })
        .buffer_unordered(checker.max_checks())
        .boxed_local()
}
