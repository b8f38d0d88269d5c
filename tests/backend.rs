//! The client of the backend contract, against test backends: good ones, faulty ones, and some with the habits of
//! third-party backends.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

#[path = "support/backend.rs"]
mod backend;
#[path = "support/closed_port.rs"]
mod closed_port;
#[path = "support/logs.rs"]
mod logs;

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, SystemTime},
};

use axum::response::Response;
use easytier_probe::{
    Access, Backend, BackendConfig, BackendError, CheckResult, ListingVersion, Origin, Peer, Secret,
    backend::{
        BaseUrl, ClaimRequest, Delivery, Registered, Registration, Rejected, ReportStyle, Reported, RetryPolicy,
        StatusReport, System,
    },
};
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use self::{
    backend::{Reply, Seen, TestBackend, envelope, hub, listing, raw_backend, text, third_party, with_header},
    closed_port::ClosedPort,
    logs::Logs,
};

const API_KEY: &str = "api-key-f3b1";
const NODE_TOKEN: &str = "node-token-9c2e";

/// A deadline that no test should reach.
fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn in_millis(millis: u64) -> Instant {
    Instant::now() + Duration::from_millis(millis)
}

/// A configuration with both secrets and short pauses between rounds.
fn config(base_urls: &[&BaseUrl]) -> BackendConfig {
    BackendConfig {
        api_key: Some(API_KEY.into()),
        node_token: Some(NODE_TOKEN.into()),
        region: Some("eu".to_owned()),
        retry: RetryPolicy {
            max_rounds: 3,
            first_pause: Duration::from_millis(1),
            max_pause: Duration::from_millis(2),
        },
        ..BackendConfig::new(base_urls.iter().copied().cloned().collect())
    }
}

fn client(base_urls: &[&BaseUrl]) -> Backend {
    Backend::new(config(base_urls)).expect("a client")
}

fn styled(style: ReportStyle, base_url: &BaseUrl) -> Backend {
    Backend::new(BackendConfig { report_style: style, ..config(&[base_url]) }).expect("a client")
}

fn base_url_of(port: &ClosedPort) -> BaseUrl {
    port.url("http").parse().unwrap()
}

/// The ids of the whole listing, and whether all pages say that it is complete.
async fn whole_listing(backend: &Backend) -> (Vec<i64>, bool) {
    let (mut ids, mut complete, mut cursor) = (Vec::new(), true, None);
    loop {
        let page = backend.peers_page(cursor, soon()).await.expect("a page");
        ids.extend(page.peers.iter().map(|peer| peer.id));
        complete &= page.complete_listing;
        match page.next {
            Some(next) => cursor = Some(next),
            None => return (ids, complete),
        }
    }
}

/// The error when a backend answers every request for peers like this, and the requests that it received.
async fn error_of<R: Into<Reply>>(answer: impl Fn(&Seen) -> R + Send + Sync + 'static) -> (BackendError, Vec<String>) {
    let backend = TestBackend::start(answer).await;
    let error = client(&[&backend.url]).peers_page(None, soon()).await.expect_err("no page");
    (error, backend.lines())
}

fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).expect("a fixture")).expect("JSON")
}

fn example_results() -> (Uuid, Vec<CheckResult>) {
    let document = fixture("results.json");
    let results = serde_json::from_value(document["results"].clone()).expect("results");
    (document["cycle_id"].as_str().unwrap().parse().unwrap(), results)
}

fn many_results(count: usize) -> Vec<CheckResult> {
    let template = example_results().1.remove(0);
    (0..count).map(|i| CheckResult { id: Uuid::now_v7(), peer_id: i as i64, ..template.clone() }).collect()
}

// --- the listing -----------------------------------------------------------------------------------------------------

#[tokio::test]
async fn count_and_cursor_are_sent_only_once_the_backend_identified_itself_as_a_hub() {
    let backend = TestBackend::start(|seen| {
        hub(
            200,
            envelope(match seen.query.as_str() {
                query if query.contains("cursor=p2%26") => listing(501..=502, false, None),
                _ => listing(1..=500, true, Some("p2&")),
            }),
        )
    })
    .await;
    let client = client(&[&backend.url]);

    let (ids, complete) = whole_listing(&client).await;
    assert_eq!(ids, (1..=502).collect::<Vec<_>>());
    assert!(complete);
    assert_eq!(backend.lines(), ["GET /peers?region=eu", "GET /peers?region=eu&count=500&cursor=p2%26"]);

    client.peers_page(None, soon()).await.unwrap();
    assert_eq!(backend.lines()[2], "GET /peers?region=eu&count=500");
}

#[tokio::test]
async fn ten_thousand_peers_are_fetched_in_pages_over_one_connection() {
    let backend = TestBackend::start(|seen| {
        let page: i64 = seen.query.rsplit_once("cursor=").map_or(0, |(_, page)| page.parse().unwrap());
        let next = (page < 19).then(|| (page + 1).to_string());
        hub(200, envelope(listing(page * 500..(page + 1) * 500, next.is_some(), next.as_deref())))
    })
    .await;

    let (ids, complete) = whole_listing(&client(&[&backend.url])).await;
    assert_eq!(ids, (0..10_000).collect::<Vec<_>>());
    assert!(complete);
    assert_eq!((backend.requests().len(), backend.connections()), (20, 1));
}

#[tokio::test]
async fn fields_that_only_a_hub_sends_are_read() {
    let backend = TestBackend::start(|_| {
        let peer = json!({"id": 9, "host": "192.0.2.9", "port": 443, "protocol": "wss", "network_name": "n",
            "network_secret": "", "tags": ["a"], "allow_relay": true, "timeout_ms": 900, "check": "handshake"});
        hub(
            200,
            envelope(json!({"peers": [peer], "total_available": 1, "next_batch_available": false,
            "next_cursor": null, "config_version": 42})),
        )
    })
    .await;

    let page = client(&[&backend.url]).peers_page(None, soon()).await.unwrap();
    assert_eq!(
        (page.total_available, page.version, page.skipped),
        (Some(1), Some(ListingVersion { epoch: 0, version: 42 }), 0)
    );
    assert!(page.next.is_none() && page.complete_listing);
    let peer = &page.peers[0];
    assert!(matches!(&peer.access, Access::Member(network) if network.network_secret == Secret::from("")));
    assert_eq!((peer.timeout, peer.origin, peer.allow_relay), (Some(Duration::from_millis(900)), Origin::Remote, true));
    assert_eq!(peer.listing, Some(ListingVersion { epoch: 0, version: 42 }));
}

#[tokio::test]
async fn a_request_for_a_listing_names_the_one_that_the_probe_has() {
    // The last page says which listing the probe has.
    let backend = TestBackend::start(|seen| match seen.query.contains("cursor=") {
        false => hub(200, envelope(json!({"peers": [], "next_cursor": "1", "config_version": 41, "epoch": 3}))),
        true => hub(200, envelope(json!({"peers": [], "next_cursor": null, "config_version": 42, "epoch": 3}))),
    })
    .await;
    let client = client(&[&backend.url]);
    whole_listing(&client).await;
    client.peers_page(None, soon()).await.unwrap();

    let named = |seen: &Seen| seen.query.contains("epoch=3&config_version=42");
    let queries: Vec<bool> = backend.requests().iter().map(named).collect();
    assert_eq!(queries.iter().filter(|named| **named).count(), 1, "{queries:?}");
    assert_eq!(queries.last(), Some(&true));
}

