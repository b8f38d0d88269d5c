//! Maintenance windows: which peers are in maintenance, and what uptime makes of it.

use std::time::Duration;

use easytier_uptime_store::{
    Conflict, Store, StoreError,
    domain::{
        Coverage, MaintenanceSpec, PeerId, PeerSpec, ProbeIdentity, Schedule, ScheduleText, StatusReport, Timestamp,
        Uptime, Verdict, VerdictTimes, WindowId,
    },
};

use crate::support::{NOW, TestStore, offline, on_both_engines, online, region, seconds, spec};

on_both_engines! {
    a_window_covers_nodes_by_id_tag_and_region_and_all,
    maintenance_begins_and_ends_by_the_window,
    uptime_does_not_count_maintenance_and_both_figures_are_kept,
    verdicts_that_end_within_maintenance_are_split_at_its_bounds,
    a_window_that_is_removed_or_changed_does_not_change_the_past,
    windows_that_overlap_or_follow_each_other_are_one_maintenance,
    an_occurrence_is_ended_before_its_time,
    edits_of_others_are_noticed,
    an_hour_of_the_hub_away_is_no_maintenance_of_hours,
    windows_are_bounded_and_forgotten_when_long_over,
    two_hubs_note_the_same_once,
    a_deleted_node_leaves_nothing_behind,
}

const HOUR: u64 = 3600;

fn minutes(count: u64) -> Duration {
    seconds(60 * count)
}

/// 2027-01-15T08:00:00Z, and `offset` minutes later.
fn schedule(offset: u32, minutes: u32, rrule: Option<&str>) -> Schedule {
    let start = format!("2027-01-15T{:02}:{:02}", 8 + offset / 60, offset % 60);
    let rrule = rrule.map(Into::into);
    Schedule::parse(&ScheduleText { start, time_zone: "UTC".into(), minutes, rrule, until: None }).unwrap()
}

fn window(coverage: Coverage, schedule: Schedule) -> MaintenanceSpec {
    MaintenanceSpec { title: "New disks".into(), title_zh: Some("更换磁盘".into()), coverage, schedule }
}

fn all() -> Coverage {
    Coverage { all: true, ..Coverage::default() }
}

/// A probe whose evidence lasts for hours.
async fn hourly(hub: &TestStore) -> ProbeIdentity {
    let probe = hub.local_probe("p1", &region("eu"), NOW).await.unwrap();
    let report = StatusReport { check_interval: Some(seconds(8 * HOUR)), ..StatusReport::default() };
    hub.report_status(&probe, &report, NOW).await.unwrap();
    probe
}

async fn report(hub: &TestStore, probe: &ProbeIdentity, peer: PeerId, is_online: bool, at: Timestamp) {
    let confirmed = at - Duration::from_millis(1);
    let result = if is_online { online } else { offline };
    hub.heartbeat(probe, None, at).await.unwrap();
    hub.report(probe, vec![result(peer, confirmed), result(peer, at)], at).await;
}

async fn maintained(hub: &Store, now: Timestamp) -> Vec<i64> {
    hub.keep_maintenance(now).await.unwrap();
    let stored: Vec<i64> = {
        let nodes = hub.nodes_by_id(&(1..9).map(PeerId).collect::<Vec<_>>(), now).await.unwrap();
        nodes.iter().filter(|node| node.maintenance.is_some()).map(|node| node.id.0).collect()
    };
    let meant: Vec<i64> = hub.peers_in_maintenance(now).await.unwrap().into_keys().map(|peer| peer.0).collect();
    assert_eq!(stored, meant);
    stored
}

async fn uptime(hub: &Store, peer: PeerId, now: Timestamp) -> Uptime {
    hub.uptimes(&[peer], seconds(24 * HOUR), now).await.unwrap()[&peer]
}

fn times(up: Duration, down: Duration) -> VerdictTimes {
    VerdictTimes { up, down, ..VerdictTimes::default() }
}

