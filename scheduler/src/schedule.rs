//! When whole cycles run: a cron expression, or an interval.

use std::{fmt, iter, str::FromStr, time::Duration};

use chrono::{DateTime, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use croner::{
    Cron,
    parser::{CronParser, Seconds},
};
use easytier_uptime_config::duration;

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
    /// Whether `count` cycles were due in the `span` up to `now`, on the clocks of `zone`.
    pub fn were_due(&self, count: u32, span: Duration, now: DateTime<Utc>, zone: Tz) -> bool {
        match self {
            Self::Cron { cron, .. } => {
                let since = (now - span).with_timezone(&zone).naive_local();
                // A time that the clocks skip is none, and one that they show twice is the second.
                let mut times =
                    times(cron, since).filter_map(|time| zone.from_local_datetime(&time.naive_utc()).latest());
                times.nth(count as usize - 1).is_some_and(|time| time <= now)
            }
            Self::Every(interval) => span >= interval.saturating_mul(count),
        }
    }

    /// The longest time between two of the next cycles.
    pub fn longest_pause(&self, now: DateTime<Utc>, zone: Tz) -> Duration {
        match self {
            Self::Cron { cron, .. } => longest_pause(cron, now.with_timezone(&zone).naive_local()),
            Self::Every(interval) => *interval,
        }
    }
}

/// The times after `time`, on clocks that nobody sets.
fn times(cron: &Cron, time: NaiveDateTime) -> impl Iterator<Item = DateTime<Utc>> {
    // The iterator of `Cron` leaves every other time out when there is one each second.
    let next = |time: &DateTime<Utc>| cron.find_next_occurrence(time, false).ok();
    iter::successors(next(&time.and_utc()), next)
}

/// The longest pause of the next cycles: of so many that all within a minute are among them, and of a week and a day.
fn longest_pause(cron: &Cron, now: NaiveDateTime) -> Duration {
    const LOOKED_AT: usize = 2 * 60;
    const LOOKED_AHEAD: TimeDelta = TimeDelta::days(8);
    let next: Vec<_> = times(cron, now).take(LOOKED_AT).collect();
    let mut longest = next.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(TimeDelta::days(1));
    let mut time = next.first().copied().unwrap_or(now.and_utc());
    let end = time + LOOKED_AHEAD;
    while time < end {
        // Between two times that are no farther apart than this there is no longer pause.
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

    /// A time of October 2026, in UTC; the 14th is a Wednesday.
    fn october(day: u32, hour: u32, minute: u32) -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 10, day, hour, minute, 0).unwrap()
    }

    fn hours(hours: u64) -> Duration {
        Duration::from_secs(hours * 3600)
    }

    #[test]
    fn times_are_those_of_the_zone_across_a_change_of_its_clocks() {
        let schedule: Schedule = "0 30 8 * * *".parse().unwrap();
        let berlin = zone("Europe/Berlin").unwrap();
        // The clocks there go back an hour on 2026-10-25.
        let was_due = |minute| schedule.were_due(2, hours(48), october(25, 7, minute), berlin);
        assert_eq!((was_due(29), was_due(30)), (false, true));
    }

    #[test]
    fn the_longest_pause_is_that_of_a_night_or_a_weekend() {
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        for (expression, pause) in [
            ("0 */5 8-18 * * *", hours(13) + minutes(5)),
            ("0 30 8-18 * * MON-FRI", hours(62)),
            ("* * * * * *", Duration::from_secs(1)),
            ("* * 8-18 * * *", hours(13) + Duration::from_secs(1)),
            ("0-40 * * * * *", Duration::from_secs(20)),
            ("0 * * * * *", minutes(1)),
            ("0 0-30 * * * *", minutes(30)),
            ("0 0 9 1 * *", hours(31 * 24)),
            ("0 */5 * 1-7 * *", hours(23 * 24) + minutes(5)),
            ("0 0 0 29 2 *", hours((8 * 365 + 1) * 24)),
        ] {
            let schedule: Schedule = expression.parse().unwrap();
            for hour in (0..24).step_by(5) {
                assert_eq!(
                    schedule.longest_pause(october(14, hour, 7), Tz::UTC),
                    pause,
                    "{expression} from {hour}:07 on"
                );
            }
        }
    }

    #[test]
    fn cycles_are_due_at_their_times_and_not_between() {
        let due_since = |expression: &str, since: DateTime<Utc>, now: DateTime<Utc>| {
            let schedule: Schedule = expression.parse().unwrap();
            schedule.were_due(3, (now - since).to_std().unwrap(), now, Tz::UTC)
        };
        let in_the_day = "0 */5 8-18 * * *";
        let evening = october(14, 18, 56);
        assert!(!due_since(in_the_day, evening, october(15, 8, 9)));
        assert!(due_since(in_the_day, evening, october(15, 8, 10)));
        assert!(!due_since(in_the_day, october(14, 9, 1), october(14, 9, 14)));
        assert!(due_since(in_the_day, october(14, 9, 1), october(14, 9, 15)));
        let on_weekdays = "0 30 8-18 * * MON-FRI";
        let friday = october(16, 18, 31);
        assert!(!due_since(on_weekdays, friday, october(19, 10, 29)));
        assert!(due_since(on_weekdays, friday, october(19, 10, 30)));
    }

    #[test]
    fn no_three_cycles_are_due_in_nine_minutes_whatever_the_clocks_do() {
        let schedule: Schedule = "0 */5 * * * *".parse().unwrap();
        let berlin = zone("Europe/Berlin").unwrap();
        let [forward, back] = [3, 10].map(|month| Utc.with_ymd_and_hms(2026, month, 1, 0, 0, 0).unwrap());
        let last_sunday = [forward + TimeDelta::days(28), back + TimeDelta::days(24)];
        for minute in 0..4 * 60 {
            for midnight in last_sunday {
                let now = midnight + TimeDelta::minutes(minute);
                assert!(!schedule.were_due(3, Duration::from_secs(9 * 60), now, berlin), "{now}");
            }
        }
    }

    #[test]
    fn an_interval_stands_in_for_an_expression() {
        let schedule: Schedule = "@every 5m".parse().unwrap();
        assert_eq!(schedule.longest_pause(Utc::now(), Tz::UTC), Duration::from_secs(300));
        let were_due = |seconds| schedule.were_due(3, Duration::from_secs(seconds), Utc::now(), Tz::UTC);
        assert_eq!((were_due(899), were_due(900)), (false, true));
        assert!(zone("Mars/Olympus").is_err());
    }
}
