//! `easytier-uptime`: checks EasyTier nodes and shows which of them work.

mod args;
mod check;
mod check_plan;
mod completions;
mod daemon;
mod demo;
mod descriptors;
mod exit;
mod health;
mod hub;
mod logging;
mod man;
mod memory;
mod network;
mod node;
mod once;
mod peer_list;
mod print;
mod results;
mod runtime;
mod service;
mod settings;
mod standalone;
mod stop;
mod systemd;
mod telemetry;
mod text;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    descriptors::raise_limit();
    exit::report(args::Cli::parse().run())
}
