//! The probe cycle over real HTTP with hubs of the test; peers are real nodes and closed ports.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

#[path = "support/backend.rs"]
mod backend;
#[path = "support/cycle.rs"]
mod cycle;
#[path = "support/hub.rs"]
mod hub;
mod support;

use std::{
    collections::{BTreeMap, HashSet},
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{body::Body, response::Response};
use easytier_probe::{
    CheckResult, CycleOptions, FailureCode, Peer, PeerUrl, Scheme,
    cycle::{BackendPeers, ListedPeers, NoSink},
};
use futures::stream;
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::Notify, time::timeout};

use self::{
    backend::{Reply, TestBackend, envelope, text, third_party, with_header},
    cycle::{Ran, checker, impossible_url, run, run_with, small},
    hub::{Hub, NODE_TOKEN, assert_stored_or_undelivered, listed},
    support::{
        LONG,
        closed_port::ClosedPort,
        fake::{self, Fake},
        node::{Node, NodeOptions},
    },
};

/// Runs a cycle with the peers of `hub`, which reports to it.
async fn run_against(hub: &Hub, options: &CycleOptions) -> Ran {
    let client = hub.client();
    run(&mut BackendPeers::new(client.clone()), &client, options).await
}

/// The same, with up to `max_checks` checks at the same time.
async fn run_many_against(hub: &Hub, max_checks: usize, options: &CycleOptions) -> Ran {
    let client = hub.client();
    run_with(&checker(max_checks), &mut BackendPeers::new(client.clone()), &client, options, |_| ()).await
}

/// Listed peers whose checks end at once.
fn impossible_listed(ids: impl IntoIterator<Item = i64>) -> Vec<Value> {
    ids.into_iter().map(|id| listed(id, &impossible_url())).collect()
}

/// The only page of a backend, with these peers.
fn third_party_page(ids: impl IntoIterator<Item = i64>) -> Value {
    json!({"peers": impossible_listed(ids), "next_batch_available": false})
}

/// A real node in its own process.
fn real_node() -> Node {
    NodeOptions::listening_on(&[Scheme::Tcp]).start(env!("CARGO_BIN_EXE_easytier-uptime"))
}

fn closed_url(port: &ClosedPort) -> PeerUrl {
    port.url(Scheme::Tcp).parse().expect("a peer URL")
}

fn tcp_url(fake: &Fake) -> PeerUrl {
    fake.url(Scheme::Tcp).parse().expect("a peer URL")
}

// --- whole cycles ----------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_cycle_fetches_checks_and_reports_every_peer() {
    let (node, closed) = (real_node(), ClosedPort::new());
    let fake = fake::answering(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let mut peers: Vec<Value> = (1..=4).map(|id| listed(id, &node.url(Scheme::Tcp))).collect();
    peers.extend([
        listed(5, &closed_url(&closed)),
        listed(6, &closed_url(&closed)),
        listed(7, &tcp_url(&fake)),
        // wg derives its keys from the network, so guests cannot be checked.
        listed(8, &"wg://127.0.0.1:11011".parse().unwrap()),
        // This peer is not valid.
        json!({"id": 9, "host": "192.0.2.1", "port": "many"}),
    ]);
    let hub = Hub::listing(peers, 3).await;

    let ran = run_against(&hub, &small(LONG)).await;
    let report = &ran.report;
    assert_eq!(ran.peer_ids(), (1..=8).collect::<Vec<_>>());
    assert_eq!((report.online, report.offline, report.unknown, report.skipped), (4, 3, 1, 1));
    let failures =
        [(FailureCode::ConnectRefused, 2), (FailureCode::NotEasytier, 1), (FailureCode::UnsupportedProtocol, 1)];
    assert_eq!(report.failures, BTreeMap::from(failures));
    assert!(report.complete && report.fetch_error.is_none() && report.report_error.is_none(), "{report:?}");
    assert_eq!(report.delivered, 8);
    assert_stored_or_undelivered(&hub, &ran);

    // The stored results are those of the checks, with the id of the cycle.
    let stored = hub.stored();
    for shown in ran.shown.iter().map(|shown| &shown.result) {
        let stored: CheckResult = serde_json::from_value(stored[&shown.id].clone()).unwrap();
        // The parser of floats rounds.
        let rounded = |float: Option<f64>| float.map(|float| (float * 1e6).round());
        assert_eq!(rounded(stored.response_time), rounded(shown.response_time));
        let CheckResult { response_time, min_ms, max_ms, .. } = *shown;
        assert_eq!(CheckResult { response_time, min_ms, max_ms, ..stored }, *shown);
    }
    assert!(hub.bodies("POST", "/results").iter().all(|body| body["cycle_id"] == report.cycle_id.to_string()));

    // The status of the probe is reported last.
    let [status] = &hub.statuses()[..] else { panic!("one status report, not {:?}", hub.statuses()) };
    assert_eq!(hub.http.lines().last().unwrap(), "PUT /nodes/status");
    assert_eq!(status["status"], "Online");
    assert_eq!(status["response_time"], json!(report.response_time.unwrap().round() as u64));
    assert_eq!(status["metadata"]["total_monitored_nodes"], 8);
    assert_eq!(status["metadata"]["healthy_nodes"], 4);
    assert_eq!(status["metadata"]["region"], "eu");
    assert_eq!(status["metadata"]["server_id"], "probe-1");
    assert_eq!(status["metadata"]["check_interval"], 60);

    let durations = report.durations;
    for part in [durations.fetch_ms, durations.check_ms, durations.report_ms] {
        assert!(part > 0.0 && part <= report.duration_ms, "{durations:?} of {} ms", report.duration_ms);
    }
}

