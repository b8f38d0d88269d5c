//! The audit log: every edit is noted with who made it, failed authentications are counted, and both are bounded.

use std::net::IpAddr;

use easytier_uptime_store::{
    StoreError,
    acting::{self, Call},
    domain::{
        Actor, ActorKind, AuditEvent, AuditFilter, AuditKind, AuditObject, AuthFailure, DAY, PageRequest, PeerFilter,
        Timestamp,
    },
};

use crate::{
    edits::{edits, existing},
    support::{NOW, TestStore, on_both_engines, seconds, spec},
};

on_both_engines! {
    every_edit_is_noted_with_who_made_it,
    a_change_is_not_made_when_it_cannot_be_noted,
    what_is_refused_is_not_noted,
    failures_of_one_source_within_a_minute_are_one_row_whatever_hub_counts_them,
    the_log_is_filtered_and_paged,
    the_log_is_bounded,
}

async fn log(hub: &TestStore, filter: &AuditFilter) -> Vec<AuditEvent> {
    hub.audit_events(filter, 1000).await.unwrap()
}

async fn actions(hub: &TestStore) -> Vec<String> {
    log(hub, &AuditFilter::default()).await.into_iter().rev().map(|event| event.action).collect()
}

async fn every_edit_is_noted_with_who_made_it(hub: TestStore) {
    let objects = existing(&hub).await;
    let before = actions(&hub).await.len();
    let call = Call::from(Some("2001:db8::7".parse().unwrap()));
    let done = call.run(async {
        acting::acts_as(ActorKind::Key, "robot");
        edits(&hub, objects).await
    });
    for (edit, outcome) in done.await {
        outcome.unwrap_or_else(|error| panic!("{edit}: {error}"));
    }
    let expected = [
        "peer.add",
        "peer.add",
        "peer.change",
        "peer.revoke",
        "submission.approve",
        "settings.change",
        "settings.change",
        "api_key.add",
        "enrollment_key.add",
        "node_token.add",
        "api_key.revoke",
        "probe.remove",
        "maintenance.add",
        "peer.remove",
    ];
    assert_eq!(actions(&hub).await[before..], expected, "a submission waits in a table of its own");
    let events = log(&hub, &AuditFilter { actor: Some(ActorKind::Key), ..AuditFilter::default() }).await;
    assert_eq!(events.len(), expected.len());
    for event in &events {
        assert_eq!((event.kind, event.count), (AuditKind::Change, 1), "{event:?}");
        assert_eq!(event.actor, Actor::new(ActorKind::Key, "robot"), "{event:?}");
        assert_eq!(event.source, "2001:db8::7", "{event:?}");
    }
    let change = events.iter().find(|event| event.action == "peer.change").unwrap();
    assert_eq!((change.object_name.as_str(), change.detail.as_str()), ("renamed", "name"));
    let before = log(&hub, &AuditFilter { actor: Some(ActorKind::Hub), ..AuditFilter::default() }).await;
    assert!(!before.is_empty(), "what nobody says to have done, the hub did by itself");
}

async fn a_change_is_not_made_when_it_cannot_be_noted(hub: TestStore) {
    hub.run_sql("ALTER TABLE audit RENAME TO gone").await;
    hub.add_peer(&spec("tcp://192.0.2.1:11010"), NOW).await.unwrap_err();
    assert_eq!(hub.peers(&PeerFilter::default(), PageRequest::default()).await.unwrap().total, 0);
}

async fn what_is_refused_is_not_noted(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let before = actions(&hub).await;
    let listed = hub.add_peer(&spec("tcp://192.0.2.1:11010"), NOW).await;
    assert!(matches!(listed, Err(StoreError::Conflict(_))), "{listed:?}");
    hub.delete_peer(easytier_uptime_store::domain::PeerId(peer.0 + 1), NOW).await.unwrap_err();
    hub.unmute(7).await.unwrap_err();
    assert_eq!(actions(&hub).await, before);
}

fn fail(hub: &easytier_uptime_store::Store, failure: AuthFailure, address: &str, now: Timestamp) {
    let address: IpAddr = address.parse().unwrap();
    hub.note_auth_failure(failure, Some(address), &Actor::new(ActorKind::Anyone, ""), now);
}

