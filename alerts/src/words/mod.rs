//! The texts of messages and rules, in both languages.

mod levels;
mod nodes;
mod probes;
mod rule;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

pub(crate) use self::levels::Level;
use crate::Language;

/// How a node is, in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    Up,
    Unknown,
    Partial,
    Down,
}

/// Writes texts in a language, with times in a time zone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writer {
    pub language: Language,
    pub zone: Tz,
}

impl Language {
    /// One of two texts.
    pub(crate) fn pick<T>(self, english: T, chinese: T) -> T {
        match self {
            Self::English => english,
            Self::Chinese => chinese,
        }
    }
}

impl Writer {
    pub(crate) fn pick<T>(self, english: T, chinese: T) -> T {
        self.language.pick(english, chinese)
    }

    /// A point in time, in milliseconds since 1970.
    pub(crate) fn time(self, at: i64) -> String {
        let at = DateTime::<Utc>::from_timestamp_millis(at).unwrap_or_default();
        at.with_timezone(&self.zone).format("%Y-%m-%d %H:%M:%S %Z").to_string()
    }

    /// A length of time in milliseconds, in its largest unit and the one below it.
    pub(crate) fn length(self, millis: i64) -> String {
        length(self.language, millis)
    }

    /// A title without control characters and line breaks, and not too long.
    pub(crate) fn name(self, name: &str) -> String {
        const MAX: usize = 80;
        let clean: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX + 1).collect();
        match clean.chars().count() > MAX {
            true => clean.chars().take(MAX).chain(['…']).collect(),
            false => clean,
        }
    }
}

pub(crate) fn length(language: Language, millis: i64) -> String {
    let seconds = millis.max(0) / 1000;
    let (day, hour, minute, second) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let units = language.pick([" d", " h", " min", " s"], [" 天", " 小时", " 分钟", " 秒"]);
    let parts = [(day, units[0]), (hour, units[1]), (minute, units[2]), (second, units[3])];
    let first = parts.iter().position(|(number, _)| *number > 0).unwrap_or(3);
    let shown = parts[first..].iter().take(2).enumerate().filter(|(nth, (number, _))| *nth == 0 || *number > 0);
    shown.map(|(_, (number, unit))| format!("{number}{unit}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_two_units_at_most() {
        let all = [0, 59_999, 60_000, 3_660_000, 3_600_000, 90_061_000].map(|millis| length(Language::English, millis));
        assert_eq!(all, ["0 s", "59 s", "1 min", "1 h 1 min", "1 h", "1 d 1 h"]);
        assert_eq!(length(Language::Chinese, 5_400_000), "1 小时 30 分钟");
    }

    #[test]
    fn names_in_titles_are_one_line_and_short() {
        let writer = Writer { language: Language::English, zone: Tz::UTC };
        assert_eq!(writer.name("a\r\nb"), "a  b");
        assert_eq!(writer.name(&"a".repeat(81)).chars().count(), 81);
        assert_eq!(writer.time(1_800_000_000_000), "2027-01-15 08:00:00 UTC");
    }
}