#[tokio::test]
async fn an_empty_listing_is_a_complete_cycle() {
    let hub = Hub::listing(Vec::new(), 10).await;

    let ran = run_against(&hub, &small(LONG)).await;
    assert_eq!((ran.report.checked, ran.report.skipped, ran.report.complete), (0, 0, true));
    assert!(ran.report.fetch_error.is_none() && ran.report.report_error.is_none(), "{:?}", ran.report);
    assert_eq!(hub.http.lines(), ["GET /peers?region=eu", "PUT /nodes/status"]);
    let status = &hub.statuses()[0];
    assert_eq!((&status["response_time"], &status["metadata"]["healthy_nodes"]), (&Value::Null, &json!(0)));
}

#[tokio::test]
async fn a_foreign_backend_gets_the_status_report_alone() {
    let http = TestBackend::start(|seen| match seen.path.as_str() {
        "/peers" => third_party(200, envelope(third_party_page(1..=5))),
        "/nodes/status" => third_party(200, envelope(Value::Null)),
        _ => third_party(404, json!({"error": "Not Found"})),
    })
    .await;
    let client = hub::client_of(&http.url);

    let ran = run(&mut BackendPeers::new(client.clone()), &client, &small(LONG)).await;
    assert_eq!((ran.report.checked, ran.report.not_wanted, ran.report.complete), (5, 5, true));
    assert!(ran.report.report_error.is_none(), "{:?}", ran.report);
    assert_eq!(http.lines(), ["GET /peers?region=eu", "PUT /nodes/status"]);
}

#[tokio::test]
async fn the_median_of_an_even_and_an_odd_number_of_round_trips_is_reported() {
    let node = real_node();
    for count in [1, 2, 5, 6] {
        let peers = (1..=count).map(|id| Peer { id, ..node.as_guest(Scheme::Tcp) }).collect();

        // run_against checks that it is the median.
        let ran = run(&mut ListedPeers::new(peers), &NoSink, &small(LONG)).await;
        assert_eq!(ran.report.online, count as u64);
    }
}

// --- overlap, pages, memory ------------------------------------------------------------------------------------------

#[tokio::test]
async fn results_are_sent_while_pages_are_fetched() {
    let hub = Hub::listing(impossible_listed(1..=400), 100).await;

    let ran = run_against(&hub, &small(LONG)).await;
    assert_eq!(ran.report.delivered, 400);
    assert_stored_or_undelivered(&hub, &ran);
    let lines = hub.http.lines();
    let first_result = lines.iter().position(|line| line == "POST /results").expect("results");
    let last_page = lines.iter().rposition(|line| line.starts_with("GET /peers")).expect("pages");
    assert!(first_result < last_page, "{lines:?}");
}

