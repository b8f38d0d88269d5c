//! The examples in docs/backend.md: a real hub gives the documented responses, and the probe's client understands the
//! documented lists and sends the documented requests.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::to_bytes, extract::Request};
use chrono::{DateTime, SecondsFormat, Utc};
use easytier_probe::{
    Backend, BackendConfig, CheckMode,
    backend::{ReportStyle, StatusReport},
};
use easytier_uptime_store::domain::{PeerId, Timestamp};
use reqwest::{Method, header::HeaderMap};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle, time::Instant};
use uuid::Uuid;

use crate::{
    hub::{TestHub, good, send},
    support::{TestStore, on_both_engines, region, spec},
};

on_both_engines! {
    every_request_of_the_page_gets_its_answer,
}

const PAGE: &str = include_str!("../../../docs/backend.md");

/// The time in all examples.
const NOW: &str = "2026-01-02T03:04:05Z";

/// Stands for a value that the page shows elsewhere in the same document.
const REPEATED: &str = "<as in data>";

/// A fenced block: its kind, the line where it begins, and its text.
type Block = (&'static str, usize, String);

fn blocks() -> Vec<Block> {
    let mut lines = PAGE.lines().enumerate();
    let mut blocks = Vec::new();
    while let Some((number, line)) = lines.next() {
        if let Some(kind) = line.strip_prefix("```") {
            let inside = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
            blocks.push((kind, number + 1, inside.collect::<Vec<_>>().join("\n")));
        }
    }
    blocks
}

fn of_kind(kind: &str) -> Vec<Block> {
    let blocks: Vec<Block> = blocks().into_iter().filter(|block| block.0 == kind).collect();
    assert!(!blocks.is_empty(), "the page has no '{kind}'");
    blocks
}

/// A request or a response.
struct Message {
    /// The line above the headers, split at spaces.
    start: Vec<String>,
    headers: Vec<(String, String)>,
    body: Value,
}

impl Message {
    fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\n\n").unwrap_or((text, "null"));
        let mut lines = head.lines();
        let start = lines.next().unwrap().split(' ').map(str::to_owned).collect();
        let header = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("no header: {line}"));
            (name.to_lowercase(), value.to_owned())
        };
        let body = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error} in {body}"));
        Self { start, headers: lines.map(header).collect(), body }
    }
}

/// The values of the placeholders in angle brackets.
#[derive(Default)]
struct Names(BTreeMap<String, String>);

impl Names {
    fn with(names: &[(&str, &str)]) -> Self {
        Self(names.iter().map(|(name, value)| (format!("<{name}>"), (*value).to_owned())).collect())
    }

    fn fill(&self, text: &str) -> String {
        let filled = self.0.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value));
        assert!(!filled.contains('<'), "'{filled}' has a placeholder without a value");
        filled
    }

    /// Fills in the placeholders, and moves times from the page's time to now.
    fn fill_document(&self, document: &Value) -> Value {
        match document {
            Value::String(text) => match time(text) {
                Some(time) => {
                    (time + (Utc::now() - self::time(NOW).unwrap())).to_rfc3339_opts(SecondsFormat::Millis, true)
                }
                None => self.fill(text),
            }
            .into(),
            Value::Array(items) => items.iter().map(|item| self.fill_document(item)).collect(),
            Value::Object(fields) => {
                fields.iter().map(|(name, value)| (name.clone(), self.fill_document(value))).collect()
            }
            other => other.clone(),
        }
    }

    /// Compares a received document with the page. Any time matches a time, and any value matches a placeholder that has no
    /// value yet.
    fn assert_is(&mut self, place: &str, came: &Value, page: &Value) {
        match (page, came) {
            (Value::String(page), _) if page == REPEATED => {}
            (Value::String(page), Value::String(came)) if page.starts_with('<') => {
                assert!(!came.is_empty(), "{place}");
                let known = self.0.entry(page.clone()).or_insert_with(|| came.clone());
                assert_eq!(came, known, "{place}");
            }
            (Value::String(page), Value::String(came)) if time(page).is_some() => {
                assert!(time(came).is_some(), "{place}: '{came}' is not a time");
            }
            (Value::Array(page), Value::Array(came)) => {
                assert_eq!(came.len(), page.len(), "{place}: {came:?}");
                came.iter().zip(page).enumerate().for_each(|(index, (came, page))| {
                    self.assert_is(&format!("{place}[{index}]"), came, page);
                });
            }
            (Value::Object(page), Value::Object(came)) => {
                let names = |fields: &serde_json::Map<String, Value>| fields.keys().cloned().collect::<BTreeSet<_>>();
                assert_eq!(names(came), names(page), "{place}");
                came.iter().for_each(|(name, came)| self.assert_is(&format!("{place}.{name}"), came, &page[name]));
            }
            (page, came) => assert_eq!(came, page, "{place}"),
        }
    }
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc())
}

