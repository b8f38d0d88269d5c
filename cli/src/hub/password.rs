//! `hub password`: sets the admin's password.

use std::io::{self, BufRead, IsTerminal};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use easytier_probe::Secret;
use easytier_uptime_hub::service::password;
use easytier_uptime_store::domain::Timestamp;

use super::{config::HubConfig, database};
use crate::{exit::Exit, print};

/// The shortest password taken, in characters.
const MIN_CHARS: usize = 8;
/// The longest: Argon2 reads all of it.
const MAX_CHARS: usize = 1024;

/// Generates a new password for the admin, prints only the password on standard output, and ends all sessions
///
/// If ADMIN_PASSWORD is set, it replaces the new password when the hub starts again.
#[derive(Debug, Args)]
pub struct PasswordArgs {
    /// Read the password from the first line of standard input instead, and print nothing
    #[arg(long)]
    stdin: bool,
}

pub fn run(args: PasswordArgs, config: &HubConfig) -> anyhow::Result<Exit> {
    let new = if args.stdin { read()? } else { password::generate() };
    database::with(config, async |store| {
        password::set(store, &new, Timestamp::now()).await.context("the password was not changed")
    })?;
    if !args.stdin {
        print::line(new.expose())?;
    }
    print::note("the admin's password was changed, and all sessions were ended");
    Ok(Exit::Success)
}

fn read() -> anyhow::Result<Secret> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        bail!(
            "standard input is a terminal, which would show the password: pipe it in, or leave out --stdin to generate one"
        );
    }
    let mut line = String::new();
    stdin.lock().read_line(&mut line).context("cannot read the password from standard input")?;
    checked(line.trim_end_matches(['\r', '\n'])).map_err(|problem| anyhow!("the password on standard input: {problem}"))
}

/// Validates a password.
pub fn checked(text: &str) -> Result<Secret, String> {
    match (MIN_CHARS..=MAX_CHARS).contains(&text.chars().count()) && !text.contains(char::is_control) {
        true => Ok(text.into()),
        false => Err(format!("write {MIN_CHARS} to {MAX_CHARS} characters in one line")),
    }
}
