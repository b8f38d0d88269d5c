//! Objects that instances share: each has a uid, which is the same everywhere, and a version.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use easytier_probe::Secret;
use serde::{Deserialize, Serialize};

use super::{ConfigVersion, InstanceId, MaintenanceSpec, PeerSpec, Timestamp};

/// How long a deletion is remembered. An instance that was away for longer may bring a deleted object back.
pub const DELETIONS_KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// What kind of object is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectKind {
    /// A peer with its tags and regions; the uid is a UUID.
    Peer,
    /// A region; the uid is its name.
    Region,
    /// A live setting; the uid is its name.
    Setting,
    /// A probe of the registry; the uid is its `server_id`.
    Probe,
    /// A token or key; the uid is the part of it that finds its row.
    Credential,
    /// A channel for alerts with its rules; the uid is a UUID.
    Channel,
    /// A maintenance window; the uid is a UUID.
    Maintenance,
}

impl ObjectKind {
    /// All kinds, in an order in which each needs only those before it.
    pub const ALL: [Self; 7] =
        [Self::Region, Self::Setting, Self::Peer, Self::Probe, Self::Credential, Self::Maintenance, Self::Channel];

    /// The name in the database and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Region => "region",
            Self::Setting => "setting",
            Self::Probe => "probe",
            Self::Credential => "credential",
            Self::Channel => "channel",
            Self::Maintenance => "maintenance",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl Content {
    /// The kind of the object.
    pub fn kind(&self) -> ObjectKind {
        match self {
            Self::Peer(_) => ObjectKind::Peer,
            Self::Region => ObjectKind::Region,
            Self::Setting(_) => ObjectKind::Setting,
            Self::Probe(_) => ObjectKind::Probe,
            Self::Credential(_) => ObjectKind::Credential,
            Self::Channel(_) => ObjectKind::Channel,
            Self::Maintenance(_) => ObjectKind::Maintenance,
        }
    }
}

/// Names an object in all instances.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectKey {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its uid within the kind.
    pub uid: String,
}

/// The version of an object: of two, the greater wins, the epoch first. The version zero is that of what a dependent has of its
/// own, such as its region: it loses to every other one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct ObjectVersion {
    /// The epoch in which the object was changed.
    pub epoch: i64,
    /// Grows with each change that an instance makes to any object.
    pub counter: i64,
}

impl ObjectVersion {
    /// Whether it is the version of what a dependent has of its own.
    pub fn is_local(self) -> bool {
        self == Self::default()
    }
}

/// An object that instances share.
#[derive(Debug, Clone, PartialEq)]
pub struct SyncedObject {
    /// Its key.
    pub key: ObjectKey,
    /// Its version.
    pub version: ObjectVersion,
    /// What it is.
    pub state: ObjectState,
}

/// Whether a shared object exists.
#[derive(Debug, Clone, PartialEq)]
pub enum ObjectState {
    /// It exists, and this is its content.
    Present(Content),
    /// It was deleted at this time.
    Deleted(Timestamp),
}

/// The content of an object.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A peer.
    Peer(Box<SyncedPeer>),
    /// A region. Its uid says everything.
    Region,
    /// The value of a live setting: a number, or a duration in milliseconds.
    Setting(i64),
    /// A probe.
    Probe(SyncedProbe),
    /// A token or key.
    Credential(Box<SyncedCredential>),
    /// A channel for alerts.
    Channel(Box<SyncedChannel>),
    /// A maintenance window.
    Maintenance(Box<SyncedMaintenance>),
}

/// A peer that instances share.
#[derive(Debug, Clone, PartialEq)]
pub struct SyncedPeer {
    /// Its id, which launchers remember; greater than 0.
    pub id: i64,
    /// Its description, with its secret.
    pub spec: PeerSpec,
    /// Whether it is listed and checked.
    pub approved: bool,
    /// Whether a stranger submitted it.
    pub submitted: bool,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When it became the peer that it is: results of earlier checks do not count for it.
    pub target_since: Timestamp,
    /// The version of the configuration in which it became that.
    pub target_version: i64,
}

/// A probe that instances share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncedProbe {
    /// Its region.
    pub region: String,
    /// Whether the probe or the operator chose its `server_id`.
    pub named: bool,
    /// When it was registered.
    pub created_at: Timestamp,
}

/// A token or key that instances share. Only its hash exists anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncedCredential {
    /// The name of its kind, see [`CredentialKind`](super::CredentialKind).
    pub kind: String,
    /// The name that the operator gave it.
    pub name: String,
    /// The SHA-256 hash of the token, in hexadecimal digits.
    pub hash: Secret,
    /// The `server_id` of the probe of a node token.
    pub server_id: Option<String>,
    /// The only region of an enrollment key.
    pub region: Option<String>,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// How many probes an enrollment key may enroll.
    pub max_uses: Option<i64>,
    /// How many it has enrolled.
    pub uses: i64,
    /// The uid of the enrollment key with which the probe of a node token enrolled: with it, that probe may do so again.
    pub enrolled_by: Option<String>,
    /// The names of the scopes of an API key, see [`Scope`](super::Scope), with commas between them; `read` for other kinds.
    pub scopes: String,
}

/// A channel for alerts that instances share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncedChannel {
    /// Its id at the instance that says it; other instances have another one.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Whether anything is told there.
    pub enabled: bool,
    /// Its settings and rules: JSON, with secrets.
    pub config: Secret,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A maintenance window that instances share. Which nodes are in maintenance follows from it at each of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncedMaintenance {
    /// What it is for, and when.
    pub spec: MaintenanceSpec,
    /// When an occurrence was ended before its time.
    pub ended_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Everything that instances share, as one of them has it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SharedConfig {
    /// The version of the lists that probes get.
    pub version: ConfigVersion,
    /// Which instance has it; `None` for one that does not say.
    pub instance: Option<InstanceId>,
    /// The objects whose present version that instance made.
    pub own: BTreeSet<ObjectKey>,
    /// When an object was last changed, as far as is known.
    pub last_modified: Option<Timestamp>,
    /// The highest id that a peer ever had there: no other peer gets one up to it.
    pub highest_peer_id: i64,
    /// Which changes it has seen: of each instance that made changes, the highest counter. What was seen and has another version
    /// now is not lost. Empty for an instance that does not say.
    pub seen: BTreeMap<InstanceId, i64>,
    /// Whether other parts of it follow, so that not all of what it has seen is known yet.
    pub more: bool,
    /// The objects, sorted by key, and the deletions that are remembered.
    pub objects: Vec<SyncedObject>,
}

/// Whose configuration is adopted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergePartner {
    /// The primary's, by a dependent: the dependent takes over its version, and notes that its peers came from it.
    Primary,
    /// That of another instance, by the primary or by a standalone instance: its edits are merged into the own configuration.
    Other,
}

/// What adopting a configuration did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Adopted {
    /// How many objects changed here.
    pub changed: usize,
    /// How many changes of this instance or the other one were lost, because neither knew of the other's, see [`LostChange`].
    pub lost: usize,
    /// How many objects are newer here: the partner should adopt the configuration of this instance too.
    pub ahead: usize,
    /// The version of the configuration now.
    pub version: ConfigVersion,
}

/// A change that lost to a higher version of the same object, which was made without knowing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostChange {
    /// When it was lost.
    pub at: Timestamp,
    /// The object.
    pub key: ObjectKey,
    /// What was lost, as JSON without secrets.
    pub lost: serde_json::Value,
    /// What it lost to.
    pub won: serde_json::Value,
}
