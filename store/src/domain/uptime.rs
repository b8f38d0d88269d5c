//! The uptime of a peer: for how long it had which verdict.

use std::{ops::AddAssign, time::Duration};

use super::Verdict;

/// How long a peer had each verdict within some time. Time without a verdict is left out: nobody knows how the peer was then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Uptime {
    /// More than half of the regions saw the peer online.
    pub up: Duration,
    /// Some region saw the peer online, but no more than half of them.
    pub partial: Duration,
    /// No region saw the peer online.
    pub down: Duration,
}

impl Uptime {
    /// A time with one verdict.
    pub fn of(verdict: Verdict, duration: Duration) -> Self {
        let mut uptime = Self::default();
        match verdict {
            Verdict::Up => uptime.up = duration,
            Verdict::Partial => uptime.partial = duration,
            Verdict::Down => uptime.down = duration,
            Verdict::Unknown => {}
        }
        uptime
    }

    /// The time for which there was a verdict.
    pub fn known(&self) -> Duration {
        self.up.saturating_add(self.partial).saturating_add(self.down)
    }

    /// The share of the known time in which the peer was up, from 0 to 100; a partial verdict counts half. `None` when the
    /// peer never had a verdict.
    pub fn percentage(&self) -> Option<f64> {
        let known = self.known();
        (known > Duration::ZERO)
            .then(|| (self.up.as_secs_f64() + self.partial.as_secs_f64() / 2.0) * 100.0 / known.as_secs_f64())
    }
}

impl AddAssign for Uptime {
    fn add_assign(&mut self, other: Self) {
        self.up = self.up.saturating_add(other.up);
        self.partial = self.partial.saturating_add(other.partial);
        self.down = self.down.saturating_add(other.down);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uptime_is_the_share_of_the_known_time_and_partial_counts_half() {
        let hours = |up: u64, partial: u64, down: u64| {
            let [up, partial, down] = [up, partial, down].map(|hours| Duration::from_secs(hours * 3600));
            Uptime { up, partial, down }.percentage()
        };
        assert_eq!(hours(0, 0, 0), None);
        assert_eq!(hours(24, 0, 0), Some(100.0));
        assert_eq!(hours(0, 24, 0), Some(50.0));
        assert_eq!(hours(0, 0, 1), Some(0.0));
        assert_eq!(hours(2, 1, 1), Some(62.5));
        assert_eq!(Uptime::of(Verdict::Unknown, Duration::from_secs(1)).percentage(), None);
    }
}
