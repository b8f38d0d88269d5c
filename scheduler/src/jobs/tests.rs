use std::{
    future::{pending, ready},
    iter,
    sync::{Mutex, Weak},
};

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;
use proptest::{prelude::*, sample::select};
use tokio::{
    runtime::{self, Handle},
    time::{Instant, advance, sleep, timeout},
};

use super::{
    due::{Due, Reading},
    *,
};
use crate::schedule::{
    CronSchedule,
    tests::{ZONES, expressions, starts},
};

const GRACE: Duration = Duration::from_secs(5);

/// The time in which the library looks for due jobs twice.
const LATE: TimeDelta = TimeDelta::seconds(1);

fn schedule(expression: &str, zone: Tz) -> Schedule {
    expression.parse::<Schedule>().expect(expression).in_zone(zone)
}

fn time(text: &str) -> DateTime<Utc> {
    text.parse().expect(text)
}

/// A wall clock that follows the paused time of a test, and that can be set.
#[derive(Clone)]
struct FakeClock {
    started: Instant,
    shown: Arc<Mutex<DateTime<Utc>>>,
}

impl FakeClock {
    fn at(time: DateTime<Utc>) -> Self {
        Self { started: Instant::now(), shown: Arc::new(Mutex::new(time)) }
    }

    fn now(&self) -> DateTime<Utc> {
        *self.shown.lock().unwrap() + self.started.elapsed()
    }

    fn set_by(&self, by: TimeDelta) {
        *self.shown.lock().unwrap() += by;
    }

    fn scheduler(&self) -> Scheduler {
        let clock = self.clone();
        Scheduler::with_wall_clock(move || clock.now())
    }
}

/// The times at which a job ran.
#[derive(Clone, Default)]
struct Runs(Arc<Mutex<Vec<DateTime<Utc>>>>);

impl Runs {
    fn job(&self, schedule: Schedule, clock: &FakeClock) -> Job {
        let (runs, clock) = (self.clone(), clock.clone());
        Job::new("test", schedule, move || {
            runs.0.lock().unwrap().push(clock.now());
            ready(())
        })
    }

    fn all(&self) -> Vec<DateTime<Utc>> {
        self.0.lock().unwrap().clone()
    }

    /// As `hour:minute:second`.
    fn shown(&self) -> Vec<String> {
        self.all().iter().map(|time| time.with_nanosecond(0).unwrap().format("%H:%M:%S").to_string()).collect()
    }
}

/// Runs jobs on the scheduler for the time `lasting`.
async fn run_for(scheduler: &Scheduler, jobs: Vec<Job>, lasting: Duration) {
    let stop = CancellationToken::new();
    let ended = async {
        sleep(lasting).await;
        stop.cancel();
    };
    let (ran, ()) = tokio::join!(scheduler.run(jobs, stop.clone(), GRACE), ended);
    ran.unwrap();
}

/// The times in UTC at which a job of this schedule runs in Berlin in the six hours from `start`.
async fn runs_in_berlin(expression: &str, start: &str) -> Vec<String> {
    let (clock, runs) = (FakeClock::at(time(start)), Runs::default());
    let job = runs.job(schedule(expression, Tz::Europe__Berlin), &clock);
    run_for(&clock.scheduler(), vec![job], Duration::from_secs(6 * 3600)).await;
    runs.shown()
}