#[tokio::test]
async fn ten_thousand_peers_are_fetched_in_pages_and_reported_in_batches() {
    let hub = Hub::listing(impossible_listed(1..=10_000), 500).await;
    let options = CycleOptions { batch_size: 500, ..small(Duration::from_secs(20)) };

    let ran = run_many_against(&hub, 64, &options).await;
    assert_eq!(ran.peer_ids(), (1..=10_000).collect::<Vec<_>>());
    assert_eq!((ran.report.delivered, ran.report.complete), (10_000, true));
    assert_stored_or_undelivered(&hub, &ran);
    let lines = hub.http.lines();
    assert_eq!(lines.iter().filter(|line| line.starts_with("GET /peers")).count(), 20);
    assert!(lines.iter().filter(|line| *line == "POST /results").count() < 200, "{} requests", lines.len());
    assert_eq!(hub.statuses().len(), 1);
}

// --- the time budget -------------------------------------------------------------------------------------------------

#[tokio::test]
async fn when_the_time_is_up_finished_checks_are_reported_and_connections_closed() {
    let budget = Duration::from_secs(2);
    let (opened, closed_again) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (count, signal) = (opened.clone(), closed_again.clone());
    let silent = Fake::tcp(move |stream: TcpStream| {
        count.fetch_add(1, SeqCst);
        let (count, signal) = (count.clone(), signal.clone());
        async move {
            fake::listen_only(stream).await;
            count.fetch_sub(1, SeqCst);
            signal.notify_one();
        }
    })
    .await;
    let closed = ClosedPort::new();
    let peer = |id| match id % 3 {
        0 => listed(id, &tcp_url(&silent)),
        _ => listed(id, &closed_url(&closed)),
    };
    let hub = Hub::listing((1..=60).map(peer).collect(), 25).await;

    let ran = run_many_against(&hub, 60, &small(budget)).await;
    let report = &ran.report;
    assert_eq!((report.checked, report.skipped, report.delivered, report.complete), (40, 20, 40, false));
    assert_eq!(report.failures, BTreeMap::from([(FailureCode::ConnectRefused, 40)]));
    assert!(report.fetch_error.is_none() && report.report_error.is_none(), "{report:?}");
    assert_stored_or_undelivered(&hub, &ran);
    assert_eq!(hub.statuses()[0]["metadata"]["total_monitored_nodes"], 40);
    assert!(ran.took >= budget / 2, "{:?}", ran.took);

    let all_closed = async {
        while opened.load(SeqCst) > 0 {
            closed_again.notified().await;
        }
    };
    timeout(LONG, all_closed).await.expect("a check left its connection open");
    assert_eq!(silent.arrived(), 20);
}

// --- failures of a source --------------------------------------------------------------------------------------------

#[tokio::test]
async fn when_a_page_fails_the_pages_before_it_are_reported() {
    let hub = Hub::with_exceptions(impossible_listed(1..=30), 20, |seen, _| {
        seen.query.contains("cursor").then(|| backend::hub(500, json!({"code": 500, "message": "disk full"})).into())
    })
    .await;

    let ran = run_against(&hub, &small(LONG)).await;
    assert_eq!(ran.peer_ids(), (1..=20).collect::<Vec<_>>());
    assert_eq!((ran.report.delivered, ran.report.complete), (20, false));
    assert!(ran.report.report_error.is_none(), "{:?}", ran.report);
    assert_stored_or_undelivered(&hub, &ran);
    let error = ran.fetch_error();
    assert!(error.contains("GET http://") && error.contains("disk full"), "{error}");
    assert_eq!(hub.statuses()[0]["metadata"]["total_monitored_nodes"], 20);
}

#[tokio::test]
async fn refused_credentials_are_reported_once() {
    let hub = Hub::with_exceptions(Vec::new(), 20, |_, _| Some(unauthorized())).await;

    let ran = run_against(&hub, &small(LONG)).await;
    assert_eq!((ran.report.checked, ran.report.complete), (0, false));
    let error = ran.fetch_error();
    assert!(error.contains("401") && error.contains("NODE_TOKEN") && !error.contains(NODE_TOKEN), "{error}");
    assert!(ran.report.report_error.is_none(), "{:?}", ran.report);
    assert_eq!(hub.http.lines(), ["GET /peers?region=eu"]);
}

#[tokio::test]
async fn an_unreachable_backend_is_reported_once() {
    let hub = Hub::listing(Vec::new(), 20).await;
    let client = hub.client();
    drop(hub);

    let ran = run(&mut BackendPeers::new(client.clone()), &client, &small(LONG)).await;
    assert!(ran.fetch_error().contains("http://127.0.0.1"), "{}", ran.fetch_error());
    assert!(ran.report.report_error.is_none() && !ran.report.complete, "{:?}", ran.report);
}

