//! `man`: the manual pages.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Command};

use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  easytier-uptime man ~/.local/share/man/man1   then: man easytier-uptime-check";

/// Writes manual pages, one for each command, into a folder
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ManArgs {
    /// The folder, which must exist
    folder: PathBuf,
}

/// Writes the pages of `command` and of all its subcommands.
pub fn run(args: &ManArgs, command: Command) -> anyhow::Result<Exit> {
    clap_mangen::generate_to(command, &args.folder)
        .with_context(|| format!("the manual pages cannot be written to '{}'", args.folder.display()))?;
    Ok(Exit::Success)
}
