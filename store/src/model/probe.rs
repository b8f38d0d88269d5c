//! Probes as the registry knows them.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value as Json;

use super::{ProbeId, Region};
use crate::time::Timestamp;

/// Whether a probe is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    Online,
    /// Overdue.
    Degraded,
    Offline,
}

impl Presence {
    const DEGRADED_AFTER: Duration = Duration::from_secs(60);
    const OFFLINE_AFTER: Duration = Duration::from_secs(90);

    /// A probe that sends heartbeats is measured by them; one that is heard from only when it reports, by its check
    /// interval where that is longer.
    pub fn of(
        last_seen: Option<Timestamp>,
        sends_heartbeats: bool,
        check_interval: Option<Duration>,
        unregistered: bool,
        now: Timestamp,
    ) -> Self {
        let Some(last_seen) = last_seen else { return Self::Offline };
        let interval = if sends_heartbeats { Duration::ZERO } else { check_interval.unwrap_or_default() };
        let silence = now.since(last_seen);
        if unregistered || silence > Self::OFFLINE_AFTER.max(interval.saturating_mul(3)) {
            Self::Offline
        } else if silence > Self::DEGRADED_AFTER.max(interval.saturating_mul(2)) {
            Self::Degraded
        } else {
            Self::Online
        }
    }

    pub fn as_str(self) -> &'static str {
        ["online", "degraded", "offline"][self as usize]
    }
}

/// What a probe says when it registers; the JSON values are kept as they are.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Registration {
    pub host: Option<String>,
    pub port: Option<u16>,
    pub version: Option<String>,
    pub capabilities: Option<Json>,
    pub system: Option<Json>,
}

/// `PUT /nodes/status`: a probe about itself.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StatusReport {
    /// The `server_id` that the report names.
    pub server_id: Option<String>,
    pub version: Option<String>,
    /// Microseconds; the median round trip to the healthy peers.
    pub response_us: Option<i64>,
    /// How often it checks.
    pub check_interval: Option<Duration>,
    /// It keeps a guest session open on every peer that it checks as a guest.
    pub holds_sessions: bool,
    pub metadata: Option<Json>,
}

/// What a heartbeat carries, as the probe sent it.
pub type Counters = Json;

/// A probe in the registry.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    pub id: ProbeId,
    pub server_id: String,
    pub region: Region,
    pub presence: Presence,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub version: Option<String>,
    pub capabilities: Option<Json>,
    pub system: Option<Json>,
    pub metadata: Option<Json>,
    pub counters: Option<Counters>,
    pub response_us: Option<i64>,
    pub check_interval: Option<Duration>,
    /// Of the listing it fetched last.
    pub config_version: Option<i64>,
    pub created_at: Timestamp,
    pub last_seen_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presence_follows_the_age_of_the_last_sign_of_life() {
        let seconds = Duration::from_secs;
        let of = |age, heartbeats, interval: Option<u64>| {
            Presence::of(Some(Timestamp(0)), heartbeats, interval.map(seconds), false, Timestamp(0) + seconds(age))
        };
        assert_eq!(
            [60, 61, 90, 91].map(|age| of(age, true, Some(3600))).map(Presence::as_str),
            ["online", "degraded", "degraded", "offline"]
        );
        assert_eq!(
            [7200, 7201, 10_800, 10_801].map(|age| of(age, false, Some(3600))).map(Presence::as_str),
            ["online", "degraded", "degraded", "offline"]
        );
        assert_eq!(of(91, false, None), Presence::Offline);
        assert_eq!(Presence::of(None, false, None, false, Timestamp(0)), Presence::Offline);
        assert_eq!(Presence::of(Some(Timestamp(0)), true, None, true, Timestamp(0)), Presence::Offline);
    }
}
