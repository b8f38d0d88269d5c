//! `scripts/verify-deployment.sh` against broken hubs; `compose` runs it against a working one.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    Json, Router,
    http::{HeaderMap, StatusCode, header},
    middleware::map_response,
    response::Response,
    routing::{get, post},
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional},
    net::TcpStream,
};
use tokio_rustls::TlsAcceptor;

use crate::{assert_contains, closed_port::ClosedPort, root, services::Service, tool};

/// The script's exit code, and its report.
pub fn verify(args: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
    let mut script = Command::new("sh");
    script.arg(root().join("scripts/verify-deployment.sh")).args(args);
    for name in ["API_KEY", "NODE_TOKEN", "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        script.env_remove(name);
    }
    let output = tool::output(script.envs(variables.iter().copied()));
    assert!(String::from_utf8_lossy(&output.stderr).is_empty() || output.status.code() == Some(2), "{output:?}");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().expect("it ends by itself"), String::from_utf8(text).unwrap())
}

#[test]
fn bad_usage_is_refused() {
    for (args, words) in [
        (&[] as &[&str], "name the URL of the hub"),
        (&["hub.example.com"], "'hub.example.com' is not a web address"),
        (&["http://a", "http://b"], "name one URL"),
        (&["--grace", "soon", "http://a"], "not 'soon'"),
        (&["--retired"], "--retired needs a value"),
        (&["--all"], "there is no option --all"),
    ] {
        let (code, said) = verify(args, &[]);
        assert_eq!(code, 2, "{said}");
        assert_contains(&said, &["error: ", words]);
    }
    let (code, help) = verify(&["--help"], &[]);
    assert_eq!(code, 0);
    assert_contains(&help, &["Usage: ", "Exit codes:", "--grace", "--retired", "API_KEY"]);
}

#[test]
fn an_unreachable_hub_is_reported() {
    let closed = ClosedPort::new();
    let (code, report) = verify(&[&closed.url("http")], &[]);
    assert_contains(&report, &["WRONG  http://127.0.0.1:", " refuses connections", "\n1 thing is wrong\n"]);
    assert_eq!(code, 1);
    // The name never exists (RFC 2606), but the error depends on the resolver of this machine.
    let (code, report) = verify(&["https://hub.invalid"], &[]);
    assert_eq!((code, report.contains("WRONG  https://hub.invalid ")), (1, true), "{report}");
}

#[test]
fn a_server_without_tls_fails_over_https() {
    let hub = Service::start(&["hub"], &[]);
    let (code, report) = verify(&[&hub.url.replace("http:", "https:")], &[]);
    assert_contains(&report, &["has no trusted TLS"]);
    assert_eq!(code, 1);
}

#[test]
fn unchecked_peers_are_reported() {
    let hub = Service::start(&["hub"], &[]);
    let (_, report) = verify(&[&hub.url], &[]);
    assert_contains(&report, &["WRONG  it lists no nodes", "note   the probes were not checked"]);
    hub.command(&["hub", "peer", "add", "tcp://192.0.2.7", "--name", "lonely"]);
    // Lists of visitors may be a second old.
    let mut reports = (0..30).map(|_| verify(&[&hub.url, "--grace", "0"], &[]));
    let (code, report) = reports.find(|(_, report)| !report.contains("it lists no nodes")).unwrap();
    assert_contains(&report, &["WRONG  nodes that were never checked: 1 of 1 (1 'lonely'); ", "\n1 thing is wrong\n"]);
    assert_eq!(code, 1);
    // One that was added just now may wait.
    let (code, report) = verify(&[&hub.url, "--grace", "3600"], &[]);
    assert_eq!(code, 0, "{report}");
    let key = hub.command(&["hub", "key", "create", "--name", "verify"]);
    let (_, report) = verify(&[&hub.url, "--grace", "3600"], &[("API_KEY", &key)]);
    assert_contains(&report, &["WRONG  no probe has ever registered"]);
}

