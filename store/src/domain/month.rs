//! What a month was like for a peer.

use std::{fmt, ops::AddAssign, str::FromStr, time::Duration};

use chrono::{DateTime, Datelike, Months, NaiveDate, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{Timestamp, Uptime};

/// A month of the calendar, in UTC; from January 2000 to December 9998.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Month(NaiveDate);

/// A text that is no month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a year and a month, such as 2026-11")]
pub struct InvalidMonth;

impl Month {
    /// The month that a time is in.
    pub fn of(at: Timestamp) -> Self {
        let date = DateTime::<Utc>::from(at).date_naive();
        Self(date.with_day(1).unwrap_or(date))
    }

    /// When it begins.
    pub fn begins_at(self) -> Timestamp {
        self.0.and_time(chrono::NaiveTime::MIN).and_utc().into()
    }

    /// When it is over: when the next one begins.
    pub fn ends_at(self) -> Timestamp {
        Self(self.0 + Months::new(1)).begins_at()
    }

    /// The month before.
    pub fn previous(self) -> Self {
        Self(self.0 - Months::new(1))
    }

    /// The month after.
    pub fn next(self) -> Self {
        Self(self.0 + Months::new(1))
    }

    /// The year, and the number of the month from 1.
    pub fn parts(self) -> (i32, u32) {
        (self.0.year(), self.0.month())
    }
}

impl FromStr for Month {
    type Err = InvalidMonth;

    fn from_str(text: &str) -> Result<Self, InvalidMonth> {
        let bytes = text.as_bytes();
        let is_digits =
            |range: std::ops::Range<usize>| bytes.get(range).is_some_and(|part| part.iter().all(u8::is_ascii_digit));
        let has_form = bytes.len() == 7 && is_digits(0..4) && bytes.get(4) == Some(&b'-') && is_digits(5..7);
        let number = |range: std::ops::Range<usize>| text.get(range).and_then(|part| part.parse::<u32>().ok());
        let (year, month) = number(0..4).zip(number(5..7)).filter(|_| has_form).ok_or(InvalidMonth)?;
        let year = i32::try_from(year).ok().filter(|year| (2000..=9998).contains(year)).ok_or(InvalidMonth)?;
        NaiveDate::from_ymd_opt(year, month, 1).map(Self).ok_or(InvalidMonth)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}

impl Serialize for Month {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Month {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// The outages of a time. An outage lasts from the verdict down until the peer is seen online again; the time in between in which
/// nobody knows how the peer is, and the time in maintenance, are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outages {
    /// How many took place within the time, wholly or in part.
    pub number: u64,
    /// How many of them ended within it.
    pub ended: u64,
    /// How long those that ended took together, from their beginnings.
    pub recovery: Duration,
    /// The longest, within the time.
    pub longest: Duration,
}

impl Outages {
    /// How long an outage took on average, of those that ended; `None` without one.
    pub fn mean_time_to_recover(&self) -> Option<Duration> {
        let ended = u32::try_from(self.ended).ok().filter(|ended| *ended > 0)?;
        Some(self.recovery / ended)
    }
}

impl AddAssign for Outages {
    fn add_assign(&mut self, other: Self) {
        self.number += other.number;
        self.ended += other.ended;
        self.recovery = self.recovery.saturating_add(other.recovery);
        self.longest = self.longest.max(other.longest);
    }
}

/// The figures of a peer, or of several together, for a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MonthFigures {
    /// For how long they had which verdict.
    pub uptime: Uptime,
    /// Their outages outside maintenance.
    pub outages: Outages,
}

impl AddAssign for MonthFigures {
    fn add_assign(&mut self, other: Self) {
        self.uptime += other.uptime;
        self.outages += other.outages;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_read_as_it_is_written_and_follows_the_one_before() {
        for text in ["2000-01", "2024-02", "2026-11", "2026-12", "9998-12"] {
            let month: Month = text.parse().unwrap();
            assert_eq!(month.to_string(), text);
            assert_eq!(month.next().previous(), month);
            assert_eq!(month.ends_at(), month.next().begins_at());
            assert_eq!(Month::of(month.begins_at()), month);
            assert_eq!(Month::of(Timestamp(month.ends_at().0 - 1)), month);
        }
        let days = |text: &str| {
            let month: Month = text.parse().unwrap();
            month.ends_at().since(month.begins_at()).as_secs() / 86_400
        };
        assert_eq!((days("2024-02"), days("2026-02"), days("2026-12")), (29, 28, 31));
    }

    #[test]
    fn other_texts_are_no_month() {
        for text in [
            "",
            "2026",
            "2026-13",
            "2026-00",
            "2026-1",
            "26-11",
            "2026-11-01",
            "1999-12",
            "9999-01",
            "+026-11",
            "２026-1",
        ] {
            assert_eq!(text.parse::<Month>(), Err(InvalidMonth), "{text}");
        }
    }

    #[test]
    fn the_mean_is_of_the_outages_that_ended() {
        let one = |ended, seconds| Outages {
            number: 1,
            ended,
            recovery: Duration::from_secs(seconds),
            longest: Duration::from_secs(seconds.max(7)),
        };
        let mut all = Outages::default();
        assert_eq!(all.mean_time_to_recover(), None);
        for outage in [one(1, 10), one(1, 30), one(0, 0)] {
            all += outage;
        }
        assert_eq!((all.number, all.longest), (3, Duration::from_secs(30)));
        assert_eq!(all.mean_time_to_recover(), Some(Duration::from_secs(20)));
    }
}
