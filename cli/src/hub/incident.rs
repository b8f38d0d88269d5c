//! `hub incident`: what went wrong together, and what the operator says about it.

use anyhow::anyhow;
use clap::{Args, Subcommand};
use easytier_uptime_hub::service::{
    Admin, ServiceError, Wording,
    incidents::{IncidentState, cause, state},
};
use easytier_uptime_store::{
    Access, Store, StoreError,
    domain::{Incident, IncidentId, PageRequest},
};
use serde_json::json;

use super::{config::HubConfig, database};
use crate::{exit::Exit, print, text::printable};

/// Shows incidents, and writes to them what visitors read
#[derive(Debug, Subcommand)]
pub enum IncidentCommand {
    /// Lists incidents, the open ones first
    List(ListArgs),
    /// Adds words to the timeline of an incident; visitors see them within seconds
    ///
    /// Example:
    ///   easytier-uptime hub incident post 7 --en 'The disk is being replaced' --zh '正在更换硬盘'
    #[command(verbatim_doc_comment)]
    Post(PostArgs),
    /// Gives an incident a name; without one it has the usual name again
    Name(NameArgs),
    /// Closes incidents although not all of their nodes are well
    Close(CloseArgs),
}

#[derive(Debug, Args)]
pub struct ListArgs {
    /// Number of incidents
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Print a JSON array instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct PostArgs {
    /// ID of the incident (first column of 'hub incident list')
    #[arg(value_name = "ID")]
    id: i64,
    /// Text in English, at most 1000 characters
    #[arg(long = "en", value_name = "TEXT", required_unless_present = "chinese")]
    english: Option<String>,
    /// Text in Chinese, at most 1000 characters
    #[arg(long = "zh", value_name = "TEXT")]
    chinese: Option<String>,
}

#[derive(Debug, Args)]
pub struct NameArgs {
    /// ID of the incident (first column of 'hub incident list')
    #[arg(value_name = "ID")]
    id: i64,
    /// Name in English, at most 200 characters
    #[arg(long = "en", value_name = "NAME")]
    english: Option<String>,
    /// Name in Chinese, at most 200 characters
    #[arg(long = "zh", value_name = "NAME")]
    chinese: Option<String>,
}

#[derive(Debug, Args)]
pub struct CloseArgs {
    /// IDs of the incidents (first column of 'hub incident list')
    #[arg(value_name = "ID", required = true)]
    ids: Vec<i64>,
}

pub fn run(command: IncidentCommand, config: &HubConfig) -> anyhow::Result<Exit> {
    let access = match command {
        IncidentCommand::List(_) => Access::Read,
        IncidentCommand::Post(_) | IncidentCommand::Name(_) | IncidentCommand::Close(_) => Access::Change,
    };
    database::with(access, config, async |store| {
        let admin = Admin::new(store.clone());
        match command {
            IncidentCommand::List(args) => list(store, &args).await,
            IncidentCommand::Post(PostArgs { id, english, chinese }) => {
                let done = admin.post_to_incident(IncidentId(id), &wording(english, chinese)).await;
                done.map_err(|error| explained(error, id))?;
                print::line(format!("posted to incident {id}"))?;
                Ok(Exit::Success)
            }
            IncidentCommand::Name(NameArgs { id, english, chinese }) => {
                let done = admin.name_incident(IncidentId(id), &wording(english, chinese)).await;
                done.map_err(|error| explained(error, id))?;
                print::line(format!("named incident {id}"))?;
                Ok(Exit::Success)
            }
            IncidentCommand::Close(CloseArgs { ids }) => {
                for id in ids {
                    admin.close_incident(IncidentId(id)).await.map_err(|error| explained(error, id))?;
                    print::line(format!("closed incident {id}"))?;
                }
                Ok(Exit::Success)
            }
        }
    })
}

fn wording(english: Option<String>, chinese: Option<String>) -> Wording {
    Wording { english: english.unwrap_or_default(), chinese: chinese.unwrap_or_default() }
}

fn explained(error: ServiceError, id: i64) -> anyhow::Error {
    match error {
        ServiceError::Store(StoreError::NotFound("open incident")) => {
            anyhow!("no incident with the ID {id} is open; see 'hub incident list'")
        }
        ServiceError::Store(StoreError::NotFound(_)) => {
            anyhow!("there is no incident with the ID {id}; see 'hub incident list'")
        }
        error => error.into(),
    }
}

async fn list(store: &Store, args: &ListArgs) -> anyhow::Result<Exit> {
    let page = PageRequest { page: 1, per_page: args.limit };
    let incidents = Admin::new(store.clone()).incidents(page).await?.items;
    if args.json {
        print::json(&incidents.iter().map(document).collect::<Vec<_>>())?;
    } else if incidents.is_empty() {
        print::note("there was no incident");
    } else {
        let rows: Vec<_> = incidents.iter().map(row).collect();
        print::table(["ID", "STATE", "BEGAN", "NODES", "WHAT"], &rows)?;
    }
    Ok(Exit::Success)
}

fn document(incident: &Incident) -> serde_json::Value {
    let cause = cause(incident).map(|cause| json!({ "kind": cause.kind(), "value": cause.value() }));
    json!({
        "id": incident.id,
        "state": state(incident),
        "english": incident.english,
        "chinese": incident.chinese,
        "cause": cause,
        "opened_at": incident.opened_at,
        "well_at": incident.well_at,
        "closed_at": incident.closed_at,
        "nodes": incident.nodes.iter().map(|node| json!({ "id": node.id, "name": node.name })).collect::<Vec<_>>(),
        "node_count": incident.node_count,
    })
}

fn row(incident: &Incident) -> [String; 5] {
    let state = match state(incident) {
        IncidentState::Open => "open",
        IncidentState::Recovering => "recovering",
        IncidentState::Closed => "closed",
    };
    let name = incident.english.as_ref().or(incident.chinese.as_ref()).cloned();
    let cause = || cause(incident).map(|cause| format!("{} {}", cause.kind(), cause.value()));
    let node = || incident.nodes.first().map(|node| node.name.clone());
    let what = name.or_else(cause).or_else(node).unwrap_or_default();
    let (id, began, nodes) = (incident.id.to_string(), incident.opened_at.to_string(), incident.node_count.to_string());
    [id, state.to_owned(), began, nodes, printable(&what)]
}
