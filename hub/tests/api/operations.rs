//! The behaviour of all routes, and the routes for monitoring of the hub.

use std::{collections::HashSet, sync::Arc, time::Duration};

use easytier_uptime_hub::{serve, service::OwnInstance};
use easytier_uptime_monitor::ProbeStatus;
use easytier_uptime_store::{
    Location,
    domain::{ConfigVersion, DAY, InstanceId, Leader, Leadership, Member, PeerId, Role, Timestamp},
};
use prometheus_client::registry::Registry;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use uuid::Uuid;

use crate::{
    hub::{TestHub, batch_of, good, send, send_unchecked},
    support::{Engine, TestStore, leadership, on_both_engines},
};

on_both_engines! {
    the_hub_is_healthy_as_long_as_its_database_answers,
    the_figures_count_what_happened,
    a_standalone_instance_says_nothing_about_a_cluster,
    a_primary_says_its_epoch_and_who_belongs_to_it,
    a_dependent_says_who_leads_and_what_is_wrong,
    a_role_that_is_not_the_configured_one_is_a_warning,
    a_stopping_hub_finishes_what_it_accepted,
}

async fn sqlite() -> TestHub {
    TestHub::on(&TestStore::new(Engine::Sqlite).await).await
}

async fn the_hub_is_healthy_as_long_as_its_database_answers(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let healthy = send(hub.get("/health")).await;
    assert_eq!((healthy.status, &healthy.body["success"]), (200, &true.into()));
    assert!(healthy.body["message"].is_string());
    hub.store.close().await;
    for path in ["/health", "/metrics"] {
        let sick = send_unchecked(hub.get(path)).await;
        assert_eq!((sick.status, &sick.body["success"]), (503, &false.into()));
        assert!(sick.body["error"].is_string() && sick.headers.contains_key("retry-after"), "{sick:?}");
    }
    // A failure of the hub is a 5xx, so that the caller may retry.
    let failed = send_unchecked(hub.get("/peers")).await;
    assert!(failed.status >= 500 && failed.body["code"] == failed.status, "{failed:?}");
}

