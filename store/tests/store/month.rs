//! The figures of a month: uptime and outages.

use std::time::Duration;

use easytier_uptime_store::domain::{
    Coverage, Event, EventSubject, MaintenanceSpec, Month, MonthFigures, Outages, PeerId, ProbeIdentity, Schedule,
    ScheduleText, StatusReport, Timestamp, Uptime, Verdict,
};

use crate::support::{Engine, NOW, TestStore, offline, on_both_engines, online, region, seconds};

on_both_engines! {
    outages_of_one_hour_share_a_row_and_are_counted_one_by_one,
    an_outage_over_the_end_of_a_month_is_in_both_months,
    an_outage_goes_on_while_nobody_knows,
    maintenance_takes_its_time_from_outages,
    an_outage_that_goes_on_is_counted_and_has_not_ended,
    a_node_that_is_another_one_or_deleted_has_no_outages,
    the_figures_are_those_of_the_changes_and_so_is_what_the_upgrade_makes_of_them,
}

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// The start of February 2027, in UTC.
fn february() -> Timestamp {
    month("2027-02").begins_at()
}

fn month(text: &str) -> Month {
    text.parse().unwrap()
}

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A probe whose evidence lasts three times as long as its interval.
async fn probe(hub: &TestStore, interval: u64) -> ProbeIdentity {
    let probe = hub.local_probe("p1", &region("eu"), NOW).await.unwrap();
    heard(hub, &probe, interval, NOW).await;
    probe
}

async fn heard(hub: &TestStore, probe: &ProbeIdentity, interval: u64, now: Timestamp) {
    let report = StatusReport { check_interval: Some(seconds(interval)), ..StatusReport::default() };
    hub.report_status(probe, &report, now).await.unwrap();
}

/// The verdict becomes up or down at `at`.
async fn turn(hub: &TestStore, probe: &ProbeIdentity, peer: PeerId, is_online: bool, at: Timestamp) {
    let result = if is_online { online } else { offline };
    hub.report(probe, vec![result(peer, at - ms(1)), result(peer, at)], at).await;
    let verdict = hub.node(peer, at).await.unwrap().verdict;
    assert_eq!(verdict, if is_online { Verdict::Up } else { Verdict::Down });
}

async fn figures(hub: &TestStore, peer: PeerId, of: &str, now: Timestamp) -> MonthFigures {
    hub.month_figures(&[peer], month(of), now).await.unwrap()[&peer]
}

fn outages(number: u64, ended: u64, recovery: u64, longest: u64) -> Outages {
    Outages { number, ended, recovery: seconds(recovery), longest: seconds(longest) }
}

async fn outages_of_one_hour_share_a_row_and_are_counted_one_by_one(hub: TestStore) {
    let (peer, probe) = (hub.add("tcp://192.0.2.1:11010").await, probe(&hub, DAY).await);
    let mut at = NOW;
    turn(&hub, &probe, peer, true, at).await;
    for down in [60, 120, 30] {
        at = at + seconds(300);
        turn(&hub, &probe, peer, false, at).await;
        at = at + seconds(down);
        turn(&hub, &probe, peer, true, at).await;
    }
    assert_eq!(hub.count("outages").await, 1);
    let found = figures(&hub, peer, "2027-01", at + seconds(100)).await;
    assert_eq!(found.outages, outages(3, 3, 210, 120));
    assert_eq!(found.outages.mean_time_to_recover(), Some(seconds(70)));
    assert_eq!((found.uptime.counted.up, found.uptime.counted.down), (seconds(1000), seconds(210)));
    assert_eq!(figures(&hub, peer, "2027-02", at).await, MonthFigures::default());
    assert_eq!(figures(&hub, peer, "2026-12", at).await, MonthFigures::default());
}

