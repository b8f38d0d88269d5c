//! When a job is due, from readings of the wall clock and the monotonic clock.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

use crate::schedule::{CronSchedule, Schedule};

/// How far the clocks may drift apart between two readings before the wall clock counts as set.
pub const MAX_DRIFT: Duration = Duration::from_secs(2);

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    pub wall: DateTime<Utc>,
    pub monotonic: Instant,
}

impl Reading {
    /// How far the wall clock was set since `before`; `None` if it was not set.
    pub fn was_set_since(&self, before: &Self) -> Option<TimeDelta> {
        let passed = TimeDelta::from_std(self.monotonic - before.monotonic).unwrap_or(TimeDelta::MAX);
        let set_by = (self.wall - before.wall) - passed;
        let is_drift = self.wall >= before.wall && set_by.abs().to_std().is_ok_and(|by| by <= MAX_DRIFT);
        (!is_drift).then_some(set_by)
    }
}

/// When one job is due.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a process has a handful of jobs")]
pub enum Due {
    Cron(CronDue),
    Every { interval: Duration, next: Instant },
}

/// The next time of a cron expression, and the state that prevents double runs after the wall clock was set.
#[derive(Debug)]
pub struct CronDue {
    schedule: CronSchedule,
    /// The time from the scheduled time to the start of its run.
    delay: TimeDelta,
    /// The next scheduled time, without the delay.
    next: Option<DateTime<Utc>>,
    last_run: Option<Instant>,
    /// Whether the wall clock was set since the last run that was on time.
    clock_was_set: bool,
}

impl Due {
    /// Nothing is due yet. Each run starts `delay` after its scheduled time.
    pub fn new(schedule: &Schedule, delay: Duration, now: Reading) -> Self {
        match schedule {
            Schedule::Cron(schedule) => {
                let delay = TimeDelta::from_std(delay).unwrap_or_default();
                Self::Cron(CronDue {
                    next: schedule.next_after(now.wall - delay),
                    schedule: (**schedule).clone(),
                    delay,
                    last_run: None,
                    clock_was_set: false,
                })
            }
            Schedule::Every(interval) => {
                let interval = (*interval).max(Duration::from_secs(1));
                Self::Every { interval, next: now.monotonic + interval + delay }
            }
        }
    }

    /// Whether a run is due. If so, the next call returns false until the following run is due. One run stands for all
    /// missed times. `clock_was_set` is whether the wall clock was set since the last reading.
    pub fn take(&mut self, now: Reading, clock_was_set: bool) -> bool {
        match self {
            Self::Cron(due) => due.take(now, clock_was_set),
            Self::Every { interval, next } => {
                let Some(late) = now.monotonic.checked_duration_since(*next) else { return false };
                let into_interval = late.as_nanos() % interval.as_nanos();
                *next = now.monotonic + *interval - Duration::from_nanos(into_interval as u64);
                true
            }
        }
    }
}

impl CronDue {
    fn take(&mut self, now: Reading, clock_was_set: bool) -> bool {
        let wall = now.wall - self.delay;
        if clock_was_set {
            self.clock_was_set = true;
            // After the clock was set back, the next time may be earlier. After it was set forward, it may be past.
            let next = self.schedule.next_after(wall);
            self.next = self.next.zip(next).map(|(one, other)| one.min(other)).or(next);
        }
        let Some(due) = self.next.filter(|time| *time <= wall) else { return false };
        self.next = self.schedule.next_after(wall);
        if self.clock_was_set {
            if self.is_too_soon(due, now) {
                return false;
            }
            self.clock_was_set = (wall - due).to_std().is_ok_and(|late| late > MAX_DRIFT);
        }
        self.last_run = Some(now.monotonic);
        true
    }

    /// Whether less than half of the usual pause before `due` has passed since the last run, by the monotonic clock. A run
    /// now would repeat that run.
    fn is_too_soon(&self, due: DateTime<Utc>, now: Reading) -> bool {
        let passed = self.last_run.map(|last| now.monotonic - last);
        let pause = self.schedule.last_before(due).and_then(|before| (due - before).to_std().ok());
        passed.zip(pause).is_some_and(|(passed, pause)| passed < pause / 2)
    }
}