async fn the_figures_count_what_happened(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let peer = hub.peer("tcp://192.0.2.1:11010").await;
    hub.peer("tcp://192.0.2.2:11010").await;
    let token = hub.token("probe-1", "eu").await;
    let batch = batch_of(&[good(peer), good(PeerId(peer.0 + 99))]);
    for _ in 0..2 {
        send(hub.post("/api/results", &batch).header("x-node-token", &token)).await.data();
    }
    send(hub.get("/no/such/path")).await;
    hub.store.fold().await.unwrap();
    let figures = send(hub.get("/metrics")).await;
    assert!(figures.headers["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    let text = figures.body.as_str().unwrap();
    for line in [
        r#"easytier_uptime_http_requests_total{method="POST",route="/api/results",status="200"} 2"#,
        r#"easytier_uptime_http_requests_total{method="GET",route="none",status="404"} 1"#,
        r#"easytier_uptime_http_request_duration_seconds_count{route="/api/results"} 2"#,
        r#"easytier_uptime_results_total{outcome="accepted"} 1"#,
        r#"easytier_uptime_results_total{outcome="duplicate"} 1"#,
        r#"easytier_uptime_results_total{outcome="unknown_peer"} 2"#,
        "easytier_uptime_ingest_batches_total 2",
        "easytier_uptime_ingest_duration_seconds_count 2",
        r#"easytier_uptime_peers{state="up"} 1"#,
        r#"easytier_uptime_peers{state="unknown"} 1"#,
        r#"easytier_uptime_peers{state="down"} 0"#,
        r#"easytier_uptime_probes{state="online"} 1"#,
        r#"easytier_uptime_probes{state="offline"} 0"#,
        "easytier_uptime_doubted_regions 0",
        "easytier_uptime_unapplied_results 0",
        "easytier_uptime_unapplied_age_seconds 0.0",
        "easytier_uptime_parked_results 0",
        r#"easytier_uptime_held_duties{duty="fold"} 8"#,
        r#"easytier_uptime_held_duties{duty="retention"} 0"#,
        "easytier_uptime_clock_difference_seconds 0.0",
        "easytier_uptime_partitions_postponed_seconds 0.0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(text.contains("easytier_uptime_database_round_trip_seconds ") && text.ends_with("# EOF\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_that_wait_for_a_lock_are_a_figure_and_after_an_hour_a_warning() {
    let store = TestStore::new(Engine::Postgres).await;
    let hub = TestHub::on(&store).await;
    let warnings = async || send(hub.get("/health")).await.body["data"]["warnings"].clone();
    let Location::Postgres(url) = &store.options.location else { panic!("not PostgreSQL") };
    let now = Timestamp::now();
    let drop_one = format!("DROP TABLE results_{}", (now + DAY).0 / 86_400_000);
    // A transaction of somebody else, after which a partition is missing.
    let hold = async || {
        let mut other = PgConnection::connect(url.expose()).await.unwrap();
        for statement in [&drop_one, "BEGIN; SELECT 1 FROM results LIMIT 1"] {
            sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut other).await.unwrap();
        }
        other
    };

    let other = hold().await;
    assert!(hub.store.sweep(now - Duration::from_secs(3500)).await.unwrap().postponed);
    assert_eq!(warnings().await, Value::Null, "a dump may take as long");
    let text = send(hub.get("/metrics")).await;
    let is_gauge = |line: &&str| line.starts_with("easytier_uptime_partitions_postponed_seconds ");
    let line = text.body.as_str().unwrap().lines().find(is_gauge).unwrap();
    let seconds: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
    assert!((3500.0..3600.0).contains(&seconds), "{line}");

    other.close().await.unwrap();
    assert!(!hub.store.sweep(now).await.unwrap().postponed);
    let other = hold().await;
    assert!(hub.store.sweep(now - Duration::from_secs(3601)).await.unwrap().postponed);
    let warned = warnings().await;
    assert!(warned[0].as_str().unwrap().contains("no partitions of results can be created or dropped"), "{warned}");
    other.close().await.unwrap();
    assert!(!hub.store.sweep(now).await.unwrap().postponed);
    assert_eq!(warnings().await, Value::Null);
}

/// `data` of `/health`, and its message.
async fn health(hub: &TestHub) -> (Value, String) {
    let mut reply = send(hub.get("/health")).await;
    assert_eq!((reply.status, &reply.body["success"]), (200, &true.into()), "{reply:?}");
    (reply.body["data"].take(), reply.body["message"].as_str().unwrap().to_owned())
}

async fn assert_figures(hub: &TestHub, lines: &[&str]) {
    let text = send(hub.get("/metrics")).await.body.as_str().unwrap().to_owned();
    for line in lines {
        assert!(text.lines().any(|found| found == *line), "{line} is not in\n{text}");
    }
}

/// `hub-1` leads in epoch 7.
fn leadership_of_hub_1() -> Leadership {
    let given = leadership(1, 2, 7);
    let leader = Leader { name: "hub-1".to_owned(), url: Some("http://hub-1:3002/".to_owned()), ..given.leader };
    Leadership { leader, ..given }
}

async fn a_standalone_instance_says_nothing_about_a_cluster(store: TestStore) {
    let hub = TestHub::on(&store).await;
    assert_eq!(health(&hub).await, (Value::Null, "the hub works".to_owned()));
    let figures = [
        r#"easytier_uptime_instance_role{role="standalone"} 1"#,
        r#"easytier_uptime_instance_role{role="primary"} 0"#,
        "easytier_uptime_instance_epoch 0",
        r#"easytier_uptime_instances{status="active"} 0"#,
    ];
    assert_figures(&hub, &figures).await;
}

async fn a_primary_says_its_epoch_and_who_belongs_to_it(store: TestStore) {
    store.become_primary("hub-1", Some("http://hub-1:3002/")).await.unwrap();
    let now = Timestamp::now();
    for (nth, heard) in [(3, now), (4, now - Duration::from_secs(3600))] {
        let id = InstanceId(Uuid::from_u128(nth));
        let member = Member { last_heartbeat: Some(heard), ..Member::registering(id, now) };
        store.put_member(&member).await.unwrap();
    }
    let hub = TestHub::on(&store).await;
    let (data, message) = health(&hub).await;
    assert_eq!(message, "the hub works; primary, epoch 1");
    let instance = &data["instance"];
    assert_eq!((&instance["role"], &instance["epoch"]), (&"primary".into(), &1.into()), "{data}");
    assert_eq!(instance["primary"], json!({"name": "hub-1", "url": "http://hub-1:3002/"}));
    assert_eq!((&data["warnings"], &instance["accepts_edits"]), (&json!([]), &true.into()));
    let figures = [
        r#"easytier_uptime_instance_role{role="primary"} 1"#,
        r#"easytier_uptime_instance_role{role="dependent"} 0"#,
        "easytier_uptime_instance_epoch 1",
        "easytier_uptime_sync_age_seconds 0.0",
        "easytier_uptime_forward_backlog 0",
        r#"easytier_uptime_instances{status="active"} 1"#,
        r#"easytier_uptime_instances{status="failed"} 1"#,
    ];
    assert_figures(&hub, &figures).await;

    store.set_accepts_edits(false).await.unwrap();
    let (data, _) = health(&hub).await;
    assert!(data["warnings"][0].as_str().unwrap().contains("takes no changes now"), "{data}");
}

async fn a_dependent_says_who_leads_and_what_is_wrong(store: TestStore) {
    let peer = store.add("tcp://192.0.2.1:11010").await;
    let probe = store.probe("probe-1", "eu").await;
    store.report(&probe, vec![good(peer)], Timestamp::now()).await;
    store.join(&leadership_of_hub_1(), &"token".into()).await.unwrap();
    let own = OwnInstance::default();
    let hub = TestHub::with(&store, |options| options.instance = own.clone()).await;
    let (data, message) = health(&hub).await;
    assert_eq!(message, "the hub works; dependent of hub-1 at http://hub-1:3002/, epoch 7");
    assert_eq!(data["instance"]["synced_at"], Value::Null);
    assert_eq!(data["warnings"], json!([]));

    store
        .note_synced(ConfigVersion { epoch: 7, version: 1 }, Timestamp::now() - Duration::from_secs(90))
        .await
        .unwrap();
    store.note_sync_error("http://10.0.0.1:3002/ refused").await.unwrap();
    let since = Timestamp::now() - Duration::from_secs(60);
    own.status.update(|status| {
        status.primary_reachable = Some(false);
        status.outage_since = Some(since);
        status.reason = Some("hub-2 sees the primary".to_owned());
        status.sync_errors = 3;
    });
    let (data, _) = health(&hub).await;
    let instance = &data["instance"];
    assert_eq!((&instance["primary_reachable"], &instance["sync_failed"]), (&false.into(), &true.into()), "{data}");
    assert_eq!(instance["unreachable_since"], json!(since));
    assert!((90..120).contains(&instance["sync_age_seconds"].as_u64().unwrap()), "{data}");
    let silent = format!(
        "the primary hub-1 does not answer since {since}; this instance does not take its place: hub-2 sees the primary"
    );
    let failed = "the last synchronisation with the primary failed; 'easytier-uptime hub role' says why";
    assert_eq!(data["warnings"], json!([silent, failed]));
    // A stranger may read this, so it does not repeat what the primary said.
    assert!(!data.to_string().contains("refused"), "{data}");

    store.put_forwarded_row(store.newest_result().await.unwrap() - 1).await.unwrap();
    let figures = [
        r#"easytier_uptime_instance_role{role="dependent"} 1"#,
        "easytier_uptime_instance_epoch 7",
        "easytier_uptime_sync_errors 3",
        "easytier_uptime_forward_backlog 1",
    ];
    assert_figures(&hub, &figures).await;
}

async fn a_role_that_is_not_the_configured_one_is_a_warning(store: TestStore) {
    let own = OwnInstance::default();
    own.status.update(|status| status.configured = Some(Role::Primary));
    let hub = TestHub::with(&store, |options| options.instance = own.clone()).await;
    let (data, message) = health(&hub).await;
    assert_eq!(message, "the hub works; standalone");
    assert_eq!(data["warnings"], json!(["the role is standalone; configured: primary"]));
    store.join(&leadership_of_hub_1(), &"token".into()).await.unwrap();
    let (data, _) = health(&hub).await;
    assert_eq!(data["warnings"], json!(["the role is dependent; configured: primary"]));
    assert_eq!(data["instance"]["configured"], "primary");
}

/// The hub has accepted a request when it has received the head, even without the body.
async fn a_stopping_hub_finishes_what_it_accepted(store: TestStore) {
    let mut hub = TestHub::on(&store).await;
    let peer = hub.peer("tcp://192.0.2.1:11010").await;
    let token = hub.token("probe-1", "eu").await;
    let body = batch_of(&[good(peer)]).to_string();
    let address = hub.url.strip_prefix("http://").unwrap().to_owned();
    let mut connection = TcpStream::connect(&address).await.unwrap();
    let head = format!(
        "POST /results HTTP/1.1\r\nhost: hub\r\nx-node-token: {token}\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
        body.len()
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    // The hub sends `100 Continue` when the handler reads the body.
    let mut continued = [0; 25];
    connection.read_exact(&mut continued).await.unwrap();
    assert_eq!(&continued, b"HTTP/1.1 100 Continue\r\n\r\n");

    let stopping = hub.begin_stop();
    while TcpStream::connect(&address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!stopping.is_finished());
    connection.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains(r#""accepted":1"#), "{answer}");
    tokio::time::timeout(Duration::from_secs(10), stopping).await.expect("it stops").unwrap().unwrap();
    hub.store.close().await;
    assert_eq!(
        store.health_records(peer, &Default::default(), Default::default(), Timestamp::now()).await.unwrap().total,
        1
    );
}

#[tokio::test]
async fn unknown_paths_and_methods_are_refused_in_the_envelope_of_their_api() {
    let hub = sqlite().await;
    for (method, path, status) in [
        (Method::POST, "/peers", 405),
        (Method::GET, "/results", 405),
        (Method::PATCH, "/api/nodes/status", 405),
        (Method::GET, "/api/discovery/nothing", 404),
        (Method::GET, "/api/discovery/register", 405),
    ] {
        let refused = send(hub.request(method, path)).await;
        assert!(!refused.refusal(status).is_empty());
        assert_eq!(refused.headers.contains_key("allow"), status == 405, "{path}");
    }
    for (method, path, status) in [
        (Method::GET, "/no/such/path", 404),
        (Method::GET, "/api/..%2f..%2fetc/passwd", 404),
        (Method::GET, "/%FF%00", 404),
        (Method::POST, "/health", 405),
    ] {
        let refused = send(hub.request(method, path)).await;
        assert_eq!((refused.status, &refused.body["success"]), (status, &false.into()), "{path}");
        assert!(refused.body["error"].is_string() && refused.body["data"].is_null());
    }
    let head = hub.request(Method::HEAD, "/peers?region=eu").send().await.unwrap();
    assert_eq!((head.status().as_u16(), &head.headers()["x-uptime-hub"]), (200, &"1".parse().unwrap()));
    let head = hub.request(Method::HEAD, "/peers?count=0").send().await.unwrap();
    assert_eq!((head.status().as_u16(), &head.headers()["x-uptime-hub"]), (400, &"1".parse().unwrap()));
    assert!(head.text().await.unwrap().is_empty());
}

#[tokio::test]
async fn every_answer_carries_the_id_of_its_request() {
    let hub = sqlite().await;
    let own = send(hub.get("/health")).await.headers["x-request-id"].clone();
    assert_ne!(own, send(hub.get("/health")).await.headers["x-request-id"]);
    let given = send(hub.get("/nothing").header("x-request-id", "proxy-4711")).await;
    assert_eq!(given.headers["x-request-id"], "proxy-4711");
    for unfit in ["with space".to_owned(), "x".repeat(65), String::new()] {
        let replaced = send(hub.get("/health").header("x-request-id", &unfit)).await;
        assert_ne!(replaced.headers["x-request-id"], *unfit);
    }
}

#[tokio::test]
async fn long_responses_are_compressed_when_accepted() {
    let hub = sqlite().await;
    for nth in 0..50 {
        hub.peer(&format!("tcp://192.0.2.{nth}:11010")).await;
    }
    let plain = hub.get("/peers").header("accept-encoding", "identity").send().await.unwrap();
    assert!(!plain.headers().contains_key("content-encoding"));
    let plain = plain.bytes().await.unwrap();
    let address = hub.url.strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(address).await.unwrap();
    let request = "GET /peers HTTP/1.1\r\nhost: hub\r\naccept-encoding: gzip\r\nconnection: close\r\n\r\n";
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await.unwrap();
    assert!(String::from_utf8_lossy(&answer).contains("content-encoding: gzip"));
    assert!(answer.len() * 3 < plain.len(), "{} of {}", answer.len(), plain.len());
}

#[tokio::test]
async fn pages_of_other_sites_may_read_the_public_api_and_nothing_else() {
    let hub = sqlite().await;
    let from = "https://dashboard.example";
    let allowed = |reply: &crate::hub::ApiReply| reply.headers.get("access-control-allow-origin").cloned();
    assert_eq!(allowed(&send(hub.get("/api/nodes").header("origin", from)).await).unwrap(), from);
    let preflight = |path: &str, method: &str| {
        hub.request(Method::OPTIONS, path)
            .header("origin", from)
            .header("access-control-request-method", method.to_owned())
    };
    let reading = send(preflight("/api/nodes", "GET")).await;
    assert_eq!(allowed(&reading).unwrap(), from);
    assert!(!reading.headers["access-control-allow-methods"].to_str().unwrap().contains("POST"));
    assert_eq!(allowed(&send(hub.post("/api/nodes", &json!({})).header("origin", from)).await), None);
    for path in ["/peers", "/api/peers", "/api/discovery/servers", "/api/admin/verify", "/metrics"] {
        assert_eq!(allowed(&send(hub.get(path).header("origin", from)).await), None, "{path}");
        assert_eq!(allowed(&send(preflight(path, "GET")).await), None, "{path}");
    }
}

#[tokio::test]
async fn the_metrics_can_be_closed_with_a_token() {
    let store = TestStore::new(Engine::Sqlite).await;
    let open = TestHub::on(&store).await;
    assert_eq!(send(open.get("/metrics")).await.status, 200);
    let closed = TestHub::with(&store, |options| options.metrics_token = Some("a-token-for-prometheus".into())).await;
    let scrape =
        async |authorization: &str| send(closed.get("/metrics").header("authorization", authorization)).await.status;
    assert_eq!(send(closed.get("/metrics")).await.status, 401);
    for wrong in ["", "Bearer", "Bearer ", "Bearer a-token-for-prometheuS", "Basic a-token-for-prometheus"] {
        assert_eq!(scrape(wrong).await, 401, "{wrong}");
    }
    assert_eq!(scrape("Bearer a-token-for-prometheus").await, 200);
    assert_eq!(send(closed.get("/health")).await.status, 200);
}

#[tokio::test]
async fn the_document_names_every_route_of_the_contract_once() {
    let hub = sqlite().await;
    let document = send(hub.get("/openapi.json")).await;
    assert_eq!(document.headers["content-type"], "application/json");
    let paths = document.body["paths"].as_object().unwrap();
    for (path, method) in [
        ("/peers", "get"),
        ("/api/peers", "get"),
        ("/results", "post"),
        ("/api/results", "post"),
        ("/nodes/status", "put"),
        ("/api/nodes/status", "put"),
        ("/api/discovery/register", "post"),
        ("/api/discovery/heartbeat/{server_id}", "post"),
        ("/api/discovery/servers", "get"),
        ("/api/discovery/unregister/{server_id}", "delete"),
        ("/health", "get"),
        ("/metrics", "get"),
        ("/openapi.json", "get"),
    ] {
        let operation = &paths[path][method];
        assert!(operation["responses"]["500"].is_object(), "{method} {path}");
    }
    let operations: Vec<&Value> = paths.values().flat_map(|path| path.as_object().unwrap().values()).collect();
    let ids: HashSet<&str> = operations.iter().map(|operation| operation["operationId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), operations.len());
    for reference in references(&document.body) {
        assert!(document.body.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference} leads nowhere");
    }
}

fn references(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(fields) => {
            let own = fields.get("$ref").and_then(Value::as_str);
            own.into_iter().chain(fields.values().flat_map(references)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

/// A probe that does not work.
struct Ailing(Registry);

impl ProbeStatus for Ailing {
    fn server_id(&self) -> &str {
        "own"
    }

    fn health(&self) -> Result<String, String> {
        Err("no peer was checked".to_owned())
    }

    fn metrics(&self) -> &Registry {
        &self.0
    }
}

#[tokio::test]
async fn the_monitoring_api_of_a_probe_is_read_only_and_not_a_hub() {
    let store = TestStore::new(Engine::Sqlite).await;
    let peer = store.add("tcp://192.0.2.1:11010").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router =
        easytier_uptime_monitor::router(store.store.clone(), Arc::new(Ailing(Registry::default())), None, None);
    let server = tokio::spawn(serve(listener, router, std::future::pending(), Duration::ZERO));
    let hub = TestHub::on(&store).await;
    let ask = |method: Method, path: &str| hub.client.request(method, format!("{url}{path}")).send();
    let nodes = ask(Method::GET, "/api/nodes").await.unwrap();
    assert!(!nodes.headers().contains_key("x-uptime-hub"));
    let nodes: Value = nodes.json().await.unwrap();
    assert_eq!(nodes["data"]["items"][0]["id"], peer.0);
    for (path, status) in [("/health", 503), ("/metrics", 200), ("/openapi.json", 200)] {
        assert_eq!(ask(Method::GET, path).await.unwrap().status(), status, "{path}");
    }
    let health: Value = ask(Method::GET, "/health").await.unwrap().json().await.unwrap();
    assert_eq!((&health["success"], &health["error"]), (&false.into(), &"no peer was checked".into()));
    for (method, path, status) in [
        (Method::POST, "/api/nodes", 405),
        (Method::POST, "/api/test_connection", 404),
        (Method::GET, "/peers", 404),
        (Method::POST, "/results", 404),
        (Method::POST, "/api/admin/login", 404),
        (Method::GET, "/api/discovery/servers", 404),
    ] {
        assert_eq!(ask(method, path).await.unwrap().status(), status, "{path}");
    }
    server.abort();
}
