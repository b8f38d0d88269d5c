//! The configuration.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use easytier_uptime_store::domain::{ClusterId, InstanceId, ObjectVersion, Scope};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// `GET /sync/api/endpoints`: the configuration.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Configuration {
    /// The peers.
    pub endpoints: Vec<Endpoint>,
    /// The notification services: channels for alerts, each a [`NotificationService`]. Others are left to who knows them.
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
    pub own: Vec<ObjectName>,
    /// The changes that it has seen: of each instance that made changes, the highest counter.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub seen: BTreeMap<InstanceId, i64>,
    /// Whether other parts of what is handed in follow.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
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
    /// The maintenance windows.
    #[serde(default)]
    pub maintenance_windows: Vec<SharedWindow>,
}

/// Names an object in all instances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ObjectName {
    /// `peer`, `region`, `setting`, `probe`, `credential` or `maintenance`.
    pub kind: String,
    /// Its uid.
    pub uid: String,
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
    /// The URL without its query, in which people put tokens.
    pub url: String,
    /// The whole URL when it has a query, sealed like the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_sealed: Option<String>,
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
    /// `peer`, `region`, `setting`, `probe`, `credential` or `maintenance`.
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
    /// The uid of the enrollment key with which the probe of a node token enrolled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrolled_by: Option<String>,
    /// What an API key may do: `read`, `instances`.
    #[serde(default = "read_alone")]
    pub scopes: Vec<String>,
    /// Its version.
    pub version: Version,
}

/// A channel for alerts.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotificationService {
    /// Its id at this instance.
    #[serde(default)]
    pub id: i64,
    /// Its uid, the same at all instances.
    pub uid: String,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Whether anything is told there.
    pub enabled: bool,
    /// Its settings and rules, as JSON, sealed for the instance that asks, in base64.
    pub config_sealed: String,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// Its version.
    pub version: Version,
}

/// A maintenance window.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SharedWindow {
    /// Its uid, the same at all instances.
    pub uid: String,
    /// What visitors read.
    pub title: String,
    /// The same in Chinese.
    #[serde(default)]
    pub title_zh: Option<String>,
    /// Whether it covers all nodes.
    #[serde(default)]
    pub all: bool,
    /// The ids of nodes that it covers.
    #[serde(default)]
    pub nodes: Vec<i64>,
    /// It covers the nodes with one of these tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// It covers the nodes that are checked from one of these regions and not from every region.
    #[serde(default)]
    pub regions: Vec<String>,
    /// When the first occurrence begins, on the clocks of the time zone.
    pub start: String,
    /// An IANA time zone.
    pub time_zone: String,
    /// How long each occurrence takes.
    pub minutes: u32,
    /// An RRULE of RFC 5545, without its end.
    #[serde(default)]
    pub rrule: Option<String>,
    /// No occurrence begins after this time of the time zone.
    #[serde(default)]
    pub until: Option<String>,
    /// When an occurrence was ended before its time.
    #[serde(default)]
    pub ended_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// Its version.
    pub version: Version,
}

/// What an API key may do of which nothing else is said.
fn read_alone() -> Vec<String> {
    vec![Scope::Read.as_str().to_owned()]
}
