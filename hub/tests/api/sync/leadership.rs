//! Who leads: the order, promotions, demotions, and the removal of instances.

use easytier_uptime_store::domain::{Member, Role, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ADDRESS, SECRET, Sync, id};
use crate::{
    hub::send,
    support::{TestStore, leadership, on_both_engines},
};

on_both_engines! {
    a_dependent_knows_the_order_and_says_where_the_primary_is,
    an_admin_promotes_a_dependent_once,
    nobody_but_an_admin_changes_who_leads,
    the_primary_hands_over_to_the_first_that_is_there,
    an_instance_is_removed_with_its_token,
}

/// A hub of a dependent in the third epoch, which knows the primary and one more instance, of which it has a token.
async fn dependent(store: &TestStore) -> (Sync, String) {
    let sync = Sync::standalone(store).await;
    let primary = leadership(7, 1, 3);
    sync.store.join(&primary, &"a token".into()).await.unwrap();
    let now = Timestamp::now();
    let member = |nth, role, order| Member {
        name: format!("hub {nth}"),
        role,
        failover_order: order,
        called_back_at: Some(now),
        public_endpoint: Some(format!("http://192.0.2.{nth}:3002")),
        ..Member::registering(id(nth), now)
    };
    sync.store.put_member(&member(1, Role::Primary, 1)).await.unwrap();
    sync.store.put_member(&member(2, Role::Dependent, 2)).await.unwrap();
    let token = sync.store.issue_instance_token(id(2), now).await.unwrap();
    let token = token.expose().to_owned();
    assert_eq!(send(sync.get("/sync/api/instances").bearer_auth(&token)).await.status, 200);
    (sync, token)
}

async fn a_dependent_knows_the_order_and_says_where_the_primary_is(store: TestStore) {
    let (dependent, token) = dependent(&store).await;
    let own = dependent.instance().await.id;
    for credential in [SECRET, &token] {
        let order = send(dependent.get("/sync/api/failover-order").bearer_auth(credential)).await;
        assert_eq!((order.status, &order.body["epoch"], &order.body["primary"]), (200, &json!(3), &json!(id(1))));
        assert_eq!((&order.body["instanceId"], &order.body["role"]), (&json!(own), &json!("dependent")));
        let listed = order.body["order"].as_array().unwrap();
        let ids: Vec<&Value> = listed.iter().map(|one| &one["instanceId"]).collect();
        assert_eq!(ids, [&json!(id(1)), &json!(id(2)), &json!(own)]);
        assert_eq!(
            (&listed[0]["failoverOrder"], &listed[0]["publicEndpoint"], &listed[0]["status"]),
            (&json!(1), &json!("http://192.0.2.1:3002"), &json!("active"))
        );
        let instances = send(dependent.get("/sync/api/instances").bearer_auth(credential)).await;
        assert_eq!(instances.body["instances"].as_array().unwrap().len(), 3);
    }
    let admin = dependent.admin().await;
    let served = ["instances", "failover-order", "promote"];
    for (method, path, body) in dependent.routes() {
        if served.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        for credential in [SECRET, &token, &admin] {
            let request = dependent.to(&method, &path, body.as_ref()).bearer_auth(credential);
            let refused = dependent.refused(request, 409, "not_primary").await;
            let message = refused.body["message"].as_str().unwrap();
            assert!(message.contains("http://192.0.2.1:3002"), "{method} {path}: {message}");
        }
    }
}

async fn an_admin_promotes_a_dependent_once(store: TestStore) {
    let (dependent, _) = dependent(&store).await;
    let admin = dependent.admin().await;
    let promote = |epoch: Value| {
        let body = json!({ "expectedEpoch": epoch, "reason": "the disk of the primary\nis broken" });
        dependent.post("/sync/api/promote", &body).bearer_auth(&admin)
    };
    for other in [json!(2), json!(4), json!(0), json!(-1), json!(i64::MIN), json!(i64::MAX), json!(1_i64 << 53)] {
        let refused = dependent.refused(promote(other), 409, "other_epoch").await;
        assert_eq!(refused.body["epoch"], 3);
    }
    for wrong in [json!(9_223_372_036_854_775_808_u64), json!("3"), json!(3.5), Value::Null] {
        let refused = dependent.refused(promote(wrong), 400, "bad_request").await;
        assert!(refused.body["message"].as_str().unwrap().starts_with("expectedEpoch: "), "{refused:?}");
    }
    let promoted = send(promote(json!(3))).await;
    let instance = dependent.instance().await;
    assert_eq!(
        (promoted.status, &promoted.body),
        (200, &json!({ "instanceId": instance.id, "role": "primary", "epoch": 4 }))
    );
    assert_eq!((instance.role, instance.epoch), (Role::Primary, 4));

    let replayed = dependent.refused(promote(json!(3)), 409, "other_epoch").await;
    assert_eq!(replayed.body["epoch"], 4);
    dependent.refused(promote(json!(4)), 409, "is_primary").await;
}