async fn a_window_covers_nodes_by_id_tag_and_region_and_all(hub: TestStore) {
    let plain = hub.add("tcp://192.0.2.1:11010").await;
    let tagged = PeerSpec { tags: ["cn".parse().unwrap()].into(), ..spec("tcp://192.0.2.2:11010") };
    let tagged = hub.add_peer(&tagged, NOW).await.unwrap();
    let regional = PeerSpec { regions: [region("eu"), region("us")].into(), ..spec("tcp://192.0.2.3:11010") };
    let regional = hub.add_peer(&regional, NOW).await.unwrap();
    let cases = [
        (Coverage { peers: [plain, PeerId(99)].into(), ..Coverage::default() }, vec![plain.0]),
        (
            Coverage { tags: ["cn".parse().unwrap(), "x".parse().unwrap()].into(), ..Coverage::default() },
            vec![tagged.0],
        ),
        (Coverage { regions: [region("us")].into(), ..Coverage::default() }, vec![regional.0]),
        (
            Coverage { peers: [plain].into(), regions: [region("eu")].into(), ..Coverage::default() },
            vec![plain.0, regional.0],
        ),
        (Coverage { tags: ["other".parse().unwrap()].into(), ..Coverage::default() }, vec![]),
        (all(), vec![plain.0, tagged.0, regional.0]),
    ];
    for (coverage, expected) in cases {
        let id = hub.add_maintenance(&window(coverage.clone(), schedule(0, 60, None)), NOW).await.unwrap();
        assert_eq!(maintained(&hub, NOW).await, expected, "{coverage:?}");
        hub.remove_maintenance(id, NOW).await.unwrap();
        assert_eq!(maintained(&hub, NOW).await, Vec::<i64>::new());
    }
}

async fn maintenance_begins_and_ends_by_the_window(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let id = hub.add_maintenance(&window(all(), schedule(30, 60, Some("FREQ=DAILY"))), NOW).await.unwrap();
    let version = async || hub.pulse().await.unwrap().maintenance;
    for day in 0..3 {
        let begin = NOW + seconds(day * 24 * HOUR) + minutes(30);
        assert_eq!(maintained(&hub, begin - Duration::from_millis(1)).await, Vec::<i64>::new());
        assert_eq!(hub.active_maintenance(begin - Duration::from_millis(1)).await.unwrap(), []);
        let before = version().await;
        assert_eq!(maintained(&hub, begin).await, [peer.0]);
        assert_eq!(version().await, before + 1, "readers learn of it");
        let node = hub.node(peer, begin).await.unwrap().maintenance.unwrap();
        assert_eq!((node.window, node.until), (id, begin + minutes(60)));
        assert_eq!((node.title.as_str(), node.title_zh.as_deref()), ("New disks", Some("更换磁盘")));
        assert!(!hub.keep_maintenance(begin + minutes(59)).await.unwrap(), "nothing has changed");
        // Whatever is stored, it is over by the clock.
        assert_eq!(hub.node(peer, begin + minutes(60)).await.unwrap().maintenance, None);
        assert_eq!(maintained(&hub, begin + minutes(60)).await, Vec::<i64>::new());
    }
}