#[tokio::test]
async fn a_listing_that_no_hub_has_any_more_is_forgotten() {
    let [old, new] = [(3, 42), (1, 7)].map(|(epoch, version)| ListingVersion { epoch, version });
    let made_under = |listing| vec![CheckResult { listing: Some(listing), ..example_results().1.remove(0) }];
    // A hub of another cluster, or one that was restored after its first answer: its epoch is lower.
    let restored = || {
        TestBackend::start(|seen| match seen.query.contains("epoch=3") || seen.body.get("epoch") == Some(&json!(3)) {
            true => with_header(hub(503, envelope(Value::Null)), "x-uptime-behind", "1"),
            false if seen.path == "/results" => {
                hub(200, envelope(json!({"accepted": 1, "duplicates": 0, "rejected": []})))
            }
            false if seen.number == 0 => hub(200, envelope(json!({"peers": [], "config_version": 42, "epoch": 3}))),
            false => hub(200, envelope(json!({"peers": [], "config_version": 7, "epoch": 1}))),
        })
    };
    const SHORT: Duration = Duration::from_millis(50);
    let once = RetryPolicy { max_rounds: 1, ..RetryPolicy::default() };
    let patient = |urls: &[&BaseUrl], behind_patience| {
        Backend::new(BackendConfig { behind_patience, retry: once, ..config(urls) }).unwrap()
    };
    let send = async |client: &Backend, listing| client.send_results(Uuid::nil(), &made_under(listing), soon()).await;

    let (one, other) = (restored().await, restored().await);
    let client = patient(&[&one.url, &other.url], SHORT);
    whole_listing(&client).await;
    // While one of the hubs may have it soon, nothing is refused for good.
    send(&client, old).await.unwrap_err();
    while send(&client, old).await.is_err() {}
    assert_eq!(client.peers_page(None, soon()).await.unwrap().version, Some(new));
    for (listing, named) in [(old, Value::Null), (new, json!(7))] {
        let before = [&one, &other].map(|backend| backend.requests().len());
        send(&client, listing).await.unwrap();
        // To whichever of them answered when the listing was given up.
        let sent: Vec<_> = [&one, &other]
            .iter()
            .zip(before)
            .flat_map(|(backend, before)| backend.requests().split_off(before))
            .map(|seen| seen.body.get("config_version").cloned().unwrap_or_default())
            .collect();
        assert_eq!(sent, [named]);
    }

    // After a restart a probe has results of the old listing, and the new listing.
    let client = patient(&[&one.url], SHORT);
    for _ in 0..2 {
        assert_eq!(client.peers_page(None, soon()).await.unwrap().version, Some(new));
    }
    while send(&client, old).await.is_err() {
        assert_eq!(client.peers_page(None, soon()).await.unwrap().version, Some(new));
    }

    let one = restored().await;
    let client = patient(&[&one.url], Duration::from_secs(600));
    whole_listing(&client).await;
    for _ in 0..3 {
        send(&client, old).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_third_party_backend_never_gets_count_cursor_or_claim() {
    // It answers 400 to unknown parameters, although it sends a cursor.
    let backend = TestBackend::start(|seen| match seen.query.as_str() {
        "region=eu" => third_party(200, envelope(listing(1..=5, true, Some("x")))),
        _ => third_party(400, json!({"error": "Bad Request", "message": "count must be at most 20"})),
    })
    .await;
    let client = client(&[&backend.url]);

    assert_eq!(whole_listing(&client).await, ((1..=5).collect(), false));
    let wanted = ClaimRequest { count: 10, interval: Duration::from_secs(60), lease: Duration::from_secs(60) };
    let error = client.claim(wanted, soon()).await.unwrap_err();
    assert!(matches!(error, BackendError::NotAHub { .. }), "{error}");
    assert!(backend.lines().iter().all(|line| line == "GET /peers?region=eu"), "{:?}", backend.lines());
}

#[tokio::test]
async fn a_listing_ends_when_a_page_repeats() {
    let backend = TestBackend::start(|_| third_party(200, envelope(listing(1..=5, true, None)))).await;

    assert_eq!(whole_listing(&client(&[&backend.url])).await, ((1..=5).collect(), false));
    assert_eq!(backend.requests().len(), 2);
}

#[tokio::test]
async fn batches_of_a_third_party_backend_are_fetched_until_no_peer_is_new() {
    let backend = TestBackend::start(|seen| {
        let batch = (seen.number as i64).min(2) * 5;
        third_party(200, envelope(listing(batch + 1..=batch + 5, true, None)))
    })
    .await;

    assert_eq!(whole_listing(&client(&[&backend.url])).await.0, (1..=15).collect::<Vec<_>>());
    assert_eq!(backend.requests().len(), 4);
}

#[tokio::test]
async fn a_third_party_listing_ends_when_total_available_is_reached() {
    let backend = TestBackend::start(|_| {
        let mut data = listing(1..=5, true, None);
        data["total_available"] = 5.into();
        third_party(200, envelope(data))
    })
    .await;

    assert_eq!(whole_listing(&client(&[&backend.url])).await.0.len(), 5);
    assert_eq!(backend.requests().len(), 1);
}

#[tokio::test]
async fn a_repeated_cursor_ends_the_listing_as_incomplete() {
    let backend = TestBackend::start(|_| hub(200, envelope(listing(1..=5, true, Some("same"))))).await;

    assert!(!whole_listing(&client(&[&backend.url])).await.1);
    assert_eq!(backend.requests().len(), 2);
}

#[tokio::test]
async fn the_example_documents_are_read() {
    let backend = TestBackend::start(|seen| {
        third_party(200, fixture(["peers-minimal.json", "peers-foreign.json"][seen.number.min(1)]))
    })
    .await;
    let client = client(&[&backend.url]);
    let shown = |peers: &[Peer]| -> Vec<_> {
        let line = |peer: &Peer| format!("{} {} {:?}", peer.id, peer.url, peer.access);
        peers.iter().map(line).collect()
    };

    let minimal = client.peers_page(None, soon()).await.unwrap();
    assert_eq!(shown(&minimal.peers), ["1 tcp://192.0.2.10:11010 Guest", "2 wss://node.example.net:443 Guest"]);
    assert_eq!((minimal.total_available, minimal.skipped, minimal.complete_listing), (Some(100), 0, false));
    assert!(minimal.next.is_some());

    let foreign = client.peers_page(None, soon()).await.unwrap();
    assert_eq!(
        shown(&foreign.peers),
        [
            "1 ws://192.0.2.11:13011 Guest",
            "2 tcp://relay.example.net:11010 Member(Membership { network_name: \"hub\", network_secret: [redacted] })",
            "3 tcp://192.0.2.12:11010 Guest",
        ]
    );
    assert!(foreign.next.is_none());
}

#[tokio::test]
async fn malformed_peers_are_skipped_and_counted_without_showing_their_secrets() {
    let logs = Logs::collect();
    let backend = TestBackend::start(|_| {
        let good = |id: i64| json!({"id": id, "host": "192.0.2.1", "port": 1, "protocol": "tcp"});
        third_party(
            200,
            envelope(json!({"peers": [
                good(1),
                {"id": 2, "host": "192.0.2.1", "port": 1, "network_secret": 773355},
                {"id": 3, "host": "192.0.2.1", "port": 70000},
                {"id": 4},
                {"host": "192.0.2.1", "port": 1},
                {"id": 6, "host": "192.0.2.1", "port": 1, "protocol": "carrier-pigeon"},
                "nothing",
                good(8),
            ]})),
        )
    })
    .await;

    let page = client(&[&backend.url]).peers_page(None, soon()).await.unwrap();
    // A protocol that this probe does not speak is not malformed: the check says what it is.
    assert_eq!(page.peers.iter().map(|peer| peer.id).collect::<Vec<_>>(), [1, 6, 8]);
    assert_eq!(page.peers[1].url.to_string(), "carrier-pigeon://192.0.2.1:1");
    assert_eq!(page.skipped, 5);
    assert_eq!(logs.warnings_with("peer 2: its 'network_secret' does not match the contract"), 1, "{}", logs.text());
    assert!(!logs.text().contains("773355"));
}

#[tokio::test]
async fn a_compressed_response_is_read() {
    let backend = TestBackend::start(|seen| {
        assert!(seen.header("accept-encoding").is_some_and(|accepted| accepted.contains("gzip")));
        let body = envelope(listing(1..=500, false, None)).to_string();
        with_header(text(200, "application/json", gzipped(body.as_bytes())), "content-encoding", "gzip")
    })
    .await;

    assert_eq!(client(&[&backend.url]).peers_page(None, soon()).await.unwrap().peers.len(), 500);
}

#[tokio::test]
async fn a_response_that_is_too_long_is_not_read_to_its_end() {
    let bomb = gzipped(&vec![b' '; 33 << 20]);
    let (error, requests) =
        error_of(move |_| with_header(text(200, "application/json", bomb.clone()), "content-encoding", "gzip")).await;
    assert!(error.to_string().contains("the answer is longer than 32 MiB"), "{error}");
    assert_eq!(requests.len(), 1);
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

// --- claims ----------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn the_first_claim_identifies_the_backend() {
    let backend = TestBackend::start(|seen| match seen.query.contains("claim=true") {
        true => {
            let mut data = listing(1..=2, true, None);
            data["lease_expires_at"] = "2026-01-02T03:04:05Z".into();
            hub(200, envelope(data))
        }
        false => hub(401, json!({"code": 401, "message": "who are you?", "data": null})),
    })
    .await;
    let client = client(&[&backend.url]);
    let wanted = ClaimRequest { count: 100, interval: Duration::from_secs(60), lease: Duration::from_secs(90) };

    for _ in 0..2 {
        let claim = client.claim(wanted, soon()).await.unwrap();
        assert_eq!((claim.peers.len(), claim.skipped, claim.more), (2, 0, true));
        assert_eq!(claim.lease_expires_at.unwrap().to_rfc3339(), "2026-01-02T03:04:05+00:00");
    }
    let claim = "GET /peers?region=eu&claim=true&tests_relay=true&count=100&interval=60&lease=90";
    assert_eq!(backend.lines(), ["HEAD /peers?region=eu", claim, claim]);
}

// --- credentials -----------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_request_for_peers_carries_the_key_and_the_token() {
    let backend = TestBackend::start(|_| third_party(200, envelope(listing(1..=1, false, None)))).await;
    client(&[&backend.url]).peers_page(None, soon()).await.unwrap();
    let without = BackendConfig::new(vec![backend.url.clone()]);
    Backend::new(without).unwrap().peers_page(None, soon()).await.unwrap();

    let requests = backend.requests();
    assert_eq!(requests[0].header("authorization"), Some("Bearer api-key-f3b1"));
    assert_eq!(requests[0].header("x-api-key"), Some(API_KEY));
    assert_eq!(requests[0].header("x-node-token"), Some(NODE_TOKEN));
    for name in ["authorization", "x-api-key", "x-node-token"] {
        assert_eq!(requests[1].header(name), None);
    }
    assert_eq!(requests[1].line(), "GET /peers");
}

#[tokio::test]
async fn a_refused_key_is_not_retried_and_its_error_says_what_to_do_without_the_secret() {
    let (error, requests) = error_of(|seen| {
        let message = format!("no such key: {}", seen.header("x-api-key").unwrap());
        third_party(401, json!({"error": "Unauthorized", "message": message}))
    })
    .await;
    assert!(error.is_unauthorized() && !error.is_retryable() && !error.is_unreachable() && !error.is_final());
    let words = error.to_string();
    for part in
        ["GET http://127.0.0.1", "/peers: ", "API_KEY or NODE_TOKEN", "(401 Unauthorized: no such key: [redacted])"]
    {
        assert!(words.contains(part), "{words}");
    }
    assert!(!words.contains("region=eu"), "{words}");
    assert_eq!(requests.len(), 1);
}

#[tokio::test]
async fn the_error_of_a_refused_token_says_how_to_create_one() {
    let backend = TestBackend::start(|_| hub(401, json!({"code": 401, "message": "wrong token", "data": null}))).await;
    let client = client(&[&backend.url]);

    let error = client.send_results(Uuid::now_v7(), &many_results(1), soon()).await.unwrap_err();
    assert!(error.is_unauthorized());
    assert!(error.to_string().contains("the backend refused NODE_TOKEN (401 Unauthorized: wrong token)"), "{error}");
    assert!(error.to_string().contains("easytier-uptime hub token create"), "{error}");
    // From a hub, 401 does not mean that the route is missing.
    let error = client.report_status(&StatusReport::default(), soon()).await.unwrap_err();
    assert!(error.is_unauthorized());
}

#[tokio::test]
async fn nothing_secret_is_logged_or_printed_whatever_the_backend_does() {
    let logs = Logs::collect();
    let echo = |seen: &Seen| {
        let all = format!("{:?} {}", seen.headers.values().collect::<Vec<_>>(), seen.body);
        match seen.number % 4 {
            0 => third_party(
                200,
                envelope(json!({"peers": [{"id": 1, "host": "h", "port": 1, "network_secret": "s3cr3t"}]})),
            ),
            1 => third_party(400, json!({"message": all})),
            2 => with_header(third_party(302, json!({})), "location", &format!("http://x:{API_KEY}@h/?k={NODE_TOKEN}")),
            _ => third_party(500, json!({"error": all})),
        }
    };
    let backend = TestBackend::start(echo).await;
    let closed = ClosedPort::new();
    let nowhere = base_url_of(&closed);
    let mut printed = String::new();
    for style in [ReportStyle::Results, ReportStyle::PerNode, ReportStyle::Neo, ReportStyle::Auto, ReportStyle::Status]
    {
        let config = BackendConfig { report_style: style, ..config(&[&nowhere, &backend.url]) };
        let client = Backend::new(config.clone()).unwrap();
        printed += &format!("{config:?} {client:?}");
        for _ in 0..4 {
            printed += &format!("{:?}", client.peers_page(None, soon()).await);
            printed += &format!("{:?}", client.send_results(Uuid::now_v7(), &many_results(2), soon()).await);
            let outcome = client.report_status(&StatusReport::default(), soon()).await;
            printed += &format!("{outcome:?} {}", outcome.as_ref().map_or_else(ToString::to_string, |_| String::new()));
        }
    }
    assert!(backend.requests().len() > 20 && printed.contains("[redacted]"));
    let logged = logs.text();
    assert!(logged.contains("TRACE") && logged.contains("hyper_util"), "libraries are captured too");
    for secret in [API_KEY, NODE_TOKEN, "s3cr3t"] {
        assert!(!printed.contains(secret), "{printed}");
        assert!(!logged.contains(secret), "{}", logged.lines().find(|line| line.contains(secret)).unwrap());
    }
}

#[test]
fn a_base_url_carries_a_path_but_no_secret() {
    for good in ["http://h", "https://h/api/", "http://[::1]:8080/a/b"] {
        good.parse::<BaseUrl>().expect(good);
    }
    for bad in [
        "h:8080",
        "hub.example.com",
        "ftp://h",
        "http://u:p4ss@h",
        "http://p4ss@h",
        "http://h/?k=p4ss",
        "http://h#p4ss",
    ] {
        let error = bad.parse::<BaseUrl>().expect_err(bad).to_string();
        assert!(!error.contains("p4ss"), "{error}");
    }
    let error = Backend::new(BackendConfig::new(Vec::new())).unwrap_err();
    assert!(error.to_string().contains("BACKEND_BASE_URL"), "{error}");
    let broken =
        BackendConfig { api_key: Some("p4ss\n".into()), ..BackendConfig::new(vec!["http://h".parse().unwrap()]) };
    let error = Backend::new(broken).unwrap_err().to_string();
    assert!(error.contains("API_KEY") && !error.contains("p4ss"), "{error}");
}

#[tokio::test]
async fn paths_of_the_contract_are_appended_to_the_base_url() {
    let backend = TestBackend::start(|_| third_party(200, envelope(listing(1..=1, false, None)))).await;
    for path in ["/api/v1", "/api/v1/"] {
        let base_url: BaseUrl = format!("{}{path}", backend.url).parse().unwrap();
        client(&[&base_url]).peers_page(None, soon()).await.unwrap();
    }
    assert_eq!(backend.lines(), ["GET /api/v1/peers?region=eu"; 2]);
}

// --- errors -------------------------------------------------------------------------------------------------

#[tokio::test]
async fn only_temporary_errors_are_retried() {
    for (status, requests) in [(408, 3), (429, 3), (500, 3), (502, 3), (503, 3), (504, 3), (400, 1), (404, 1), (501, 1)]
    {
        let (error, seen) =
            error_of(move |_| third_party(status, json!({"error": "E", "message": "it is Tuesday"}))).await;
        assert_eq!(seen.len(), requests, "{error}");
        assert_eq!((error.is_retryable(), error.is_unreachable()), (requests > 1, requests > 1), "{error}");
        assert!(
            error.to_string().contains(&format!("({status} ")) && error.to_string().contains(": it is Tuesday)"),
            "{error}"
        );
        assert_eq!(error.is_final(), status == 400, "{error}");
    }
}

#[tokio::test]
async fn a_backend_that_recovers_is_not_an_error() {
    let backend = TestBackend::start(|seen| match seen.number {
        0 => third_party(503, Value::Null),
        1 => text(502, "text/html", "<h1>Bad Gateway</h1>"),
        _ => third_party(200, envelope(listing(1..=3, false, None))),
    })
    .await;
    assert_eq!(client(&[&backend.url]).peers_page(None, soon()).await.unwrap().peers.len(), 3);
}

#[tokio::test]
async fn retry_after_is_obeyed_within_the_deadline() {
    let backend = TestBackend::start(|seen| match seen.number {
        0 => with_header(third_party(429, json!({"message": "slow down"})), "retry-after", "1"),
        _ => third_party(200, envelope(listing(1..=3, false, None))),
    })
    .await;
    let started = Instant::now();
    client(&[&backend.url]).peers_page(None, soon()).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the date in Retry-After lies in the near future")]
async fn a_retry_after_beyond_the_deadline_fails_at_once() {
    for asked in ["30".to_owned(), httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(30))] {
        let backend = TestBackend::start(move |_| {
            let busy = third_party(429, json!({"code": 429, "message": "slow down", "data": null}));
            with_header(busy, "retry-after", &asked)
        })
        .await;
        let started = Instant::now();
        let error = client(&[&backend.url]).peers_page(None, in_millis(10_000)).await.unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(5));
        let wait = error.retry_after().unwrap();
        assert!(wait > Duration::from_secs(20) && wait <= Duration::from_secs(30), "{wait:?}");
        assert!(error.is_retryable() && error.to_string().contains("slow down"), "{error}");
        assert_eq!(backend.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_call_ends_at_its_deadline() {
    let backend = TestBackend::start(|_| Reply::Silence).await;
    let started = Instant::now();
    let error = client(&[&backend.url]).peers_page(None, in_millis(200)).await.unwrap_err();
    assert!(started.elapsed() >= Duration::from_millis(200) && started.elapsed() < Duration::from_secs(5));
    assert!(matches!(error, BackendError::TimedOut { .. }) && error.is_unreachable(), "{error}");

    // Nothing is sent after the deadline.
    client(&[&backend.url]).peers_page(None, Instant::now()).await.unwrap_err();
    assert_eq!(backend.requests().len(), 1);
}

#[tokio::test]
async fn a_request_is_retried_after_the_read_timeout() {
    let backend = TestBackend::start(|seen| match seen.number {
        0 => Reply::Silence,
        _ => third_party(200, envelope(listing(1..=3, false, None))).into(),
    })
    .await;
    let config = BackendConfig { read_timeout: Duration::from_millis(100), ..config(&[&backend.url]) };
    assert_eq!(Backend::new(config).unwrap().peers_page(None, soon()).await.unwrap().peers.len(), 3);
}

#[tokio::test]
async fn a_response_that_breaks_off_is_retried() {
    let body = envelope(listing(1..=3, false, None)).to_string();
    let whole = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    let half = whole.as_bytes()[..whole.len() - 40].to_vec();
    let url = raw_backend(vec![half.clone(), Vec::new(), whole.into_bytes()]).await;
    assert_eq!(client(&[&url]).peers_page(None, soon()).await.unwrap().peers.len(), 3);

    let url = raw_backend(vec![half.clone(), half.clone(), half]).await;
    let error = client(&[&url]).peers_page(None, soon()).await.unwrap_err();
    assert!(matches!(error, BackendError::ConnectionLost { .. }) && error.is_retryable(), "{error}");
}

#[tokio::test]
async fn an_invalid_response_is_an_error_and_not_retried() {
    let nonsense = [
        "<html>Welcome to this hotel</html>",
        "",
        "[]",
        "{\"code\": 200}",
        "{\"data\": null}",
        "{\"data\": {\"peers\": 7}}",
        "{\"data\": {\"peers\": [",
    ];
    for body in nonsense {
        let (error, requests) = error_of(move |_| text(200, "text/html", body)).await;
        assert!(matches!(error, BackendError::InvalidResponse { .. }) && !error.is_retryable(), "{error}");
        assert!(error.to_string().contains("BACKEND_BASE_URL"), "{error}");
        assert_eq!(requests.len(), 1, "{body}");
    }
    let url = raw_backend(vec![b"SSH-2.0-OpenSSH_9.7\r\n".to_vec(); 3]).await;
    client(&[&url]).peers_page(None, soon()).await.expect_err("not even HTTP");
}

#[tokio::test]
async fn a_status_in_the_body_of_a_200_counts() {
    let (error, requests) =
        error_of(|_| third_party(200, json!({"code": 401, "message": "key expired", "data": null}))).await;
    assert!(error.is_unauthorized() && error.to_string().contains("key expired"), "{error}");
    assert_eq!(requests.len(), 1);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = TestBackend::start(|_| third_party(200, envelope(listing(1..=3, false, None)))).await;
    let location = format!("{}/peers?key=1", target.url);
    let (error, _) = error_of(move |_| with_header(third_party(307, Value::Null), "location", &location)).await;
    assert!(error.to_string().contains(&format!("redirects to {}/peers, which", target.url)), "{error}");
    assert!(target.requests().is_empty());
}

#[tokio::test]
async fn a_closed_port_is_unreachable() {
    let closed = ClosedPort::new();
    let error = client(&[&base_url_of(&closed)]).peers_page(None, soon()).await.unwrap_err();
    assert!(matches!(error, BackendError::Unreachable { .. }) && error.is_unreachable(), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}

// --- several base URLs -----------------------------------------------------------------------------------------------

/// A hub that answers 503 while the flag is set.
async fn breakable() -> (TestBackend, Arc<AtomicBool>) {
    let broken = Arc::new(AtomicBool::new(false));
    let is_broken = broken.clone();
    let backend = TestBackend::start(move |_| match is_broken.load(SeqCst) {
        true => third_party(503, Value::Null),
        false => hub(200, envelope(listing(1..=3, false, None))),
    })
    .await;
    (backend, broken)
}

#[tokio::test]
async fn the_next_base_url_takes_over_at_once_and_is_remembered() {
    let logs = Logs::collect();
    let (first, first_is_broken) = breakable().await;
    let (second, _) = breakable().await;
    let closed = ClosedPort::new();
    let nowhere = base_url_of(&closed);
    let client = client(&[&first.url, &nowhere, &second.url]);

    client.peers_page(None, soon()).await.unwrap();
    first_is_broken.store(true, SeqCst);
    for _ in 0..3 {
        client.peers_page(None, soon()).await.unwrap();
    }
    assert_eq!((first.requests().len(), second.requests().len()), (2, 3));
    assert_eq!(logs.warnings_with("does not serve this probe; using"), 1, "{}", logs.text());

    // Too soon to return to the first one, although it works again.
    first_is_broken.store(false, SeqCst);
    client.peers_page(None, soon()).await.unwrap();
    assert_eq!((first.requests().len(), second.requests().len()), (2, 4));
}

#[tokio::test]
async fn the_first_base_url_is_used_again_when_it_recovers() {
    let (first, first_is_broken) = breakable().await;
    let (second, _) = breakable().await;
    first_is_broken.store(true, SeqCst);
    let config = BackendConfig { return_after: Duration::ZERO, ..config(&[&first.url, &second.url]) };
    let client = Backend::new(config).unwrap();

    for _ in 0..2 {
        client.peers_page(None, soon()).await.unwrap();
    }
    assert_eq!((first.requests().len(), second.requests().len()), (2, 2));
    first_is_broken.store(false, SeqCst);
    for _ in 0..2 {
        client.peers_page(None, soon()).await.unwrap();
    }
    assert_eq!((first.requests().len(), second.requests().len()), (4, 2));
}

#[tokio::test]
async fn a_base_url_that_hangs_leaves_time_for_the_next() {
    let hanging = TestBackend::start(|_| Reply::Silence).await;
    let (second, _) = breakable().await;
    client(&[&hanging.url, &second.url]).peers_page(None, in_millis(1000)).await.unwrap();
}

#[tokio::test]
async fn a_rate_limit_does_not_fail_over() {
    let limiting = TestBackend::start(|_| third_party(429, Value::Null)).await;
    let (second, _) = breakable().await;
    client(&[&limiting.url, &second.url]).peers_page(None, soon()).await.unwrap_err();
    assert!(second.requests().is_empty());
}

/// An empty database took the place of one hub of a cluster: it knows no token.
#[tokio::test]
async fn a_backend_that_refuses_the_credentials_is_passed_over_and_asked_once_a_call() {
    let refusing = TestBackend::start(|_| third_party(401, json!({"message": "who?"}))).await;
    let (second, second_is_broken) = breakable().await;
    for urls in [[&refusing.url, &second.url], [&second.url, &refusing.url]] {
        client(&urls).peers_page(None, soon()).await.unwrap();
    }
    assert_eq!((refusing.requests().len(), second.requests().len()), (1, 2));

    second_is_broken.store(true, SeqCst);
    for urls in [[&refusing.url, &second.url], [&second.url, &refusing.url]] {
        let before = (refusing.requests().len(), second.requests().len());
        let error = client(&urls).peers_page(None, soon()).await.unwrap_err();
        assert!(error.is_unauthorized() && error.to_string().contains("who?"), "what somebody has to mend: {error}");
        let after = (refusing.requests().len(), second.requests().len());
        assert_eq!((after.0 - before.0, after.1 - before.1), (1, 3), "the other one may recover");
    }
}

#[tokio::test]
async fn every_base_url_is_tried_in_every_round() {
    let (first, first_is_broken) = breakable().await;
    let (second, second_is_broken) = breakable().await;
    first_is_broken.store(true, SeqCst);
    second_is_broken.store(true, SeqCst);
    let error = client(&[&first.url, &second.url]).peers_page(None, soon()).await.unwrap_err();
    assert!(error.is_unreachable());
    assert_eq!((first.requests().len(), second.requests().len()), (3, 3));
}

#[tokio::test]
async fn a_cursor_is_sent_only_to_the_base_url_that_issued_it() {
    let first = TestBackend::start(|seen| match seen.number {
        0 => hub(200, envelope(listing(1..=3, true, Some("next")))),
        _ => third_party(503, Value::Null),
    })
    .await;
    let (second, _) = breakable().await;
    let client = client(&[&first.url, &second.url]);
    let page = client.peers_page(None, soon()).await.unwrap();
    assert!(client.peers_page(page.next, soon()).await.unwrap_err().is_unreachable());
    assert!(second.requests().is_empty());
}

/// The response of a hub to a request for peers, or to one result.
fn hub_answer(seen: &Seen) -> Response {
    hub(
        200,
        envelope(match seen.path.as_str() {
            "/results" => json!({"accepted": 1, "duplicates": 0, "rejected": []}),
            _ => listing(1..=3, false, None),
        }),
    )
}

#[tokio::test]
async fn a_4xx_of_a_reverse_proxy_in_front_of_a_hub_is_retried() {
    // While a hub restarts, its ingress answers 404, and other proxies other statuses.
    for status in [400, 404, 405, 407, 410, 421, 422, 451] {
        let backend = TestBackend::start(move |seen| match seen.number {
            1 => text(status, "text/plain", "default backend"),
            _ => hub_answer(seen),
        })
        .await;
        let client = client(&[&backend.url]);
        client.peers_page(None, soon()).await.unwrap();
        let delivery = client.send_results(Uuid::now_v7(), &many_results(1), soon()).await.unwrap();
        assert_eq!(delivery.accepted, 1, "{status}");
    }
}

#[tokio::test]
async fn a_success_without_the_header_of_the_hub_is_no_delivery() {
    let backend = TestBackend::start(|seen| match seen.number {
        1 => third_party(200, json!({"status": "maintenance"})),
        _ => hub_answer(seen),
    })
    .await;
    let client = client(&[&backend.url]);
    client.peers_page(None, soon()).await.unwrap();
    let error = client.send_results(Uuid::now_v7(), &many_results(1), soon()).await.unwrap_err();
    assert!(matches!(error, BackendError::InvalidResponse { .. }) && !error.is_final(), "{error}");
    assert_eq!(client.send_results(Uuid::now_v7(), &many_results(1), soon()).await.unwrap().accepted, 1);
}

#[tokio::test]
async fn an_error_page_does_not_make_a_backend_third_party() {
    let answers = [(200, "<h1>We will be right back</h1>"), (200, "{}"), (400, ""), (405, ""), (410, ""), (501, "")];
    for (status, body) in answers {
        for style in [ReportStyle::Auto, ReportStyle::Results] {
            let is_back = Arc::new(AtomicBool::new(false));
            let hub_is_back = is_back.clone();
            let backend = TestBackend::start(move |seen| match hub_is_back.load(SeqCst) {
                true => hub_answer(seen),
                false => text(status, "text/html", body),
            })
            .await;
            let config =
                BackendConfig { report_style: style, missing_retry_after: Duration::ZERO, ..config(&[&backend.url]) };
            let client = Backend::new(config).unwrap();
            if style == ReportStyle::Auto || (status, body) != (200, "{}") {
                let error = client.send_results(Uuid::now_v7(), &many_results(1), soon()).await.unwrap_err();
                assert!(!error.is_final(), "{error}");
            }
            client.peers_page(None, soon()).await.unwrap_err();
            let wanted = ClaimRequest { count: 1, interval: Duration::ZERO, lease: Duration::from_secs(60) };
            client.claim(wanted, soon()).await.unwrap_err();

            is_back.store(true, SeqCst);
            assert_eq!(client.claim(wanted, soon()).await.unwrap().peers.len(), 3, "{status} {body}");
            let delivery = client.send_results(Uuid::now_v7(), &many_results(1), soon()).await.unwrap();
            assert_eq!(delivery.accepted, 1, "{status} {body}");
        }
    }
}

#[tokio::test]
async fn a_third_party_backend_that_replaces_a_hub_is_asked_without_count() {
    let backend = TestBackend::start(|seen| match (seen.number, seen.query.as_str()) {
        (0, _) => hub_answer(seen),
        (_, "region=eu") => third_party(200, envelope(listing(1..=5, false, None))),
        _ => third_party(400, json!({"error": "Bad Request", "message": "count must be at most 20"})),
    })
    .await;
    let client = client(&[&backend.url]);
    assert_eq!(whole_listing(&client).await, ((1..=3).collect(), true));
    // The answer may be that of a proxy; only several in a row are not.
    for _ in 0..2 {
        assert_eq!(whole_listing(&client).await, ((1..=5).collect(), false));
        client.send_results(Uuid::now_v7(), &many_results(2), soon()).await.unwrap_err();
    }
    assert_eq!(whole_listing(&client).await, ((1..=5).collect(), false));
    assert_eq!(client.send_results(Uuid::now_v7(), &many_results(2), soon()).await.unwrap().not_wanted, 2);
}

/// A hub behind a proxy that strips the header from listings while the flag is set.
async fn behind_stripping_proxy() -> (TestBackend, Arc<AtomicBool>) {
    let strips = Arc::new(AtomicBool::new(false));
    let is_stripping = strips.clone();
    let backend = TestBackend::start(move |seen| {
        let mut answer = hub_answer(seen);
        if seen.path == "/peers" && is_stripping.load(SeqCst) {
            answer.headers_mut().remove("x-uptime-hub");
        }
        answer
    })
    .await;
    (backend, strips)
}

#[tokio::test]
async fn listings_without_the_header_do_not_demote_a_hub_that_takes_results() {
    let logs = Logs::collect();
    let (backend, strips) = behind_stripping_proxy().await;
    let client = client(&[&backend.url]);
    client.peers_page(None, soon()).await.unwrap();
    strips.store(true, SeqCst);
    for round in 0..10 {
        assert_eq!(whole_listing(&client).await, ((1..=3).collect(), false));
        let delivery = client.send_results(Uuid::now_v7(), &many_results(1), soon()).await.unwrap();
        assert_eq!(delivery, Delivery { accepted: 1, ..Delivery::default() }, "round {round}");
    }
    assert!(logs.warnings_with("without the header x-uptime-hub, and still counts as a hub") >= 1, "{}", logs.text());
}

#[tokio::test]
async fn a_hub_that_becomes_a_third_party_backend_is_a_warning_and_one_that_returns_gets_results() {
    let logs = Logs::collect();
    let (backend, strips) = behind_stripping_proxy().await;
    let client = client(&[&backend.url]);
    client.peers_page(None, soon()).await.unwrap();
    strips.store(true, SeqCst);
    for _ in 0..4 {
        client.peers_page(None, soon()).await.unwrap();
    }
    assert_eq!(client.send_results(Uuid::now_v7(), &many_results(1), soon()).await.unwrap().not_wanted, 1);
    assert_eq!(logs.warnings_with("still counts as a hub"), 1, "{}", logs.text());
    assert_eq!(logs.warnings_with("counts as a third-party backend now"), 1, "{}", logs.text());

    strips.store(false, SeqCst);
    client.peers_page(None, soon()).await.unwrap();
    assert_eq!(client.send_results(Uuid::now_v7(), &many_results(1), soon()).await.unwrap().accepted, 1);
}

// --- results ---------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn results_are_sent_as_in_the_example_document() {
    let backend = TestBackend::start(|_| {
        hub(200, envelope(json!({"accepted": 1, "duplicates": 0, "rejected": [{"index": 1, "reason": "too_old"}]})))
    })
    .await;
    let (cycle_id, results) = example_results();
    let delivery = styled(ReportStyle::Results, &backend.url).send_results(cycle_id, &results, soon()).await.unwrap();

    let rejected = vec![Rejected { index: 1, reason: "too_old".to_owned() }];
    assert_eq!(delivery, Delivery { accepted: 1, rejected, ..Delivery::default() });
    let request = &backend.requests()[0];
    assert_eq!(request.line(), "POST /results");
    assert_eq!(request.header("x-node-token"), Some(NODE_TOKEN));
    assert_eq!(request.header("content-type"), Some("application/json"));
    let mut sent = request.body.clone();
    let mut example = fixture("results.json");
    let sent_at = sent["sent_at"].take();
    assert!(sent_at.as_str().unwrap().ends_with('Z'), "{sent_at}");
    example["sent_at"].take();
    for document in [&mut sent, &mut example] {
        for result in document["results"].as_array_mut().unwrap() {
            // The same instant can be written in several ways.
            let checked_at: chrono::DateTime<chrono::Utc> =
                serde_json::from_value(result["checked_at"].take()).unwrap();
            result["checked_at"] = checked_at.timestamp_millis().into();
        }
    }
    assert_eq!(sent, example);
}

#[tokio::test]
async fn results_are_sent_again_with_the_same_ids_after_a_temporary_error() {
    for (status, requests) in [(401, 1), (429, 3), (500, 3), (503, 3)] {
        let backend =
            TestBackend::start(move |_| hub(status, json!({"code": status, "message": "no", "data": null}))).await;
        let client = styled(ReportStyle::Results, &backend.url);
        let error = client.send_results(Uuid::now_v7(), &many_results(2), soon()).await.unwrap_err();
        assert!(!error.is_final(), "{error}");
        let bodies: Vec<Value> = backend.requests().into_iter().map(|seen| seen.body["results"].clone()).collect();
        assert_eq!(bodies.len(), requests);
        assert!(bodies.iter().all(|body| *body == bodies[0]), "the same results under the same ids");
    }
    let backend = TestBackend::start(|_| hub(400, json!({"message": "'results' is missing"}))).await;
    let client = styled(ReportStyle::Results, &backend.url);
    assert!(client.send_results(Uuid::now_v7(), &many_results(2), soon()).await.unwrap_err().is_final());
}

#[tokio::test]
async fn a_batch_that_is_too_large_is_sent_in_halves() {
    // It accepts at most 3 results per request, and never the sixth.
    let backend = TestBackend::start(|seen| {
        let ids: Vec<i64> =
            seen.body["results"].as_array().unwrap().iter().map(|result| result["peer_id"].as_i64().unwrap()).collect();
        match ids.len() > 3 || ids.contains(&5) {
            true => hub(413, json!({"code": 413, "message": "too large", "data": null})),
            false => hub(
                200,
                envelope(json!({"accepted": ids.len() - 1, "duplicates": 0,
                "rejected": [{"index": 0, "reason": "first"}]})),
            ),
        }
    })
    .await;
    let client = styled(ReportStyle::Results, &backend.url);
    let delivery = client.send_results(Uuid::now_v7(), &many_results(10), soon()).await.unwrap();
    let rejected: Vec<_> = delivery.rejected.iter().map(|one| (one.index, one.reason.as_str())).collect();
    let too_large = "413 Payload Too Large: too large";
    assert_eq!(rejected, [(0, "first"), (2, "first"), (5, too_large), (6, "first"), (7, "first")]);
    assert_eq!(delivery.accepted, 5);
}

#[tokio::test]
async fn an_answer_that_does_not_account_for_each_result_is_no_delivery() {
    for data in [
        json!({"accepted": 0, "duplicates": 0, "rejected": []}),
        json!({"accepted": 1}),
        json!({"accepted": 2, "duplicates": 1}),
        json!({"accepted": u32::MAX, "duplicates": u32::MAX, "rejected": []}),
        json!({"duplicates": 3}),
        json!({"accepted": 1, "rejected": [{"index": 2}]}),
        json!({"accepted": 0, "rejected": [{"index": 1}, {"index": 1}]}),
        json!({"rejected": [{"index": 0}, {"index": 1}, {"index": 2}]}),
    ] {
        let answer = data.clone();
        let backend = TestBackend::start(move |seen| match seen.path.as_str() {
            "/results" => hub(200, envelope(answer.clone())),
            _ => hub_answer(seen),
        })
        .await;
        for style in [ReportStyle::Auto, ReportStyle::Results] {
            let sent = styled(style, &backend.url).send_results(Uuid::now_v7(), &many_results(2), soon()).await;
            let error = sent.expect_err(&data.to_string());
            assert!(error.to_string().contains("2 were sent") && !error.is_final(), "{data}: {error}");
        }
    }
}

proptest! {
    #[test]
    fn a_delivery_is_complete_only_if_it_names_each_result_once(
        accepted in 0_u32..5,
        duplicates in prop_oneof![0_u32..5, Just(u32::MAX)],
        not_wanted in 0_u32..3,
        indices in proptest::collection::vec(0_usize..6, 0..4),
        sent in 0_usize..12,
    ) {
        let rejected = indices.iter().map(|index| Rejected { index: *index, reason: String::new() }).collect();
        let delivery = Delivery { accepted, duplicates, rejected, not_wanted, ..Delivery::default() };
        let total = [accepted, duplicates, not_wanted].map(u64::from).iter().sum::<u64>() + indices.len() as u64;
        let mut distinct = indices.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let complete = total == sent as u64 && distinct.len() == indices.len() && indices.iter().all(|index| *index < sent);
        prop_assert_eq!(delivery.check(sent).is_ok(), complete);
    }
}

#[tokio::test]
async fn more_than_one_batch_is_sent_in_several_requests() {
    let backend = TestBackend::start(|seen| {
        let count = seen.body["results"].as_array().unwrap().len();
        hub(200, envelope(json!({"accepted": count - 1, "duplicates": 1, "rejected": []})))
    })
    .await;
    let client = styled(ReportStyle::Results, &backend.url);
    let delivery = client.send_results(Uuid::now_v7(), &many_results(5001), soon()).await.unwrap();
    assert_eq!((delivery.accepted, delivery.duplicates, backend.requests().len()), (4999, 2, 2));
}

#[tokio::test]
async fn a_batch_has_the_version_of_the_list_in_which_its_peers_were() {
    let backend = TestBackend::start(|seen| {
        let count = seen.body["results"].as_array().unwrap().len() - 1;
        let rejected = json!([{"index": count, "reason": "too_old"}]);
        hub(200, envelope(json!({"accepted": count, "duplicates": 0, "rejected": rejected})))
    })
    .await;
    let mut results = many_results(6);
    let listings = [None, Some((3, 7)), Some((3, 7)), Some((3, 7)), Some((3, 8)), Some((3, 8))];
    for (result, listing) in results.iter_mut().zip(listings) {
        result.listing = listing.map(|(epoch, version)| ListingVersion { epoch, version });
    }
    let client = styled(ReportStyle::Results, &backend.url);
    let delivery = client.send_results(Uuid::now_v7(), &results, soon()).await.unwrap();
    assert_eq!(delivery.accepted, 3);
    assert_eq!(delivery.rejected.iter().map(|one| one.index).collect::<Vec<_>>(), [0, 3, 5]);
    let sent = backend.requests();
    let sent: Vec<_> = sent
        .iter()
        .map(|seen| (&seen.body["epoch"], &seen.body["config_version"], seen.body["results"].as_array().unwrap().len()))
        .collect();
    let three = &json!(3);
    assert_eq!(sent, [(&Value::Null, &Value::Null, 1), (three, &json!(7), 3), (three, &json!(8), 2)]);
    assert!(backend.requests().iter().all(|seen| seen.body["results"][0].get("listing").is_none()));
}

#[tokio::test]
async fn style_auto_sends_results_only_to_a_hub() {
    let ours = TestBackend::start(|seen| match seen.path.as_str() {
        "/results" => hub(200, envelope(json!({"accepted": 2, "duplicates": 0, "rejected": []}))),
        _ => hub(200, envelope(listing(1..=1, false, None))),
    })
    .await;
    let delivery = client(&[&ours.url]).send_results(Uuid::now_v7(), &many_results(2), soon()).await.unwrap();
    assert_eq!(delivery.accepted, 2);
    assert_eq!(ours.lines(), ["HEAD /peers?region=eu", "POST /results"]);

    let theirs = TestBackend::start(|_| third_party(200, envelope(listing(1..=1, false, None)))).await;
    let client = client(&[&theirs.url]);
    for _ in 0..2 {
        let delivery = client.send_results(Uuid::now_v7(), &many_results(2), soon()).await.unwrap();
        assert_eq!(delivery, Delivery { not_wanted: 2, ..Delivery::default() });
    }
    assert_eq!(theirs.lines(), ["HEAD /peers?region=eu", "GET /peers?region=eu"]);

    let status = styled(ReportStyle::Status, &ours.url);
    assert_eq!(status.send_results(Uuid::now_v7(), &many_results(2), soon()).await.unwrap().not_wanted, 2);
    assert_eq!(ours.requests().len(), 2);
}

#[tokio::test]
async fn style_results_fails_if_the_route_is_missing() {
    let logs = Logs::collect();
    let backend = TestBackend::start(|_| third_party(404, json!({"error": "Not Found"}))).await;
    let client = styled(ReportStyle::Results, &backend.url);
    for _ in 0..3 {
        let error = client.send_results(Uuid::now_v7(), &many_results(2), soon()).await.unwrap_err();
        assert!(matches!(error, BackendError::NoSuchRoute { .. }) && !error.is_final(), "{error}");
    }
    assert_eq!((backend.requests().len(), logs.warnings_with("no such endpoint")), (1, 1), "{}", logs.text());
}

#[tokio::test]
async fn per_node_reports_carry_the_node_token() {
    let backend = TestBackend::start(|seen| match seen.path.as_str() {
        "/nodes/3/status" => third_party(404, json!({"message": "no such node"})),
        "/nodes/4/status" => third_party(422, json!({"message": "frozen"})),
        _ => third_party(200, json!({"code": 200, "message": "ok", "data": null})),
    })
    .await;
    let mut results = many_results(6);
    results[1].status = easytier_probe::Status::Offline;
    results[1].response_time = None;
    results[5].status = easytier_probe::Status::Unknown;
    let client = styled(ReportStyle::PerNode, &backend.url);
    let mut delivery = client.send_results(Uuid::now_v7(), &results, soon()).await.unwrap();

    delivery.rejected.sort_by_key(|rejected| rejected.index);
    let rejected: Vec<_> = delivery.rejected.iter().map(|one| (one.index, one.reason.as_str())).collect();
    assert_eq!(rejected, [(3, "404 Not Found: no such node"), (4, "422 Unprocessable Entity: frozen")]);
    assert_eq!((delivery.accepted, delivery.not_wanted), (3, 1));
    let mut requests = backend.requests();
    requests.sort_by(|a, b| a.path.cmp(&b.path));
    assert_eq!(requests[0].line(), "PUT /nodes/0/status");
    assert_eq!(requests[0].header("authorization"), Some("Bearer node-token-9c2e"));
    assert_eq!(requests[0].header("x-api-key"), Some(API_KEY));
    assert_eq!(requests[0].body, json!({"status": "Online", "response_time": 12}));
    assert_eq!(requests[1].body, json!({"status": "Offline", "response_time": null}));
    assert_eq!(requests.len(), 5);

    // One unknown node does not mean that the endpoint is missing.
    client.send_results(Uuid::now_v7(), &results[3..4], soon()).await.unwrap();
    assert_eq!(client.send_results(Uuid::now_v7(), &results[..1], soon()).await.unwrap().accepted, 1);
}

#[tokio::test]
async fn a_missing_per_node_route_is_logged_once_and_not_asked_again() {
    for status in [404, 405] {
        let logs = Logs::collect();
        let backend = TestBackend::start(move |_| third_party(status, Value::Null)).await;
        let client = styled(ReportStyle::PerNode, &backend.url);
        client.send_results(Uuid::now_v7(), &many_results(3), soon()).await.unwrap();
        let requests = backend.requests().len();
        let delivery = client.send_results(Uuid::now_v7(), &many_results(3), soon()).await.unwrap();
        assert_eq!((delivery.not_wanted, backend.requests().len()), (3, requests));
        assert_eq!(logs.warnings_with("no such endpoint"), 1, "{}", logs.text());
    }
}

#[tokio::test]
async fn per_node_reports_fail_if_the_backend_is_unreachable() {
    let backend = TestBackend::start(|_| third_party(503, Value::Null)).await;
    let client = styled(ReportStyle::PerNode, &backend.url);
    assert!(client.send_results(Uuid::now_v7(), &many_results(3), soon()).await.unwrap_err().is_unreachable());
}

// --- NeoUptime -------------------------------------------------------------------------------------------------------

/// A backend of NeoUptime with the nodes 0, 2, 5 and 7. Node 5 is gone, and 7 cannot be watched.
fn neo(seen: &Seen) -> Response {
    let node = |id: u32| json!({"node_id": id, "status": "online", "latency_ms": 50, "peer": 2, "last_heartbeat": {}});
    match (seen.method.as_str(), seen.path.as_str()) {
        ("GET", "/node-status") => third_party(200, json!([node(0), node(2), node(5), node(7), node(2)])),
        _ if seen.header("authorization") != Some("Bearer api-key-f3b1") => {
            third_party(401, json!({"error": "no key"}))
        }
        ("GET", "/nodes/0/private-info") => third_party(
            200,
            json!({"id": 0, "protocol": "tcp", "public_ip": "192.0.2.1", "network_name": "n", "network_secret": "s3cr3t"}),
        ),
        ("GET", "/nodes/2/private-info") => third_party(
            200,
            json!({"id": 2, "name": "two", "protocol": "udp", "public_ip": "bj.example.net:11011", "network_name": null,
                "sponsor": "me", "location": "Beijing", "allow_relay": true, "created_at": {}}),
        ),
        ("GET", "/nodes/7/private-info") => third_party(200, json!({"id": 7, "protocol": "tcp"})),
        ("POST", "/nodes/0/heartbeat") => third_party(
            200,
            json!({"success": true, "heartbeat": {"id": 1, "node_id": 0, "status": "online", "peer": 3, "latency_ms": 12},
                "nodeStatus": {"node_id": 0, "status": "online", "latency_ms": 12, "peer": 3}}),
        ),
        ("POST", "/nodes/2/heartbeat") => third_party(201, json!({"success": false})),
        _ => third_party(404, json!({"error": "not found"})),
    }
}

#[tokio::test]
async fn the_nodes_of_neo_uptime_are_listed_and_described_one_by_one() {
    let logs = Logs::collect();
    let backend = TestBackend::start(neo).await;
    let page = styled(ReportStyle::Neo, &backend.url).peers_page(None, soon()).await.unwrap();

    let found: Vec<_> = page.peers.iter().map(|peer| (peer.id, peer.url.to_string())).collect();
    let expected = [(0, "tcp://192.0.2.1:11010"), (2, "udp://bj.example.net:11011")];
    assert_eq!(found, expected.map(|(id, url)| (id, url.to_owned())));
    assert!(matches!(&page.peers[0].access, Access::Member(membership) if membership.network_name == "n"));
    assert_eq!(page.peers[1].access, Access::Guest);
    assert_eq!((page.skipped, page.total_available, page.complete_listing), (2, Some(4), false));
    assert!(page.next.is_none() && page.version.is_none());
    assert!(backend.lines().iter().all(|line| line == "GET /node-status" || line.ends_with("/private-info")));
    assert_eq!(logs.warnings_with("nodes that cannot be watched are skipped; the first: node 5"), 1, "{}", logs.text());
}

#[tokio::test]
async fn neo_uptime_gets_each_result_as_a_heartbeat() {
    let backend = TestBackend::start(neo).await;
    let mut results = many_results(4);
    results[0].network_count = Some(3);
    (results[1].peer_id, results[1].status) = (9, easytier_probe::Status::Unknown);
    (results[2].status, results[2].response_time, results[2].network_count) =
        (easytier_probe::Status::Offline, None, None);
    let client = styled(ReportStyle::Neo, &backend.url);
    assert!(!client.wants_every_result());
    let mut delivery = client.send_results(Uuid::now_v7(), &results, soon()).await.unwrap();

    delivery.rejected.sort_by_key(|rejected| rejected.index);
    let rejected: Vec<_> = delivery.rejected.iter().map(|one| (one.index, one.reason.as_str())).collect();
    assert_eq!(rejected, [(2, "'success' is false"), (3, "404 Not Found: not found")]);
    assert_eq!((delivery.accepted, delivery.not_wanted), (1, 1), "a heartbeat cannot say Unknown");
    let mut requests = backend.requests();
    requests.sort_by(|a, b| a.path.cmp(&b.path));
    assert_eq!(requests[0].line(), "POST /nodes/0/heartbeat");
    assert_eq!(requests[0].body, json!({"status": "online", "peer": 3, "latency_ms": 12}));
    assert_eq!(requests[1].body, json!({"status": "offline", "peer": 0, "latency_ms": 0}));
}

#[tokio::test]
async fn a_key_that_neo_uptime_does_not_know_is_named() {
    let backend = TestBackend::start(neo).await;
    let config = BackendConfig { api_key: None, report_style: ReportStyle::Neo, ..config(&[&backend.url]) };
    let error = Backend::new(config).unwrap().peers_page(None, soon()).await.unwrap_err();
    assert!(matches!(&error, BackendError::Unauthorized { .. }), "{error}");
}

// --- the probe's own status ------------------------------------------------------------------------------------------

#[tokio::test]
async fn the_status_report_is_sent_as_in_the_example_document() {
    let backend = TestBackend::start(|_| third_party(200, json!({"code": 200, "message": "ok", "data": null}))).await;
    let config = BackendConfig { region: Some("us-west".to_owned()), ..config(&[&backend.url]) };
    let report = StatusReport {
        response_time_ms: Some(49.7),
        total_monitored_nodes: 10,
        healthy_nodes: 8,
        server_id: Some("probe-1".to_owned()),
        check_interval: Duration::from_secs(5),
        degraded: false,
        holds_sessions: false,
    };
    let reported = Backend::new(config).unwrap().report_status(&report, soon()).await.unwrap();

    assert_eq!(reported, Reported::Accepted);
    let request = &backend.requests()[0];
    assert_eq!((request.line().as_str(), request.header("x-node-token")), ("PUT /nodes/status", Some(NODE_TOKEN)));
    assert_eq!(request.body, fixture("status-report.json"));
}

#[tokio::test]
async fn a_missing_status_route_is_logged_once_and_not_asked_again() {
    for status in [401, 404, 405] {
        let logs = Logs::collect();
        let backend = TestBackend::start(move |_| third_party(status, json!({"error": "E", "message": "no"}))).await;
        let client = client(&[&backend.url]);
        for _ in 0..3 {
            let reported = client.report_status(&StatusReport::default(), soon()).await.unwrap();
            assert_eq!(reported, Reported::Unsupported);
        }
        assert_eq!(backend.requests().len(), 1);
        assert_eq!(logs.warnings_with("PUT "), 1, "{}", logs.text());
    }
}

#[tokio::test]
async fn a_missing_route_is_asked_again_later_and_logged_once() {
    let logs = Logs::collect();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let backend = TestBackend::start(move |_| match count.fetch_add(1, SeqCst) {
        0 | 1 => third_party(404, Value::Null),
        _ => third_party(200, json!({"code": 200, "message": "ok", "data": null})),
    })
    .await;
    let config = BackendConfig { missing_retry_after: Duration::ZERO, ..config(&[&backend.url]) };
    let client = Backend::new(config).unwrap();
    let mut outcomes = Vec::new();
    for _ in 0..3 {
        outcomes.push(client.report_status(&StatusReport::default(), soon()).await.unwrap());
    }
    assert_eq!(outcomes, [Reported::Unsupported, Reported::Unsupported, Reported::Accepted]);
    assert_eq!(logs.warnings_with("PUT "), 1, "{}", logs.text());
}

// --- futures are Send -----------------------------------------------------------------------------------------------------

#[test]
fn every_call_can_be_spawned() {
    fn spawnable<T: Send>(_: impl Future<Output = T> + Send) {}
    let backend = client(&[&"http://192.0.2.1".parse().unwrap()]);
    let wanted = ClaimRequest { count: 1, interval: Duration::ZERO, lease: Duration::ZERO };
    spawnable(backend.peers_page(None, soon()));
    spawnable(backend.claim(wanted, soon()));
    spawnable(backend.send_results(Uuid::now_v7(), &[], soon()));
    spawnable(backend.report_status(&StatusReport::default(), soon()));
}

fn registration() -> Registration {
    Registration {
        server_id: "probe-1".to_owned(),
        host: Some("192.0.2.7".to_owned()),
        port: Some(8080),
        region: None,
        version: "0.1.0".to_owned(),
        capabilities: vec!["tcp".to_owned()],
        system: System { platform: "linux".to_owned(), arch: "x86_64".to_owned(), cpus: 2, memory: None },
        node_token: None,
    }
}

#[tokio::test]
async fn the_enrollment_key_is_sent_only_to_register() {
    let answer = json!({"code": 200, "message": "ok", "data": {"region": "eu", "node_token": "fresh"}});
    let backend = TestBackend::start(move |_| third_party(200, answer.clone())).await;
    let config = BackendConfig { node_token: None, enrollment_key: Some("j0in".into()), ..config(&[&backend.url]) };
    let client = Backend::new(config).unwrap();
    let registered = client.register(&registration(), soon()).await.unwrap().unwrap();
    assert_eq!(registered, Registered { region: Some("eu".to_owned()), node_token: Some("fresh".into()) });
    drop(client.heartbeat("probe-1", &json!({"peers": 3}), soon()).await);

    let [register, heartbeat] = &backend.requests()[..] else { panic!("two requests") };
    assert_eq!(register.line(), "POST /api/discovery/register");
    assert_eq!(register.header("authorization"), Some("Bearer j0in"));
    assert_eq!(register.body["system"], json!({"platform": "linux", "arch": "x86_64", "cpus": 2}));
    assert_eq!(heartbeat.line(), "POST /api/discovery/heartbeat/probe-1");
    assert_eq!((heartbeat.header("authorization"), &heartbeat.body), (None, &json!({"peers": 3})));
}

#[tokio::test]
async fn a_base_url_that_ends_with_api_reaches_the_registry() {
    let backend = TestBackend::start(|_| third_party(200, json!({"code": 200, "message": "ok", "data": {}}))).await;
    let base_url: BaseUrl = format!("{}/api/", backend.url).parse().unwrap();
    let client = client(&[&base_url]);
    assert_eq!(client.unregister("probe-1", soon()).await.unwrap(), Reported::Accepted);
    let request = &backend.requests()[0];
    assert_eq!(request.line(), "DELETE /api/discovery/unregister/probe-1");
    assert_eq!(request.header("authorization"), Some(format!("Bearer {NODE_TOKEN}").as_str()));
}

#[tokio::test]
async fn missing_routes_are_asked_again_once_the_backend_identified_itself_as_a_hub() {
    let backend = TestBackend::start(|seen| match seen.number {
        0 | 1 => text(404, "text/plain", "404 page not found"),
        2 => text(200, "text/html", "<h1>Starting</h1>"),
        3 => hub_answer(seen),
        _ => hub(200, envelope(Value::Null)),
    })
    .await;
    let client = client(&[&backend.url]);
    assert_eq!(client.register(&registration(), soon()).await.unwrap(), None);
    assert_eq!(client.report_status(&StatusReport::default(), soon()).await.unwrap(), Reported::Unsupported);
    client.peers_page(None, soon()).await.unwrap_err();
    assert_eq!(client.register(&registration(), soon()).await.unwrap(), None);
    client.peers_page(None, soon()).await.unwrap();
    assert_eq!(client.register(&registration(), soon()).await.unwrap(), Some(Registered::default()));
    assert_eq!(client.report_status(&StatusReport::default(), soon()).await.unwrap(), Reported::Accepted);
}

#[tokio::test]
async fn an_html_page_is_not_a_registration() {
    let backend = TestBackend::start(|_| text(200, "text/html", "<h1>Starting</h1>")).await;
    let error = client(&[&backend.url]).register(&registration(), soon()).await.unwrap_err();
    assert!(matches!(error, BackendError::InvalidResponse { .. }), "{error}");
}

#[tokio::test]
async fn a_missing_registry_is_logged_once_and_not_asked_again() {
    let logs = Logs::collect();
    let backend = TestBackend::start(|_| third_party(404, json!({"error": "Not Found", "message": "no"}))).await;
    let client = client(&[&backend.url]);
    for _ in 0..3 {
        assert_eq!(client.register(&registration(), soon()).await.unwrap(), None);
        assert_eq!(client.heartbeat("probe-1", &(), soon()).await.unwrap(), Reported::Unsupported);
    }
    assert_eq!(backend.requests().len(), 1);
    assert_eq!(logs.warnings_with("discovery"), 1, "{}", logs.text());
}