async fn nobody_but_an_admin_changes_who_leads(store: TestStore) {
    let (dependent, token) = dependent(&store).await;
    let (node, enrollment, key) = {
        // Their kinds are what counts: they are made before the instance becomes a dependent.
        let other = Sync::primary(&TestStore::new(store.engine()).await).await;
        (other.token("p1", "eu").await, other.enrollment_key(None).await, other.api_key().await)
    };
    let body = json!({ "expectedEpoch": 3, "reason": "mine" });
    let request = || dependent.post("/sync/api/promote", &body);
    for credential in [token.as_str(), SECRET] {
        dependent.refused(request().bearer_auth(credential), 403, "forbidden").await;
    }
    for credential in [node.as_str(), &enrollment, &key, "nonsense"] {
        dependent.refused(request().bearer_auth(credential), 401, "unauthorized").await;
    }
    dependent.refused(request().header("x-node-token", &node), 401, "unauthorized").await;
    dependent.refused(request().header("x-api-key", &key), 401, "unauthorized").await;
    dependent.refused(request(), 401, "unauthorized").await;
}

async fn the_primary_hands_over_to_the_first_that_is_there(store: TestStore) {
    let primary = Sync::primary(&store).await;
    let token = primary.register(1).await;
    assert_eq!(send(primary.get("/sync/api/instances").bearer_auth(&token)).await.status, 200);
    let (admin, own) = (primary.admin().await, primary.instance().await.id);
    let (node, enrollment) = (primary.token("p1", "eu").await, primary.enrollment_key(None).await);
    let demote = |id: String| primary.post(&format!("/sync/api/demote/{id}"), &json!({}));
    for credential in [token.as_str(), SECRET] {
        primary.refused(demote(own.to_string()).bearer_auth(credential), 403, "forbidden").await;
    }
    for credential in [node.as_str(), &enrollment] {
        primary.refused(demote(own.to_string()).bearer_auth(credential), 401, "unauthorized").await;
    }
    primary.refused(demote(id(1).to_string()).bearer_auth(&admin), 409, "not_primary").await;
    primary.refused(demote("x".to_owned()).bearer_auth(&admin), 400, "bad_request").await;
    // Its endpoint was never called back.
    primary.refused(demote(own.to_string()).bearer_auth(&admin), 409, "nobody").await;
    primary.store.note_called_back(id(1), Some(Timestamp::now())).await.unwrap();
    let begun = send(demote(own.to_string()).bearer_auth(&admin)).await;
    assert_eq!((begun.status, &begun.body), (202, &json!({ "instanceId": own, "role": "primary", "epoch": 1 })));
    assert_eq!(primary.store.handing_over_to().await.unwrap(), Some(id(1)));
    assert_eq!(primary.instance().await.leader.unwrap().url.as_deref(), Some(ADDRESS));
}

async fn an_instance_is_removed_with_its_token(store: TestStore) {
    let primary = Sync::primary(&store).await;
    let (token, other) = (primary.register(1).await, primary.register(2).await);
    for token in [&token, &other] {
        assert_eq!(send(primary.get("/sync/api/instances").bearer_auth(token)).await.status, 200);
    }
    let admin = primary.admin().await;
    let (node, enrollment) = (primary.token("p1", "eu").await, primary.enrollment_key(None).await);
    let remove = |id: &str| primary.request(reqwest::Method::DELETE, &format!("/sync/api/instances/{id}"));
    let one = id(1).to_string();
    for credential in [token.as_str(), &other, SECRET] {
        primary.refused(remove(&one).bearer_auth(credential), 403, "forbidden").await;
    }
    for credential in [node.as_str(), &enrollment] {
        primary.refused(remove(&one).bearer_auth(credential), 401, "unauthorized").await;
    }
    primary.refused(remove(&Uuid::from_u128(99).to_string()).bearer_auth(&admin), 404, "not_found").await;
    primary.refused(remove("x").bearer_auth(&admin), 400, "bad_request").await;
    assert_eq!(send(remove(&one).bearer_auth(&admin)).await.status, 204);
    primary.refused(primary.get("/sync/api/instances").bearer_auth(&token), 401, "unauthorized").await;
    let left = send(primary.get("/sync/api/instances").bearer_auth(&other)).await;
    assert_eq!(left.body["instances"].as_array().unwrap().len(), 2);
}
