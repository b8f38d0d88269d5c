//! `hub events`: who changed what, and which authentications failed.

use clap::Args;
use easytier_uptime_hub::service::AUDIT_LIMIT;
use easytier_uptime_store::{
    Access,
    domain::{ActorKind, AuditFilter, AuditKind, AuditObject},
};

use super::{
    config::HubConfig,
    desk::{Desk, Event, Events, WhichHub},
};
use crate::{exit::Exit, print, text::printable};

/// Lists who changed what and from where, and which authentications failed, the newest first
///
/// Failures of one kind and address within a minute are one line with their number. A running hub stores failures every few
/// seconds. The log is kept as long as events are (EVENT_RETENTION), and has the newest 50,000 lines of failures.
/// With --hub the key needs the scope audit.
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Only changes, or only failures
    #[arg(long, value_name = "KIND", value_parser = |name: &str| named(name, AuditKind::ALL, AuditKind::as_str))]
    kind: Option<AuditKind>,
    /// Only what was done by these: admin, key, command, instance, hub and others
    #[arg(long, value_name = "KIND", value_parser = |name: &str| named(name, ActorKind::ALL, ActorKind::as_str))]
    by: Option<ActorKind>,
    /// Only changes of these: peer, channel, api_key and others
    #[arg(long, value_name = "KIND", value_parser = |name: &str| named(name, AuditObject::ALL, AuditObject::as_str))]
    of: Option<AuditObject>,
    /// Only events with this text in a name, an address or the detail
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Only events before the one with this ID
    #[arg(long, value_name = "ID")]
    before: Option<i64>,
    /// Number of events to list
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=i64::from(AUDIT_LIMIT)))]
    limit: u32,
    /// Print a JSON array instead of a table
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    which: WhichHub,
}

fn named<T: Copy>(name: &str, all: &[T], name_of: impl Fn(T) -> &'static str) -> Result<T, String> {
    let names = || all.iter().map(|one| name_of(*one)).collect::<Vec<_>>().join(", ");
    all.iter().copied().find(|one| name_of(*one) == name).ok_or_else(|| format!("write one of: {}", names()))
}

pub fn run(args: EventsArgs, config: &HubConfig) -> anyhow::Result<Exit> {
    let EventsArgs { kind, by, of, search, before, limit, json, which } = args;
    let filter = AuditFilter { kind, actor: by, object: of, search, before };
    let read = async |desk: &Desk| Ok(desk.events(&filter, limit).await?);
    let Events { events, next_before } = which.run(Access::Read, config, read)?;
    if json {
        print::json(&events)?;
        return Ok(Exit::Success);
    }
    if events.is_empty() {
        print::note("there are no such events");
        return Ok(Exit::Success);
    }
    let rows: Vec<_> = events.iter().map(row).collect();
    print::table(["ID", "AT", "WHAT", "OBJECT", "DETAIL", "WHO", "FROM"], &rows)?;
    if let Some(before) = next_before {
        print::note(format_args!("there are older ones: --before {before}"));
    }
    Ok(Exit::Success)
}

fn row(event: &Event) -> [String; 7] {
    let Event { id, at, kind, action, object_id, object_name, detail, actor, source, count } = event;
    let what = match AuditKind::from_name(kind) {
        Some(AuditKind::Failure) => format!("wrong {action} × {count}"),
        _ => action.clone(),
    };
    let both = |one: &str, other: &str| printable(format!("{one} {other}").trim());
    [
        id.to_string(),
        at.to_string(),
        printable(&what),
        both(object_name, object_id),
        printable(detail),
        both(&actor.kind, &actor.name),
        printable(source),
    ]
}
