//! What a check says about a peer.

use std::{fmt, time::Duration};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::peer_url::PeerUrl;

/// The longest `message` the contract carries, in characters.
pub const MAX_MESSAGE_CHARS: usize = 300;

/// The verdict of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Status {
    /// Admitted, and at least one ping came back (for a handshake check: a valid answer came).
    Online,
    Offline,
    /// The check says nothing about the peer: what failed is not the peer's fault.
    Unknown,
}

impl Status {
    /// The word for it in logs, figures and tables; on the wire it begins with a capital letter.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Unknown => "unknown",
        }
    }
}

/// The stages of a check, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    Resolve,
    Connect,
    Handshake,
    Admit,
    Ping,
    Route,
    Relay,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Stage; 7] =
        [Stage::Resolve, Stage::Connect, Stage::Handshake, Stage::Admit, Stage::Ping, Stage::Route, Stage::Relay];

    pub fn as_str(self) -> &'static str {
        ["resolve", "connect", "handshake", "admit", "ping", "route", "relay"][self as usize]
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! failure_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)+) => {
        /// Why a check failed, as the contract spells it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum FailureCode {
            $($(#[$doc])* #[serde(rename = $code)] $name,)+
        }

        impl FailureCode {
            /// All codes.
            pub const ALL: &[FailureCode] = &[$(FailureCode::$name,)+];

            pub fn as_str(self) -> &'static str {
                match self {
                    $(FailureCode::$name => $code,)+
                }
            }
        }
    };
}

failure_codes! {
    /// The URL cannot be a peer's.
    InvalidUrl = "invalid_url",
    /// The probe cannot speak this protocol, or not with these credentials; counts as [`Status::Unknown`].
    UnsupportedProtocol = "unsupported_protocol",
    /// The address policy refuses every address of the peer.
    ForbiddenAddress = "forbidden_address",
    DnsFailed = "dns_failed",
    /// An http, https, txt or srv URL yielded no usable peer URL.
    ResolverFailed = "resolver_failed",
    ConnectRefused = "connect_refused",
    ConnectTimeout = "connect_timeout",
    /// No route to the address.
    Unreachable = "unreachable",
    TlsFailed = "tls_failed",
    /// Connected, and no answer to the handshake.
    HandshakeTimeout = "handshake_timeout",
    /// What came back is no EasyTier packet.
    NotEasytier = "not_easytier",
    /// An EasyTier answer of another protocol version.
    ProtocolMismatch = "protocol_mismatch",
    /// A member check met another network.
    NetworkMismatch = "network_mismatch",
    SecretMismatch = "secret_mismatch",
    /// Closed after the handshake.
    Rejected = "rejected",
    PingTimeout = "ping_timeout",
    /// An open session ended.
    Closed = "closed",
    RelayRefused = "relay_refused",
    /// A fault of the probe itself; counts as [`Status::Unknown`].
    Internal = "internal",
    /// The probe has no network itself; counts as [`Status::Unknown`].
    ProbeUnreachable = "probe_unreachable",
    /// The check could not start in time; counts as [`Status::Unknown`].
    MissedWindow = "missed_window",
}

impl FailureCode {
    /// The verdict that a check which ended with this code gives: what is not the peer's fault is `Unknown`.
    pub fn status(self) -> Status {
        match self {
            Self::UnsupportedProtocol | Self::Internal | Self::ProbeUnreachable | Self::MissedWindow => Status::Unknown,
            _ => Status::Offline,
        }
    }
}

impl fmt::Display for FailureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a check failed: the code for programs, words for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub code: FailureCode,
    /// How far one got and what came instead; never a secret.
    pub message: String,
}

impl Failure {
    pub fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

/// Round-trip times of the pings of one check.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    pub min_ms: f64,
    pub median_ms: f64,
    pub max_ms: f64,
    /// The part of the pings sent that did not come back, 0 to 1.
    pub loss: f64,
    /// The mean difference between one round trip and the next, in milliseconds; 0 for a single one.
    pub jitter_ms: f64,
}

