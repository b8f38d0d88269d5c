//! The results that probes report: deterministic, so that every process generates the same.

use std::time::Duration;

use easytier_probe::{CheckResult, FailureCode, Stage, Status};
use easytier_uptime_store::domain::Timestamp;
use hyper::body::Bytes;
use serde_json::json;
use uuid::Uuid;

/// The number of results in a batch.
pub const BATCH: usize = 500;

/// The time between two results of a peer by one probe, unless it is said; each result stands for so many checks.
pub const ROUND: Duration = Duration::from_secs(30);
const CHECKS: u32 = 6;

/// The results of probes that report all peers in a loop.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    pub peers: usize,
    /// When the first results were checked.
    pub start: Timestamp,
    /// The time between two results of a peer by one probe.
    pub round: Duration,
}

impl Load {
    /// A load in which the checks of each probe's batch `last` end about now.
    pub fn up_to_now(peers: usize, last: usize) -> Self {
        let load = Self { peers, start: Timestamp(0), round: ROUND };
        Self { start: Timestamp::now() - Duration::from_millis(load.checked_at((last + 1) * BATCH).0 as u64), ..load }
    }

    /// A load whose first checks end now.
    pub fn from_now(peers: usize, round: Duration) -> Self {
        Self { peers, start: Timestamp::now(), round }
    }

    fn checked_at(&self, index: usize) -> Timestamp {
        let millis = index as u128 * self.round.as_millis() / self.peers as u128;
        self.start + Duration::from_millis(millis as u64)
    }

    /// The batch `nth` of a probe; numbers of probes and peers start at 1.
    pub fn batch(&self, probe: usize, nth: usize) -> impl Iterator<Item = CheckResult> {
        (nth * BATCH..(nth + 1) * BATCH).map(move |index| self.result(probe, index))
    }

    /// The same batch as the body of a request.
    pub fn body(&self, probe: usize, nth: usize) -> Bytes {
        let results: Vec<CheckResult> = self.batch(probe, nth).collect();
        json!({ "cycle_id": Uuid::from_u64_pair(probe as u64, nth as u64), "results": results }).to_string().into()
    }

    /// One peer in twenty is offline; the others have different latencies.
    fn result(&self, probe: usize, index: usize) -> CheckResult {
        let peer = index % self.peers + 1;
        let at = self.checked_at(index);
        let noise = noise((probe as u64) << 40 | index as u64);
        let median = 8.0 + peer as f64 % 180.0 + (noise % 1000) as f64 / 1000.0;
        let mut random = [0; 10];
        random[..8].copy_from_slice(&noise.to_le_bytes());
        let online = CheckResult {
            id: uuid::Builder::from_unix_timestamp_millis(at.0 as u64, &random).into_uuid(),
            peer_id: peer as i64,
            checked_at: at.into(),
            checks: CHECKS,
            healthy: Some(CHECKS),
            status: Status::Online,
            response_time: Some(median),
            min_ms: Some(median - 0.75),
            max_ms: Some(median + 11.5),
            stage: Stage::Route,
            error: None,
            message: None,
            version: Some("2.4.5-4c4d172e".into()),
            hostname: Some(format!("edge-{peer}")),
            network_count: Some((peer % 90) as u32),
            relay: None,
            relay_error: None,
            relay_ms: None,
            certificate_expires_at: None,
            listing: None,
        };
        if !peer.is_multiple_of(20) {
            return online;
        }
        CheckResult {
            healthy: Some(0),
            status: Status::Offline,
            response_time: None,
            min_ms: None,
            max_ms: None,
            stage: Stage::Connect,
            error: Some(FailureCode::ConnectRefused),
            message: Some("10.0.0.7:11010 refused the connection: nothing listens there".into()),
            version: None,
            hostname: None,
            network_count: None,
            ..online
        }
    }
}

/// A number that looks random (splitmix64).
fn noise(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
