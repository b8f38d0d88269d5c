//! Quiet hours: a time of day at which nothing is told.

use std::fmt;

use chrono::{DateTime, Timelike, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// A time of day in a time zone, which may include midnight. When clocks are changed it begins and ends by the clocks there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct QuietHours {
    /// In minutes since midnight.
    from: u32,
    /// In minutes since midnight; another time than `from`.
    to: u32,
    zone: Tz,
}

/// Why a text is not a time of day in a time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuietHoursError {
    /// It is not two times of day.
    #[error("write two times of day such as 22:00-07:00")]
    Hours,
    /// There is no such time zone.
    #[error("write a time zone such as Europe/Berlin or Asia/Shanghai")]
    Zone,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    hours: String,
    zone: String,
}

impl QuietHours {
    /// `hours`: two times of day, such as `22:00-07:00`; `zone`: a name of the time zone database.
    ///
    /// # Errors
    ///
    /// When one of them cannot be read.
    pub fn new(hours: &str, zone: &str) -> Result<Self, QuietHoursError> {
        let (from, to) = hours.split_once('-').ok_or(QuietHoursError::Hours)?;
        let (from, to) = (minute(from)?, minute(to)?);
        if from == to {
            return Err(QuietHoursError::Hours);
        }
        Ok(Self { from, to, zone: zone.trim().parse().map_err(|_| QuietHoursError::Zone)? })
    }

    /// The time zone.
    pub(crate) fn zone(&self) -> Tz {
        self.zone
    }

    /// The name of the time zone.
    pub fn zone_name(&self) -> &'static str {
        self.zone.name()
    }

    /// Whether nothing is told at this time.
    pub fn contains(&self, at: DateTime<Utc>) -> bool {
        let local = at.with_timezone(&self.zone);
        let minute = local.hour() * 60 + local.minute();
        match self.from < self.to {
            true => (self.from..self.to).contains(&minute),
            false => minute >= self.from || minute < self.to,
        }
    }

    /// The two times of day.
    pub fn hours(&self) -> String {
        let time = |minute: u32| format!("{:02}:{:02}", minute / 60, minute % 60);
        format!("{}-{}", time(self.from), time(self.to))
    }
}

impl fmt::Display for QuietHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.hours(), self.zone)
    }
}

fn minute(text: &str) -> Result<u32, QuietHoursError> {
    let (hour, minute) = text.trim().split_once(':').ok_or(QuietHoursError::Hours)?;
    let number = |text: &str, below: u32| {
        let is_number = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u32>().ok().filter(|number| is_number && *number < below).ok_or(QuietHoursError::Hours)
    };
    Ok(number(hour, 24)? * 60 + number(minute, 60)?)
}

impl TryFrom<Written> for QuietHours {
    type Error = QuietHoursError;

    fn try_from(Written { hours, zone }: Written) -> Result<Self, QuietHoursError> {
        Self::new(&hours, &zone)
    }
}

impl From<QuietHours> for Written {
    fn from(quiet: QuietHours) -> Self {
        Self { hours: quiet.hours(), zone: quiet.zone_name().to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet(hours: &str, zone: &str, at: &str) -> bool {
        QuietHours::new(hours, zone).unwrap().contains(at.parse().unwrap())
    }

    #[test]
    fn quiet_hours_include_their_beginning_and_not_their_end_also_over_midnight() {
        for (at, is_quiet) in [
            ("2027-01-15T13:59:59Z", false),
            ("2027-01-15T14:00:00Z", true),
            ("2027-01-15T16:30:00Z", true),
            ("2027-01-15T22:59:59Z", true),
            ("2027-01-15T23:00:00Z", false),
        ] {
            assert_eq!(quiet("22:00-07:00", "Asia/Shanghai", at), is_quiet, "{at}");
        }
        assert!(quiet("12:00-13:00", "UTC", "2027-01-15T12:30:00Z"));
        assert!(!quiet("12:00-13:00", "UTC", "2027-01-15T13:00:00Z"));
    }

    #[test]
    fn they_follow_the_clocks_of_the_zone() {
        // 07:00 in Berlin is 06:00 UTC in winter and 05:00 UTC in summer.
        assert!(quiet("22:00-07:00", "Europe/Berlin", "2027-01-15T05:30:00Z"));
        assert!(!quiet("22:00-07:00", "Europe/Berlin", "2027-07-15T05:30:00Z"));
    }

    #[test]
    fn other_texts_are_refused() {
        for hours in ["", "22:00", "22-7", "24:00-07:00", "22:60-07:00", "7:00-7:00", "-1:00-07:00", "22:00-+7:00"] {
            assert_eq!(QuietHours::new(hours, "UTC"), Err(QuietHoursError::Hours), "{hours}");
        }
        assert_eq!(QuietHours::new("22:00-07:00", "Moon"), Err(QuietHoursError::Zone));
    }
}
