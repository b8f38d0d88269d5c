//! `easytier-uptime`: checks EasyTier nodes and tells which of them work.

mod args;
mod check;
mod completions;
mod demo;
mod descriptors;
mod exit;
mod hub;
mod logging;
mod network;
mod node;
mod once;
mod peer_list;
mod results;
mod settings;
mod stop;
mod text;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    descriptors::raise();
    exit::report(args::Cli::parse().command.run())
}
