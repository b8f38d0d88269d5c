//! What is wrong and muted at the primary, for those that mirror it: one that takes its place then tells whom the primary told that
//! it is well again, and tells nobody twice.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use easytier_uptime_store::{
    Store, StoreError,
    domain::{AlertCondition, AlertMute, MirroredAlerts, Timestamp},
};
use serde_json::Value;
use uuid::Uuid;

use super::wire::{OpenAlert, OpenMute};

/// The state of a plan that was taken from the primary: an instance that takes its place has not looked yet.
pub(crate) const MIRRORED_PLAN: &str = "{\"mirrored\":true}";

/// How many are sent at most: what was told first.
const MAX_ALERTS: usize = 20_000;

/// What is open at an instance.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OpenAlerts {
    /// What is wrong, each an [`OpenAlert`] or of a form that this version does not know.
    pub alerts: Vec<Value>,
    /// What is muted, each an [`OpenMute`] or of a form that this version does not know.
    pub mutes: Vec<Value>,
    /// When the planner last looked; `None` when it never has, or the instance sends none.
    pub planned_at: Option<DateTime<Utc>>,
}

/// What is open here, with the names that all instances understand. What is about a node that is not shared is left out.
///
/// # Errors
///
/// When the database fails.
pub async fn open(store: &Store, now: Timestamp) -> Result<OpenAlerts, StoreError> {
    // First, so that what changes meanwhile is looked at again.
    let planned_at = store.alerts_planned_at().await?;
    let mut conditions = store.alert_conditions().await?;
    if conditions.len() > MAX_ALERTS {
        conditions.sort_by_key(|one| one.state.contains("\"told\":null"));
        conditions.truncate(MAX_ALERTS);
    }
    let names = Names {
        nodes: store.peer_uids().await?.into_iter().map(|(id, uid)| (id.to_string(), uid)).collect(),
        probes: store.probes(now).await?.into_iter().map(|one| (one.id.to_string(), one.server_id)).collect(),
    };
    let alert = |one: AlertCondition| {
        let (rule, subject) = one.key.split_once('/')?;
        let (acknowledged_by, at) = one.acknowledged.unzip();
        serde_json::to_value(OpenAlert {
            rule: rule.parse().ok()?,
            subject: names.subject(subject)?,
            state: serde_json::from_str(&one.state).ok()?,
            acknowledged_by,
            acknowledged_at: at.map(Into::into),
        })
        .ok()
    };
    let mute = |one: AlertMute| {
        let scope = names.scope(&one.scope)?;
        let (until, muted_at) = (one.until.into(), one.muted_at.into());
        serde_json::to_value(OpenMute { scope, until, muted_by: one.muted_by, muted_at }).ok()
    };
    Ok(OpenAlerts {
        alerts: conditions.into_iter().filter_map(alert).collect(),
        mutes: store.alert_mutes(now).await?.into_iter().filter_map(mute).collect(),
        planned_at: planned_at.map(Into::into),
    })
}

/// Takes what is open at the primary in the place of what is open here. Its clock is `ahead_ms` milliseconds ahead of this hub's.
///
/// # Errors
///
/// When the database fails.
pub async fn adopt(store: &Store, open: &OpenAlerts, ahead_ms: i64, now: Timestamp) -> Result<(), StoreError> {
    // A primary without a planner says nothing about alerts.
    let Some(planned_at) = open.planned_at else { return Ok(()) };
    let planned_at = Timestamp::from(planned_at);
    let names = Names {
        nodes: store.peer_uids().await?.into_iter().map(|(id, uid)| (uid, id.to_string())).collect(),
        probes: store.probes(now).await?.into_iter().map(|one| (one.server_id, one.id.to_string())).collect(),
    };
    let condition = |value: &Value| {
        let one: OpenAlert = serde_json::from_value(value.clone()).ok()?;
        let acknowledged = one.acknowledged_by.zip(one.acknowledged_at.map(Timestamp::from));
        let key = format!("{}/{}", one.rule, names.subject(&one.subject)?);
        Some(AlertCondition { key, state: one.state.to_string(), acknowledged })
    };
    let mute = |value: &Value| {
        let one: OpenMute = serde_json::from_value(value.clone()).ok()?;
        let (until, muted_at) = (one.until.into(), one.muted_at.into());
        Some(AlertMute { id: 0, scope: names.scope(&one.scope)?, until, muted_by: one.muted_by, muted_at })
    };
    let mirrored = MirroredAlerts {
        conditions: open.alerts.iter().filter_map(condition).collect(),
        mutes: open.mutes.iter().filter_map(mute).collect(),
        // The earlier one: what is looked at twice is told once.
        planned_at: planned_at.min(Timestamp(planned_at.0.saturating_sub(ahead_ms))).min(now),
        state: MIRRORED_PLAN.to_owned(),
    };
    store.mirror_alerts(&mirrored).await
}

/// The names of nodes and probes at the other side, by those at this side.
struct Names {
    nodes: HashMap<String, String>,
    probes: BTreeMap<String, String>,
}

impl Names {
    /// A subject at the other side; `None` when it is about something that is not there.
    fn subject(&self, subject: &str) -> Option<String> {
        let Some((kind, name)) = subject.split_once(':') else { return Some(subject.to_owned()) };
        let there = match kind {
            "node" | "certificate" | "version" | "relay" => self.nodes.get(name)?,
            "probe" => self.probes.get(name)?,
            _ => return Some(subject.to_owned()),
        };
        Some(format!("{kind}:{there}"))
    }

    /// What is muted, at the other side.
    fn scope(&self, scope: &str) -> Option<String> {
        match scope.split_once('/') {
            Some((rule, subject)) if rule.parse::<Uuid>().is_ok() => Some(format!("{rule}/{}", self.subject(subject)?)),
            _ => self.subject(scope),
        }
    }
}
