use easytier_uptime_store::{
    Conflict, StoreError, Swept,
    domain::{
        Caller, CredentialKind, EnrollmentLimits, EventSubject, Grain, NewProbe, PeerId, Presence, Registration,
        StatusReport, Verdict,
    },
};

use crate::support::{NOW, TestStore, batch, offline, on_both_engines, online, region, seconds};

on_both_engines! {
    presence_follows_heartbeats,
    the_presence_of_a_probe_that_only_reports_depends_on_its_interval,
    a_probe_that_unregistered_is_offline_until_its_next_request,
    a_report_is_read_as_it_was_sent,
    a_probe_is_degraded_while_it_says_so,
    a_probe_without_any_request_is_not_listed,
    an_offline_probe_is_removed_and_its_results_stay,
    a_running_probe_is_not_removed,
    a_probe_that_stopped_its_heartbeats_is_judged_by_its_check_interval_again,
    a_check_interval_of_a_year_keeps_a_probe_online_for_a_week,
    a_probe_expires_after_a_month_and_its_token_brings_it_back,
    an_expired_probe_without_a_token_is_removed_and_its_name_is_free,
}

async fn presence(hub: &TestStore, after: u64) -> Presence {
    hub.probes(NOW + seconds(after)).await.unwrap()[0].presence
}

async fn presence_follows_heartbeats(hub: TestStore) {
    let probe = hub.probe("p1", "eu").await;
    assert_eq!(presence(&hub, 60).await, Presence::Online);
    assert_eq!(presence(&hub, 61).await, Presence::Overdue);
    assert_eq!(presence(&hub, 91).await, Presence::Offline);
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    hub.report(&probe, vec![online(peer, NOW)], NOW + seconds(91)).await;
    assert_eq!(presence(&hub, 91).await, Presence::Online, "results count as requests");
    hub.report_status(&probe, &StatusReport::default(), NOW + seconds(200)).await.unwrap();
    assert_eq!(presence(&hub, 260).await, Presence::Online);
}

async fn the_presence_of_a_probe_that_only_reports_depends_on_its_interval(hub: TestStore) {
    let probe = hub.local_probe("ci", &region("eu"), NOW).await.unwrap();
    let report = StatusReport { check_interval: Some(seconds(3600)), ..StatusReport::default() };
    hub.report_status(&probe, &report, NOW).await.unwrap();
    assert_eq!(presence(&hub, 7200).await, Presence::Online);
    assert_eq!(presence(&hub, 7201).await, Presence::Overdue);
    assert_eq!(presence(&hub, 10_801).await, Presence::Offline);
}

async fn a_probe_that_unregistered_is_offline_until_its_next_request(hub: TestStore) {
    let probe = hub.probe("p1", "eu").await;
    hub.unregister_probe(&probe, NOW).await.unwrap();
    assert_eq!(presence(&hub, 0).await, Presence::Offline);
    hub.heartbeat(&probe, None, NOW + seconds(1)).await.unwrap();
    assert_eq!(presence(&hub, 1).await, Presence::Online);
}

async fn a_probe_is_degraded_while_it_says_so(hub: TestStore) {
    let probe = hub.probe("p1", "eu").await;
    let degraded = StatusReport { degraded: true, ..StatusReport::default() };
    hub.report_status(&probe, &degraded, NOW).await.unwrap();
    hub.heartbeat(&probe, None, NOW + seconds(60)).await.unwrap();
    assert_eq!(presence(&hub, 60).await, Presence::Degraded);
    hub.review(NOW + seconds(60)).await.unwrap();
    let events = hub.events(Some(EventSubject::Probe(probe.probe)), None, 10, false).await.unwrap();
    assert_eq!(events.iter().map(|event| event.became.as_str()).collect::<Vec<_>>(), ["online"], "it runs");
    hub.report_status(&probe, &StatusReport::default(), NOW + seconds(61)).await.unwrap();
    assert_eq!(presence(&hub, 61).await, Presence::Online);
}

