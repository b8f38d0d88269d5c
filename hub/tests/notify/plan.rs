//! Planning on a real store, with the time of the test.

use std::time::Duration;

use easytier_uptime_alerts::{Change, Message, Topic};
use easytier_uptime_hub::notify::Planner;
use easytier_uptime_store::{
    Store,
    domain::{Coverage, DeliveryState, MaintenanceSpec, PeerId, ProbeIdentity, Schedule, ScheduleText, Timestamp},
};

use crate::{
    add_channel, add_rule, alerts,
    support::{NOW, TestStore, offline, on_both_engines, online, seconds, spec},
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

const URL: &str = "http://192.0.2.1/hook";

/// A hub at a time, with one node and a probe that checks it.
pub struct Hub {
    pub test: TestStore,
    pub planner: Planner,
    probes: Vec<ProbeIdentity>,
    pub now: Timestamp,
}

impl Hub {
    pub async fn new(test: TestStore) -> Self {
        Self::at(test, NOW).await
    }

    pub async fn at(test: TestStore, now: Timestamp) -> Self {
        add_channel(&test, "ops", URL).await;
        let probes = vec![probe(&test, "p", "eu", now).await];
        let planner = Planner::new(test.store.clone(), Some("https://status.example".parse().unwrap()));
        let mut hub = Self { test, planner, probes, now };
        hub.run(20).await;
        hub
    }

    /// Results of all these nodes, and what the hub does each second, for so many seconds. Each probe checks every 20 seconds.
    pub async fn check(&mut self, online_ones: &[PeerId], offline_ones: &[PeerId], length: u64) {
        for nth in 0..length {
            for probe in self.probes.iter().filter(|_| nth % 20 == 0) {
                self.test.heartbeat(probe, None, self.now).await.unwrap();
                let now = self.now;
                let results = online_ones.iter().map(|peer| online(*peer, now));
                let results = results.chain(offline_ones.iter().map(|peer| offline(*peer, now))).collect();
                self.test.report(probe, results, now).await;
            }
            self.second().await;
        }
    }

    /// What the hub does each second, for so many seconds, while no results come.
    async fn run(&mut self, length: u64) {
        for _ in 0..length {
            self.second().await;
        }
    }

    async fn second(&mut self) {
        self.now = self.now + seconds(1);
        if self.now.0 / 1000 % 5 == 0 {
            self.test.review(self.now).await.unwrap();
        }
        self.planner.step(self.now).await.unwrap();
    }

    /// The hub ends, and starts again after so many seconds.
    fn restart(&mut self, pause: u64) {
        self.now = self.now + seconds(pause);
        self.planner = Planner::new(self.test.store.clone(), None);
    }

    pub async fn messages(&self) -> Vec<Message> {
        messages(&self.test).await
    }

    async fn titles(&self) -> Vec<String> {
        self.messages().await.into_iter().map(|message| message.title).collect()
    }
}

async fn messages(store: &Store) -> Vec<Message> {
    let mut all = store.deliveries(None, None, 1000).await.unwrap();
    all.reverse();
    assert!(all.iter().all(|one| one.state == DeliveryState::Waiting));
    all.into_iter().map(|one| serde_json::from_str(&one.message).unwrap()).collect()
}

/// A node with a name.
pub async fn add(hub: &Hub, name: &str) -> PeerId {
    let mut described = spec(&format!("tcp://{name}.example:11010"));
    described.name = name.into();
    hub.test.add_peer(&described, hub.now).await.unwrap()
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

async fn probe(store: &Store, name: &str, region: &str, now: Timestamp) -> ProbeIdentity {
    let probe = store.local_probe(name, &region.parse().unwrap(), now).await.unwrap();
    store.heartbeat(&probe, None, now).await.unwrap();
    probe
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
    assert!(preview.words.starts_with("Tells at once that a node is down."));
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
