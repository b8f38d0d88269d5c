//! The stored form of a state: arrays instead of objects to keep it small, because every result reads and writes one.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Evidence, RegionState, State};
use crate::domain::{ProbeId, RegionId, RegionStatus, Timestamp, millis};

#[derive(Serialize, Deserialize)]
struct Regions(Vec<Region>);

/// Region, status, contradictions, probes; and for a recent change to offline its time and whether it is in doubt.
#[derive(Serialize, Deserialize)]
struct Region(
    RegionId,
    Option<u8>,
    u32,
    Vec<Probe>,
    #[serde(default, skip_serializing_if = "Option::is_none")] Option<Turn>,
);

/// See [`RegionState::turned_at`] and [`RegionState::doubted`].
#[derive(Serialize, Deserialize)]
struct Turn(Option<i64>, bool);

/// Probe, status, time, interval in milliseconds, round trip in microseconds.
#[derive(Serialize, Deserialize)]
struct Probe(ProbeId, u8, i64, i64, Option<i64>);

fn status(code: u8) -> RegionStatus {
    if code == 0 { RegionStatus::Offline } else { RegionStatus::Online }
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let probe = |(id, evidence): (&ProbeId, &Evidence)| {
            let Evidence { status, at, interval, response_us } = *evidence;
            Probe(*id, status as u8, at.0, millis(interval), response_us)
        };
        let region = |(id, region): (&RegionId, &RegionState)| {
            let status = region.status.map(|status| status as u8);
            let RegionState { contradictions, turned_at, doubted, .. } = *region;
            let turn = (turned_at.is_some() || doubted).then_some(Turn(turned_at.map(|at| at.0), doubted));
            Region(*id, status, contradictions, region.probes.iter().map(probe).collect(), turn)
        };
        Regions(self.regions.iter().map(region).collect()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for State {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let probe = |Probe(id, code, at, interval, response_us)| {
            let interval = Duration::from_millis(u64::try_from(interval).unwrap_or(0));
            (id, Evidence { status: status(code), at: Timestamp(at), interval, response_us })
        };
        let region = |Region(id, code, contradictions, probes, turn): Region| {
            let probes = probes.into_iter().map(probe).collect();
            let Turn(turned_at, doubted) = turn.unwrap_or(Turn(None, false));
            let turned_at = turned_at.map(Timestamp);
            (id, RegionState { status: code.map(status), contradictions, turned_at, doubted, probes })
        };
        let Regions(regions) = Regions::deserialize(deserializer)?;
        Ok(Self { regions: regions.into_iter().map(region).collect() })
    }
}
