use easytier_uptime_hub::model::{Presence, StatusReport};

use crate::support::{NOW, TestStore, on_both_engines, online, region, seconds};

on_both_engines! {
    presence_follows_heartbeats,
    a_probe_that_only_reports_is_measured_by_its_interval,
    a_probe_that_unregistered_is_offline_until_it_is_heard_again,
    a_report_is_kept_as_it_was_sent,
    a_probe_that_never_said_anything_is_not_listed,
}

async fn presence(hub: &TestStore, after: u64) -> Presence {
    hub.probes(NOW + seconds(after)).await.unwrap()[0].presence
}

async fn presence_follows_heartbeats(hub: TestStore) {
    let probe = hub.probe("p1", "eu").await;
    assert_eq!(presence(&hub, 60).await, Presence::Online);
    assert_eq!(presence(&hub, 61).await, Presence::Degraded);
    assert_eq!(presence(&hub, 91).await, Presence::Offline);
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    hub.report(&probe, vec![online(peer, NOW)], NOW + seconds(91)).await;
    assert_eq!(presence(&hub, 91).await, Presence::Online, "results are a sign of life");
    hub.report_status(&probe, &StatusReport::default(), NOW + seconds(200)).await.unwrap();
    assert_eq!(presence(&hub, 260).await, Presence::Online);
}

async fn a_probe_that_only_reports_is_measured_by_its_interval(hub: TestStore) {
    let probe = hub.local_probe("ci", &region("eu"), NOW).await.unwrap();
    let report = StatusReport { check_interval: Some(seconds(3600)), ..StatusReport::default() };
    hub.report_status(&probe, &report, NOW).await.unwrap();
    assert_eq!(presence(&hub, 7200).await, Presence::Online);
    assert_eq!(presence(&hub, 7201).await, Presence::Degraded);
    assert_eq!(presence(&hub, 10_801).await, Presence::Offline);
}

async fn a_probe_that_unregistered_is_offline_until_it_is_heard_again(hub: TestStore) {
    let probe = hub.probe("p1", "eu").await;
    hub.unregister_probe(&probe, NOW).await.unwrap();
    assert_eq!(presence(&hub, 0).await, Presence::Offline);
    hub.heartbeat(&probe, None, NOW + seconds(1)).await.unwrap();
    assert_eq!(presence(&hub, 1).await, Presence::Online);
}

async fn a_report_is_kept_as_it_was_sent(hub: TestStore) {
    let probe = hub.probe("p1", "eu").await;
    let metadata = serde_json::json!({ "total_monitored_nodes": 10, "odd": "a\u{0}b" });
    let report = StatusReport {
        server_id: Some("p1".into()),
        version: Some("0.1.0".into()),
        response_us: Some(50_000),
        check_interval: Some(seconds(5)),
        holds_sessions: true,
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

async fn a_probe_that_never_said_anything_is_not_listed(hub: TestStore) {
    hub.create_node_token("p1", None, &region("eu"), NOW).await.unwrap();
    assert_eq!(hub.probes(NOW).await.unwrap(), []);
}