#[tokio::test]
async fn an_endlessly_repeated_page_ends_the_cycle() {
    let ours = Hub::with_exceptions(Vec::new(), 20, |seen, _| {
        let mut page = third_party_page(1..=5);
        page["next_batch_available"] = true.into();
        page["next_cursor"] = "same".into();
        (seen.path == "/peers").then(|| backend::hub(200, envelope(page)).into())
    })
    .await;
    let ran = run_against(&ours, &small(LONG)).await;
    assert_eq!(ours.http.lines().iter().filter(|line| line.starts_with("GET")).count(), 2);
    assert_eq!(HashSet::<i64>::from_iter(ran.peer_ids()), HashSet::from_iter(1..=5));
    assert_stored_or_undelivered(&ours, &ran);

    let others = TestBackend::start(|seen| match seen.path.as_str() {
        "/peers" => {
            let mut page = third_party_page(1..=5);
            page["next_batch_available"] = true.into();
            third_party(200, envelope(page))
        }
        _ => third_party(200, envelope(Value::Null)),
    })
    .await;
    let client = hub::client_of(&others.url);
    let ran = run(&mut BackendPeers::new(client.clone()), &client, &small(LONG)).await;
    assert_eq!(ran.peer_ids(), [1, 2, 3, 4, 5]);
    assert_eq!(others.lines().iter().filter(|line| line.starts_with("GET")).count(), 2);
}

// --- failures of a sink ----------------------------------------------------------------------------------------------

/// How a hub may fail to accept results, and a part of the resulting error.
type Trouble = (&'static str, fn() -> Reply);

const TROUBLES: [Trouble; 7] = [
    ("500", || backend::hub(500, json!({"code": 500, "message": "out of order"})).into()),
    ("503", || text(503, "text/html", "<h1>upstream is away</h1>").into()),
    ("429", || with_header(backend::hub(429, json!({"message": "slow down"})), "retry-after", "100").into()),
    ("401", unauthorized),
    ("not a JSON object", || text(200, "text/html", "<h1>it works</h1>").into()),
    ("broke off", || cut_off().into()),
    ("within", || Reply::Silence),
];

fn unauthorized() -> Reply {
    backend::hub(401, json!({"code": 401, "message": "unknown token", "data": null})).into()
}

/// A response that is cut off.
fn cut_off() -> Response {
    let parts = [Ok("{\"code\": 200, \"da"), Err(io::Error::other("cut"))];
    text(200, "application/json", Body::from_stream(stream::iter(parts)))
}

#[tokio::test]
async fn results_that_a_hub_does_not_accept_are_in_the_report() {
    for (words, trouble) in TROUBLES {
        // From the first batch on, and from the third.
        for good_batches in [0, 2] {
            let hub = Hub::with_exceptions(impossible_listed(1..=60), 25, move |seen, before| {
                (seen.path == "/results" && before >= good_batches).then(trouble)
            })
            .await;

            let ran = run_against(&hub, &small(Duration::from_secs(2))).await;
            let report = &ran.report;
            assert!(report.undelivered > 0, "{words}");
            assert!(hub.bodies("POST", "/results").len() > good_batches, "{words}");
            assert_stored_or_undelivered(&hub, &ran);
            let error = ran.report_error();
            assert!(error.contains(words) && error.contains("POST http://"), "{words}: {error}");
            assert!(!error.contains(NODE_TOKEN), "{error}");
            assert!(hub.statuses().is_empty(), "{words}: the hub was called again after its failure");
            // Only a hub that hangs uses up the time for the other batches.
            assert!(report.checked + report.skipped <= 60, "{words}");
            if words != "within" {
                assert_eq!((report.checked, report.complete), (60, true), "{words}");
            }
        }
    }
}

#[tokio::test]
async fn after_a_short_failure_a_hub_gets_all_results_once() {
    let hub = Hub::with_exceptions(impossible_listed(1..=60), 25, |seen, before| {
        let fails = seen.path == "/results" && before % 2 == 0 || seen.path == "/peers" && before % 2 == 1;
        fails.then(|| backend::hub(503, json!({"code": 503, "message": "moving"})).into())
    })
    .await;

    let ran = run_against(&hub, &small(LONG)).await;
    assert_eq!((ran.report.delivered, ran.report.complete), (60, true));
    assert_stored_or_undelivered(&hub, &ran);
}
