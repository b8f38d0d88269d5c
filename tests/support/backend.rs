//! Test backends: one that answers by a closure and records its requests, and one that sends given bytes.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{
    future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    serve::ListenerExt,
};
use easytier_probe::backend::BaseUrl;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

/// A request as the backend received it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    /// As `/peers`.
    pub path: String,
    /// The query without the `?`; empty if there is none.
    pub query: String,
    pub headers: HeaderMap,
    /// `null` if there was none.
    pub body: Value,
    /// How many requests the backend received before.
    pub number: usize,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("ASCII"))
    }

    /// As `GET /peers?region=eu`.
    pub fn line(&self) -> String {
        match self.query.as_str() {
            "" => format!("{} {}", self.method, self.path),
            query => format!("{} {}?{query}", self.method, self.path),
        }
    }
}

/// The reaction of a test backend to a request.
pub enum Reply {
    Answer(Response),
    /// It never answers.
    Silence,
}

impl<T: IntoResponse> From<T> for Reply {
    fn from(answer: T) -> Self {
        Self::Answer(answer.into_response())
    }
}

/// Answers by a closure. It ends when dropped.
pub struct TestBackend {
    pub url: BaseUrl,
    requests: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

impl TestBackend {
    pub async fn start<R: Into<Reply>>(answer: impl Fn(&Seen) -> R + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound")).parse().expect("a base URL");
        let requests = Arc::<Mutex<Vec<Seen>>>::default();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        let listener = listener.tap_io(move |_| {
            count.fetch_add(1, Relaxed);
        });
        let (seen_so_far, answer) = (requests.clone(), Arc::new(answer));
        let app = Router::new().fallback(move |request: Request| {
            let (seen_so_far, answer) = (seen_so_far.clone(), answer.clone());
            async move {
                let seen = remember(request, &seen_so_far).await;
                let reply = answer(&seen).into();
                match reply {
                    Reply::Answer(response) => response,
                    Reply::Silence => future::pending().await,
                }
            }
        });
        let server = tokio::spawn(async move { axum::serve(listener, app).await.expect("the test backend serves") });
        Self { url, requests, connections, server }
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Seen> {
        self.requests.lock().unwrap().clone()
    }

    /// Every request so far, as method, path and query.
    pub fn lines(&self) -> Vec<String> {
        self.requests().iter().map(Seen::line).collect()
    }

    /// How many connections were opened.
    pub fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }
}

impl Drop for TestBackend {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn remember(request: Request, seen_so_far: &Mutex<Vec<Seen>>) -> Seen {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("a body");
    let mut seen_so_far = seen_so_far.lock().unwrap();
    let seen = Seen {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body: if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).expect("a JSON body") },
        number: seen_so_far.len(),
    };
    seen_so_far.push(seen.clone());
    seen
}

/// Answers the request of the n-th connection with the n-th of these byte strings, and closes the connection. It
/// accepts no further connections.
pub async fn raw_backend(answers: Vec<Vec<u8>>) -> BaseUrl {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound")).parse().expect("a base URL");
    tokio::spawn(async move {
        for answer in answers {
            let (mut connection, _) = listener.accept().await.expect("a connection");
            let mut head = Vec::new();
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                head.push(connection.read_u8().await.expect("a request"));
            }
            connection.write_all(&answer).await.expect("the client reads");
        }
        // The port stays taken, so that no other test gets what is sent here later.
        drop(future::pending::<TcpListener>().await);
    });
    url
}

/// A JSON response of a third-party backend.
pub fn third_party(status: u16, body: Value) -> Response {
    text(status, "application/json", body.to_string())
}

/// A JSON response of our hub.
pub fn hub(status: u16, body: Value) -> Response {
    with_header(third_party(status, body), "x-uptime-hub", "1")
}

pub fn text(status: u16, content_type: &'static str, body: impl Into<Body>) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [(header::CONTENT_TYPE, content_type)], body.into()).into_response()
}

pub fn with_header(mut response: Response, name: &'static str, value: &str) -> Response {
    response.headers_mut().insert(name, value.parse().expect("a header value"));
    response
}

/// The envelope around `data`.
pub fn envelope(data: Value) -> Value {
    json!({"code": 200, "message": "ok", "data": data})
}

/// `data` of a listing with peers of these ids.
pub fn listing(ids: impl IntoIterator<Item = i64>, more: bool, next_cursor: Option<&str>) -> Value {
    let peers: Vec<Value> = ids
        .into_iter()
        .map(|id| json!({"id": id, "name": format!("n{id}"), "host": "192.0.2.1", "port": 11010, "protocol": "tcp"}))
        .collect();
    let mut data = json!({"peers": peers, "total_available": 100_000, "next_batch_available": more});
    if let Some(cursor) = next_cursor {
        data["next_cursor"] = cursor.into();
    }
    data
}