async fn an_outage_over_the_end_of_a_month_is_in_both_months(hub: TestStore) {
    let (peer, probe) = (hub.add("tcp://192.0.2.1:11010").await, probe(&hub, 20 * DAY).await);
    turn(&hub, &probe, peer, true, february() - seconds(5 * HOUR)).await;
    turn(&hub, &probe, peer, false, february() - seconds(HOUR)).await;
    turn(&hub, &probe, peer, true, february() + seconds(2 * HOUR)).await;
    let now = february() + seconds(10 * HOUR);
    for now in [now, now + seconds(2 * DAY), now + seconds(40 * DAY)] {
        let found = figures(&hub, peer, "2027-01", now).await;
        assert_eq!(found.outages, outages(1, 0, 0, HOUR));
        assert_eq!((found.uptime.counted.up, found.uptime.counted.down), (seconds(4 * HOUR), seconds(HOUR)));
        let found = figures(&hub, peer, "2027-02", now).await;
        assert_eq!(found.outages, outages(1, 1, 3 * HOUR, 2 * HOUR));
        // The month may end before the present verdict does.
        let up = now.min(month("2027-03").begins_at()).since(february() + seconds(2 * HOUR));
        assert_eq!((found.uptime.counted.up, found.uptime.counted.down), (up, seconds(2 * HOUR)));
    }
    // A verdict that held from before a month until after it.
    turn(&hub, &probe, peer, false, february() + seconds(15 * DAY)).await;
    turn(&hub, &probe, peer, true, february() + seconds(70 * DAY)).await;
    let now = february() + seconds(80 * DAY);
    let found = figures(&hub, peer, "2027-03", now).await;
    assert_eq!(
        (found.uptime, found.outages),
        (Uptime::of(Verdict::Down, seconds(31 * DAY)), outages(1, 0, 0, 31 * DAY))
    );
    assert_eq!(figures(&hub, peer, "2027-04", now).await.outages, outages(1, 1, 55 * DAY, 11 * DAY));
}

async fn an_outage_goes_on_while_nobody_knows(hub: TestStore) {
    let (peer, probe) = (hub.add("tcp://192.0.2.1:11010").await, probe(&hub, HOUR).await);
    turn(&hub, &probe, peer, false, NOW).await;
    // The evidence becomes stale after three hours.
    let stale = NOW + seconds(3 * HOUR) + ms(1);
    hub.review(stale).await.unwrap();
    assert_eq!(hub.node(peer, stale).await.unwrap().verdict, Verdict::Unknown);
    let found = figures(&hub, peer, "2027-01", stale + seconds(HOUR)).await;
    assert_eq!((found.outages.number, found.outages.ended), (1, 0));
    let again = NOW + seconds(DAY);
    heard(&hub, &probe, HOUR, again).await;
    turn(&hub, &probe, peer, false, again).await;
    turn(&hub, &probe, peer, true, again + seconds(HOUR)).await;
    let found = figures(&hub, peer, "2027-01", again + seconds(2 * HOUR)).await;
    let down = seconds(4 * HOUR) + ms(1);
    assert_eq!(found.outages, Outages { number: 1, ended: 1, recovery: down, longest: down });
    assert_eq!(hub.count("open_outages").await, 0);
    // It is online when it is seen again.
    let later = again + seconds(2 * HOUR);
    turn(&hub, &probe, peer, false, later).await;
    let stale = later + seconds(3 * HOUR) + ms(1);
    hub.review(stale).await.unwrap();
    heard(&hub, &probe, HOUR, stale + seconds(HOUR)).await;
    turn(&hub, &probe, peer, true, stale + seconds(HOUR)).await;
    let found = figures(&hub, peer, "2027-01", stale + seconds(2 * HOUR)).await;
    assert_eq!((found.outages.number, found.outages.ended), (2, 2));
    assert_eq!(hub.count("open_outages").await, 0);
}

/// A window for all nodes, from so many minutes after [`NOW`] on.
async fn maintain(hub: &TestStore, from: u32, minutes: u32) {
    let start = format!("2027-01-15T{:02}:{:02}", 8 + from / 60, from % 60);
    let text = ScheduleText { start, time_zone: "UTC".into(), minutes, rrule: None, until: None };
    let coverage = Coverage { all: true, ..Coverage::default() };
    let schedule = Schedule::parse(&text).unwrap();
    let spec = MaintenanceSpec { title: "New disks".into(), title_zh: None, coverage, schedule };
    hub.add_maintenance(&spec, NOW).await.unwrap();
}

