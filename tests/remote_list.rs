//! Lists of sites, which are read to their last page or not at all.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

#[path = "support/closed_port.rs"]
mod closed_port;

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use easytier_probe::{
    peer_list::ListProblem,
    remote_list::{FetchError, Fetched, ListBounds, ListVersion, Obstacle, fetch, fetch_new, is_url},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use self::closed_port::ClosedPort;

const BOUNDS: ListBounds = ListBounds { bytes: 1 << 20, entries: 1000 };

/// What a site answers to a path with a query.
type Answer = fn(&str, &[(String, String)]) -> (StatusCode, String);

/// A site, and the requests that it got.
struct Site {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Site {
    async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let handler = async move |State(asked): State<Arc<Mutex<Vec<String>>>>, request: Request| {
            let uri = request.uri();
            asked.lock().unwrap().push(uri.to_string());
            let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned();
            let answer = answer(uri.path(), &query.collect::<Vec<_>>());
            versioned(request.headers(), answer)
        };
        let router = Router::new().fallback(handler).with_state(asked.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        Self { url, asked }
    }

    async fn fetch(&self, path: &str) -> Result<Vec<String>, FetchError> {
        let entries = fetch(&format!("{}{path}", self.url), BOUNDS).await?;
        Ok(entries.into_iter().map(|entry| entry.peer.unwrap().url.unwrap()).collect())
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

/// An answer with its version, which is its length; 304 for who has it. A redirect leads to itself.
fn versioned(asked: &HeaderMap, answer: (StatusCode, String)) -> Response {
    let tag = format!("\"{}\"", answer.1.len());
    match asked.get(header::IF_NONE_MATCH).is_some_and(|known| *known == *tag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false if answer.0.is_redirection() => (answer.0, [(header::LOCATION, "/again")]).into_response(),
        false => ([(header::ETAG, tag)], answer).into_response(),
    }
}

fn ok(body: Value) -> (StatusCode, String) {
    (StatusCode::OK, body.to_string())
}

fn number(query: &[(String, String)], name: &str) -> usize {
    query.iter().find(|(key, _)| key == name).map_or(1, |(_, value)| value.parse().unwrap())
}

/// The URLs on a page of two.
fn page(number: usize, total: usize) -> Vec<String> {
    (2 * (number - 1)..(2 * number).min(total)).map(|peer| format!("tcp://192.0.2.1:{}", peer + 1)).collect()
}

/// Five peers on three pages, at the places at which EasytierUptime-CE has them.
#[tokio::test]
async fn pages_are_followed_to_the_end_wherever_they_are_announced() {
    let site = Site::start(|path, query| match path {
        "/api/nodes" => ok(json!({"success": true, "data": page(number(query, "page"), 5),
                                  "pagination": {"total": "5", "total_pages": 3, "page": number(query, "page")}})),
        // Another site tells the number of peers only.
        "/only-total" => ok(json!({"items": page(number(query, "page"), 5), "total": 5})),
        _ => (StatusCode::NOT_FOUND, String::new()),
    })
    .await;
    let expected: Vec<_> = [1, 2, 3].into_iter().flat_map(|number| page(number, 5)).collect();
    assert_eq!(site.fetch("").await.unwrap(), expected);
    assert_eq!(site.fetch("/only-total?page=2").await.unwrap(), expected);
    assert_eq!(site.asked(), 6);
}

#[tokio::test]
async fn a_site_that_gives_fewer_peers_than_it_says_is_an_error() {
    let site = Site::start(|path, _| match path {
        "/same-page" => ok(json!({"data": {"items": page(1, 2), "total": 5, "total_pages": 3}})),
        "/short" => ok(json!({"data": {"items": page(1, 2), "total": 5, "total_pages": 1}})),
        "/more" => ok(json!({"data": {"peers": page(1, 2), "next_batch_available": true}})),
        // It says so for ever, but also how many there are.
        _ => ok(json!({"data": {"peers": page(1, 2), "next_batch_available": true, "total_available": 2}})),
    })
    .await;
    for path in ["/same-page", "/short"] {
        let error = site.fetch(path).await.unwrap_err();
        assert!(matches!(error, FetchError::Incomplete { given: 2, announced: 5, .. }), "{path}: {error}");
    }
    let error = site.fetch("/more?token=4711").await.unwrap_err();
    assert!(matches!(error, FetchError::NoNextPage { given: 2, .. }), "{error}");
    assert!(!error.to_string().contains("4711"), "{error}");
    assert_eq!(site.fetch("/all").await.unwrap(), page(1, 2));
}

/// The second list of PCL is at the root of a site, with a query.
#[tokio::test]
async fn a_list_at_the_root_of_a_site_is_found() {
    let site = Site::start(|path, _| match path {
        "/" => ok(json!({"data": {"items": page(1, 2), "total": 2, "total_pages": 1}})),
        _ => (StatusCode::NOT_FOUND, String::new()),
    })
    .await;
    assert_eq!(site.fetch("/?page=1&per_page=1000").await.unwrap(), page(1, 2));
    let elsewhere = site.fetch("/nothing").await.unwrap_err().to_string();
    assert!(elsewhere.contains("404") && elsewhere.contains("/api/nodes"), "{elsewhere}");
}

#[tokio::test]
async fn a_file_on_a_web_server_may_have_any_form() {
    let site = Site::start(|path, _| match path {
        "/nodes.txt" => (StatusCode::OK, "# ours\ntcp://192.0.2.1:1, tcp://192.0.2.1:2\n".to_owned()),
        "/config.toml" => (StatusCode::OK, "[[peer]]\nuri = \"tcp://192.0.2.1:1\"\n".to_owned()),
        "/hidden" => ok(json!(["tcp://****:1", {"host": "", "port": null}])),
        _ => (StatusCode::OK, "<!DOCTYPE html>".to_owned()),
    })
    .await;
    assert_eq!(site.fetch("/nodes.txt").await.unwrap(), page(1, 2));
    assert_eq!(site.fetch("/config.toml").await.unwrap(), page(1, 1));
    for (path, expected) in [("/hidden", ListProblem::Hidden { count: 2 }), ("/", ListProblem::WebPage)] {
        let error = site.fetch(path).await.unwrap_err();
        assert!(matches!(&error, FetchError::NotAList { problem, .. } if *problem == expected), "{error}");
    }
    assert!(is_url("https://nodes.example") && !is_url("nodes.txt"));
}

#[tokio::test]
async fn a_list_that_somebody_has_is_not_read_again_and_pages_have_no_version() {
    let site = Site::start(|path, query| match path {
        "/nodes" if number(query, "per_page") > 100 => (StatusCode::BAD_REQUEST, "too many".to_owned()),
        "/nodes" => ok(json!(page(1, 2))),
        _ => ok(json!({"items": page(number(query, "page"), 5), "total": 5})),
    })
    .await;
    let url = format!("{}/nodes", site.url);
    let Ok(Fetched::List { entries, version }) = fetch_new(&url, BOUNDS, ListVersion::default()).await else {
        panic!("no list")
    };
    assert_eq!(entries.len(), 2);
    assert!(version.etag.is_some());
    assert!(matches!(fetch_new(&url, BOUNDS, version.clone()).await, Ok(Fetched::NotModified)));
    let other = ListVersion { etag: Some("\"0\"".to_owned()), last_modified: None };
    assert!(matches!(fetch_new(&url, BOUNDS, other).await, Ok(Fetched::List { entries, .. }) if entries.len() == 2));
    let paged = fetch_new(&format!("{}/paged", site.url), BOUNDS, version).await;
    assert!(matches!(paged, Ok(Fetched::List { version, .. }) if version.is_empty()));
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_told_with_the_reason() {
    let site = Site::start(|_, _| (StatusCode::FOUND, String::new())).await;
    let closed = ClosedPort::new();
    for (url, expected) in [
        (closed.url("http"), Obstacle::Refused),
        (site.url.replace("http:", "https:"), Obstacle::Tls),
        (format!("{}/again", site.url), Obstacle::Redirect),
        // No name server is asked for a label of 64 characters.
        (format!("http://{}.example/list", "a".repeat(64)), Obstacle::Name),
    ] {
        let error = fetch(&url, BOUNDS).await.unwrap_err();
        let FetchError::Unreachable { obstacle, cause, .. } = &error else { panic!("{url}: {error}") };
        assert_eq!((*obstacle, cause.is_empty()), (expected, false), "{error}");
    }
}

#[tokio::test]
async fn all_pages_together_have_a_greatest_length_and_number_of_entries() {
    let site = Site::start(|path, query| match path {
        "/nodes.txt" => (StatusCode::OK, "tcp://192.0.2.1:1 ".repeat(9)),
        _ => ok(json!({"items": page(number(query, "page"), 9999), "total": 9999})),
    })
    .await;
    let few_bytes = ListBounds { bytes: 1 << 11, ..BOUNDS };
    let error = fetch(&format!("{}/nodes", site.url), few_bytes).await.unwrap_err();
    assert!(matches!(error, FetchError::TooLong { max_bytes: 2048, .. }), "{error}");
    let pages = site.asked();
    assert!(pages > 5, "several pages fit");
    for path in ["/nodes", "/nodes.txt"] {
        let error = fetch(&format!("{}{path}", site.url), ListBounds { entries: 7, ..BOUNDS }).await.unwrap_err();
        let is_too_long = matches!(error, FetchError::NotAList { problem: ListProblem::TooLong { max: 7 }, .. });
        assert!(is_too_long, "{error}");
    }
    assert_eq!(site.asked() - pages, 4 + 1);
}
