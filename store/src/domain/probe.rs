//! Probes in the registry.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value as Json;

use super::{DAY, MAX_EVIDENCE_AGE, ProbeId, Region, Timestamp};

/// How long a probe may be silent before it expires: it is not listed any more, its newest counts go to the history, and its
/// `server_id` can be used again. It comes back with its next request, if it still has a token.
pub const PROBE_EXPIRES_AFTER: Duration = DAY.saturating_mul(30);

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
    /// Heartbeats come every 30 seconds, so one may be lost.
    const OVERDUE_AFTER: Duration = Duration::from_secs(60);
    /// Three were due.
    const OFFLINE_AFTER: Duration = Duration::from_secs(90);

    /// The presence at `now`. It is judged whenever it is read, so that no interval adds to these times. A probe that sends
    /// heartbeats is expected every minute, however rarely it checks; a probe that only reports is expected once per check
    /// interval, when that is longer, but at least once a week.
    pub fn of(signs: &LifeSigns, now: Timestamp) -> Self {
        let interval = if signs.sends_heartbeats() { Duration::ZERO } else { signs.check_interval.unwrap_or_default() };
        let silence = now.since(signs.last_seen_at);
        let after = |least: Duration, intervals| least.max(interval.saturating_mul(intervals).min(MAX_EVIDENCE_AGE));
        if signs.unregistered || silence > after(Self::OFFLINE_AFTER, 3) {
            Self::Offline
        } else if silence > after(Self::OVERDUE_AFTER, 2) {
            Self::Overdue
        } else if signs.degraded {
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

/// What the presence of a probe depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LifeSigns {
    /// When it was last heard from.
    pub last_seen_at: Timestamp,
    /// When it last sent a heartbeat; `None` when it never did, or a later request showed that it does not any more.
    pub last_heartbeat_at: Option<Timestamp>,
    /// The interval between two checks of a peer.
    pub check_interval: Option<Duration>,
    /// Whether it last said of itself that it is cut off.
    pub degraded: bool,
    /// Whether it unregistered, and was not heard from since.
    pub unregistered: bool,
}

impl LifeSigns {
    /// Whether the probe sent heartbeats when it was last heard from: the last one was no more than two intervals older.
    fn sends_heartbeats(&self) -> bool {
        self.last_heartbeat_at.is_some_and(|at| self.last_seen_at.since(at) <= Presence::OVERDUE_AFTER)
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

    const SEEN: Timestamp = Timestamp(1_000_000_000);

    fn signs(heartbeat_before: Option<u64>, check_interval: Option<u64>) -> LifeSigns {
        LifeSigns {
            last_seen_at: SEEN,
            last_heartbeat_at: heartbeat_before.map(|seconds| SEEN - Duration::from_secs(seconds)),
            check_interval: check_interval.map(Duration::from_secs),
            ..LifeSigns::default()
        }
    }

    fn after(seconds: u64, signs: LifeSigns) -> &'static str {
        Presence::of(&signs, SEEN + Duration::from_secs(seconds)).as_str()
    }

    #[test]
    fn presence_follows_the_age_of_the_last_request() {
        let states = ["online", "degraded", "degraded", "offline"];
        assert_eq!([60, 61, 90, 91].map(|age| after(age, signs(Some(0), Some(3600)))), states);
        assert_eq!([7200, 7201, 10_800, 10_801].map(|age| after(age, signs(None, Some(3600)))), states);
        assert_eq!(after(91, signs(None, None)), "offline");
        assert_eq!(after(0, LifeSigns { unregistered: true, ..signs(Some(0), None) }), "offline");
    }

    #[test]
    fn heartbeats_count_while_no_more_than_two_are_missing_before_the_last_request() {
        assert_eq!([60, 61].map(|before| after(91, signs(Some(before), Some(3600)))), ["offline", "online"]);
    }

    #[test]
    fn no_check_interval_keeps_a_probe_online_for_more_than_a_week() {
        let (week, year) = (7 * 24 * 3600, 365 * 24 * 3600);
        assert_eq!([week, week + 1].map(|age| after(age, signs(None, Some(year)))), ["online", "offline"]);
        assert_eq!(after(week + 1, signs(None, Some(u64::MAX))), "offline");
    }

    #[test]
    fn a_probe_that_says_it_is_degraded_is_so_as_long_as_it_is_heard_from() {
        let degraded = LifeSigns { degraded: true, ..signs(Some(0), None) };
        let of = |age| Presence::of(&degraded, SEEN + Duration::from_secs(age));
        assert_eq!([60, 61, 91].map(of), [Presence::Degraded, Presence::Overdue, Presence::Offline]);
        for presence in [Presence::Online, Presence::Degraded, Presence::Overdue, Presence::Offline] {
            assert_eq!(serde_json::to_value(presence).unwrap(), presence.as_str());
        }
    }
}
