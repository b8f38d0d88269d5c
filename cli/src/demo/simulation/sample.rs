//! What a simulated probe finds of a simulated node.

use std::f64::consts::TAU;

use easytier_probe::{CheckResult, Relay, Stage, Status};
use easytier_uptime_store::domain::Timestamp;
use uuid::{NoContext, Uuid};

use super::cast::{NODES, SimulatedNode};

const DAY: i64 = 24 * 60;

/// How many of 1,000 results have lost one check.
const LOST: u64 = 15;

/// The checks of a node from a region in some minutes, one a minute.
pub struct Sample {
    /// The index of the node.
    pub node: usize,
    /// The index of the region.
    pub region: usize,
    /// The minutes after `from` up to `to`, counted from the start of the demo.
    pub from: i64,
    pub to: i64,
}

impl Sample {
    /// The result that stands for these checks. `at` is when the last of them ended.
    pub fn result(&self, peer_id: i64, at: Timestamp) -> CheckResult {
        let node = &NODES[self.node];
        let outage =
            |minute| node.outages.iter().find(|one| one.seen_from.contains(&self.region) && one.covers(minute));
        let checks = u32::try_from(self.to - self.from).unwrap_or(1);
        let failed = (self.from + 1..=self.to).filter(|minute| outage(*minute).is_some()).count() as u32;
        let lost = u32::from(checks > 1 && failed == 0 && self.noise(1) % 1000 < LOST);
        let healthy = checks.saturating_sub(failed + lost);
        let now = outage(self.to);
        // Whether it relays is tested once a day.
        let relays = node.relays && now.is_none() && self.to.rem_euclid(DAY) == 0;
        let round_trip = (healthy > 0).then(|| self.round_trip(node));
        CheckResult {
            id: Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, at.0.unsigned_abs() / 1000, 0)),
            peer_id,
            checked_at: at.into(),
            checks,
            healthy: Some(healthy),
            status: if now.is_some() { Status::Offline } else { Status::Online },
            response_time: round_trip,
            min_ms: round_trip.map(|ms| ms * 0.97),
            max_ms: round_trip.map(|ms| ms * 1.09),
            stage: now.map_or(Stage::Route, |outage| outage.stage),
            error: now.map(|outage| outage.error),
            message: now.map(|outage| outage.message.to_owned()),
            version: Some(node.version.to_owned()).filter(|_| now.is_none()),
            hostname: None,
            network_count: Some(node.networks).filter(|_| now.is_none()),
            relay: relays.then_some(Relay::Ok),
            relay_error: None,
            relay_ms: round_trip.filter(|_| relays).map(|ms| ms * 2.0),
            certificate_expires_at: None,
            listing: None,
        }
    }

    /// In milliseconds: longer by a tenth once a day, and a little by chance.
    fn round_trip(&self, node: &SimulatedNode) -> f64 {
        let day = (self.to as f64 / DAY as f64 * TAU).sin();
        let chance = (self.noise(2) % 1000) as f64 / 1000.0;
        node.round_trips[self.region] * (1.05 + 0.05 * day + 0.04 * chance)
    }

    /// A number that differs from minute to minute, and is the same in each demo: SplitMix64.
    fn noise(&self, kind: u64) -> u64 {
        let seed = (self.node as u64) << 48 | (self.region as u64) << 40 | kind << 32 | u64::from(self.to as u32);
        let mut mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
