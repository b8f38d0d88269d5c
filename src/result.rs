//! The result of a check.

use std::{fmt, time::Duration};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::peer_url::PeerUrl;

/// The maximum length of [`CheckResult::message`] in the backend contract, in characters.
pub const MAX_MESSAGE_CHARS: usize = 300;

/// The status of a peer according to a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Status {
    /// The node admitted the probe and answered at least one ping; in [`CheckMode::Handshake`](crate::CheckMode::Handshake)
    /// it sent a valid handshake response.
    Online,
    /// The check failed because of the peer.
    Offline,
    /// The check failed for another reason, so it is no evidence about the peer.
    Unknown,
}

impl Status {
    /// The status in lower case, for logs, metrics and tables. In the backend contract it is capitalised.
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
#[non_exhaustive]
pub enum Stage {
    /// The URL is resolved to addresses.
    Resolve,
    /// A connection is opened.
    Connect,
    /// EasyTier's handshake.
    Handshake,
    /// The node accepts the connection: the first ping comes back.
    Admit,
    /// The pings.
    Ping,
    /// Route information is requested.
    Route,
    /// Data is relayed through the node.
    Relay,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Stage; 7] =
        [Stage::Resolve, Stage::Connect, Stage::Handshake, Stage::Admit, Stage::Ping, Stage::Route, Stage::Relay];

    /// The spelling in the backend contract.
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
        /// Why a check failed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum FailureCode {
            $($(#[$doc])* #[serde(rename = $code)] $name,)+
        }

        impl FailureCode {
            /// All codes.
            pub const ALL: &[FailureCode] = &[$(FailureCode::$name,)+];

            /// The spelling in the backend contract.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(FailureCode::$name => $code,)+
                }
            }
        }
    };
}

failure_codes! {
    /// The URL is not a valid peer URL.
    InvalidUrl = "invalid_url",
    /// The probe does not support this protocol, or not with these credentials; counts as [`Status::Unknown`].
    UnsupportedProtocol = "unsupported_protocol",
    /// The address policy refuses every address of the peer.
    ForbiddenAddress = "forbidden_address",
    /// The host name could not be resolved.
    DnsFailed = "dns_failed",
    /// An http, https, txt or srv URL led to no usable peer URL.
    ResolverFailed = "resolver_failed",
    /// The port is closed.
    ConnectRefused = "connect_refused",
    /// No connection was opened before the deadline.
    ConnectTimeout = "connect_timeout",
    /// There is no route to the address.
    Unreachable = "unreachable",
    /// The TLS handshake failed.
    TlsFailed = "tls_failed",
    /// The connection was opened, but there was no response to EasyTier's handshake before the deadline.
    HandshakeTimeout = "handshake_timeout",
    /// The response is not an EasyTier packet.
    NotEasytier = "not_easytier",
    /// The response has another version of the EasyTier protocol.
    ProtocolMismatch = "protocol_mismatch",
    /// In a check as a member, the node is in another network.
    NetworkMismatch = "network_mismatch",
    /// In a check as a member, the node's network has another secret.
    SecretMismatch = "secret_mismatch",
    /// The node closed the connection after the handshake.
    Rejected = "rejected",
    /// No ping was answered before the deadline.
    PingTimeout = "ping_timeout",
    /// The node closed a session that was open.
    Closed = "closed",
    /// The node did not relay data.
    RelayRefused = "relay_refused",
    /// A fault of the probe itself; counts as [`Status::Unknown`].
    Internal = "internal",
    /// The probe itself has no network; counts as [`Status::Unknown`].
    ProbeUnreachable = "probe_unreachable",
    /// The check could not start in time; counts as [`Status::Unknown`].
    MissedWindow = "missed_window",
}

impl FailureCode {
    /// The status of a check that failed with this code: [`Status::Unknown`] if the failure is not the peer's fault.
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

/// Why a check failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The reason for programs.
    pub code: FailureCode,
    /// The reason for people, without secrets.
    pub message: String,
}

impl Failure {
    /// A failure with this reason.
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
    /// The shortest round trip, in milliseconds.
    pub min_ms: f64,
    /// The median round trip, in milliseconds.
    pub median_ms: f64,
    /// The longest round trip, in milliseconds.
    pub max_ms: f64,
    /// The share of pings without a response, from 0 to 1.
    pub loss: f64,
    /// The mean difference between consecutive round trips, in milliseconds; 0 for a single one.
    pub jitter_ms: f64,
}

