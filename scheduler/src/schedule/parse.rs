//! Parses schedules and time zones.

use std::{fmt, str::FromStr, time::Duration};

use chrono::Utc;
use chrono_tz::Tz;
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use easytier_uptime_config::duration;

use super::{CronSchedule, Schedule};

/// The prefix of an interval.
const EVERY: &str = "@every ";

/// The names that `croner` knows.
const NICKNAMES: [&str; 6] = ["@hourly", "@daily", "@weekly", "@monthly", "@yearly", "@annually"];

/// The shortest interval: the scheduler looks for due jobs twice a second.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// The fields of an expression, in order; the first may be left out.
const FIELDS: [&str; 6] = ["second", "minute", "hour", "day of the month", "month", "day of the week"];

/// Why a text is not a schedule, and where the mistake is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ScheduleError {
    /// The position of the first wrong character, from 1; `None` when the expression as a whole is wrong.
    pub character: Option<usize>,
    /// What is wrong, and what to write instead.
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

impl FromStr for Schedule {
    type Err = ScheduleError;

    /// Reads a cron expression of five fields, or of six with seconds first; `@hourly`, `@daily`, `@weekly`, `@monthly`
    /// or `@yearly`; or an interval such as `@every 5m`. The time zone is UTC until [`Schedule::in_zone`].
    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        if let Some(interval) = text.strip_prefix(EVERY) {
            return every(interval.trim());
        }
        if text.starts_with('@') {
            return nickname(text.trim_end());
        }
        cron(text)
    }
}

fn every(interval: &str) -> Result<Schedule, ScheduleError> {
    let error = |problem| ScheduleError { character: Some(EVERY.len() + 1), problem };
    let interval = duration::parse(interval).map_err(|problem| error(problem.to_string()))?;
    match interval >= MIN_INTERVAL && interval.subsec_nanos() == 0 {
        true => Ok(Schedule::Every(interval)),
        false => Err(error("write whole seconds, at least 1s".to_owned())),
    }
}

fn nickname(text: &str) -> Result<Schedule, ScheduleError> {
    if !NICKNAMES.contains(&text.to_ascii_lowercase().as_str()) {
        let problem =
            format!("'{text}' is unknown; write {}, or an interval, such as '@every 30s'", NICKNAMES.join(", "));
        return Err(ScheduleError { character: Some(1), problem });
    }
    parse(text).map(in_utc).map_err(|problem| ScheduleError { character: None, problem })
}

fn cron(text: &str) -> Result<Schedule, ScheduleError> {
    let fields: Vec<(usize, &str)> = fields(text).collect();
    let names = match fields.len() {
        5 => &FIELDS[1..],
        6 => &FIELDS[..],
        count => {
            let character = fields.get(FIELDS.len()).map(|(start, _)| start + 1);
            let problem = format!(
                "write 5 fields, or 6 with seconds first, and not {count}: [second] minute hour day month weekday, such \
                 as '*/5 * * * *' or '0 */5 * * * *' for every 5 minutes; or @hourly, @daily, @weekly, @monthly, @yearly; \
                 or an interval, such as '@every 30s'"
            );
            return Err(ScheduleError { character, problem });
        }
    };
    // The parser's errors have no position, so each field is tried alone.
    for (index, ((start, field), name)) in fields.iter().zip(names).enumerate() {
        let mut alone = vec!["*"; names.len()];
        alone[index] = field;
        if let Err(error) = parse(&alone.join(" ")) {
            let problem = format!("'{field}' is not a valid {name}: {}", error.trim_end_matches('.'));
            return Err(ScheduleError { character: Some(start + 1), problem });
        }
    }
    let error = |problem| ScheduleError { character: None, problem };
    let cron = parse(text).map_err(error)?;
    #[expect(clippy::disallowed_methods, reason = "an expression must have a time in the future")]
    let now = Utc::now();
    match cron.find_next_occurrence(&now, false) {
        Ok(_) => Ok(in_utc(cron)),
        Err(_) => Err(error("there is no such day in any future year".to_owned())),
    }
}

