//! The list of servers, and servers without a credential.

use axum::http::{Request, StatusCode};
use easytier_uptime_hub::service::DiscoveryOptions;
use easytier_uptime_store::domain::Timestamp;
use serde_json::{Value as Json, json};

use crate::{
    http::{PublicHub, Reply},
    hub::{TestHub, batch_of, send},
    support::{TestStore, on_both_engines, region},
};

on_both_engines! {
    the_hub_is_the_first_of_its_servers_in_both_places,
    without_a_credential_nobody_is_listed_unless_the_operator_says_so,
    a_server_without_a_credential_is_listed_and_nothing_else,
    a_server_without_a_credential_belongs_to_its_address,
    strangers_cannot_fill_the_list,
}

const REGISTER: &str = "/api/discovery/register";
const SERVERS: &str = "/api/discovery/servers";

async fn the_hub_is_the_first_of_its_servers_in_both_places(store: TestStore) {
    let hub = TestHub::with(&store, |options| {
        options.discovery = DiscoveryOptions {
            server_id: "eu-1-hub".into(),
            host: Some("hub.example.com".into()),
            port: Some(443),
            region: Some("Frankfurt".into()),
            ..DiscoveryOptions::default()
        };
    })
    .await;
    let (token, other) = (hub.token("a-probe", "eu").await, hub.token("another-hub", "eu").await);
    send(hub.post("/results", &batch_of(&[])).header("x-node-token", &token)).await.data();
    let registration = json!({ "server_id": "another-hub", "capabilities": ["hub"] });
    send(hub.post(REGISTER, &registration).header("x-node-token", &other)).await.data();
    let listed = send(hub.get(SERVERS).header("x-node-token", &token)).await;
    assert_eq!((&listed.body["servers"], &listed.body["count"]), (&listed.data()["servers"], &json!(3)));
    let own = &listed.body["servers"][0];
    let expected = [
        ("server_id", json!("eu-1-hub")),
        ("role", json!("hub")),
        ("status", json!("online")),
        ("open", json!(false)),
        ("instance", json!(hub.store.instance().await.unwrap().id.to_string())),
        ("host", json!("hub.example.com")),
        ("port", json!(443)),
        ("region", json!("Frankfurt")),
        ("capabilities", json!(["hub"])),
    ];
    for (field, value) in expected {
        assert_eq!(own[field], value, "{field}");
    }
    for (server_id, role) in [("a-probe", "probe"), ("another-hub", "hub")] {
        let server = listed.server(server_id);
        assert_eq!((&server["role"], &server["instance"]), (&role.into(), &Json::Null), "{server}");
    }
}

async fn without_a_credential_nobody_is_listed_unless_the_operator_says_so(store: TestStore) {
    let hub = PublicHub::over(store).await;
    for (method, path) in [
        ("POST", REGISTER),
        ("POST", "/api/discovery/heartbeat/w1"),
        ("DELETE", "/api/discovery/unregister/w1"),
        ("GET", SERVERS),
    ] {
        assert_eq!(
            call(&hub, "192.0.2.7", method, path, &worker("w1")).await.status,
            StatusCode::UNAUTHORIZED,
            "{path}"
        );
    }
    assert_eq!(hub.count("open_servers").await, 0);
}

/// A hub that takes servers without a credential.
async fn open(store: TestStore) -> PublicHub {
    PublicHub::with(store, |options| options.discovery.open = true).await
}

fn worker(server_id: &str) -> Json {
    json!({ "server_id": server_id, "host": "192.0.2.77", "port": 8080, "region": "eu", "capabilities": ["tcp"] })
}

async fn call(hub: &PublicHub, from: &str, method: &str, path: &str, body: &Json) -> Reply {
    let request = Request::builder().method(method).uri(path).header("x-forwarded-for", from);
    hub.send(request, body.to_string()).await
}

async fn register(hub: &PublicHub, from: &str, body: &Json) -> Reply {
    call(hub, from, "POST", REGISTER, body).await
}

/// The servers as a stranger reads them, without the hub.
async fn strangers_list(hub: &PublicHub) -> Vec<Json> {
    let list = call(hub, "203.0.113.9", "GET", SERVERS, &Json::Null).await;
    assert_eq!(list.status, StatusCode::OK, "{list:?}");
    let body = list.json();
    body["servers"].as_array().unwrap()[1..].to_vec()
}

/// How many rows the tables have that know probes.
async fn kept(hub: &PublicHub) -> Vec<i64> {
    let mut rows = Vec::new();
    for table in ["probes", "credentials", "regions", "probe_channels", "events", "audit"] {
        rows.push(hub.count(table).await);
    }
    rows
}

