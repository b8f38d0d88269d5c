//! What instances say to each other, in JSON with names in camelCase. Other programs speak it too, so unknown fields are
//! ignored, and what only our own instances understand is in fields that others ignore.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use easytier_uptime_store::domain::{ClusterId, InstanceHealth, InstanceId, ObjectKey, ObjectVersion, Role, Verdicts};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

/// The most monitoring results of one heartbeat.
pub const MAX_RESULTS: usize = 5_000;

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
    /// Open alerts; none until there are alerts.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    pub open_alerts: Vec<Value>,
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
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
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
    #[serde(default)]
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
    #[serde(default, skip_serializing_if = "Map::is_empty")]
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

/// A result that is refused for good.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RejectedResult {
    /// Its position in `monitoringResults`, from 0.
    pub index: usize,
    /// Why, as in the answer to `POST /results`.
    pub reason: String,
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

/// `GET /sync/api/endpoints`: the configuration.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Configuration {
    /// The peers.
    pub endpoints: Vec<Endpoint>,
    /// The notification services; none until they exist.
    #[schema(value_type = Vec<Object>)]
    pub notification_services: Vec<Value>,
    /// The live settings by name.
    #[schema(value_type = Object)]
    pub global_settings: Map<String, Value>,
    /// Objects that were deleted within 90 days.
    pub deleted: Vec<DeletedObject>,
    /// When an object was last changed.
    pub last_modified: Option<DateTime<Utc>>,
    /// The version of the lists that probes get.
    pub config_version: i64,
    /// The epoch of the primary.
    pub epoch: i64,
    /// The cluster.
    #[schema(value_type = Uuid)]
    pub cluster_id: ClusterId,
    /// Which instance has it.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    pub instance_id: Option<InstanceId>,
    /// The objects whose present version that instance made.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    pub own: Vec<ObjectKey>,
    /// The changes that it has seen: of each instance that made changes, the highest counter.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub seen: BTreeMap<InstanceId, i64>,
    /// The highest id that a peer ever had there.
    #[serde(default)]
    pub highest_peer_id: i64,
    /// The versions of the live settings, by name.
    #[serde(default)]
    pub setting_versions: BTreeMap<String, Version>,
    /// The regions.
    #[serde(default)]
    pub regions: Vec<SharedRegion>,
    /// The registry: probes.
    #[serde(default)]
    pub probes: Vec<SharedProbe>,
    /// The registry: tokens and keys, as sealed hashes.
    #[serde(default)]
    pub credentials: Vec<SharedCredential>,
}

/// A peer as instances share it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// Its id, which launchers remember.
    pub id: i64,
    /// Its uid, the same at all instances.
    pub uid: String,
    /// Its name.
    pub name: String,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Its protocol.
    pub protocol: String,
    /// The whole URL.
    pub url: String,
    /// A description for people.
    #[serde(default)]
    pub description: String,
    /// The name of its network.
    #[serde(default)]
    pub network_name: Option<String>,
    /// Its network secret, sealed for the instance that asks, in base64.
    #[serde(default)]
    pub network_secret_sealed: Option<String>,
    /// `handshake` when it is checked to the handshake only.
    #[serde(default)]
    pub check: Option<String>,
    /// The deadline of one check.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    /// Whether the node relays packets for others.
    #[serde(default)]
    pub allow_relay: bool,
    /// How many networks the node accepts.
    #[serde(default)]
    pub max_connections: u32,
    /// Its tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The regions that check it; all when there are none.
    #[serde(default)]
    pub regions: Vec<String>,
    /// Whether it is listed and checked.
    pub approved: bool,
    /// Whether a stranger submitted it.
    pub submitted: bool,
    /// How to reach its owner, as JSON, sealed like the secret.
    #[serde(default)]
    pub contacts_sealed: Option<String>,
    /// When it was added.
    #[serde(default)]
    pub created_at: Option<DateTime<Utc>>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// Since when it is the peer that it is.
    #[serde(default)]
    pub target_since: Option<DateTime<Utc>>,
    /// The version of the configuration in which it became that.
    #[serde(default)]
    pub target_version: i64,
    /// Its version.
    pub version: Version,
}

/// The version of an object: of two, the greater epoch wins, then the greater counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Version {
    /// The epoch in which it was changed.
    pub epoch: i64,
    /// Grows with each change.
    pub counter: i64,
}

