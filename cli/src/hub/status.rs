//! `hub status`: what there is, and what is wrong, at a glance.

use std::{collections::BTreeMap, time::Duration};

use clap::Args;
use easytier_uptime_hub::service::Admin;
use easytier_uptime_store::{
    Access, Store,
    domain::{AuditFilter, AuditKind, NodeFilter, PageRequest, PeerOrder, Timestamp},
};
use serde_json::{Value, json};

use super::{channel::alerts, config::HubConfig, database};
use crate::{exit::Exit, print, text::printable};

/// How far back failed authentications are counted.
const RECENT: Duration = Duration::from_secs(24 * 3600);

/// Shows what the hub's database has, and what is wrong now
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

pub fn run(args: &StatusArgs, config: &HubConfig) -> anyhow::Result<Exit> {
    let status = database::with(Access::Read, config, async |store| read(store).await)?;
    if args.json {
        print::json(&status)?;
        return Ok(Exit::Success);
    }
    for (name, value) in status.as_object().into_iter().flatten() {
        print::line(format!("{name}: {}", printable(&words(value))))?;
    }
    Ok(Exit::Success)
}

/// `3 up, 1 down` of an object of counts.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(counts) => {
            let named = counts.iter().map(|(name, count)| format!("{count} {}", name.replace('_', " ")));
            named.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

async fn read(store: &Store) -> anyhow::Result<Value> {
    let now = Timestamp::now();
    let instance = store.instance().await?;
    let mut nodes = BTreeMap::<&str, u64>::new();
    for (verdict, count) in store.count_peers().await? {
        *nodes.entry(verdict.as_str()).or_default() += count;
    }
    let first = PageRequest { page: 1, per_page: 1 };
    let waiting = store.submissions(&NodeFilter::default(), PeerOrder::OldestFirst, first).await?.total;
    nodes.insert("await_approval", waiting);
    let mut probes = BTreeMap::<&str, u64>::from([("online", 0), ("degraded", 0), ("offline", 0)]);
    for probe in store.probes(now).await? {
        *probes.entry(probe.presence.as_str()).or_default() += 1;
    }
    let backlog = store.backlog().await?;
    let failures = AuditFilter { kind: Some(AuditKind::Failure), ..AuditFilter::default() };
    let failures = Admin::new(store.clone()).audit(&failures, 1000).await?.events;
    let recent = failures.iter().filter(|failure| now.since(failure.at) < RECENT).map(|failure| failure.count);
    Ok(json!({
        "role": instance.role.as_str(),
        "nodes": nodes,
        "probes": probes,
        "results": { "waiting": backlog.results, "parked": backlog.parked },
        "alerts": { "wrong_now": alerts(store).conditions().await?.len(), "muted": alerts(store).mutes().await?.len() },
        "authentications": { "failed_in_24_hours": recent.sum::<u64>() },
    }))
}
