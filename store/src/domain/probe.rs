//! Probes in the registry.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value as Json;

use super::{ProbeId, Region, Timestamp};

/// Whether a probe is running, judged by the time of its last request and by what it says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// It was heard from in time.
    Online,
    /// It runs, but its self-check found that it is cut off. Its evidence counts: what it could not check, it reports as
    /// `Unknown`.
    Degraded,
    /// It is overdue; its evidence still counts. In the API it is `degraded` too.
    #[serde(rename = "degraded")]
    Overdue,
    /// It is gone; its evidence does not count.
    Offline,
}

impl Presence {
    const OVERDUE_AFTER: Duration = Duration::from_secs(60);
    const OFFLINE_AFTER: Duration = Duration::from_secs(90);

    /// The presence at `now`; `degraded` is what the probe last said of itself. A probe that sends heartbeats is expected
    /// every minute; a probe that only reports is expected once per check interval, when that is longer.
    pub fn of(
        last_seen: Option<Timestamp>,
        sends_heartbeats: bool,
        check_interval: Option<Duration>,
        degraded: bool,
        unregistered: bool,
        now: Timestamp,
    ) -> Self {
        let Some(last_seen) = last_seen else { return Self::Offline };
        let interval = if sends_heartbeats { Duration::ZERO } else { check_interval.unwrap_or_default() };
        let silence = now.since(last_seen);
        if unregistered || silence > Self::OFFLINE_AFTER.max(interval.saturating_mul(3)) {
            Self::Offline
        } else if silence > Self::OVERDUE_AFTER.max(interval.saturating_mul(2)) {
            Self::Overdue
        } else if degraded {
            Self::Degraded
        } else {
            Self::Online
        }
    }

    /// The name, in the API and in events.
    pub fn as_str(self) -> &'static str {
        ["online", "degraded", "degraded", "offline"][self as usize]
    }
}

/// What a probe declares when it registers. JSON values are stored unchanged.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Registration {
    /// The address at which the probe says it can be reached.
    pub host: Option<String>,
    /// The port at that address.
    pub port: Option<u16>,
    /// The version of its program.
    pub version: Option<String>,
    /// What it can do.
    pub capabilities: Option<Json>,
    /// The system that it runs on.
    pub system: Option<Json>,
}

/// The status report of a probe, `PUT /nodes/status`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StatusReport {
    /// The `server_id` that the report names.
    pub server_id: Option<String>,
    /// The version of the probe's program.
    pub version: Option<String>,
    /// The median round trip to the healthy peers, in microseconds.
    pub response_us: Option<i64>,
    /// The interval between two checks of a peer.
    pub check_interval: Option<Duration>,
    /// Whether the probe keeps a guest session open on every peer that it checks as a guest.
    pub holds_sessions: bool,
    /// Whether the probe's self-check found that it is cut off.
    pub degraded: bool,
    /// Other facts, stored unchanged.
    pub metadata: Option<Json>,
}

/// A probe in the registry.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// The probe's id.
    pub id: ProbeId,
    /// The name under which it reports.
    pub server_id: String,
    /// Where it runs.
    pub region: Region,
    /// Whether it is running.
    pub presence: Presence,
    /// The address from its registration.
    pub host: Option<String>,
    /// The port from its registration.
    pub port: Option<u16>,
    /// The version of its program.
    pub version: Option<String>,
    /// What it can do, from its registration.
    pub capabilities: Option<Json>,
    /// The system that it runs on, from its registration.
    pub system: Option<Json>,
    /// Other facts, from its status report.
    pub metadata: Option<Json>,
    /// The payload of its last heartbeat that had one.
    pub counters: Option<Json>,
    /// The median round trip to its healthy peers, in microseconds.
    pub response_us: Option<i64>,
    /// The interval between two checks of a peer.
    pub check_interval: Option<Duration>,
    /// The version of the list of peers that it fetched last.
    pub config_version: Option<i64>,
    /// When it was first known.
    pub created_at: Timestamp,
    /// When it was last heard from.
    pub last_seen_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presence_follows_the_age_of_the_last_request() {
        let seconds = Duration::from_secs;
        let of = |age, heartbeats, interval: Option<u64>| {
            let now = Timestamp(0) + seconds(age);
            Presence::of(Some(Timestamp(0)), heartbeats, interval.map(seconds), false, false, now)
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
        assert_eq!(Presence::of(None, false, None, false, false, Timestamp(0)), Presence::Offline);
        assert_eq!(Presence::of(Some(Timestamp(0)), true, None, false, true, Timestamp(0)), Presence::Offline);
    }

    #[test]
    fn a_probe_that_says_it_is_degraded_is_so_as_long_as_it_is_heard_from() {
        let of = |age| {
            let now = Timestamp(0) + Duration::from_secs(age);
            Presence::of(Some(Timestamp(0)), true, None, true, false, now)
        };
        assert_eq!([60, 61, 91].map(of), [Presence::Degraded, Presence::Overdue, Presence::Offline]);
        for presence in [Presence::Online, Presence::Degraded, Presence::Overdue, Presence::Offline] {
            assert_eq!(serde_json::to_value(presence).unwrap(), presence.as_str());
        }
    }
}
