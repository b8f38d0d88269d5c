//! `/api/announcements`, and how the operator makes them.

use easytier_uptime_hub::service::password;
use easytier_uptime_store::domain::Timestamp;
use serde_json::{Value, json};

use crate::{
    hub::{TestHub, send},
    support::{Engine, TestStore},
};

#[tokio::test]
async fn an_announcement_is_public_until_it_ends() {
    let store = TestStore::new(Engine::Sqlite).await;
    let hub = TestHub::on(&store).await;
    password::set(&hub.store, &"a password".into(), Timestamp::now()).await.unwrap();
    let login = send(hub.post("/api/admin/login", &json!({ "password": "a password" }))).await;
    let admin = login.body["data"]["token"].as_str().unwrap().to_owned();
    let public = async || send(hub.get("/api/announcements")).await.body["data"].clone();
    let announce = async |body: Value| send(hub.post("/api/admin/announcements", &body).bearer_auth(&admin)).await;
    assert_eq!(public().await, json!([]));

    let made = announce(json!({ "severity": "warning", "english": " Tokyo is away ", "hours": 2 })).await;
    assert_eq!(made.status, 200, "{made:?}");
    let id = made.body["data"].as_i64().unwrap();
    let shown = public().await;
    assert_eq!((&shown[0]["id"], &shown[0]["severity"]), (&json!(id), &json!("warning")));
    assert_eq!((&shown[0]["english"], &shown[0]["chinese"]), (&json!("Tokyo is away"), &Value::Null));
    assert!(shown[0]["ends_at"].is_string());

    let end = || hub.request(reqwest::Method::DELETE, &format!("/api/admin/announcements/{id}"));
    assert_eq!(send(end()).await.status, 401, "a stranger");
    assert_eq!(send(end().bearer_auth(&admin)).await.status, 200);
    assert_eq!(public().await, json!([]));
    assert_eq!(send(end().bearer_auth(&admin)).await.status, 404);
    let all = send(hub.get("/api/admin/announcements").bearer_auth(&admin)).await;
    assert_eq!(all.body["data"].as_array().unwrap().len(), 1);

    for (wrong, field) in [
        (json!({}), "english"),
        (json!({ "english": "  " }), "english"),
        (json!({ "chinese": "x".repeat(501) }), "chinese"),
        (json!({ "english": "two\nlines" }), "english"),
        (json!({ "english": "x", "hours": 0 }), "hours"),
        (json!({ "english": "x", "hours": 8761 }), "hours"),
        (json!({ "english": "x", "severity": "huge" }), "severity"),
    ] {
        let refused = announce(wrong.clone()).await;
        let message = refused.body["error"].as_str().unwrap_or_default();
        assert!(refused.status == 400 && message.contains(field), "{wrong}: {refused:?}");
    }
    assert_eq!(send(hub.post("/api/admin/announcements", &json!({ "english": "x" }))).await.status, 401);
}
