//! Managed probes: the hub asks them first, pushes its configuration to them, and asks them for statistics.

mod stub;

use std::time::Duration;

use easytier_uptime_hub::manager::{ControlClient, manage};
use easytier_uptime_store::{
    Store,
    domain::{PeerSpec, Scope, Timestamp},
};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::stub::{Mood, Stub, TOKEN, proxy};
use crate::{
    closed_port::ClosedPort,
    hub::{ApiReply, TestHub, send, send_unchecked},
    support::{TestStore, on_both_engines},
};

on_both_engines! {
    a_probe_is_asked_first_and_then_configured_and_asked_for_statistics,
    what_is_no_probe_is_not_managed,
    a_probe_that_cannot_be_reached_directly_is_reached_through_the_proxy,
    a_probe_is_managed_over_the_connection_that_it_makes,
    two_hubs_on_one_database_push_once,
    what_a_probe_refuses_is_told_and_tried_again,
}

/// A hub whose manager runs, until the guard is dropped.
async fn managing(store: &TestStore, client: ControlClient) -> (TestHub, DropGuard) {
    let control = client.clone();
    let hub = TestHub::with(store, |options| options.control = control).await;
    let guard = run_manager(&hub, hub.store.clone(), client);
    (hub, guard)
}

fn run_manager(hub: &TestHub, store: Store, client: ControlClient) -> DropGuard {
    let (stop, own) = (CancellationToken::new(), hub.url.parse().unwrap());
    let stopped = stop.clone();
    tokio::spawn(async move { manage(&store, client, &own, &stopped).await });
    stop.drop_guard()
}

async fn key(hub: &TestHub) -> String {
    let issued = hub.store.create_scoped_api_key("manager", &[Scope::Nodes].into(), None, Timestamp::now()).await;
    issued.unwrap().token.expose().to_owned()
}

async fn add(hub: &TestHub, key: &str, request: &Value) -> ApiReply {
    send_unchecked(hub.post("/v1/nodes", request).header("x-api-key", key)).await
}

