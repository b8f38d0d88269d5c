//! `demo`: nodes, a hub and probes on this machine, and a node that goes down and comes back. The hub also has a history that is
//! made up.

mod hub;
mod node;
mod probe;
mod show;
mod simulation;
mod stage;

use std::time::Duration;

use clap::Args;
use easytier_uptime_config::duration;
use tokio::time::{self, MissedTickBehavior};

use self::{hub::DemoHub, show::Show, stage::Stage};
use crate::{exit::Exit, logging, runtime, stop};

const EXAMPLES: &str = "\
Examples:
  easytier-uptime demo
  easytier-uptime demo --stay            goes on until Ctrl-C, to explore the pages

Exit codes:
  0  all results were as expected
  1  a result was not as expected
  2  the demo could not be started";

/// Demonstrates the system on this machine: three nodes, a hub with its pages, and three probes that see one of the nodes go
/// down and come back
///
/// The nodes are real EasyTier nodes, in processes of this program. Every few seconds the probes fetch them from the hub over
/// HTTP, check them, and report. The hub's view is printed, and shown on its pages, whose address is printed first. Two of
/// the probes simulate remote regions: they check from this machine and add latency. The pages also show nodes that do not
/// exist, with a history of 30 days that is made up; the pages say so. Everything listens at 127.0.0.1 and is removed at the
/// end.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DemoArgs {
    /// Number of cycles: a third with all nodes up, a third with one of them down, the rest with it up again
    #[arg(long, value_name = "N", default_value = "9", value_parser = clap::value_parser!(u32).range(3..=100_000))]
    cycles: u32,
    /// Time from one cycle to the next. A node is joined at most once a second, so a cycle takes two seconds
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = duration::parse_positive)]
    interval: Duration,
    /// Goes on after the last cycle, until Ctrl-C
    #[arg(long)]
    stay: bool,
}

pub fn run(args: DemoArgs) -> anyhow::Result<Exit> {
    logging::start_with_warnings()?;
    let runtime = runtime::single_threaded()?;
    runtime.block_on(async {
        let stop = stop::requested(false)?;
        tokio::pin!(stop);
        let mut show = Show::new();
        // Ctrl-C has priority: in a terminal it ends the nodes as well, and that must not be reported as a failure.
        let setting_up = async {
            let hub = DemoHub::start().await?;
            show.print_address(&hub)?;
            Stage::set_up(hub, args.interval).await
        };
        let mut stage = tokio::select! {
            biased;
            () = &mut stop => return Ok(Exit::Success),
            stage = setting_up => stage?,
        };
        tokio::select! {
            biased;
            () = &mut stop => show.interrupted()?,
            outcome = run_cycles(&args, &mut stage, &mut show) => outcome?,
        }
        stage.tear_down().await?;
        show.end()
    })
}

async fn run_cycles(args: &DemoArgs, stage: &mut Stage, show: &mut Show) -> anyhow::Result<()> {
    show.print_introduction(stage)?;
    let (goes_down, comes_back) = (args.cycles / 3 + 1, args.cycles / 3 * 2 + 1);
    let mut rounds = time::interval(args.interval);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 1.. {
        if number == args.cycles + 1 {
            show.finished();
            if !args.stay {
                return Ok(());
            }
            show.staying(&stage.hub)?;
        }
        rounds.tick().await;
        if number == goes_down {
            stage.stop_carol().await?;
            show.carol_stopped()?;
        }
        if number == comes_back {
            stage.start_carol().await?;
            show.carol_started(stage)?;
        }
        let mut reports = Vec::new();
        for probe in &stage.probes {
            reports.push(probe.cycle().await);
        }
        show.cycle(number, &reports, stage).await?;
    }
    Ok(())
}
