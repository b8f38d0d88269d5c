//! When a maintenance window takes place: once or repeatedly, on the clocks of a time zone.
//!
//! The days follow from the local calendar, and each start is then looked up in the time zone: a window at 02:00 is at 02:00 in
//! winter and in summer. A start that the clocks skip is taken by the offset before, as RFC 5545 says, so that 02:30 is 03:30 on
//! that day; of a start that comes twice the first counts. The length is exact, also across a change of the clocks.

use std::time::Duration;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Offset, TimeZone, Timelike, Utc};
use chrono_tz::Tz;

use super::{
    DAY, Timestamp,
    recurrence::{Recurrence, RuleEnd, RuleError},
};

/// How far ahead occurrences are looked for: a 29th of February comes within it.
const HORIZON: Duration = DAY.saturating_mul(9 * 366);

/// The years in which a window may begin; so computations are bounded.
const YEARS: std::ops::RangeInclusive<i32> = 2020..=2100;

/// The greatest length of an occurrence in minutes: 31 days.
pub const MAX_MINUTES: u32 = 31 * 24 * 60;

const LOCAL: &str = "%Y-%m-%dT%H:%M";

/// What is wrong with a schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// The start is no local time, or too far away.
    #[error("write the start as 2027-01-31T02:00, without an offset")]
    Start,
    /// There is no such time zone.
    #[error("write the name of a time zone such as Europe/Berlin, Asia/Shanghai or UTC")]
    Zone,
    /// The length is out of range.
    #[error("must be 1 to {MAX_MINUTES} minutes")]
    Length,
    /// The end of the series is no local time.
    #[error("write the end of the series as 2027-12-31 or 2027-12-31T23:59, without an offset")]
    Until,
    /// A window that takes place once has an end of the series.
    #[error("only a window that is repeated has an end of the series")]
    UntilWithoutRule,
    /// The rule is not valid.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// The rule, the start and the end of the series leave no occurrence.
    #[error("there is no such day from the start to the end of the series")]
    Never,
}

impl ScheduleError {
    /// The part of the [`ScheduleText`] that is wrong, by the name of its field.
    pub fn part(&self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Zone => "time_zone",
            Self::Length => "minutes",
            Self::Until | Self::UntilWithoutRule => "until",
            Self::Rule(_) | Self::Never => "rrule",
        }
    }
}

/// A schedule as it is written and stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScheduleText {
    /// When the first occurrence begins at the earliest, on the clocks of the time zone: `2027-01-31T02:00`.
    pub start: String,
    /// An IANA time zone.
    pub time_zone: String,
    /// The length of an occurrence.
    pub minutes: u32,
    /// An RRULE of RFC 5545; `None` for a window that takes place once.
    pub rrule: Option<String>,
    /// After which time of the time zone no occurrence begins: a day or a time.
    pub until: Option<String>,
}

/// A valid schedule.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Schedule {
    start: NaiveDateTime,
    zone: Tz,
    minutes: u32,
    rule: Option<Recurrence>,
    until: Option<NaiveDateTime>,
}

/// One time at which a window takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Occurrence {
    /// When it begins.
    pub begins_at: Timestamp,
    /// When it ends: the first moment that is not part of it.
    pub ends_at: Timestamp,
}

impl Occurrence {
    /// Whether a moment is in it.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.begins_at <= at && at < self.ends_at
    }
}

