//! `hub alerts`: what was told, what waits, what failed, and what is wrong now.

use std::time::Duration;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use easytier_uptime_config::duration;
use easytier_uptime_hub::service::{
    ServiceError,
    alerts::{ConditionView, DeliveryView, MAX_LISTED},
};
use easytier_uptime_store::{Access, Store, StoreError, domain::DeliveryState};
use serde_json::json;
use uuid::Uuid;

use super::{channel::alerts, config::HubConfig, database};
use crate::{exit::Exit, print, text::printable};

/// Who acknowledges and mutes by a command.
const OPERATOR: &str = "command line";

/// Lists what was told, what waits and what failed; acknowledges and mutes
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct AlertsArgs {
    #[command(subcommand)]
    command: Option<AlertsCommand>,
    /// Only messages in this state: waiting, sent, failed or dropped
    #[arg(long, value_name = "STATE", value_parser = state)]
    state: Option<DeliveryState>,
    /// Number of messages to list
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_LISTED)))]
    limit: u32,
    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum AlertsCommand {
    /// Acknowledges something that is wrong: nothing reminds of it any more, until it ends
    Ack {
        /// What, as 'hub alerts' prints it
        #[arg(value_name = "KEY")]
        key: String,
    },
    /// Mutes something for a while; what is still wrong at the end is reported then
    Mute {
        /// What: all, rule:ID, node:ID, probe:ID, hub, or a key that 'hub alerts' prints
        #[arg(value_name = "SCOPE")]
        scope: String,
        /// For how long
        #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse_positive)]
        length: Duration,
    },
    /// Ends a mute before its time
    Unmute {
        /// Its id, as 'hub alerts' prints it
        #[arg(value_name = "ID")]
        id: i64,
    },
    /// Has a message sent again that failed
    Retry {
        /// Its id, as 'hub alerts' prints it
        #[arg(value_name = "ID")]
        id: Uuid,
    },
}

fn state(name: &str) -> Result<DeliveryState, String> {
    DeliveryState::from_name(name).ok_or_else(|| "write waiting, sent, failed or dropped".to_owned())
}

pub fn run(args: AlertsArgs, config: &HubConfig) -> anyhow::Result<Exit> {
    let access = if args.command.is_some() { Access::Change } else { Access::Read };
    database::with(access, config, async |store| match &args.command {
        None => list(store, &args).await,
        Some(AlertsCommand::Ack { key }) => {
            let done = alerts(store).acknowledge(key, OPERATOR).await;
            done.map_err(|error| explain(error, &format!("'{}' is not wrong", printable(key))))?;
            Ok(print::line(format!("acknowledged {}", printable(key)))?)
        }
        Some(AlertsCommand::Mute { scope, length }) => {
            let id = alerts(store).mute(scope, *length, OPERATOR).await?;
            Ok(print::line(format!("muted {} for {} (mute {id})", printable(scope), duration::format(*length)))?)
        }
        Some(AlertsCommand::Unmute { id }) => {
            let done = alerts(store).unmute(*id).await;
            done.map_err(|error| explain(error, &format!("there is no mute {id}")))?;
            Ok(print::line(format!("ended mute {id}"))?)
        }
        Some(AlertsCommand::Retry { id }) => {
            let done = alerts(store).repeat(*id).await;
            done.map_err(|error| explain(error, &format!("no message {id} failed")))?;
            Ok(print::line(format!("message {id} is sent again"))?)
        }
    })?;
    Ok(Exit::Success)
}

fn explain(error: ServiceError, unknown: &str) -> anyhow::Error {
    match error {
        ServiceError::Store(StoreError::NotFound(_)) => anyhow!("{unknown}; see 'hub alerts'"),
        error => error.into(),
    }
}

async fn list(store: &Store, args: &AlertsArgs) -> anyhow::Result<()> {
    let alerts = alerts(store);
    let (conditions, mutes) = (alerts.conditions().await?, alerts.mutes().await?);
    let messages = alerts.deliveries(args.state, None, args.limit).await?;
    if args.json {
        return print::json(&json!({ "conditions": conditions, "mutes": mutes, "messages": messages }));
    }
    let wrong = |one: &ConditionView| {
        let trouble = serde_json::to_value(one.trouble).ok().and_then(|name| name.as_str().map(str::to_owned));
        let told = match (one.is_told, &one.acknowledged_by) {
            (_, Some(_)) => "acknowledged",
            (true, None) => "told",
            (false, None) => "not notified yet",
        };
        [
            if one.is_flapping { "flapping".to_owned() } else { trouble.unwrap_or_default() },
            one.since.to_string(),
            told.to_owned(),
            one.key.clone(),
        ]
    };
    if !conditions.is_empty() {
        print::table(["WRONG", "SINCE", "STATE", "KEY"], &conditions.iter().map(wrong).collect::<Vec<_>>())?;
        print::line("")?;
    }
    if !mutes.is_empty() {
        let rows: Vec<_> = mutes
            .iter()
            .map(|one| [one.id.to_string(), printable(&one.scope), one.until.to_string(), printable(&one.muted_by)])
            .collect();
        print::table(["MUTE", "SCOPE", "UNTIL", "BY"], &rows)?;
        print::line("")?;
    }
    if messages.is_empty() {
        print::note("there is no message");
        return Ok(());
    }
    let row = |one: &DeliveryView| {
        [
            one.created_at.to_string(),
            one.state.clone(),
            one.channel.as_deref().map(printable).unwrap_or_default(),
            printable(&one.title),
            one.attempts.to_string(),
            one.error.as_deref().map(printable).unwrap_or_default(),
            one.id.to_string(),
        ]
    };
    let rows: Vec<_> = messages.iter().map(row).collect();
    Ok(print::table(["PLANNED", "STATE", "CHANNEL", "MESSAGE", "ATTEMPTS", "ERROR", "ID"], &rows)?)
}