/// Adds the peers in the examples.
async fn add_peers(hub: &TestHub) {
    let mut shared = spec("tcp://node.example.net:11010");
    shared.name = "Shanghai 2".into();
    shared.tags = ["cn".parse().unwrap()].into();
    shared.allow_relay = true;
    let mut office = spec("udp://[2001:db8::2]:11010");
    office.name = "office".into();
    office.network_name = Some("office".into());
    office.network_secret = Some("correct horse".into());
    office.timeout = Some(Duration::from_millis(2500));
    office.mode = CheckMode::Handshake;
    office.regions = [region("eu")].into();
    let mut submitted = spec("http://lists.example.net/nodes?all=1");
    submitted.name = "somebody's".into();
    for own in [shared, office] {
        hub.store.add_peer(&own, Timestamp::now()).await.unwrap();
    }
    let id = hub.test.waiting(&submitted, Timestamp::now()).await;
    hub.store.approve_submission(id, Timestamp::now()).await.unwrap();
}

async fn every_request_of_the_page_gets_its_answer(store: TestStore) {
    let hub = TestHub::on(&store).await;
    add_peers(&hub).await;
    let (token, key) = (hub.token("probe-1", "eu").await, hub.api_key().await);
    let enrollment = hub.enrollment_key(None).await;
    let mut names = Names::with(&[("node token", &token), ("API key", &key), ("enrollment key", &enrollment)]);

    let http: Vec<Block> =
        blocks().into_iter().filter(|(kind, ..)| ["http request", "http answer"].contains(kind)).collect();
    assert!(!http.is_empty() && http.len().is_multiple_of(2));
    for pair in http.chunks(2) {
        let [("http request", line, asked), ("http answer", _, answered)] = pair else {
            panic!("a request without a response, or a response without a request, at line {}", pair[0].1)
        };
        let (asked, page) = (Message::read(asked), Message::read(answered));
        let mut request = hub.request(asked.start[0].parse::<Method>().unwrap(), &asked.start[1]);
        for (name, value) in &asked.headers {
            request = request.header(name, names.fill(value));
        }
        if !asked.body.is_null() {
            request = request.body(names.fill_document(&asked.body).to_string());
        }
        let came = send(request).await;
        let place = format!("line {line}, {}", asked.start.join(" "));
        assert_eq!(came.status.to_string(), page.start[1], "{place}: {came:?}");
        for (name, value) in &page.headers {
            assert_eq!(came.headers[name], *value, "{place}");
        }
        names.assert_is(&place, &came.body, &page.body);
    }
}

/// A backend that returns a fixed list of peers, and accepts every other request.
struct StandIn {
    url: String,
    received: Arc<Mutex<Vec<Received>>>,
    server: JoinHandle<std::io::Result<()>>,
}

struct Received {
    start: Vec<String>,
    headers: HeaderMap,
    body: Value,
}

