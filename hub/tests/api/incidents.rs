//! `/api/incidents`, and what the operator writes to them.

use easytier_uptime_hub::service::password;
use easytier_uptime_store::domain::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    hub::{TestHub, send},
    outage::Outage,
    support::{Engine, TestStore, seconds},
};

#[tokio::test]
async fn incidents_are_public_and_the_operator_writes_to_them() {
    let store = TestStore::new(Engine::Sqlite).await;
    let hub = TestHub::on(&store).await;
    let nodes = [hub.peer("tcp://192.0.2.1:11010").await, hub.peer("tcp://192.0.2.2:11010").await];
    let lonely = hub.peer("tcp://198.51.100.1:11010").await;
    let mut outage = Outage::begin(&store, Timestamp::now() - seconds(150)).await;
    outage.see(&[nodes[0], nodes[1], lonely], &[]).await;
    outage.see(&[lonely], &nodes).await;
    let list = async |query: &str| send(hub.get(&format!("/api/incidents{query}"))).await;
    let reply = list("").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let items = &reply.body["data"]["items"];
    assert_eq!((&items[0]["id"], &items[0]["state"], &items[0]["node_count"]), (&json!(1), &json!("open"), &json!(2)));
    assert_eq!(items[0]["cause"], json!({ "kind": "network", "value": "192.0.2.0/24" }));
    assert_eq!((&items[0]["nodes"][0]["status"], &items[0]["closed_at"]), (&json!("down"), &Value::Null));
    assert_eq!(list("?state=closed").await.body["data"]["total"], 0);
    assert_eq!(list(&format!("?state=open&node_id={}", nodes[1])).await.body["data"]["total"], 1);
    assert_eq!(list(&format!("?node_id={lonely}")).await.body["data"]["total"], 0);
    for wrong in ["?state=half", "?node_id=0", "?page=0", "?per_page=101"] {
        assert_eq!(list(wrong).await.status, 400, "{wrong}");
    }

    let one = async || send(hub.get("/api/incidents/1")).await.body["data"].clone();
    let entry = one().await["timeline"][0].clone();
    assert_eq!((&entry["kind"], &entry["status"], &entry["node_count"]), (&json!("opened"), &json!("down"), &json!(2)));
    let region = json!({ "region": "eu", "online": 0, "offline": 2, "stage": "connect", "code": "connect_refused" });
    assert_eq!(entry["regions"], json!([region]));
    assert!(!entry.to_string().contains("\"p\""), "names of probes are for the operator: {entry}");
    for missing in ["9", "0", "x"] {
        let status = send(hub.get(&format!("/api/incidents/{missing}"))).await.status;
        assert_eq!(status, if missing == "9" { 404 } else { 400 }, "{missing}");
    }

    password::set(&hub.store, &"a password".into(), Timestamp::now()).await.unwrap();
    let login = send(hub.post("/api/admin/login", &json!({ "password": "a password" }))).await;
    let admin = login.body["data"]["token"].as_str().unwrap().to_owned();
    let call = async |method: Method, path: &str, body: Value| {
        send(hub.request(method, &format!("/api/admin/incidents/{path}")).json(&body).bearer_auth(&admin)).await
    };
    assert_eq!(call(Method::POST, "1/posts", json!({ "english": " On it. ", "chinese": "处理中" })).await.status, 200);
    assert_eq!(call(Method::PUT, "1/name", json!({ "chinese": "机房断电" })).await.status, 200);
    let named = one().await;
    assert_eq!((&named["english"], &named["chinese"]), (&Value::Null, &json!("机房断电")));
    let posted = named["timeline"].as_array().unwrap().iter().find(|entry| entry["kind"] == "posted").unwrap();
    assert_eq!((&posted["english"], &posted["chinese"]), (&json!("On it."), &json!("处理中")));
    for (path, body) in [
        ("1/posts", json!({})),
        ("1/posts", json!({ "english": "two\nlines" })),
        ("1/posts", json!({ "chinese": "x".repeat(1001) })),
        ("0/posts", json!({ "english": "x" })),
    ] {
        assert_eq!(call(Method::POST, path, body.clone()).await.status, 400, "{path}: {body}");
    }
    assert_eq!(call(Method::PUT, "1/name", json!({ "english": "x".repeat(201) })).await.status, 400);
    assert_eq!(call(Method::POST, "9/posts", json!({ "english": "x" })).await.status, 404);
    assert_eq!(call(Method::POST, "1/close", json!({})).await.status, 200);
    assert_eq!(call(Method::POST, "1/close", json!({})).await.status, 404);
    assert_eq!(one().await["state"], "closed");
    for path in ["posts", "close"] {
        let stranger = send(hub.post(&format!("/api/admin/incidents/1/{path}"), &json!({ "english": "x" }))).await;
        assert_eq!(stranger.status, 401, "{path}");
    }
}
