//! `completions`: the completion script for a shell.

use std::io::{self, Write};

use clap::{Args, Command};
use clap_complete::Shell;

use crate::exit::Exit;

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

/// Prints the script for `command`.
pub fn run(args: CompletionsArgs, mut command: Command) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "easytier-uptime", &mut script);
    io::stdout().write_all(&script)?;
    Ok(Exit::Success)
}
