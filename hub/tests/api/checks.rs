//! Checks by request: the API for who asks, and the connections over which probes wait for orders.

use std::{collections::BTreeSet, time::Duration};

use easytier_probe::{
    Backend, BackendConfig, Origin,
    backend::{BackendError, Order, Reported, Task, WantedCheck},
};
use easytier_uptime_store::domain::{Scope, Timestamp};
use serde_json::{Value, json};
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout},
};

use crate::{
    hub::{ApiReply, TestHub, send},
    support::{TestStore, on_both_engines, online},
};

on_both_engines! {
    who_has_a_key_for_checks_gets_what_the_probes_find,
    a_stream_has_each_answer_until_the_last,
    nobody_can_scan_or_flood_with_checks,
    only_the_newest_connection_of_a_probe_waits,
    orders_are_handed_out_by_whichever_hub_the_probe_asks,
}

async fn key(hub: &TestHub, scopes: &[Scope]) -> String {
    let scopes: BTreeSet<Scope> = scopes.iter().copied().collect();
    let issued = hub.store.create_scoped_api_key("status page", &scopes, None, Timestamp::now()).await.unwrap();
    issued.token.expose().to_owned()
}

/// The client of a probe.
async fn probe(hub: &TestHub, server_id: &str, region: &str) -> Backend {
    let token = hub.token(server_id, region).await;
    client(hub, |config| config.node_token = Some(token.as_str().into()))
}

fn client(hub: &TestHub, change: impl FnOnce(&mut BackendConfig)) -> Backend {
    let mut config = BackendConfig::new(vec![hub.url.parse().unwrap()]);
    change(&mut config);
    Backend::new(config).unwrap()
}

/// Lets the probe wait for orders.
fn waits(probe: &Backend, since: i64) -> JoinHandle<Vec<Order>> {
    let waiting = probe.clone();
    tokio::spawn(async move { waiting.orders(since).await.unwrap().unwrap() })
}

