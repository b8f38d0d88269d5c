//! When a message is sent again.

use std::time::Duration;

use easytier_uptime_store::domain::{DAY, Timestamp};

use crate::jitter::jittered;

/// The mean pause after the first attempt. It doubles with each further one, up to the longest.
const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// The share by which a pause varies.
const JITTER: f64 = 0.25;

/// How long a message is tried.
pub(super) const TRIED_FOR: Duration = DAY;

/// When a message is due again that failed after `attempts` others and was planned at `created_at`; `None` when it is given up.
/// `asked`: the least pause, if the channel names one.
pub(super) fn next(attempts: u32, asked: Option<Duration>, created_at: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let mean = FIRST.saturating_mul(1 << attempts.min(16)).min(LONGEST);
    let pause = jittered(mean, JITTER).max(asked.unwrap_or_default());
    let next = now + pause;
    (next <= created_at + TRIED_FOR).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    #[test]
    fn pauses_grow_up_to_a_quarter_of_an_hour_and_end_after_a_day() {
        for (attempts, mean) in [(0, 5), (1, 10), (5, 160), (8, 900), (1000, 900)] {
            let mean = Duration::from_secs(mean);
            let pause = next(attempts, None, NOW, NOW).unwrap().since(NOW);
            assert!((mean * 3 / 4..=mean * 5 / 4).contains(&pause), "{attempts}: {pause:?}");
        }
        assert_eq!(next(3, None, NOW, NOW + DAY), None);
        let (mut now, mut attempts) = (NOW, 0);
        while let Some(due) = next(attempts, None, NOW, now) {
            (now, attempts) = (due, attempts + 1);
        }
        assert!((90..150).contains(&attempts), "{attempts}");
        assert!(now.since(NOW) > DAY - Duration::from_secs(20 * 60));
    }

    #[test]
    fn a_channel_may_ask_for_a_longer_pause() {
        let asked = Duration::from_secs(3600);
        assert_eq!(next(0, Some(asked), NOW, NOW), Some(NOW + asked));
        assert_eq!(next(0, Some(DAY + asked), NOW, NOW), None);
    }
}
