//! When whole cycles run: a cron expression, or an interval.

use std::{fmt, str::FromStr, time::Duration};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::{
    Cron,
    parser::{CronParser, Seconds},
};
use easytier_probe::duration;

/// What comes before the interval in place of a cron expression.
const EVERY: &str = "@every ";

/// The shortest time from one cycle to the next: the scheduler counts in seconds.
const SHORTEST: Duration = Duration::from_secs(1);

/// The fields of an expression, in order.
const FIELDS: [&str; 6] = ["second", "minute", "hour", "day of the month", "month", "day of the week"];

/// When whole cycles run.
#[derive(Debug, Clone)]
pub enum Schedule {
    /// At the times of a cron expression of six fields, seconds first.
    Cron { expression: String, cron: Box<Cron> },
    /// `@every 30s`.
    Every(Duration),
}

/// Why a text is no schedule, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ScheduleError {
    /// The first wrong character, from 1; `None` when it is the whole.
    pub character: Option<usize>,
    pub problem: String,
}

impl fmt::Display for ScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(character) = self.character {
            write!(f, "at character {character}: ")?;
        }
        f.write_str(&self.problem)
    }
}

impl Schedule {
    /// The next `count` times after `now`, on the clocks of `zone`.
    pub fn upcoming(&self, now: DateTime<Utc>, zone: Tz, count: usize) -> Vec<DateTime<Utc>> {
        match self {
            Self::Cron { cron, .. } => {
                let local = cron.iter_after(now.with_timezone(&zone)).take(count);
                local.map(|time| time.with_timezone(&Utc)).collect()
            }
            Self::Every(interval) => (1..=count as u32).map(|nth| now + *interval * nth).collect(),
        }
    }

    /// The longest time between two of the next cycles.
    pub fn longest_pause(&self, now: DateTime<Utc>, zone: Tz) -> Duration {
        const LOOKED_AT: usize = 32;
        let times = self.upcoming(now, zone, LOOKED_AT);
        let pauses = times.windows(2).filter_map(|pair| (pair[1] - pair[0]).to_std().ok());
        pauses.max().unwrap_or(Duration::from_secs(24 * 3600))
    }
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        match text.strip_prefix(EVERY) {
            Some(interval) => every(interval.trim()),
            None => cron(text),
        }
    }
}

fn every(interval: &str) -> Result<Schedule, ScheduleError> {
    let wrong = |problem| ScheduleError { character: Some(EVERY.len() + 1), problem };
    let interval = duration::parse(interval).map_err(|error| wrong(error.to_string()))?;
    match interval >= SHORTEST && interval.subsec_nanos() == 0 {
        true => Ok(Schedule::Every(interval)),
        false => Err(wrong("write whole seconds, at least 1s".to_owned())),
    }
}

fn cron(text: &str) -> Result<Schedule, ScheduleError> {
    let fields: Vec<(usize, &str)> = fields(text).collect();
    if fields.len() != FIELDS.len() {
        let character = fields.get(FIELDS.len()).map(|(start, _)| start + 1);
        let problem = format!(
            "write 6 fields, seconds first, and not {}: second minute hour day month weekday, such as '0 */5 * * * *' for \
             every 5 minutes; or an interval, such as '@every 30s'",
            fields.len()
        );
        return Err(ScheduleError { character, problem });
    }
    // The parser does not say where a mistake is, so each field is tried alone.
    for (nth, (start, field)) in fields.iter().enumerate() {
        let mut alone = ["*"; FIELDS.len()];
        alone[nth] = field;
        if let Err(error) = parse(&alone.join(" ")) {
            let problem = format!("'{field}' is no {}: {}", FIELDS[nth], error.trim_end_matches('.'));
            return Err(ScheduleError { character: Some(start + 1), problem });
        }
    }
    let whole = |problem| ScheduleError { character: None, problem };
    let cron = parse(text).map_err(whole)?;
    match cron.find_next_occurrence(&Utc::now(), false) {
        Ok(_) => Ok(Schedule::Cron { expression: text.to_owned(), cron: Box::new(cron) }),
        Err(_) => Err(whole("there is no such day in any year to come".to_owned())),
    }
}

/// As `tokio-cron-scheduler` parses it.
fn parse(expression: &str) -> Result<Cron, String> {
    let parser = CronParser::builder().seconds(Seconds::Required).dom_and_dow(true).build();
    parser.parse(expression).map_err(|error| error.to_string())
}

/// Each word of `text` with the number of characters before it.
fn fields(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let address = text.as_ptr() as usize;
    text.split_whitespace().map(move |word| {
        let bytes = word.as_ptr() as usize - address;
        (text[..bytes].chars().count(), word)
    })
}

/// A time zone by its name, or what would be right instead.
pub fn zone(name: &str) -> Result<Tz, String> {
    name.parse::<Tz>().map_err(|_| "write the name of a time zone, such as UTC or Europe/Berlin".to_owned())
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    fn error(text: &str) -> (Option<usize>, String) {
        let error = text.parse::<Schedule>().expect_err(text);
        (error.character, error.problem)
    }

    #[test]
    fn a_mistake_is_told_with_its_position() {
        for (text, character, word) in [
            ("0 61 * * * *", Some(3), "'61' is no minute"),
            ("*/5  * 25 * * *", Some(8), "'25' is no hour"),
            ("0 0 0 * foo *", Some(9), "'foo' is no month"),
            ("0 0 0 * * 9", Some(11), "'9' is no day of the week"),
            ("0 * * * *", None, "not 5"),
            ("0 * * * * * *", Some(13), "not 7"),
            ("", None, "not 0"),
            ("é * * * * *", Some(1), "is no second"),
            ("0 0 0 30 2 *", None, "no such day"),
            ("@every 500ms", Some(8), "at least 1s"),
            ("@every 1500ms", Some(8), "whole seconds"),
            ("@every soon", Some(8), ""),
        ] {
            let (found, problem) = error(text);
            assert_eq!(found, character, "{text}: {problem}");
            assert!(problem.contains(word), "{text}: {problem}");
        }
    }

    #[test]
    fn times_are_those_of_the_zone_across_a_change_of_its_clocks() {
        let schedule: Schedule = "0 30 8 * * *".parse().unwrap();
        let berlin = zone("Europe/Berlin").unwrap();
        // The clocks there go back an hour on 2026-10-25.
        let now = Utc.with_ymd_and_hms(2026, 10, 24, 0, 0, 0).unwrap();
        let times: Vec<String> = schedule.upcoming(now, berlin, 2).iter().map(|time| time.to_rfc3339()).collect();
        assert_eq!(times, ["2026-10-24T06:30:00+00:00", "2026-10-25T07:30:00+00:00"]);
        assert_eq!(schedule.longest_pause(now, berlin), Duration::from_secs(25 * 3600));
        assert_eq!(schedule.longest_pause(now, Tz::UTC), Duration::from_secs(24 * 3600));
    }

    #[test]
    fn an_interval_stands_in_for_an_expression() {
        let schedule: Schedule = "@every 5m".parse().unwrap();
        assert_eq!(schedule.longest_pause(Utc::now(), Tz::UTC), Duration::from_secs(300));
        assert!(zone("Mars/Olympus").is_err());
    }
}
