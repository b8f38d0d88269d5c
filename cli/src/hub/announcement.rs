//! `hub announcement`: what visitors read at the top of every page.

use std::time::Duration;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use easytier_uptime_config::duration;
use easytier_uptime_hub::service::{Admin, AnnouncementRequest, ServiceError};
use easytier_uptime_store::{
    Access, Store, StoreError,
    domain::{Announcement, AnnouncementId, Severity, Timestamp},
};
use serde_json::json;

use super::{config::HubConfig, database};
use crate::{exit::Exit, print, text::printable};

/// Manages announcements, which visitors read at the top of every page
#[derive(Debug, Subcommand)]
pub enum AnnouncementCommand {
    /// Makes an announcement; visitors see it within seconds
    ///
    /// Example:
    ///   easytier-uptime hub announcement add 'Tokyo is away on Sunday' --chinese '东京节点周日停机' --for 48h
    #[command(verbatim_doc_comment)]
    Add(AddArgs),
    /// Lists announcements, also those that ended in the last 90 days
    List(ListArgs),
    /// Ends announcements at once
    End(EndArgs),
}

#[derive(Debug, Args)]
pub struct AddArgs {
    /// Text in English, at most 500 characters
    #[arg(value_name = "TEXT", required_unless_present = "chinese")]
    english: Option<String>,
    /// Text in Chinese, at most 500 characters
    #[arg(long, value_name = "TEXT")]
    chinese: Option<String>,
    /// How much it matters: info, warning or critical
    #[arg(long, value_name = "SEVERITY", default_value = "info", value_parser = severity)]
    severity: Severity,
    /// Time after which it ends by itself, such as 48h [default: somebody has to end it]
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse_positive)]
    lasts: Option<Duration>,
}

#[derive(Debug, Args)]
pub struct ListArgs {
    /// Print a JSON array instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct EndArgs {
    /// IDs of the announcements (first column of 'hub announcement list')
    #[arg(value_name = "ID", required = true)]
    ids: Vec<i64>,
}

fn severity(name: &str) -> Result<Severity, String> {
    Severity::from_name(name).ok_or_else(|| "it is info, warning or critical".to_owned())
}

pub fn run(command: AnnouncementCommand, config: &HubConfig) -> anyhow::Result<Exit> {
    let access = match command {
        AnnouncementCommand::List(_) => Access::Read,
        AnnouncementCommand::Add(_) | AnnouncementCommand::End(_) => Access::Change,
    };
    database::with(access, config, async |store| match command {
        AnnouncementCommand::Add(args) => add(store, args).await,
        AnnouncementCommand::List(args) => list(store, &args).await,
        AnnouncementCommand::End(args) => end(store, &args.ids).await,
    })
}

async fn add(store: &Store, args: AddArgs) -> anyhow::Result<Exit> {
    let AddArgs { english, chinese, severity, lasts } = args;
    let (english, chinese) = (english.unwrap_or_default(), chinese.unwrap_or_default());
    let id = Admin::new(store.clone()).announce(AnnouncementRequest { severity, english, chinese, lasts }).await?;
    print::line(format!("announced, with the ID {id}"))?;
    Ok(Exit::Success)
}

async fn list(store: &Store, args: &ListArgs) -> anyhow::Result<Exit> {
    let (announcements, now) = (store.announcements().await?, Timestamp::now());
    if args.json {
        let documents = announcements.iter().map(|announcement| {
            let Announcement { id, content, created_at } = announcement;
            json!({
                "id": id,
                "severity": content.severity,
                "english": content.english,
                "chinese": content.chinese,
                "created_at": created_at,
                "ends_at": content.ends_at,
            })
        });
        print::json(&documents.collect::<Vec<_>>())?;
    } else if announcements.is_empty() {
        print::note("there are no announcements");
    } else {
        let row = |announcement: &Announcement| {
            let content = &announcement.content;
            let text = content.english.as_ref().or(content.chinese.as_ref());
            let ends = match content.ends_at {
                Some(at) if at <= now => "ended".to_owned(),
                Some(at) => at.to_string(),
                None => "never".to_owned(),
            };
            let text = text.map(|text| printable(text)).unwrap_or_default();
            [announcement.id.to_string(), content.severity.as_str().to_owned(), ends, text]
        };
        let rows: Vec<_> = announcements.iter().map(row).collect();
        print::table(["ID", "SEVERITY", "ENDS", "TEXT"], &rows)?;
    }
    Ok(Exit::Success)
}

async fn end(store: &Store, ids: &[i64]) -> anyhow::Result<Exit> {
    let admin = Admin::new(store.clone());
    for id in ids {
        admin.end_announcement(AnnouncementId(*id)).await.map_err(|error| match error {
            ServiceError::Store(StoreError::NotFound(_)) => {
                anyhow!("no announcement with the ID {id} is shown; see 'hub announcement list'")
            }
            error => error.into(),
        })?;
        print::line(format!("ended announcement {id}"))?;
    }
    Ok(Exit::Success)
}
