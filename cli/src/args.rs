//! The command line as a whole; each command's options are in its own module.

use std::sync::LazyLock;

use clap::{Parser, Subcommand};

use crate::{
    check::CheckArgs, completions::CompletionsArgs, daemon::DaemonArgs, demo::DemoArgs, exit::Exit, health::HealthArgs,
    hub::HubArgs, node::NodeArgs, once::OnceArgs, standalone::StandaloneArgs,
};

static VERSION: LazyLock<String> =
    LazyLock::new(|| format!("{} (speaks EasyTier {})", env!("CARGO_PKG_VERSION"), easytier_probe::EASYTIER_VERSION));

const EXAMPLES: &str = "\
Examples:
  easytier-uptime check tcp://192.0.2.7:11010       is this node up, how fast, which version?
  easytier-uptime check --file nodes.txt --json     a whole list, for a program to read
  easytier-uptime                                   a hub that checks by itself: start here
  easytier-uptime daemon                            a probe that runs for months and reports to a hub
  easytier-uptime once                              one cycle, for cron and CI: fetch, check, report
  easytier-uptime hub                               keeps what probes report, and tells everybody
  easytier-uptime demo                              see it all at work, on this machine alone
  easytier-uptime node --listen tcp://127.0.0.1:0   a node of one's own to try things on

'easytier-uptime help <COMMAND>' explains a command and all its options.";

/// Watches EasyTier nodes: checks them by speaking their own protocol, and tells which of them work.
///
/// No VPN is set up for a check, and no privileges are needed.
#[derive(Debug, Parser)]
#[command(
    name = "easytier-uptime",
    version = VERSION.as_str(),
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true
)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    standalone: StandaloneArgs,
}

impl Cli {
    pub fn run(self) -> anyhow::Result<Exit> {
        match self.command {
            Some(command) => command.run(),
            None => crate::standalone::run(self.standalone),
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(CheckArgs),
    Once(OnceArgs),
    Daemon(DaemonArgs),
    Hub(HubArgs),
    Health(HealthArgs),
    Demo(DemoArgs),
    Node(NodeArgs),
    Completions(CompletionsArgs),
}

impl Command {
    fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Check(args) => crate::check::run(args),
            Self::Once(args) => crate::once::run(args),
            Self::Daemon(args) => crate::daemon::run(args),
            Self::Hub(args) => crate::hub::run(args),
            Self::Health(args) => crate::health::run(args),
            Self::Demo(args) => crate::demo::run(args),
            Self::Node(args) => crate::node::run(args),
            Self::Completions(args) => crate::completions::run(args),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }

    /// clap shows an option without help as a bare name, which helps nobody.
    #[test]
    fn every_option_is_documented() {
        for command in super::Cli::command().get_subcommands() {
            for option in command.get_arguments() {
                assert!(option.get_help().is_some(), "{} {}", command.get_name(), option.get_id());
            }
        }
    }
}