/// Waits until the hub has heard of so many probes that wait.
async fn available(hub: &TestHub, probes: i64) {
    timeout(Duration::from_secs(20), async {
        while hub.test.count("probe_channels").await < probes {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the probes wait for orders");
}

async fn ask(hub: &TestHub, key: &str, wish: &Value) -> ApiReply {
    send(hub.post("/api/checks", wish).header("x-api-key", key)).await
}

async fn answers(hub: &TestHub, key: &str, asked: &ApiReply) -> Value {
    assert_eq!(asked.status, 202, "{asked:?}");
    let id = asked.body["data"]["id"].as_str().unwrap();
    send(hub.get(&format!("/api/checks/{id}")).header("x-api-key", key)).await.body["data"].take()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

async fn who_has_a_key_for_checks_gets_what_the_probes_find(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let peer = hub.peer("tcp://192.0.2.1:11010").await;
    let (checks, reads) = (key(&hub, &[Scope::Checks]).await, key(&hub, &[Scope::Read, Scope::Instances]).await);
    let wish = json!({"peer_id": peer, "from": ["eu", "mars"]});
    assert_eq!(ask(&hub, &reads, &wish).await.status, 403);
    assert_eq!(send(hub.post("/api/checks", &wish)).await.status, 401);

    let eu = probe(&hub, "p", "eu").await;
    let waiting = waits(&eu, 0);
    available(&hub, 1).await;
    let asked = ask(&hub, &checks, &wish).await;
    let check = answers(&hub, &checks, &asked).await;
    assert_eq!((&check["is_running"], &check["peer_id"]), (&json!(true), &json!(peer)));
    let states = check["results"].as_array().unwrap().iter().map(|run| &run["state"]);
    assert_eq!(states.collect::<Vec<_>>(), ["waiting", "unavailable"]);

    let orders = waiting.await.unwrap();
    let [Order { number, task: Task::Check(ordered) }] = &orders[..] else { panic!("{orders:?}") };
    assert_eq!((ordered.id, ordered.origin, ordered.timeout), (peer.0, Origin::Remote, Some(Duration::from_secs(5))));
    let mut result = online(peer, Timestamp::now());
    (result.message, result.hostname) = (Some("what the node said".to_owned()), Some("its name".to_owned()));
    let answer = result.into();
    assert_eq!(eu.answer_order(*number, &answer, soon()).await.unwrap(), Reported::Accepted);
    assert_eq!(eu.answer_order(number + 1, &answer, soon()).await.unwrap(), Reported::Unsupported);

    let check = answers(&hub, &checks, &asked).await;
    assert_eq!(check["is_running"], false);
    let run = &check["results"][0];
    let said = (&run["from"], &run["region"], &run["server_id"], &run["state"], &run["result"]["status"]);
    assert_eq!(said, (&json!("eu"), &json!("eu"), &json!("p"), &json!("done"), &json!("Online")));
    assert_eq!((&run["result"]["message"], &run["result"]["hostname"]), (&Value::Null, &Value::Null));

    // The library has the same, for the command line.
    let caller = client(&hub, |config| config.api_key = Some(checks.as_str().into()));
    let wanted = WantedCheck {
        url: "udp://8.8.8.8:1".parse().unwrap(),
        from: vec!["mars".to_owned()],
        timeout: Duration::from_secs(1),
    };
    let id = caller.request_check(&wanted, soon()).await.unwrap();
    let check = caller.requested_check(id, soon()).await.unwrap();
    assert_eq!((check.is_running, check.results[0].from.as_str(), &check.results[0].result), (false, "mars", &None));
    let refused = client(&hub, |config| config.api_key = Some(reads.as_str().into()));
    let refused = refused.request_check(&wanted, soon()).await.unwrap_err();
    assert!(refused.is_unauthorized() && refused.to_string().contains("no scope 'checks'"), "{refused}");
}

async fn a_stream_has_each_answer_until_the_last(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let peer = hub.peer("tcp://192.0.2.1:11010").await;
    let checks = key(&hub, &[Scope::Checks]).await;
    let probes = [probe(&hub, "p", "eu").await, probe(&hub, "q", "asia").await];
    let waiting = [waits(&probes[0], 0), waits(&probes[1], 0)];
    available(&hub, 2).await;
    let asked = ask(&hub, &checks, &json!({"peer_id": peer})).await;
    let id = asked.body["data"]["id"].as_str().unwrap();
    let stream =
        hub.get(&format!("/api/checks/{id}")).header("x-api-key", &checks).header("accept", "text/event-stream");
    let mut stream = stream.send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let mut events = String::new();
    let mut probes = probes.iter();
    for orders in waiting {
        let orders = orders.await.unwrap();
        let seen = events.matches("event: check").count();
        while events.matches("event: check").count() == seen {
            events += std::str::from_utf8(&stream.chunk().await.unwrap().expect("the stream goes on")).unwrap();
        }
        let answer = online(peer, Timestamp::now()).into();
        probes.next().unwrap().answer_order(orders[0].number, &answer, soon()).await.unwrap();
    }
    while let Some(chunk) = stream.chunk().await.unwrap() {
        events += std::str::from_utf8(&chunk).unwrap();
    }
    let running: Vec<bool> = events
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str::<Value>(data).unwrap()["is_running"].as_bool().unwrap())
        .collect();
    assert!(running.len() >= 3 && !running.last().unwrap(), "{events}");
    assert!(running[..running.len() - 1].iter().all(|is_running| *is_running), "{events}");
}

async fn nobody_can_scan_or_flood_with_checks(store: TestStore) {
    let hub = TestHub::with(&store, |options| {
        options.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    let checks = key(&hub, &[Scope::Checks]).await;
    let url = |url: &str| json!({"url": url, "from": ["eu"]});
    // A key is a stranger's: nothing but public addresses.
    for inner in [
        "tcp://127.0.0.1:22",
        "tcp://10.0.0.1:80",
        "udp://192.168.1.1",
        "tcp://[::1]:5432",
        "ws://169.254.169.254/latest",
        "tcp://[::ffff:10.0.0.1]:80",
        "tcp://[fd00::1]:1",
    ] {
        let refused = ask(&hub, &checks, &url(inner)).await;
        assert_eq!(refused.status, 400, "{inner}: {refused:?}");
        assert!(refused.body["error"].as_str().unwrap().starts_with("url: "), "{refused:?}");
    }
    for wrong in [
        json!({}),
        json!({"url": "nonsense"}),
        json!({"url": "tcp://8.8.8.8:1", "peer_id": 1}),
        json!({"url": "tcp://8.8.8.8:1", "timeout_ms": 99}),
        json!({"url": "tcp://8.8.8.8:1", "timeout_ms": 30_001}),
        json!({"url": "tcp://8.8.8.8:1", "from": ["1", "2", "3", "4", "5", "6", "7"]}),
    ] {
        assert_eq!(ask(&hub, &checks, &wrong).await.status, 400, "{wrong}");
    }
    assert_eq!(ask(&hub, &checks, &json!({"peer_id": 7})).await.status, 404);

    // A thousand requests for one target, through twenty keys, from a thousand addresses, by any port or spelling.
    let mut keys = Vec::new();
    for _ in 0..20 {
        keys.push(key(&hub, &[Scope::Checks]).await);
    }
    let started = std::time::Instant::now();
    let mut statuses = Vec::new();
    for nth in 0..1000 {
        let target = format!("tcp://{}:{}", ["8.8.4.4", "[::ffff:8.8.4.4]"][nth % 2], 1 + nth);
        let request = hub.post("/api/checks", &url(&target)).header("x-api-key", &keys[nth % keys.len()]);
        let from = format!("198.51.{}.{}", nth / 250, nth % 250);
        let asked = send(request.header("x-forwarded-for", from)).await;
        if asked.status == 429 {
            assert!(asked.headers.contains_key("retry-after"), "{asked:?}");
        }
        statuses.push(asked.status);
    }
    let let_through = statuses.iter().filter(|status| **status == 202).count();
    let windows = 1 + started.elapsed().as_secs() as usize / 10;
    assert!(statuses.iter().all(|status| [202, 429].contains(status)), "{statuses:?}");
    assert!((1..=windows).contains(&let_through), "{let_through} in {windows} times ten seconds");
}

async fn only_the_newest_connection_of_a_probe_waits(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let peer = hub.peer("tcp://192.0.2.1:11010").await;
    let checks = key(&hub, &[Scope::Checks]).await;
    let eu = probe(&hub, "p", "eu").await;
    let first = waits(&eu, 0);
    available(&hub, 1).await;
    let second = waits(&eu, 0);
    assert!(first.await.unwrap().is_empty(), "the second connection ends the first");
    ask(&hub, &checks, &json!({"peer_id": peer})).await;
    let orders = second.await.unwrap();
    assert_eq!(orders.len(), 1);
    // Who has the order already waits for the next one, and a probe that starts again gets it again.
    assert_eq!(eu.orders(0).await.unwrap().unwrap()[0].number, orders[0].number);
    let later = waits(&eu, orders[0].number);
    eu.answer_order(orders[0].number, &online(peer, Timestamp::now()).into(), soon()).await.unwrap();
    ask(&hub, &checks, &json!({"url": "tcp://8.8.8.8:11010", "from": ["p"]})).await;
    let next = later.await.unwrap();
    let Task::Check(peer) = &next[0].task else { panic!("{next:?}") };
    assert_eq!((peer.id, peer.origin), (0, Origin::Submitted));

    let wrong = client(&hub, |config| config.node_token = Some("etn_0000000000000000_wrong".into()));
    assert!(matches!(wrong.orders(0).await, Err(BackendError::Unauthorized { .. })));
    let negative = hub.get("/v1/reverse?since=-1").header("x-node-token", hub.token("q", "eu").await);
    send(negative).await.refusal(400);
}

async fn orders_are_handed_out_by_whichever_hub_the_probe_asks(store: TestStore) {
    let (asked, serves) = (TestHub::on(&store).await, TestHub::on(&store).await);
    let peer = asked.peer("tcp://192.0.2.1:11010").await;
    let checks = key(&asked, &[Scope::Checks]).await;
    let eu = probe(&serves, "p", "eu").await;
    let waiting = waits(&eu, 0);
    available(&asked, 1).await;
    let check = ask(&asked, &checks, &json!({"peer_id": peer})).await;
    let orders = waiting.await.unwrap();
    eu.answer_order(orders[0].number, &online(peer, Timestamp::now()).into(), soon()).await.unwrap();
    let found = answers(&asked, &checks, &check).await;
    assert_eq!((&found["is_running"], &found["results"][0]["state"]), (&json!(false), &json!("done")));
}
