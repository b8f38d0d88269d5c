//! When whole cycles run: at the times of a cron expression in a time zone, or at an interval.

mod parse;

use std::{hash::Hasher, iter, time::Duration};

use chrono::{DateTime, NaiveDateTime, SubsecRound, TimeDelta, Utc};
use chrono_tz::Tz;
use croner::Cron;
use easytier_uptime_config::duration;
use siphasher::sip::SipHasher13;

pub use self::parse::{ScheduleError, zone};

/// How many of the next runs [`Schedule::longest_pause`] and [`Schedule::accepts_jitter`] examine one by one. It is more
/// than there can be within a minute, or within an hour if there is one a minute.
const NEXT_RUNS: usize = 2 * 60;

/// When whole cycles run. Parsed with [`str::parse`].
#[derive(Debug, Clone)]
pub enum Schedule {
    /// At the times of a cron expression.
    Cron(Box<CronSchedule>),
    /// At an interval, such as `@every 30s`: whole seconds, at least one.
    Every(Duration),
}

/// A cron expression in a time zone.
///
/// When the clocks go forward, an expression with one time of the day runs at the end of the skipped hour if its time is
/// in that hour. When they go back, it runs only in the first of the two repeated hours. Any other expression runs
/// whenever the clocks show one of its times: never in the skipped hour, and in both of the repeated hours.
#[derive(Debug, Clone)]
pub struct CronSchedule {
    cron: Cron,
    zone: Tz,
}

impl Schedule {
    /// The same schedule in the time zone `zone`. An interval has no zone and stays as it is.
    pub fn in_zone(self, zone: Tz) -> Self {
        match self {
            Self::Cron(schedule) => Self::Cron(Box::new(CronSchedule { zone, ..*schedule })),
            Self::Every(interval) => Self::Every(interval),
        }
    }

    /// Whether at least `count` cycles were due in the `span` up to `now`.
    pub fn were_due(&self, count: u32, span: Duration, now: DateTime<Utc>) -> bool {
        match self {
            Self::Cron(schedule) => {
                let times = iter::successors(schedule.next_after(now - span), |time| schedule.next_after(*time));
                let mut times = times.take_while(|time| *time <= now);
                count == 0 || times.nth(count as usize - 1).is_some()
            }
            Self::Every(interval) => span >= interval.saturating_mul(count),
        }
    }

    /// The longest pause between two runs in the next eight days, or among the next 120 runs if that is longer.
    pub fn longest_pause(&self, now: DateTime<Utc>) -> Duration {
        match self {
            Self::Cron(schedule) => longest_pause(&schedule.cron, schedule.local(now)),
            Self::Every(interval) => *interval,
        }
    }

    /// Whether the runs may be spread over `jitter`: no run may start later than the next time of the schedule.
    ///
    /// # Errors
    ///
    /// A text that says what to write instead.
    #[expect(clippy::disallowed_methods, reason = "the pauses of a cron expression depend on the present time")]
    pub fn accepts_jitter(&self, jitter: Duration) -> Result<(), String> {
        match self.shortest_pause(Utc::now()) {
            Some(pause) if jitter > pause => Err(format!(
                "write at most {}, the shortest pause between two runs of the schedule",
                duration::format(pause)
            )),
            _ => Ok(()),
        }
    }

    /// The shortest pause between two of the next 120 runs; `None` if there is only one.
    fn shortest_pause(&self, now: DateTime<Utc>) -> Option<Duration> {
        match self {
            Self::Cron(schedule) => {
                let next: Vec<_> = times(&schedule.cron, schedule.local(now)).take(NEXT_RUNS).collect();
                next.windows(2).filter_map(|pair| (pair[1] - pair[0]).to_std().ok()).min()
            }
            Self::Every(interval) => Some(*interval),
        }
    }
}

impl CronSchedule {
    /// The first time after `time`; `None` when there is none before the year 5000.
    pub fn next_after(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // A fraction of a second must not hide the next time.
        let second = time.trunc_subsecs(0).with_timezone(&self.zone);
        Some(self.cron.find_next_occurrence(&second, false).ok()?.to_utc())
    }

    /// The last time before `time`.
    pub fn last_before(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let second = time.trunc_subsecs(0).with_timezone(&self.zone);
        Some(self.cron.find_previous_occurrence(&second, false).ok()?.to_utc())
    }

    /// The local time in the zone.
    fn local(&self, time: DateTime<Utc>) -> NaiveDateTime {
        time.with_timezone(&self.zone).naive_local()
    }
}

/// The delay of this probe after each time of its schedule: at least zero and less than `jitter`, in milliseconds. It
/// depends on `server_id` alone, so that it stays the same, and differs between the probes that share a schedule.
pub fn delay_within(jitter: Duration, server_id: &str) -> Duration {
    let mut hasher = SipHasher13::new();
    hasher.write(server_id.as_bytes());
    let share = u128::from(hasher.finish());
    // As a share of the jitter, so that a longer jitter keeps the order of the probes.
    Duration::from_millis(((jitter.as_millis() * share) >> 64) as u64)
}

/// The times after `time` on a clock whose offset never changes.
fn times(cron: &Cron, time: NaiveDateTime) -> impl Iterator<Item = DateTime<Utc>> {
    let next = |time: &DateTime<Utc>| cron.find_next_occurrence(time, false).ok();
    iter::successors(next(&time.and_utc()), next)
}

fn longest_pause(cron: &Cron, now: NaiveDateTime) -> Duration {
    const LOOKED_AHEAD: TimeDelta = TimeDelta::days(8);
    let next: Vec<_> = times(cron, now).take(NEXT_RUNS).collect();
    let mut longest = next.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(TimeDelta::days(1));
    let mut time = next.first().copied().unwrap_or(now.and_utc());
    let end = time + LOOKED_AHEAD;
    while time < end {
        // Two times within a step of this length cannot be farther apart than the longest pause so far.
        let step = longest.max(TimeDelta::minutes(1));
        match cron.find_previous_occurrence(&(time + step), true) {
            Ok(last) if last > time => time = last,
            _ => {
                let Some(next) = times(cron, time.naive_utc()).next() else { break };
                longest = longest.max(next - time);
                time = next;
            }
        }
    }
    longest.to_std().unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests;
