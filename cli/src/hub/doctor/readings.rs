//! What was read, as plain values.

use std::time::Duration;

use easytier_uptime_store::{
    DiskSpace, Refusal,
    domain::{ClockDifference, Timestamp},
};

/// Everything that was read.
#[derive(Debug)]
pub struct Readings {
    pub now: Timestamp,
    /// The database, for messages.
    pub name: String,
    pub database: DatabaseReading,
    /// The file of the key beside the database, if that key is used.
    pub key: Option<KeyReading>,
    /// The disk with the folder of a SQLite file.
    pub disk: Option<DiskSpace>,
    /// Where the hub listens by its configuration: the host, and the port, 0 for any free one.
    pub listen: (String, u16),
    pub port: PortReading,
    /// Whether `TRUSTED_PROXIES` names any.
    pub trusts_proxies: bool,
    pub public: Option<PublicReading>,
}

/// The database.
#[derive(Debug)]
pub enum DatabaseReading {
    /// There is none yet.
    Missing,
    /// The key beside it is missing, or cannot be read: in words.
    NoKey(String),
    /// It was made with another key.
    OtherKey,
    Refused(Refusal),
    /// It cannot be reached or read: in words.
    Failed(String),
    Opened(Opened),
}

/// A database that was opened.
#[derive(Debug, Default)]
pub struct Opened {
    /// In bytes.
    pub size: u64,
    /// What SQLite finds wrong with the file; `None` when it was not asked.
    pub damage: Option<Vec<String>>,
    pub clock: ClockDifference,
    pub newest_check: Option<Timestamp>,
    /// When a probe was heard from last, by the clock of the hub.
    pub newest_sign: Option<Timestamp>,
    /// The versions of hubs on it that are not of this version.
    pub other_hubs: Vec<String>,
}

/// The file of the key.
#[derive(Debug)]
pub struct KeyReading {
    pub file: String,
    /// Whether others than its owner may read it.
    pub is_open_to_others: bool,
}

/// What is at the port.
#[derive(Debug)]
pub enum PortReading {
    /// Any free port is taken at the start.
    Any,
    Free,
    /// It cannot be listened at: in words.
    Unusable(String),
    /// Something holds it, which does not answer as a hub: in words.
    Foreign(String),
    Hub(HubReading),
}

/// A hub that answers.
#[derive(Debug)]
pub struct HubReading {
    pub works: bool,
    /// What it says of itself.
    pub message: String,
    pub warnings: Vec<String>,
}

/// What is at `PUBLIC_URL`.
#[derive(Debug)]
pub struct PublicReading {
    pub url: String,
    pub is_https: bool,
    /// What it answers, or why it does not: in words.
    pub answer: Result<HubReading, String>,
    /// How long the certificate is still valid, if it was seen.
    pub certificate_left: Option<Duration>,
}
