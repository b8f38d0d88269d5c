//! A client of the hub with one persistent connection.

use std::net::SocketAddr;

use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Bytes,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// A response with any status.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Self {
        Self::try_open(address).await.expect("the hub listens")
    }

    /// `None` when the hub does not listen.
    pub async fn try_open(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(address).await.ok()?;
        stream.set_nodelay(true).ok()?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        tokio::spawn(connection);
        Some(Self { sender })
    }

    /// What the hub answers to a request with these headers, whatever the status.
    pub async fn ask(&mut self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let request = Request::get(path).header("host", "hub");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.body(Full::new(Bytes::new())).expect("a request");
        self.try_ask(request).await.expect("the hub answers")
    }

    async fn try_ask(&mut self, request: Request<Full<Bytes>>) -> Option<Answer> {
        let (parts, body) = self.sender.send_request(request).await.ok()?.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        Some(Answer { status: parts.status, headers: parts.headers, body })
    }

    /// The body of a page.
    pub async fn get(&mut self, path: &str, zipped: bool) -> Bytes {
        let request = Request::get(path);
        let request = if zipped { request.header("accept-encoding", "gzip") } else { request };
        self.send(request, Bytes::new()).await
    }

    /// Reports results and returns how many were accepted.
    pub async fn post_results(&mut self, token: &str, body: Bytes) -> u64 {
        let answer = self.send(Request::post("/results").header("x-node-token", token), body).await;
        let answer: Value = serde_json::from_slice(&answer).expect("JSON");
        answer["data"]["accepted"].as_u64().expect("a number")
    }

    /// What the hub answers to results; `None` when it does not.
    pub async fn try_post_results(&mut self, token: &str, body: Bytes) -> Option<Answer> {
        let request = Request::post("/results").header("x-node-token", token).header("host", "hub");
        self.try_ask(request.body(Full::new(body)).expect("a request")).await
    }

    /// Reports a check interval of one hour, so that results stay fresh for three hours.
    pub async fn say_hourly(&mut self, token: &str) {
        let status = json!({ "status": "Online", "metadata": { "check_interval": 3600 } }).to_string();
        self.send(Request::put("/nodes/status").header("x-node-token", token), status.into()).await;
    }

    async fn send(&mut self, request: axum::http::request::Builder, body: Bytes) -> Bytes {
        let request = request.header("host", "hub").body(Full::new(body)).expect("a request");
        let Answer { status, body, .. } = self.try_ask(request).await.expect("the hub answers");
        assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
        body
    }
}
