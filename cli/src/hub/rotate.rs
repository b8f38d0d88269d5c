//! `hub key rotate-secrets`: gives the database another key.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use easytier_uptime_hub::service::rotate_key;
use easytier_uptime_store::{HubKey, StoreError, domain::Timestamp};

use super::{
    config::{Database, HubConfig},
    database,
};
use crate::{exit::Exit, print, runtime};

/// The variable with the new key.
const NEW_KEY: &str = "NEW_HUB_KEY";

/// Encrypts the secrets in the database anew with another HUB_KEY, while no hub runs
///
/// The network secrets of peers, the settings of channels, tokens, addresses of subscribers and all else that is encrypted is
/// encrypted with the new key, or nothing is. With a SQLite file and the key beside it a new key is generated, and takes the
/// place of the old one, which is kept for older backups. With HUB_KEY or HUB_KEY_FILE you put the new key there yourself: name a
/// file with --new-key-file, or set NEW_HUB_KEY.
///
/// Links in messages and mails that were sent before do not work any more. Credentials, sessions and the admin's password stay.
#[derive(Debug, Args)]
pub struct RotateArgs {
    /// File with the new key; it is created with a new key if it does not exist
    #[arg(long, value_name = "PATH")]
    new_key_file: Option<PathBuf>,
}

pub fn run(args: &RotateArgs, config: &HubConfig) -> anyhow::Result<Exit> {
    if let Database::Sqlite { path, .. } = &config.database {
        database::must_exist(path)?;
    }
    let name = database::name(&config.database);
    let beside = database::adjacent_key_file(&config.database);
    let new = new_key(args.new_key_file.as_deref(), beside.is_some())?;
    let runtime = runtime::single_threaded()?;
    runtime.block_on(async {
        let options = database::options_of_command(config).await?;
        if options.key == new {
            bail!("the database {name} has this key already: nothing was changed");
        }
        let rotated = database::call().run(rotate_key(options.clone(), &new, beside.is_some(), Timestamp::now())).await;
        let old = match rotated {
            Err(StoreError::WrongHubKey(_)) if database::opens_with(&options, &new).await => {
                bail!("the database {name} has the new key already, and another one is configured: nothing was changed")
            }
            Err(error) => return Err(database::explained(error, &config.database)),
            Ok(old) => old,
        };
        print::line(format!("the secrets in the database {name} are encrypted with the new key"))?;
        match (&beside, old) {
            (Some(file), Some(old)) => {
                print::line(format!("  it is in '{}': keep a copy of it apart from the database", file.display()))?;
                print::line(format!(
                    "  the old one is in '{}': backups made before need it; move it to them, or delete it",
                    old.display()
                ))?;
            }
            _ => {
                let place = match &args.new_key_file {
                    Some(file) => format!("HUB_KEY_FILE={}", file.display()),
                    None => format!("HUB_KEY set to what {NEW_KEY} holds"),
                };
                print::line(format!("  start every hub with {place} now; with the old key none starts"))?;
                print::line("  keep the old key with the backups that were made before: they need it")?;
            }
        }
        Ok(Exit::Success)
    })
}

fn new_key(file: Option<&Path>, is_beside: bool) -> anyhow::Result<HubKey> {
    let given = env::var(NEW_KEY).ok().filter(|text| !text.trim().is_empty());
    match (given, file) {
        (Some(_), Some(_)) => bail!("--new-key-file and {NEW_KEY} exclude each other; remove one of them"),
        // The text may be a secret.
        (Some(text), None) => HubKey::from_hex(&text).map_err(|error| anyhow!("{NEW_KEY}: {error}")),
        (None, Some(file)) => HubKey::load_or_create(file).context("no new key"),
        (None, None) if is_beside => Ok(HubKey::generate()),
        (None, None) => bail!(
            "the key of this hub is configured, so the new one has to be stored by you: name a file for it with \
             --new-key-file, which is created with a new key if it does not exist, or set {NEW_KEY}"
        ),
    }
}
