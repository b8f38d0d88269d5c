//! Instances: what a database is among those that share one configuration. An instance is a database with the hubs on it.

use std::{cmp::Reverse, fmt, str::FromStr};

use easytier_probe::{ListingVersion, Secret};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Timestamp;

macro_rules! uuids {
    ($($(#[$doc:meta])* $name:ident,)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )+};
}

uuids! {
    /// The id of an instance: that of its database, which never changes.
    InstanceId,
    /// The id of a cluster, which its first primary made.
    ClusterId,
}

/// What an instance does in its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It belongs to no cluster.
    Standalone,
    /// It leads: edits are made here.
    Primary,
    /// It holds the configuration of the primary, and its results go there.
    Dependent,
}

impl Role {
    const NAMES: [(Self, &'static str); 3] =
        [(Self::Standalone, "standalone"), (Self::Primary, "primary"), (Self::Dependent, "dependent")];

    /// The name, in the database, on the wire and on the pages.
    pub fn as_str(self) -> &'static str {
        Self::NAMES[self as usize].1
    }

    /// The role with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find_map(|(role, own)| (own == name).then_some(role))
    }
}

/// Who leads, and since which change: of two primaries the one with the greater term is the real one. A greater epoch wins;
/// within one epoch the lower failover order, then the lower id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term {
    /// Grows by one with each promotion.
    pub epoch: i64,
    /// The failover order of the primary.
    pub order: i64,
    /// The primary.
    pub instance: InstanceId,
}

impl Ord for Term {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let rank = |term: &Self| (term.epoch, Reverse((term.order, term.instance)));
        rank(self).cmp(&rank(other))
    }
}

impl PartialOrd for Term {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The version of a configuration: versions of different epochs are comparable, the epoch first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct ConfigVersion {
    /// The epoch of the primary whose configuration it is.
    pub epoch: i64,
    /// Grows with each change of what probes are given to check.
    pub version: i64,
}

impl From<ConfigVersion> for ListingVersion {
    fn from(ConfigVersion { epoch, version }: ConfigVersion) -> Self {
        Self { epoch, version }
    }
}

impl ConfigVersion {
    /// Reads `EPOCH-VERSION`, as it is displayed; `None` for anything else, and for numbers that cannot be right.
    pub fn from_text(text: &str) -> Option<Self> {
        let (epoch, version) = text.split_once('-')?;
        let version = Self { epoch: epoch.parse().ok()?, version: version.parse().ok()? };
        [version.epoch, version.version].iter().all(|number| (0..=MAX_EPOCH).contains(number)).then_some(version)
    }
}

impl fmt::Display for ConfigVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.version)
    }
}

/// The primary as another instance knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leader {
    /// Its id.
    pub id: InstanceId,
    /// Its name.
    pub name: String,
    /// The base URL of its synchronisation API; `None` when it never named one.
    pub url: Option<String>,
}

/// Who leads a cluster, as an instance says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leadership {
    /// The cluster.
    pub cluster: ClusterId,
    /// The epoch of the primary.
    pub epoch: i64,
    /// The primary.
    pub leader: Leader,
}

/// The greatest epoch that is accepted: the greatest whole number that every reader of JSON reads exactly.
pub const MAX_EPOCH: i64 = 1 << 53;

/// How far an epoch that another instance names may be ahead. One further ahead is an error or an attack: after it no epoch
/// would be left.
pub const MAX_EPOCH_LEAD: i64 = 1000;

/// The key pair (X25519) with which others seal secrets for an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealingKey {
    /// The public key, which others get.
    pub public: [u8; 32],
    /// The private key, as 64 hexadecimal digits in lower case.
    pub private: Secret,
}

/// What this database is among the instances of its cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// Its role.
    pub role: Role,
    /// The cluster; `None` for an instance that never belonged to one.
    pub cluster: Option<ClusterId>,
    /// The highest epoch that it has seen.
    pub epoch: i64,
    /// Whether edits are accepted here: at a standalone instance, and at the primary except during a hand-over.
    pub accepts_edits: bool,
    /// The primary; itself at the primary.
    pub leader: Option<Leader>,
    /// The version of its configuration. At a dependent, the version of the primary's that it holds.
    pub config: ConfigVersion,
    /// When a dependent last compared its configuration with the primary's.
    pub synced_at: Option<Timestamp>,
    /// Why the last synchronisation failed, in words for the operator.
    pub sync_error: Option<String>,
}

impl Instance {
    /// The role of an instance of the cluster in the present epoch. One that led before, and did not return yet, leads nobody.
    pub fn role_of(&self, id: InstanceId) -> Role {
        match self.leader.as_ref().is_some_and(|leader| leader.id == id) {
            true => Role::Primary,
            false => Role::Dependent,
        }
    }

    /// Whether it is a dependent of this primary, at this address.
    pub fn follows(&self, leader: &Leader) -> bool {
        self.role == Role::Dependent && self.leader.as_ref() == Some(leader)
    }
}

