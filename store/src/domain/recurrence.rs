//! How a window repeats: the part of RFC 5545's RRULE that gives one occurrence a day at most.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};
use rrule::{RRule, RRuleSet, Unvalidated};

/// The maximum length of a rule in characters.
const MAX_LENGTH: usize = 256;

/// The longest interval, in the units of the frequency.
const MAX_INTERVAL: u16 = 366;

/// The largest number of occurrences that a rule may count.
const MAX_COUNT: u32 = 10_000;

/// The frequencies of at most one occurrence a day: others would take work without a bound, and nobody needs them.
const FREQUENCIES: [&str; 4] = ["DAILY", "WEEKLY", "MONTHLY", "YEARLY"];

/// The parts of a rule that choose days. BYHOUR, BYMINUTE and BYSECOND would give several occurrences a day.
const PARTS: [&str; 10] =
    ["FREQ", "INTERVAL", "COUNT", "BYDAY", "BYMONTH", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYSETPOS", "WKST"];

/// What is wrong with a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// It is no list of parts such as `FREQ=WEEKLY;BYDAY=SU`.
    #[error("write parts such as FREQ=WEEKLY;BYDAY=SU, each once")]
    Syntax,
    /// It has a part that is not allowed here, or that RFC 5545 does not know.
    #[error("the part {0} is not allowed")]
    Part(String),
    /// It repeats more often than once a day, or names no frequency.
    #[error("FREQ must be DAILY, WEEKLY, MONTHLY or YEARLY")]
    Frequency,
    /// A number is not in the range.
    #[error("INTERVAL must be 1 to {MAX_INTERVAL}, COUNT 1 to {MAX_COUNT}")]
    Number,
    /// The end is not written as RFC 5545 wants it.
    #[error("write UNTIL as 20271231, 20271231T235900 or 20271231T225900Z")]
    Until,
    /// The parts contradict each other or the start, as RFC 5545 has it.
    #[error("the parts do not belong together: {0}")]
    Meaning(String),
}

/// A rule without its end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Recurrence {
    /// Its parts, checked, in upper case, in the order of [`PARTS`].
    text: String,
}

/// The end in a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RuleEnd {
    /// On the clocks of the window's time zone.
    Local(NaiveDateTime),
    Utc(DateTime<Utc>),
}

impl Recurrence {
    /// Reads a rule, and the end that it may have. `first`: when the first occurrence begins.
    pub fn parse(text: &str, first: NaiveDateTime) -> Result<(Self, Option<RuleEnd>), RuleError> {
        let text = text.trim();
        let text = text.strip_prefix("RRULE:").unwrap_or(text);
        if !text.is_ascii() || text.len() > MAX_LENGTH {
            return Err(RuleError::Syntax);
        }
        let mut parts: BTreeMap<String, String> = BTreeMap::new();
        for part in text.trim_end_matches(';').split(';') {
            let (name, value) = part.split_once('=').ok_or(RuleError::Syntax)?;
            let (name, value) = (name.trim().to_ascii_uppercase(), value.trim().to_ascii_uppercase());
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ',' | '+' | '-');
            if value.is_empty() || !value.chars().all(is_plain) {
                return Err(RuleError::Syntax);
            }
            if name != "UNTIL" && !PARTS.contains(&name.as_str()) {
                return Err(RuleError::Part(name.chars().take(32).collect()));
            }
            if parts.insert(name, value).is_some() {
                return Err(RuleError::Syntax);
            }
        }
        let end = parts.remove("UNTIL").map(|text| end(&text).ok_or(RuleError::Until)).transpose()?;
        if !parts.get("FREQ").is_some_and(|frequency| FREQUENCIES.contains(&frequency.as_str())) {
            return Err(RuleError::Frequency);
        }
        let number = |name: &str, max: u32| match parts.get(name) {
            None => Ok(()),
            Some(text) if text.parse().is_ok_and(|number| (1..=max).contains(&number)) => Ok(()),
            Some(_) => Err(RuleError::Number),
        };
        number("INTERVAL", MAX_INTERVAL.into())?;
        number("COUNT", MAX_COUNT)?;
        let known = PARTS.iter().filter_map(|name| Some(format!("{name}={}", parts.get(*name)?)));
        let recurrence = Self { text: known.collect::<Vec<_>>().join(";") };
        recurrence.set(first, first)?;
        Ok((recurrence, end))
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Calls `take` with the times at which occurrences begin, from `first` to `last`, in order. The clocks have no changes here:
    /// a day is a day.
    pub fn starts<T>(
        &self,
        first: NaiveDateTime,
        last: NaiveDateTime,
        take: impl FnOnce(&mut dyn Iterator<Item = NaiveDateTime>) -> T,
    ) -> T {
        // With an end the crate does not look for ever for a day that never comes, such as the 30th of February.
        let set = if last < first { None } else { self.set(first, last).ok() };
        take(&mut set.iter().flat_map(|set| set.into_iter().map(|start| start.naive_utc())))
    }

    fn set(&self, first: NaiveDateTime, last: NaiveDateTime) -> Result<RRuleSet, RuleError> {
        let meaning = |error: rrule::RRuleError| RuleError::Meaning(error.to_string());
        // All in UTC, which stands for the local time without the changes of its clocks.
        let at = |time: &NaiveDateTime| rrule::Tz::UTC.from_utc_datetime(time);
        let rule: RRule<Unvalidated> = self.text.parse().map_err(meaning)?;
        let rule = rule.until(at(&last)).validate(at(&first)).map_err(meaning)?;
        Ok(RRuleSet::new(at(&first)).rrule(rule).limit())
    }
}

fn end(text: &str) -> Option<RuleEnd> {
    const TIME: &str = "%Y%m%dT%H%M%S";
    if let Some(utc) = text.strip_suffix('Z') {
        return Some(RuleEnd::Utc(NaiveDateTime::parse_from_str(utc, TIME).ok()?.and_utc()));
    }
    let time = NaiveDateTime::parse_from_str(text, TIME).ok();
    // The whole day.
    let day = || Some(NaiveDate::parse_from_str(text, "%Y%m%d").ok()?.and_time(NaiveTime::from_hms_opt(23, 59, 59)?));
    time.or_else(day).map(RuleEnd::Local)
}
