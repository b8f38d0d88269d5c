//! Two hubs on one PostgreSQL tell changes to a channel, and are killed at random moments: each change is told once.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use easytier_probe::{
    CheckResult, FailureCode, Stage, Status,
    backend::{Backend, BackendConfig},
};
use easytier_uptime_store::domain::Timestamp;
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    time::{Instant, sleep, timeout},
};
use uuid::Uuid;

use crate::{
    scene::{DEADLINE, Place, number, random},
    support::{Hub, PROGRAM, printed},
};

/// How many nodes a rule is about: a message lists no more than these.
const NODES_OF_RULE: usize = 20;

/// How often all results are reported again, so that none becomes stale.
const REFRESH: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn kills_of_two_hubs_lose_and_double_no_message() {
    tell_while_hubs_are_killed(6, 100).await;
}

/// The long form, for `tools/soak-alerts`.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "it takes some minutes"]
async fn soak_alerts() {
    tell_while_hubs_are_killed(number("KILLS", 50), number("CHANGES", 1000)).await;
}

/// A channel that takes most messages, and counts what arrives.
#[derive(Clone)]
struct Channel(Arc<Mutex<Arrived>>);

struct Arrived {
    /// The nodes of each message, and how often it arrived, by its idempotency key.
    messages: BTreeMap<String, (BTreeSet<i64>, usize)>,
    random: StdRng,
}

