//! Heartbeats, and the results of checks.

use chrono::{DateTime, Utc};
use easytier_uptime_store::domain::{InstanceHealth, InstanceId, Verdicts};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{OpenAlert, OpenMute};

/// The most monitoring results of one heartbeat.
pub const MAX_RESULTS: usize = 5_000;

/// `PUT /sync/api/heartbeat`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Heartbeat {
    /// The instance that sends it.
    #[schema(value_type = Uuid)]
    pub instance_id: InstanceId,
    /// Its clock when it sent it.
    pub timestamp: DateTime<Utc>,
    /// Its health.
    #[schema(value_type = String)]
    pub status: InstanceHealth,
    /// Seconds since it started.
    #[serde(deserialize_with = "whole_seconds")]
    pub uptime: u64,
    /// Results that it has not delivered yet, at most 5,000.
    #[serde(default)]
    pub monitoring_results: Vec<MonitoringResult>,
    /// Its load.
    #[serde(default)]
    pub system_metrics: SystemMetrics,
    /// Its connection to the primary.
    #[serde(default)]
    pub connection_status: ConnectionStatus,
    /// The configuration that it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_status: Option<SyncStatus>,
    /// The position up to which it has mirrored the primary's results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirrored: Option<String>,
    /// The highest epoch that it has seen.
    #[serde(default)]
    pub epoch: i64,
}

/// `GET /sync/api/results`: what an instance needs to know to take the primary's place.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Mirror {
    /// Results after the position that the caller named, the oldest first, at most 5,000.
    pub results: Vec<MonitoringResult>,
    /// The position after them.
    pub cursor: String,
    /// Whether there are more.
    pub more: bool,
    /// Verdicts on peers, and signs of life of probes; only when there are no more results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub verdicts: Option<Verdicts>,
    /// What is wrong by the rules of alerts, or was told; only when there are no more results.
    #[serde(default)]
    #[schema(value_type = Vec<OpenAlert>)]
    pub open_alerts: Vec<Value>,
    /// What of it is not told for a while; only when there are no more results.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<OpenMute>)]
    pub open_mutes: Vec<Value>,
    /// When the primary last looked for what there is to tell; only when there are no more results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerts_planned_at: Option<DateTime<Utc>>,
    /// The primary's clock when it answered.
    pub timestamp: DateTime<Utc>,
    /// The version of the configuration that the results belong to.
    #[serde(default)]
    pub config_version: i64,
    /// The epoch of the primary.
    #[serde(default)]
    pub epoch: i64,
}

/// The load of an instance. Percentages are 0 to 100; what could not be measured is `null`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SystemMetrics {
    /// Percentage of the processors.
    pub cpu_usage: Option<f64>,
    /// Percentage of the memory.
    pub memory_usage: Option<f64>,
    /// Percentage of the disk that holds the database.
    pub disk_usage: Option<f64>,
    /// How many peers it checks.
    pub active_endpoints: u64,
}

/// The connection of an instance to the primary, as it sees it.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ConnectionStatus {
    /// Whether the primary answered last time.
    pub primary_reachable: bool,
    /// When it last synchronised.
    pub last_sync_success: Option<DateTime<Utc>>,
    /// How many synchronisations failed since then.
    pub sync_errors: u64,
}

/// What configuration an instance holds.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncStatus {
    /// `pending`, `synced` or `error`.
    pub status: SyncState,
    /// When it last compared its configuration.
    pub last_synced: Option<DateTime<Utc>>,
    /// The hash of its configuration.
    pub config_hash: Option<String>,
    /// The epoch and version of its configuration, `EPOCH-VERSION`.
    pub sync_version: Option<String>,
    /// Why the last synchronisation failed.
    pub error_message: Option<String>,
}

/// The state of a synchronisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SyncState {
    /// It never synchronised.
    #[default]
    Pending,
    /// It holds the primary's configuration, or held it when it last compared.
    Synced,
    /// The last attempt failed.
    Error,
}

/// A result of a check, between instances.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MonitoringResult {
    /// A UUIDv7. Without one it is made from timestamp, instance and endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// The id of the peer.
    pub endpoint_id: i64,
    /// The instance whose probe checked it.
    #[schema(value_type = Uuid)]
    pub instance_id: InstanceId,
    /// When the check ended.
    pub timestamp: DateTime<Utc>,
    /// Whether the peer was online.
    pub is_ok: bool,
    /// The median round trip in milliseconds; 0 without one.
    #[serde(default, deserialize_with = "null_is_default")]
    pub response_time: f64,
    /// `UP` or `DOWN`. A result that is unknown is `DOWN` with `metadata.status` `Unknown`.
    pub status: UpOrDown,
    /// The failure code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_reason: Option<String>,
    /// The region of the probe.
    pub location: String,
    /// The protocol of the peer.
    #[serde(default)]
    pub check_type: String,
    /// What our own instances add; other programs may send any object.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
}

/// Whether a check found the peer online.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum UpOrDown {
    /// It did.
    Up,
    /// It did not.
    Down,
}

/// The answer to a heartbeat.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeartbeatReceipt {
    /// How many results were stored.
    pub accepted: usize,
    /// How many were stored before.
    pub duplicates: usize,
    /// Results that are refused for good.
    pub rejected: Vec<RejectedResult>,
    /// The version of the configuration.
    pub config_version: i64,
    /// The epoch of the primary.
    pub epoch: i64,
}

impl RejectedResult {
    /// A result that is not valid; `detail` says why.
    pub fn invalid(index: usize, detail: String) -> Self {
        Self { index, reason: "invalid".to_owned(), detail: Some(detail) }
    }

    /// Whether the primary does not know the peer.
    pub fn is_of_unknown_peer(&self) -> bool {
        self.reason == "unknown_peer"
    }
}

/// A result that is refused for good.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RejectedResult {
    /// Its position in `monitoringResults`, from 0.
    pub index: usize,
    /// Why, as in the answer to `POST /results`.
    pub reason: String,
    /// Why it is `invalid`, if the reason is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Reads a number of seconds, which some programs send with a fraction.
fn whole_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    // A negative number becomes 0.
    f64::deserialize(deserializer).map(|seconds| seconds as u64)
}

/// Some programs send `null` for what is missing.
fn null_is_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}
