//! `hub source`: the lists of nodes that the hub keeps following.

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use easytier_uptime_hub::{
    service::{NewSource, ServiceError, SourceView, Sources},
    sources::{self, Try},
};
use easytier_uptime_store::{
    Access, Store, StoreError,
    domain::{Source, SourceChanges, SourceId, Timestamp},
};

use super::{config::HubConfig, database};
use crate::{exit::Exit, peer_list, print, text::printable};

/// Follows lists of nodes at URLs: what is new, changed and gone in them
#[derive(Debug, Subcommand)]
pub enum SourceCommand {
    Add(AddArgs),
    /// Lists the sources, and what was wrong at the last try
    List(ListArgs),
    /// Removes sources; the nodes that they brought stay
    Remove(IdArgs),
    Fetch(FetchArgs),
}

const ADD_EXAMPLES: &str = "\
Examples:
  Another site, whose nodes await approval:
    easytier-uptime hub source add https://uptime.example.com
  A list of your own, whose nodes are watched at once:
    easytier-uptime hub source add https://git.example.com/nodes.txt --trust --every 5m

The list may have any form that 'hub peer import' reads. The running hub fetches it within a second or two, and
then at the interval. New nodes await approval, unless the source is trusted. Name, tags, relay and limit of a node
follow the list until you change the node here. A node that the list lacks for 24 hours is not watched any more; its
history stays. A list that fails, is empty or has less than half of its nodes changes nothing.";

/// Adds a list to follow, and prints its ID
#[derive(Debug, Args)]
#[command(after_help = ADD_EXAMPLES)]
pub struct AddArgs {
    /// URL of a site or of a list of nodes
    #[arg(value_name = "URL")]
    url: String,
    /// Time from one fetch to the next, from 60s to 168h
    #[arg(long, value_name = "DURATION", default_value = "10m")]
    every: String,
    /// Add its nodes without approval, and let checks of them reach private addresses
    #[arg(long)]
    trust: bool,
    /// Name in lists [default: the host of the URL]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

#[derive(Debug, Args)]
pub struct ListArgs {
    /// Print a JSON array instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct IdArgs {
    /// IDs (first column of 'list')
    #[arg(value_name = "ID", required = true)]
    ids: Vec<i64>,
}

/// Fetches a list now, and says what changed
#[derive(Debug, Args)]
pub struct FetchArgs {
    /// ID (first column of 'list')
    #[arg(value_name = "ID")]
    id: i64,
    /// Take the list even if it has less than half of the nodes that it had
    #[arg(long)]
    take_short: bool,
}

pub fn run(command: SourceCommand, config: &HubConfig) -> anyhow::Result<Exit> {
    let access = if matches!(command, SourceCommand::List(_)) { Access::Read } else { Access::Change };
    database::with(access, config, async |store| {
        let sources = Sources::new(store.clone(), config.own_urls());
        match command {
            SourceCommand::Add(args) => add(&sources, args).await,
            SourceCommand::List(args) => list(&sources, &args).await,
            SourceCommand::Remove(IdArgs { ids }) => {
                for id in ids {
                    sources.remove(SourceId(id)).await.map_err(|error| explained(error, id))?;
                    print::line(format!("removed source {id}; its nodes stay"))?;
                }
                Ok(Exit::Success)
            }
            SourceCommand::Fetch(args) => fetch(&sources, store, &args).await,
        }
    })
}

fn explained(error: ServiceError, id: i64) -> anyhow::Error {
    match error {
        ServiceError::Store(StoreError::NotFound(_)) => anyhow!("there is no source {id}; see 'hub source list'"),
        error => error.into(),
    }
}

async fn add(sources: &Sources, args: AddArgs) -> anyhow::Result<Exit> {
    let AddArgs { url, every, trust, name } = args;
    let new = NewSource { url, name, every: Some(every), trusted: trust };
    let id = sources.add(&new).await.map_err(|error| match error {
        ServiceError::Field(error) => {
            let argument = match &*error.field {
                "url" => "URL",
                "every" => "--every",
                _ => "--name",
            };
            anyhow!("{argument}: {}", error.problem)
        }
        error => error.into(),
    })?;
    print::line(id)?;
    print::note(format_args!("the running hub fetches it now; see 'hub source list'"));
    Ok(Exit::Success)
}

async fn list(sources: &Sources, args: &ListArgs) -> anyhow::Result<Exit> {
    let all = sources.all().await?;
    if args.json {
        print::json(&all.iter().map(SourceView::from).collect::<Vec<_>>())?;
    } else if all.is_empty() {
        print::note("there is no source yet; 'add' makes one");
    } else {
        let rows: Vec<_> = all.iter().map(row).collect();
        print::table(["ID", "NAME", "URL", "EVERY", "TRUST", "LISTED", "BROUGHT", "LAST READ", "STATE"], &rows)?;
    }
    Ok(Exit::Success)
}

fn row(source: &Source) -> [String; 9] {
    let view = SourceView::from(source);
    let state = match (&view.problem, view.read_at) {
        (Some(problem), _) => problem.clone(),
        (None, None) => "not fetched yet".to_owned(),
        (None, Some(_)) => remarks(view.waiting, view.refused),
    };
    [
        source.id.to_string(),
        printable(&view.name),
        printable(&view.url),
        view.every,
        if view.trusted { "yes" } else { "no" }.to_owned(),
        view.listed.to_string(),
        view.brought.to_string(),
        view.read_at.map(|at| at.to_string()).unwrap_or_default(),
        printable(&state),
    ]
}

/// What is not wrong with a list, but worth to know.
fn remarks(waiting: u32, refused: u32) -> String {
    let waiting = (waiting > 0).then(|| format!("{waiting} wait for room in the queue"));
    let refused = (refused > 0).then(|| format!("{refused} refused"));
    let remarks: Vec<String> = waiting.into_iter().chain(refused).collect();
    if remarks.is_empty() { "ok".to_owned() } else { remarks.join(", ") }
}

async fn fetch(sources: &Sources, store: &Store, args: &FetchArgs) -> anyhow::Result<Exit> {
    let found = sources.source(SourceId(args.id)).await.map_err(|error| explained(error, args.id))?;
    let source = Source { takes_short: args.take_short, ..found };
    let Try { problem, refused, refusals, changes } =
        sources::try_now(store, &source, Timestamp::now()).await.map_err(|error| match error {
            StoreError::Overtaken => anyhow!("the hub fetched the list at the same time; see 'hub source list'"),
            error => error.into(),
        })?;
    if let Some(problem) = problem {
        bail!("nothing was changed: {}", printable(&problem.to_string()));
    }
    if refused > 0 {
        let refusals: Vec<String> = refusals.iter().map(|text| printable(text)).collect();
        peer_list::warn_of_skipped(refused as usize, &refusals);
    }
    print::line(summary(&changes))?;
    Ok(Exit::Success)
}

/// `3 added, 1 changed`.
fn summary(changes: &SourceChanges) -> String {
    let SourceChanges { added, proposed, waiting, changed, dropped, restored } = *changes;
    let parts = [
        (added, "added"),
        (proposed, "await approval"),
        (waiting, "wait for room in the queue"),
        (changed, "changed"),
        (dropped, "not watched any more"),
        (restored, "watched again"),
    ];
    let named = parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    let named: Vec<String> = named.collect();
    if named.is_empty() { "nothing changed".to_owned() } else { named.join(", ") }
}
