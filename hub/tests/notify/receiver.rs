//! A web server that takes messages, and counts how often each arrives.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use easytier_uptime_alerts::Message;
use tokio::{
    net::TcpListener,
    sync::watch,
    time::{sleep, timeout},
};

/// What the server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    Takes,
    /// It takes the request and never answers.
    Never,
    Refuses,
    /// It answers that it is busy, so many times for each message, and takes it then.
    BusyFor(usize),
    Redirects,
    /// It answers with a body that never ends.
    Endless,
}

#[derive(Clone)]
pub struct Receiver {
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    answers: Answers,
    /// Each message with the number of requests, by their idempotency keys.
    requests: Mutex<BTreeMap<String, (Message, usize)>>,
    count: watch::Sender<usize>,
}

impl Receiver {
    pub async fn start(answers: Answers) -> Self {
        let shared = Arc::new(Shared { answers, requests: Mutex::default(), count: watch::Sender::new(0) });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/hook", post(take))
            .route("/elsewhere", post(elsewhere))
            .with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, shared }
    }

    /// The messages with the number of requests for each.
    pub fn messages(&self) -> Vec<(Message, usize)> {
        self.shared.requests.lock().unwrap().values().cloned().collect()
    }

    pub fn titles(&self) -> Vec<String> {
        self.messages().into_iter().map(|(message, _)| message.title).collect()
    }

    /// Waits until there were so many requests.
    pub async fn requests(&self, count: usize, at_most: Duration) {
        let mut seen = self.shared.count.subscribe();
        let done = timeout(at_most, seen.wait_for(|seen| *seen >= count)).await;
        assert!(done.is_ok(), "{} of {count} requests: {:?}", *self.shared.count.borrow(), self.titles());
    }
}

async fn elsewhere(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.count.send_modify(|count| *count += 1000);
    StatusCode::OK
}

async fn take(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let message: Message = serde_json::from_slice(&body).unwrap();
    let key = headers["idempotency-key"].to_str().unwrap().to_owned();
    assert_eq!(key, message.id.to_string());
    let requests = {
        let mut all = shared.requests.lock().unwrap();
        let (known, requests) = all.entry(key).or_insert((message.clone(), 0));
        assert_eq!(*known, message, "a repeat is the same message");
        *requests += 1;
        *requests
    };
    shared.count.send_modify(|count| *count += 1);
    match shared.answers {
        Answers::Takes => StatusCode::OK.into_response(),
        Answers::Never => {
            sleep(Duration::from_secs(3600)).await;
            StatusCode::OK.into_response()
        }
        Answers::Refuses => (StatusCode::BAD_REQUEST, "no").into_response(),
        Answers::BusyFor(times) if requests <= times => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Answers::BusyFor(_) => StatusCode::OK.into_response(),
        Answers::Redirects => (StatusCode::TEMPORARY_REDIRECT, [("location", "/elsewhere")]).into_response(),
        Answers::Endless => {
            let chunks = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 65536])));
            Body::from_stream(chunks).into_response()
        }
    }
}