impl Latency {
    /// The figures of the round trips that came back, in the order they were sent; `None` when none did.
    pub fn of(round_trips: &[Duration], sent: u32) -> Option<Self> {
        let mut sorted: Vec<f64> = round_trips.iter().map(|time| millis(*time)).collect();
        let jitter_ms = match sorted.len() {
            0 => return None,
            1 => 0.0,
            n => sorted.windows(2).map(|pair| (pair[1] - pair[0]).abs()).sum::<f64>() / (n - 1) as f64,
        };
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median_ms = match sorted.len() % 2 {
            0 => (sorted[middle - 1] + sorted[middle]) / 2.0,
            _ => sorted[middle],
        };
        Some(Self {
            min_ms: sorted[0],
            median_ms,
            max_ms: sorted[sorted.len() - 1],
            loss: 1.0 - f64::from(sorted.len() as u32) / f64::from(sent.max(sorted.len() as u32)),
            jitter_ms,
        })
    }
}

/// What a peer said about itself in its route information; empty where it said nothing, or nothing we can read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeInfo {
    pub version: Option<String>,
    pub hostname: Option<String>,
    /// Distinct networks of strangers that the node serves.
    pub network_count: Option<u32>,
    pub is_public_server: Option<bool>,
}

/// How long each stage took; a stage that was not reached has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings([Option<Duration>; Stage::ALL.len()]);

impl Timings {
    pub fn get(&self, stage: Stage) -> Option<Duration> {
        self.0[stage as usize]
    }

    /// The time of all stages together.
    pub fn total(&self) -> Duration {
        self.0.iter().flatten().sum()
    }

    pub(crate) fn set(&mut self, stage: Stage, took: Duration) {
        self.0[stage as usize] = Some(took);
    }
}

/// A map from stage to milliseconds.
impl Serialize for Timings {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(Stage::ALL.iter().filter_map(|stage| Some((stage.as_str(), millis(self.get(*stage)?)))))
    }
}

/// One result, exactly as it goes over the wire (`POST /results`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckResult {
    /// A UUIDv7 made by the probe: a result that is sent again is the same result.
    pub id: Uuid,
    pub peer_id: i64,
    pub checked_at: DateTime<Utc>,
    /// How many checks this result stands for; absent or `null` on the wire means 1.
    #[serde(default = "one", deserialize_with = "null_is_one")]
    pub checks: u32,
    /// How many of them found the peer healthy.
    #[serde(default)]
    pub healthy: Option<u32>,
    pub status: Status,
    /// The median round trip, in milliseconds.
    #[serde(default)]
    pub response_time: Option<f64>,
    #[serde(default)]
    pub min_ms: Option<f64>,
    #[serde(default)]
    pub max_ms: Option<f64>,
    /// The last stage reached.
    pub stage: Stage,
    #[serde(default)]
    pub error: Option<FailureCode>,
    /// At most [`MAX_MESSAGE_CHARS`] characters.
    #[serde(default)]
    pub message: Option<String>,
    #[serde(default)]
    pub version: Option<String>,
    #[serde(default)]
    pub hostname: Option<String>,
    #[serde(default)]
    pub network_count: Option<u32>,
    #[serde(default)]
    pub relay: Option<Relay>,
    #[serde(default)]
    pub relay_error: Option<String>,
}

fn one() -> u32 {
    1
}

fn null_is_one<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(1))
}

/// Whether the node relays data between two of its guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Relay {
    Ok,
    Failed,
}

/// One check in full: the result, and what only the place that ran it needs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckReport {
    #[serde(flatten)]
    pub result: CheckResult,
    pub url: PeerUrl,
    pub latency: Option<Latency>,
    pub timings: Timings,
    pub is_public_server: Option<bool>,
    /// When the certificate of a wss node ends; it is noted, never verified (nodes use self-signed ones).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_expires_at: Option<DateTime<Utc>>,
}

/// Milliseconds, with the fraction.
pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