async fn a_report_is_read_as_it_was_sent(hub: TestStore) {
    let probe = hub.probe("p1", "eu").await;
    let metadata = serde_json::json!({ "total_monitored_nodes": 10, "odd": "a\u{0}b" });
    let report = StatusReport {
        server_id: Some("p1".into()),
        version: Some("0.1.0".into()),
        response_us: Some(50_000),
        check_interval: Some(seconds(5)),
        holds_sessions: true,
        degraded: true,
        metadata: Some(metadata.clone()),
    };
    hub.report_status(&probe, &report, NOW).await.unwrap();
    hub.heartbeat(&probe, Some(&serde_json::json!({ "spool": 3 })), NOW).await.unwrap();
    hub.note_fetched(&probe, 7).await.unwrap();
    let kept = hub.probes(NOW).await.unwrap().remove(0);
    assert_eq!((kept.metadata, kept.response_us), (Some(metadata), Some(50_000)));
    assert_eq!((kept.version.as_deref(), kept.check_interval), (Some("0.1.0"), Some(seconds(5))));
    assert_eq!((kept.counters, kept.config_version), (Some(serde_json::json!({ "spool": 3 })), Some(7)));
}

async fn a_probe_without_any_request_is_not_listed(hub: TestStore) {
    hub.create_node_token("p1", None, &region("eu"), NOW).await.unwrap();
    assert_eq!(hub.probes(NOW).await.unwrap(), []);
}

/// Everything that was counted of a peer until `after` seconds.
async fn counted(hub: &TestStore, peer: PeerId, after: u64) -> String {
    let now = NOW + seconds(after);
    let mut counted = vec![format!("{:?}", hub.node(peer, now).await.unwrap().ring)];
    for (grain, length) in [(Grain::FiveMinutes, 3600), (Grain::Hour, 24 * 3600), (Grain::Day, 7 * 24 * 3600)] {
        counted.push(format!("{:?}", hub.node_series(peer, grain, now - seconds(length), now).await.unwrap()));
    }
    counted.push(format!("{:?}", hub.node_stats(peer, seconds(3600), now).await.unwrap().checks));
    counted.join("\n")
}

async fn an_offline_probe_is_removed_and_its_results_stay(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let (gone, token) = hub.enrolled("pod 1", &region("eu"), NOW).await;
    let other = hub.probe("p2", "us").await;
    // Before the newest bucket, in it, and in it by another probe.
    let results = [0, 310, 320].map(|after| online(peer, NOW + seconds(after)));
    hub.report(&gone, results.into(), NOW + seconds(320)).await;
    hub.report(&other, vec![offline(peer, NOW + seconds(330))], NOW + seconds(330)).await;
    hub.review(NOW + seconds(330)).await.unwrap();
    assert_eq!(hub.node(peer, NOW + seconds(330)).await.unwrap().verdict, Verdict::Partial);
    let late = NOW + seconds(420);
    hub.heartbeat(&other, None, late).await.unwrap();

    let before = counted(&hub, peer, 420).await;
    hub.remove_probe("pod 1", late).await.unwrap();
    assert_eq!(counted(&hub, peer, 420).await, before);
    assert_eq!(hub.probes(late).await.unwrap().len(), 1);
    assert_eq!(hub.authenticate(token.token.expose(), late).await.unwrap(), None);
    let regions = hub.node_regions(peer, late).await.unwrap();
    assert_eq!(regions.iter().map(|report| report.region.as_str()).collect::<Vec<_>>(), ["us"]);
    hub.review(late).await.unwrap();
    assert_eq!(hub.node(peer, late).await.unwrap().verdict, Verdict::Down, "its evidence does not count any more");
    let events = hub.events(Some(EventSubject::Probe(gone.probe)), None, 10, true).await.unwrap();
    assert_eq!(events.len(), 1, "only the event that it came online");

    let on_its_way = hub.ingest(batch(&gone, vec![online(peer, late)], late)).await;
    assert!(matches!(on_its_way, Err(StoreError::Overtaken)), "{on_its_way:?}");
    assert!(matches!(hub.remove_probe("pod 1", late).await, Err(StoreError::NotFound("probe"))));
    let (again, _) = hub.enrolled("pod 1", &region("asia"), late).await;
    assert_ne!(again.probe, gone.probe);
    hub.report(&again, vec![online(peer, late)], late).await;
}