impl Latency {
    /// Summarises the round trips of the pings that were answered, in the order in which they were sent. `sent` is the
    /// number of all pings. `None` if there is no round trip.
    pub fn of(round_trips: &[Duration], sent: u32) -> Option<Self> {
        let mut sorted: Vec<f64> = round_trips.iter().map(|time| millis(*time)).collect();
        let jitter_ms = match sorted.len() {
            0 => return None,
            1 => 0.0,
            n => sorted.windows(2).map(|pair| (pair[1] - pair[0]).abs()).sum::<f64>() / (n - 1) as f64,
        };
        sorted.sort_by(f64::total_cmp);
        Some(Self {
            min_ms: sorted[0],
            median_ms: median(&sorted)?,
            max_ms: sorted[sorted.len() - 1],
            loss: 1.0 - f64::from(sorted.len() as u32) / f64::from(sent.max(sorted.len() as u32)),
            jitter_ms,
        })
    }
}

/// A node's route information about itself. Fields are `None` if they are missing or cannot be parsed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeInfo {
    /// The version of EasyTier.
    pub version: Option<String>,
    /// The host name.
    pub hostname: Option<String>,
    /// The number of other networks that the node serves.
    pub network_count: Option<u32>,
    /// Whether the node calls itself a public server.
    pub is_public_server: Option<bool>,
}

/// How long each stage took. A stage that was not reached has no time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings([Option<Duration>; Stage::ALL.len()]);

impl Timings {
    /// How long `stage` took; `None` if it was not reached.
    pub fn get(&self, stage: Stage) -> Option<Duration> {
        self.0[stage as usize]
    }

    /// The sum over all stages.
    pub fn total(&self) -> Duration {
        self.0.iter().flatten().sum()
    }

    pub(crate) fn set(&mut self, stage: Stage, took: Duration) {
        self.0[stage as usize] = Some(took);
    }
}

/// Serialises as a map from stage to milliseconds.
impl Serialize for Timings {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(Stage::ALL.iter().filter_map(|stage| Some((stage.as_str(), millis(self.get(*stage)?)))))
    }
}

/// The result of a check, or of several checks with the same outcome. It serialises as the backend contract describes
/// (`POST /results`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckResult {
    /// A UUIDv7 made by the probe, by which a backend recognises a result that is sent again.
    pub id: Uuid,
    /// The id of the [`Peer`](crate::Peer).
    pub peer_id: i64,
    /// When the check ended; of several checks, the last one.
    pub checked_at: DateTime<Utc>,
    /// The number of checks that this result stands for. Missing or `null` means 1.
    #[serde(default = "one", deserialize_with = "null_is_one")]
    pub checks: u32,
    /// How many of these checks found the peer online.
    #[serde(default)]
    pub healthy: Option<u32>,
    /// The status of the peer.
    pub status: Status,
    /// The median round trip, in milliseconds.
    #[serde(default)]
    pub response_time: Option<f64>,
    /// The shortest round trip, in milliseconds.
    #[serde(default)]
    pub min_ms: Option<f64>,
    /// The longest round trip, in milliseconds.
    #[serde(default)]
    pub max_ms: Option<f64>,
    /// The last stage reached.
    pub stage: Stage,
    /// Why the check failed.
    #[serde(default)]
    pub error: Option<FailureCode>,
    /// Why the check failed, for people: at most [`MAX_MESSAGE_CHARS`] characters.
    #[serde(default)]
    pub message: Option<String>,
    /// The version of EasyTier, as the node says.
    #[serde(default)]
    pub version: Option<String>,
    /// The node's host name, as the node says.
    #[serde(default)]
    pub hostname: Option<String>,
    /// The number of other networks that the node serves, as the node says.
    #[serde(default)]
    pub network_count: Option<u32>,
    /// Whether the node relays data; `None` if that was not tried.
    #[serde(default)]
    pub relay: Option<Relay>,
    /// Why relaying failed, for people.
    #[serde(default)]
    pub relay_error: Option<String>,
}

fn one() -> u32 {
    1
}

fn null_is_one<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(1))
}

/// Whether a node relays data between two of its guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Relay {
    /// It does.
    Ok,
    /// It does not.
    Failed,
}

/// The result of a check with the details that are not sent to a backend.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckReport {
    /// The result as it is sent to a backend.
    #[serde(flatten)]
    pub result: CheckResult,
    /// The URL of the peer.
    pub url: PeerUrl,
    /// The round trips; `None` if no ping was answered.
    pub latency: Option<Latency>,
    /// How long each stage took.
    pub timings: Timings,
    /// Whether the node calls itself a public server.
    pub is_public_server: Option<bool>,
    /// When the certificate of a wss node expires. It is not verified, because nodes use self-signed certificates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_expires_at: Option<DateTime<Utc>>,
}

/// The median of `sorted`; `None` if it is empty.
pub(crate) fn median<T: Copy + Into<f64>>(sorted: &[T]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let upper = (*sorted.get(middle)?).into();
    Some(match sorted.len() % 2 {
        0 => (sorted[middle - 1].into() + upper) / 2.0,
        _ => upper,
    })
}

/// Milliseconds with their fraction.
pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
