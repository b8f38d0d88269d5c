//! Uptime: the share of time by verdict.

use std::time::Duration;

use easytier_uptime_store::domain::{
    Event, EventSubject, PeerId, ProbeIdentity, StatusReport, Timestamp, Uptime, Verdict,
};

use crate::support::{NOW, TestStore, offline, on_both_engines, online, region, seconds};

on_both_engines! {
    a_node_that_most_regions_reach_is_up_all_the_time,
    frequent_checks_weigh_no_more_than_rare_ones,
    uptime_is_the_sum_over_the_changes_of_the_verdict,
    the_time_without_a_hub_is_unknown,
    uptimes_of_many_peers_are_read_at_once,
    a_new_verdict_and_a_verdict_for_a_year_are_counted_to_the_millisecond,
}

const HOUR: u64 = 3600;

/// A probe that reports every hour: its evidence lasts three hours.
async fn hourly(hub: &TestStore, server_id: &str, name: &str) -> ProbeIdentity {
    let probe = hub.local_probe(server_id, &region(name), NOW).await.unwrap();
    heard(hub, &probe, NOW).await;
    probe
}

async fn heard(hub: &TestStore, probe: &ProbeIdentity, now: Timestamp) {
    let report = StatusReport { check_interval: Some(seconds(HOUR)), ..StatusReport::default() };
    hub.report_status(probe, &report, now).await.unwrap();
}

async fn uptime(hub: &TestStore, peer: PeerId, window: u64, now: Timestamp) -> Uptime {
    let uptime = hub.node_stats(peer, seconds(window), now).await.unwrap().uptime;
    let many = hub.uptimes(&[peer], seconds(window), now).await.unwrap();
    assert_eq!(many[&peer], uptime);
    uptime
}

async fn a_node_that_most_regions_reach_is_up_all_the_time(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    for (nth, name) in ["eu", "us", "asia"].into_iter().enumerate() {
        let probe = hourly(&hub, name, name).await;
        let result = if nth < 2 { online(peer, NOW) } else { offline(peer, NOW) };
        hub.report(&probe, vec![result], NOW).await;
    }
    let stats = hub.node_stats(peer, seconds(24 * HOUR), NOW + seconds(HOUR)).await.unwrap();
    assert_eq!(stats.uptime.percentage(), Some(100.0));
    assert_eq!(stats.uptime.known(), seconds(HOUR), "nobody checked before");
    assert_eq!((stats.checks.total_checks, stats.checks.healthy_count), (3, 2), "the checks are another figure");
    let overview = hub.overview(NOW + seconds(HOUR)).await.unwrap();
    assert_eq!(overview[0].uptime, stats.uptime);
}

async fn frequent_checks_weigh_no_more_than_rare_ones(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let (eu, us) = (hourly(&hub, "p1", "eu").await, hourly(&hub, "p2", "us").await);
    let mut often = offline(peer, NOW);
    often.checks = 720;
    hub.report(&eu, vec![often], NOW).await;
    hub.report(&us, vec![online(peer, NOW)], NOW).await;
    let half = uptime(&hub, peer, 24 * HOUR, NOW + seconds(HOUR)).await;
    assert_eq!((half.counted.partial, half.percentage()), (seconds(HOUR), Some(50.0)));
}

/// The sum by definition, from a list of changes, the newest first.
fn sum_of(changes: &[Event], from: Timestamp, to: Timestamp) -> Uptime {
    let mut sum = Uptime::default();
    let mut until = to;
    for event in changes {
        let verdict = Verdict::ALL.into_iter().find(|verdict| verdict.as_str() == event.became).unwrap();
        sum += Uptime::of(verdict, until.since(event.at.max(from)));
        until = event.at;
    }
    sum
}

/// A simple generator of numbers, so that a failure is repeated.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

