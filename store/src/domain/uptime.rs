//! The uptime of a peer: for how long it had which verdict.

use std::{ops::AddAssign, time::Duration};

use super::Verdict;

/// How long a peer had each verdict within some time. Time without a verdict is left out: nobody knows how the peer was then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VerdictTimes {
    /// More than half of the regions saw the peer online.
    pub up: Duration,
    /// Some region saw the peer online, but no more than half of them.
    pub partial: Duration,
    /// No region saw the peer online.
    pub down: Duration,
}

impl VerdictTimes {
    /// A time with one verdict.
    pub fn of(verdict: Verdict, duration: Duration) -> Self {
        let mut times = Self::default();
        match verdict {
            Verdict::Up => times.up = duration,
            Verdict::Partial => times.partial = duration,
            Verdict::Down => times.down = duration,
            Verdict::Unknown => {}
        }
        times
    }

    /// The time for which there was a verdict.
    pub fn known(&self) -> Duration {
        self.up.saturating_add(self.partial).saturating_add(self.down)
    }

    /// The share of the known time in which the peer was up, from 0 to 100; a partial verdict counts half. `None` when the
    /// peer never had a verdict.
    pub fn percentage(&self) -> Option<f64> {
        // Whole milliseconds: with fractions of seconds a peer that was up all the time is at 99.99999999999999 at times.
        let halves_up = 2 * self.up.as_millis() + self.partial.as_millis();
        let halves = 2 * self.known().as_millis();
        (halves > 0).then(|| halves_up as f64 * 100.0 / halves as f64)
    }

    /// These times without others that are part of them.
    pub(crate) fn without(self, part: &Self) -> Self {
        Self {
            up: self.up.saturating_sub(part.up),
            partial: self.partial.saturating_sub(part.partial),
            down: self.down.saturating_sub(part.down),
        }
    }
}

impl AddAssign for VerdictTimes {
    fn add_assign(&mut self, other: Self) {
        self.up = self.up.saturating_add(other.up);
        self.partial = self.partial.saturating_add(other.partial);
        self.down = self.down.saturating_add(other.down);
    }
}

/// The uptime of a peer, which counts the time outside maintenance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Uptime {
    /// The time that counts.
    pub counted: VerdictTimes,
    /// The time in maintenance, which does not count.
    pub maintenance: VerdictTimes,
}

impl Uptime {
    /// A time with one verdict, outside maintenance.
    pub fn of(verdict: Verdict, duration: Duration) -> Self {
        Self { counted: VerdictTimes::of(verdict, duration), ..Self::default() }
    }

    /// The uptime of which `maintenance` is a part.
    pub(crate) fn split(all: VerdictTimes, maintenance: VerdictTimes) -> Self {
        Self { counted: all.without(&maintenance), maintenance }
    }

    /// The time with a verdict that counts.
    pub fn known(&self) -> Duration {
        self.counted.known()
    }

    /// The share of the time that counts in which the peer was up, from 0 to 100; a partial verdict counts half. `None` without
    /// such a time.
    pub fn percentage(&self) -> Option<f64> {
        self.counted.percentage()
    }

    /// The same share of all time with a verdict, that in maintenance included.
    pub fn percentage_with_maintenance(&self) -> Option<f64> {
        let mut all = self.counted;
        all += self.maintenance;
        all.percentage()
    }
}

impl AddAssign for Uptime {
    fn add_assign(&mut self, other: Self) {
        self.counted += other.counted;
        self.maintenance += other.maintenance;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(up: u64, partial: u64, down: u64) -> VerdictTimes {
        let [up, partial, down] = [up, partial, down].map(|hours| Duration::from_secs(hours * 3600));
        VerdictTimes { up, partial, down }
    }

    #[test]
    fn uptime_is_the_share_of_the_known_time_and_partial_counts_half() {
        let percentage = |up, partial, down| hours(up, partial, down).percentage();
        assert_eq!(percentage(0, 0, 0), None);
        assert_eq!(percentage(24, 0, 0), Some(100.0));
        assert_eq!(percentage(0, 24, 0), Some(50.0));
        assert_eq!(percentage(0, 0, 1), Some(0.0));
        assert_eq!(percentage(2, 1, 1), Some(62.5));
        assert_eq!(Uptime::of(Verdict::Unknown, Duration::from_secs(1)).percentage(), None);
    }

    #[test]
    fn a_peer_that_was_up_all_the_time_has_an_uptime_of_exactly_100() {
        let uptime = |ms| VerdictTimes::of(Verdict::Up, Duration::from_millis(ms)).percentage();
        let other: Vec<u64> = (1..100_000).filter(|ms| uptime(*ms) != Some(100.0)).collect();
        assert_eq!(other, [0; 0], "after so many milliseconds");
    }

    #[test]
    fn the_time_in_maintenance_is_a_figure_of_its_own() {
        let uptime = Uptime::split(hours(18, 0, 6), hours(0, 0, 6));
        assert_eq!((uptime.percentage(), uptime.percentage_with_maintenance()), (Some(100.0), Some(75.0)));
        assert_eq!(uptime.known(), Duration::from_secs(18 * 3600));
        let only = Uptime::split(hours(0, 0, 6), hours(0, 0, 6));
        assert_eq!((only.percentage(), only.percentage_with_maintenance()), (None, Some(0.0)));
    }
}
