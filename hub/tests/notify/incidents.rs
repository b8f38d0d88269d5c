//! Incidents on a real store.

use easytier_uptime_alerts::Change;
use easytier_uptime_hub::{
    incidents::Recorder,
    notify::Planner,
    service::incidents::{Detail, cause},
};
use easytier_uptime_store::domain::{
    Coverage, Incident, IncidentEntry, IncidentFilter, IncidentId, MaintenanceSpec, PageRequest, Schedule, ScheduleText,
};

use crate::{
    add_channel, add_rule, alerts,
    outage::Outage,
    support::{NOW, TestStore, on_both_engines, seconds},
};

on_both_engines! {
    an_outage_is_an_incident_with_what_the_regions_saw_and_closes_by_itself,
    a_recorder_that_takes_over_goes_on_where_the_other_was,
    nodes_of_one_network_are_one_incident_and_removed_ones_leave_it,
    maintenance_opens_nothing,
    who_acknowledges_is_on_the_timeline,
    an_incident_that_the_operator_closed_stays_closed,
    a_node_that_was_never_online_has_no_incident,
}

async fn all(test: &TestStore) -> Vec<Incident> {
    test.incidents(IncidentFilter::default(), PageRequest::default()).await.unwrap().items
}

async fn entries(test: &TestStore, id: i64) -> Vec<IncidentEntry> {
    test.incident(IncidentId(id)).await.unwrap().1
}

async fn kinds(test: &TestStore, id: i64) -> Vec<String> {
    entries(test, id).await.into_iter().map(|entry| entry.kind).collect()
}

async fn an_outage_is_an_incident_with_what_the_regions_saw_and_closes_by_itself(test: TestStore) {
    let node = test.add("tcp://192.0.2.1:11010").await;
    let mut outage = Outage::begin(&test, NOW).await;
    outage.see(&[node], &[]).await;
    assert_eq!(all(&test).await, []);
    outage.see(&[], &[node]).await;
    let incident = all(&test).await.remove(0);
    assert_eq!((incident.id, incident.closed_at, incident.well_at), (IncidentId(1), None, None));
    assert_eq!(incident.opened_at, NOW + seconds(80), "the second check that failed");
    assert_eq!((incident.nodes[0].id, incident.nodes[0].verdict.as_str()), (node, "down"));
    outage.see(&[node], &[]).await;
    let well_at = all(&test).await[0].well_at;
    assert_eq!(well_at, Some(NOW + seconds(140)));
    for _ in 0..11 {
        outage.see(&[node], &[]).await;
    }
    let closed = all(&test).await.remove(0);
    assert_eq!((closed.well_at, closed.closed_at), (well_at, Some(NOW + seconds(740))));
    let entries = entries(&test, 1).await;
    assert_eq!(entries.iter().map(|entry| entry.kind.as_str()).collect::<Vec<_>>(), ["opened", "changed", "closed"]);
    let detail = Detail::read(&entries[0].detail);
    assert_eq!((detail.verdict.as_deref(), detail.nodes), (Some("down"), 1));
    let seen = &detail.regions[0];
    assert_eq!((seen.region.as_str(), seen.online, seen.offline), ("eu", 0, 1));
    assert_eq!((seen.stage.as_deref(), seen.code.as_deref()), (Some("connect"), Some("connect_refused")));
    assert_eq!(entries[0].nodes[0].0, node);
    assert_eq!(Detail::read(&entries[1].detail).verdict.as_deref(), Some("up"));
    // Another outage is another incident.
    outage.see(&[], &[node]).await;
    assert_eq!(all(&test).await.iter().map(|one| one.id.0).collect::<Vec<_>>(), [2, 1]);
}

async fn a_recorder_that_takes_over_goes_on_where_the_other_was(test: TestStore) {
    let node = test.add("tcp://192.0.2.1:11010").await;
    let mut outage = Outage::begin(&test, NOW).await;
    outage.see(&[node], &[]).await;
    outage.see(&[], &[node]).await;
    // It ends, and what it missed is read by the next.
    outage.recorder = Recorder::new(test.store.clone());
    outage.run(30).await;
    assert_eq!(kinds(&test, 1).await, ["opened"]);
    outage.recorder = Recorder::new(test.store.clone());
    outage.see(&[node], &[]).await;
    outage.see(&[], &[node]).await;
    assert_eq!(all(&test).await.len(), 1, "it went wrong again before the incident was closed");
    assert_eq!(kinds(&test, 1).await, ["opened", "changed", "changed"]);
}

