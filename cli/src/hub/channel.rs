//! `hub channel`: where changes are told.

use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand};
use easytier_uptime_alerts::{Language, Outcome};
use easytier_uptime_hub::{
    notify::messenger,
    service::{
        ServiceError,
        alerts::{Alerts, ChannelChange, ChannelView, NewChannel},
    },
};
use easytier_uptime_store::{Access, Conflict, Store, StoreError};

use super::{channel_add::AddArgs, config::HubConfig, database};
use crate::{exit::Exit, print, text::printable};

/// Manages the channels by which people are told of changes
#[derive(Debug, Subcommand)]
pub enum ChannelCommand {
    /// Adds a channel; it tells nothing until it has a rule
    ///
    /// Examples:
    ///   easytier-uptime hub channel add webhook https://example.com/hook --name ops
    ///   easytier-uptime hub rule add --channel ops --on down,up
    #[command(verbatim_doc_comment, subcommand)]
    Add(AddArgs),
    /// Lists the channels, without their secrets
    List(ListArgs),
    /// Sends a test message to a channel
    Test(NameArgs),
    /// Sends nothing to a channel until it is enabled again
    Disable(NameArgs),
    /// Tells changes at a channel again
    Enable(NameArgs),
    /// Removes a channel with its rules; its messages that wait are dropped
    Remove(NameArgs),
}

#[derive(Debug, Args)]
pub struct ListArgs {
    /// Print a JSON array instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct NameArgs {
    /// Name or id of the channel
    #[arg(value_name = "CHANNEL")]
    name: String,
}

pub fn run(command: ChannelCommand, config: &HubConfig) -> anyhow::Result<Exit> {
    let access = match command {
        ChannelCommand::List(_) | ChannelCommand::Test(_) => Access::Read,
        _ => Access::Change,
    };
    database::with(access, config, async |store| match command {
        ChannelCommand::Add(args) => add(store, args).await,
        ChannelCommand::List(args) => list(store, &args).await,
        ChannelCommand::Test(args) => test(store, &args.name).await,
        ChannelCommand::Disable(args) => enable(store, &args.name, false).await,
        ChannelCommand::Enable(args) => enable(store, &args.name, true).await,
        ChannelCommand::Remove(args) => remove(store, &args.name).await,
    })
}

/// The use cases of alerts on a database.
pub fn alerts(store: &Store) -> Alerts {
    Alerts::new(store.clone(), messenger())
}

/// What to say when there is no such channel.
pub fn explain(error: ServiceError, channel: &str) -> anyhow::Error {
    match error {
        ServiceError::Store(StoreError::NotFound("channel")) => {
            anyhow!("there is no channel '{}'; see 'hub channel list'", printable(channel))
        }
        ServiceError::Store(StoreError::Conflict(Conflict::ChannelNamed)) => {
            anyhow!("there is another channel '{}'; choose another name", printable(channel))
        }
        error => error.into(),
    }
}

async fn add(store: &Store, args: AddArgs) -> anyhow::Result<Exit> {
    let AddArgs { kind, name, settings } = args;
    let new = NewChannel { name: name.clone(), kind: kind.name().to_owned(), settings };
    let added = alerts(store).add_channel(new).await.map_err(|error| explain(error, &name))?;
    print::line(format!("added channel '{}'", printable(&added.name)))?;
    print::note("it tells nothing yet; next: easytier-uptime hub rule add --channel NAME --on down,up");
    Ok(Exit::Success)
}

async fn list(store: &Store, args: &ListArgs) -> anyhow::Result<Exit> {
    let channels = alerts(store).channels().await?;
    if args.json {
        print::json(&channels)?;
    } else if channels.is_empty() {
        print::note("there is no channel; add one with 'easytier-uptime hub channel add'");
    } else {
        let row = |channel: &ChannelView| {
            let settings = channel.settings.iter().map(|(name, value)| format!("{name}={}", printable(value)));
            [
                printable(&channel.name),
                channel.kind.clone(),
                if channel.enabled { String::new() } else { "disabled".to_owned() },
                channel.rules.len().to_string(),
                settings.collect::<Vec<_>>().join(" "),
            ]
        };
        let rows: Vec<_> = channels.iter().map(row).collect();
        print::table(["CHANNEL", "KIND", "STATE", "RULES", "SETTINGS"], &rows)?;
    }
    Ok(Exit::Success)
}

async fn test(store: &Store, name: &str) -> anyhow::Result<Exit> {
    let outcome = alerts(store).test_channel(name, Language::default()).await.map_err(|error| explain(error, name))?;
    let name = printable(name);
    match outcome {
        Outcome::Delivered => print::line(format!("the channel '{name}' took a test message"))?,
        Outcome::Retry { why, .. } | Outcome::Refused { why } => {
            bail!("the channel '{name}' did not take the test message: {}", printable(&why))
        }
        Outcome::Unclear { why } => {
            bail!("it is not known whether the test message arrived at '{name}': {}", printable(&why))
        }
    }
    Ok(Exit::Success)
}

async fn enable(store: &Store, name: &str, enabled: bool) -> anyhow::Result<Exit> {
    let change = ChannelChange { enabled: Some(enabled), ..ChannelChange::default() };
    alerts(store).change_channel(name, change).await.map_err(|error| explain(error, name))?;
    let word = if enabled { "enabled" } else { "disabled" };
    print::line(format!("{word} channel '{}'", printable(name))).context("cannot print")?;
    Ok(Exit::Success)
}

async fn remove(store: &Store, name: &str) -> anyhow::Result<Exit> {
    alerts(store).remove_channel(name).await.map_err(|error| explain(error, name))?;
    print::line(format!("removed channel '{}'", printable(name)))?;
    Ok(Exit::Success)
}