/// A proxy in front of a hub, which adds the address of its caller to the first request of each connection.
async fn proxied(hub: &Service) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let behind = hub.url.strip_prefix("http://").unwrap().to_owned();
    tokio::spawn(async move {
        loop {
            let (caller, _) = listener.accept().await.unwrap();
            let mut hub = TcpStream::connect(&behind).await.unwrap();
            tokio::spawn(async move {
                let mut caller = BufReader::new(caller);
                let mut line = String::new();
                caller.read_line(&mut line).await.unwrap();
                hub.write_all(format!("{line}x-forwarded-for: 192.0.2.7\r\n").as_bytes()).await.unwrap();
                drop(copy_bidirectional(&mut caller, &mut hub).await);
            });
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_the_hub_does_not_trust_is_reported() {
    let hub = Service::start(&["hub"], &[]);
    let url = proxied(&hub).await;
    let (code, report) = tokio::task::spawn_blocking(move || verify(&[&url], &[])).await.unwrap();
    assert_contains(&report, &["WRONG  requests come through a proxy that is not in TRUSTED_PROXIES"]);
    assert_eq!(code, 1);
    let hub = Service::start(&["hub"], &[("TRUSTED_PROXIES", "127.0.0.1")]);
    let url = proxied(&hub).await;
    let (_, report) = tokio::task::spawn_blocking(move || verify(&[&url], &[])).await.unwrap();
    assert!(!report.contains("TRUSTED_PROXIES"), "{report}");
}

#[test]
fn a_probe_is_not_accepted_as_a_hub() {
    let probe = Service::start(&["daemon"], &[("BACKEND_BASE_URL", "http://127.0.0.1:1"), ("NODE_TOKEN", "token")]);
    let (code, report) = verify(&[&probe.url], &[]);
    assert_contains(&report, &["WRONG  it is not a hub: it is the monitoring API of a probe"]);
    assert_eq!(code, 1);
}

/// Starts a TLS proxy in front of `hub`. Its certificate for `localhost` is valid for `lasts` and written to `file`.
pub async fn with_tls(hub: &Service, lasts: Duration, file: &Path) -> String {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let now = rcgen::date_time_ymd(1970, 1, 1) + SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]);
    (params.not_before, params.not_after) = (now - DAY, now + lasts);
    let certificate = rcgen::Certificate::from_params(params).unwrap();
    // It is signed anew each time that it is written.
    let pem = certificate.serialize_pem().unwrap();
    fs::write(file, &pem).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()];
    let key = PrivateKeyDer::try_from(certificate.serialize_private_key_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap()));

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let behind = hub.url.strip_prefix("http://").unwrap().to_owned();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, behind) = (acceptor.clone(), behind.clone());
            tokio::spawn(async move {
                // A client that does not trust the certificate disconnects.
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut hub = TcpStream::connect(behind).await.unwrap();
                let _ = copy_bidirectional(&mut stream, &mut hub).await;
            });
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn the_expiry_of_the_certificate_is_reported() {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let hub = Service::start(&["hub"], &[]);
    let file = hub.folder.path().join("certificate.pem");
    for (days, words) in [
        (100, "ok     its TLS certificate is valid for 99 days\n"),
        (5, "WRONG  its TLS certificate ends in 4 days; renew"),
    ] {
        // The extra time keeps the number of whole days constant during the test.
        let url = with_tls(&hub, DAY * days - Duration::from_secs(3600), &file).await;
        let trusted = file.to_str().unwrap().to_owned();
        let (with, without) = tokio::task::spawn_blocking(move || {
            (verify(&[&url], &[("CURL_CA_BUNDLE", &trusted)]), verify(&[&url], &[]))
        })
        .await
        .unwrap();
        assert_contains(&with.1, &[words, "ok     it is a hub\n"]);
        assert_contains(&without.1, &[" has no trusted TLS ("]);
        assert_eq!(without.0, 1);
    }
}

/// A hub with every problem that the script can find.
fn broken() -> Router {
    let node = json!({
        "id": 1, "name": "open", "network_secret": "hunter2", "mail": "a@example.com", "created_at": "2026-01-01T00:00:00Z",
        "last_check_time": "2026-01-02T00:00:00Z", "current_health_status": "unknown",
    });
    let nodes = json!({"success": true, "data": {"items": [node], "total_pages": 1}});
    let peers = json!({"code": 200, "data": {"peers": [{"id": 1, "network_secret": "hunter2"}]}});
    let servers = json!({"code": 200, "data": {"servers": [
        {"server_id": "a", "region": "eu", "status": "offline", "last_seen": "2026-01-02T00:00:00Z"},
        {"server_id": "b", "region": "us", "status": "degraded", "last_seen": "2026-01-02T00:00:00Z", "version": "1",
            "counters": {"lost": 7}},
        {"server_id": "c", "region": "us", "status": "online", "last_seen": "2026-01-02T00:00:00Z", "version": "2"},
    ]}});
    let done = || Json(json!({"success": true, "message": "done"}));
    let login = async move |Json(tried): Json<Value>| match tried["password"] == "changeme" {
        true => StatusCode::OK,
        false => StatusCode::UNAUTHORIZED,
    };
    let disguise = async |mut response: Response| {
        let headers: &mut HeaderMap = response.headers_mut();
        headers.insert("x-uptime-hub", "1".parse().unwrap());
        headers.insert(header::DATE, "Thu, 01 Jan 2026 00:00:00 GMT".parse().unwrap());
        response
    };
    let unwell = json!({"success": false, "error": "the database does not answer"});
    Router::new()
        .route("/health", get(async move || (StatusCode::SERVICE_UNAVAILABLE, Json(unwell))))
        .route("/results", post(async move || done()))
        .route("/api/admin/nodes", get(async move || done()))
        .route("/api/admin/login", post(login))
        .route("/api/discovery/servers", get(async move || Json(servers)))
        .route("/api/nodes", get(async move || Json(nodes)))
        .route("/peers", get(async move || Json(peers)))
        .layer(map_response(disguise))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_problem_is_reported() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, broken()).await.unwrap() });
    let (code, report) = tokio::task::spawn_blocking(move || verify(&[&url], &[("API_KEY", "any")])).await.unwrap();
    assert_contains(
        &report,
        &[
            "WRONG  /health answers 503: the database does not answer",
            "WRONG  its clock is ",
            " s behind this machine's",
            "WRONG  /openapi.json answers 404",
            "WRONG  POST /results answers 200: done to somebody without a token",
            "WRONG  GET /api/discovery/servers answers 200",
            "WRONG  GET /api/admin/nodes answers 200",
            "WRONG  the admin's password is 'changeme'",
            "WRONG  the public list shows mail, network_secret, which must be null",
            "WRONG  GET /peers shows network secrets",
            "WRONG  nodes that are unknown although they were checked before: 1 of 1 (1 'open'); ",
            "WRONG  the region eu has no live probe: a, last seen 2026-01-02T00:00:00Z",
            "WRONG  the probe b is late",
            "note   the probe b has lost 7 results",
            "note   the probes are of several versions: 1, 2",
            "\n12 things are wrong\n",
        ],
    );
    assert_eq!(code, 1);
}
