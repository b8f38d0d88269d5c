//! A connection of a probe that posts results all the time, and sends again what was not acknowledged.

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

const MOST_RESULTS: usize = 12;

/// How far back results were checked: several rollups and quarters of an hour.
const OLDEST: u64 = 3 * 3600;

/// The pause of a sender that was told to come back.
const PAUSE: Duration = Duration::from_millis(50);

/// Where results go.
#[derive(Debug, Clone)]
pub struct Target {
    pub url: String,
    /// Nothing new is made; what is pending is delivered.
    pub is_last: bool,
}

/// What a sender must be ready for. Anything else that is no acknowledgement fails the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Troubles {
    /// The hub goes away with its connections.
    Deaths,
    /// The hub says 503.
    Refusals,
}

/// What all senders did so far.
#[derive(Default)]
pub struct Progress {
    /// Requests begun, and acknowledgements.
    pub steps: Count,
    pub acknowledged: Count,
    pub refused: Count,
    took: Mutex<Duration>,
}

/// A count that can be waited for.
#[derive(Default)]
pub struct Count(watch::Sender<u64>);

impl Count {
    pub fn add(&self) {
        self.0.send_modify(|count| *count += 1);
    }

    /// Waits until it has grown by this.
    pub async fn more(&self, count: u64) {
        let mut changes = self.0.subscribe();
        let wanted = *changes.borrow() + count;
        changes.wait_for(|now| *now >= wanted).await.expect("the sender is here");
    }
}

impl Progress {
    /// How long the last request took that was acknowledged.
    pub fn took(&self) -> Duration {
        *self.took.lock().unwrap()
    }
}

/// Results that go together, again and again until they are acknowledged.
struct Batch {
    results: Vec<Value>,
    ids: Vec<Uuid>,
    /// By all answers together.
    accepted: usize,
}

/// The end of one request.
enum Outcome {
    /// So many results were new to the hub.
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
        // Fails when another test was first, which does as well.
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
                    self.target.changed().await.expect("the test tells where to go on");
                }
            }
        }
    }

    /// New results, of which the ledger knows before the hub does.
    fn make(&mut self) -> Batch {
        let count = self.random.random_range(1..=MOST_RESULTS);
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

    /// Sends a batch, now and then twice at the same time: a probe that lost its patience does that.
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
        // A head without its body acknowledges nothing.
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
