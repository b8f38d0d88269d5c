//! The command line as a whole; each command's options are in its own module.

use std::sync::LazyLock;

use clap::{CommandFactory, Parser, Subcommand};

use crate::{
    check::CheckArgs, completions::CompletionsArgs, daemon::DaemonArgs, demo::DemoArgs, exit::Exit, health::HealthArgs,
    hub::HubArgs, man::ManArgs, node::NodeArgs, once::OnceArgs, standalone::StandaloneArgs,
};

static VERSION: LazyLock<String> =
    LazyLock::new(|| format!("{} (speaks EasyTier {})", env!("CARGO_PKG_VERSION"), easytier_probe::EASYTIER_VERSION));

const EXAMPLES: &str = "\
Examples:
  easytier-uptime check tcp://192.0.2.7:11010       is this node up, how fast, which version?
  easytier-uptime check --file nodes.txt --json     a whole list, for a program to read
  easytier-uptime                                   a hub with a built-in probe: start here
  easytier-uptime daemon                            a long-running probe that reports to a hub
  easytier-uptime once                              one cycle, for cron and CI: fetch, check, report
  easytier-uptime hub                               stores what probes report, and serves pages and an API
  easytier-uptime demo                              nodes, a hub and probes on this machine
  easytier-uptime node --listen tcp://127.0.0.1:0   a node to test with

'easytier-uptime help <COMMAND>' explains a command and all its options.";

/// Monitors EasyTier nodes: checks them by speaking the EasyTier protocol, and shows which of them work.
///
/// A check sets up no VPN and needs no privileges.
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
    Man(ManArgs),
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
            Self::Completions(args) => crate::completions::run(args, Cli::command()),
            Self::Man(args) => crate::man::run(&args, Cli::command()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_option_has_a_help_text() {
        fn assert_documented(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for option in command.get_arguments() {
                assert!(option.get_help().is_some(), "{} {}", command.get_name(), option.get_id());
            }
            command.get_subcommands().for_each(assert_documented);
        }
        assert_documented(&Cli::command());
    }
}
