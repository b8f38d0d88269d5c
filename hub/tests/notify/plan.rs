//! Planning on a real store, with the time of the test.

use std::time::Duration;

use easytier_uptime_alerts::{Change, Topic};
use easytier_uptime_store::domain::{Coverage, MaintenanceSpec, Schedule, ScheduleText, Timestamp};

use crate::{
    add_rule, alerts,
    scene::{Hub, add, probe},
    support::{TestStore, on_both_engines},
};

on_both_engines! {
    an_outage_is_planned_once_within_fifteen_seconds_and_then_its_end,
    a_hub_that_takes_over_plans_nothing_twice,
    a_restart_while_a_node_is_down_plans_nothing,
    a_hub_that_hears_from_no_probe_plans_one_message_for_200_nodes,
    a_node_that_was_down_before_there_was_a_rule_is_not_told,
    what_a_preview_says_is_what_was_planned,
    a_rule_of_a_disabled_channel_plans_nothing,
    nothing_is_told_of_a_node_in_maintenance,
}

async fn an_outage_is_planned_once_within_fifteen_seconds_and_then_its_end(test: TestStore) {
    let mut hub = Hub::new(test).await;
    add_rule(&hub.test, "ops", &[Change::Down, Change::Up]).await;
    let node = add(&hub, "tokyo").await;
    hub.check(&[node], &[], 60).await;
    // Two checks turn the verdict.
    hub.check(&[], &[node], 21).await;
    let down_at = hub.now;
    hub.check(&[], &[node], 14).await;
    let told = hub.messages().await.remove(0);
    assert_eq!((told.title.as_str(), told.topic), ("tokyo is down", Topic::Outage));
    assert_eq!(told.url.unwrap().as_str(), format!("https://status.example/nodes/{node}"));
    assert!(Timestamp::from(told.at) <= down_at);
    hub.check(&[], &[node], 300).await;
    assert_eq!(hub.titles().await.len(), 1);
    hub.check(&[node], &[], 400).await;
    assert_eq!(hub.titles().await, ["tokyo is down", "tokyo is up again"]);
    let listed = alerts(&hub.test).conditions().await.unwrap();
    assert!(listed.is_empty());
}

async fn a_hub_that_takes_over_plans_nothing_twice(test: TestStore) {
    let mut hub = Hub::new(test).await;
    add_rule(&hub.test, "ops", &[Change::Down, Change::Up]).await;
    let nodes = [add(&hub, "tokyo").await, add(&hub, "paris").await];
    hub.check(&nodes, &[], 60).await;
    for _ in 0..20 {
        hub.check(&nodes[..1], &nodes[1..], 9).await;
        hub.restart(1);
    }
    assert_eq!(hub.titles().await, ["paris is down"]);
}

async fn a_restart_while_a_node_is_down_plans_nothing(test: TestStore) {
    let mut hub = Hub::new(test).await;
    add_rule(&hub.test, "ops", &Change::ALL).await;
    let nodes = [add(&hub, "tokyo").await, add(&hub, "paris").await];
    hub.check(&nodes, &[], 60).await;
    hub.check(&nodes[..1], &nodes[1..], 60).await;
    assert_eq!(hub.titles().await, ["paris is down"]);
    hub.restart(900);
    // Everything is stale, until results come again.
    hub.run(10).await;
    hub.check(&nodes[..1], &nodes[1..], 900).await;
    assert_eq!(hub.titles().await, ["paris is down"]);
    hub.check(&nodes, &[], 400).await;
    assert_eq!(hub.titles().await[1..], ["paris is up again"]);
}

