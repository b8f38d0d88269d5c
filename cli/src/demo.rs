//! `demo`: real nodes, a hub and probes on this machine, and a node that goes down and comes back.

mod hub;
mod node;
mod probe;
mod show;
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
  easytier-uptime demo --cycles 300      a quarter of an hour, to look around on the pages

Exit codes:
  0  what was seen is what should have been seen, as far as the demo got
  1  it is not
  2  the demo could not be set up";

/// Shows the whole on this machine alone: three nodes, a hub with its pages, and three probes that see one of the nodes
/// go down and come back
///
/// The nodes are real EasyTier nodes, processes of this same program. The probes fetch them from the hub over HTTP,
/// check them, and report, every few seconds; what is shown is what the hub says, here and on its pages, whose address
/// is printed first. Two of the probes are in regions that are simulated: they check from here as well, and add to the
/// round trips what a distance would. Everything is at 127.0.0.1, and gone at the end.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DemoArgs {
    /// How many cycles to run: a third with all nodes up, a third with one of them down, the rest with it up again
    #[arg(long, value_name = "N", default_value = "9", value_parser = clap::value_parser!(u32).range(3..=100_000))]
    cycles: u32,
    /// The time from one cycle to the next. A node is not joined more often than every second, so that a cycle takes two
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = duration::parse_positive)]
    interval: Duration,
}

pub fn run(args: DemoArgs) -> anyhow::Result<Exit> {
    logging::start_with_warnings();
    let runtime = runtime::of_one_thread()?;
    runtime.block_on(async {
        let stop = stop::requested(false)?;
        tokio::pin!(stop);
        let mut show = Show::new();
        // In both cases Ctrl-C goes first: in a terminal it ends the nodes as well, which is no news then.
        let setting = async {
            let hub = DemoHub::start().await?;
            show.address(&hub)?;
            Stage::set(hub, args.interval).await
        };
        let mut stage = tokio::select! {
            biased;
            () = &mut stop => return Ok(Exit::Success),
            stage = setting => stage?,
        };
        tokio::select! {
            biased;
            () = &mut stop => show.interrupted()?,
            outcome = play(&args, &mut stage, &mut show) => outcome?,
        }
        stage.clear().await?;
        show.end()
    })
}

async fn play(args: &DemoArgs, stage: &mut Stage, show: &mut Show) -> anyhow::Result<()> {
    show.opens(stage)?;
    let (goes_down, comes_back) = (args.cycles / 3 + 1, args.cycles / 3 * 2 + 1);
    let mut rounds = time::interval(args.interval);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 1..=args.cycles {
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
    show.finished();
    Ok(())
}