/// The health that an instance reports of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstanceHealth {
    /// All is well.
    Healthy,
    /// It works in part.
    Degraded,
    /// It does not work.
    Failing,
}

impl InstanceHealth {
    const NAMES: [(Self, &'static str); 3] =
        [(Self::Healthy, "healthy"), (Self::Degraded, "degraded"), (Self::Failing, "failing")];

    /// The name, in the database and on the wire.
    pub fn as_str(self) -> &'static str {
        Self::NAMES[self as usize].1
    }

    /// The health with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find_map(|(health, own)| (own == name).then_some(health))
    }
}

/// What the heartbeat of an instance says.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberBeat {
    /// When it arrived.
    pub at: Timestamp,
    /// Its health.
    pub health: InstanceHealth,
    /// Its role.
    pub role: Role,
    /// The highest epoch that it has seen.
    pub epoch: i64,
    /// The version of the configuration that it holds.
    pub config: ConfigVersion,
    /// The hash of that configuration; `None` leaves the one that is known.
    pub config_hash: Option<String>,
    /// When it last compared its configuration.
    pub synced_at: Option<Timestamp>,
    /// Why its last synchronisation failed.
    pub sync_error: Option<String>,
    /// Its load; `None` leaves the one that is known.
    pub system_metrics: Option<serde_json::Value>,
    /// What it says about its connection to the primary; `None` leaves what is known.
    pub connection: Option<serde_json::Value>,
}

/// Another instance of the cluster, as it introduced itself or as the primary lists it.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Its id.
    pub id: InstanceId,
    /// Its name.
    pub name: String,
    /// Where it is, in words.
    pub location: Option<String>,
    /// Degrees north, -90 to 90, and degrees east, -180 to 180.
    pub coordinates: Option<(f64, f64)>,
    /// The version of its program.
    pub version: String,
    /// What it can do.
    pub capabilities: Vec<String>,
    /// Its place in the order of failover; lower comes first.
    pub failover_order: i64,
    /// The base URL at which others reach it.
    pub public_endpoint: Option<String>,
    /// When the endpoint last answered a call of the primary.
    pub called_back_at: Option<Timestamp>,
    /// The X25519 key, 32 bytes, with which secrets are sealed for it.
    pub public_key: Option<[u8; 32]>,
    /// Facts about its machine, as it sent them.
    pub system_info: Option<serde_json::Value>,
    /// Its load, as it last sent it.
    pub system_metrics: Option<serde_json::Value>,
    /// What it says about its connection to the primary.
    pub connection: Option<serde_json::Value>,
    /// The health that it last reported.
    pub health: Option<InstanceHealth>,
    /// Its role.
    pub role: Role,
    /// The highest epoch that it has seen.
    pub epoch: i64,
    /// When it registered.
    pub registered_at: Timestamp,
    /// When its last heartbeat arrived.
    pub last_heartbeat: Option<Timestamp>,
    /// The version of the configuration that it holds.
    pub config: ConfigVersion,
    /// When it last compared its configuration.
    pub synced_at: Option<Timestamp>,
    /// Why its last synchronisation failed.
    pub sync_error: Option<String>,
    /// The hash of the configuration that it holds.
    pub config_hash: Option<String>,
}

impl Member {
    /// An instance that registers at `now`, of which only the id is known.
    pub fn registering(id: InstanceId, now: Timestamp) -> Self {
        Self {
            id,
            name: String::new(),
            location: None,
            coordinates: None,
            version: String::new(),
            capabilities: Vec::new(),
            failover_order: 99,
            public_endpoint: None,
            called_back_at: None,
            public_key: None,
            system_info: None,
            system_metrics: None,
            connection: None,
            health: None,
            role: Role::Dependent,
            epoch: 0,
            registered_at: now,
            last_heartbeat: None,
            config: ConfigVersion::default(),
            synced_at: None,
            sync_error: None,
            config_hash: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn term(epoch: i64, order: i64, id: u128) -> Term {
        Term { epoch, order, instance: InstanceId(Uuid::from_u128(id)) }
    }

    #[test]
    fn the_greater_epoch_wins_then_the_lower_order_then_the_lower_id() {
        assert!(term(2, 99, 9) > term(1, 1, 1));
        assert!(term(1, 1, 9) > term(1, 2, 1));
        assert!(term(1, 1, 1) > term(1, 1, 2));
        assert_eq!(term(1, 1, 1).cmp(&term(1, 1, 1)), std::cmp::Ordering::Equal);
    }

    #[test]
    fn a_version_is_read_as_it_is_displayed() {
        let version = ConfigVersion { epoch: 3, version: 14 };
        assert_eq!(ConfigVersion::from_text(&version.to_string()), Some(version));
        for wrong in ["", "3", "3-", "-3-1", "3--1", "3-1-1", "x-1", "9007199254740993-1"] {
            assert_eq!(ConfigVersion::from_text(wrong), None, "{wrong}");
        }
    }
}