async fn maintenance_takes_its_time_from_outages(hub: TestStore) {
    let (peer, probe) = (hub.add("tcp://192.0.2.1:11010").await, probe(&hub, DAY).await);
    let at = |minutes: u64| NOW + seconds(60 * minutes);
    turn(&hub, &probe, peer, true, NOW).await;
    maintain(&hub, 10, 20).await;
    maintain(&hub, 100, 60).await;
    for minute in [10, 30, 100, 160] {
        hub.keep_maintenance(at(minute)).await.unwrap();
        match minute {
            // All of it in maintenance.
            10 => {
                turn(&hub, &probe, peer, false, at(12)).await;
                turn(&hub, &probe, peer, true, at(15)).await;
            }
            // 20 minutes before, 60 minutes in maintenance, 10 minutes after.
            30 => turn(&hub, &probe, peer, false, at(80)).await,
            100 => {
                let found = figures(&hub, peer, "2027-01", at(130)).await;
                assert_eq!(found.outages, outages(1, 0, 0, 20 * 60), "the maintenance goes on");
            }
            _ => {}
        }
    }
    let found = figures(&hub, peer, "2027-01", at(165)).await;
    assert_eq!(found.outages, outages(1, 0, 0, 25 * 60), "the outage goes on");
    turn(&hub, &probe, peer, true, at(170)).await;
    let found = figures(&hub, peer, "2027-01", at(200)).await;
    assert_eq!(found.outages, outages(1, 1, 30 * 60, 30 * 60));
    assert_eq!((found.uptime.counted.down, found.uptime.maintenance.down), (seconds(30 * 60), seconds(63 * 60)));
}

async fn an_outage_that_goes_on_is_counted_and_has_not_ended(hub: TestStore) {
    let (peer, probe) = (hub.add("tcp://192.0.2.1:11010").await, probe(&hub, 20 * DAY).await);
    turn(&hub, &probe, peer, true, NOW).await;
    turn(&hub, &probe, peer, false, NOW + seconds(HOUR)).await;
    let found = figures(&hub, peer, "2027-01", NOW + seconds(3 * HOUR)).await;
    assert_eq!((found.outages, found.uptime.counted.down), (outages(1, 0, 0, 2 * HOUR), seconds(2 * HOUR)));
    let now = february() + seconds(6 * HOUR);
    let rest = february().since(NOW).as_secs() - HOUR;
    assert_eq!(figures(&hub, peer, "2027-01", now).await.outages, outages(1, 0, 0, rest));
    assert_eq!(figures(&hub, peer, "2027-02", now).await.outages, outages(1, 0, 0, 6 * HOUR));
    assert_eq!(figures(&hub, peer, "2027-03", now).await, MonthFigures::default());
}

async fn a_node_that_is_another_one_or_deleted_has_no_outages(hub: TestStore) {
    let (peer, probe) = (hub.add("tcp://192.0.2.1:11010").await, probe(&hub, DAY).await);
    for (minute, is_online) in [(0, false), (1, true), (2, false)] {
        turn(&hub, &probe, peer, is_online, NOW + seconds(60 * minute)).await;
    }
    assert_eq!(hub.count("outages").await, 1);
    hub.delete_peer(peer, NOW + seconds(180)).await.unwrap();
    assert_eq!((hub.count("outages").await, hub.count("open_outages").await), (0, 0));
    assert!(hub.month_figures(&[peer], month("2027-01"), NOW + seconds(200)).await.unwrap().is_empty());
}

