//! Points in time, as the store keeps them.

use std::{fmt, time::Duration};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// Milliseconds since 1970 UTC; RFC 3339 in everything that leaves the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, sqlx::Type)]
#[sqlx(transparent)]
pub struct Timestamp(pub i64);

/// How far a clock may be off before its times are corrected; less cannot be told from a slow network.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);

/// A quarter of an hour, the grain of the public API's counter rings.
pub const QUARTER: Duration = Duration::from_secs(15 * 60);
pub const DAY: Duration = Duration::from_secs(24 * 3600);

impl Timestamp {
    /// What the clock says. Only the outermost layer asks; everything below is told.
    pub fn now() -> Self {
        Utc::now().into()
    }

    /// How many whole `grain`s there were since 1970.
    pub fn bucket(self, grain: Duration) -> i64 {
        self.0.div_euclid(millis(grain))
    }

    /// The start of a bucket.
    pub fn of_bucket(bucket: i64, grain: Duration) -> Self {
        Self(bucket * millis(grain))
    }

    /// How long before `self` `earlier` was; zero when it was not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }
}

/// A duration in the store's unit.
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
    /// Saturating: a time that chrono cannot hold is the nearest one it can.
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