async fn uptime_does_not_count_maintenance_and_both_figures_are_kept(hub: TestStore) {
    let (peer, probe) = (hub.add("tcp://192.0.2.1:11010").await, hourly(&hub).await);
    report(&hub, &probe, peer, true, NOW).await;
    hub.add_maintenance(&window(all(), schedule(60, 60, None)), NOW).await.unwrap();
    let begin = NOW + minutes(60);
    hub.keep_maintenance(begin).await.unwrap();
    report(&hub, &probe, peer, false, begin).await;
    // Within it, from the states alone.
    let during = uptime(&hub, peer, begin + minutes(20)).await;
    assert_eq!((during.counted, during.maintenance), (times(minutes(60), seconds(0)), times(seconds(0), minutes(20))));
    // After its end, before and after the end was noticed.
    for _ in 0..2 {
        let after = uptime(&hub, peer, begin + minutes(90)).await;
        assert_eq!(
            (after.counted, after.maintenance),
            (times(minutes(60), minutes(30)), times(seconds(0), minutes(60)))
        );
        hub.keep_maintenance(begin + minutes(90)).await.unwrap();
    }
    report(&hub, &probe, peer, true, begin + minutes(90)).await;
    let up_again = uptime(&hub, peer, begin + minutes(120)).await;
    assert_eq!(up_again.counted, times(minutes(90), minutes(30)));
    assert_eq!((up_again.percentage(), up_again.percentage_with_maintenance()), (Some(75.0), Some(50.0)));
    let stats = hub.node_stats(peer, seconds(24 * HOUR), begin + minutes(120)).await.unwrap();
    assert_eq!(stats.uptime, up_again);
}

async fn verdicts_that_end_within_maintenance_are_split_at_its_bounds(hub: TestStore) {
    let (peer, probe) = (hub.add("tcp://192.0.2.1:11010").await, hourly(&hub).await);
    hub.add_maintenance(&window(all(), schedule(30, 120, None)), NOW).await.unwrap();
    // Up at 0, down at 50, up at 100, down at 140, up at 160; in maintenance from 30 to 150.
    for (minute, is_online) in
        [(0, true), (30, true), (50, false), (100, true), (140, false), (150, false), (160, true)]
    {
        let at = NOW + minutes(minute);
        hub.keep_maintenance(at).await.unwrap();
        report(&hub, &probe, peer, is_online, at).await;
    }
    let found = uptime(&hub, peer, NOW + minutes(170)).await;
    assert_eq!(found.counted, times(minutes(30 + 10), minutes(10)));
    assert_eq!(found.maintenance, times(minutes(20 + 40), minutes(50 + 10)));
    // A window of the statistics that begins within it: from 10:00, which is after 120 minutes.
    let late = hub.uptimes(&[peer], seconds(HOUR), NOW + minutes(190)).await.unwrap()[&peer];
    assert_eq!((late.counted, late.maintenance), (times(minutes(30), minutes(10)), times(minutes(20), minutes(10))));
}

async fn a_window_that_is_removed_or_changed_does_not_change_the_past(hub: TestStore) {
    let (peer, probe) = (hub.add("tcp://192.0.2.1:11010").await, hourly(&hub).await);
    report(&hub, &probe, peer, false, NOW).await;
    let spec = window(all(), schedule(0, 120, None));
    let id = hub.add_maintenance(&spec, NOW).await.unwrap();
    // After half an hour it is made shorter, and then it was for another node all the time.
    let at = NOW + minutes(30);
    let shorter = MaintenanceSpec { schedule: schedule(0, 60, None), ..spec.clone() };
    hub.change_maintenance(id, None, &shorter, at).await.unwrap();
    assert_eq!(hub.node(peer, at).await.unwrap().maintenance.unwrap().until, NOW + minutes(60));
    let at = NOW + minutes(45);
    let other = MaintenanceSpec { coverage: Coverage { peers: [PeerId(99)].into(), ..Coverage::default() }, ..shorter };
    hub.change_maintenance(id, None, &other, at).await.unwrap();
    let expected = Uptime { counted: times(seconds(0), minutes(75)), maintenance: times(seconds(0), minutes(45)) };
    assert_eq!(uptime(&hub, peer, NOW + minutes(120)).await, expected);
    hub.remove_maintenance(id, NOW + minutes(120)).await.unwrap();
    assert_eq!(uptime(&hub, peer, NOW + minutes(120)).await, expected);
    // One that says afterwards that it was maintenance counts from now on.
    hub.add_maintenance(&window(all(), schedule(60, 120, None)), NOW + minutes(120)).await.unwrap();
    hub.keep_maintenance(NOW + minutes(120)).await.unwrap();
    assert_eq!(uptime(&hub, peer, NOW + minutes(120)).await, expected);
    let later = uptime(&hub, peer, NOW + minutes(130)).await;
    assert_eq!((later.counted, later.maintenance), (expected.counted, times(seconds(0), minutes(55))));
}

