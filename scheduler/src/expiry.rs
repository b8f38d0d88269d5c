//! When results that wait are too old: a step of the wall clock must not give them up.

use std::time::Duration;

use tokio::time::Instant;

/// How long results must be too old by the wall clock until they are dropped. A clock that was set wrongly is usually
/// corrected earlier.
const HOLD: Duration = Duration::from_secs(60);

/// Confirms, by the monotonic clock, that rows are too old by the wall clock for a while without interruption.
#[derive(Debug)]
pub struct Expiry {
    hold: Duration,
    /// All rows up to this one have been too old since then.
    candidate: Option<(i64, Instant)>,
}

impl Expiry {
    /// For results that may wait for `max_age`.
    pub fn new(max_age: Duration) -> Self {
        Self { hold: HOLD.min(max_age), candidate: None }
    }

    /// Returns the row up to which rows have been too old for long enough. `too_old` is the row up to which they are too
    /// old now; only rows after `oldest` wait.
    pub fn confirm(&mut self, too_old: i64, oldest: i64, now: Instant) -> Option<i64> {
        let (row, since) = match self.candidate {
            _ if too_old <= oldest => {
                self.candidate = None;
                return None;
            }
            Some((row, since)) if row > oldest => (row.min(too_old), since),
            _ => (too_old, now),
        };
        let is_confirmed = now.saturating_duration_since(since) >= self.hold;
        self.candidate = Some(if is_confirmed { (too_old, now) } else { (row, since) });
        is_confirmed.then_some(row)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn at(seconds: u64, start: Instant) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_clock_step_that_is_corrected_within_a_minute_drops_nothing() {
        let (mut expiry, start) = (Expiry::new(DAY), Instant::now());
        for second in 0..60 {
            assert_eq!(expiry.confirm(1000, 0, at(second, start)), None, "after {second} s");
        }
        // The clock is set back, and then wrong again.
        assert_eq!(expiry.confirm(0, 0, at(60, start)), None);
        assert_eq!(expiry.confirm(1000, 0, at(61, start)), None);
        assert_eq!(expiry.confirm(1000, 0, at(120, start)), None);
        assert_eq!(expiry.confirm(1000, 0, at(121, start)), Some(1000));
    }

    #[test]
    fn rows_that_are_too_old_for_a_minute_are_dropped_and_later_ones_wait_for_their_own() {
        let (mut expiry, start) = (Expiry::new(DAY), Instant::now());
        assert_eq!(expiry.confirm(10, 0, start), None);
        assert_eq!(expiry.confirm(70, 0, at(60, start)), Some(10));
        assert_eq!(expiry.confirm(80, 10, at(61, start)), None);
        assert_eq!(expiry.confirm(130, 10, at(120, start)), Some(70));
        // The candidate was delivered meanwhile.
        assert_eq!(expiry.confirm(200, 130, at(121, start)), None);
    }

    proptest! {
        /// Whatever the wall clock does, a row is dropped only if it was too old at every look for the whole time.
        #[test]
        fn a_dropped_row_was_too_old_for_the_whole_time(looks in proptest::collection::vec((1_u64..40, 0_i64..50), 1..60)) {
            let (mut expiry, start) = (Expiry::new(DAY), Instant::now());
            let (mut now, mut oldest) = (0, 0);
            let mut seen: Vec<(u64, i64)> = Vec::new();
            for (passed, too_old) in looks {
                now += passed;
                seen.push((now, too_old));
                let Some(row) = expiry.confirm(too_old, oldest, at(now, start)) else { continue };
                prop_assert!(row > oldest);
                let before = seen.iter().rev().take_while(|(_, too_old)| *too_old >= row).last();
                prop_assert!(before.is_some_and(|(since, _)| now - since >= HOLD.as_secs()), "row {row} at {now}: {seen:?}");
                oldest = row;
            }
        }
    }
}