async fn uptime_is_the_sum_over_the_changes_of_the_verdict(hub: TestStore) {
    let mut numbers = Numbers(1);
    for _ in 0..6 {
        let peer = hub.add(&format!("tcp://192.0.2.1:{}", 1000 + numbers.below(50_000))).await;
        let probes = [hourly(&hub, "p1", "eu").await, hourly(&hub, "p2", "us").await];
        let mut at = NOW;
        for _ in 0..60 {
            // Mostly seconds, sometimes hours, so that there is flapping, and evidence becomes stale.
            let pause = if numbers.below(4) == 0 { numbers.below(5 * HOUR * 1000) } else { 1 + numbers.below(300_000) };
            let next = at + Duration::from_millis(pause);
            // As the timer does, at the moment when evidence becomes stale.
            let stale = at + seconds(3 * HOUR) + Duration::from_millis(1);
            hub.review(stale.min(next)).await.unwrap();
            at = next;
            for probe in &probes {
                heard(&hub, probe, at).await;
            }
            let probe = &probes[numbers.below(2) as usize];
            let result = if numbers.below(2) == 0 { online } else { offline };
            let confirmed = at + Duration::from_millis(1);
            hub.report(probe, vec![result(peer, at), result(peer, confirmed)], confirmed).await;
            at = confirmed;
        }
        at = at + Duration::from_millis(1);
        let changes = hub.events(Some(EventSubject::Peer(peer)), None, 1000, false).await.unwrap();
        assert!(changes.len() > 15, "{}", changes.len());
        for window in [HOUR, 3 * HOUR, 24 * HOUR, 7 * 24 * HOUR] {
            let from = Timestamp((at - seconds(window)).0 / 3_600_000 * 3_600_000);
            assert_eq!(uptime(&hub, peer, window, at).await, sum_of(&changes, from, at), "{window} s");
        }
    }
}

async fn the_time_without_a_hub_is_unknown(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hourly(&hub, "p1", "eu").await;
    hub.report(&probe, vec![online(peer, NOW)], NOW).await;
    // The hub starts again after a day.
    let restart = NOW + seconds(24 * HOUR);
    hub.review(restart).await.unwrap();
    let evidence = seconds(3 * HOUR) + Duration::from_millis(1);
    assert_eq!(uptime(&hub, peer, 48 * HOUR, restart).await, Uptime::of(Verdict::Up, evidence));
}

async fn uptimes_of_many_peers_are_read_at_once(hub: TestStore) {
    let peers = [hub.add("tcp://192.0.2.1:11010").await, hub.add("tcp://192.0.2.2:11010").await];
    let probe = hourly(&hub, "p1", "eu").await;
    hub.report(&probe, vec![online(peers[0], NOW), offline(peers[1], NOW)], NOW).await;
    let found = hub.uptimes(&[peers[0], peers[1], PeerId(99)], seconds(HOUR), NOW + seconds(60)).await.unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(peers.map(|peer| found[&peer].percentage()), [Some(100.0), Some(0.0)]);
}

async fn a_new_verdict_and_a_verdict_for_a_year_are_counted_to_the_millisecond(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    hub.report(&probe, vec![online(peer, NOW)], NOW).await;
    // Two results that contradict, a year later: the evidence was renewed in between, which no row shows.
    let year = 365 * 24 * HOUR;
    for day in 1..=365 {
        let at = NOW + seconds(day * 24 * HOUR);
        hub.report(&probe, vec![online(peer, at)], at).await;
    }
    let at = NOW + seconds(year) + Duration::from_millis(7);
    hub.report(&probe, vec![offline(peer, at - Duration::from_millis(1)), offline(peer, at)], at).await;
    let now = at + Duration::from_millis(90);
    let all = uptime(&hub, peer, 2 * year, now).await;
    assert_eq!(
        (all.counted.up, all.counted.down),
        (seconds(year) + Duration::from_millis(7), Duration::from_millis(90))
    );
    let day = uptime(&hub, peer, 24 * HOUR, now).await;
    assert_eq!(
        (day.counted.up, day.counted.down),
        (seconds(24 * HOUR) + Duration::from_millis(7), Duration::from_millis(90))
    );
}
