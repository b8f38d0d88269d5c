use proptest::prelude::*;

use super::*;

fn text(start: &str, time_zone: &str, minutes: u32, rrule: Option<&str>) -> ScheduleText {
    ScheduleText {
        start: start.into(),
        time_zone: time_zone.into(),
        minutes,
        rrule: rrule.map(Into::into),
        until: None,
    }
}

fn schedule(start: &str, time_zone: &str, minutes: u32, rrule: Option<&str>) -> Schedule {
    Schedule::parse(&text(start, time_zone, minutes, rrule)).unwrap()
}

fn refused(text: &ScheduleText) -> ScheduleError {
    Schedule::parse(text).unwrap_err()
}

fn at(time: &str) -> Timestamp {
    time.parse::<DateTime<Utc>>().unwrap().into()
}

fn begins(schedule: &Schedule, from: &str, limit: usize) -> Vec<String> {
    schedule.occurrences(at(from), limit).iter().map(|one| one.begins_at.to_string()).collect()
}

#[test]
fn a_window_takes_place_once() {
    let once = schedule("2027-01-31T02:00", "Asia/Shanghai", 90, None);
    let occurrence = Occurrence { begins_at: at("2027-01-30T18:00:00Z"), ends_at: at("2027-01-30T19:30:00Z") };
    assert_eq!(once.occurrences(at("2020-01-01T00:00:00Z"), 9), [occurrence]);
    assert!(once.occurrences(occurrence.ends_at, 9).is_empty());
    assert!(occurrence.contains(occurrence.begins_at) && !occurrence.contains(occurrence.ends_at));
    assert!(!once.is_repeated());
}

#[test]
fn a_weekly_window_keeps_its_local_time_when_the_clocks_change() {
    let sundays = schedule("2027-03-14T04:00", "Europe/Berlin", 60, Some("FREQ=WEEKLY;BYDAY=SU"));
    // The clocks go forward on the 28th of March at 02:00, and back on the 31st of October at 03:00.
    let spring = ["2027-03-14T03:00:00Z", "2027-03-21T03:00:00Z", "2027-03-28T02:00:00Z", "2027-04-04T02:00:00Z"];
    assert_eq!(begins(&sundays, "2027-03-01T00:00:00Z", 4), spring);
    let autumn = ["2027-10-24T02:00:00Z", "2027-10-31T03:00:00Z", "2027-11-07T03:00:00Z"];
    assert_eq!(begins(&sundays, "2027-10-20T00:00:00Z", 3), autumn);
    // There are no changes in China.
    let china = schedule("2027-03-14T04:00", "Asia/Shanghai", 60, Some("FREQ=WEEKLY;BYDAY=SU"));
    let found = begins(&china, "2027-01-01T00:00:00Z", 40);
    assert!(found.iter().all(|begin| begin.ends_with("T20:00:00Z")), "{found:?}");
}

#[test]
fn a_start_that_the_clocks_skip_is_taken_by_the_offset_before_and_of_one_that_comes_twice_the_first() {
    let nights = schedule("2027-01-01T02:30", "Europe/Berlin", 60, Some("FREQ=DAILY"));
    // 02:30 is skipped: 03:30 in summer, which is 01:30 UTC as in winter.
    let spring = ["2027-03-27T01:30:00Z", "2027-03-28T01:30:00Z", "2027-03-29T00:30:00Z"];
    assert_eq!(begins(&nights, "2027-03-27T00:00:00Z", 3), spring);
    let autumn = ["2027-10-30T00:30:00Z", "2027-10-31T00:30:00Z", "2027-11-01T01:30:00Z"];
    assert_eq!(begins(&nights, "2027-10-30T00:00:00Z", 3), autumn);
    // A whole day was skipped.
    let samoa = NaiveDate::from_ymd_opt(2011, 12, 30).unwrap().and_hms_opt(12, 0, 0).unwrap();
    assert_eq!(instant(chrono_tz::Pacific::Apia, samoa), at("2011-12-30T22:00:00Z"));
}

#[test]
fn the_length_is_exact_across_a_change_of_the_clocks() {
    let nights = schedule("2027-03-27T22:00", "Europe/Berlin", 8 * 60, Some("FREQ=DAILY"));
    for one in nights.occurrences(at("2027-03-27T00:00:00Z"), 300) {
        assert_eq!(one.ends_at.since(one.begins_at), Duration::from_secs(8 * 3600));
    }
}

#[test]
fn rules_that_a_calendar_knows_are_understood() {
    let cases: [(&str, &[&str]); 6] = [
        ("FREQ=MONTHLY;BYDAY=2TU", &["2027-01-12", "2027-02-09", "2027-03-09"]),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", &["2027-01-31", "2027-02-28", "2027-03-31"]),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", &["2027-01-29", "2027-02-26", "2027-03-31"]),
        ("freq=daily;interval=10;", &["2027-01-05", "2027-01-15", "2027-01-25"]),
        ("RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH;WKST=MO", &["2027-01-05", "2027-01-07", "2027-01-19"]),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", &["2028-02-29", "2032-02-29"]),
    ];
    for (rule, days) in cases {
        let found = begins(&schedule("2027-01-05T12:00", "UTC", 60, Some(rule)), "2027-01-01T00:00:00Z", days.len());
        let days: Vec<String> = days.iter().map(|day| format!("{day}T12:00:00Z")).collect();
        assert_eq!(found, days, "{rule}");
    }
}

