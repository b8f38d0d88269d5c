//! The result of a check.

use std::{fmt, ops::AddAssign, time::Duration};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{failure::FailureCode, listing_version::ListingVersion, peer_url::PeerUrl, status::Status};

/// The maximum length of [`CheckResult::message`] in the backend contract, in characters.
pub const MAX_MESSAGE_CHARS: usize = 300;

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
pub(crate) struct NodeInfo {
    /// The version of EasyTier.
    pub version: Option<String>,
    /// The host name.
    pub hostname: Option<String>,
    /// The number of other networks that the node serves.
    pub network_count: Option<u32>,
    /// Whether the node calls itself a public server.
    pub is_public_server: Option<bool>,
    /// Whether the node says that it relays no data of this network.
    pub refuses_relay: bool,
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
    /// Whether the node relays data; `None` if that was not tried, and the node does not say that it refuses.
    #[serde(default)]
    pub relay: Option<Relay>,
    /// Why the node does not relay, or why that is not known, for people: at most [`MAX_MESSAGE_CHARS`] characters.
    #[serde(default)]
    pub relay_error: Option<String>,
    /// The time from one guest through the node to another and back, in milliseconds; `None` if that was not tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay_ms: Option<f64>,
    /// When the certificate of a wss node expires; `None` over other transports, and for a check on an open session. It is
    /// not verified: nodes use self-signed certificates, and EasyTier's clients accept any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_expires_at: Option<DateTime<Utc>>,
    /// The version of the list that the checked peer was in, if it is known. It is sent once for a batch, and lets a hub refuse
    /// results about a peer that has become another one since.
    #[serde(skip)]
    pub listing: Option<ListingVersion>,
}

fn one() -> u32 {
    1
}

fn null_is_one<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(1))
}

/// EasyTier's flag by which a node says that it relays no data. A [`CheckResult::relay_error`] that names it is the node's own word,
/// and every other is what a test found.
pub const REFUSAL_FLAG: &str = "avoid_relay_data";

/// Whether a node relays data between two of its guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Relay {
    /// It does.
    Ok,
    /// It does not: it says so, or it drops data and forwards remote procedure calls.
    Refused,
    /// It could not be tried.
    Failed,
}

impl Relay {
    /// All verdicts.
    pub const ALL: [Self; 3] = [Self::Ok, Self::Refused, Self::Failed];

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// What a test of a node found out: whether it relays data between two of its guests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayTest {
    /// The verdict.
    pub verdict: Relay,
    /// The time from one guest through the node to the other and back, if it is [`Relay::Ok`].
    pub round_trip: Option<Duration>,
    /// Why it is not [`Relay::Ok`], for people.
    pub message: Option<String>,
}

impl RelayTest {
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { verdict: Relay::Failed, round_trip: None, message: Some(message.into()) }
    }

    /// The node says that it refuses.
    pub(crate) fn refused_by_its_word() -> Self {
        Self::refused(format!("the node says that it relays no data of guests ({REFUSAL_FLAG})"))
    }

    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self { verdict: Relay::Refused, round_trip: None, message: Some(message.into()) }
    }
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
    /// Whether the check repeats an earlier answer of a peer whose answer does not change soon, without asking the peer.
    #[serde(skip)]
    pub is_repeated: bool,
    /// The packets of the check, and those since the last one on a session that stays open.
    #[serde(skip)]
    pub traffic: Traffic,
}

/// Bytes of EasyTier packets, without what transports put around them. Tests of relaying are not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// To the peer.
    pub sent: u64,
    /// From the peer.
    pub received: u64,
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.received += other.received;
    }
}

impl CheckResult {
    /// Whether only a test can tell whether the peer relays: it is Online, and does not say itself that it refuses.
    pub(crate) fn leaves_relay_open(&self) -> bool {
        self.status == Status::Online && self.relay.is_none()
    }

    /// Adds what a test of the same peer found out. It never changes whether the peer is Online.
    pub fn add_relay(&mut self, test: RelayTest) {
        if test.verdict != Relay::Failed && self.status == Status::Online {
            self.stage = Stage::Relay;
        }
        self.set_relay(test);
    }

    pub(crate) fn set_relay(&mut self, RelayTest { verdict, round_trip, message }: RelayTest) {
        self.relay = Some(verdict);
        self.relay_error = message.map(|message| message.chars().take(MAX_MESSAGE_CHARS).collect());
        self.relay_ms = round_trip.map(millis);
    }
}

/// The median of `sorted`, of an even number of values the mean of the middle two; `None` if it is empty.
pub fn median<T: Copy + Into<f64>>(sorted: &[T]) -> Option<f64> {
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