async fn a_running_probe_is_not_removed(hub: TestStore) {
    hub.probe("p1", "eu").await;
    for after in [0, 90] {
        let refused = hub.remove_probe("p1", NOW + seconds(after)).await;
        assert!(matches!(refused, Err(StoreError::Conflict(Conflict::ProbeNotOffline))), "{refused:?}");
    }
    hub.create_node_token("never seen", None, &region("eu"), NOW).await.unwrap();
    hub.remove_probe("never seen", NOW).await.unwrap();
}

async fn a_probe_that_stopped_its_heartbeats_is_judged_by_its_check_interval_again(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    // As a daemon, which is stopped without a farewell.
    let probe = hub.probe("p1", "eu").await;
    let report =
        |seconds_between| StatusReport { check_interval: Some(seconds(seconds_between)), ..StatusReport::default() };
    hub.report_status(&probe, &report(5), NOW).await.unwrap();
    hub.heartbeat(&probe, None, NOW + seconds(30)).await.unwrap();
    assert_eq!(presence(&hub, 121).await, Presence::Offline, "a daemon sends heartbeats");
    // As a job that runs every hour: its first run comes at once.
    for run in 0..3 {
        let at = 40 + run * 3600;
        let now = NOW + seconds(at);
        hub.report(&probe, vec![online(peer, now)], now).await;
        hub.report_status(&probe, &report(3600), now).await.unwrap();
        for later in [at, at + 91, at + 3599] {
            hub.review(NOW + seconds(later)).await.unwrap();
            assert_eq!(presence(&hub, later).await, Presence::Online, "{later} s");
        }
    }
    let events = hub.events(Some(EventSubject::Peer(peer)), None, 10, false).await.unwrap();
    assert_eq!(events.len(), 1, "the peer did not flap: {events:?}");

    // The same interval in both lives, and the farewell of the daemon.
    let again = 4 * 3600;
    hub.heartbeat(&probe, None, NOW + seconds(again)).await.unwrap();
    hub.unregister_probe(&probe, NOW + seconds(again + 1)).await.unwrap();
    hub.report_status(&probe, &report(3600), NOW + seconds(again + 2)).await.unwrap();
    assert_eq!(presence(&hub, again + 3600).await, Presence::Online);
    // The same interval, and no farewell: the next report that comes without heartbeats shows it.
    hub.heartbeat(&probe, None, NOW + seconds(2 * again)).await.unwrap();
    hub.report_status(&probe, &report(3600), NOW + seconds(2 * again + 61)).await.unwrap();
    assert_eq!(presence(&hub, 2 * again + 3600).await, Presence::Online);
}

async fn a_check_interval_of_a_year_keeps_a_probe_online_for_a_week(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.local_probe("ci", &region("eu"), NOW).await.unwrap();
    let report = StatusReport { check_interval: Some(seconds(365 * 24 * 3600)), ..StatusReport::default() };
    hub.report_status(&probe, &report, NOW).await.unwrap();
    hub.report(&probe, vec![online(peer, NOW)], NOW).await;
    let week = 7 * 24 * 3600;
    hub.review(NOW + seconds(week)).await.unwrap();
    assert_eq!(presence(&hub, week).await, Presence::Online);
    assert_eq!(hub.node(peer, NOW + seconds(week)).await.unwrap().verdict, Verdict::Up);
    hub.review(NOW + seconds(week + 1)).await.unwrap();
    assert_eq!(presence(&hub, week + 1).await, Presence::Offline);
    assert_eq!(hub.node(peer, NOW + seconds(week + 1)).await.unwrap().verdict, Verdict::Unknown);
}

