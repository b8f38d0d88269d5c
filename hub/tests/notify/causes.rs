//! What has one cause is told as one thing.

use easytier_uptime_alerts::{Change, Topic};
use easytier_uptime_hub::service::alerts::NewChannel;
use easytier_uptime_store::domain::{PeerId, Region};

use crate::{
    add_rule, alerts,
    scene::{Hub, add, probe},
    support::{TestStore, on_both_engines, spec},
};

on_both_engines! {
    a_region_that_is_cut_off_gives_one_message_about_its_probe,
    a_short_trouble_of_the_hub_is_ended_where_a_service_keeps_it_open,
}

/// A node that only one region checks.
async fn add_for(hub: &Hub, name: &str, region: &str) -> PeerId {
    let mut described = spec(&format!("tcp://{name}.example:11010"));
    described.name = name.into();
    described.regions = [region.parse::<Region>().unwrap()].into();
    hub.test.add_peer(&described, hub.now).await.unwrap()
}

/// The region has most of the nodes, so most are unknown; the others are known, so it is not the hub.
async fn a_region_that_is_cut_off_gives_one_message_about_its_probe(test: TestStore) {
    let mut hub = Hub::new(test).await;
    add_rule(&hub.test, "ops", &Change::ALL).await;
    let (mut near, mut far) = (Vec::new(), Vec::new());
    for nth in 0..10 {
        near.push(add_for(&hub, &format!("near-{nth}"), "eu").await);
    }
    for nth in 0..50 {
        far.push(add_for(&hub, &format!("far-{nth}"), "asia").await);
    }
    let (eu, asia) = (hub.probes[0].clone(), probe(&hub.test, "q", "asia", hub.now).await);
    for _ in 0..3 {
        hub.probes = vec![eu.clone()];
        hub.check(&near, &[], 1).await;
        hub.probes = vec![asia.clone()];
        hub.check(&far, &[], 19).await;
    }
    hub.probes = vec![eu.clone()];
    hub.check(&near, &[], 900).await;
    assert_eq!(hub.titles().await, ["The probe q in asia does not report"]);
    for _ in 0..45 {
        hub.probes = vec![eu.clone()];
        hub.check(&near, &[], 1).await;
        hub.probes = vec![asia.clone()];
        hub.check(&far, &[], 19).await;
    }
    assert_eq!(hub.titles().await[1..], ["The probe q reports again"]);
}

async fn a_short_trouble_of_the_hub_is_ended_where_a_service_keeps_it_open(test: TestStore) {
    let mut hub = Hub::new(test).await;
    let settings = [("key".to_owned(), "0123456789abcdef0123456789abcdef".to_owned())].into();
    let pager = NewChannel { name: "pager".into(), kind: "pagerduty".into(), settings };
    alerts(&hub.test).add_channel(pager).await.unwrap();
    for channel in ["ops", "pager"] {
        add_rule(&hub.test, channel, &[Change::Unknown, Change::Probe, Change::Up]).await;
    }
    let mut nodes = Vec::new();
    for nth in 0..5 {
        nodes.push(add(&hub, &format!("node-{nth}")).await);
    }
    let other = probe(&hub.test, "q", "asia", hub.now).await;
    hub.probes.push(other);
    hub.check(&nodes, &[], 60).await;
    hub.run(600).await;
    hub.check(&nodes, &[], 600).await;
    let told = hub.test.deliveries(None, None, 100).await.unwrap();
    let of = |channel: &str| told.iter().filter(|one| one.channel_name.as_deref() == Some(channel)).count();
    assert_eq!((of("ops"), of("pager")), (1, 2), "{:?}", hub.titles().await);
    let messages = hub.messages().await;
    let end = messages.last().unwrap();
    assert_eq!((end.topic, end.title.as_str()), (Topic::Hub, "This monitor has current results again"));
    assert!(messages.iter().any(|one| one.subject == end.subject && one.severity > end.severity));
}
