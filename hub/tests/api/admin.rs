//! The API for the operator: login, approval, changes.

use axum::http::{Request, StatusCode, request::Builder};
use data_encoding::HEXLOWER;
use easytier_probe::{CheckMode, Secret};
use easytier_uptime_hub::service::password;
use easytier_uptime_store::{
    SessionId,
    domain::{DAY, PeerId, PeerSpec, Timestamp},
};
use ring::digest::{SHA256, digest};
use serde_json::{Value as Json, json};

use crate::{
    http::{PublicHub, Reply},
    support::{Engine, TestStore, on_both_engines, online, region, seconds, spec},
};

on_both_engines! {
    a_login_gives_a_token_of_24_hours,
    a_session_that_was_ended_is_not_valid,
    a_submission_is_approved_revoked_and_deleted,
    an_offline_probe_is_removed,
    a_dependent_says_where_its_primary_is,
    many_submissions_are_approved_or_rejected_at_once,
    the_operator_sees_everything_but_the_secret,
    the_list_is_filtered_and_paged_newest_first,
    a_change_keeps_what_it_does_not_name,
    a_node_can_be_put_back_as_it_was_shown,
    channels_rules_and_mutes_are_managed,
}

const PASSWORD: &str = "correct horse battery staple";

/// A hub with a password.
async fn start(store: TestStore) -> PublicHub {
    password::set(&store, &PASSWORD.into(), Timestamp::now()).await.unwrap();
    PublicHub::over(store).await
}

async fn start_on_sqlite() -> PublicHub {
    start(TestStore::new(Engine::Sqlite).await).await
}

async fn login(hub: &PublicHub) -> String {
    let reply = hub.post("/api/admin/login", &json!({ "password": PASSWORD })).await;
    reply.data()["token"].as_str().unwrap().to_owned()
}

/// The operator, logged in, as a program.
struct Admin<'a> {
    hub: &'a PublicHub,
    token: String,
}

impl<'a> Admin<'a> {
    async fn of(hub: &'a PublicHub) -> Self {
        Self { hub, token: login(hub).await }
    }

    async fn send(&self, request: Builder, body: &Json) -> Reply {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.hub.send(request.header("authorization", format!("Bearer {}", self.token)), body).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.send(Request::get(path), &Json::Null).await
    }

    async fn put(&self, path: &str, body: &Json) -> Reply {
        self.send(Request::put(path), body).await
    }

    /// The node as the operator's list shows it.
    async fn shown(&self, id: PeerId) -> Json {
        let list = self.get("/api/admin/nodes?per_page=1000").await.data();
        list["items"].as_array().unwrap().iter().find(|item| item["id"] == json!(id)).unwrap().clone()
    }
}