/// The figures by definition, from all changes, the oldest first.
fn figures_of(changes: &[Event], of: Month, now: Timestamp) -> MonthFigures {
    let (from, until) = (of.begins_at(), of.ends_at().min(now));
    let mut found = MonthFigures::default();
    // Beginning, end so far, and the time down of each outage, and whether it is over.
    let mut all: Vec<(Timestamp, Timestamp, Duration, bool)> = Vec::new();
    for (nth, event) in changes.iter().enumerate() {
        let verdict = Verdict::ALL.into_iter().find(|verdict| verdict.as_str() == event.became).unwrap();
        let to = changes.get(nth + 1).map_or(now, |next| next.at);
        found.uptime += Uptime::of(verdict, to.min(until).since(event.at.max(from)));
        let open = all.last_mut().filter(|outage| !outage.3);
        match (verdict, open) {
            (Verdict::Down, Some(open)) => (open.1, open.2) = (to, open.2 + to.since(event.at)),
            (Verdict::Down, None) => all.push((event.at, to, to.since(event.at), false)),
            (Verdict::Up | Verdict::Partial, Some(open)) => open.3 = true,
            _ => {}
        }
    }
    for (began_at, ended_at, down, is_over) in all {
        if began_at < until && ended_at > from {
            found.outages += Outages {
                number: 1,
                ended: u64::from(is_over && ended_at < of.ends_at()),
                recovery: if is_over && ended_at < of.ends_at() { down } else { Duration::ZERO },
                longest: down.min(ended_at.min(until).since(began_at.max(from))),
            };
        }
    }
    found.outages.longest = found.outages.longest.min(found.uptime.counted.down);
    found
}

/// A simple generator of numbers, so that a failure is repeated.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

async fn the_figures_are_those_of_the_changes_and_so_is_what_the_upgrade_makes_of_them(hub: TestStore) {
    let mut numbers = Numbers(7);
    let (mut peers, probe) = (Vec::new(), probe(&hub, HOUR).await);
    let mut end = NOW;
    for nth in 0..4 {
        let peer = hub.add(&format!("tcp://192.0.2.1:{}", 1000 + nth)).await;
        peers.push(peer);
        // Mostly minutes, sometimes a day, over the end of the month.
        let mut at = february() - seconds(4 * DAY);
        for _ in 0..60 {
            let pause =
                if numbers.below(4) == 0 { numbers.below(20 * HOUR * 1000) } else { 1 + numbers.below(600_000) };
            let next = at + ms(pause + 2);
            // As the timer does, at the moment when evidence becomes stale.
            hub.review((at + seconds(3 * HOUR) + ms(1)).min(next)).await.unwrap();
            at = next;
            heard(&hub, &probe, HOUR, at).await;
            turn(&hub, &probe, peer, numbers.below(2) == 0, at).await;
        }
        hub.review(at + seconds(3 * HOUR) + ms(1)).await.unwrap();
        end = end.max(at);
    }
    assert!(end > february() + seconds(DAY), "{end}");
    let now = end + seconds(5 * HOUR);
    let mut total = MonthFigures::default();
    for peer in &peers {
        let mut changes = hub.events(Some(EventSubject::Peer(*peer)), None, 1000, false).await.unwrap();
        changes.reverse();
        for of in ["2026-12", "2027-01", "2027-02", "2027-03"] {
            let found = figures(&hub, *peer, of, now).await;
            assert_eq!(found, figures_of(&changes, month(of), now), "{peer} {of}");
            total += found;
        }
    }
    assert!(total.outages.number > 20 && total.outages.ended > 20, "{total:?}");
    let tables = ["outages", "open_outages"];
    let before = hub.dump(&tables).await;
    hub.run_sql("DROP TABLE outages; DROP TABLE open_outages; DELETE FROM settings WHERE key = 'outages_since'").await;
    hub.run_sql(match hub.engine() {
        Engine::Sqlite => include_str!("../../migrations/sqlite/0025_outages.sql"),
        Engine::Postgres => include_str!("../../migrations/postgres/0025_outages.sql"),
    })
    .await;
    assert_eq!(hub.dump(&tables).await, before);
    let first = hub.events(None, None, 1000, true).await.unwrap().into_iter().map(|event| event.at).min();
    assert_eq!(Some(hub.outages_since().await.unwrap()), first);
}
