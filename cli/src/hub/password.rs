//! `hub password`: sets the admin's password.

use std::io::{self, BufRead, IsTerminal};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use easytier_probe::Secret;
use easytier_uptime_hub::{password, time::Timestamp};

use super::{config::HubConfig, database, print};
use crate::exit::Exit;

/// The shortest password taken, in characters.
const MIN_CHARS: usize = 8;
/// The longest: Argon2 reads all of it.
const MAX_CHARS: usize = 1024;

/// Makes a new password for the admin, prints it alone on standard output, and ends all sessions
///
/// While ADMIN_PASSWORD is set, the hub puts that one back at its next start.
#[derive(Debug, Args)]
pub struct PasswordArgs {
    /// Take the first line of standard input as the password instead, and print nothing
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
    anstream::eprintln!("the admin's password is changed, and every session has ended");
    Ok(Exit::Success)
}

fn read() -> anyhow::Result<Secret> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        bail!(
            "standard input is a terminal, on which everybody could read the password: pipe it in, or leave out --stdin to \
             have one made"
        );
    }
    let mut line = String::new();
    stdin.lock().read_line(&mut line).context("cannot read the password from standard input")?;
    checked(line.trim_end_matches(['\r', '\n'])).map_err(|problem| anyhow!("the password on standard input: {problem}"))
}

/// The text as a password, or what would be right instead.
pub fn checked(text: &str) -> Result<Secret, String> {
    match (MIN_CHARS..=MAX_CHARS).contains(&text.chars().count()) && !text.contains(char::is_control) {
        true => Ok(text.into()),
        false => Err(format!("write {MIN_CHARS} to {MAX_CHARS} characters in one line")),
    }
}