impl Schedule {
    /// Reads a schedule.
    ///
    /// # Errors
    ///
    /// When a part is not valid, or there is no occurrence.
    pub fn parse(text: &ScheduleText) -> Result<Self, ScheduleError> {
        let start = local(&text.start).filter(|start| YEARS.contains(&start.year())).ok_or(ScheduleError::Start)?;
        let zone: Tz = text.time_zone.trim().parse().map_err(|_| ScheduleError::Zone)?;
        if !(1..=MAX_MINUTES).contains(&text.minutes) {
            return Err(ScheduleError::Length);
        }
        let given = text.until.as_deref().map(|text| local_or_day(text).ok_or(ScheduleError::Until)).transpose()?;
        let Some(rule) = &text.rrule else {
            return match given {
                None => Ok(Self { start, zone, minutes: text.minutes, rule: None, until: None }),
                Some(_) => Err(ScheduleError::UntilWithoutRule),
            };
        };
        let (rule, end) = Recurrence::parse(rule, start)?;
        let of_rule = end.map(|end| match end {
            RuleEnd::Local(time) => time,
            RuleEnd::Utc(time) => time.with_timezone(&zone).naive_local(),
        });
        // Occurrences begin at whole minutes.
        let minute = |time: NaiveDateTime| time.with_second(0).unwrap_or(time);
        let until = [given, of_rule].into_iter().flatten().min().map(minute);
        let schedule = Self { start, zone, minutes: text.minutes, rule: Some(rule), until };
        match schedule.occurrences(instant(zone, start), 1).is_empty() {
            true => Err(ScheduleError::Never),
            false => Ok(schedule),
        }
    }

    /// The local time at `at` in a time zone, as it is written in a [`ScheduleText`].
    ///
    /// # Errors
    ///
    /// [`ScheduleError::Zone`] when there is no such time zone.
    pub fn local(at: Timestamp, time_zone: &str) -> Result<String, ScheduleError> {
        let zone: Tz = time_zone.trim().parse().map_err(|_| ScheduleError::Zone)?;
        Ok(DateTime::<Utc>::from(at).with_timezone(&zone).format(LOCAL).to_string())
    }

    /// The schedule in text, which [`parse`](Self::parse) reads. The end that a rule had is in `until`.
    pub fn text(&self) -> ScheduleText {
        ScheduleText {
            start: self.start.format(LOCAL).to_string(),
            time_zone: self.zone.name().to_owned(),
            minutes: self.minutes,
            rrule: self.rule.as_ref().map(|rule| rule.as_str().to_owned()),
            until: self.until.map(|until| until.format(LOCAL).to_string()),
        }
    }

    /// Whether it is repeated.
    pub fn is_repeated(&self) -> bool {
        self.rule.is_some()
    }

    /// The first `limit` occurrences that have not ended at `from`, in the order of their beginnings; at most those that begin in
    /// the following nine years.
    pub fn occurrences(&self, from: Timestamp, limit: usize) -> Vec<Occurrence> {
        let occurrence = |start: NaiveDateTime| {
            let begins_at = instant(self.zone, start);
            Occurrence { begins_at, ends_at: begins_at + Duration::from_secs(60) * self.minutes }
        };
        let Some(rule) = &self.rule else {
            return [occurrence(self.start)].into_iter().filter(|one| one.ends_at > from).take(limit).collect();
        };
        let horizon = DateTime::<Utc>::from(from + HORIZON).with_timezone(&self.zone).naive_local();
        let last = self.until.map_or(horizon, |until| until.min(horizon));
        rule.starts(self.start, last, |starts| {
            starts.map(occurrence).filter(|one| one.ends_at > from).take(limit).collect()
        })
    }
}

/// A local time, to the minute.
fn local(text: &str) -> Option<NaiveDateTime> {
    let text = text.trim();
    [LOCAL, "%Y-%m-%d %H:%M"].into_iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
}

/// A local time, or the last minute of a day.
fn local_or_day(text: &str) -> Option<NaiveDateTime> {
    let day = || NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d").ok()?.and_hms_opt(23, 59, 0);
    local(text).or_else(day)
}

/// When a local time is.
fn instant(zone: Tz, local: NaiveDateTime) -> Timestamp {
    let utc = zone.from_local_datetime(&local).earliest().map(|time| time.to_utc()).or_else(|| {
        // In a gap: by the offset that was valid before. The longest gap was a day.
        let before = (1..=25).find_map(|hours| {
            zone.from_local_datetime(&local.checked_sub_signed(chrono::Duration::hours(hours))?).latest()
        })?;
        Some(before.offset().fix().from_local_datetime(&local).single()?.to_utc())
    });
    utc.unwrap_or_else(|| local.and_utc()).into()
}

#[cfg(test)]
mod tests;
