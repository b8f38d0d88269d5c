//! `hub rule`: which changes are told at which channel.

use std::time::Duration;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use easytier_uptime_alerts::{Change, Language, NodeVersion, Nodes, QuietHours, Rule};
use easytier_uptime_config::duration;
use easytier_uptime_hub::service::ServiceError;
use easytier_uptime_store::{
    Access, Store, StoreError,
    domain::{Region, Tag},
};
use uuid::Uuid;

use super::{
    channel::{alerts, explain},
    config::HubConfig,
    database,
};
use crate::{exit::Exit, print, text::printable};

/// Manages the rules of channels: which changes of which nodes are told
#[derive(Debug, Subcommand)]
pub enum RuleCommand {
    /// Adds a rule to a channel, and says in words what it does
    Add(Box<AddArgs>),
    /// Lists the rules of all channels
    List(ListArgs),
    /// Removes rules
    Remove(RemoveArgs),
}

#[derive(Debug, Args)]
pub struct AddArgs {
    /// Name or id of the channel
    #[arg(long, value_name = "NAME")]
    channel: String,
    /// What to tell, with commas between: down, partial, unknown, up, probe, certificate, version, duty, relay
    #[arg(long, value_name = "CHANGES", value_delimiter = ',', required = true)]
    on: Vec<Change>,
    /// Time that a change has to last before it is told
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration::parse)]
    after: Duration,
    /// Only nodes with this tag (repeatable)
    #[arg(long, value_name = "TAG")]
    tag: Vec<Tag>,
    /// Only the node with this id (repeatable)
    #[arg(long, value_name = "ID")]
    peer: Vec<i64>,
    /// Only nodes that are checked from this region, and its probes (repeatable)
    #[arg(long, value_name = "NAME")]
    region: Vec<Region>,
    /// Time between reminders while something is wrong and not acknowledged [default: none]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse_positive)]
    remind: Option<Duration>,
    /// Hours in which nothing is told, such as 22:00-07:00; what still holds is told at their end
    #[arg(long, value_name = "HOURS", requires = "zone")]
    quiet: Option<String>,
    /// Time zone of the quiet hours, such as Asia/Shanghai
    #[arg(long, value_name = "ZONE", requires = "quiet")]
    zone: Option<String>,
    /// Language of the messages: en or zh
    #[arg(long, value_name = "LANGUAGE", default_value = "en", value_parser = language)]
    language: Language,
    /// Time for which changes are gathered into one message
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration::parse)]
    gather: Duration,
    /// How many days before its end a certificate is told
    #[arg(long, value_name = "DAYS", default_value_t = 14)]
    certificate_days: u32,
    /// With 'version': nodes with a version of EasyTier before this one are told
    #[arg(long, value_name = "VERSION")]
    version_below: Option<NodeVersion>,
}

#[derive(Debug, Args)]
pub struct ListArgs {
    /// Print a JSON array instead of a list
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct RemoveArgs {
    /// IDs (as 'hub rule list' prints them)
    #[arg(value_name = "ID", required = true)]
    ids: Vec<Uuid>,
}

fn language(text: &str) -> Result<Language, String> {
    Language::from_name(text).ok_or_else(|| "write en or zh".to_owned())
}

pub fn run(command: RuleCommand, config: &HubConfig) -> anyhow::Result<Exit> {
    let access = match command {
        RuleCommand::List(_) => Access::Read,
        RuleCommand::Add(_) | RuleCommand::Remove(_) => Access::Change,
    };
    database::with(access, config, async |store| match command {
        RuleCommand::Add(args) => add(store, *args).await,
        RuleCommand::List(args) => list(store, &args).await,
        RuleCommand::Remove(args) => remove(store, &args).await,
    })
}

async fn add(store: &Store, args: AddArgs) -> anyhow::Result<Exit> {
    let seconds = |length: Duration| u32::try_from(length.as_secs()).unwrap_or(u32::MAX);
    let quiet = args.quiet.zip(args.zone).map(|(hours, zone)| QuietHours::new(&hours, &zone)).transpose()?;
    let rule = Rule {
        nodes: Nodes {
            ids: args.peer.into_iter().collect(),
            tags: args.tag.into_iter().map(String::from).collect(),
            regions: args.region.into_iter().map(String::from).collect(),
        },
        on: args.on.into_iter().collect(),
        after_seconds: seconds(args.after),
        reminder_seconds: args.remind.map(seconds),
        quiet,
        language: args.language,
        group_seconds: seconds(args.gather),
        certificate_days: args.certificate_days,
        version_below: args.version_below,
        ..Rule::new(Uuid::now_v7())
    };
    rule.check()?;
    let added = alerts(store).put_rule(&args.channel, rule).await.map_err(|error| explain(error, &args.channel))?;
    print::line(format!("added rule {}", added.rule.id))?;
    print::note(added.words);
    Ok(Exit::Success)
}

async fn list(store: &Store, args: &ListArgs) -> anyhow::Result<Exit> {
    let channels = alerts(store).channels().await?;
    if args.json {
        let rules = channels.iter().flat_map(|channel| {
            channel
                .rules
                .iter()
                .map(|one| serde_json::json!({ "channel": channel.name, "rule": one.rule, "words": one.words }))
        });
        print::json(&rules.collect::<Vec<_>>())?;
        return Ok(Exit::Success);
    }
    if channels.iter().all(|channel| channel.rules.is_empty()) {
        print::note("there is no rule; add one with 'easytier-uptime hub rule add'");
    }
    for channel in &channels {
        for one in &channel.rules {
            let words = one.in_words(Language::English);
            print::line(format!("{}  {}\n  {}", one.rule.id, printable(&channel.name), printable(&words)))?;
        }
    }
    Ok(Exit::Success)
}

async fn remove(store: &Store, args: &RemoveArgs) -> anyhow::Result<Exit> {
    for id in &args.ids {
        alerts(store).remove_rule(*id).await.map_err(|error| match error {
            ServiceError::Store(StoreError::NotFound(_)) => anyhow!("there is no rule {id}; see 'hub rule list'"),
            error => error.into(),
        })?;
        print::line(format!("removed rule {id}"))?;
    }
    Ok(Exit::Success)
}
