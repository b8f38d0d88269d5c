//! Certificates, versions, relaying and work of hubs, as results and leases have them.

use easytier_probe::{CheckResult, Relay};
use easytier_uptime_alerts::{Change, Rule, Topic};
use easytier_uptime_store::domain::{DAY, PeerId, Timestamp};

use crate::{
    add_rule, alerts,
    scene::{Hub, add},
    support::{TestStore, on_both_engines, online},
};

on_both_engines! {
    a_certificate_that_expires_soon_is_told_once_and_when_it_was_renewed,
    an_old_version_is_told,
    a_certificate_is_forgotten_with_the_address,
    a_node_that_is_declared_to_relay_and_does_not_is_told_after_two_tests,
}

/// A result of each of these checks, and then two minutes.
async fn report(hub: &mut Hub, results: Vec<CheckResult>) {
    let (probe, now) = (hub.probes[0].clone(), hub.now);
    hub.test.report(&probe, results, now).await;
    hub.run(120).await;
}

fn with_certificate(peer: PeerId, now: Timestamp, expires_at: Timestamp) -> CheckResult {
    CheckResult { certificate_expires_at: Some(expires_at.into()), ..online(peer, now) }
}

async fn a_certificate_that_expires_soon_is_told_once_and_when_it_was_renewed(test: TestStore) {
    let mut hub = Hub::new(test).await;
    let nodes = [add(&hub, "tokyo").await, add(&hub, "paris").await];
    let start = hub.now;
    let all =
        vec![with_certificate(nodes[0], start, start + DAY * 13), with_certificate(nodes[1], start, start + DAY * 15)];
    report(&mut hub, all).await;
    // It was so before there was the rule, and a hub that takes over does not tell it again.
    add_rule(&hub.test, "ops", &[Change::Certificate, Change::Up]).await;
    hub.run(120).await;
    hub.restart(10);
    hub.run(120).await;
    hub.restart(600);
    hub.check(&nodes, &[], 600).await;
    let told = hub.messages().await;
    assert_eq!(hub.titles().await.len(), 1, "{:?}", hub.titles().await);
    assert_eq!(told[0].title, "The certificate of tokyo expires on 2027-01-28 08:00:20 UTC");
    assert_eq!((told[0].topic, told[0].nodes[0].id), (Topic::Certificate, nodes[0].0));
    let open = alerts(&hub.test).conditions().await.unwrap();
    assert_eq!(open[0].subject.to_string(), format!("certificate:{}", nodes[0]));

    let now = hub.now;
    report(&mut hub, vec![with_certificate(nodes[0], now, now + DAY * 90)]).await;
    hub.check(&nodes, &[], 900).await;
    assert_eq!(hub.titles().await[1..], ["The certificate of tokyo does not expire soon any more"]);
    assert!(alerts(&hub.test).conditions().await.unwrap().is_empty());
}

async fn an_old_version_is_told(test: TestStore) {
    let mut hub = Hub::new(test).await;
    let nodes = [add(&hub, "tokyo").await, add(&hub, "paris").await];
    let rule = add_rule(&hub.test, "ops", &[Change::Version]).await;
    let now = hub.now;
    let with = |peer, version: &str| CheckResult { version: Some(version.into()), ..online(peer, now) };
    report(&mut hub, vec![with(nodes[0], "2.3.2-0a1b2c3d"), with(nodes[1], "2.4.0-0a1b2c3d")]).await;
    hub.run(700).await;
    assert_eq!(hub.titles().await, ["tokyo runs EasyTier 2.3.2-0a1b2c3d, which is older than 2.4.0"]);
    // The preview looks back from now, and the scene is in another time.
    let preview = alerts(&hub.test).preview(Rule { group_seconds: 0, ..rule }).await.unwrap();
    assert_eq!(preview.messages.len(), 1, "{:?}", preview.messages);
}

async fn a_certificate_is_forgotten_with_the_address(test: TestStore) {
    let mut hub = Hub::new(test).await;
    let node = add(&hub, "tokyo").await;
    let now = hub.now;
    report(&mut hub, vec![with_certificate(node, now, now + DAY)]).await;
    let soon = now + DAY * 14;
    assert_eq!(hub.test.certificates_until(soon).await.unwrap(), [(node, now + DAY)]);
    hub.test.edit_peer(node, |spec| spec.url = "tcp://192.0.2.7:11010".parse().unwrap(), hub.now).await.unwrap();
    assert!(hub.test.certificates_until(soon).await.unwrap().is_empty());
}

async fn a_node_that_is_declared_to_relay_and_does_not_is_told_after_two_tests(test: TestStore) {
    let mut hub = Hub::new(test).await;
    let nodes = [add(&hub, "tokyo").await, add(&hub, "paris").await];
    hub.test.edit_peer(nodes[0], |spec| spec.allow_relay = true, hub.now).await.unwrap();
    add_rule(&hub.test, "ops", &[Change::Relay, Change::Up]).await;
    let tested = |now: Timestamp, relay| {
        let of = |peer| CheckResult { relay: Some(relay), ..online(peer, now) };
        nodes.map(of).into()
    };
    let results = tested(hub.now, Relay::Refused);
    report(&mut hub, results).await;
    assert_eq!(hub.titles().await, Vec::<String>::new(), "one test");
    let results = tested(hub.now, Relay::Refused);
    report(&mut hub, results).await;
    assert_eq!(hub.titles().await, ["tokyo is declared to relay, and does not"]);
    assert_eq!(hub.messages().await[0].topic, Topic::Relay);
    let results = tested(hub.now, Relay::Ok);
    report(&mut hub, results).await;
    hub.check(&nodes, &[], 900).await;
    assert_eq!(hub.titles().await[1..], ["The relaying of tokyo matches its declaration again"]);
}
