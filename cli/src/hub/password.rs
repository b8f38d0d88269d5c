//! `hub password`: sets the admin's password.

use std::io::{self, BufRead, IsTerminal};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use easytier_probe::Secret;
use easytier_uptime_hub::service::password;
use easytier_uptime_store::{Access, domain::Timestamp};

use super::{
    config::{self, HubConfig},
    database,
};
use crate::{exit::Exit, print};

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
    database::with(Access::Change, config, async |store| {
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
    config::admin_password(line.trim_end_matches(['\r', '\n']))
        .map_err(|problem| anyhow!("the password on standard input: {problem}"))
}