#[tokio::test(start_paused = true)]
async fn a_daily_job_runs_once_in_the_night_when_the_clocks_go_forward() {
    let evening = "2026-03-28T22:30:00Z";
    for (expression, times) in [
        ("0 0 3 * * *", &["01:00:00"][..]),
        ("0 30 2 * * *", &["01:00:00"]),
        // It has run before the clocks change.
        ("0 0 1,3 * * *", &["00:00:00", "01:00:00"]),
        ("@hourly", &["23:00:00", "00:00:00", "01:00:00", "02:00:00", "03:00:00", "04:00:00"]),
    ] {
        assert_eq!(runs_in_berlin(expression, evening).await, times, "{expression}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_daily_job_runs_once_in_the_night_when_the_clocks_go_back() {
    let evening = "2026-10-24T22:30:00Z";
    for (expression, times) in [
        ("0 0 3 * * *", &["02:00:00"][..]),
        ("0 30 2 * * *", &["00:30:00"]),
        ("@hourly", &["23:00:00", "00:00:00", "01:00:00", "02:00:00", "03:00:00", "04:00:00"]),
    ] {
        assert_eq!(runs_in_berlin(expression, evening).await, times, "{expression}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_delayed_job_runs_by_its_delay_after_each_of_its_times() {
    let (clock, runs) = (FakeClock::at(time("2026-03-29T00:30:00Z")), Runs::default());
    let delay = Duration::from_secs(90);
    let jobs = [schedule("*/10 * * * *", Tz::UTC), "@every 10m".parse().unwrap()];
    let jobs = jobs.map(|schedule| runs.job(schedule, &clock).delayed_by(delay));
    run_for(&clock.scheduler(), jobs.into(), Duration::from_secs(22 * 60)).await;
    // The time 00:30 of the expression had just passed, but its delay had not.
    assert_eq!(runs.shown(), ["00:31:30", "00:41:30", "00:41:30", "00:51:30", "00:51:30"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_that_a_job_captured_is_kept_when_the_jobs_have_ended() {
    let scheduler = FakeClock::at(time("2026-03-29T00:30:00Z")).scheduler();
    let mut tasks = Vec::new();
    for _ in 0..10 {
        let captured = Arc::new(());
        let (weak, also): (Weak<()>, _) = (Arc::downgrade(&captured), Arc::clone(&captured));
        let job = Job::new("test", schedule("* * * * * *", Tz::UTC), move || {
            let _captured = &captured;
            ready(())
        });
        let job = job.on_skip(move || drop(Arc::clone(&also)));
        run_for(&scheduler, vec![job], Duration::from_millis(9900)).await;
        assert_eq!(weak.strong_count(), 0);
        tasks.push(Handle::current().metrics().num_alive_tasks());
    }
    assert!(tasks.iter().all(|count| count == &tasks[0]), "tasks after each of the reloads: {tasks:?}");
}

#[tokio::test(start_paused = true)]
async fn no_run_begins_after_the_jobs_were_told_to_stop() {
    let (clock, runs) = (FakeClock::at(time("2026-03-29T00:30:00Z")), Runs::default());
    let scheduler = clock.scheduler();
    run_for(&scheduler, vec![runs.job(schedule("* * * * * *", Tz::UTC), &clock)], Duration::from_millis(9900)).await;
    let count = runs.all().len();
    assert_eq!(count, 9);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(runs.all().len(), count);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_lasts_is_not_doubled_and_ends_within_the_grace() {
    let clock = FakeClock::at(time("2026-03-29T00:30:00Z"));
    let skipped = Arc::<Mutex<u32>>::default();
    let count = Arc::clone(&skipped);
    let job = Job::new("test", Schedule::Every(Duration::from_secs(1)), pending::<()>);
    let job = job.on_skip(move || *count.lock().unwrap() += 1);
    let scheduler = clock.scheduler();
    let ended = run_for(&scheduler, vec![job], Duration::from_secs(10));
    timeout(Duration::from_secs(10) + GRACE + Duration::from_secs(1), ended).await.unwrap();
    assert!((8..=9).contains(&*skipped.lock().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn an_interval_does_not_depend_on_the_wall_clock() {
    let (clock, runs) = (FakeClock::at(time("2026-03-29T00:30:00Z")), Runs::default());
    let setter = clock.clone();
    let scheduler = clock.scheduler();
    let job = runs.job(Schedule::Every(Duration::from_secs(10)), &clock);
    let set = async {
        for hours in [2, -2, -2, 2] {
            sleep(Duration::from_secs(25)).await;
            setter.set_by(TimeDelta::hours(hours));
        }
    };
    tokio::join!(run_for(&scheduler, vec![job], Duration::from_secs(105)), set);
    assert_eq!(runs.all().len(), 10);
}

/// Readings of both clocks. The test moves one or both of them.
struct Clocks(Reading);

impl Clocks {
    fn at(wall: &str) -> Self {
        Self(Reading { wall: time(wall), monotonic: Instant::now() })
    }

    /// Lets time pass until the wall clock shows `until`, and returns the times of all runs, as `hour:minute:second`.
    fn pass(&mut self, due: &mut Due, until: &str) -> Vec<String> {
        let until = time(until);
        let mut runs = Vec::new();
        while self.0.wall < until {
            self.0.wall += TimeDelta::milliseconds(500);
            self.0.monotonic += Duration::from_millis(500);
            if due.take(self.0, false) {
                runs.push(self.0.wall.format("%H:%M:%S").to_string());
            }
        }
        runs
    }

    /// Sets the wall clock, and returns whether a run is due at once.
    fn set(&mut self, due: &mut Due, to: &str) -> bool {
        let before = self.0;
        self.0.wall = time(to);
        assert!(self.0.was_set_since(&before).is_some());
        due.take(self.0, true)
    }
}

#[test]
fn times_that_a_set_clock_passes_over_are_made_up_for_by_one_run() {
    let mut clocks = Clocks::at("2026-06-01T02:30:00Z");
    let mut daily = Due::new(&schedule("0 0 3 * * *", Tz::UTC), Duration::ZERO, clocks.0);
    assert!(clocks.set(&mut daily, "2026-06-01T04:30:00Z"));
    assert_eq!(clocks.pass(&mut daily, "2026-06-02T04:00:00Z"), ["03:00:00"]);

    let mut clocks = Clocks::at("2026-06-01T02:30:00Z");
    let mut hourly = Due::new(&schedule("@hourly", Tz::UTC), Duration::ZERO, clocks.0);
    assert_eq!(clocks.pass(&mut hourly, "2026-06-01T03:45:00Z"), ["03:00:00"]);
    assert!(clocks.set(&mut hourly, "2026-06-01T08:15:00Z"));
    assert_eq!(clocks.pass(&mut hourly, "2026-06-01T10:30:00Z"), ["09:00:00", "10:00:00"]);
}

#[test]
fn a_run_is_not_doubled_when_the_clock_is_set_back() {
    let mut clocks = Clocks::at("2026-06-01T02:30:00Z");
    let mut daily = Due::new(&schedule("0 0 3 * * *", Tz::UTC), Duration::ZERO, clocks.0);
    assert_eq!(clocks.pass(&mut daily, "2026-06-01T03:30:00Z"), ["03:00:00"]);
    assert!(!clocks.set(&mut daily, "2026-06-01T01:30:00Z"));
    assert_eq!(clocks.pass(&mut daily, "2026-06-02T04:00:00Z"), ["03:00:00"], "only the run of the second day");

    // A change as small as a time server makes.
    let mut clocks = Clocks::at("2026-06-01T02:59:00Z");
    let mut often = Due::new(&schedule("*/10 * * * *", Tz::UTC), Duration::ZERO, clocks.0);
    assert_eq!(clocks.pass(&mut often, "2026-06-01T03:00:00.500Z"), ["03:00:00"]);
    assert!(!clocks.set(&mut often, "2026-06-01T02:59:58Z"));
    assert_eq!(clocks.pass(&mut often, "2026-06-01T03:25:00Z"), ["03:10:00", "03:20:00"]);
}

#[test]
fn a_job_goes_on_when_the_clock_is_set_back() {
    let mut clocks = Clocks::at("2026-06-01T11:30:00Z");
    let mut hourly = Due::new(&schedule("@hourly", Tz::UTC), Duration::ZERO, clocks.0);
    assert_eq!(clocks.pass(&mut hourly, "2026-06-01T12:30:00Z"), ["12:00:00"]);
    assert!(!clocks.set(&mut hourly, "2026-06-01T10:30:00Z"));
    assert_eq!(clocks.pass(&mut hourly, "2026-06-01T13:30:00Z"), ["11:00:00", "12:00:00", "13:00:00"]);
    // A clock that was years ahead.
    let mut daily = Due::new(&schedule("@daily", Tz::UTC), Duration::ZERO, clocks.0);
    assert_eq!(clocks.pass(&mut daily, "2026-06-02T12:00:00Z"), ["00:00:00"]);
    clocks.set(&mut daily, "2020-01-01T12:00:00Z");
    assert_eq!(clocks.pass(&mut daily, "2020-01-03T12:00:00Z"), ["00:00:00", "00:00:00"]);
}

#[test]
fn two_settings_of_the_clock_that_cancel_out_neither_double_a_run_nor_lose_one() {
    let mut clocks = Clocks::at("2026-06-01T01:30:00Z");
    let mut daily = Due::new(&schedule("0 0 3 * * *", Tz::UTC), Duration::ZERO, clocks.0);
    assert!(clocks.set(&mut daily, "2026-06-01T03:30:00Z"));
    assert!(!clocks.set(&mut daily, "2026-06-01T01:30:00Z"));
    assert_eq!(clocks.pass(&mut daily, "2026-06-01T04:00:00Z"), [""; 0]);
    assert_eq!(clocks.pass(&mut daily, "2026-06-02T04:00:00Z"), ["03:00:00"]);
}

#[tokio::test(start_paused = true)]
async fn a_set_clock_is_noticed_while_jobs_run() {
    let (clock, runs) = (FakeClock::at(time("2026-06-01T02:30:00Z")), Runs::default());
    let setter = clock.clone();
    let job = runs.job(schedule("0 0 3 * * *", Tz::UTC), &clock);
    let set = async {
        sleep(Duration::from_secs(60)).await;
        setter.set_by(TimeDelta::hours(2));
        sleep(Duration::from_secs(60)).await;
        setter.set_by(TimeDelta::hours(-2));
    };
    let scheduler = clock.scheduler();
    tokio::join!(run_for(&scheduler, vec![job], Duration::from_secs(7200)), set);
    assert_eq!(runs.all().len(), 1, "{:?}", runs.shown());
}

#[test]
fn a_machine_that_stood_still_runs_an_interval_once_and_keeps_its_rhythm() {
    let mut now = Clocks::at("2026-06-01T00:00:00Z").0;
    let mut due = Due::new(&Schedule::Every(Duration::from_secs(10)), Duration::ZERO, now);
    let started = now.monotonic;
    for (second, is_due) in [(9, false), (10, true), (11, false), (47, true), (49, false), (50, true)] {
        now.monotonic = started + Duration::from_secs(second);
        assert_eq!(due.take(now, false), is_due, "after {second} s");
    }
}

/// The times after `start` up to `end`, with a delay.
fn expected(cron: &CronSchedule, start: DateTime<Utc>, end: DateTime<Utc>, delay: TimeDelta) -> Vec<DateTime<Utc>> {
    let times = iter::successors(cron.next_after(start - delay), |time| cron.next_after(*time));
    times.map(|time| time + delay).take_while(|time| *time <= end).collect()
}

fn assert_ran_at(expected: &[DateTime<Utc>], runs: &[DateTime<Utc>]) -> Result<(), TestCaseError> {
    prop_assert_eq!(expected.len(), runs.len(), "expected {:?}, ran {:?}", expected, runs);
    for (expected, ran) in expected.iter().zip(runs) {
        prop_assert!(ran >= expected && *ran - expected < LATE, "expected {}, ran {}", expected, ran);
    }
    Ok(())
}

fn cron(expression: &str, zone: Tz) -> CronSchedule {
    match schedule(expression, zone) {
        Schedule::Cron(cron) => *cron,
        Schedule::Every(_) => panic!("{expression} is an interval"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// 40 hours contain a change of the clocks, if there is one near the start.
    #[test]
    fn a_job_is_due_at_the_times_of_its_expression(
        expression in expressions(),
        zone in select(ZONES.to_vec()),
        start in starts(),
        delay in 0..90i64,
    ) {
        let cron = cron(&expression, zone);
        let delay = TimeDelta::seconds(delay);
        let mut now = Reading { wall: start, monotonic: Instant::now() };
        let mut due = Due::new(&Schedule::Cron(Box::new(cron.clone())), delay.to_std().unwrap(), now);
        let end = start + TimeDelta::hours(40);
        let mut runs = Vec::new();
        while now.wall < end {
            now.wall += TimeDelta::milliseconds(500);
            now.monotonic += Duration::from_millis(500);
            if due.take(now, false) {
                runs.push(now.wall);
            }
        }
        assert_ran_at(&expected(&cron, start, end, delay), &runs)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// The same property of the scheduler with the library, for three hours.
    #[test]
    fn jobs_run_at_the_times_of_their_expressions(
        jobs in prop::collection::vec((expressions(), select(ZONES.to_vec()), 0..90i64), 1..5),
        start in starts(),
    ) {
        const LASTING: Duration = Duration::from_secs(3 * 3600);
        let runtime = runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let runs: Vec<Runs> = runtime.block_on(async {
            let clock = FakeClock::at(start);
            let runs: Vec<_> = jobs.iter().map(|_| Runs::default()).collect();
            let all = jobs.iter().zip(&runs).map(|((expression, zone, delay), runs)| {
                runs.job(schedule(expression, *zone), &clock).delayed_by(Duration::from_secs(*delay as u64))
            });
            // So that no run is due exactly at the end.
            run_for(&clock.scheduler(), all.collect(), LASTING + Duration::from_millis(900)).await;
            advance(LASTING).await;
            runs
        });
        for ((expression, zone, delay), runs) in jobs.iter().zip(runs) {
            let end = start + LASTING;
            assert_ran_at(&expected(&cron(expression, *zone), start, end, TimeDelta::seconds(*delay)), &runs.all())?;
        }
    }
}