async fn a_server_without_a_credential_is_listed_and_nothing_else(store: TestStore) {
    let hub = open(store).await;
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let kept = kept(&hub).await;
    let registered = register(&hub, "192.0.2.7", &worker("w1")).await;
    assert_eq!(registered.status, StatusCode::OK, "{registered:?}");
    assert!(!registered.text().contains("token"), "{registered:?}");
    let counters = json!({ "peers": 3 });
    let beat = call(&hub, "192.0.2.7", "POST", "/api/discovery/heartbeat/w1", &counters).await;
    assert_eq!(beat.status, StatusCode::OK, "{beat:?}");
    let listed = strangers_list(&hub).await;
    let expected = [
        ("server_id", json!("w1")),
        ("open", json!(true)),
        ("role", json!("probe")),
        ("status", json!("online")),
        ("region", json!("eu")),
        ("host", json!("192.0.2.77")),
        ("counters", counters),
    ];
    assert_eq!(listed.len(), 1);
    for (field, value) in expected {
        assert_eq!(listed[0][field], value, "{field}");
    }

    // It reports nothing, and nobody orders anything from it.
    let results = batch_of(&[crate::hub::good(peer)]);
    assert_eq!(call(&hub, "192.0.2.7", "POST", "/results", &results).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(call(&hub, "192.0.2.7", "GET", "/v1/reverse", &Json::Null).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(hub.probes(Timestamp::now()).await.unwrap(), []);
    assert_eq!(self::kept(&hub).await, kept);
    // A wrong credential is none.
    let request = Request::post(REGISTER).header("x-node-token", "nonsense");
    assert_eq!(hub.send(request, worker("w2").to_string()).await.status, StatusCode::UNAUTHORIZED);
    // The operator's own probes are listed beside it, and keep their names.
    hub.live_probe("own", "eu").await;
    assert_eq!(strangers_list(&hub).await.len(), 2);
    for taken in ["own", "hub"] {
        assert_eq!(register(&hub, "192.0.2.7", &worker(taken)).await.status, StatusCode::CONFLICT, "{taken}");
    }
}

async fn a_server_without_a_credential_belongs_to_its_address(store: TestStore) {
    let hub = open(store).await;
    assert_eq!(register(&hub, "192.0.2.7", &worker("w1")).await.status, StatusCode::OK);
    assert_eq!(register(&hub, "192.0.2.8", &worker("w1")).await.status, StatusCode::CONFLICT);
    let (beat, end) = ("/api/discovery/heartbeat/w1", "/api/discovery/unregister/w1");
    assert_eq!(call(&hub, "192.0.2.8", "POST", beat, &json!({})).await.status, StatusCode::FORBIDDEN);
    assert_eq!(call(&hub, "192.0.2.8", "DELETE", end, &Json::Null).await.status, StatusCode::FORBIDDEN);
    assert_eq!(strangers_list(&hub).await.len(), 1);
    assert_eq!(call(&hub, "192.0.2.7", "DELETE", end, &Json::Null).await.status, StatusCode::OK);
    assert_eq!(strangers_list(&hub).await, [Json::Null; 0]);
    let unknown = call(&hub, "192.0.2.7", "POST", beat, &json!({})).await;
    assert_eq!(unknown.status, StatusCode::UNAUTHORIZED);
    assert!(unknown.text().contains("register it first"), "{unknown:?}");
    // With a credential it is a probe, wherever it is.
    let issued = hub.create_node_token("w1", Some("w1"), &region("eu"), Timestamp::now()).await.unwrap();
    assert_eq!(register(&hub, "192.0.2.7", &worker("w1")).await.status, StatusCode::CONFLICT);
    let request = Request::post(beat).header("x-node-token", issued.token.expose());
    assert_eq!(hub.send(request, "").await.status, StatusCode::OK);
}

async fn strangers_cannot_fill_the_list(store: TestStore) {
    let hub = open(store).await;
    for nth in 1..=6 {
        let reply = register(&hub, "192.0.2.7", &worker(&format!("w{nth}"))).await;
        assert_eq!(reply.status == StatusCode::OK, nth <= 5, "{nth}: {reply:?}");
        if nth == 6 {
            assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
            assert!(reply.headers.contains_key("retry-after"), "{reply:?}");
        }
    }
    assert_eq!(register(&hub, "192.0.2.8", &worker("w7")).await.status, StatusCode::OK);
    let long = "x".repeat(1024);
    for (field, value) in [("capabilities", json!([long])), ("system", json!({ "x": long })), ("host", json!(long))] {
        let mut sent = worker("w8");
        sent[field] = value;
        let reply = register(&hub, "192.0.2.9", &sent).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{field}");
    }
    let beat = call(&hub, "192.0.2.8", "POST", "/api/discovery/heartbeat/w7", &json!({ "x": long })).await;
    assert_eq!(beat.status, StatusCode::BAD_REQUEST);
    let endless = json!({ "server_id": "w8", "more": "x".repeat(64 << 10) });
    assert_eq!(register(&hub, "192.0.2.9", &endless).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    // These are posts of strangers, of which each address has 60 a minute.
    let mut posts = 0;
    while call(&hub, "192.0.2.10", "POST", "/api/discovery/heartbeat/nobody", &json!({})).await.status
        != StatusCode::TOO_MANY_REQUESTS
    {
        posts += 1;
        assert!(posts < 200, "there is no limit");
    }
}
