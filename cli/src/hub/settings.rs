//! `hub settings`: the settings that all hubs on one database share.

use anyhow::anyhow;
use clap::{Args, Subcommand};
use easytier_uptime_hub::service::{Admin, SharedSetting, settings};
use easytier_uptime_store::{Access, Store, domain::LiveSetting};
use serde_json::json;

use super::{config::HubConfig, database};
use crate::{exit::Exit, print};

const EXAMPLES: &str = "\
Examples:
  easytier-uptime hub settings                             list them
  easytier-uptime hub settings set RESULT_RETENTION 720h   keep results for 30 days
  easytier-uptime hub settings reset RESULT_RETENTION      back to the default

Hubs that run use a change within seconds, without a restart; the admin's settings page changes the same
values. SOURCE is the database once it holds a value, from the first hub that was configured with one or from
a change. DEFAULT is the value without the database: what is configured where this command runs, or the
built-in value. The intervals of a built-in probe belong to its process: the settings page of that hub
changes them.";

/// Lists and changes the settings that all hubs on the database share
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct SettingsArgs {
    #[command(subcommand)]
    command: Option<SettingsCommand>,
    /// Print a JSON array instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum SettingsCommand {
    /// Changes a setting, at hubs that run too
    Set {
        /// Name of the setting, such as RESULT_RETENTION
        #[arg(value_parser = shared)]
        name: LiveSetting,
        /// Its new value: a number, or a duration such as 720h
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Gives a setting its default again
    Reset {
        /// Name of the setting, such as RESULT_RETENTION
        #[arg(value_parser = shared)]
        name: LiveSetting,
    },
}

/// The shared setting with this name.
fn shared(name: &str) -> Result<LiveSetting, String> {
    let setting = LiveSetting::from_name(&name.to_ascii_uppercase().replace('-', "_"));
    match setting {
        Some(setting) if setting.is_shared() => Ok(setting),
        Some(_) => Err("it belongs to the built-in probe of one process, whose settings page changes it".to_owned()),
        None => {
            let names = LiveSetting::ALL.into_iter().filter(|setting| setting.is_shared()).map(LiveSetting::name);
            Err(format!("the shared settings are {}", names.collect::<Vec<_>>().join(", ")))
        }
    }
}

pub fn run(args: SettingsArgs, config: &HubConfig) -> anyhow::Result<Exit> {
    let access = if args.command.is_some() { Access::Change } else { Access::Read };
    database::with(access, config, async |store| match args.command {
        None => list(store, config, args.json).await,
        Some(SettingsCommand::Set { name, value }) => {
            settings::set(name, &mut store.live_settings(), &value)
                .map_err(|valid| anyhow!("'{value}' is not a value of {}: {valid}", name.name()))?;
            change(store, name, &value).await
        }
        Some(SettingsCommand::Reset { name }) => change(store, name, "").await,
    })?;
    Ok(Exit::Success)
}

async fn list(store: &Store, config: &HubConfig, as_json: bool) -> anyhow::Result<()> {
    let all = Admin::new(store.clone()).shared_settings().await?;
    let source = |one: &SharedSetting| match (one.changed_at, config.fixed.get(&one.setting)) {
        (Some(_), _) => "database".to_owned(),
        (None, Some(place)) => place.clone(),
        (None, None) => "default".to_owned(),
    };
    if as_json {
        let documents = all.iter().map(|one| {
            json!({
                "name": one.setting.name(),
                "value": one.value,
                "default": one.default,
                "source": source(one),
                "changed_at": one.changed_at,
            })
        });
        return print::json(&documents.collect::<Vec<_>>());
    }
    let row = |one: &SharedSetting| {
        let changed_at = one.changed_at.map(|at| at.to_string()).unwrap_or_default();
        [one.setting.name().to_owned(), one.value.clone(), one.default.clone(), source(one), changed_at]
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    Ok(print::table(["NAME", "VALUE", "DEFAULT", "SOURCE", "CHANGED"], &rows)?)
}

/// Changes a setting to the value of `text`, or to its default if `text` is empty.
async fn change(store: &Store, setting: LiveSetting, text: &str) -> anyhow::Result<()> {
    let value = || settings::format(setting, &store.live_settings()).unwrap_or_default();
    let before = value();
    let text_of = |one: LiveSetting| (one == setting).then_some(text);
    Admin::new(store.clone()).change_settings(text_of, |_| None).await?;
    Ok(print::line(format!("{}: {} (was {before})", setting.name(), value()))?)
}
