//! The audit log over HTTP: who changed what from where, and which authentications failed.

use std::collections::BTreeMap;

use axum::http::{Request, StatusCode};
use easytier_uptime_hub::service::password;
use easytier_uptime_store::domain::{CredentialKind, DAY, PeerSpec, Scope, Timestamp};
use serde_json::{Value as Json, json};

use crate::{
    http::{PublicHub, Reply},
    support::{Engine, TestStore, on_both_engines, spec},
};

on_both_engines! {
    changes_are_listed_with_who_made_them_and_from_where,
}

const PASSWORD: &str = "correct horse battery staple";

async fn start(store: TestStore) -> PublicHub {
    password::set(&store, &PASSWORD.into(), Timestamp::now()).await.unwrap();
    PublicHub::with(store, |options| options.metrics_token = Some("metrics secret".into())).await
}

/// A request of a caller at an address.
async fn from(hub: &PublicHub, address: &str, method: &str, path: &str, bearer: &str, body: &Json) -> Reply {
    let request = Request::builder().method(method).uri(path).header("x-forwarded-for", address);
    let request = if bearer.is_empty() { request } else { request.header("authorization", format!("Bearer {bearer}")) };
    let body = if body.is_null() { String::new() } else { body.to_string() };
    hub.send(request, body).await
}

async fn log_in(hub: &PublicHub, address: &str) -> String {
    let reply = from(hub, address, "POST", "/api/admin/login", "", &json!({ "password": PASSWORD })).await;
    reply.data()["token"].as_str().unwrap().to_owned()
}

/// The events that a query selects, the oldest first.
async fn events(hub: &PublicHub, session: &str, query: &str) -> Vec<Json> {
    let path = format!("/api/admin/events?{query}");
    let data = from(hub, "192.0.2.1", "GET", &path, session, &Json::Null).await.data();
    data["events"].as_array().unwrap().iter().rev().cloned().collect()
}