async fn many_submissions_are_approved_or_rejected_at_once(store: TestStore) {
    let hub = start(store).await;
    let admin = Admin::of(&hub).await;
    let listed = hub.add("tcp://192.0.2.1:11010").await;
    for url in ["tcp://192.0.2.1:11010", "tcp://192.0.2.2:11010", "tcp://192.0.2.2:11010", "tcp://192.0.2.3:11010"] {
        hub.waiting(&spec(url), Timestamp::now()).await;
    }
    let decide = async |decision: &str, ids: Json| {
        admin.send(Request::post("/api/admin/submissions"), &json!({ "decision": decision, "ids": ids })).await
    };
    for (decision, ids) in [
        ("approve", json!([])),
        ("approve", json!([-1, listed])),
        ("reject", (-201..0).collect()),
        ("reject", json!(["-1"])),
        ("reject", json!([-1.5])),
        ("delete", json!([-1])),
    ] {
        let refused = decide(decision, ids).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{refused:?}");
    }
    let approved = decide("approve", json!([-1, -2.0, -3, -9, -2])).await.data();
    let peer = approved["done"][0]["node_id"].as_i64().unwrap();
    assert_ne!(peer, listed.0);
    assert_eq!(approved, json!({ "done": [{ "id": -2, "node_id": peer }], "gone": [-3, -9], "listed": [-1] }));
    let rejected = decide("reject", json!([-1, -2])).await.data();
    assert_eq!(rejected, json!({ "done": [{ "id": -1, "node_id": null }], "gone": [-2], "listed": [] }));
    let list = admin.get("/api/admin/nodes?per_page=1000").await.data();
    let ids: Vec<_> = list["items"].as_array().unwrap().iter().map(|item| item["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, [-4, peer, listed.0]);
}

/// All routes that are for the operator only.
fn operations(id: PeerId) -> Vec<Builder> {
    vec![
        Request::get("/api/admin/verify"),
        Request::get("/api/admin/nodes"),
        Request::put(format!("/api/admin/nodes/{id}")),
        Request::put(format!("/api/admin/nodes/{id}/approve")),
        Request::put(format!("/api/admin/nodes/{id}/revoke")),
        Request::delete(format!("/api/admin/nodes/{id}")),
        Request::post("/api/admin/submissions"),
        Request::delete("/api/admin/probes/p1"),
        Request::get("/api/admin/channels"),
        Request::post("/api/admin/channels"),
        Request::put("/api/admin/channels/ops"),
        Request::delete("/api/admin/channels/ops"),
        Request::post("/api/admin/channels/ops/test"),
        Request::post("/api/admin/channels/ops/rules"),
        Request::delete("/api/admin/rules/0192f0c1-7d3a-7c55-9a7e-2f6f4f1b9d10"),
        Request::get("/api/admin/alerts"),
        Request::post("/api/admin/alerts/preview"),
        Request::post("/api/admin/alerts/acknowledge"),
        Request::post("/api/admin/alerts/mutes"),
        Request::delete("/api/admin/alerts/mutes/1"),
        Request::post("/api/admin/alerts/messages/0192f0c1-7d3a-7c55-9a7e-2f6f4f1b9d10/repeat"),
        Request::post("/api/admin/logout"),
    ]
}

async fn a_login_gives_a_token_of_24_hours(store: TestStore) {
    let hub = start(store).await;
    let before = Timestamp::now();
    let reply = hub.post("/api/admin/login", &json!({ "password": PASSWORD, "remember": true })).await;
    let data = reply.data();
    let expires_at: Timestamp = serde_json::from_value(data["expires_at"].clone()).unwrap();
    assert!((before + DAY..=Timestamp::now() + DAY).contains(&expires_at), "{expires_at}");
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let admin = Admin { hub: &hub, token: data["token"].as_str().unwrap().to_owned() };
    let verified = admin.get("/api/admin/verify").await.data();
    let of_token: Timestamp = serde_json::from_value(verified["expires_at"].clone()).unwrap();
    assert!(verified["valid"] == true && expires_at.since(of_token) < seconds(1), "{verified}");
}

#[tokio::test]
async fn a_wrong_password_opens_nothing() {
    let hub = start_on_sqlite().await;
    for (nth, password) in ["", "wrong", &PASSWORD.to_uppercase(), &format!("{PASSWORD} ")].iter().enumerate() {
        let request = Request::post("/api/admin/login").header("x-forwarded-for", format!("198.51.100.{nth}"));
        let reply = hub.send(request, json!({ "password": password }).to_string()).await;
        assert_eq!(reply.refusal(StatusCode::UNAUTHORIZED), "the password is wrong");
        assert_eq!(reply.header("set-cookie"), None);
    }
    let list = json!([PASSWORD]).to_string();
    for (body, words) in [
        ("{}", "missing field `password`"),
        (r#"{"password":7}"#, "password: "),
        ("{", "EOF"),
        (list.as_str(), "expected an object"),
    ] {
        let message =
            hub.send(Request::post("/api/admin/login"), body.to_owned()).await.refusal(StatusCode::BAD_REQUEST);
        assert!(message.contains(words), "{message}");
    }
}

#[tokio::test]
async fn without_a_password_nobody_logs_in() {
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    hub.post("/api/admin/login", &json!({ "password": "" })).await.refusal(StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn password_attempts_are_limited() {
    let hub = start_on_sqlite().await;
    let attempt = async |caller: &str, password: &str| {
        let request = Request::post("/api/admin/login").header("x-forwarded-for", caller);
        hub.send(request, json!({ "password": password }).to_string()).await
    };
    let mut tried = 0;
    let refused = loop {
        let reply = attempt("198.51.100.1", "guess").await;
        match reply.status {
            StatusCode::UNAUTHORIZED => tried += 1,
            _ => break reply,
        }
        assert!(tried < 100, "there is no limit");
    };
    refused.refusal(StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    // The right password is refused too; other callers are not limited.
    attempt("198.51.100.1", PASSWORD).await.refusal(StatusCode::TOO_MANY_REQUESTS);
    attempt("198.51.100.2", PASSWORD).await.data();
}

#[tokio::test]
async fn only_the_admin_gets_in() {
    let hub = start_on_sqlite().await;
    let id = hub.add("tcp://192.0.2.1:11010").await;
    let over = "o".repeat(43);
    hub.start_session(SessionId::of(&over), seconds(1), Timestamp::now() - seconds(2)).await.unwrap();
    let lasting = login(&hub).await;
    let ended = Admin::of(&hub).await;
    ended.send(Request::post("/api/admin/logout"), &Json::Null).await.data();
    let node_token: Secret = hub.enrolled("p1", &region("eu"), Timestamp::now()).await.1.token;
    let of_no_session = lasting.chars().rev().collect::<String>();
    let stored = HEXLOWER.encode(digest(&SHA256, lasting.as_bytes()).as_ref());
    for (token, why) in [
        ("", "none"),
        ("nonsense", "nonsense"),
        (PASSWORD, "the password itself"),
        (node_token.expose(), "a node token"),
        (&of_no_session, "no session"),
        (&lasting[..42], "a part of the token"),
        (&stored, "what the database holds"),
        (&over, "expired in the store"),
        (&ended.token, "ended"),
    ] {
        let admin = Admin { hub: &hub, token: token.to_owned() };
        for request in operations(id) {
            let reply = admin.send(request, &json!({ "name": "changed" })).await;
            assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{why}");
            assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
        }
    }
    let record = hub.peer(id).await.unwrap();
    assert!(record.approved && record.spec.name != "changed");
    // The token is valid.
    let admin = Admin { hub: &hub, token: lasting };
    admin.get("/api/admin/verify").await.data();
}

async fn a_session_that_was_ended_is_not_valid(store: TestStore) {
    let hub = start(store).await;
    let (first, second) = (Admin::of(&hub).await, Admin::of(&hub).await);
    let reply = first.send(Request::post("/api/admin/logout"), &Json::Null).await;
    assert!(reply.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(reply.data(), Json::Null);
    first.get("/api/admin/verify").await.refusal(StatusCode::UNAUTHORIZED);
    second.get("/api/admin/verify").await.data();
    password::set(&hub.store, &"another".into(), Timestamp::now()).await.unwrap();
    second.get("/api/admin/verify").await.refusal(StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_pages_use_a_cookie_that_other_pages_cannot() {
    let hub = start_on_sqlite().await;
    let id = hub.add("tcp://192.0.2.1:11010").await;
    let body = json!({ "password": PASSWORD }).to_string();
    let own = format!("http://{}", hub.address);
    let reply = hub.send(Request::post("/api/admin/login").header("origin", &own), body.clone()).await;
    let cookie = reply.header("set-cookie").unwrap().to_owned();
    let token = reply.data()["token"].as_str().unwrap().to_owned();
    assert_eq!(cookie, format!("uptime_session={token}; HttpOnly; SameSite=Strict; Path=/; Max-Age=86400"));

    let over_https = Request::post("/api/admin/login").header("origin", "https://hub.example.net");
    let reply = hub.send(over_https.header("host", "hub.example.net"), body.clone()).await;
    assert!(reply.header("set-cookie").unwrap().contains("; Secure;"));
    let from_elsewhere = Request::post("/api/admin/login").header("origin", "https://evil.example");
    let from_elsewhere = hub.send(from_elsewhere, body.clone()).await;
    assert!(from_elsewhere.refusal(StatusCode::FORBIDDEN).contains("X-Forwarded-Host"));
    assert_eq!(from_elsewhere.header("set-cookie"), None);
    // The request of a proxy that replaces Host and sets X-Forwarded-Host.
    let behind_a_proxy = Request::post("/api/admin/login").header("origin", "https://hub.example.net");
    let reply = hub.send(behind_a_proxy.header("x-forwarded-host", "hub.example.net"), body).await;
    assert!(reply.header("set-cookie").is_some());

    let with_cookie = |request: Builder, origin: Option<&str>| {
        let request = request.header("cookie", format!("theme=dark; uptime_session={token}"));
        match origin {
            Some(origin) => request.header("origin", origin),
            None => request,
        }
    };
    let read = hub.send(with_cookie(Request::get("/api/admin/nodes"), None), "").await;
    assert_eq!(read.data()["total"], 1);
    let revoke = || Request::put(format!("/api/admin/nodes/{id}/revoke"));
    for origin in [None, Some("null"), Some("https://evil.example"), Some("http://127.0.0.1:1")] {
        let reply = hub.send(with_cookie(revoke(), origin), "").await;
        assert!(reply.refusal(StatusCode::FORBIDDEN).contains("Origin"), "{origin:?}");
        assert!(hub.peer(id).await.unwrap().approved);
    }
    hub.send(with_cookie(revoke(), Some(&own)), "").await.data();
    assert!(!hub.peer(id).await.unwrap().approved);
    hub.send(with_cookie(Request::post("/api/admin/logout"), Some(&own)), "").await.data();
    hub.send(with_cookie(Request::get("/api/admin/nodes"), None), "").await.refusal(StatusCode::UNAUTHORIZED);
}

async fn a_submission_is_approved_revoked_and_deleted(store: TestStore) {
    let hub = start(store).await;
    let admin = Admin::of(&hub).await;
    let form = json!({ "name": "Tokyo", "host": "tokyo.example.net", "wechat": "someone" });
    let waiting = hub.post("/api/nodes", &form).await.data()["id"].as_i64().unwrap();
    let listed = async || hub.get("/api/nodes").await.data()["total"].clone();

    let queue = admin.get("/api/admin/nodes?is_approved=false").await.data();
    assert_eq!((&queue["total"], &queue["items"][0]["wechat"]), (&json!(1), &json!("someone")));
    assert_eq!((&queue["items"][0]["submitted"], listed().await), (&json!(true), json!(0)));
    assert_eq!((&queue["items"][0]["id"], &queue["items"][0]["is_pending"]), (&json!(waiting), &json!(true)));
    let change = json!({ "name": "Tokyo 2", "regions": ["asia"] });
    let changed = admin.put(&format!("/api/admin/nodes/{waiting}"), &change).await.data();
    assert_eq!(
        (&changed["name"], &changed["id"], &changed["wechat"]),
        (&json!("Tokyo 2"), &json!(waiting), &json!("someone"))
    );
    let kept = admin.put(&format!("/api/admin/nodes/{waiting}/revoke"), &Json::Null).await.data();
    assert_eq!(kept["is_pending"], json!(true), "it was not listed, and waits on");
    let approved = admin.put(&format!("/api/admin/nodes/{waiting}/approve"), &Json::Null).await.data();
    let id = approved["id"].as_i64().unwrap();
    assert_eq!((&approved["is_approved"], listed().await), (&json!(true), json!(1)));
    assert_eq!(
        (&approved["name"], &approved["is_pending"], &approved["submitted"]),
        (&json!("Tokyo 2"), &json!(false), &json!(true))
    );
    let gone = admin.put(&format!("/api/admin/nodes/{waiting}/approve"), &Json::Null).await;
    assert_eq!(gone.refusal(StatusCode::NOT_FOUND), "no such submission");
    let revoked = admin.put(&format!("/api/admin/nodes/{id}/revoke"), &Json::Null).await.data();
    assert_eq!((&revoked["is_approved"], listed().await), (&json!(false), json!(0)));
    let forgotten = admin.send(Request::delete(format!("/api/admin/nodes/{id}")), &Json::Null).await;
    assert_eq!(forgotten.data(), Json::Null);
    assert_eq!(hub.export_peers().await.unwrap(), []);
    for request in operations(PeerId(id)).into_iter().skip(2).take(4) {
        let reply = admin.send(request, &json!({})).await;
        assert_eq!(reply.refusal(StatusCode::NOT_FOUND), "no such peer");
    }
}

async fn an_offline_probe_is_removed(store: TestStore) {
    let hub = start(store).await;
    let admin = Admin::of(&hub).await;
    let probe = hub.live_probe("pod 1", "eu").await;
    let remove = async || admin.send(Request::delete("/api/admin/probes/pod%201"), &Json::Null).await;
    assert_eq!(remove().await.refusal(StatusCode::CONFLICT), "only a probe that is offline can be removed");
    hub.unregister_probe(&probe, Timestamp::now()).await.unwrap();
    let page = admin.get("/admin/probes").await;
    assert!(page.text().contains("href=\"/admin/probes/remove?server_id=pod+1\""), "{}", page.text());
    assert_eq!(remove().await.data(), Json::Null);
    assert_eq!(remove().await.refusal(StatusCode::NOT_FOUND), "no such probe");
    assert_eq!(hub.probes(Timestamp::now()).await.unwrap(), []);
}

async fn a_dependent_says_where_its_primary_is(store: TestStore) {
    let id = store.add("tcp://192.0.2.1:11010").await;
    let hub = start(store).await;
    let admin = Admin::of(&hub).await;
    hub.dependent().await;
    // Approved there, it is a peer of the primary.
    hub.run_sql("UPDATE peers SET set_aside = FALSE").await;
    let path = format!("/api/admin/nodes/{id}");
    for (edit, body) in [
        (Request::put(&path), json!({ "name": "renamed" })),
        (Request::put(format!("{path}/approve")), Json::Null),
        (Request::put(format!("{path}/revoke")), Json::Null),
        (Request::delete(&path), Json::Null),
        (Request::delete("/api/admin/probes/p1"), Json::Null),
    ] {
        let refused = admin.send(edit, &body).await.refusal(StatusCode::CONFLICT);
        let expected = "This instance is a dependent of hub 1. Make the change there: http://192.0.2.1:3002";
        assert_eq!(refused, expected);
    }
    assert_ne!(admin.shown(id).await["name"], "renamed");
    hub.leave().await.unwrap();
    admin.send(Request::delete(&path), &Json::Null).await.data();
}

async fn the_operator_sees_everything_but_the_secret(store: TestStore) {
    let hub = start(store).await;
    let admin = Admin::of(&hub).await;
    let mut peer = spec("tcp://node.example.net:11010");
    peer.max_connections = 74;
    peer.network_name = Some("lan".into());
    peer.network_secret = Some("s3cret".into());
    peer.contacts.mail = Some("me@example.net".into());
    peer.regions = ["us", "eu"].map(region).into();
    peer.timeout = Some(seconds(3));
    let id = hub.add_peer(&peer, Timestamp::now()).await.unwrap();
    let probe = hub.live_probe("p1", "eu").await;
    hub.report(&probe, vec![online(id, Timestamp::now())], Timestamp::now()).await;

    let reply = admin.get("/api/admin/nodes").await;
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert!(!reply.text().contains("s3cret"));
    let item = &reply.data()["items"][0];
    for (name, value) in [
        ("network_name", json!("lan")),
        ("network_secret", Json::Null),
        ("has_secret", json!(true)),
        ("mail", json!("me@example.net")),
        ("wechat", Json::Null),
        ("max_connections", json!(74)),
        ("current_connections", json!(37)),
        ("usage_percentage", json!(50.0)),
        ("is_approved", json!(true)),
        ("submitted", json!(false)),
        ("regions", json!(["eu", "us"])),
        ("check", json!("full")),
        ("timeout_ms", json!(3000)),
        ("current_health_status", json!("healthy")),
        ("version", json!("2.4.5")),
    ] {
        assert_eq!(item.get(name), Some(&value), "{name}");
    }
    // The item has every field of the public list, and more.
    for name in hub.get(&format!("/api/nodes/{id}")).await.data().as_object().unwrap().keys() {
        assert!(item.get(name).is_some(), "{name}");
    }
}

async fn the_list_is_filtered_and_paged_newest_first(store: TestStore) {
    let hub = start(store).await;
    let admin = Admin::of(&hub).await;
    let mut added = Vec::new();
    for (nth, tag) in ["c2", "b", "a"].iter().enumerate() {
        let peer = PeerSpec { tags: [tag.parse().unwrap()].into(), ..spec(&format!("tcp://192.0.2.{nth}:1")) };
        added.push(hub.add_peer(&peer, Timestamp::now()).await.unwrap().0);
    }
    added.push(-hub.waiting(&spec("tcp://pending.example.net:1"), Timestamp::now()).await.0);
    added.reverse();
    let ids = async |query: &str| {
        let data = admin.get(&format!("/api/admin/nodes?{query}")).await.data();
        let items = data["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["id"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(ids("").await, added);
    assert_eq!(ids("is_approved=true&search=").await, added[1..]);
    assert_eq!(ids("is_approved=false").await, added[..1]);
    assert_eq!(ids("search=PENDING").await, added[..1]);
    assert_eq!(ids("page=2&per_page=3").await, added[3..]);
    assert_eq!(ids("is_active=false&protocol=tcp").await, added);
    assert_eq!(ids("is_active=true").await, [0; 0]);
    assert_eq!(ids("protocol=udp").await, [0; 0]);
    assert_eq!(ids("tag=a").await, added[1..2]);
    assert_eq!(ids("tags=b&tags=c").await, added[2..3]);
    assert_eq!(ids("tag=a&tags=b").await, added[1..3], "any of them");
    assert_eq!(admin.get("/api/admin/nodes").await.data()["per_page"], 200);
    let wrong = admin.get("/api/admin/nodes?is_approved=perhaps").await.refusal(StatusCode::BAD_REQUEST);
    assert!(wrong.starts_with("is_approved"), "{wrong}");
}

async fn a_change_keeps_what_it_does_not_name(store: TestStore) {
    let hub = start(store).await;
    let admin = Admin::of(&hub).await;
    let mut peer = spec("tcp://node.example.net:11010");
    peer.name = "before".into();
    peer.network_name = Some("lan".into());
    peer.network_secret = Some("s3cret".into());
    peer.contacts.mail = Some("me@example.net".into());
    peer.contacts.wechat = Some("me".into());
    let id = hub.add_peer(&peer, Timestamp::now()).await.unwrap();
    let path = format!("/api/admin/nodes/{id}");
    let change = json!({
        "name": "after", "port": 11011, "wechat": "", "mail": null, "regions": ["eu"], "tags": ["a"],
        "check": "handshake", "timeout_ms": 1500, "network_secret": null, "anything": "else",
    });
    let shown = admin.put(&path, &change).await.data();
    assert_eq!((&shown["name"], &shown["address"]), (&json!("after"), &json!("tcp://node.example.net:11011")));
    assert_eq!(shown, admin.shown(id).await);
    let record = hub.peer(id).await.unwrap();
    assert_eq!(record.spec.network_secret, Some("s3cret".into()));
    assert_eq!((record.spec.contacts.mail.as_deref(), record.spec.contacts.wechat), (Some("me@example.net"), None));
    assert_eq!((record.spec.mode, record.spec.timeout), (CheckMode::Handshake, Some(seconds(3) / 2)));

    let shown = admin.put(&path, &json!({ "has_secret": false, "timeout_ms": 0, "check": "full" })).await.data();
    assert_eq!((&shown["has_secret"], &shown["timeout_ms"]), (&json!(false), &Json::Null));
    let shown = admin.put(&path, &json!({ "network_secret": "" })).await.data();
    assert_eq!(shown["has_secret"], true, "the network has a name, so it may have an empty secret");

    for (change, field) in [
        (json!({ "port": 0 }), "port"),
        (json!({ "host": "a b" }), "host"),
        (json!({ "name": "" }), "name"),
        (json!({ "regions": ["eu", "a,b"] }), "regions"),
        (json!({ "check": "some" }), "check"),
        (json!({ "timeout_ms": 60_001 }), "timeout_ms"),
        (json!({ "has_secret": "no" }), "has_secret"),
        (json!([]), ""),
    ] {
        let words = admin.put(&path, &change).await.refusal(StatusCode::BAD_REQUEST);
        assert!(words.starts_with(field), "{words}");
    }
    admin.send(Request::put(&path), &Json::Null).await.refusal(StatusCode::BAD_REQUEST);
    hub.add("tcp://other.example.net:1").await;
    let taken = json!({ "host": "other.example.net", "port": 1, "network_name": "" });
    admin.put(&path, &taken).await.refusal(StatusCode::CONFLICT);
    assert_eq!(hub.peer(id).await.unwrap().spec.name, "after");
}

/// A form sends all fields back, including unchanged ones.
async fn a_node_can_be_put_back_as_it_was_shown(store: TestStore) {
    let hub = start(store).await;
    let admin = Admin::of(&hub).await;
    for url in ["tcp://[2001:db8::1]:11010", "txt://example.com", "http://example.com:80/list?x=1", "ws://192.0.2.1:80"]
    {
        let mut peer = spec(url);
        peer.network_name = Some("lan".into());
        peer.network_secret = Some("s3cret".into());
        peer.contacts.qq_number = Some("12345".into());
        peer.regions = [region("eu")].into();
        peer.timeout = Some(seconds(3));
        peer.mode = CheckMode::Handshake;
        let id = hub.add_peer(&peer, Timestamp::now()).await.unwrap();
        let shown = admin.shown(id).await;
        admin.put(&format!("/api/admin/nodes/{id}"), &shown).await.data();
        assert_eq!(hub.peer(id).await.unwrap().spec, peer);
    }
}

#[tokio::test]
async fn every_route_is_documented_with_who_may_use_it() {
    let hub = start_on_sqlite().await;
    let document = hub.get("/openapi.json").await.json();
    for (path, method, open) in [
        ("/api/admin/login", "post", true),
        ("/api/admin/verify", "get", false),
        ("/api/admin/logout", "post", false),
        ("/api/admin/nodes", "get", false),
        ("/api/admin/nodes/{id}", "put", false),
        ("/api/admin/nodes/{id}", "delete", false),
        ("/api/admin/nodes/{id}/approve", "put", false),
        ("/api/admin/nodes/{id}/revoke", "put", false),
        ("/api/admin/probes/{server_id}", "delete", false),
    ] {
        let operation = &document["paths"][path][method];
        assert!(operation["summary"].is_string() && operation["responses"]["200"].is_object(), "{method} {path}");
        assert_eq!(operation["security"].is_null(), open, "{method} {path}");
        for scheme in
            operation["security"].as_array().into_iter().flatten().flat_map(|one| one.as_object().unwrap().keys())
        {
            assert!(document["components"]["securitySchemes"][scheme].is_object(), "{scheme}");
        }
    }
}

async fn channels_rules_and_mutes_are_managed(store: TestStore) {
    let hub = start(store).await;
    let admin = Admin::of(&hub).await;
    let post = async |path: &str, body: Json| admin.send(Request::post(path), &body).await;
    let delete = async |path: &str| admin.send(Request::delete(path), &Json::Null).await;

    let channel = json!({ "name": "ops", "kind": "webhook", "settings": { "url": "http://127.0.0.1:9/hunter2" } });
    let added = post("/api/admin/channels", channel.clone()).await.data();
    assert_eq!((&added["name"], &added["settings"]["url"]), (&json!("ops"), &json!("http://127.0.0.1:9/…")));
    let again = post("/api/admin/channels", channel).await;
    assert_eq!(again.refusal(StatusCode::CONFLICT), "another channel has this name");
    for wrong in [json!({ "name": "b", "kind": "pigeon" }), json!({ "name": "b", "kind": "webhook", "color": 1 })] {
        post("/api/admin/channels", wrong).await.refusal(StatusCode::BAD_REQUEST);
    }
    let changed = admin.put("/api/admin/channels/ops", &json!({ "enabled": false })).await.data();
    assert_eq!((&changed["enabled"], &changed["settings"]), (&json!(false), &added["settings"]));
    // Nobody listens there.
    let tested = post("/api/admin/channels/ops/test", Json::Null).await;
    assert_eq!(tested.status, StatusCode::OK);

    let rule = json!({ "rule": { "on": ["down", "up"], "after_seconds": 60 } });
    let put = post("/api/admin/channels/ops/rules", rule.clone()).await.data();
    assert!(put["words"].as_str().unwrap().starts_with("Notifies when a node has been down for 1 min."));
    let preview = post("/api/admin/alerts/preview", rule).await.data();
    assert_eq!((&preview["words"], &preview["messages"]), (&put["words"], &json!([])));
    for wrong in [json!({}), json!({ "rule": { "on": [] } }), json!({ "rule": { "on": ["down"], "after": 1 } })] {
        post("/api/admin/alerts/preview", wrong).await.refusal(StatusCode::BAD_REQUEST);
    }
    post("/api/admin/channels/home/rules", json!({ "rule": { "on": ["down"] } })).await.refusal(StatusCode::NOT_FOUND);

    let muted = post("/api/admin/alerts/mutes", json!({ "scope": "node:7", "seconds": 60 })).await.data();
    post("/api/admin/alerts/mutes", json!({ "scope": "x", "seconds": 60 })).await.refusal(StatusCode::BAD_REQUEST);
    let overview = admin.get("/api/admin/alerts").await.data();
    assert_eq!((&overview["mutes"], &overview["messages"]), (&muted, &json!([])));
    let mute = format!("/api/admin/alerts/mutes/{}", muted[0]["id"]);
    delete(&mute).await.data();
    delete(&mute).await.refusal(StatusCode::NOT_FOUND);
    post("/api/admin/alerts/acknowledge", json!({ "key": "x" })).await.refusal(StatusCode::NOT_FOUND);

    let id = put["rule"]["id"].as_str().unwrap();
    delete(&format!("/api/admin/rules/{id}")).await.data();
    delete(&format!("/api/admin/rules/{id}")).await.refusal(StatusCode::NOT_FOUND);
    delete("/api/admin/channels/ops").await.data();
    assert_eq!(admin.get("/api/admin/channels").await.data(), json!([]));
}