async fn windows_that_overlap_or_follow_each_other_are_one_maintenance(hub: TestStore) {
    let (peer, probe) = (hub.add("tcp://192.0.2.1:11010").await, hourly(&hub).await);
    report(&hub, &probe, peer, true, NOW).await;
    for (offset, length) in [(10, 30), (20, 40), (60, 10)] {
        hub.add_maintenance(&window(all(), schedule(offset, length, None)), NOW).await.unwrap();
    }
    for minute in 0..90 {
        let now = NOW + minutes(minute) + seconds(3);
        assert_eq!(maintained(&hub, now).await.len(), usize::from((10..70).contains(&minute)), "{minute}");
    }
    let found = uptime(&hub, peer, NOW + minutes(90)).await;
    assert_eq!((found.counted, found.maintenance), (times(minutes(30), seconds(0)), times(minutes(60), seconds(0))));
}

async fn an_occurrence_is_ended_before_its_time(hub: TestStore) {
    let (peer, probe) = (hub.add("tcp://192.0.2.1:11010").await, hourly(&hub).await);
    report(&hub, &probe, peer, true, NOW).await;
    let id = hub.add_maintenance(&window(all(), schedule(30, 60, Some("FREQ=DAILY"))), NOW).await.unwrap();
    let early = hub.end_maintenance(id, NOW + minutes(29)).await;
    assert!(matches!(early, Err(StoreError::Conflict(Conflict::NotInMaintenance))), "{early:?}");
    hub.keep_maintenance(NOW + minutes(30)).await.unwrap();
    hub.end_maintenance(id, NOW + minutes(40)).await.unwrap();
    assert_eq!(maintained(&hub, NOW + minutes(40)).await, Vec::<i64>::new());
    assert_eq!(uptime(&hub, peer, NOW + minutes(50)).await.maintenance, times(minutes(10), seconds(0)));
    let again = hub.end_maintenance(id, NOW + minutes(41)).await;
    assert!(matches!(again, Err(StoreError::Conflict(Conflict::NotInMaintenance))), "{again:?}");
    let tomorrow = NOW + seconds(24 * HOUR) + minutes(31);
    assert_eq!(maintained(&hub, tomorrow).await, [peer.0], "the next one takes place");
    assert!(matches!(hub.end_maintenance(WindowId(99), NOW).await, Err(StoreError::NotFound(_))));
}

async fn edits_of_others_are_noticed(hub: TestStore) {
    let spec = window(all(), schedule(0, 60, None));
    let id = hub.add_maintenance(&spec, NOW).await.unwrap();
    let seen = hub.maintenance_window(id).await.unwrap();
    assert_eq!((&seen.spec, seen.created_at, seen.updated_at), (&spec, NOW, NOW));
    let changed = MaintenanceSpec { title: "Other".into(), title_zh: None, ..spec };
    hub.change_maintenance(id, Some(seen.updated_at), &changed, NOW).await.unwrap();
    let late = hub.change_maintenance(id, Some(seen.updated_at), &seen.spec, NOW).await;
    assert!(matches!(late, Err(StoreError::Conflict(Conflict::MaintenanceChanged))), "{late:?}");
    assert_eq!(hub.maintenance_windows().await.unwrap().into_iter().map(|one| one.spec).collect::<Vec<_>>(), [changed]);
    hub.remove_maintenance(id, NOW).await.unwrap();
    for gone in [hub.remove_maintenance(id, NOW).await, hub.change_maintenance(id, None, &seen.spec, NOW).await] {
        assert!(matches!(gone, Err(StoreError::NotFound("maintenance window"))), "{gone:?}");
    }
}

