//! The clock of a hub beside that of its database.

use std::{fmt, time::Duration};

use super::Timestamp;

/// How far the clock of a hub is from that of its database. Hubs on one database are compared with each other by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClockDifference {
    /// Milliseconds; positive when the hub's clock is ahead.
    pub millis: i64,
}

impl ClockDifference {
    /// The maximum difference that is tolerated. Two hubs whose clocks are right within it are closer than the tolerance for
    /// the clocks of probes.
    pub const TOLERANCE: Duration = Duration::from_secs(2);

    /// The least difference that explains a `reading` of the database's clock between two readings of the hub's.
    pub(crate) fn of(reading: Timestamp, before: Timestamp, after: Timestamp) -> Self {
        let millis = match reading.0 {
            reading if reading < before.0 => before.0.saturating_sub(reading),
            reading if reading > after.0 => after.0.saturating_sub(reading),
            _ => 0,
        };
        Self { millis }
    }

    /// Whether the hub's clock, or the database's, has to be corrected.
    pub fn is_too_large(self) -> bool {
        Duration::from_millis(self.millis.unsigned_abs()) > Self::TOLERANCE
    }
}

impl fmt::Display for ClockDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.millis.unsigned_abs() as f64 / 1000.0;
        let direction = if self.millis < 0 { "behind" } else { "ahead of" };
        write!(f, "the clock of the hub is {seconds:.1} s {direction} the clock of the database")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_the_query_is_no_difference() {
        let of = |reading| ClockDifference::of(Timestamp(reading), Timestamp(10_000), Timestamp(13_000)).millis;
        assert_eq!([7000, 10_000, 12_000, 13_000, 16_000].map(of), [3000, 0, 0, 0, -3000]);
    }

    #[test]
    fn more_than_two_seconds_are_too_large_in_both_directions() {
        let is_too_large = |millis| ClockDifference { millis }.is_too_large();
        assert_eq!([-2001, -2000, 0, 2000, 2001].map(is_too_large), [true, false, false, false, true]);
        let text = ClockDifference { millis: -3240 }.to_string();
        assert_eq!(text, "the clock of the hub is 3.2 s behind the clock of the database");
    }
}
