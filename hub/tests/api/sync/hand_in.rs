//! `PUT /sync/api/endpoints`: what a former primary changed.

use easytier_uptime_store::domain::{Member, Role};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{SECRET, Sync, id};
use crate::{
    hub::send,
    support::{TestStore, on_both_engines},
};

on_both_engines! {
    a_former_primary_hands_in_what_it_changed_once,
    it_may_hand_it_in_in_parts,
    others_hand_in_nothing,
    an_impossible_configuration_is_refused,
}

/// A primary in its second epoch, a former primary with its token, and the configuration that this one has of the first epoch.
async fn after_a_failover(store: &TestStore) -> (Sync, String, Value) {
    let primary = Sync::primary(store).await;
    primary.peer("tcp://192.0.2.1:11010").await;
    let token = primary.register(1).await;
    let mut old = send(primary.get("/sync/api/endpoints").bearer_auth(&token)).await.body;
    primary.store.promote("Primary", None, 1, 1).await.unwrap();
    let member = primary.store.member(id(1)).await.unwrap().unwrap();
    primary.store.put_member(&Member { role: Role::Primary, ..member }).await.unwrap();
    old["instanceId"] = json!(id(1));
    let counter = old["endpoints"][0]["version"]["counter"].as_i64().unwrap();
    old["endpoints"][0]["version"]["counter"] = json!(counter + 7);
    old["endpoints"][0]["name"] = json!("renamed there");
    // Of kinds that a later version has.
    old["own"].as_array_mut().unwrap().push(json!({ "kind": "of tomorrow", "uid": "x" }));
    old["globalSettings"]["of_tomorrow"] = json!(["x"]);
    old["deleted"] = json!([{ "kind": "of tomorrow", "uid": "x", "deletedAt": "2026-11-25T12:00:00Z", "version": { "epoch": 1, "counter": 1 } }]);
    old["credentials"] = json!([]);
    (primary, token, old)
}

async fn a_former_primary_hands_in_what_it_changed_once(store: TestStore) {
    let (primary, token, old) = after_a_failover(&store).await;
    let peer = old["endpoints"][0]["id"].as_i64().unwrap();
    let merged = send(primary.put("/sync/api/endpoints", &old).bearer_auth(&token)).await;
    assert_eq!(merged.status, 200, "{merged:?}");
    let known = primary.store.peer(easytier_uptime_store::domain::PeerId(peer)).await.unwrap();
    assert_eq!(known.spec.name, "renamed there");
    let member = primary.store.member(id(1)).await.unwrap().unwrap();
    assert_eq!(member.role, Role::Dependent);
    primary.refused(primary.put("/sync/api/endpoints", &old).bearer_auth(&token), 403, "forbidden").await;
}

async fn it_may_hand_it_in_in_parts(store: TestStore) {
    let (primary, token, mut old) = after_a_failover(&store).await;
    old["seen"] = json!({ id(1).to_string(): 1000 });
    let (mut first, mut second) = (old.clone(), old);
    first["endpoints"] = json!([]);
    first["more"] = json!(true);
    second["regions"] = json!([]);
    // What the first part says of what the other one has seen does not make its changes known already.
    second["own"] = json!([{ "kind": "peer", "uid": second["endpoints"][0]["uid"] }]);
    second["endpoints"][0]["version"] = json!({ "epoch": 1, "counter": 900 });
    let peer = easytier_uptime_store::domain::PeerId(second["endpoints"][0]["id"].as_i64().unwrap());
    let now = easytier_uptime_store::domain::Timestamp::now();
    primary.store.edit_peer(peer, |spec| spec.name = "renamed here".into(), now).await.unwrap();
    for part in [&first, &second] {
        let merged = send(primary.put("/sync/api/endpoints", part).bearer_auth(&token)).await;
        assert_eq!(merged.status, 200, "{merged:?}");
    }
    let lost = primary.store.lost_changes(9).await.unwrap();
    assert_eq!(lost.iter().map(|one| one.lost["name"].clone()).collect::<Vec<_>>(), ["renamed there"]);
    primary.refused(primary.put("/sync/api/endpoints", &second).bearer_auth(&token), 403, "forbidden").await;
}

async fn others_hand_in_nothing(store: TestStore) {
    let (primary, token, old) = after_a_failover(&store).await;
    let dependent = primary.register(2).await;
    assert_eq!(send(primary.get("/sync/api/instances").bearer_auth(&dependent)).await.status, 200);
    let admin = primary.admin().await;
    let request = |body: &Value| primary.put("/sync/api/endpoints", body);
    for (wrong, status, code) in [
        (dependent.as_str(), 403, "forbidden"),
        (SECRET, 403, "forbidden"),
        (&admin, 403, "forbidden"),
        ("no token", 401, "unauthorized"),
    ] {
        primary.refused(request(&old).bearer_auth(wrong), status, code).await;
        // They are refused before their body is read.
        primary.refused(request(&json!(5)).bearer_auth(wrong), status, code).await;
    }
    for (field, other) in [("clusterId", json!(Uuid::from_u128(5))), ("epoch", json!(2)), ("instanceId", json!(id(2)))]
    {
        let mut of_another = old.clone();
        of_another[field] = other;
        primary.refused(request(&of_another).bearer_auth(&token), 403, "forbidden").await;
    }
}

async fn an_impossible_configuration_is_refused(store: TestStore) {
    let (primary, token, old) = after_a_failover(&store).await;
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut wrong = old.clone();
        change(&mut wrong);
        wrong
    };
    for wrong in [
        changed(&|it| it["endpoints"][0]["version"]["epoch"] = json!(i64::MAX)),
        changed(&|it| it["endpoints"][0]["version"]["counter"] = json!(-1)),
        changed(&|it| it["endpoints"][0]["id"] = json!(-5)),
        changed(&|it| it["endpoints"][0]["url"] = json!("no URL")),
        changed(&|it| it["endpoints"][0]["uid"] = json!("no uid")),
        changed(&|it| it["endpoints"][0]["tags"] = json!(["a,b"])),
        changed(&|it| {
            it["endpoints"][0]["networkSecretSealed"] = json!("c2VhbGVkIGZvciBzb21lYm9keSBlbHNlLCBvciBkYW1hZ2Vk")
        }),
        changed(&|it| it["highestPeerId"] = json!(i64::MAX)),
        changed(&|it| it["epoch"] = json!("one")),
        json!({}),
    ] {
        primary.refused(primary.put("/sync/api/endpoints", &wrong).bearer_auth(&token), 400, "bad_request").await;
    }
}
