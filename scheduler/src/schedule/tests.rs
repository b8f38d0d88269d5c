use chrono::TimeZone;
use proptest::{prelude::*, sample::select};

use super::*;

/// A time of October 2026, in UTC; the 14th is a Wednesday.
fn october(day: u32, hour: u32, minute: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 10, day, hour, minute, 0).unwrap()
}

fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

fn schedule(expression: &str, zone: Tz) -> Schedule {
    expression.parse::<Schedule>().expect(expression).in_zone(zone)
}

fn cron(expression: &str, zone: Tz) -> CronSchedule {
    match schedule(expression, zone) {
        Schedule::Cron(cron) => *cron,
        Schedule::Every(_) => panic!("{expression} is an interval"),
    }
}

#[test]
fn times_are_those_of_the_zone_across_a_change_of_its_clocks() {
    let schedule = schedule("0 30 8 * * *", Tz::Europe__Berlin);
    // The clocks there go back an hour on 2026-10-25.
    let was_due = |minute| schedule.were_due(2, hours(48), october(25, 7, minute));
    assert_eq!((was_due(29), was_due(30)), (false, true));
}

/// Each time of the night in UTC, as `hour:minute`.
fn times_of_night(expression: &str, (month, day): (u32, u32)) -> Vec<String> {
    let cron = cron(expression, Tz::Europe__Berlin);
    // From 23:00 to 07:00 or 06:00 in Berlin.
    let start = Utc.with_ymd_and_hms(2026, month, day, 0, 0, 0).unwrap() - TimeDelta::hours(2);
    let times = iter::successors(cron.next_after(start), |time| cron.next_after(*time));
    let times = times.take_while(|time| *time < start + TimeDelta::hours(7));
    times.map(|time| time.format("%H:%M").to_string()).collect()
}

#[test]
fn where_the_clocks_go_forward_a_daily_time_is_found_once() {
    // At 01:00 UTC the clocks go from 02:00 to 03:00.
    let night = (3, 29);
    for (expression, times) in [
        ("0 0 3 * * *", &["01:00"][..]),
        ("0 30 2 * * *", &["01:00"]),
        ("0 0 2 * * *", &["01:00"]),
        ("0 59 1 * * *", &["00:59"]),
        ("0 30 3 * * *", &["01:30"]),
        ("0 0 * * * *", &["23:00", "00:00", "01:00", "02:00", "03:00", "04:00"]),
        ("@hourly", &["23:00", "00:00", "01:00", "02:00", "03:00", "04:00"]),
        ("0 30 * * * *", &["22:30", "23:30", "00:30", "01:30", "02:30", "03:30", "04:30"]),
    ] {
        assert_eq!(times_of_night(expression, night), times, "{expression}");
    }
}

#[test]
fn where_the_clocks_go_back_a_daily_time_is_found_once_and_an_hourly_one_each_hour() {
    // At 01:00 UTC the clocks go from 03:00 to 02:00.
    let night = (10, 25);
    for (expression, times) in [
        ("0 0 3 * * *", &["02:00"][..]),
        ("0 30 2 * * *", &["00:30"]),
        ("0 0 2 * * *", &["00:00"]),
        ("0 0 * * * *", &["23:00", "00:00", "01:00", "02:00", "03:00", "04:00"]),
        ("0 30 * * * *", &["22:30", "23:30", "00:30", "01:30", "02:30", "03:30", "04:30"]),
    ] {
        assert_eq!(times_of_night(expression, night), times, "{expression}");
    }
}

#[test]
fn the_longest_pause_is_that_of_a_night_or_a_weekend() {
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
        let schedule = schedule(expression, Tz::UTC);
        for hour in (0..24).step_by(5) {
            assert_eq!(schedule.longest_pause(october(14, hour, 7)), pause, "{expression} from {hour}:07 on");
        }
    }
}

#[test]
fn the_shortest_pause_is_that_between_neighbours() {
    for (expression, pause) in [
        ("0 */5 8-18 * * *", minutes(5)),
        ("0 0,10,30 * * * *", minutes(10)),
        ("0 58,2 * * * *", minutes(4)),
        ("@daily", hours(24)),
        ("@every 90s", Duration::from_secs(90)),
    ] {
        assert_eq!(schedule(expression, Tz::UTC).shortest_pause(october(14, 0, 7)), Some(pause), "{expression}");
    }
}

#[test]
fn the_jitter_is_at_most_the_shortest_pause() {
    let schedule = schedule("*/5 * * * *", Tz::UTC);
    assert_eq!(schedule.accepts_jitter(minutes(5)), Ok(()));
    assert!(schedule.accepts_jitter(minutes(6)).unwrap_err().contains("at most 5m"));
}