impl From<ObjectVersion> for Version {
    fn from(version: ObjectVersion) -> Self {
        Self { epoch: version.epoch, counter: version.counter }
    }
}

impl From<Version> for ObjectVersion {
    fn from(version: Version) -> Self {
        Self { epoch: version.epoch, counter: version.counter }
    }
}

/// An object that was deleted.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeletedObject {
    /// `peer`, `region`, `setting`, `probe` or `credential`.
    pub kind: String,
    /// Its uid.
    pub uid: String,
    /// When.
    pub deleted_at: DateTime<Utc>,
    /// The version of the deletion.
    pub version: Version,
}

/// A region.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SharedRegion {
    /// Its name, which is its uid.
    pub name: String,
    /// Its version.
    pub version: Version,
}

/// A probe.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SharedProbe {
    /// Its `server_id`, which is its uid.
    pub server_id: String,
    /// Its region.
    pub region: String,
    /// Whether the probe or the operator chose its `server_id`.
    pub named: bool,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
    /// Its version.
    pub version: Version,
}

/// A token or key.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SharedCredential {
    /// The part of the token that finds it, which is its uid.
    pub uid: String,
    /// `node`, `api` or `enrollment`.
    pub kind: String,
    /// The name that the operator gave it.
    pub name: String,
    /// The hash of the token, sealed for the instance that asks, in base64.
    pub hash_sealed: String,
    /// The `server_id` of the probe of a node token.
    #[serde(default)]
    pub server_id: Option<String>,
    /// The only region of an enrollment key.
    #[serde(default)]
    pub region: Option<String>,
    /// When it was issued.
    pub created_at: DateTime<Utc>,
    /// When it was revoked.
    #[serde(default)]
    pub revoked_at: Option<DateTime<Utc>>,
    /// When it ends by itself.
    #[serde(default)]
    pub expires_at: Option<DateTime<Utc>>,
    /// How many probes an enrollment key may enroll.
    #[serde(default)]
    pub max_uses: Option<i64>,
    /// How many it has enrolled.
    #[serde(default)]
    pub uses: i64,
    /// Its version.
    pub version: Version,
}

/// `GET /sync/api/failover-order`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailoverOrder {
    /// The highest epoch that the answering instance has seen.
    pub epoch: i64,
    /// The cluster.
    #[schema(value_type = Uuid)]
    pub cluster_id: ClusterId,
    /// The primary.
    #[schema(value_type = Option<Uuid>)]
    pub primary: Option<InstanceId>,
    /// All instances, the first to take over first.
    pub order: Vec<InOrder>,
    /// Who answers.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    pub instance_id: Option<InstanceId>,
    /// The instance to which the primary is handing over: it mirrors the primary's results meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub handing_over_to: Option<InstanceId>,
    /// Whether the answering instance sees the primary; missing from other programs.
    #[serde(default)]
    pub primary_reachable: Option<bool>,
    /// The role of the answering instance.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub role: Option<Role>,
}

/// An instance in the order of failover.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InOrder {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub instance_id: InstanceId,
    /// Its name.
    #[serde(default)]
    pub instance_name: String,
    /// Its place; lower comes first.
    pub failover_order: i64,
    /// The base URL at which others reach it.
    pub public_endpoint: Option<String>,
    /// Whether that URL was called back successfully.
    #[serde(default)]
    pub called_back: bool,
    /// Whether it is there.
    pub status: MemberStatus,
}

/// `POST /sync/api/promote`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Promote {
    /// The epoch that the caller knows: with another one, the answer is 409 with the present one.
    pub expected_epoch: i64,
    /// Why, for the log.
    pub reason: String,
}

/// The answer to a promotion or demotion.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoleChange {
    /// The instance whose role changed.
    #[schema(value_type = Uuid)]
    pub instance_id: InstanceId,
    /// Its role now.
    #[schema(value_type = String)]
    pub role: Role,
    /// The epoch now.
    pub epoch: i64,
}

/// An error.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SyncErrorBody {
    /// A code for programs, such as `other_cluster`.
    pub error: String,
    /// What happened, in words.
    pub message: String,
    /// The present epoch, when the caller named another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<i64>,
}