async fn changes_are_listed_with_who_made_them_and_from_where(store: TestStore) {
    let secret = PeerSpec {
        network_name: Some("home".into()),
        network_secret: Some("network secret".into()),
        ..spec("tcp://192.0.2.9:11010")
    };
    let peer = store.add_peer(&secret, Timestamp::now()).await.unwrap();
    let hub = start(store).await;
    let session = log_in(&hub, "192.0.2.7").await;
    let path = format!("/api/admin/nodes/{}", peer.0);
    let change = json!({ "name": "new name", "tags": ["x"], "network_secret": "another secret" });
    from(&hub, "192.0.2.8", "PUT", &path, &session, &change).await.data();
    from(&hub, "2001:db8::8", "DELETE", &path, &session, &Json::Null).await;
    let refused = from(&hub, "192.0.2.8", "DELETE", &path, &session, &Json::Null).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND, "{refused:?}");

    let changes = events(&hub, &session, "kind=change&actor=admin").await;
    let shown: Vec<_> = changes
        .iter()
        .map(|event| {
            let text = |name: &str| event[name].as_str().unwrap().to_owned();
            (text("action"), text("object_name"), text("detail"), text("source"))
        })
        .collect();
    let row = |action: &str, name: &str, detail: &str, source: &str| {
        (action.to_owned(), name.to_owned(), detail.to_owned(), source.to_owned())
    };
    let expected = [
        row("session.start", "", "", "192.0.2.7"),
        row("peer.change", "new name", "name, network_secret, tags", "192.0.2.8"),
        row("peer.remove", "new name", "", "2001:db8::8"),
    ];
    assert_eq!(shown, expected);
    let who = changes[0]["object_id"].as_str().unwrap();
    assert!(changes.iter().all(|event| event["actor"] == json!({ "kind": "admin", "name": who })), "{changes:?}");

    let all = format!("{:?}", events(&hub, &session, "").await);
    for secret in ["secret\"", "network secret", "another secret", PASSWORD, session.as_str()] {
        assert!(!all.contains(secret), "{secret}: {all}");
    }
    let page = from(&hub, "192.0.2.1", "GET", "/api/admin/events?limit=2", &session, &Json::Null).await.data();
    let before = page["next_before"].as_i64().unwrap();
    let rest = events(&hub, &session, &format!("before={before}")).await;
    assert!(!rest.is_empty() && rest.iter().all(|event| event["id"].as_i64().unwrap() < before), "{rest:?}");
    for query in ["kind=moon", "actor=moon", "object=moon", "limit=0", "before=x"] {
        let refused =
            from(&hub, "192.0.2.1", "GET", &format!("/api/admin/events?{query}"), &session, &Json::Null).await;
        refused.refusal(StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn failed_authentications_are_counted_by_kind_and_source() {
    let hub = start(TestStore::new(Engine::Sqlite).await).await;
    let now = Timestamp::now();
    let issue = async |scopes: &[Scope], expires_at| {
        let scopes = scopes.iter().copied().collect();
        hub.create_scoped_api_key("robot", &scopes, expires_at, now).await.unwrap().token.expose().to_owned()
    };
    let (none, over) = (issue(&[], None).await, issue(&[Scope::Read], Some(now - DAY)).await);
    let session = log_in(&hub, "192.0.2.7").await;

    let wrong = json!({ "password": "wrong" });
    for _ in 0..3 {
        from(&hub, "198.51.100.1", "POST", "/api/admin/login", "", &wrong).await.refusal(StatusCode::UNAUTHORIZED);
    }
    for (path, bearer, status) in [
        ("/api/admin/nodes", "no-session", StatusCode::UNAUTHORIZED),
        ("/api/discovery/servers", "eta_0011223344556677_unknown", StatusCode::UNAUTHORIZED),
        ("/api/discovery/servers", over.as_str(), StatusCode::UNAUTHORIZED),
        ("/api/discovery/servers", none.as_str(), StatusCode::FORBIDDEN),
        ("/metrics", "wrong", StatusCode::UNAUTHORIZED),
    ] {
        let reply = from(&hub, "2001:db8:0:1::7", "GET", path, bearer, &Json::Null).await;
        assert_eq!(reply.status, status, "{path}: {reply:?}");
    }
    // Who presents nothing fails at nothing.
    from(&hub, "198.51.100.2", "GET", "/api/admin/nodes", "", &Json::Null).await.refusal(StatusCode::UNAUTHORIZED);

    let failures = events(&hub, &session, "kind=failure").await;
    let counts = |kind: &str| -> i64 {
        failures.iter().filter(|one| one["action"] == kind).map(|one| one["count"].as_i64().unwrap()).sum()
    };
    let network = "2001:db8:0:1::/64";
    // Three failures may be in two minutes.
    let found: BTreeMap<_, _> = failures
        .iter()
        .map(|one| one["action"].as_str().unwrap())
        .map(|kind| {
            (
                kind,
                (counts(kind), failures.iter().find(|one| one["action"] == kind).unwrap()["source"].as_str().unwrap()),
            )
        })
        .collect();
    let expected = BTreeMap::from([
        ("password", (3, "198.51.100.1")),
        ("session", (1, network)),
        ("token", (1, network)),
        ("lapsed", (1, network)),
        ("scope", (1, network)),
        ("metrics", (1, network)),
    ]);
    assert_eq!(found, expected);
    let scope = failures.iter().find(|event| event["action"] == "scope").unwrap();
    assert_eq!(scope["actor"], json!({ "kind": "key", "name": "robot" }));
    let metrics = from(&hub, "192.0.2.1", "GET", "/metrics", "metrics secret", &Json::Null).await;
    for (kind, count) in [("password", 3), ("session", 1), ("lapsed", 1), ("scope", 1), ("metrics", 1), ("link", 0)] {
        let line = format!("easytier_uptime_auth_failures_total{{kind=\"{kind}\"}} {count}\n");
        assert!(metrics.text().contains(&line), "{line} is missing");
    }
}

#[tokio::test]
async fn a_flood_of_wrong_tokens_is_few_rows() {
    let hub = start(TestStore::new(Engine::Sqlite).await).await;
    for nth in 0..80 {
        let address = format!("198.51.100.{nth}");
        let reply = from(&hub, &address, "GET", "/peers", &format!("wrong-{nth}"), &Json::Null).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{reply:?}");
    }
    let session = log_in(&hub, "192.0.2.7").await;
    let failures = events(&hub, &session, "kind=failure").await;
    // The minute may end meanwhile.
    assert!(failures.len() <= 2 * 33, "{}", failures.len());
    assert_eq!(failures.iter().map(|event| event["count"].as_u64().unwrap()).sum::<u64>(), 80);
    assert_eq!(hub.credentials(CredentialKind::Node).await.unwrap(), []);
}

#[tokio::test]
async fn the_log_is_for_the_admin_and_for_keys_that_were_made_for_it() {
    let hub = start(TestStore::new(Engine::Sqlite).await).await;
    let others = Scope::ALL.into_iter().filter(|scope| *scope != Scope::Audit).collect();
    let key = hub.create_scoped_api_key("robot", &others, None, Timestamp::now()).await.unwrap();
    let auditor = hub.create_scoped_api_key("auditor", &[Scope::Audit].into(), None, Timestamp::now()).await.unwrap();
    let status =
        async |bearer: &str| from(&hub, "192.0.2.1", "GET", "/api/admin/events", bearer, &Json::Null).await.status;
    assert_eq!(status("").await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(key.token.expose()).await, StatusCode::FORBIDDEN);
    assert_eq!(status(auditor.token.expose()).await, StatusCode::OK);
}
