//! An instance that takes the primary's place knows what the primary told.

use std::time::Duration;

use easytier_uptime_alerts::{Change, Rule};
use easytier_uptime_hub::instance::alerts as mirrored;
use easytier_uptime_store::domain::{PeerId, Timestamp};
use uuid::Uuid;

use crate::{
    alerts,
    scene::{Hub, add, probe},
    support::{TestStore, on_both_engines},
};

on_both_engines! {
    a_promoted_instance_tells_the_end_of_what_the_primary_told_and_nothing_twice,
    an_instance_that_is_no_dependent_keeps_what_it_has,
}

/// Gives nodes the uids under which all instances know them.
async fn share(store: &TestStore, nodes: &[PeerId]) {
    for (node, name) in nodes.iter().zip(NAMES) {
        let insert = "INSERT INTO synced_objects (kind, uid, local_key, epoch, counter, digest, made_here)";
        store.run_sql(&format!("{insert} VALUES ('peer', '{name}', '{node}', 1, 1, '', TRUE)")).await;
    }
}

const NAMES: [&str; 3] = ["tokyo", "paris", "berlin"];

/// A hub with three nodes, after as many others as `before` says.
async fn hub(test: TestStore, rule: &Rule, before: usize, at: Timestamp) -> (Hub, Vec<PeerId>) {
    let hub = Hub::at(test, at).await;
    alerts(&hub.test).put_rule("ops", rule.clone()).await.unwrap();
    for nth in 0..before {
        add(&hub, &format!("other-{nth}")).await;
    }
    let mut nodes = Vec::new();
    for name in NAMES {
        nodes.push(add(&hub, name).await);
    }
    (hub, nodes)
}

async fn a_promoted_instance_tells_the_end_of_what_the_primary_told_and_nothing_twice(test: TestStore) {
    let engine = test.engine();
    let rule = Rule {
        on: [Change::Down, Change::Up, Change::Probe].into(),
        reminder_seconds: Some(1200),
        ..Rule::new(Uuid::now_v7())
    };
    // Mutes end by the clock of the system.
    let start = Timestamp::now() - Duration::from_secs(3600);
    let (mut primary, nodes) = hub(test, &rule, 0, start).await;
    let (mut standby, theirs) = hub(TestStore::new(engine).await, &rule, 2, start).await;
    assert_ne!(nodes, theirs);
    standby.test.dependent().await;
    // As if it had got the nodes from the primary, with other ids.
    standby.test.run_sql("UPDATE peers SET set_aside = FALSE").await;
    share(&primary.test, &nodes).await;
    share(&standby.test, &theirs).await;
    standby.probes = vec![probe(&standby.test, "p", "eu", standby.now).await];
    primary.check(&nodes, &[], 60).await;
    standby.check(&theirs, &[], 60).await;
    // The first two go down; people acknowledge one and mute the third.
    primary.check(&nodes[2..], &nodes[..2], 60).await;
    standby.check(&theirs[2..], &theirs[..2], 60).await;
    assert_eq!(primary.titles().await, ["2 nodes are down"]);
    let key = format!("{}/node:{}", rule.id, nodes[0]);
    alerts(&primary.test).acknowledge(&key, "ada").await.unwrap();
    alerts(&primary.test).mute(&format!("node:{}", nodes[2]), Duration::from_secs(7200), "ada").await.unwrap();

    let now = standby.now;
    for _ in 0..2 {
        let open = mirrored::open(&primary.test, now).await.unwrap();
        assert_eq!((open.alerts.len(), open.mutes.len()), (2, 1), "{open:?}");
        mirrored::adopt(&standby.test, &open, 0, now).await.unwrap();
    }
    let listed = alerts(&standby.test).conditions().await.unwrap();
    let told: Vec<_> = listed.iter().map(|one| (one.subject.to_string(), one.acknowledged_by.as_deref())).collect();
    let theirs_of = |nth: usize| format!("node:{}", theirs[nth]);
    assert_eq!(told, [(theirs_of(0), Some("ada")), (theirs_of(1), None)]);
    assert_eq!(alerts(&standby.test).mutes().await.unwrap()[0].scope, theirs_of(2));

    // The primary is lost at once, and the first node comes back meanwhile.
    standby.test.promote("b", None, 1, 1).await.unwrap();
    standby.restart(5);
    let promoted = standby.now;
    standby.check(&[theirs[0]], &theirs[1..], 50).await;
    assert!(standby.titles().await.is_empty(), "within the time in which results may not be current");
    standby.check(&[theirs[0]], &theirs[1..], 600).await;
    let told = standby.messages().await;
    assert_eq!(standby.titles().await, ["tokyo is up again"], "paris was told, berlin is muted");
    assert!(Timestamp::from(told[0].at) >= promoted);
    // The reminder of the other goes on: twenty minutes after the primary told it.
    standby.check(&[theirs[0]], &theirs[1..], 700).await;
    assert_eq!(standby.titles().await[1..], ["paris is still not up"]);
}

async fn an_instance_that_is_no_dependent_keeps_what_it_has(test: TestStore) {
    let rule = Rule::new(Uuid::now_v7());
    let (mut primary, nodes) = hub(test.clone(), &rule, 0, crate::support::NOW).await;
    share(&test, &nodes).await;
    primary.check(&nodes, &[], 60).await;
    primary.check(&[], &nodes, 60).await;
    let mut open = mirrored::open(&test, primary.now).await.unwrap();
    open.alerts.clear();
    mirrored::adopt(&test, &open, 0, primary.now).await.unwrap();
    assert_eq!(alerts(&test).conditions().await.unwrap().len(), 3);
}
