//! Probes that post results continuously, to any instance that takes them, and repeat those that were not acknowledged.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use easytier_uptime_store::domain::Timestamp;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use uuid::Uuid;

use crate::instance::{Instance, client};

/// Much longer than any instance needs to take a result.
const DEADLINE: Duration = Duration::from_secs(60);

/// The longest pause between two batches of a sender, in milliseconds. After each failover a mirror reads the results of the last
/// hour again; with much more of them, a debug build on two cores does not finish before the next failover.
const MAX_PAUSE_MS: u64 = 2000;

/// The results that were acknowledged.
#[derive(Default)]
pub struct Ledger(Mutex<Entries>);

#[derive(Default)]
pub struct Entries {
    /// The peer of each acknowledged result.
    pub acknowledged: HashMap<Uuid, i64>,
    /// The number of requests that an instance did not take.
    pub refused: u64,
}

impl Ledger {
    pub fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap()
    }
}

pub struct Senders {
    tasks: JoinSet<()>,
    is_over: Arc<AtomicBool>,
    pub ledger: Arc<Ledger>,
}

impl Senders {
    /// Starts a sender for each token, which posts results of `peers` to `instances`.
    pub fn start(tokens: &[String], instances: &[Instance], peers: &[i64], rng: &mut StdRng) -> Self {
        let (is_over, ledger) = (Arc::new(AtomicBool::new(false)), Arc::new(Ledger::default()));
        let mut tasks = JoinSet::new();
        for (nth, token) in tokens.iter().enumerate() {
            let mut urls: Vec<String> = instances.iter().map(Instance::url).collect();
            // As operators do it, not all probes use the same instance first.
            urls.rotate_left(nth % instances.len());
            let sender = Sender {
                urls,
                token: token.clone(),
                peers: peers.to_vec(),
                is_over: Arc::clone(&is_over),
                ledger: Arc::clone(&ledger),
                random: StdRng::from_rng(rng),
            };
            tasks.spawn(sender.run());
        }
        Self { tasks, is_over, ledger }
    }

    /// Fails when a sender has ended, which says why.
    pub fn assert_running(&mut self) {
        if let Some(ended) = self.tasks.try_join_next() {
            panic!("a sender ended: {ended:?}");
        }
    }

    /// Waits until everything that was sent is acknowledged.
    pub async fn finish(&mut self) {
        self.is_over.store(true, Relaxed);
        let all = async {
            while let Some(ended) = self.tasks.join_next().await {
                ended.expect("the sender works");
            }
        };
        timeout(DEADLINE, all).await.expect("everything is acknowledged at last");
    }
}

struct Sender {
    urls: Vec<String>,
    token: String,
    peers: Vec<i64>,
    is_over: Arc<AtomicBool>,
    ledger: Arc<Ledger>,
    random: StdRng,
}

impl Sender {
    async fn run(mut self) {
        while !self.is_over.load(Relaxed) {
            let count = self.random.random_range(1..=5);
            let results: Vec<(Uuid, i64)> = (0..count).map(|_| (Uuid::now_v7(), self.any_peer())).collect();
            while !post(&self.urls[0], &self.token, &results).await {
                self.ledger.entries().refused += 1;
                self.urls.rotate_left(1);
                sleep(Duration::from_millis(50)).await;
            }
            self.ledger.entries().acknowledged.extend(results);
            sleep(Duration::from_millis(self.random.random_range(0..MAX_PAUSE_MS))).await;
        }
    }

    fn any_peer(&mut self) -> i64 {
        self.peers[self.random.random_range(0..self.peers.len())]
    }
}

/// Posts online results to an instance; returns whether it acknowledged them. It may refuse with 503 alone.
pub async fn post(url: &str, token: &str, results: &[(Uuid, i64)]) -> bool {
    let now = Timestamp::now();
    let shown = results.iter().map(|(id, peer)| {
        json!({
            "id": id, "peer_id": peer, "checked_at": now, "checks": 1, "healthy": 1, "status": "Online",
            "response_time": 12.5, "stage": "ping",
        })
    });
    let body = json!({ "cycle_id": Uuid::now_v7(), "sent_at": now, "results": shown.collect::<Vec<_>>() });
    let request = client().post(format!("{url}/results")).header("x-node-token", token);
    let Ok(response) = request.body(body.to_string()).send().await else { return false };
    let status = response.status().as_u16();
    // Headers without a body are not an acknowledgement.
    let Ok(text) = response.text().await else { return false };
    if status == 503 {
        return false;
    }
    let answer: Value = serde_json::from_str(&text).unwrap_or_default();
    assert_eq!((status, &answer["data"]["rejected"]), (200, &json!([])), "{url}: {text}");
    true
}
