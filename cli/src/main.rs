//! `easytier-uptime`: checks EasyTier nodes and tells which of them work.

mod args;
mod check;
mod completions;
mod duration;
mod exit;
mod logging;
mod network;
mod node;
mod text;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    exit::report(args::Cli::parse().command.run())
}