impl Channel {
    async fn start(random: StdRng) -> (Self, String) {
        let channel = Self(Arc::new(Mutex::new(Arrived { messages: BTreeMap::new(), random })));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let router = Router::new().route("/", post(take)).with_state(channel.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (channel, url)
    }

    /// How many messages each node is in.
    fn told(&self) -> BTreeMap<i64, usize> {
        let mut told = BTreeMap::new();
        for (nodes, _) in self.0.lock().unwrap().messages.values() {
            for node in nodes {
                *told.entry(*node).or_default() += 1;
            }
        }
        told
    }

    /// The messages, and the requests that repeated one.
    fn counts(&self) -> (usize, usize) {
        let arrived = self.0.lock().unwrap();
        (arrived.messages.len(), arrived.messages.values().map(|(_, times)| times - 1).sum())
    }
}

async fn take(State(channel): State<Channel>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let message: Value = serde_json::from_slice(&body).unwrap();
    let key = headers["idempotency-key"].to_str().unwrap().to_owned();
    let nodes: BTreeSet<i64> =
        message["nodes"].as_array().unwrap().iter().map(|node| node["id"].as_i64().unwrap()).collect();
    let (before, after, is_busy) = {
        let mut arrived = channel.0.lock().unwrap();
        let random = &mut arrived.random;
        (random.random_range(0..50), random.random_range(0..50), random.random_bool(0.02))
    };
    sleep(Duration::from_millis(before)).await;
    if is_busy {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    {
        let mut arrived = channel.0.lock().unwrap();
        let (known, times) = arrived.messages.entry(key).or_insert_with(|| (nodes.clone(), 0));
        assert_eq!(*known, nodes, "a repeat is the same message");
        *times += 1;
    }
    // A hub that is killed now does not know that it was taken.
    sleep(Duration::from_millis(after)).await;
    StatusCode::OK
}

/// A probe that reports to the hubs that run.
struct Probe {
    token: String,
    down: BTreeSet<i64>,
    nodes: Vec<i64>,
    refreshed: Instant,
}

impl Probe {
    async fn report(&mut self, hubs: &[Hub], nodes: &[i64]) {
        let results: Vec<CheckResult> = nodes.iter().map(|node| result(*node, self.down.contains(node))).collect();
        let mut config = BackendConfig::new(hubs.iter().map(|hub| hub.url.parse().unwrap()).collect());
        config.node_token = Some(self.token.as_str().into());
        let backend = Backend::new(config).unwrap();
        for batch in results.chunks(500) {
            let sent = backend.send_results(Uuid::now_v7(), batch, Instant::now() + DEADLINE).await.unwrap();
            assert_eq!(sent.rejected, Vec::new());
        }
    }

    async fn refresh(&mut self, hubs: &[Hub]) {
        let nodes = self.nodes.clone();
        self.report(hubs, &nodes).await;
        self.refreshed = Instant::now();
    }
}

fn result(node: i64, is_down: bool) -> CheckResult {
    CheckResult {
        id: Uuid::now_v7(),
        peer_id: node,
        checked_at: Timestamp::now().into(),
        checks: 1,
        healthy: None,
        status: if is_down { Status::Offline } else { Status::Online },
        response_time: (!is_down).then_some(12.5),
        min_ms: None,
        max_ms: None,
        stage: if is_down { Stage::Connect } else { Stage::Ping },
        error: is_down.then_some(FailureCode::ConnectRefused),
        message: None,
        version: None,
        hostname: None,
        network_count: None,
        relay: None,
        relay_error: None,
        relay_ms: None,
        certificate_expires_at: None,
        listing: None,
    }
}

async fn tell_while_hubs_are_killed(kills: usize, changes: usize) {
    let mut rng = random();
    let (mut place, _) = Place::with_postgres().await;
    let mut hubs = vec![place.start_hub(), place.start_hub()];
    let (channel, url) = Channel::start(StdRng::from_rng(&mut rng)).await;
    let run = |args: &[&str]| printed(&place.command_of(Command::new(PROGRAM), args).output().unwrap());
    let list: String = (1..=changes).map(|n| format!("tcp://node-{n}.example:11010\n")).collect();
    fs::write(place.folder.path().join("peers.txt"), list).unwrap();
    run(&["hub", "peer", "import", "peers.txt"]);
    run(&["hub", "settings", "set", "FLAP_DAMPING", "1"]);
    run(&["hub", "channel", "add", "webhook", &url, "--name", "ops"]);
    let nodes: Vec<i64> = (1..=changes as i64).collect();
    for of_rule in nodes.chunks(NODES_OF_RULE) {
        let ids = of_rule.iter().flat_map(|id| ["--peer".to_owned(), id.to_string()]);
        let args = ["hub", "rule", "add", "--channel", "ops", "--on", "down", "--gather", "0s"].map(str::to_owned);
        let args: Vec<String> = args.into_iter().chain(ids).collect();
        run(&args.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let token = run(&["hub", "token", "create", "--name", "p", "--region", "eu"]).trim().to_owned();
    let mut probe = Probe { token, down: BTreeSet::new(), nodes: nodes.clone(), refreshed: Instant::now() };
    probe.refresh(&hubs).await;

    let mut order = nodes.clone();
    order.shuffle(&mut rng);
    let mut order = order.into_iter();
    for kill in 0..kills {
        // The nodes that turn down around this kill, in several reports.
        let mut left = changes * (kill + 1) / kills - changes * kill / kills;
        while left > 0 {
            let count = rng.random_range(1..=left);
            let turned: Vec<i64> = order.by_ref().take(count).collect();
            left -= count;
            probe.down.extend(&turned);
            probe.report(&hubs, &turned).await;
            sleep(Duration::from_millis(rng.random_range(0..700))).await;
        }
        let victim = rng.random_range(0..2);
        drop(hubs.swap_remove(victim));
        if rng.random_bool(0.2) {
            hubs.clear();
        }
        sleep(Duration::from_millis(u64::from(rng.next_u32() % 1500))).await;
        while hubs.len() < 2 {
            hubs.push(place.start_hub());
        }
        if probe.refreshed.elapsed() > REFRESH {
            probe.refresh(&hubs).await;
        }
    }
    let all_told = async {
        while channel.told().len() < changes {
            sleep(Duration::from_millis(200)).await;
            if probe.refreshed.elapsed() > REFRESH {
                probe.refresh(&hubs).await;
            }
        }
    };
    let is_complete = timeout(5 * DEADLINE, all_told).await.is_ok();
    let told = channel.told();
    assert!(is_complete, "{} of {changes} are told; not {:?}", told.len(), {
        nodes.iter().filter(|node| !told.contains_key(node)).collect::<Vec<_>>()
    });
    // Nothing may come late.
    sleep(Duration::from_secs(3)).await;
    let told = channel.told();
    let twice: Vec<_> = told.iter().filter(|(_, times)| **times != 1).collect();
    assert!(twice.is_empty(), "told more than once: {twice:?}");
    assert_eq!(told.len(), changes);
    let (messages, repeats) = channel.counts();
    println!(
        "{kills} kills, {changes} changes: {messages} messages, {repeats} of them arrived again with the same key"
    );
}
