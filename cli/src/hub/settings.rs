//! `hub settings`: the settings that all hubs on one database share.

use anyhow::Context;
use clap::{Args, Subcommand};
use easytier_uptime_store::{Access, domain::LiveSetting};
use serde_json::json;

use super::{
    config::HubConfig,
    desk::{Desk, ListedSetting, WhichHub},
};
use crate::{exit::Exit, print, text::printable};

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
///
/// With --hub the key needs the scope settings.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct SettingsArgs {
    #[command(subcommand)]
    command: Option<SettingsCommand>,
    /// Print a JSON array instead of a table
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    which: WhichHub,
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

        #[command(flatten)]
        which: WhichHub,
    },
    /// Gives a setting its default again
    Reset {
        /// Name of the setting, such as RESULT_RETENTION
        #[arg(value_parser = shared)]
        name: LiveSetting,

        #[command(flatten)]
        which: WhichHub,
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
    match args.command {
        None => args.which.run(Access::Read, config, async |desk| list(desk, config, args.json).await)?,
        Some(SettingsCommand::Set { name, value, which }) => change(&which, config, name, Some(&value))?,
        Some(SettingsCommand::Reset { name, which }) => change(&which, config, name, None)?,
    }
    Ok(Exit::Success)
}

async fn list(desk: &Desk, config: &HubConfig, as_json: bool) -> anyhow::Result<()> {
    let all = desk.settings().await?;
    // What a hub elsewhere is configured with is not known here.
    let is_here = matches!(desk, Desk::Here(_));
    let place = |one: &ListedSetting| config.fixed.get(&LiveSetting::from_name(&one.name)?).filter(|_| is_here);
    let source = |one: &ListedSetting| match (one.changed_at, place(one)) {
        (Some(_), _) => "database".to_owned(),
        (None, Some(place)) => place.clone(),
        (None, None) => "default".to_owned(),
    };
    if as_json {
        let documents = all.iter().map(|one| {
            json!({
                "name": one.name,
                "value": one.value,
                "default": one.default,
                "source": source(one),
                "changed_at": one.changed_at,
            })
        });
        return print::json(&documents.collect::<Vec<_>>());
    }
    let row = |one: &ListedSetting| {
        let changed_at = one.changed_at.map(|at| at.to_string()).unwrap_or_default();
        [printable(&one.name), printable(&one.value), printable(&one.default), source(one), changed_at]
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    Ok(print::table(["NAME", "VALUE", "DEFAULT", "SOURCE", "CHANGED"], &rows)?)
}

/// Changes a setting to a value, or to its default.
fn change(which: &WhichHub, config: &HubConfig, setting: LiveSetting, value: Option<&str>) -> anyhow::Result<()> {
    let name = setting.name();
    let refused = || match value {
        Some(value) => format!("{name} was not changed to '{value}'"),
        None => format!("{name} was not reset"),
    };
    let changed = which
        .run(Access::Change, config, async |desk| desk.change_setting(setting, value).await.with_context(refused))?;
    let (value, before) = (printable(&changed.value), printable(&changed.before));
    Ok(print::line(format!("{name}: {value} (was {before})"))?)
}
