//! Probes that a hub configures and asks for statistics.

use std::collections::BTreeMap;

use easytier_probe::Secret;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{ConfigVersion, ProbeId, Region, Timestamp};

/// What a probe uses in place of its own settings: values by the names of settings in small letters.
pub type ProbeSettings = BTreeMap<String, Json>;

/// An enum whose variants have names in the database and in the API.
macro_rules! states {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// The name, in the database and in the API.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            /// The one with this name.
            pub fn from_name(name: &str) -> Option<Self> {
                [$(Self::$variant),+].into_iter().find(|one| one.as_str() == name)
            }
        }
    )+};
}

states! {
    /// Whether the configuration reaches a probe.
    PushState {
        /// It was not tried yet.
        Untried = "",
        /// It does.
        Available = "available",
        /// It does through a proxy, because the probe cannot be reached directly.
        Dirty = "dirty",
        /// It does not.
        Unavailable = "unavailable",
    }

    /// Whether a probe tells its statistics.
    PullState {
        /// It was not asked yet.
        Untried = "",
        /// It does.
        Available = "available",
        /// It has not for a minute.
        Unavailable = "unavailable",
    }

    /// How a probe is reached.
    ProbePath {
        /// At its address.
        Direct = "direct",
        /// At its address, through the proxy of the hub.
        Proxy = "proxy",
        /// Over a connection that the probe made.
        Reverse = "reverse",
    }
}

/// Where a probe takes its configuration.
#[derive(Debug, Clone)]
pub struct ControlAddress {
    /// The base URL without a port, such as `https://probe.example.com`.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The probe's `CONTROL_TOKEN`.
    pub token: Secret,
}

/// A probe to manage.
#[derive(Debug, Clone)]
pub struct NewManagedProbe {
    /// The `server_id`; of a registered probe, or of a new one.
    pub server_id: String,
    /// The region of a new probe.
    pub region: Region,
    /// Where it takes its configuration; `None` when it is reached over its own connection alone.
    pub address: Option<ControlAddress>,
    /// What it uses in place of its own settings.
    pub settings: ProbeSettings,
    /// Whether it has a backend, so that it needs no enrollment.
    pub has_backend: bool,
}

/// A change of a managed probe. `None` changes nothing.
#[derive(Debug, Clone, Default)]
pub struct ManagedProbeChange {
    /// Where it takes its configuration.
    pub host: Option<(String, u16)>,
    /// Its `CONTROL_TOKEN`.
    pub token: Option<Secret>,
    /// What it uses in place of its own settings.
    pub settings: Option<ProbeSettings>,
}

/// Why a probe was not reached, or did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ManageProblem {
    /// Nothing answers.
    #[error("it cannot be reached: {cause}")]
    Unreachable {
        /// Why, in English.
        cause: String,
    },
    /// It does not answer in time.
    #[error("it did not answer within {seconds} s")]
    Slow {
        /// The deadline, in seconds.
        seconds: u64,
    },
    /// The address is one that the hub never connects to.
    #[error("its address is link-local or that of a metadata service, which the hub does not connect to")]
    ForbiddenAddress,
    /// It does not accept the token.
    #[error("it does not accept the token: give the hub the CONTROL_TOKEN of the probe")]
    WrongToken,
    /// It holds the configuration of others, or a newer one.
    #[error(
        "it refuses the configuration: {cause}; 'easytier-uptime daemon --reset-control' there makes it forget what it holds"
    )]
    Conflict {
        /// What the probe says, shortened.
        cause: String,
    },
    /// It answers with another status.
    #[error("it answers {status}: {cause}")]
    Answered {
        /// The status.
        status: u16,
        /// What it says, shortened.
        cause: String,
    },
    /// What answers is no probe.
    #[error("what answers there is no probe: {cause}")]
    Foreign {
        /// What is wrong with the answer.
        cause: String,
    },
    /// It does not ask for orders.
    #[error("the probe has no connection to this hub")]
    NoConnection,
}

/// A probe that the hub manages, without its secrets.
#[derive(Debug, Clone)]
pub struct ManagedProbe {
    /// Its id in the registry.
    pub id: ProbeId,
    /// Its `server_id`.
    pub server_id: String,
    /// Its region.
    pub region: Region,
    /// The base URL without a port, and the port; `None` when it is reached over its own connection alone.
    pub address: Option<(String, u16)>,
    /// What it uses in place of its own settings.
    pub settings: ProbeSettings,
    /// Grows when what the operator said of it changes.
    pub revision: i64,
    /// What the hub found out about it.
    pub contact: Contact,
    /// When it was added.
    pub added_at: Timestamp,
}

impl ManagedProbe {
    /// Whether it does not have this version of the configuration, or what was changed of it since.
    pub fn is_outdated(&self, version: ConfigVersion) -> bool {
        (self.contact.pushed, self.contact.pushed_revision) != (version, self.revision)
    }
}

/// A managed probe with what the hub needs to reach it.
#[derive(Debug, Clone)]
pub struct Managed {
    /// The probe.
    pub probe: ManagedProbe,
    /// Its `CONTROL_TOKEN`, when it has an address.
    pub token: Option<Secret>,
    /// The node token with which it is to report to this hub, if it has no backend.
    pub enrollment: Option<Secret>,
}

/// What a hub found out about a managed probe.
#[derive(Debug, Clone, PartialEq)]
pub struct Contact {
    /// Which configuration it took last.
    pub pushed: ConfigVersion,
    /// Which revision of what the operator said of it was pushed with it.
    pub pushed_revision: i64,
    /// Whether configurations reach it.
    pub push_state: PushState,
    /// Whether it tells its statistics.
    pub pull_state: PullState,
    /// How it was reached last.
    pub path: Option<ProbePath>,
    /// How long its last answer took, in microseconds.
    pub round_trip_us: Option<i64>,
    /// What was wrong at the last try.
    pub problem: Option<ManageProblem>,
    /// When it last took a configuration.
    pub pushed_at: Option<Timestamp>,
    /// When it last told its statistics.
    pub pulled_at: Option<Timestamp>,
    /// The bytes of its checks.
    pub usage_bytes: i64,
    /// Of these, the bytes in the count of the probe's present process.
    pub counted_bytes: i64,
}

impl Contact {
    /// Notes the count of bytes of the probe's process, which begins at 0 when it starts.
    pub fn count(&mut self, bytes: i64) {
        let more = if bytes >= self.counted_bytes { bytes - self.counted_bytes } else { bytes };
        self.usage_bytes = self.usage_bytes.saturating_add(more);
        self.counted_bytes = bytes;
    }
}

/// A [`Contact`] to be stored.
#[derive(Debug, Clone)]
pub struct NewContact {
    /// The probe.
    pub id: ProbeId,
    /// What the hub found out.
    pub contact: Contact,
    /// Whether the probe has a backend, so that it needs no enrollment any more.
    pub has_backend: bool,
}

/// What is asked of a probe over the connection that it made, besides checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// To take the configuration.
    Config,
    /// To tell its statistics.
    Stats,
}

impl MessageKind {
    /// The name, in the database and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Stats => "stats",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Config, Self::Stats].into_iter().find(|kind| kind.as_str() == name)
    }
}
