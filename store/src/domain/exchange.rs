//! What instances tell each other about results: the results themselves, and what follows from earlier ones.

use std::time::Duration;

use easytier_probe::CheckResult;
use serde::{Deserialize, Serialize};

use super::{ConfigVersion, Region, RegionStatus, Timestamp, Verdict};

/// A result on its way between instances. It names its probe, region and peer in a way that all instances understand.
#[derive(Debug, Clone, PartialEq)]
pub struct ForeignResult {
    /// The name of the probe.
    pub server_id: String,
    /// The region of the probe at the time of the check.
    pub region: Region,
    /// The uid of the peer.
    pub peer_uid: String,
    /// The interval between two checks of a peer by this probe, when it is known: a region's word is stale some intervals
    /// after its last result.
    pub check_interval: Option<Duration>,
    /// The protocol of the peer, for readers that do not know the peer; empty when it is not known.
    pub protocol: String,
    /// The result. Its `peer_id` means something at the instance that read it only.
    pub result: CheckResult,
}

/// Results of another instance.
#[derive(Debug, Clone)]
pub struct ForeignBatch {
    /// The results.
    pub results: Vec<ForeignResult>,
    /// The clock of this hub when they arrived.
    pub received_at: Timestamp,
    /// The clock of the other instance when it sent them.
    pub sent_at: Option<Timestamp>,
    /// The configuration that the other instance holds, when it says so.
    pub config: Option<ConfigVersion>,
    /// Whether the instance that sent them is the one that results are forwarded to, so that they are not sent back.
    pub mirrored: bool,
}

/// What an instance knows about peers and probes beyond the raw results. An instance that mirrors another one adopts it, so that
/// it has a verdict also for peers whose results are older than its mirror.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Verdicts {
    /// The peers, in the order of their uids.
    pub peers: Vec<PeerVerdict>,
    /// The probes, in the order of their names.
    pub probes: Vec<ProbeSigns>,
}

/// What an instance knows about a peer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerVerdict {
    /// The uid of the peer.
    pub uid: String,
    /// The verdict of all regions.
    pub verdict: Verdict,
    /// Since when the verdict holds.
    pub since: Timestamp,
    /// When the peer was last checked.
    pub last_check_at: Option<Timestamp>,
    /// The version of EasyTier that the node last reported.
    pub version: Option<String>,
    /// The number of networks that the node last reported.
    pub network_count: Option<i64>,
    /// How each region sees the peer.
    pub regions: Vec<RegionWord>,
}

/// How a region sees a peer, and on which evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegionWord {
    /// The region.
    pub region: Region,
    /// Its status; `None` when no evidence of a running probe is fresh.
    pub status: Option<RegionStatus>,
    /// How many consecutive results contradicted the status.
    pub contradictions: u32,
    /// When the status changed to offline, until a later result confirms it.
    pub turned_at: Option<Timestamp>,
    /// Whether that change is in doubt.
    pub doubted: bool,
    /// The newest evidence of each probe.
    pub evidence: Vec<ProbeEvidence>,
}

/// The newest evidence of a probe about a peer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeEvidence {
    /// The name of the probe.
    pub server_id: String,
    /// How it sees the peer.
    pub status: RegionStatus,
    /// When it checked.
    pub at: Timestamp,
    /// Its check interval, in milliseconds.
    pub interval_ms: i64,
    /// The round trip, in microseconds.
    pub response_us: Option<i64>,
}

/// When a probe was heard from, and what decides how long its evidence counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeSigns {
    /// The name of the probe.
    pub server_id: String,
    /// Its region.
    pub region: Region,
    /// When it was last heard from.
    pub last_seen_at: Timestamp,
    /// When it last sent a heartbeat.
    pub last_heartbeat_at: Option<Timestamp>,
    /// When it unregistered, if it was not heard from since.
    pub unregistered_at: Option<Timestamp>,
    /// The interval between two checks of a peer, in milliseconds.
    pub check_interval_ms: Option<i64>,
    /// Whether it keeps a guest session open on every peer that it checks as a guest.
    pub holds_sessions: bool,
    /// Whether it last said of itself that it is cut off.
    pub degraded: bool,
}
