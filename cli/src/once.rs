//! `once`: one cycle. Fetches the peers, checks each, reports, and ends: for cron and CI.

mod faults;
mod json;
mod junit;
mod kept;
mod markdown;
mod output;
mod plan;
mod summary;
mod text;

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use easytier_probe::{Checker, CycleOptions, CycleReport, Status, run_cycle};
use easytier_uptime_config::duration;

use self::{kept::Kept, output::Output, plan::Plan};
use crate::{
    exit::{Exit, FailOn},
    logging,
    results::Checked,
    runtime,
    settings::SettingFlags,
};

const EXAMPLES: &str = "\
Examples:
  From cron, every five minutes (with BACKEND_BASE_URL and NODE_TOKEN in the environment):
    easytier-uptime once --check-interval 5m
  In CI, a list of nodes and no backend:
    easytier-uptime once --peers nodes.txt --format junit --output nodes.xml
  What would be reported?
    easytier-uptime once --backend-base-url https://hub.example.com --dry-run --format json

Settings are read from flags, the environment, a .env file in the working directory, and the file
of --config, in this order. On GitHub Actions the results are appended to the job's summary as well.

Exit codes:
  0  all peers online
  1  some peer not online (see --fail-on), or not checked within --budget
  2  bad usage or configuration; also when the backend refuses the credentials
  3  the backend is out of reach; what was checked is in the output all the same";

/// Runs one cycle: fetches the peers, checks each, reports, and ends; for cron and CI
///
/// The peers are those that the backend lists for this probe's region, and the results go back to it, or those of a
/// list. Nothing is kept between runs.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct OnceArgs {
    /// Check the peers of this list instead of a backend's: URLs one a line, TOML ([[peers]] tables), or a backend's
    /// JSON; '-' reads standard input. Nothing is reported, because the list's numbers mean nothing to a backend
    #[arg(long, short, value_name = "FILE")]
    peers: Option<PathBuf>,
    /// The ids in the list are the backend's, as in its own answer to GET /peers: report the results to it
    #[arg(long, requires = "peers", conflicts_with = "dry_run")]
    report: bool,
    /// Check, and report nothing
    #[arg(long)]
    dry_run: bool,
    /// The time to the next run, from which the backend knows when this one's word is stale
    #[arg(long, value_name = "DURATION", default_value = "3600s", value_parser = duration::parse_positive)]
    check_interval: Duration,
    /// The time of the whole cycle. Checking stops early enough to report within it
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
    /// The form of the results
    #[arg(long, short, value_name = "FORMAT", value_enum, default_value = "text")]
    format: Format,
    /// Write the results to this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Which outcome makes the exit code 1
    #[arg(long, value_name = "WHICH", value_enum, default_value = "any")]
    fail_on: FailOn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table
    Text,
    /// One object: 'cycle', and 'peers' with every result
    Json,
    /// A test case a peer
    Junit,
    /// A table for a web page or a comment
    Markdown,
}

/// What came of the cycle.
struct Outcome {
    cycle: CycleReport,
    /// By the peers' ids.
    peers: Vec<Checked>,
    reporting: Reporting,
}

/// Where results go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reporting {
    ToBackend,
    DryRun,
    /// The peers are those of a list, which means nothing to a backend.
    ListOnly,
}

pub fn run(args: OnceArgs) -> anyhow::Result<Exit> {
    let OnceArgs {
        peers,
        report,
        dry_run,
        check_interval,
        budget,
        output: OutputArgs { format, output, fail_on },
        settings,
    } = args;
    let plan = Plan::new(settings, peers.as_deref(), report, dry_run)?;
    // Before the checks, so that they are not in vain.
    let output = Output::open(output)?;
    logging::start(&plan.log);

    let options = CycleOptions {
        budget,
        concurrency: plan.concurrency,
        server_id: Some(plan.server_id),
        check_interval,
        ..CycleOptions::default()
    };
    let (mut source, sink, reporting) = (plan.source, plan.sink, plan.reporting);
    let mut kept = Kept::default();
    let runtime = runtime::of_one_thread()?;
    let cycle = runtime.block_on(async {
        let checker = Checker::new(plan.checks);
        run_cycle(&mut source, &checker, &sink, &options, |peer, report| kept.add(peer, report)).await
    });
    let outcome = Outcome { cycle, peers: kept.into_checked(), reporting };

    // All that can be told is told before an output that cannot be written ends the command.
    let written = output.write(&outcome, format);
    if let Err(error) = output::append_to_step_summary(&outcome) {
        anstream::eprintln!("warning: {error:#}");
    }
    if output.is_file() || format != Format::Text {
        summary::lines(&outcome).iter().for_each(|line| anstream::eprintln!("{line}"));
    }
    let faults = faults::of(&outcome.cycle);
    faults.iter().for_each(|fault| anstream::eprintln!("error: {}", fault.words));
    written?;
    Ok(faults::worst(&faults).unwrap_or_else(|| outcome.verdict(fail_on)))
}

impl Outcome {
    fn verdict(&self, fail_on: FailOn) -> Exit {
        let checked = self.peers.iter().map(|peer| peer.report.result.status);
        // Peers that were not checked were not found online.
        let unchecked = (!self.cycle.complete).then_some(Status::Unknown);
        Exit::of_checks(checked.chain(unchecked), fail_on)
    }
}
