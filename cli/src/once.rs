//! `once`: fetches the peers, checks each, reports, and ends.

mod collected;
mod faults;
mod json;
mod junit;
mod markdown;
mod output;
mod setup;
mod summary;
mod text;

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use easytier_probe::{CheckReport, Checker, CycleOptions, CycleReport, Peer, Status, run_cycle};
use easytier_uptime_config::duration;

use self::{collected::Collected, output::Output, setup::Setup};
use crate::{
    exit::{Exit, FailOn},
    peer_list::InvalidPeers,
    print,
    results::Checked,
    runtime,
    settings::SettingFlags,
    telemetry,
};

const EXAMPLES: &str = "\
Examples:
  From cron, every five minutes (with BACKEND_BASE_URL and NODE_TOKEN in the environment):
    easytier-uptime once --check-interval 5m
  In CI, with a list of nodes and without a backend:
    easytier-uptime once --peers nodes.txt --format junit --output nodes.xml
  Without reporting:
    easytier-uptime once --backend-base-url https://hub.example.com --dry-run --format json

Settings are read from flags, the environment, a .env file in the working directory, and the file
of --config, in this order. On GitHub Actions the results are also appended to the job summary,
and the step gets the outputs online, offline and unknown: the numbers of peers.

Exit codes:
  0  all peers online
  1  a peer is not online (see --fail-on), or was not checked within --budget
  2  bad usage or configuration, or the backend refused the credentials
  3  the backend is unreachable; the output has the results of the checks nevertheless";

/// Runs one cycle and ends, for cron and CI: fetches the peers, checks each, reports the results
///
/// The peers are those that the backend lists for this probe's region, or those of a list. Results are reported to the
/// backend. Nothing is kept between runs.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct OnceArgs {
    /// Check the peers of this list, in a file or at an http(s) URL, instead of a backend's: URLs, JSON, TOML, CSV, an
    /// EasyTier configuration or command line; '-' reads standard input. Nothing is reported, because a backend does not
    /// know the IDs in the list
    #[arg(long, short, value_name = "FILE|URL")]
    peers: Option<PathBuf>,
    #[command(flatten)]
    invalid: InvalidPeers,
    /// Report the results of --peers: the IDs in the list are those of the backend, as in its response to GET /peers
    #[arg(long, requires = "peers", conflicts_with = "dry_run")]
    report: bool,
    /// Check, but report nothing
    #[arg(long)]
    dry_run: bool,
    /// Time until the next run; the backend derives from it when the results are out of date
    #[arg(long, value_name = "DURATION", default_value = "3600s", value_parser = duration::parse_positive)]
    check_interval: Duration,
    /// Maximum duration of the whole cycle; checking stops early enough to report within it
    #[arg(long, value_name = "DURATION", default_value = "300s", value_parser = duration::parse_positive)]
    budget: Duration,

    #[command(flatten)]
    output: OutputArgs,

    #[command(flatten)]
    settings: SettingFlags,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
struct OutputArgs {
    /// Format of the results
    #[arg(long, short, value_name = "FORMAT", value_enum, default_value = "text")]
    format: Format,
    /// Write the results to this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Which results make the exit code 1
    #[arg(long, value_name = "WHICH", value_enum, default_value = "any")]
    fail_on: FailOn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table
    Text,
    /// One object: 'cycle', and 'peers' with all results
    Json,
    /// One test case per peer
    Junit,
    /// A table for a web page or a comment
    Markdown,
}

/// The outcome of the cycle.
struct Outcome {
    cycle: CycleReport,
    /// In the order of the peers' ids.
    peers: Vec<Checked>,
    reporting: Reporting,
}

/// Where results are reported to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reporting {
    ToBackend,
    DryRun,
    /// Nowhere: a backend does not know the ids of the list.
    ListOnly,
}

pub fn run(args: OnceArgs) -> anyhow::Result<Exit> {
    let OnceArgs {
        peers,
        invalid,
        report,
        dry_run,
        check_interval,
        budget,
        output: OutputArgs { format, output, fail_on },
        settings,
    } = args;
    let setup = Setup::new(settings, peers.as_deref().map(|path| (path, invalid)), report, dry_run)?;
    // An output file that cannot be written must fail before the checks.
    let output = Output::open(output)?;
    let runtime = runtime::single_threaded()?;
    let (_, telemetry) = telemetry::start(&setup.log, "easytier-uptime-once", runtime.handle())?;

    let options = CycleOptions {
        budget,
        self_check: Some(setup.self_check),
        server_id: setup.server_id,
        check_interval,
        ..CycleOptions::default()
    };
    let (mut source, sink, reporting) = (setup.source, setup.sink, setup.reporting);
    let mut collected = Collected::default();
    let cycle = runtime.block_on(async {
        let checker = Checker::new(setup.checks);
        let report = |peer: &Peer, report: &CheckReport| collected.add(peer, report);
        let cycle = run_cycle(&mut source, &checker, &sink, &options, report).await;
        checker.wait_closed().await;
        telemetry::finish(telemetry).await;
        cycle
    });
    let outcome = Outcome { cycle, peers: collected.into_checked()?, reporting };

    // If the output cannot be written, the command fails after all other messages.
    let written = output.write(&outcome, format);
    for append in [output::append_to_step_summary, output::append_to_step_output] {
        if let Err(error) = append(&outcome) {
            print::note(format_args!("warning: {error:#}"));
        }
    }
    if output.is_file() || format != Format::Text {
        summary::lines(&outcome).iter().for_each(print::note);
    }
    let faults = faults::of(&outcome.cycle);
    faults.iter().for_each(|fault| print::note(format_args!("error: {}", fault.message)));
    written?;
    Ok(faults::exit_of(&faults).unwrap_or_else(|| outcome.exit(fail_on)))
}

impl Outcome {
    fn exit(&self, fail_on: FailOn) -> Exit {
        let checked = self.peers.iter().map(|peer| peer.report.result.status);
        // Peers that were not checked count as unknown.
        let unchecked = (!self.cycle.complete).then_some(Status::Unknown);
        Exit::of_checks(checked.chain(unchecked), fail_on)
    }
}
