//! A probe that speaks the control API of the contract, as a test wants it; and a proxy to it.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

/// The token of every stub.
pub const TOKEN: &str = "a-control-token-of-a-test-probe-0123";

/// How a stub answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// As a probe without a backend.
    Fresh,
    /// As a probe that reports to a hub.
    Enrolled,
    /// It holds the configuration of another cluster.
    Foreign,
    /// It sends the hub elsewhere.
    Redirecting,
    /// Its answers never end.
    Endless,
    /// It is another service.
    Website,
}

/// A probe.
#[derive(Clone)]
pub struct Stub {
    pub port: u16,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    mood: Mood,
    region: &'static str,
    pushed: Vec<Value>,
    statistics: Value,
}

impl Stub {
    pub async fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Mutex::new(Shared { mood, region: "eu", pushed: Vec::new(), statistics: json!([]) }));
        let router = Router::new()
            .route("/v1/configs", post(configs))
            .route("/v1/stats", get(stats))
            .with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { port, shared }
    }

    /// What `POST /v1/nodes` is sent for it.
    pub fn request(&self) -> Value {
        json!({ "host": "127.0.0.1", "http_port": self.port, "http_token": TOKEN })
    }

    pub fn set_mood(&self, mood: Mood) {
        self.shared.lock().unwrap().mood = mood;
    }

    /// The region that it says it is in.
    pub fn set_region(&self, region: &'static str) {
        self.shared.lock().unwrap().region = region;
    }

    pub fn set_statistics(&self, statistics: Value) {
        self.shared.lock().unwrap().statistics = statistics;
    }

    /// The configurations that it took.
    pub fn pushed(&self) -> Vec<Value> {
        self.shared.lock().unwrap().pushed.clone()
    }
}

async fn configs(State(shared): State<Arc<Mutex<Shared>>>, headers: HeaderMap, body: String) -> Response {
    let mut shared = shared.lock().unwrap();
    if let Some(refusal) = refusal(shared.mood, &headers) {
        return refusal;
    }
    if shared.mood == Mood::Foreign {
        let error = json!({ "success": false, "error": "it is bound to another cluster" });
        return (StatusCode::CONFLICT, error.to_string()).into_response();
    }
    let body: Value = serde_json::from_str(&body).expect("a configuration is JSON");
    if body["enrollment"].is_object() {
        shared.mood = Mood::Enrolled;
    }
    shared.pushed.push(body);
    json!({ "success": true }).to_string().into_response()
}

async fn stats(State(shared): State<Arc<Mutex<Shared>>>, headers: HeaderMap) -> Response {
    let shared = shared.lock().unwrap();
    if let Some(refusal) = refusal(shared.mood, &headers) {
        return refusal;
    }
    let has_backend = (shared.mood == Mood::Enrolled).to_string();
    let region = HeaderValue::from_bytes(shared.region.as_bytes()).unwrap();
    let names = [("x-uptime-server-id", "stub-1"), ("x-uptime-enrolled", &has_backend)];
    (names, [("x-uptime-region", region)], shared.statistics.to_string()).into_response()
}

fn refusal(mood: Mood, headers: &HeaderMap) -> Option<Response> {
    match mood {
        Mood::Website => return Some("<html>welcome".into_response()),
        Mood::Redirecting => {
            return Some((StatusCode::FOUND, [(header::LOCATION, "http://169.254.169.254/v1/stats")]).into_response());
        }
        Mood::Endless => {
            let chunks =
                futures::stream::repeat_with(|| Ok::<_, std::io::Error>("{\"name\":\"x\",\"value\":1},".repeat(100)));
            return Some(Body::from_stream(chunks).into_response());
        }
        Mood::Fresh | Mood::Enrolled | Mood::Foreign => {}
    }
    let is_right = headers.get("authorization").is_some_and(|value| value == &format!("Bearer {TOKEN}"));
    (!is_right).then(|| StatusCode::UNAUTHORIZED.into_response())
}

/// A proxy that connects every request to `port` of this machine, whatever it asks for; returns its own port.
pub async fn proxy(socks: bool, port: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let met = if socks { meet_socks(client).await } else { meet_connect(client).await };
                if let Some(mut client) = met {
                    let mut probe = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    drop(copy_bidirectional(&mut client, &mut probe).await);
                }
            });
        }
    });
    own
}

/// HTTP CONNECT with the login `u:pw`. Anything else is refused.
async fn meet_connect(client: TcpStream) -> Option<BufReader<TcpStream>> {
    let mut client = BufReader::new(client);
    let (mut first, mut login) = (String::new(), String::new());
    client.read_line(&mut first).await.ok()?;
    loop {
        let mut line = String::new();
        client.read_line(&mut line).await.ok()?;
        match line.trim() {
            "" => break,
            line if line.to_ascii_lowercase().starts_with("proxy-authorization:") => login = line.to_owned(),
            _ => {}
        }
    }
    let is_right = first.starts_with("CONNECT ") && login.ends_with("Basic dTpwdw==");
    let answer: &[u8] = if is_right { b"HTTP/1.1 200 OK\r\n\r\n" } else { b"HTTP/1.1 407 No\r\n\r\n" };
    client.write_all(answer).await.ok()?;
    is_right.then_some(client)
}

/// SOCKS5 without a login, as of RFC 1928.
async fn meet_socks(client: TcpStream) -> Option<BufReader<TcpStream>> {
    let mut client = BufReader::new(client);
    let mut greeting = [0; 2];
    client.read_exact(&mut greeting).await.ok()?;
    let mut methods = vec![0; greeting[1].into()];
    client.read_exact(&mut methods).await.ok()?;
    client.write_all(&[5, 0]).await.ok()?;
    let mut request = [0; 4];
    client.read_exact(&mut request).await.ok()?;
    assert_eq!(request[3], 3, "the name is left to the proxy");
    let length = client.read_u8().await.ok()?;
    let mut rest = vec![0; usize::from(length) + 2];
    client.read_exact(&mut rest).await.ok()?;
    client.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).await.ok()?;
    Some(client)
}
