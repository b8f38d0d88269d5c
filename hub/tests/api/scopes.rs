//! What an API key may do: each scope opens its own routes and no other.

use axum::http::{Request, StatusCode};
use easytier_uptime_store::domain::{Scope, Timestamp};
use serde_json::{Value as Json, json};

use crate::{
    http::{PublicHub, Reply},
    support::{Engine, TestStore, on_both_engines},
};

on_both_engines! {
    a_key_with_the_scope_manages_nodes,
}

/// The routes that need a credential, and the scopes of a key that open them. The admin may do all.
const ROUTES: [(&str, &str, &[Scope]); 35] = [
    ("GET", "/api/discovery/servers", &[Scope::Read]),
    ("GET", "/peers", &[Scope::Read]),
    ("GET", "/metrics", &[Scope::Metrics]),
    ("GET", "/metrics/nodes", &[Scope::Metrics, Scope::Read]),
    ("GET", "/api/admin/nodes", &[Scope::Peers]),
    ("POST", "/api/admin/nodes", &[Scope::Peers]),
    ("PUT", "/api/admin/nodes/77", &[Scope::Peers]),
    ("PUT", "/api/admin/nodes/77/approve", &[Scope::Peers]),
    ("PUT", "/api/admin/nodes/77/revoke", &[Scope::Peers]),
    ("DELETE", "/api/admin/nodes/77", &[Scope::Peers]),
    ("POST", "/api/admin/submissions", &[Scope::Peers]),
    ("DELETE", "/api/admin/probes/nobody", &[Scope::Nodes]),
    ("GET", "/v1/nodes", &[Scope::Nodes]),
    ("POST", "/v1/nodes", &[Scope::Nodes]),
    ("PUT", "/v1/nodes/77", &[Scope::Nodes]),
    ("DELETE", "/v1/nodes/77", &[Scope::Nodes]),
    ("POST", "/v1/nodes/77/push", &[Scope::Nodes]),
    ("GET", "/api/admin/regions", &[Scope::Nodes]),
    ("PUT", "/api/admin/regions/nowhere", &[Scope::Nodes]),
    ("DELETE", "/api/admin/regions/nowhere", &[Scope::Nodes]),
    ("GET", "/api/admin/nodes/77", &[Scope::Peers]),
    ("POST", "/api/admin/apply", &[Scope::Peers]),
    ("GET", "/api/admin/status", &[Scope::Read]),
    ("GET", "/api/admin/events", &[Scope::Audit]),
    ("GET", "/api/admin/settings", &[Scope::Settings]),
    ("PUT", "/api/admin/settings/FLAP_DAMPING", &[Scope::Settings]),
    ("GET", "/api/admin/channels", &[]),
    ("POST", "/api/admin/channels", &[]),
    ("GET", "/api/admin/alerts", &[]),
    ("GET", "/api/admin/maintenance", &[]),
    ("POST", "/api/admin/maintenance", &[]),
    ("POST", "/api/admin/announcements", &[]),
    ("GET", "/api/admin/sources", &[]),
    ("GET", "/api/admin/subscriptions", &[]),
    ("GET", "/api/admin/verify", &[]),
];

async fn hub(store: TestStore) -> PublicHub {
    PublicHub::with(store, |options| options.metrics_token = Some("for scrapers".into())).await
}

async fn key(hub: &PublicHub, scopes: &[Scope]) -> String {
    let scopes = scopes.iter().copied().collect();
    let issued = hub.create_scoped_api_key("robot", &scopes, None, Timestamp::now()).await.unwrap();
    issued.token.expose().to_owned()
}

async fn send(hub: &PublicHub, key: &str, method: &str, path: &str, body: &Json) -> Reply {
    let request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {key}"));
    hub.send(request, if body.is_null() { String::new() } else { body.to_string() }).await
}

#[tokio::test]
async fn each_scope_opens_its_own_routes_and_no_other() {
    let hub = hub(TestStore::new(Engine::Sqlite).await).await;
    let mut keys = vec![(None, key(&hub, &[]).await)];
    for scope in Scope::ALL {
        keys.push((Some(scope), key(&hub, &[scope]).await));
    }
    for (method, path, scopes) in ROUTES {
        for (scope, key) in &keys {
            let body = if method == "GET" { Json::Null } else { json!({}) };
            let reply = send(&hub, key, method, path, &body).await;
            let is_open = scope.is_some_and(|scope| scopes.contains(&scope));
            let is_refused = matches!(reply.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
            assert_eq!(!is_refused, is_open, "{method} {path} with {scope:?}: {reply:?}");
            if is_refused && !scopes.is_empty() {
                let missing = format!("the API key has no scope '{}'", scopes[0].as_str());
                assert!(reply.text().contains(&missing), "{method} {path} with {scope:?}: {reply:?}");
            }
        }
    }
}

async fn a_key_with_the_scope_manages_nodes(store: TestStore) {
    let hub = hub(store).await;
    let key = key(&hub, &[Scope::Peers]).await;
    let call = async |method: &str, path: &str, body: Json| send(&hub, &key, method, path, &body).await;
    let secret = json!({
        "name": "Shanghai", "host": "192.0.2.7", "port": 11010, "protocol": "udp", "tags": ["cn"], "regions": ["eu"],
        "network_name": "home", "network_secret": "a secret", "timeout_ms": 900,
    });
    let added = call("POST", "/api/admin/nodes", secret.clone()).await.data();
    let id = added["id"].as_i64().unwrap();
    for (field, value) in [
        ("name", json!("Shanghai")),
        ("address", json!("udp://192.0.2.7:11010")),
        ("regions", json!(["eu"])),
        ("timeout_ms", json!(900)),
        ("has_secret", json!(true)),
        ("is_approved", json!(true)),
        ("submitted", json!(false)),
        ("network_secret", Json::Null),
    ] {
        assert_eq!(added[field], value, "{field}");
    }
    call("POST", "/api/admin/nodes", secret).await.refusal(StatusCode::CONFLICT);
    let refused = call("POST", "/api/admin/nodes", json!({ "name": "nowhere" })).await.refusal(StatusCode::BAD_REQUEST);
    assert!(refused.contains("host"), "{refused}");
    let path = format!("/api/admin/nodes/{id}");
    assert_eq!(call("PUT", &path, json!({ "name": "Beijing" })).await.data()["name"], "Beijing");
    assert_eq!(call("PUT", &format!("{path}/revoke"), Json::Null).await.data()["is_approved"], false);
    assert_eq!(call("PUT", &format!("{path}/approve"), Json::Null).await.data()["is_approved"], true);
    let listed = call("GET", "/api/admin/nodes", Json::Null).await;
    assert_eq!(listed.data()["total"], 1);
    assert!(!listed.text().contains("a secret"), "{}", listed.text());
    assert_eq!(call("DELETE", &path, Json::Null).await.status, StatusCode::OK);
    assert_eq!(call("GET", "/api/admin/nodes", Json::Null).await.data()["total"], 0);
}
