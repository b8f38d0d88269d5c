//! The history of one node: its results, and statistics over them.

use std::time::Duration;

use axum::extract::State;
use easytier_probe::Status;
use easytier_uptime_store::{
    Store,
    domain::{HealthRecord, NodeStats, PeerId, RecordFilter, Timestamp, Verdict},
};
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_html_form::de::empty_as_none;
use utoipa::{IntoParams, ToSchema, openapi::Schema};

use super::{
    TAG,
    item::{HealthStatus, hundredths},
};
use crate::{
    envelope::{Answer, PublicEnvelope, PublicRefusal},
    input::{Path, Query},
    paging::{Paged, Paging},
    parameter::{self, NodePath, Whole},
};

/// One result.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Record {
    id: i64,
    #[schema(value_type = i64)]
    node_id: PeerId,
    status: HealthStatus,
    /// Microseconds; 0 when the check failed.
    response_time: i64,
    /// A code and a message; empty when the check succeeded.
    #[schema(example = "connect_refused: connection refused")]
    error_message: String,
    #[schema(value_type = String, format = DateTime)]
    checked_at: Timestamp,
}

impl From<HealthRecord> for Record {
    fn from(record: HealthRecord) -> Self {
        let error_message = match (record.error, record.message) {
            (Some(code), Some(message)) => Some(format!("{code}: {message}")),
            (code, message) => code.map(|code| code.to_string()).or(message),
        };
        Self {
            id: record.id,
            node_id: record.node_id,
            status: record.status.into(),
            response_time: record.response_us.unwrap_or_default(),
            error_message: error_message.unwrap_or_default(),
            checked_at: record.checked_at,
        }
    }
}

/// Selects the results.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(schema_with = status, required = false)]
    status: Option<StatusName>,
    /// Only results that were checked at or after this time.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(schema_with = parameter::time, required = false)]
    since: Option<Timestamp>,
}

#[derive(Debug)]
struct StatusName(Status);

impl<'de> Deserialize<'de> for StatusName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        let known = HealthStatus::ALL.into_iter().find(|(name, _)| *name == word);
        known
            .map(|(_, status)| Self(status))
            .ok_or_else(|| D::Error::custom("must be 'healthy', 'unhealthy' or 'unknown'"))
    }
}

fn status() -> Schema {
    parameter::one_of(HealthStatus::ALL.map(|(name, _)| name))
}

/// The results of a node, newest first. They are kept for a week unless configured otherwise.
#[utoipa::path(
    get, path = "/api/nodes/{id}/health", tag = TAG, operation_id = "node_health",
    params(NodePath, Paging, Filter),
    responses(
        (status = OK, body = PublicEnvelope<Paged<Record>>),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = NOT_FOUND, body = PublicRefusal),
    ),
)]
pub(super) async fn records(
    State(store): State<Store>,
    Path(NodePath { id }): Path<NodePath>,
    Query(paging): Query<Paging>,
    Query(filter): Query<Filter>,
) -> Answer<PublicEnvelope<Paged<Record>>> {
    let page = paging.request();
    let filter = RecordFilter { status: filter.status.map(|name| name.0), since: filter.since };
    let records = store.health_records(id, &filter, page, Timestamp::now()).await?;
    Ok(PublicEnvelope::of(Paged::new(records, page, Record::from)))
}

/// Statistics over the checks of a node in all regions.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Stats {
    total_checks: u64,
    healthy_count: u64,
    unhealthy_count: u64,
    /// Healthy checks of all regions in percent.
    health_percentage: f64,
    /// Microseconds.
    average_response_time: Option<i64>,
    /// The percentage of the time with a verdict in which the node was up; `partial` counts half. The time in maintenance does not
    /// count, unless there is no other. 0 without any verdict.
    uptime_percentage: f64,
    /// The same with the time in maintenance.
    uptime_percentage_with_maintenance: f64,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_check_time: Option<Timestamp>,
    /// Null before the first check.
    last_status: Option<LastStatus>,
}

/// The health of a node, in the spelling that readers of statistics know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
enum LastStatus {
    /// Online.
    Healthy,
    /// Offline, or online in at most half of the regions.
    Unhealthy,
    /// Without recent results, or the probe failed.
    Unknown,
}

impl From<Verdict> for LastStatus {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Up => Self::Healthy,
            Verdict::Partial | Verdict::Down => Self::Unhealthy,
            Verdict::Unknown => Self::Unknown,
        }
    }
}

impl From<NodeStats> for Stats {
    fn from(stats: NodeStats) -> Self {
        let NodeStats { checks, uptime, last_check_at, verdict } = stats;
        let whole = uptime.percentage_with_maintenance();
        Self {
            total_checks: checks.total_checks,
            healthy_count: checks.healthy_count,
            unhealthy_count: checks.total_checks.saturating_sub(checks.healthy_count),
            health_percentage: hundredths(checks.health_percentage()),
            average_response_time: checks.average_response_us,
            uptime_percentage: hundredths(uptime.percentage().or(whole).unwrap_or_default()),
            uptime_percentage_with_maintenance: hundredths(whole.unwrap_or_default()),
            last_check_time: last_check_at,
            last_status: last_check_at.map(|_| verdict.into()),
        }
    }
}

/// Ten years, in hours.
const MAX_HOURS: u32 = 87_600;
const DEFAULT_HOURS: u32 = 24;

/// The period of the statistics.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Window {
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(schema_with = hours, required = false)]
    hours: Option<Whole<1, MAX_HOURS>>,
}

fn hours() -> Schema {
    parameter::whole(1, MAX_HOURS, Some(DEFAULT_HOURS))
}

/// Statistics of the last hours, by default of a day.
#[utoipa::path(
    get, path = "/api/nodes/{id}/health/stats", tag = TAG, operation_id = "node_health_stats",
    params(NodePath, Window),
    responses(
        (status = OK, body = PublicEnvelope<Stats>),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = NOT_FOUND, body = PublicRefusal),
    ),
)]
pub(super) async fn stats(
    State(store): State<Store>,
    Path(NodePath { id }): Path<NodePath>,
    Query(window): Query<Window>,
) -> Answer<PublicEnvelope<Stats>> {
    let hours = window.hours.map_or(DEFAULT_HOURS, |hours| hours.0);
    let window = Duration::from_secs(3600) * hours;
    Ok(PublicEnvelope::of(store.node_stats(id, window, Timestamp::now()).await?.into()))
}
