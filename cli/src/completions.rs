//! `completions`: the completion script for a shell.

use std::io::{self, Write};

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::{args::Cli, exit::Exit};

const EXAMPLES: &str = "\
Examples:
  easytier-uptime completions bash > ~/.local/share/bash-completion/completions/easytier-uptime
  easytier-uptime completions fish > ~/.config/fish/completions/easytier-uptime.fish
  easytier-uptime completions zsh > \"${fpath[1]}/_easytier-uptime\"";

/// Prints a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub fn run(args: CompletionsArgs) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "easytier-uptime", &mut script);
    io::stdout().write_all(&script)?;
    Ok(Exit::Success)
}
