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
        let stream = TcpStream::connect(address).await.expect("the hub listens");
        stream.set_nodelay(true).expect("open");
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("the hub speaks HTTP");
        tokio::spawn(connection);
        Self { sender }
    }

    /// What the hub answers to a request with these headers, whatever the status.
    pub async fn ask(&mut self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let request = Request::get(path).header("host", "hub");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.body(Full::new(Bytes::new())).expect("a request");
        let answer = self.sender.send_request(request).await.expect("the hub answers");
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.expect("the answer is whole").to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
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

    /// Reports a check interval of one hour, so that results stay fresh for three hours.
    pub async fn say_hourly(&mut self, token: &str) {
        let status = json!({ "status": "Online", "metadata": { "check_interval": 3600 } }).to_string();
        self.send(Request::put("/nodes/status").header("x-node-token", token), status.into()).await;
    }

    async fn send(&mut self, request: axum::http::request::Builder, body: Bytes) -> Bytes {
        let request = request.header("host", "hub").body(Full::new(body)).expect("a request");
        let answer = self.sender.send_request(request).await.expect("the hub answers");
        let status = answer.status();
        let body = answer.into_body().collect().await.expect("the answer is whole").to_bytes();
        assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
        body
    }
}
