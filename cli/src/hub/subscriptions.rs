//! `hub subscriptions`: how many visitors subscribed by mail, and removing a mailbox.

use anyhow::bail;
use clap::{Args, Subcommand};
use easytier_uptime_hub::service::Subscriptions;
use easytier_uptime_store::{Access, Store};

use super::{config::HubConfig, database};
use crate::{exit::Exit, print};

/// Counts the visitors who subscribed to nodes by mail, and removes a mailbox
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct SubscriptionsArgs {
    #[command(subcommand)]
    command: Option<SubscriptionsCommand>,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum SubscriptionsCommand {
    /// Removes a mailbox with all that it asked for, and the mails to it that wait
    Remove {
        /// Its address
        #[arg(value_name = "ADDRESS")]
        address: String,
    },
}

pub fn run(args: SubscriptionsArgs, config: &HubConfig) -> anyhow::Result<Exit> {
    let access = if args.command.is_some() { Access::Change } else { Access::Read };
    database::with(access, config, async |store| match &args.command {
        None => count(store, config, args.json).await,
        Some(SubscriptionsCommand::Remove { address }) => {
            match subscriptions(store, config).remove_mailbox(address).await? {
                true => Ok(print::line("removed the mailbox")?),
                false => bail!("the mailbox is not known"),
            }
        }
    })?;
    Ok(Exit::Success)
}

fn subscriptions(store: &Store, config: &HubConfig) -> Subscriptions {
    Subscriptions::new(store.clone(), config.public_url.clone())
}

async fn count(store: &Store, config: &HubConfig, as_json: bool) -> anyhow::Result<()> {
    let view = subscriptions(store, config).overview().await?;
    if as_json {
        return print::json(&view);
    }
    let row = [
        view.channel.unwrap_or_default(),
        view.mailboxes.to_string(),
        view.subscriptions.to_string(),
        view.unconfirmed.to_string(),
        view.waiting.to_string(),
    ];
    Ok(print::table(["CHANNEL", "MAILBOXES", "SUBSCRIPTIONS", "UNCONFIRMED", "WAITING"], &[row])?)
}
