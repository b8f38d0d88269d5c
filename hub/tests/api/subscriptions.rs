//! What the operator sees of subscriptions by mail, and does.

use std::time::Duration;

use easytier_uptime_hub::service::password;
use easytier_uptime_store::domain::Timestamp;
use serde_json::{Value, json};

use crate::{
    hub::{TestHub, send},
    support::{Engine, TestStore},
};

#[tokio::test]
async fn the_operator_counts_mailboxes_and_removes_one_by_its_address() {
    let store = TestStore::new(Engine::Sqlite).await;
    let hub =
        TestHub::with(&store, |options| options.public_url = Some("https://status.example".parse().unwrap())).await;
    let node = hub.peer("tcp://192.0.2.1:11010").await;
    password::set(&hub.store, &"a password".into(), Timestamp::now()).await.unwrap();
    let login = send(hub.post("/api/admin/login", &json!({ "password": "a password" }))).await;
    let admin = login.body["data"]["token"].as_str().unwrap().to_owned();
    let overview = async || send(hub.get("/api/admin/subscriptions").bearer_auth(&admin)).await.body["data"].clone();
    let none = json!({
        "offered": false, "channel": null, "mailboxes": 0, "subscriptions": 0, "unconfirmed": 0, "waiting": 0
    });
    assert_eq!(overview().await, none);

    let settings = json!({
        "server": "smtp.example", "from": "uptime@status.example", "to": "ops@status.example", "subscriptions": "yes"
    });
    let channel = json!({ "name": "post", "kind": "mail", "settings": settings });
    assert_eq!(send(hub.post("/api/admin/channels", &channel).bearer_auth(&admin)).await.status, 200);
    let ask = hub.request(reqwest::Method::POST, &format!("/nodes/{node}/subscribe")).header("origin", &hub.url);
    let asked = send(ask.body("address=Reader%2Bnodes%40example.net")).await;
    assert_eq!(asked.status, 200, "{asked:?}");
    let one = overview().await;
    assert_eq!((&one["offered"], &one["channel"]), (&json!(true), &json!("post")));
    assert_eq!((&one["mailboxes"], &one["unconfirmed"], &one["waiting"]), (&json!(0), &json!(1), &json!(1)));

    let remove = async |address: &str| {
        let body = json!({ "address": address });
        send(hub.post("/api/admin/subscriptions/remove", &body).bearer_auth(&admin)).await.status
    };
    assert_eq!(remove("nobody").await, 400);
    assert_eq!(remove("other@example.net").await, 404);
    assert_eq!(remove("reader+NODES@example.net").await, 200);
    assert_eq!((&overview().await["unconfirmed"], &overview().await["waiting"]), (&json!(0), &json!(0)));
    assert!(store.claim_mails(Duration::from_secs(1), 10, Timestamp::now()).await.unwrap().is_empty());
    let stranger = send(hub.get("/api/admin/subscriptions")).await;
    assert_eq!((stranger.status, &stranger.body["data"]), (401, &Value::Null));
}
