//! A connection of a probe that posts results continuously, and repeats those that were not acknowledged.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use easytier_uptime_store::domain::Timestamp;
use rand::{RngExt, rngs::StdRng};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::sync::watch;
use uuid::Uuid;

use crate::ledger::{Figures, Ledger, Made};

const MAX_RESULTS: usize = 12;

/// The maximum age of results: several buckets of counts.
const OLDEST: u64 = 3 * 3600;

/// The pause of a sender after a 503.
const PAUSE: Duration = Duration::from_millis(50);

/// The target of the results.
#[derive(Debug, Clone)]
pub struct Target {
    pub url: String,
    /// No new results; only pending ones are delivered.
    pub is_last: bool,
}

/// The failures that a sender accepts. Any other failure fails the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Troubles {
    /// The hub dies, and its connections end.
    Deaths,
    /// The hub answers 503.
    Refusals,
}

/// The progress of all senders.
#[derive(Default)]
pub struct Progress {
    /// The number of requests begun and acknowledgements received.
    pub steps: Count,
    pub acknowledged: Count,
    pub refused: Count,
    took: Mutex<Duration>,
}

/// A counter that can be waited for.
#[derive(Default)]
pub struct Count(watch::Sender<u64>);

impl Count {
    pub fn add(&self) {
        self.0.send_modify(|count| *count += 1);
    }

    pub fn get(&self) -> u64 {
        *self.0.borrow()
    }

    /// Waits until the counter has grown by this number.
    pub async fn more(&self, count: u64) {
        let mut changes = self.0.subscribe();
        let wanted = *changes.borrow() + count;
        changes.wait_for(|now| *now >= wanted).await.expect("the sender is here");
    }
}

impl Progress {
    /// The duration of the last acknowledged request.
    pub fn took(&self) -> Duration {
        *self.took.lock().unwrap()
    }
}

/// Results that are sent together until they are acknowledged.
struct Batch {
    results: Vec<Value>,
    ids: Vec<Uuid>,
    /// The sum over all responses.
    accepted: usize,
}

/// The outcome of a request.
enum Outcome {
    /// The number of results that were new to the hub.
    Acknowledged {
        accepted: usize,
    },
    Refused,
    Lost,
}

pub struct Sender {
    target: watch::Receiver<Target>,
    client: Client,
    token: String,
    peers: usize,
    ledger: Arc<Ledger>,
    progress: Arc<Progress>,
    troubles: Troubles,
    random: StdRng,
}

impl Sender {
    pub fn new(
        target: watch::Receiver<Target>,
        token: String,
        peers: usize,
        ledger: Arc<Ledger>,
        progress: Arc<Progress>,
        troubles: Troubles,
        random: StdRng,
    ) -> Self {
        // This fails if another test has already installed it.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        Self { target, client, token, peers, ledger, progress, troubles, random }
    }

    pub async fn run(mut self) {
        let mut pending = None;
        loop {
            let Target { url, is_last } = self.target.borrow_and_update().clone();
            let mut batch = match pending.take() {
                Some(batch) => batch,
                None if is_last => return,
                None => self.make(),
            };
            match self.deliver(&url, &mut batch).await {
                Outcome::Acknowledged { .. } => self.ledger.entries().acknowledged.extend(batch.ids),
                Outcome::Refused => {
                    assert_eq!(self.troubles, Troubles::Refusals, "the hub has its database");
                    self.progress.refused.add();
                    pending = Some(batch);
                    tokio::time::sleep(PAUSE).await;
                }
                Outcome::Lost => {
                    assert_eq!(self.troubles, Troubles::Deaths, "the hub lives");
                    pending = Some(batch);
                    self.target.changed().await.expect("the test names the next hub");
                }
            }
        }
    }

    /// Makes new results, and enters them in the ledger before they are sent.
    fn make(&mut self) -> Batch {
        let count = self.random.random_range(1..=MAX_RESULTS);
        let mut batch = Batch { results: Vec::new(), ids: Vec::new(), accepted: 0 };
        for _ in 0..count {
            let id = Uuid::now_v7();
            let peer = self.random.random_range(1..=self.peers) as i64;
            let checks = self.random.random_range(1..=5);
            let healthy = self.random.random_range(0..=checks);
            let figures = Figures { results: 1, checks, healthy };
            self.ledger.entries().made.insert(id, Made { peer, figures });
            batch.ids.push(id);
            batch.results.push(json!({
                "id": id,
                "peer_id": peer,
                "checked_at": Timestamp::now() - Duration::from_secs(self.random.random_range(0..OLDEST)),
                "checks": checks,
                "healthy": healthy,
                "status": if healthy > 0 { "Online" } else { "Offline" },
                "response_time": (healthy > 0).then_some(12.5),
                "stage": "ping",
            }));
        }
        batch
    }

    /// Sends a batch, sometimes twice at the same time, as a probe does after a timeout.
    async fn deliver(&mut self, url: &str, batch: &mut Batch) -> Outcome {
        let outcomes = match self.random.random_bool(0.125) {
            false => vec![self.post(url, batch).await],
            true => {
                let (first, second) = tokio::join!(self.post(url, batch), self.post(url, batch));
                vec![first, second]
            }
        };
        for outcome in &outcomes {
            if let Outcome::Acknowledged { accepted } = outcome {
                batch.accepted += accepted;
            }
        }
        assert!(batch.accepted <= batch.ids.len(), "no result is new to the hub twice");
        let is_acknowledged = |outcome: &Outcome| matches!(outcome, Outcome::Acknowledged { .. });
        outcomes.into_iter().max_by_key(is_acknowledged).expect("it was sent")
    }

    async fn post(&self, url: &str, batch: &Batch) -> Outcome {
        self.progress.steps.add();
        let began = Instant::now();
        let body = json!({ "cycle_id": Uuid::now_v7(), "sent_at": Timestamp::now(), "results": batch.results });
        let request = self.client.post(format!("{url}/results")).header("x-node-token", &self.token);
        let Ok(response) = request.body(body.to_string()).send().await else { return Outcome::Lost };
        let status = response.status().as_u16();
        let asks_to_wait = response.headers().contains_key("retry-after");
        // Headers without a body are not an acknowledgement.
        let Ok(text) = response.text().await else { return Outcome::Lost };
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["code"], status, "{answer}");
        if status == 503 {
            assert!(asks_to_wait, "{answer}");
            return Outcome::Refused;
        }
        assert_eq!(status, 200, "{answer}");
        let of = |name: &str| answer["data"][name].as_u64().unwrap() as usize;
        let (accepted, duplicates) = (of("accepted"), of("duplicates"));
        assert_eq!((accepted + duplicates, &answer["data"]["rejected"]), (batch.ids.len(), &json!([])), "{answer}");
        *self.progress.took.lock().unwrap() = began.elapsed();
        self.progress.steps.add();
        self.progress.acknowledged.add();
        Outcome::Acknowledged { accepted }
    }
}