impl StandIn {
    async fn listing(listing: &Value, is_hub: bool) -> Self {
        let received = Arc::<Mutex<Vec<Received>>>::default();
        let (listing, seen) = (listing.to_string(), received.clone());
        let answer = move |request: Request| {
            let (listing, seen) = (listing.clone(), seen.clone());
            async move {
                let (head, body) = request.into_parts();
                let body = to_bytes(body, usize::MAX).await.unwrap();
                let start = vec![head.method.to_string(), head.uri.to_string()];
                let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                seen.lock().unwrap().push(Received { start, headers: head.headers, body });
                let answer = match head.uri.path() {
                    "/peers" => listing,
                    _ => json!({ "code": 200, "message": "ok", "data": null }).to_string(),
                };
                let marker = is_hub.then_some([("x-uptime-hub", "1")]);
                (marker.map(axum::response::AppendHeaders), answer)
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer);
        let server = tokio::spawn(async { axum::serve(listener, router).await });
        Self { url, received, server }
    }

    /// A probe's client with all its credentials and options.
    fn client(&self) -> Backend {
        let config = BackendConfig::new(vec![self.url.parse().unwrap()]);
        Backend::new(BackendConfig {
            api_key: Some("the API key".into()),
            node_token: Some("the-node-token".into()),
            region: Some("eu".into()),
            report_style: ReportStyle::PerNode,
            ..config
        })
        .unwrap()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

#[tokio::test]
async fn the_probes_client_understands_every_listing_of_the_page() {
    let foreign = of_kind("json listing").into_iter().map(|(_, line, text)| (line, text, false));
    let ours = of_kind("http answer").into_iter().filter_map(|(_, line, text)| {
        let answer = Message::read(&text);
        answer.body["data"]["peers"].is_array().then(|| (line, answer.body.to_string(), true))
    });
    for (line, text, is_hub) in foreign.chain(ours) {
        let listing: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("line {line}: {error}"));
        let backend = StandIn::listing(&listing, is_hub).await;
        let page = backend.client().peers_page(None, soon()).await.unwrap();
        let listed = listing["data"]["peers"].as_array().unwrap();
        assert!(!listed.is_empty());
        assert_eq!((page.skipped, page.peers.len(), page.complete_listing), (0, listed.len(), is_hub), "line {line}");
        for (peer, listed) in page.peers.iter().zip(listed) {
            assert_eq!(peer.id, listed["id"], "line {line}");
            let url = peer.url.full();
            assert!(listed["url"].as_str().is_none_or(|listed| listed == url), "line {line}: {url}");
        }
    }
}

#[tokio::test]
async fn the_probes_client_sends_what_the_page_says() {
    let (_, _, listing) = &of_kind("json listing")[0];
    let backend = StandIn::listing(&serde_json::from_str(listing).unwrap(), false).await;
    let client = backend.client();
    client.peers_page(None, soon()).await.unwrap();
    client.send_results(Uuid::now_v7(), &[good(PeerId(7))], soon()).await.unwrap();
    let report = StatusReport {
        response_time_ms: Some(12.0),
        total_monitored_nodes: 3,
        healthy_nodes: 1,
        server_id: Some("probe-1".into()),
        check_interval: Duration::from_secs(60),
        degraded: false,
        holds_sessions: false,
    };
    client.report_status(&report, soon()).await.unwrap();

    let mut names = Names::with(&[("node token", "the-node-token"), ("API key", "the API key")]);
    let received = backend.received.lock().unwrap();
    let sent = of_kind("http sent");
    assert_eq!(received.len(), sent.len());
    for (_, line, text) in sent {
        let page = Message::read(&text);
        let came = received.iter().find(|came| came.start == page.start);
        let came = came.unwrap_or_else(|| panic!("line {line}: no {}", page.start.join(" ")));
        for name in ["authorization", "x-api-key", "x-node-token", "content-type"] {
            let of_page = page.headers.iter().find(|header| header.0 == name).map(|header| names.fill(&header.1));
            let of_probe = came.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
            assert_eq!(of_probe, of_page, "line {line}: {name}");
        }
        names.assert_is(&format!("line {line}"), &came.body, &page.body);
    }
}