#[test]
fn a_series_ends_by_its_count_its_rule_or_its_last_day() {
    let count = |text: &ScheduleText| Schedule::parse(text).unwrap().occurrences(at("2020-01-01T00:00:00Z"), 99).len();
    let daily = |rule: &str| text("2027-03-27T04:00", "Europe/Berlin", 60, Some(rule));
    assert_eq!(count(&daily("FREQ=DAILY;COUNT=7")), 7);
    // The last one begins at 02:00 UTC, because it is summer then.
    assert_eq!(count(&daily("FREQ=DAILY;UNTIL=20270329T020000Z")), 3);
    assert_eq!(count(&daily("FREQ=DAILY;UNTIL=20270329T015959Z")), 2);
    assert_eq!(count(&daily("FREQ=DAILY;UNTIL=20270329")), 3);
    for (until, expected) in [("2027-03-29", 3), ("2027-03-29T03:59", 2), ("2027-03-29 04:00", 3)] {
        let until = ScheduleText { until: Some(until.into()), ..daily("FREQ=DAILY;COUNT=30") };
        assert_eq!(count(&until), expected);
        let again = Schedule::parse(&until).unwrap().text();
        assert_eq!(count(&again), expected, "{again:?}");
    }
}

#[test]
fn what_would_take_work_without_a_bound_or_never_takes_place_is_refused() {
    let rule = |rule: &str| refused(&text("2027-01-05T12:00", "UTC", 60, Some(rule)));
    for frequent in ["FREQ=SECONDLY", "FREQ=MINUTELY;INTERVAL=5", "FREQ=HOURLY", "INTERVAL=1", "FREQ=NEVER"] {
        assert_eq!(rule(frequent), ScheduleError::Rule(RuleError::Frequency), "{frequent}");
    }
    for part in ["BYHOUR=1,2", "BYMINUTE=0", "BYSECOND=0,1", "BYEASTER=1", "X-A=1"] {
        let refused = rule(&format!("FREQ=DAILY;{part}"));
        assert!(matches!(refused, ScheduleError::Rule(RuleError::Part(_))), "{part}: {refused:?}");
    }
    for number in ["INTERVAL=0", "INTERVAL=367", "INTERVAL=-1", "COUNT=0", "COUNT=4294967296"] {
        assert_eq!(rule(&format!("FREQ=DAILY;{number}")), ScheduleError::Rule(RuleError::Number), "{number}");
    }
    let many = format!("FREQ=DAILY;BYMONTHDAY={}1", "1,".repeat(200));
    for syntax in
        ["", "FREQ", "FREQ=DAILY;FREQ=DAILY", "FREQ=DAILY\nEXRULE:FREQ=DAILY", "FREQ=DAILY;BYDAY=", "每天", &many]
    {
        assert_eq!(rule(syntax), ScheduleError::Rule(RuleError::Syntax), "{syntax}");
    }
    for end in ["UNTIL=tomorrow", "UNTIL=20271399", "UNTIL=20270101T000000+01"] {
        assert_eq!(rule(&format!("FREQ=DAILY;{end}")), ScheduleError::Rule(RuleError::Until), "{end}");
    }
    assert!(matches!(rule("FREQ=DAILY;BYDAY=XX"), ScheduleError::Rule(RuleError::Meaning(_))));
    for never in
        ["FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "FREQ=DAILY;UNTIL=20200101"]
    {
        assert_eq!(rule(never), ScheduleError::Never, "{never}");
    }
}

#[test]
fn each_part_has_its_refusal() {
    let good = text("2027-01-05T12:00", "UTC", 60, None);
    for start in ["", "2027-02-30T12:00", "2027-01-05T12:00Z", "1999-01-01T00:00", "9999-01-01T00:00"] {
        assert_eq!(refused(&ScheduleText { start: start.into(), ..good.clone() }), ScheduleError::Start, "{start}");
    }
    for zone in ["", "CEST", "Europe/Atlantis", "+01:00"] {
        assert_eq!(refused(&ScheduleText { time_zone: zone.into(), ..good.clone() }), ScheduleError::Zone, "{zone}");
    }
    for minutes in [0, MAX_MINUTES + 1, u32::MAX] {
        assert_eq!(refused(&ScheduleText { minutes, ..good.clone() }), ScheduleError::Length, "{minutes}");
    }
    let until = |until: &str| Some(until.to_owned());
    assert_eq!(refused(&ScheduleText { until: until("soon"), ..good.clone() }), ScheduleError::Until);
    assert_eq!(refused(&ScheduleText { until: until("2027-02-01"), ..good }), ScheduleError::UntilWithoutRule);
}

const ZONES: [&str; 6] =
    ["UTC", "Europe/Berlin", "Asia/Shanghai", "America/New_York", "Australia/Lord_Howe", "Pacific/Kiritimati"];

prop_compose! {
    fn local_time()(days in 0..3650i64, minute in 0..1440i64) -> NaiveDateTime {
        let first = NaiveDate::from_ymd_opt(2020, 1, 1).unwrap().and_hms_opt(0, 0, 0).unwrap();
        first + chrono::Duration::days(days) + chrono::Duration::minutes(minute)
    }
}

proptest! {
    /// The definition, day by day.
    #[test]
    fn days_are_those_of_the_rule(
        start in local_time(), zone in 0..ZONES.len(), interval in 1..15i64, weekdays in 1..128u8, skip in 0..400i64,
    ) {
        const NAMES: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
        let zone = ZONES[zone];
        let start_text = start.format(LOCAL).to_string();
        let from: Timestamp = (start + chrono::Duration::days(skip)).and_utc().into();
        let chosen: Vec<&str> = (0..7).filter(|day| weekdays & (1 << day) != 0).map(|day| NAMES[day]).collect();
        let is_chosen = |day: NaiveDateTime| weekdays & (1 << day.weekday().num_days_from_monday()) != 0;
        let days = (0..1200).map(|day| (day, start + chrono::Duration::days(day)));
        let expected = |of_rule: &dyn Fn(i64, NaiveDateTime) -> bool| -> Vec<Timestamp> {
            let begins = days.clone().filter(|(nth, day)| of_rule(*nth, *day)).map(|(_, day)| instant(zone.parse().unwrap(), day));
            begins.filter(|begin| *begin + Duration::from_secs(3600) > from).take(9).collect()
        };
        let found = |rule: &str| -> Vec<Timestamp> {
            let schedule = schedule(&start_text, zone, 60, Some(rule));
            schedule.occurrences(from, 9).into_iter().map(|one| one.begins_at).collect()
        };
        prop_assert_eq!(found(&format!("FREQ=DAILY;INTERVAL={interval}")), expected(&|nth, _| nth % interval == 0));
        let weekly = format!("FREQ=WEEKLY;BYDAY={}", chosen.join(","));
        prop_assert_eq!(found(&weekly), expected(&|_, day| is_chosen(day)));
    }

    #[test]
    fn occurrences_are_in_order_last_as_long_as_they_should_and_are_the_same_from_any_time(
        start in local_time(), zone in 0..ZONES.len(), minutes in 1..MAX_MINUTES, later in 0..2000u64,
    ) {
        let schedule = schedule(&start.format(LOCAL).to_string(), ZONES[zone], minutes, Some("FREQ=DAILY"));
        let from = instant(ZONES[zone].parse().unwrap(), start);
        let all = schedule.occurrences(from, 2200);
        prop_assert!(all.is_sorted() && all.windows(2).all(|pair| pair[0] != pair[1]));
        let length = Duration::from_secs(60) * minutes;
        prop_assert!(all.iter().all(|one| one.ends_at.since(one.begins_at) == length));
        let from = from + Duration::from_secs(later * 3600);
        let left: Vec<Occurrence> = all.into_iter().filter(|one| one.ends_at > from).take(20).collect();
        prop_assert_eq!(schedule.occurrences(from, 20), left);
    }

    #[test]
    fn a_start_is_at_its_local_time_wherever_there_is_one(start in local_time(), zone in 0..ZONES.len()) {
        let zone: Tz = ZONES[zone].parse().unwrap();
        let shown = DateTime::<Utc>::from(instant(zone, start)).with_timezone(&zone).naive_local();
        match zone.from_local_datetime(&start).earliest() {
            Some(_) => prop_assert_eq!(shown, start),
            // The clocks have skipped it: it is shown later, by what they skipped.
            None => prop_assert!(shown > start && shown - start <= chrono::Duration::hours(1) && shown.second() == 0),
        }
    }

    #[test]
    fn no_text_makes_it_panic_or_look_for_ever(
        rule in "(FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY))(;(INTERVAL|COUNT|BYDAY|BYMONTH|BYMONTHDAY|BYYEARDAY|BYWEEKNO|BYSETPOS|WKST|UNTIL)=[-+]?[0-9]{1,3}(MO|SU)?(,-?[0-9]{1,3})?){0,4}",
        noise in "\\PC{0,40}",
    ) {
        for rule in [&rule, &noise, &format!("{rule};{noise}")] {
            let text = text("2027-01-05T12:00", "Europe/Berlin", 60, Some(rule));
            if let Ok(schedule) = Schedule::parse(&text) {
                prop_assert!(!schedule.occurrences(at("2027-01-01T00:00:00Z"), 3).is_empty());
                prop_assert_eq!(Schedule::parse(&schedule.text()).unwrap(), schedule);
            }
        }
    }
}