#[test]
fn cycles_are_due_at_their_times_and_not_between() {
    let due_since = |expression: &str, since: DateTime<Utc>, now: DateTime<Utc>| {
        schedule(expression, Tz::UTC).were_due(3, (now - since).to_std().unwrap(), now)
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
    let schedule = schedule("0 */5 * * * *", Tz::Europe__Berlin);
    let [forward, back] = [3, 10].map(|month| Utc.with_ymd_and_hms(2026, month, 1, 0, 0, 0).unwrap());
    let last_sunday = [forward + TimeDelta::days(28), back + TimeDelta::days(24)];
    for minute in 0..4 * 60 {
        for midnight in last_sunday {
            let now = midnight + TimeDelta::minutes(minute);
            assert!(!schedule.were_due(3, minutes(9), now), "{now}");
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the schedule itself starts from the present time")]
fn an_interval_stands_in_for_an_expression() {
    let schedule: Schedule = "@every 5m".parse().unwrap();
    assert_eq!(schedule.longest_pause(Utc::now()), Duration::from_secs(300));
    let were_due = |seconds| schedule.were_due(3, Duration::from_secs(seconds), Utc::now());
    assert_eq!((were_due(899), were_due(900)), (false, true));
}

#[test]
fn the_delay_of_a_probe_is_within_the_jitter_and_always_the_same() {
    let jitter = minutes(5);
    let delays: Vec<_> = (0..1000).map(|number| delay_within(jitter, &format!("probe-{number}"))).collect();
    assert!(delays.iter().all(|delay| *delay < jitter));
    for tenth in 0..10 {
        let from = jitter * tenth / 10;
        let count = delays.iter().filter(|delay| (from..from + jitter / 10).contains(*delay)).count();
        assert!((60..150).contains(&count), "{count} of 1000 probes in tenth {tenth}");
    }
    // It must not change with a version of the program.
    assert_eq!(delays[1], Duration::from_millis(207_720));
    assert_eq!(delay_within(jitter * 2, "probe-1").as_secs(), 415);
    assert_eq!(delay_within(Duration::ZERO, "probe-1"), Duration::ZERO);
}

/// Zones whose clocks change at different hours, by an hour, by half of one, by two, and not at all.
pub const ZONES: [Tz; 8] = [
    Tz::UTC,
    Tz::Europe__Berlin,
    Tz::America__New_York,
    Tz::Australia__Lord_Howe,
    Tz::Antarctica__Troll,
    Tz::America__Santiago,
    Tz::Africa__Cairo,
    Tz::Asia__Shanghai,
];

/// One field of an expression, with values up to `max`.
fn field(max: u32) -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just("*".to_owned()),
        3 => (0..=max).prop_map(|value| value.to_string()),
        1 => (2..=max.min(30)).prop_map(|step| format!("*/{step}")),
        1 => (0..=max, 0..=max).prop_map(|(one, other)| format!("{},{}", one.min(other), one.max(other))),
        1 => (0..=max, 0..=max).prop_map(|(one, other)| format!("{}-{}", one.min(other), one.max(other))),
    ]
}

/// Expressions with at most one time a minute, which keeps the number of times in a day small.
pub fn expressions() -> impl Strategy<Value = String> {
    (0..60u32, field(59), field(23)).prop_map(|(second, minute, hour)| format!("{second} {minute} {hour} * * *"))
}

/// Times within a day and a half of a change of some clocks, and others.
pub fn starts() -> impl Strategy<Value = DateTime<Utc>> {
    let changes =
        [(2026, 3, 29), (2026, 10, 25), (2026, 3, 8), (2026, 11, 1), (2026, 4, 5), (2026, 10, 4), (2026, 9, 6)];
    let days = prop_oneof![
        3 => select(changes.to_vec()),
        1 => (2025..2030, 1..13u32, 1..29u32),
    ];
    (days, -86_400..43_200i64).prop_map(|((year, month, day), seconds)| {
        Utc.with_ymd_and_hms(year, month, day, 0, 0, 0).unwrap() + TimeDelta::seconds(seconds)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Second by second: there is a run exactly when the clocks show one of the times. Of an expression with one time of
    /// the day only the number of runs is checked here; the tests above check its times.
    #[test]
    fn the_times_are_those_that_the_clocks_show(expression in expressions(), zone in select(ZONES.to_vec()), start in starts()) {
        let cron = cron(&expression, zone);
        let end = start + TimeDelta::hours(6);
        let times = iter::successors(cron.next_after(start), |time| cron.next_after(*time));
        let times: Vec<_> = times.take_while(|time| *time <= end).collect();
        let is_fixed = expression.split(' ').take(3).all(|field| field.parse::<u32>().is_ok());
        if is_fixed {
            prop_assert!(times.len() <= 1);
            let in_two_days = iter::successors(cron.next_after(start), |time| cron.next_after(*time));
            let in_two_days = in_two_days.take_while(|time| *time <= start + TimeDelta::hours(48)).count();
            prop_assert!((1..=3).contains(&in_two_days), "{} runs in 48 hours", in_two_days);
        } else {
            let seconds = (1..=6 * 3600).map(|second| start + TimeDelta::seconds(second));
            let shown = seconds.filter(|time| cron.cron.is_time_matching(&time.with_timezone(&zone)).unwrap());
            prop_assert_eq!(times, shown.collect::<Vec<_>>());
        }
    }
}