/// The first managed probe, once it `is_so`.
async fn once(hub: &TestHub, key: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let wait = async {
        loop {
            let mut probes = send(hub.get("/v1/nodes").header("x-api-key", key)).await.body;
            if is_so(&probes[0]) {
                return probes[0].take();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(30), wait).await.unwrap_or_else(|_| panic!("it should be so: {what}"))
}

async fn pushed(stub: &Stub, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    let wait = async {
        loop {
            match stub.pushed().into_iter().find(&is_it) {
                Some(found) => return found,
                None => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    timeout(Duration::from_secs(30), wait).await.unwrap_or_else(|_| panic!("it should be pushed: {what}"))
}

async fn a_probe_is_asked_first_and_then_configured_and_asked_for_statistics(store: TestStore) {
    let (hub, _manager) = managing(&store, ControlClient::default()).await;
    let (key, stub) = (key(&hub).await, Stub::start(Mood::Fresh).await);
    let mut spec = PeerSpec::new("tcp://192.0.2.1:11010".parse().unwrap());
    (spec.network_name, spec.network_secret) = (Some("net".to_owned()), Some("no secret at all".into()));
    hub.store.add_peer(&spec, Timestamp::now()).await.unwrap();

    let figures = json!([{ "name": "inbound>>>remote>>>traffic>>>downlink", "value": 2_000_000 }]);
    stub.set_statistics(figures);
    let mut request = stub.request();
    request["settings"] = json!({ "health_check_interval": "7s", "health_check_pings": 2 });
    let added = add(&hub, &key, &request).await;
    assert_eq!(added.status, 200, "{added:?}");
    let expected = json!({
        "id": added.body["id"], "host": "127.0.0.1", "http_port": stub.port, "usage": 0.0, "usage_bytes": 0,
        "push_status": "", "pull_status": "", "pushed_at": 0, "pulled_at": 0, "server_id": "stub-1", "region": "eu",
        "path": null, "round_trip_ms": null, "problem": null, "settings": request["settings"],
    });
    assert_eq!(added.body, expected);
    assert!(added.body["id"].as_i64().is_some_and(|id| id > 0));

    let first = pushed(&stub, "the first configuration", |_| true).await;
    assert_eq!(first["settings"], request["settings"]);
    assert_eq!(
        (&first["peers"][0]["host"], &first["peers"][0]["network_secret"]),
        (&json!("192.0.2.1"), &json!("no secret at all"))
    );
    assert_eq!(first["metadata"]["cluster_id"].as_str().map(str::len), Some(36));
    // With the enrollment the probe reports to this hub.
    let enrollment = &first["enrollment"];
    assert_eq!((&enrollment["server_id"], &enrollment["region"]), (&json!("stub-1"), &json!("eu")));
    assert!(enrollment["backend_base_url"].as_str().unwrap().starts_with(&hub.url));
    let listed = send(hub.get("/peers").header("x-node-token", enrollment["node_token"].as_str().unwrap())).await;
    assert_eq!(listed.data()["total_available"], 1);

    // What changes is pushed at once, without the enrollment once the probe has a backend.
    once(&hub, &key, "asked for statistics", |probe| probe["pull_status"] == "available").await;
    hub.peer("tcp://192.0.2.2:11010").await;
    let second =
        pushed(&stub, "the second peer", |config| config["peers"].as_array().is_some_and(|peers| peers.len() == 2))
            .await;
    let version = |config: &Value| config["metadata"]["config_version"].as_i64();
    assert!(version(&second) > version(&first) && second["enrollment"].is_null());
    let probe = once(&hub, &key, "counted", |probe| probe["usage_bytes"] == 2_000_000).await;
    assert_eq!(
        (&probe["push_status"], &probe["path"], &probe["usage"]),
        (&json!("available"), &json!("direct"), &json!(0.002))
    );
    assert!(probe["pushed_at"].as_i64() > Some(1_700_000_000) && probe["pulled_at"].as_i64() > Some(1_700_000_000));

    let id = added.body["id"].as_i64().unwrap();
    let shown = send(hub.get(&format!("/v1/nodes/{id}")).header("x-api-key", &key)).await;
    assert!(!shown.body.to_string().contains(TOKEN), "{shown:?}");
    assert_eq!(add(&hub, &key, &request).await.status, 409, "it is managed already");
    let removed =
        send(hub.request(reqwest::Method::DELETE, &format!("/v1/nodes/{id}")).header("x-api-key", &key)).await;
    assert_eq!(removed.status, 200);
    assert_eq!(send(hub.get("/v1/nodes").header("x-api-key", &key)).await.body, json!([]));
}

async fn what_is_no_probe_is_not_managed(store: TestStore) {
    let (hub, _manager) = managing(&store, ControlClient::default()).await;
    let (key, stub) = (key(&hub).await, Stub::start(Mood::Fresh).await);
    let closed = ClosedPort::new();
    let with = |name: &str, value: Value| {
        let mut request = stub.request();
        request[name] = value;
        request
    };
    for (request, status, said) in [
        (with("http_token", json!("another-token-of-a-test-probe-0123")), 502, "does not accept the token"),
        (with("http_port", json!(closed.address().port())), 502, "cannot be reached"),
        (with("host", json!("169.254.169.254")), 502, "metadata service"),
        (with("host", json!("http://[fe80::1]")), 502, "link-local"),
        (with("host", json!("user@127.0.0.1")), 400, "host"),
        (with("host", json!("127.0.0.1:80/x")), 400, "host"),
        (with("http_token", json!("short")), 400, "32"),
        (with("http_port", Value::Null), 400, "http_port"),
        (with("settings", json!({ "node_token": "x" })), 400, "node_token"),
        (json!({}), 400, "host"),
        (json!({ "server_id": "nobody" }), 502, "no connection"),
    ] {
        let refused = add(&hub, &key, &request).await;
        assert!(refused.refusal(status).contains(said), "{request}: {refused:?}");
    }
    for (mood, said) in [
        (Mood::Website, "no probe"),
        // It is not followed to where the hub does not connect.
        (Mood::Redirecting, "it answers 302"),
        // It is cut, and has no end.
        (Mood::Endless, "no probe"),
        (Mood::Enrolled, "reports to another hub"),
    ] {
        stub.set_mood(mood);
        let refused = add(&hub, &key, &stub.request()).await;
        let message = refused.body["message"].as_str().unwrap();
        assert!(message.contains(said), "{mood:?}: {refused:?}");
    }
    assert_eq!(hub.test.count("managed_probes").await, 0);
    assert_eq!(hub.test.count("probes").await, 0);
}

async fn a_probe_that_cannot_be_reached_directly_is_reached_through_the_proxy(store: TestStore) {
    let stub = Stub::start(Mood::Fresh).await;
    for (socks, url) in [(false, "http://u:pw@127.0.0.1"), (true, "socks5h://127.0.0.1")] {
        let port = proxy(socks, stub.port).await;
        let through = format!("{url}:{port}").parse().unwrap();
        let (hub, _manager) = managing(&store, ControlClient::new(Some(&through))).await;
        let key = key(&hub).await;
        let mut request = stub.request();
        // Nobody but the proxy knows this name.
        request["host"] = json!("probe.invalid");
        request["server_id"] = json!(format!("behind-{port}"));
        stub.set_mood(Mood::Fresh);
        let added = add(&hub, &key, &request).await;
        assert_eq!(added.status, 200, "{added:?}");
        let probe = once(&hub, &key, "pushed through the proxy", |probe| probe["push_status"] == "dirty").await;
        assert_eq!((&probe["path"], &probe["host"]), (&json!("proxy"), &json!("probe.invalid")));
        let id = added.body["id"].as_i64().unwrap();
        send(hub.request(reqwest::Method::DELETE, &format!("/v1/nodes/{id}")).header("x-api-key", &key)).await;
        // The next one manages without waiting for the end of a lease.
        hub.store.close().await;
    }
}

async fn a_probe_is_managed_over_the_connection_that_it_makes(store: TestStore) {
    let (hub, _manager) = managing(&store, ControlClient::default()).await;
    let (key, token) = (key(&hub).await, hub.token("natted", "asia").await);
    hub.peer("tcp://192.0.2.1:11010").await;
    let wait =
        async |since: i64| send(hub.get(&format!("/v1/reverse?since={since}")).header("x-node-token", &token)).await;
    let answer = async |number: &Value, body: Value| {
        send(hub.post(&format!("/v1/reverse/{number}"), &body).header("x-node-token", &token)).await.status
    };
    // It asks for orders, so that it can be reached.
    let asked = hub.get("/v1/reverse?since=0").header("x-node-token", &token).send().await.unwrap();
    let added = add(&hub, &key, &json!({ "server_id": "natted" })).await;
    assert_eq!(
        (added.status, &added.body["host"], &added.body["http_port"]),
        (200, &json!(""), &json!(0)),
        "{added:?}"
    );

    let text = asked.text().await.unwrap();
    let document: Value = serde_json::from_str(text.trim()).unwrap();
    let message = &document["data"]["messages"][0];
    assert_eq!((&message["kind"], &message["config"]["peers"][0]["host"]), (&json!("config"), &json!("192.0.2.1")));
    assert!(message["config"]["enrollment"].is_null() && message["peer"].is_null());
    assert_eq!(answer(&message["number"], json!({})).await, 400);
    assert_eq!(answer(&message["number"], json!({ "status": 200 })).await, 200);
    assert_eq!(answer(&json!(7000), json!({ "status": 200 })).await, 404);

    let next = wait(message["number"].as_i64().unwrap()).await;
    let message = &next.data()["messages"][0];
    assert_eq!(message["kind"], "stats");
    let figures = json!({ "stats": [{ "name": "peer>>>1>>>traffic>>>uplink", "value": 512 }] });
    assert_eq!(answer(&message["number"], figures).await, 200);
    let probe = once(&hub, &key, "both came back", |probe| probe["usage_bytes"] == 512).await;
    let said = (&probe["path"], &probe["push_status"], &probe["pull_status"], &probe["problem"]);
    assert_eq!(said, (&json!("reverse"), &json!("available"), &json!("available"), &Value::Null));
}

async fn two_hubs_on_one_database_push_once(store: TestStore) {
    let (hub, first) = managing(&store, ControlClient::default()).await;
    let other = TestHub::on(&store).await;
    let _second = run_manager(&other, other.store.clone(), ControlClient::default());
    let (key, stub) = (key(&hub).await, Stub::start(Mood::Fresh).await);
    add(&hub, &key, &stub.request()).await;
    for peers in 1..=5 {
        hub.peer(&format!("tcp://192.0.2.{peers}:11010")).await;
        pushed(&stub, "the newest peer", |config| config["peers"].as_array().is_some_and(|all| all.len() == peers))
            .await;
    }
    let mut versions: Vec<Value> =
        stub.pushed().iter().map(|config| config["metadata"]["config_version"].clone()).collect();
    let all = versions.len();
    versions.dedup();
    assert_eq!(versions.len(), all, "{versions:?}");

    // When the one that did it ends, the other goes on.
    drop(first);
    hub.store.close().await;
    other.peer("tcp://192.0.2.99:11010").await;
    pushed(&stub, "by the other hub", |config| config["peers"].as_array().is_some_and(|all| all.len() == 6)).await;
}

async fn what_a_probe_refuses_is_told_and_tried_again(store: TestStore) {
    let (hub, _manager) = managing(&store, ControlClient::default()).await;
    let (key, stub) = (key(&hub).await, Stub::start(Mood::Foreign).await);
    stub.set_region("亚洲");
    let added = add(&hub, &key, &stub.request()).await;
    assert_eq!(added.body["region"], "亚洲");
    let probe = once(&hub, &key, "refused", |probe| probe["push_status"] == "unavailable").await;
    let problem = probe["problem"].as_str().unwrap();
    assert!(problem.contains("bound to another cluster") && problem.contains("--reset-control"), "{problem}");

    // After 'daemon --reset-control' there, and "push now" here.
    stub.set_mood(Mood::Fresh);
    let path = format!("/v1/nodes/{}", added.body["id"]);
    assert_eq!(send(hub.post(&format!("{path}/push"), &json!({})).header("x-api-key", &key)).await.status, 200);
    once(&hub, &key, "taken", |probe| probe["push_status"] == "available" && probe["problem"].is_null()).await;

    // Another address or token is used at once.
    let moved = Stub::start(Mood::Enrolled).await;
    let changed = send(hub.put(&path, &json!({ "http_port": moved.port })).header("x-api-key", &key)).await;
    assert_eq!(changed.body["http_port"], moved.port);
    pushed(&moved, "at its new address", |_| true).await;
}
