//! `hub maintenance`: the windows of time in which nodes are expected to be out of service.

use std::time::Duration;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use easytier_uptime_config::duration;
use easytier_uptime_hub::service::{Admin, ServiceError, WindowFields};
use easytier_uptime_store::{
    Access, Conflict, StoreError,
    domain::{Coverage, MaintenanceWindow, Occurrence, Region, Tag, Timestamp, WindowId},
};
use serde_json::{Value, json};

use super::{config::HubConfig, database};
use crate::{exit::Exit, print, text::printable};

/// Manages maintenance windows: their nodes are checked, but nobody is told, and uptime does not count the time
#[derive(Debug, Subcommand)]
pub enum MaintenanceCommand {
    Add(Box<AddArgs>),
    /// Lists the windows and when they take place next
    List(ListArgs),
    /// Removes windows; the maintenance that has taken place stays out of the uptime
    Remove(IdArgs),
    /// Ends the maintenance of windows that take place now; repeated windows take place again
    End(IdArgs),
}

const ADD_EXAMPLES: &str = "\
Examples:
  Two hours from now on, for one node:
    easytier-uptime hub maintenance add 'New disks' --node 3 --for 2h
  Every Sunday at 4 in the morning in Berlin, in summer and in winter:
    easytier-uptime hub maintenance add 'Updates' --tag berlin --start 2027-01-31T04:00 --zone Europe/Berlin \\
      --for 90m --rrule 'FREQ=WEEKLY;BYDAY=SU' --until 2027-12-31";

