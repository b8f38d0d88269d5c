//! `check`: checks peers named on the command line, once or round after round.

mod json;
mod peers;
mod progress;
mod rounds;

use std::{io::Write, path::PathBuf, time::Duration};

use clap::{ArgAction, Args, builder::BoolishValueParser};
use easytier_probe::{AddressPolicy, CheckOptions, CheckReport, Checker, Peer};
use easytier_uptime_config::duration;
use futures::{
    StreamExt,
    stream::{self, LocalBoxStream},
};
use tokio::time::Instant;

use crate::{
    exit::{Exit, FailOn},
    logging,
    network::NetworkArgs,
    results::{Checked, summary, table},
    runtime,
};

const EXAMPLES: &str = "\
Examples:
  A shared node, as the strangers who use it see it:
    easytier-uptime check tcp://192.0.2.7:11010
  A node of your own network:
    NETWORK_SECRET=... easytier-uptime check --network-name home udp://[2001:db8::7]:11010
  A list, one URL a line ('#' begins a comment), as JSON:
    easytier-uptime check --file nodes.txt --json
  Every 10 seconds until Ctrl-C:
    easytier-uptime check --interval 10s wss://node.example.com
  Why is it offline?
    easytier-uptime check --debug tcp://192.0.2.7:11010

Exit codes:
  0  all peers online
  1  some peer not online (see --fail-on)
  2  the command could not be carried out: bad usage, an invalid URL, an unreadable file";

/// Checks EasyTier nodes and tells which of them work
///
/// A node is online when it admits us and answers a ping. Without a secret it is checked as a guest: in a throw-away
/// network of a random name, which is how strangers use a shared node. With a secret it is checked as a member of its
/// own network; the one that a file names for a peer goes before the one named here.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CheckArgs {
    /// The peers to check, as URLs: tcp, udp, ws, wss, wg, quic for a node; http, https, txt, srv for what lists
    /// nodes, which is online when any of them is. '-' reads a list from standard input
    #[arg(value_name = "URL", required_unless_present = "file")]
    urls: Vec<String>,
    /// Read peers from a file: one URL a line, TOML ([[peers]] tables), or the JSON of a hub. May be repeated
    #[arg(long, short, value_name = "PATH")]
    file: Vec<PathBuf>,

    #[command(flatten)]
    network: NetworkArgs,

    #[command(flatten)]
    probing: ProbingArgs,

    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Checking")]
struct ProbingArgs {
    /// Stop at a valid answer to the handshake: for private nodes whose secret you don't have
    #[arg(long)]
    handshake_only: bool,
    /// Pings of one check; the latency shown is their median
    #[arg(long, short, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u32).range(1..=100))]
    count: u32,
    /// Deadline of one check, all its stages together: whole seconds, or 500ms, 30s, 5m, 24h
    #[arg(long, short, value_name = "DURATION", default_value = "5s", value_parser = duration::parse_positive)]
    timeout: Duration,
    /// Check again and again, this far apart, until Ctrl-C; the exit code is that of the last results
    #[arg(long, short, value_name = "DURATION", value_parser = duration::parse_positive)]
    interval: Option<Duration>,
    /// How many peers are checked at the same time
    #[arg(long, value_name = "N", default_value = "512", value_parser = clap::value_parser!(u16).range(1..))]
    concurrency: u16,
    /// Let http, https, txt and srv peers lead to this machine, its link or a cloud's metadata service. What you name
    /// yourself is always allowed
    #[arg(
        long, env = "ALLOW_LOCAL_PEERS", value_name = "BOOL", default_value = "false", default_missing_value = "true",
        num_args = 0..=1, require_equals = true, action = ArgAction::Set, value_parser = BoolishValueParser::new(),
    )]
    allow_local_peers: bool,
    /// Let http, https, txt and srv peers lead to private networks
    #[arg(
        long, env = "ALLOW_PRIVATE_PEERS", value_name = "BOOL", default_value = "true", default_missing_value = "true",
        num_args = 0..=1, require_equals = true, action = ArgAction::Set, value_parser = BoolishValueParser::new(),
    )]
    allow_private_peers: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
struct OutputArgs {
    /// Print one JSON array with an object for each peer; with --interval one object a line
    #[arg(long)]
    json: bool,
    /// Show on stderr what each check sends and receives, and when; secrets are left out
    #[arg(long)]
    debug: bool,
    /// Which outcome makes the exit code 1
    #[arg(long, value_name = "WHICH", value_enum, default_value = "any")]
    fail_on: FailOn,
}

pub fn run(args: CheckArgs) -> anyhow::Result<Exit> {
    let CheckArgs { urls, file, network, probing, output } = args;
    let mut peers = peers::gather(&urls, &file)?;
    peers::apply(&mut peers, network.membership()?, probing.handshake_only);

    if output.debug {
        logging::trace_checks();
    }
    let checker = Checker::new(probing.options());
    let runtime = runtime::of_one_thread()?;
    runtime.block_on(async {
        match probing.interval {
            None => check_once(&checker, &peers, &probing, &output).await,
            Some(interval) => rounds::run(&checker, &peers, interval, &probing, &output).await,
        }
    })
}

impl ProbingArgs {
    fn options(&self) -> CheckOptions {
        CheckOptions {
            timeout: self.timeout,
            pings: self.count,
            addresses: AddressPolicy { allow_private: self.allow_private_peers, allow_local: self.allow_local_peers },
            ..CheckOptions::default()
        }
    }
}

async fn check_once(
    checker: &Checker,
    peers: &[Peer],
    probing: &ProbingArgs,
    output: &OutputArgs,
) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let progress = progress::bar(peers.len(), output.debug);
    let mut checked: Vec<Option<Checked>> = vec![None; peers.len()];
    let mut results = check_all(checker, peers, probing.concurrency);
    while let Some((index, report)) = results.next().await {
        progress.inc(1);
        checked[index] = Some(Checked::new(&peers[index], report));
    }
    progress.finish_and_clear();
    let took = started.elapsed();

    // Every peer yields exactly one report.
    let checked: Vec<Checked> = checked.into_iter().flatten().collect();
    let mut stdout = anstream::stdout().lock();
    if output.json {
        json::write_array(&mut stdout, &checked)?;
    } else {
        writeln!(stdout, "{}", table::of(&checked))?;
    }
    stdout.flush()?;
    let statuses = || checked.iter().map(|peer| peer.report.result.status);
    anstream::eprintln!("{}", summary::line(statuses(), took));
    Ok(Exit::of_checks(statuses(), output.fail_on))
}

/// Checks every peer, at most `concurrency` of them at a time; the results come as they are ready, each with the
/// position of its peer. Only the checks in flight take memory.
fn check_all<'a>(
    checker: &'a Checker,
    peers: &'a [Peer],
    concurrency: u16,
) -> LocalBoxStream<'a, (usize, CheckReport)> {
    stream::iter(peers.iter().enumerate())
        .map(move |(index, peer)| async move { (index, checker.check(peer).await) })
        .buffer_unordered(concurrency.into())
        .boxed_local()
}
