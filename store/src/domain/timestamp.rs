//! Points in time, as the store keeps them.

use std::{fmt, time::Duration};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01 UTC. It is formatted and serialised as RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Timestamp(pub i64);

/// How far a probe's clock may differ before its times are corrected; a smaller difference may be a slow network.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);

/// A quarter of an hour, the length of one slot of a ring.
pub const QUARTER: Duration = Duration::from_secs(15 * 60);
/// 24 hours.
pub const DAY: Duration = Duration::from_secs(24 * 3600);

impl Timestamp {
    /// The time of the system's clock. Only the outermost layer reads it and passes it on, so that tests control the time.
    #[expect(clippy::disallowed_methods, reason = "the one place of the store that reads the clock, for its callers")]
    pub fn now() -> Self {
        Utc::now().into()
    }

    /// The number of the bucket that this time is in: how many whole `grain`s passed since 1970.
    pub fn bucket(self, grain: Duration) -> i64 {
        self.0.div_euclid(millis(grain))
    }

    /// The start of the bucket with this number.
    pub fn of_bucket(bucket: i64, grain: Duration) -> Self {
        Self(bucket * millis(grain))
    }

    /// The time from `earlier` to `self`; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }
}

/// A duration in milliseconds, the unit of the database.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }
}

impl std::ops::Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time.timestamp_millis())
    }
}

impl From<Timestamp> for DateTime<Utc> {
    /// Saturates at the times that chrono can represent.
    fn from(time: Timestamp) -> Self {
        let nearest = if time.0 < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
        DateTime::from_timestamp_millis(time.0).unwrap_or(nearest)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&DateTime::<Utc>::from(*self).to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(DateTime::<Utc>::deserialize(deserializer)?.into())
    }
}