/// Makes a window, once or repeated, and prints its ID
#[derive(Debug, Args)]
#[command(after_help = ADD_EXAMPLES)]
pub struct AddArgs {
    /// What visitors read
    #[arg(value_name = "TITLE")]
    title: String,
    /// The same in Chinese, for Chinese pages
    #[arg(long, value_name = "TEXT")]
    title_zh: Option<String>,
    /// Cover all nodes
    #[arg(long)]
    all: bool,
    /// Cover the node with this ID (repeatable)
    #[arg(long = "node", value_name = "ID", value_parser = clap::value_parser!(i64).range(1..))]
    nodes: Vec<i64>,
    /// Cover the nodes with this tag (repeatable)
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<Tag>,
    /// Cover the nodes that are checked from this region and not from every region (repeatable)
    #[arg(long = "region", value_name = "NAME")]
    regions: Vec<Region>,
    /// First start, such as 2027-01-31T04:00, on the clocks of the time zone [default: now]
    #[arg(long, value_name = "TIME")]
    start: Option<String>,
    /// IANA time zone, such as Europe/Berlin
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    zone: String,
    /// Length of the maintenance, such as 90m, in whole minutes
    #[arg(long = "for", value_name = "DURATION", value_parser = whole_minutes)]
    length: u32,
    /// Repeat by an RRULE of RFC 5545, such as 'FREQ=WEEKLY;BYDAY=SU': at most once a day
    #[arg(long, value_name = "RULE")]
    rrule: Option<String>,
    /// Last day of a repeated window, such as 2027-12-31
    #[arg(long, value_name = "DAY", requires = "rrule")]
    until: Option<String>,
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

pub fn run(command: MaintenanceCommand, config: &HubConfig) -> anyhow::Result<Exit> {
    let access = if matches!(command, MaintenanceCommand::List(_)) { Access::Read } else { Access::Change };
    database::with(access, config, async |store| {
        let admin = Admin::new(store.clone());
        match command {
            MaintenanceCommand::Add(args) => add(&admin, *args).await,
            MaintenanceCommand::List(args) => list(&admin, &args).await,
            MaintenanceCommand::Remove(IdArgs { ids }) => {
                for id in ids {
                    admin.remove_maintenance(WindowId(id)).await.map_err(|error| explained(error, id))?;
                    print::line(format!("removed window {id}"))?;
                }
                Ok(Exit::Success)
            }
            MaintenanceCommand::End(IdArgs { ids }) => {
                for id in ids {
                    admin.end_maintenance(WindowId(id)).await.map_err(|error| explained(error, id))?;
                    print::line(format!("ended the maintenance of window {id}"))?;
                }
                Ok(Exit::Success)
            }
        }
    })
}

fn explained(error: ServiceError, id: i64) -> anyhow::Error {
    match error {
        ServiceError::Store(StoreError::NotFound(_)) => {
            anyhow!("there is no window {id}; see 'hub maintenance list'")
        }
        ServiceError::Store(StoreError::Conflict(Conflict::NotInMaintenance)) => {
            anyhow!("window {id} does not take place now; see 'hub maintenance list'")
        }
        error => error.into(),
    }
}

async fn add(admin: &Admin, args: AddArgs) -> anyhow::Result<Exit> {
    let AddArgs { title, title_zh, all, nodes, tags, regions, start, zone, length, rrule, until } = args;
    let fields = WindowFields {
        title: Some(title),
        title_zh,
        all: Some(all),
        nodes: Some(nodes),
        tags: Some(tags.into_iter().map(Into::into).collect()),
        regions: Some(regions.into_iter().map(Into::into).collect()),
        start,
        time_zone: Some(zone),
        minutes: Some(length),
        rrule,
        until,
    };
    let id = admin.add_maintenance(fields).await.map_err(|error| match error {
        ServiceError::Field(error) => anyhow!("{}: {}", flag(&error.field), error.problem),
        error => error.into(),
    })?;
    print::line(id)?;
    Ok(Exit::Success)
}

/// The flag of a field.
fn flag(field: &str) -> &str {
    match field {
        "title" => "TITLE",
        "title_zh" => "--title-zh",
        "nodes" => "--node",
        "tags" => "--tag",
        "regions" => "--region",
        "start" => "--start",
        "time_zone" => "--zone",
        "minutes" => "--for",
        "rrule" => "--rrule",
        "until" => "--until",
        other => other,
    }
}

async fn list(admin: &Admin, args: &ListArgs) -> anyhow::Result<Exit> {
    let (windows, now) = (admin.maintenance_windows().await?, Timestamp::now());
    if args.json {
        print::json(&windows.iter().map(|window| document(window, now)).collect::<Vec<_>>())?;
    } else if windows.is_empty() {
        print::note("there is no maintenance window yet; 'add' makes one");
    } else {
        let rows: Vec<_> = windows.iter().map(|window| row(window, now)).collect();
        print::table(["ID", "TITLE", "NODES", "WHEN", "MINUTES", "REPEAT", "ZONE"], &rows)?;
    }
    Ok(Exit::Success)
}

fn document(window: &MaintenanceWindow, now: Timestamp) -> Value {
    let (spec, schedule) = (&window.spec, window.spec.schedule.text());
    let period = |one: Occurrence| json!({ "begins_at": one.begins_at, "ends_at": one.ends_at });
    json!({
        "id": window.id,
        "title": spec.title,
        "title_zh": spec.title_zh,
        "all": spec.coverage.all,
        "nodes": spec.coverage.peers,
        "tags": spec.coverage.tags,
        "regions": spec.coverage.regions,
        "start": schedule.start,
        "time_zone": schedule.time_zone,
        "minutes": schedule.minutes,
        "rrule": schedule.rrule,
        "until": schedule.until,
        "current": window.active(now).map(period),
        "next": window.next(now).map(period),
    })
}

fn row(window: &MaintenanceWindow, now: Timestamp) -> [String; 7] {
    let (spec, schedule) = (&window.spec, window.spec.schedule.text());
    let when = match (window.active(now), window.next(now)) {
        (Some(active), _) => format!("now, until {}", active.ends_at),
        (None, Some(next)) => next.begins_at.to_string(),
        (None, None) => "over".to_owned(),
    };
    [
        window.id.to_string(),
        printable(&spec.title),
        coverage(&spec.coverage),
        when,
        schedule.minutes.to_string(),
        schedule.rrule.unwrap_or_default(),
        schedule.time_zone,
    ]
}

fn coverage(coverage: &Coverage) -> String {
    if coverage.all {
        return "all".to_owned();
    }
    let nodes = coverage.peers.iter().map(ToString::to_string);
    let tags = coverage.tags.iter().map(|tag| format!("tag {}", printable(tag.as_str())));
    let regions = coverage.regions.iter().map(|region| format!("region {}", printable(region.as_str())));
    nodes.chain(tags).chain(regions).collect::<Vec<_>>().join(", ")
}

/// A length in whole minutes.
fn whole_minutes(text: &str) -> Result<u32, String> {
    let length: Duration = duration::parse_positive(text).map_err(|error| error.to_string())?;
    let minutes = u32::try_from(length.as_secs() / 60).ok().filter(|minutes| *minutes > 0);
    minutes
        .filter(|_| length.as_millis().is_multiple_of(60_000))
        .ok_or_else(|| "write a length in whole minutes, such as 90m or 2h".to_owned())
}