async fn nodes_of_one_network_are_one_incident_and_removed_ones_leave_it(test: TestStore) {
    let mut nodes = Vec::new();
    for url in ["tcp://192.0.2.1:11010", "tcp://192.0.2.2:11010", "tcp://198.51.100.1:11010"] {
        nodes.push(test.add(url).await);
    }
    let mut outage = Outage::begin(&test, NOW).await;
    outage.see(&nodes, &[]).await;
    outage.see(&[], &nodes).await;
    let found = all(&test).await;
    assert_eq!(found.iter().map(|one| one.node_count).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(cause(&found[1]).unwrap().value(), "192.0.2.0/24");
    test.delete_peer(nodes[0], outage.now).await.unwrap();
    outage.run(61).await;
    let found = all(&test).await;
    assert_eq!((found[1].node_count, found[1].nodes[0].id), (1, nodes[1]));
    // Nobody sees an incident of nodes that are not listed.
    test.set_approved(nodes[1], false, outage.now).await.unwrap();
    assert_eq!(all(&test).await.len(), 1);
    assert!(test.incident(found[1].id).await.is_err());
}

async fn maintenance_opens_nothing(test: TestStore) {
    let node = test.add("tcp://192.0.2.1:11010").await;
    let mut outage = Outage::begin(&test, NOW).await;
    outage.see(&[node], &[]).await;
    // From the minute in which it is now.
    let text = ScheduleText {
        start: "2027-01-15T08:01".into(),
        time_zone: "UTC".into(),
        minutes: 5,
        rrule: None,
        until: None,
    };
    let spec = MaintenanceSpec {
        title: "disks".into(),
        title_zh: None,
        coverage: Coverage { peers: [node].into(), ..Coverage::default() },
        schedule: Schedule::parse(&text).unwrap(),
    };
    test.add_maintenance(&spec, outage.now).await.unwrap();
    for _ in 0..4 {
        outage.see(&[], &[node]).await;
    }
    assert_eq!(all(&test).await, []);
    // It is still down afterwards.
    outage.see(&[], &[node]).await;
    outage.see(&[], &[node]).await;
    assert_eq!(all(&test).await.len(), 1);
}

async fn who_acknowledges_is_on_the_timeline(test: TestStore) {
    add_channel(&test, "ops", "http://192.0.2.1/hook").await;
    let rule = add_rule(&test, "ops", &[Change::Down]).await;
    let node = test.add("tcp://192.0.2.1:11010").await;
    let mut planner = Planner::new(test.store.clone(), None);
    let mut outage = Outage::begin(&test, NOW).await;
    outage.see(&[node], &[]).await;
    planner.step(outage.now).await.unwrap();
    outage.see(&[], &[node]).await;
    planner.step(outage.now).await.unwrap();
    // The clock of the use case is the real one, which is behind or ahead of that of the test.
    let key = format!("{}/node:{node}", rule.id);
    let conditions = alerts(&test).conditions().await.unwrap();
    assert!(conditions.iter().any(|one| one.key == key), "{conditions:?}");
    test.acknowledge_condition(&key, "the operator", outage.now).await.unwrap();
    outage.run(5).await;
    let last = entries(&test, 1).await.pop().unwrap();
    assert_eq!((last.kind.as_str(), Detail::read(&last.detail).by.as_deref()), ("acknowledged", Some("the operator")));
    outage.run(5).await;
    assert_eq!(kinds(&test, 1).await, ["opened", "acknowledged"]);
}

async fn an_incident_that_the_operator_closed_stays_closed(test: TestStore) {
    let node = test.add("tcp://192.0.2.1:11010").await;
    let mut outage = Outage::begin(&test, NOW).await;
    outage.see(&[node], &[]).await;
    outage.see(&[], &[node]).await;
    test.close_incident(IncidentId(1), outage.now).await.unwrap();
    outage.see(&[], &[node]).await;
    outage.see(&[], &[node]).await;
    let found = all(&test).await;
    assert_eq!((found.len(), found[0].closed_at.is_some()), (1, true));
    assert_eq!(kinds(&test, 1).await, ["opened", "ended"]);
}

async fn a_node_that_was_never_online_has_no_incident(test: TestStore) {
    let node = test.add("tcp://192.0.2.1:11010").await;
    let mut outage = Outage::begin(&test, NOW).await;
    outage.see(&[], &[node]).await;
    assert_eq!(all(&test).await, [], "it was never online");
    outage.see(&[node], &[]).await;
    outage.see(&[], &[node]).await;
    assert_eq!(all(&test).await.len(), 1);
}
