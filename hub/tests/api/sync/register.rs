//! `POST /sync/api/register`.

use data_encoding::BASE64;
use easytier_uptime_store::domain::Role;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{SECRET, Sync, example, id};
use crate::{
    hub::send,
    support::{TestStore, on_both_engines},
};

on_both_engines! {
    another_program_registers_as_the_contract_says,
    a_known_instance_gets_a_new_token_and_the_old_one_ends_when_that_is_used,
    an_instance_registers_with_the_secret_only,
    a_field_that_is_not_valid_is_named,
    another_cluster_and_the_primary_itself_are_refused,
}

async fn another_program_registers_as_the_contract_says(store: TestStore) {
    let primary = Sync::primary(&store).await;
    let reply = send(primary.post("/sync/api/register", &example()).bearer_auth(SECRET)).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    let instance = primary.instance().await;
    let told = &reply.body;
    assert_eq!(told["instanceId"], example()["instanceId"]);
    assert_eq!((&told["role"], &told["epoch"]), (&json!("dependent"), &json!(1)));
    assert_eq!(told["clusterId"], json!(instance.cluster.unwrap()));
    assert_eq!((&told["heartbeatInterval"], &told["syncInterval"]), (&json!(60_000), &json!(30_000)));
    assert_eq!((&told["primaryId"], &told["primaryName"]), (&json!(instance.id), &json!("Primary")));
    assert_eq!(told["publicKey"], json!(BASE64.encode(&primary.store.sealing_key().await.unwrap().public)));

    let token = told["token"].as_str().unwrap();
    let list = send(primary.get("/sync/api/instances").bearer_auth(token)).await;
    let listed = list.body["instances"].as_array().unwrap();
    let find = |id: &Value| listed.iter().find(|one| one["instanceId"] == *id).unwrap();
    let other = find(&example()["instanceId"]);
    for field in ["instanceName", "location", "capabilities", "failoverOrder", "publicEndpoint", "systemInfo"] {
        assert_eq!(other[field], example()[field], "{field}");
    }
    assert_eq!(
        (&other["status"], &other["role"], &other["calledBack"]),
        (&json!("active"), &json!("dependent"), &json!(false))
    );
    assert_eq!(other["syncStatus"]["status"], "pending");
    let own = find(&json!(instance.id));
    assert_eq!(
        (&own["status"], &own["role"], &own["instanceName"]),
        (&json!("active"), &json!("primary"), &json!("Primary"))
    );
    assert_eq!(own["syncStatus"]["configHash"].as_str().unwrap().len(), 16);
    assert_eq!(own["syncStatus"]["syncVersion"], json!(instance.config.to_string()));
    assert_eq!(listed[0], *other, "the lower order comes first");
}

async fn a_known_instance_gets_a_new_token_and_the_old_one_ends_when_that_is_used(store: TestStore) {
    let primary = Sync::primary(&store).await;
    let status = async |token: &str| send(primary.get("/sync/api/instances").bearer_auth(token)).await.status;
    let old = primary.register(1).await;
    assert_eq!(status(&old).await, 200);
    let new = primary.register(1).await;
    assert_eq!(status(&old).await, 200, "the new one was not used yet");
    assert_eq!(status(&new).await, 200);
    assert_eq!((status(&old).await, status(&new).await), (401, 200));
    assert_eq!(primary.store.members().await.unwrap().len(), 1);
}

async fn an_instance_registers_with_the_secret_only(store: TestStore) {
    let primary = Sync::primary(&store).await;
    let (one, other) = (primary.register(1).await, primary.register(2).await);
    for token in [&one, &other] {
        assert_eq!(send(primary.get("/sync/api/instances").bearer_auth(token)).await.status, 200);
    }
    let admin = primary.admin().await;
    let (node, enrollment, key) =
        (primary.token("p1", "eu").await, primary.enrollment_key(None).await, primary.api_key().await);
    let again = primary.registration(1);
    let request = || -> RequestBuilder { primary.post("/sync/api/register", &again) };
    primary.refused(request().bearer_auth(&other), 409, "other_instance").await;
    primary.refused(request().bearer_auth(&one), 403, "forbidden").await;
    primary.refused(request().bearer_auth(&admin), 403, "forbidden").await;
    primary.refused(request(), 401, "unauthorized").await;
    primary.refused(request().bearer_auth(&key), 403, "forbidden").await;
    for wrong in [node.as_str(), &enrollment, "", &SECRET[1..], &format!("{SECRET}x")] {
        primary.refused(request().bearer_auth(wrong), 401, "unauthorized").await;
    }
    let refused = primary.refused(request().header("x-node-token", &node), 401, "unauthorized").await;
    assert_eq!(refused.headers["www-authenticate"], "Bearer");
}

async fn a_field_that_is_not_valid_is_named(store: TestStore) {
    let primary = Sync::primary(&store).await;
    for (field, wrong) in [
        ("instanceId", json!("one")),
        ("instanceName", json!("")),
        ("instanceName", json!("a/b")),
        ("instanceName", json!("x".repeat(256))),
        ("location", json!("two\nlines")),
        ("latitude", json!(90.5)),
        ("longitude", json!(-181)),
        ("version", json!(" ")),
        ("version", Value::Null),
        ("capabilities", json!(vec!["x"; 65])),
        ("capabilities", json!("tcp")),
        ("failoverOrder", json!(-1)),
        ("failoverOrder", json!(1_000_001)),
        ("failoverOrder", json!(9_223_372_036_854_775_808_u64)),
        ("publicEndpoint", json!("ftp://eu.example.net")),
        ("publicEndpoint", json!("https://user:word@eu.example.net")),
        ("publicEndpoint", json!("eu.example.net:3002")),
        ("publicKey", json!("c2hvcnQ=")),
        ("publicKey", json!("not base64")),
        // A point for which every shared secret is zero.
        ("publicKey", json!(BASE64.encode(&[0; 32]))),
        ("systemInfo", json!({ "more": "x".repeat(17_000) })),
        ("clusterId", json!(5)),
    ] {
        let mut register = primary.registration(1);
        register[field] = wrong;
        let request = primary.post("/sync/api/register", &register).bearer_auth(SECRET);
        let refused = primary.refused(request, 400, "bad_request").await;
        assert!(refused.body["message"].as_str().unwrap().starts_with(field), "{field}: {refused:?}");
    }
}

async fn another_cluster_and_the_primary_itself_are_refused(store: TestStore) {
    let primary = Sync::primary(&store).await;
    let mut other = primary.registration(1);
    other["clusterId"] = json!(Uuid::from_u128(77));
    primary.refused(primary.post("/sync/api/register", &other).bearer_auth(SECRET), 409, "other_cluster").await;
    let mut copy = primary.registration(1);
    copy["instanceId"] = json!(primary.instance().await.id);
    primary.refused(primary.post("/sync/api/register", &copy).bearer_auth(SECRET), 409, "same_instance").await;
    other["clusterId"] = json!(primary.instance().await.cluster);
    let known = send(primary.post("/sync/api/register", &other).bearer_auth(SECRET)).await;
    assert_eq!(known.status, 201);
    let member = primary.store.member(id(1)).await.unwrap().unwrap();
    assert_eq!((member.role, member.name.as_str()), (Role::Dependent, "Instance-1"));
}
