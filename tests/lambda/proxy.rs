//! A proxy between the function and a server: it records each request, and answers some itself.

#![allow(dead_code, reason = "the bench uses a part of it, and the tests another")]

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Notify};

/// A request and its response.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub query: String,
    /// The operation of an AWS service.
    pub target: String,
    pub body: String,
    /// The client's end of the connection.
    pub from: SocketAddr,
    pub status: u16,
    pub answer: String,
}

/// What the proxy does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Through,
    /// Answers with this status, as the server behind would.
    Refused(u16),
    /// Passes on a batch for SQS without its first entry, which fails.
    FirstEntryFails {
        sender_fault: bool,
    },
    /// Never answers.
    Held,
}

type Rule = Box<dyn Fn(&Seen) -> Way + Send>;

/// A proxy in front of one server.
pub struct Proxy {
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: String,
    client: reqwest::Client,
    seen: Mutex<Vec<Seen>>,
    rule: Mutex<Rule>,
    held: Notify,
}

impl Proxy {
    pub async fn before(upstream: &str) -> Self {
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            client: client(),
            seen: Mutex::default(),
            rule: Mutex::new(Box::new(|_| Way::Through)),
            held: Notify::new(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let router = Router::new().fallback(pass).with_state(shared.clone());
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        Self { url, shared }
    }

    /// Decides from now on what happens to a request.
    pub fn rule(&self, rule: impl Fn(&Seen) -> Way + Send + 'static) {
        *self.shared.rule.lock().unwrap() = Box::new(rule);
    }

    /// Answers requests to this path with a status from now on.
    pub fn refuse(&self, path: &'static str, status: u16) {
        self.rule(move |seen| if seen.path == path { Way::Refused(status) } else { Way::Through });
    }

    pub fn let_through(&self) {
        self.rule(|_| Way::Through);
    }

    /// Waits until a request is held.
    pub async fn held(&self) {
        self.shared.held.notified().await;
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// The requests to one path, or of one operation of an AWS service.
    pub fn seen_of(&self, what: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.path == what || seen.target.ends_with(what)).collect()
    }

    /// The number of connections that requests came over.
    pub fn connections(&self) -> usize {
        self.seen().iter().map(|seen| seen.from).collect::<HashSet<_>>().len()
    }
}

async fn pass(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
    let target = parts.headers.get("x-amz-target").map(|target| target.to_str().unwrap().to_owned());
    let mut seen = Seen {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        target: target.unwrap_or_default(),
        body: String::from_utf8_lossy(&body).into_owned(),
        from,
        status: 0,
        answer: String::new(),
    };
    let way = (shared.rule.lock().unwrap())(&seen);
    let mut headers = parts.headers;
    for of_the_connection in ["host", "connection", "accept-encoding", "content-length"] {
        headers.remove(of_the_connection);
    }
    let (status, headers, body) = match way {
        Way::Through | Way::FirstEntryFails { .. } => {
            let (body, failed) = match way {
                Way::FirstEntryFails { sender_fault } => without_first_entry(&body, sender_fault),
                _ => (body, None),
            };
            let url = format!("{}{}", shared.upstream, parts.uri);
            let request = shared.client.request(parts.method, url).headers(headers).body(body);
            let answer = request.send().await.expect("the server behind answers");
            let (status, mut headers) = (answer.status(), answer.headers().clone());
            let mut body = answer.bytes().await.expect("the answer is whole");
            if let Some(failed) = failed {
                let mut answer: Value = serde_json::from_slice(&body).expect("JSON");
                answer["Failed"] = json!([failed]);
                body = answer.to_string().into();
                headers.remove("content-length");
            }
            (status, headers, body)
        }
        Way::Refused(status) => {
            // With the header of a hub: the function ignores refusals of reverse proxies.
            let headers =
                HeaderMap::from_iter([(HeaderName::from_static("x-uptime-hub"), HeaderValue::from_static("1"))]);
            (StatusCode::from_u16(status).expect("a status"), headers, "refused".into())
        }
        Way::Held => {
            shared.held.notify_one();
            std::future::pending().await
        }
    };
    seen.status = status.as_u16();
    seen.answer = String::from_utf8_lossy(&body).into_owned();
    shared.seen.lock().unwrap().push(seen);
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response.headers_mut().remove("transfer-encoding");
    response
}

/// The body of a batch without its first entry, and the failure of that entry in the form that SQS gives it.
fn without_first_entry(body: &[u8], sender_fault: bool) -> (Bytes, Option<Value>) {
    let mut batch: Value = serde_json::from_slice(body).expect("a batch is JSON");
    let first = batch["Entries"].as_array_mut().expect("it has entries").remove(0);
    let failed = json!({"Id": first["Id"], "SenderFault": sender_fault, "Code": "Refused", "Message": "by the proxy"});
    (batch.to_string().into(), Some(failed))
}

/// A client without limits and without a proxy.
pub fn client() -> reqwest::Client {
    // Fails if another test has done it, which is fine.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap()
}
