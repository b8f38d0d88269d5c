//! The Lambda runtime API, as the service serves it to a sandbox.

#![allow(dead_code, reason = "the bench uses a part of it, and the tests another")]

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
    routing::{get, post},
};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::{Notify, oneshot},
};

/// The outcome of an invocation.
#[derive(Debug)]
pub enum Outcome {
    /// The response, as the caller gets it.
    Answer(String),
    /// The function reported this error.
    Error(String),
}

/// The deadline of an invocation.
#[derive(Debug, Clone, Copy)]
pub enum Deadline {
    In(Duration),
    /// Milliseconds since 1970.
    At(u64),
}

/// The API for one sandbox.
pub struct Runtime {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<VecDeque<Invocation>>,
    running: Mutex<HashMap<String, oneshot::Sender<Outcome>>>,
    /// An invocation is waiting.
    given: Notify,
    /// The sandbox has asked for an invocation.
    asked: Notify,
}

struct Invocation {
    id: String,
    deadline: Deadline,
    event: String,
}

impl Runtime {
    pub async fn start() -> Self {
        let shared = Arc::<Shared>::default();
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .with_state(shared.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, shared }
    }

    /// Hands out an event; the receiver gets its outcome.
    pub fn give(&self, id: &str, event: String, deadline: Deadline) -> oneshot::Receiver<Outcome> {
        let (outcome, receiver) = oneshot::channel();
        self.shared.running.lock().unwrap().insert(id.to_owned(), outcome);
        self.shared.waiting.lock().unwrap().push_back(Invocation { id: id.to_owned(), deadline, event });
        self.shared.given.notify_one();
        receiver
    }

    /// Waits until the sandbox asks for an invocation.
    pub async fn asked(&self) {
        self.shared.asked.notified().await;
    }
}

async fn next(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    shared.asked.notify_one();
    let Invocation { id, deadline, event } = loop {
        let first = shared.waiting.lock().unwrap().pop_front();
        match first {
            Some(invocation) => break invocation,
            None => shared.given.notified().await,
        }
    };
    let deadline = match deadline {
        Deadline::At(millis) => millis,
        Deadline::In(left) => {
            (SystemTime::now() + left).duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as u64
        }
    };
    let headers = [
        ("lambda-runtime-aws-request-id", id),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:uptime".to_owned()),
        ("lambda-runtime-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793".to_owned()),
        ("content-type", "application/json".to_owned()),
    ];
    (headers, event)
}

async fn response(State(shared): State<Arc<Shared>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    settle(&shared, &id, Outcome::Answer(String::from_utf8(body.to_vec()).expect("the answer is text")))
}

async fn error(State(shared): State<Arc<Shared>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    let body: Value = serde_json::from_slice(&body).expect("an error is JSON");
    assert!(body["errorType"].is_string(), "{body}");
    settle(&shared, &id, Outcome::Error(body["errorMessage"].as_str().expect("words").to_owned()))
}

fn settle(shared: &Shared, id: &str, outcome: Outcome) -> StatusCode {
    match shared.running.lock().unwrap().remove(id) {
        Some(sender) => {
            let _ = sender.send(outcome);
            StatusCode::ACCEPTED
        }
        None => StatusCode::FORBIDDEN,
    }
}