fn parse(expression: &str) -> Result<Cron, String> {
    let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed);
    // As `tokio-cron-scheduler` reads expressions: `5/10` starts at 5, and of two days both must match.
    let parser = parser.sloppy_ranges(true).dom_and_dow(true).build();
    parser.parse(expression).map_err(|error| error.to_string())
}

fn in_utc(cron: Cron) -> Schedule {
    Schedule::Cron(Box::new(CronSchedule { cron, zone: Tz::UTC }))
}

/// Each field of `text`, and how many characters stand before it.
fn fields(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let address = text.as_ptr() as usize;
    text.split_whitespace().map(move |field| {
        let bytes = field.as_ptr() as usize - address;
        (text[..bytes].chars().count(), field)
    })
}

/// Reads the name of a time zone of the IANA database.
///
/// # Errors
///
/// A text that says what to write instead, if there is no zone of that name.
pub fn zone(name: &str) -> Result<Tz, String> {
    name.parse::<Tz>().map_err(|_| "write the name of a time zone, such as UTC or Europe/Berlin".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> (Option<usize>, String) {
        let error = text.parse::<Schedule>().expect_err(text);
        (error.character, error.problem)
    }

    #[test]
    fn a_mistake_is_reported_with_its_position() {
        for (text, character, word) in [
            ("0 61 * * * *", Some(3), "'61' is not a valid minute"),
            ("*/5  * 25 * * *", Some(8), "'25' is not a valid hour"),
            ("0 0 0 * foo *", Some(9), "'foo' is not a valid month"),
            ("0 0 0 * * 9", Some(11), "'9' is not a valid day of the week"),
            ("61 * * * *", Some(1), "'61' is not a valid minute"),
            ("0 0 * * 9", Some(9), "'9' is not a valid day of the week"),
            ("0 * * *", None, "not 4"),
            ("0 * * * * * *", Some(13), "not 7"),
            ("", None, "not 0"),
            ("é * * * * *", Some(1), "is not a valid second"),
            ("é * * * *", Some(1), "is not a valid minute"),
            ("0 0 0 30 2 *", None, "no such day"),
            ("0 0 30 2 *", None, "no such day"),
            ("@every 500ms", Some(8), "at least 1s"),
            ("@every 1500ms", Some(8), "whole seconds"),
            ("@every soon", Some(8), ""),
            ("@every", Some(1), "@every 30s"),
            ("@reboot", Some(1), "@hourly, @daily"),
            ("0 @daily * * * *", Some(3), "is not a valid minute"),
        ] {
            let (found, problem) = error(text);
            assert_eq!(found, character, "{text}: {problem}");
            assert!(problem.contains(word), "{text}: {problem}");
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any time will do")]
    fn five_fields_and_names_mean_the_same_as_six_fields() {
        let now = Utc::now();
        let next = |text: &str| match text.parse::<Schedule>().expect(text) {
            Schedule::Cron(cron) => {
                std::iter::successors(cron.next_after(now), |time| cron.next_after(*time)).take(50).collect::<Vec<_>>()
            }
            Schedule::Every(_) => panic!("{text} is an expression"),
        };
        for (short, six_fields) in [
            ("*/5 * * * *", "0 */5 * * * *"),
            ("30 8-18 * * MON-FRI", "0 30 8-18 * * MON-FRI"),
            ("@hourly", "0 0 * * * *"),
            ("@daily", "0 0 0 * * *"),
            ("@Weekly ", "0 0 0 * * SUN"),
            ("@monthly", "0 0 0 1 * *"),
            ("@yearly", "0 0 0 1 1 *"),
            ("@annually", "0 0 0 1 1 *"),
            // Not standard, but accepted since the first version.
            ("5/10 * * * *", "0 5-59/10 * * * *"),
        ] {
            assert_eq!(next(short), next(six_fields), "{short}");
        }
    }

    #[test]
    fn a_zone_is_known_by_its_name() {
        assert_eq!(zone("Europe/Berlin"), Ok(Tz::Europe__Berlin));
        assert!(zone("Mars/Olympus").unwrap_err().contains("UTC or Europe/Berlin"));
    }
}