async fn a_hub_that_hears_from_no_probe_plans_one_message_for_200_nodes(test: TestStore) {
    let mut hub = Hub::new(test).await;
    add_rule(&hub.test, "ops", &Change::ALL).await;
    let mut nodes = Vec::new();
    for nth in 0..200 {
        nodes.push(add(&hub, &format!("node-{nth}")).await);
    }
    let other = probe(&hub.test, "q", "asia", hub.now).await;
    hub.probes.push(other);
    hub.check(&nodes, &[], 60).await;
    // Ten minutes without a network, and then a long time with it.
    hub.run(600).await;
    hub.check(&nodes, &[], 600).await;
    let told = hub.messages().await;
    let titles: Vec<_> = told.iter().map(|message| message.title.as_str()).collect();
    assert_eq!(titles.len(), 1, "{titles:?}");
    assert!(told.iter().all(|message| message.topic == Topic::Hub && message.nodes.is_empty()), "{titles:?}");
}

/// What is still down when people are done with it is told then.
async fn nothing_is_told_of_a_node_in_maintenance(test: TestStore) {
    let mut hub = Hub::new(test).await;
    add_rule(&hub.test, "ops", &Change::ALL).await;
    let nodes = [add(&hub, "tokyo").await, add(&hub, "paris").await];
    hub.check(&nodes, &[], 60).await;
    // Ten minutes from 08:00, when the checks began.
    let text = ScheduleText {
        start: "2027-01-15T08:00".into(),
        time_zone: "UTC".into(),
        minutes: 10,
        rrule: None,
        until: None,
    };
    let window = MaintenanceSpec {
        title: "New disks".into(),
        title_zh: None,
        coverage: Coverage { all: true, ..Coverage::default() },
        schedule: Schedule::parse(&text).unwrap(),
    };
    hub.test.add_maintenance(&window, hub.now).await.unwrap();
    hub.check(&[], &nodes, 120).await;
    hub.check(&nodes[..1], &nodes[1..], 300).await;
    assert!(hub.titles().await.is_empty());
    hub.check(&nodes[..1], &nodes[1..], 300).await;
    assert_eq!(hub.titles().await, ["paris is down"]);
}

async fn a_node_that_was_down_before_there_was_a_rule_is_not_told(test: TestStore) {
    let mut hub = Hub::new(test).await;
    let node = add(&hub, "tokyo").await;
    hub.check(&[node], &[], 60).await;
    hub.check(&[], &[node], 60).await;
    add_rule(&hub.test, "ops", &[Change::Down, Change::Up]).await;
    hub.check(&[], &[node], 120).await;
    hub.check(&[node], &[], 300).await;
    assert!(hub.titles().await.is_empty());
    hub.check(&[], &[node], 60).await;
    assert_eq!(hub.titles().await, ["tokyo is down"]);
}

async fn what_a_preview_says_is_what_was_planned(test: TestStore) {
    // A preview is about the seven days before now.
    let mut hub = Hub::at(test, Timestamp::now() - Duration::from_secs(24 * 3600)).await;
    let rule = add_rule(&hub.test, "ops", &[Change::Down, Change::Up]).await;
    let nodes = [add(&hub, "tokyo").await, add(&hub, "paris").await];
    hub.check(&nodes, &[], 300).await;
    hub.check(&nodes[..1], &nodes[1..], 300).await;
    hub.check(&nodes, &[], 300).await;
    let preview = alerts(&hub.test).preview(rule).await.unwrap();
    let previewed: Vec<_> = preview.messages.iter().map(|one| one.message.title.clone()).collect();
    assert_eq!(previewed, hub.titles().await);
    assert_eq!(previewed, ["paris is down", "paris is up again"]);
    assert!(preview.words.starts_with("Notifies at once when a node is down."));
}

async fn a_rule_of_a_disabled_channel_plans_nothing(test: TestStore) {
    let mut hub = Hub::new(test).await;
    add_rule(&hub.test, "ops", &[Change::Down]).await;
    let node = add(&hub, "tokyo").await;
    let change =
        |enabled| easytier_uptime_hub::service::alerts::ChannelChange { enabled: Some(enabled), ..Default::default() };
    alerts(&hub.test).change_channel("ops", change(false)).await.unwrap();
    hub.check(&[node], &[], 60).await;
    hub.check(&[], &[node], 60).await;
    alerts(&hub.test).change_channel("ops", change(true)).await.unwrap();
    hub.check(&[], &[node], 60).await;
    assert!(hub.titles().await.is_empty());
}
