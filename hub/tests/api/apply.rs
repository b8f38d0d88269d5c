//! `POST /api/admin/apply`.

use axum::http::{Request, StatusCode};
use easytier_uptime_hub::service::password;
use easytier_uptime_store::domain::{Scope, Timestamp};
use serde_json::{Value as Json, json};

use crate::{
    http::{PublicHub, Reply},
    support::{TestStore, on_both_engines},
};

on_both_engines! {
    a_key_applies_peers_and_nothing_else,
    the_admin_applies_everything_or_nothing,
}

async fn post(hub: &PublicHub, bearer: &str, document: &Json) -> Reply {
    let request = Request::post("/api/admin/apply").header("authorization", format!("Bearer {bearer}"));
    hub.send(request, document.to_string()).await
}

fn steps(reply: &Reply) -> Vec<String> {
    let data = reply.data();
    let steps = data["steps"].as_array().unwrap().iter();
    steps.map(|step| format!("{} {} {}", step["action"], step["kind"], step["name"]).replace('"', "")).collect()
}

async fn a_key_applies_peers_and_nothing_else(store: TestStore) {
    let hub = PublicHub::over(store).await;
    let key = hub.create_scoped_api_key("robot", &[Scope::Peers].into(), None, Timestamp::now()).await.unwrap();
    let apply = async |document: Json| post(&hub, key.token.expose(), &document).await;
    let (one, two) = (json!({ "url": "tcp://192.0.2.1:11010" }), json!({ "url": "tcp://192.0.2.2:11010" }));
    let both = json!({ "peers": [one, two], "dry_run": true });
    let added = ["add peer tcp://192.0.2.1:11010", "add peer tcp://192.0.2.2:11010"];
    assert_eq!(steps(&apply(both.clone()).await), added);
    assert_eq!(hub.export_peers().await.unwrap(), [], "nothing was changed");
    assert_eq!(steps(&apply(json!({ "peers": both["peers"] })).await), added);
    let secret = json!({ "url": "tcp://192.0.2.1:11010", "network_name": "home", "network_secret": "h0me-s3cret" });
    let pruned = apply(json!({ "peers": [secret], "prune": true })).await;
    assert!(!pruned.text().contains("h0me-s3cret"), "{pruned:?}");
    assert_eq!(
        steps(&pruned),
        ["add peer tcp://192.0.2.1:11010", "remove peer tcp://192.0.2.1:11010", "remove peer tcp://192.0.2.2:11010"]
    );
    for kind in ["channels", "maintenance"] {
        let refused = apply(json!({ kind: [], "prune": true })).await.refusal(StatusCode::FORBIDDEN);
        assert!(refused.contains("for the admin"), "{refused}");
    }
    for (wrong, words) in [
        (json!({ "peers": [one, { "url": "nonsense" }] }), "peers 2: "),
        (json!({ "peers": [one, one] }), "is there twice"),
        (json!({ "peers": [{ "url": "tcp://192.0.2.3:1", "network_secret_file": "/etc/passwd" }] }), "has no field"),
        (json!({ "peers": 7 }), "'peers' is no list"),
    ] {
        let refused = apply(wrong).await.refusal(StatusCode::BAD_REQUEST);
        assert!(refused.contains(words), "{refused}");
    }
    assert_eq!(hub.export_peers().await.unwrap().len(), 1);
}

async fn the_admin_applies_everything_or_nothing(store: TestStore) {
    let hub = PublicHub::over(store).await;
    password::set(&hub.store, &"the admin's password".into(), Timestamp::now()).await.unwrap();
    let session = hub.post("/api/admin/login", &json!({ "password": "the admin's password" })).await.data();
    let apply = async |document: Json| post(&hub, session["token"].as_str().unwrap(), &document).await;
    let document = json!({
        "peers": [{ "url": "tcp://192.0.2.1:11010" }],
        "channels": [{ "name": "ops", "kind": "webhook", "settings": { "url": "https://example.com/" }, "rules": [{ "on": ["down"] }] }],
        "maintenance": [{ "title": "Updates", "all": true, "start": "2031-01-31T02:00", "time_zone": "UTC", "minutes": 90 }],
    });
    let mut wrong = document.clone();
    wrong["maintenance"][0]["minutes"] = json!(0);
    apply(wrong).await.refusal(StatusCode::BAD_REQUEST);
    assert_eq!(hub.export_peers().await.unwrap(), []);
    let added = ["add peer tcp://192.0.2.1:11010", "add maintenance Updates", "add channel ops"];
    assert_eq!(steps(&apply(document.clone()).await), added);
    assert_eq!(steps(&apply(document).await), [""; 0], "a second time there is nothing to do");
}