const MONTH: u64 = 30 * 24 * 3600;

async fn a_probe_expires_after_a_month_and_its_token_brings_it_back(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let (probe, token) = hub.enrolled("laptop", &region("eu"), NOW).await;
    hub.report(&probe, vec![online(peer, NOW)], NOW).await;
    let in_us = hub.probe("p2", "us").await;
    hub.report(&in_us, vec![online(peer, NOW)], NOW).await;
    hub.review(NOW + seconds(MONTH)).await.unwrap();

    let (kept, gone) = (MONTH, MONTH + 1);
    while hub.sweep(NOW + seconds(kept)).await.unwrap() != Swept::default() {}
    assert_eq!(hub.probes(NOW + seconds(kept)).await.unwrap().len(), 2);
    let counted_before = hub.node_stats(peer, seconds(60 * 24 * 3600), NOW + seconds(kept)).await.unwrap().checks;
    // The other has no token and is removed. Their counts are in rollups that expired too.
    assert_ne!(hub.sweep(NOW + seconds(gone)).await.unwrap(), Swept::default());
    assert_eq!(hub.sweep(NOW + seconds(gone)).await.unwrap(), Swept::default());
    assert_eq!(hub.probes(NOW + seconds(gone)).await.unwrap(), []);
    assert_eq!(hub.node_regions(peer, NOW + seconds(gone)).await.unwrap(), [], "its newest results are gone");
    let counted_after = hub.node_stats(peer, seconds(60 * 24 * 3600), NOW + seconds(gone)).await.unwrap().checks;
    assert_eq!((counted_after, counted_after.total_checks), (counted_before, 2));

    // It wakes up.
    let back = NOW + seconds(2 * MONTH);
    let caller = hub.authenticate(token.token.expose(), back).await.unwrap();
    assert!(matches!(&caller, Some(Caller::Probe(woken)) if *woken == probe), "{caller:?}");
    hub.report(&probe, vec![online(peer, back)], back).await;
    hub.review(back).await.unwrap();
    assert_eq!(hub.probes(back).await.unwrap()[0].presence, Presence::Online);
    assert_eq!(hub.node(peer, back).await.unwrap().verdict, Verdict::Up);
    let events = hub.events(Some(EventSubject::Probe(probe.probe)), None, 10, true).await.unwrap();
    let became: Vec<_> = events.iter().map(|event| event.became.as_str()).collect();
    assert_eq!(became, ["online"], "no review saw it online before");
}

async fn an_expired_probe_without_a_token_is_removed_and_its_name_is_free(hub: TestStore) {
    for nth in 0..9 {
        let name = format!("pod-{nth}");
        let (_, token) = hub.enrolled(&name, &region("eu"), NOW).await;
        if nth > 0 {
            hub.revoke_credential(CredentialKind::Node, token.id, NOW).await.unwrap();
        }
    }
    let later = NOW + seconds(MONTH + 1);
    let (mut removed, mut more) = (0, true);
    while more {
        let swept = hub.sweep(later).await.unwrap();
        (removed, more) = (removed + swept.rows, swept.more);
    }
    assert_eq!(removed, 8);
    // One with a token keeps its name until another takes it.
    let key = hub.enrollment_key(&EnrollmentLimits::default()).await;
    let registration = &Registration::default();
    let eu = &region("eu");
    let new = NewProbe { server_id: "pod-0", region: eu, registration, token: None };
    let early = hub.enroll_probe(&key, &new, NOW + seconds(MONTH)).await;
    assert!(matches!(early, Err(StoreError::Conflict(Conflict::ServerIdTaken))), "{early:?}");
    for name in ["pod-0", "pod-8"] {
        hub.enrolled(name, &region("us"), later).await;
    }
    assert_eq!(hub.credentials(CredentialKind::Node).await.unwrap().len(), 2);
}