async fn failures_of_one_source_within_a_minute_are_one_row_whatever_hub_counts_them(hub: TestStore) {
    let other = hub.second_hub().await.unwrap();
    for _ in 0..3 {
        fail(&hub, AuthFailure::Password, "192.0.2.1", NOW);
        fail(&other, AuthFailure::Password, "192.0.2.1", NOW + seconds(59));
    }
    fail(&hub, AuthFailure::Password, "192.0.2.2", NOW);
    fail(&hub, AuthFailure::Token, "192.0.2.1", NOW);
    fail(&hub, AuthFailure::Password, "192.0.2.1", NOW + seconds(60));
    for store in [&hub.store, &other] {
        store.store_auth_failures().await.unwrap();
        assert_eq!(store.store_auth_failures().await.unwrap(), 0, "each is stored once");
    }
    let failures = AuditFilter { kind: Some(AuditKind::Failure), ..AuditFilter::default() };
    let mut rows: Vec<(String, String, u64, Timestamp)> =
        log(&hub, &failures).await.into_iter().map(|one| (one.action, one.source, one.count, one.at)).collect();
    rows.sort();
    let row = |action: &str, source: &str, count, at| (action.to_owned(), source.to_owned(), count, at);
    let expected = [
        row("password", "192.0.2.1", 1, NOW + seconds(60)),
        row("password", "192.0.2.1", 6, NOW + seconds(59)),
        row("password", "192.0.2.2", 1, NOW),
        row("token", "192.0.2.1", 1, NOW),
    ];
    assert_eq!(rows, expected);
}

async fn the_log_is_filtered_and_paged(hub: TestStore) {
    for nth in 1..=5 {
        hub.add(&format!("tcp://192.0.2.{nth}:11010")).await;
    }
    let named = easytier_uptime_store::domain::PeerSpec { name: "100%_Net".into(), ..spec("tcp://192.0.2.9:1") };
    hub.add_peer(&named, NOW).await.unwrap();
    hub.create_api_key("reader", None, NOW).await.unwrap();
    let found = async |filter: AuditFilter| log(&hub, &filter).await.len();
    assert_eq!(found(AuditFilter { object: Some(AuditObject::Peer), ..AuditFilter::default() }).await, 6);
    assert_eq!(found(AuditFilter { object: Some(AuditObject::ApiKey), ..AuditFilter::default() }).await, 1);
    assert_eq!(found(AuditFilter { kind: Some(AuditKind::Failure), ..AuditFilter::default() }).await, 0);
    assert_eq!(found(AuditFilter { search: Some("100%_nET".into()), ..AuditFilter::default() }).await, 1);
    assert_eq!(found(AuditFilter { search: Some("1__%".into()), ..AuditFilter::default() }).await, 0);
    let first = hub.audit_events(&AuditFilter::default(), 4).await.unwrap();
    let rest = AuditFilter { before: Some(first[3].id), ..AuditFilter::default() };
    let second = hub.audit_events(&rest, 4).await.unwrap();
    let ids: Vec<i64> = first.iter().chain(&second).map(|event| event.id).collect();
    assert_eq!(ids.len(), 7);
    assert!(ids.is_sorted_by(|newer, older| newer > older), "{ids:?}");
}

async fn the_log_is_bounded(hub: TestStore) {
    hub.add("tcp://192.0.2.1:11010").await;
    // More failures than are kept, and a change and a failure of long ago.
    let now = Timestamp::now();
    let (old, columns) =
        (now - 91 * DAY, "at, kind, action, object_id, object_name, detail, actor, actor_name, source, minute, count");
    hub.run_sql(&format!(
        "INSERT INTO audit ({columns}) VALUES ({0}, 'change', 'peer.add', '', '', '', 'hub', '', '', NULL, 1), \
         ({0}, 'failure', 'token', '', '', '', 'anyone', '', '', 1, 1); \
         INSERT INTO audit ({columns}) WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 50109) \
         SELECT {1}, 'failure', 'token', '', '', '', 'anyone', '', '192.0.2.1', i, 1 FROM n",
        old.0, now.0
    ))
    .await;
    while hub.sweep(now).await.unwrap().more {}
    assert_eq!(hub.count("audit WHERE minute IS NOT NULL").await, 50_000);
    assert_eq!(hub.count("audit WHERE minute < 110").await, 0, "the oldest are gone");
    assert_eq!(hub.count(&format!("audit WHERE at = {}", old.0)).await, 0);
    let changes = AuditFilter { object: Some(AuditObject::Peer), ..AuditFilter::default() };
    assert_eq!(log(&hub, &changes).await.len(), 1, "no flood pushes a change out");
}
