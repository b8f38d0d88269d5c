//! Use cases of the operator: what there is, and what is wrong, at a glance.

use std::{collections::BTreeMap, time::Duration};

use easytier_uptime_store::domain::{
    AuditFilter, AuditKind, NodeFilter, PageRequest, PeerOrder, Presence, Timestamp, Verdict,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{AUDIT_LIMIT, Admin, ServiceError, alerts::Alerts};

/// How far back failed authentications are counted.
const RECENT: Duration = Duration::from_secs(24 * 3600);

/// What a hub has, and what is wrong now.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct HubStatus {
    /// `standalone`, `primary` or `dependent`.
    #[schema(example = "standalone")]
    pub role: &'static str,
    /// How many nodes have each verdict, and how many submissions wait: `await_approval`.
    pub nodes: BTreeMap<&'static str, u64>,
    /// How many probes are `online`, `degraded` and `offline`.
    pub probes: BTreeMap<&'static str, u64>,
    /// Results that are not applied.
    pub results: PendingResults,
    /// What is told.
    pub alerts: AlertCounts,
    /// Who wanted to be somebody.
    pub authentications: FailedAuthentications,
}

/// Results that are not applied to verdicts and counts.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PendingResults {
    /// Those that will be, within a second or so.
    pub waiting: u64,
    /// Those that cannot be.
    pub parked: u64,
}

/// Alerts.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AlertCounts {
    /// What is wrong now, by the rules.
    pub wrong_now: usize,
    /// What is muted.
    pub muted: usize,
}

/// Failed authentications.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FailedAuthentications {
    /// In the last 24 hours.
    pub failed_in_24_hours: u64,
}

impl Admin {
    /// What there is, and what is wrong now.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn status(&self, alerts: &Alerts) -> Result<HubStatus, ServiceError> {
        let (store, now) = (&self.store, Timestamp::now());
        let mut nodes: BTreeMap<&str, u64> = Verdict::ALL.iter().map(|verdict| (verdict.as_str(), 0)).collect();
        for (verdict, count) in store.count_peers().await? {
            *nodes.entry(verdict.as_str()).or_default() += count;
        }
        let first = PageRequest { page: 1, per_page: 1 };
        let waiting = store.submissions(&NodeFilter::default(), PeerOrder::OldestFirst, first).await?.total;
        nodes.insert("await_approval", waiting);
        let all = [Presence::Online, Presence::Degraded, Presence::Offline];
        let mut probes: BTreeMap<&str, u64> = all.map(|presence| (presence.as_str(), 0)).into();
        for probe in store.probes(now).await? {
            *probes.entry(probe.presence.as_str()).or_default() += 1;
        }
        let backlog = store.backlog().await?;
        let failures = AuditFilter { kind: Some(AuditKind::Failure), ..AuditFilter::default() };
        let failures = self.audit(&failures, AUDIT_LIMIT).await?.events;
        let recent = failures.iter().filter(|failure| now.since(failure.at) < RECENT);
        Ok(HubStatus {
            role: store.instance().await?.role.as_str(),
            nodes,
            probes,
            results: PendingResults { waiting: backlog.results, parked: backlog.parked },
            alerts: AlertCounts { wrong_now: alerts.conditions().await?.len(), muted: alerts.mutes().await?.len() },
            authentications: FailedAuthentications { failed_in_24_hours: recent.map(|failure| failure.count).sum() },
        })
    }
}
