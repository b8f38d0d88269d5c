//! How instances introduce themselves, and how they are listed.

use chrono::{DateTime, Utc};
use easytier_uptime_store::domain::{ClusterId, InstanceId, Role};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::SyncStatus;

/// `POST /sync/api/register`: how an instance introduces itself.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Register {
    /// The id of the instance.
    #[schema(value_type = Uuid)]
    pub instance_id: InstanceId,
    /// Its name.
    pub instance_name: String,
    /// Where it is, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Degrees north, -90 to 90.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latitude: Option<f64>,
    /// Degrees east, -180 to 180.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longitude: Option<f64>,
    /// The version of its program.
    pub version: String,
    /// What it can do.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// Its place in the order of failover; lower comes first.
    pub failover_order: i64,
    /// The base URL at which others reach it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_endpoint: Option<String>,
    /// Its X25519 key in base64.
    pub public_key: String,
    /// Facts about its machine.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub system_info: Value,
    /// The cluster that it belongs to; missing before its first registration, and from other programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub cluster_id: Option<ClusterId>,
}

/// The answer to a registration, with status 201.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Registered {
    /// The id that registered.
    #[schema(value_type = Uuid)]
    pub instance_id: InstanceId,
    /// Its token. It is not shown again.
    pub token: String,
    /// When the token ends; never when it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// Its role: `dependent`.
    #[schema(value_type = String)]
    pub role: Role,
    /// The cluster that it belongs to now.
    #[schema(value_type = Uuid)]
    pub cluster_id: ClusterId,
    /// The epoch of the primary.
    pub epoch: i64,
    /// Milliseconds between two heartbeats.
    pub heartbeat_interval: u64,
    /// Milliseconds between two looks at the configuration.
    pub sync_interval: u64,
    /// The primary's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub primary_id: Option<InstanceId>,
    /// The primary's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_name: Option<String>,
    /// The primary's X25519 key in base64, with which an instance that led before seals what it hands in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// The position up to which the primary has mirrored the results of the instance that registers; missing when it never
    /// did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirrored: Option<String>,
}

/// `GET /sync/api/instances`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Instances {
    /// All instances of the cluster, the primary among them, in the order of failover.
    pub instances: Vec<InstanceView>,
}

/// An instance, as the primary sees it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceView {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub instance_id: InstanceId,
    /// Its name.
    pub instance_name: String,
    /// Where it is, in words.
    pub location: Option<String>,
    /// Degrees north.
    #[serde(default)]
    pub latitude: Option<f64>,
    /// Degrees east.
    #[serde(default)]
    pub longitude: Option<f64>,
    /// The base URL at which others reach it.
    pub public_endpoint: Option<String>,
    /// Whether that URL was called back successfully.
    #[serde(default)]
    pub called_back: bool,
    /// Its place in the order of failover.
    pub failover_order: i64,
    /// When its last heartbeat arrived.
    pub last_heartbeat: Option<DateTime<Utc>>,
    /// `active`, `inactive` (two intervals without a heartbeat), `failed` (three) or `promoting`.
    pub status: MemberStatus,
    /// Its role.
    #[schema(value_type = String)]
    pub role: Role,
    /// The highest epoch that it has seen.
    pub epoch: i64,
    /// What it can do.
    pub capabilities: Vec<String>,
    /// Facts about its machine.
    #[schema(value_type = Object)]
    pub system_info: Value,
    /// Its load.
    #[schema(value_type = Object)]
    pub system_metrics: Value,
    /// Its connection to the primary.
    #[schema(value_type = Object)]
    pub connection_status: Value,
    /// The configuration that it holds.
    pub sync_status: SyncStatus,
}

/// Whether an instance is there, by its heartbeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MemberStatus {
    /// It sends heartbeats.
    Active,
    /// None for two intervals.
    Inactive,
    /// None for three intervals.
    Failed,
    /// It is becoming the primary.
    Promoting,
}