async fn an_hour_of_the_hub_away_is_no_maintenance_of_hours(hub: TestStore) {
    let (peer, probe) = (hub.add("tcp://192.0.2.1:11010").await, hourly(&hub).await);
    report(&hub, &probe, peer, true, NOW).await;
    hub.add_maintenance(&window(all(), schedule(0, 60, Some("FREQ=DAILY"))), NOW).await.unwrap();
    // The hub is away from half past eight until the maintenance of the next day.
    hub.keep_maintenance(NOW + minutes(30)).await.unwrap();
    let back = NOW + seconds(24 * HOUR) + minutes(10);
    hub.keep_maintenance(back).await.unwrap();
    report(&hub, &probe, peer, true, back).await;
    let found = uptime(&hub, peer, back + minutes(5)).await;
    // The first hour, a minute before it was noticed, and five after it.
    assert_eq!(found.maintenance.known(), minutes(60 + 1 + 5), "{found:?}");
}

async fn windows_are_bounded_and_forgotten_when_long_over(hub: TestStore) {
    let spec = window(all(), schedule(0, 60, None));
    let mut repeated = spec.clone();
    repeated.schedule = schedule(0, 60, Some("FREQ=WEEKLY"));
    let kept = hub.add_maintenance(&repeated, NOW).await.unwrap();
    for _ in 1..200 {
        hub.add_maintenance(&spec, NOW).await.unwrap();
    }
    let refused = hub.add_maintenance(&spec, NOW).await;
    assert!(matches!(refused, Err(StoreError::Conflict(Conflict::TooManyWindows))), "{refused:?}");
    let over = NOW + minutes(60);
    hub.sweep(over + seconds(89 * 24 * HOUR)).await.unwrap();
    assert_eq!(hub.maintenance_windows().await.unwrap().len(), 200);
    hub.sweep(over + seconds(91 * 24 * HOUR)).await.unwrap();
    let left: Vec<WindowId> = hub.maintenance_windows().await.unwrap().into_iter().map(|one| one.id).collect();
    assert_eq!(left, [kept]);
}

async fn two_hubs_note_the_same_once(hub: TestStore) {
    let second = hub.second_hub().await.unwrap();
    let (peer, probe) = (hub.add("tcp://192.0.2.1:11010").await, hourly(&hub).await);
    report(&hub, &probe, peer, true, NOW).await;
    hub.add_maintenance(&window(all(), schedule(0, 60, Some("FREQ=DAILY"))), NOW).await.unwrap();
    for minute in [10, 60, 70] {
        let now = NOW + minutes(minute);
        let (a, b) = tokio::join!(hub.keep_maintenance(now), second.keep_maintenance(now));
        assert!(a.is_ok() && b.is_ok(), "{a:?} {b:?}");
    }
    let found = uptime(&hub, peer, NOW + minutes(80)).await;
    assert_eq!((found.counted, found.maintenance), (times(minutes(20), seconds(0)), times(minutes(60), seconds(0))));
    assert_eq!(uptime(&second, peer, NOW + minutes(80)).await, found);
    second.close().await;
}

async fn a_deleted_node_leaves_nothing_behind(hub: TestStore) {
    let (peer, probe) = (hub.add("tcp://192.0.2.1:11010").await, hourly(&hub).await);
    report(&hub, &probe, peer, true, NOW).await;
    hub.add_maintenance(&window(all(), schedule(0, 60, None)), NOW).await.unwrap();
    report(&hub, &probe, peer, false, NOW + minutes(5)).await;
    assert_eq!(hub.count("maintained_times").await, 1);
    assert_eq!(hub.node(peer, NOW + minutes(5)).await.unwrap().verdict, Verdict::Down, "the verdict is what it is");
    hub.delete_peer(peer, NOW + minutes(6)).await.unwrap();
    hub.keep_maintenance(NOW + minutes(7)).await.unwrap();
    assert_eq!((hub.count("maintained_peers").await, hub.count("maintained_times").await), (0, 0));
}
