//! How far the fold is behind a steady load: one probe that reports 1,000 peers a second, and eight probes at half the rate
//! that the hub stores at most.

use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    client::Connection,
    database::{Database, Engine},
    hub::Hub,
    load::{BATCH, Load},
    runtime,
    size::Size,
    usage::own_cpu,
};

const PEERS: usize = 1000;
const PROBES: usize = 8;

/// The time between two looks at the lag.
const LOOK: Duration = Duration::from_millis(50);

pub fn run(engine: Engine, size: &Size) {
    runtime().block_on(async {
        println!(
            "{:34} {:>10} {:>12} {:>10} {:>14} {:>12} {:>10} {:>10}",
            "", "results/s", "lag ms: p50", "p99", "answer ms: p99", "hub's CPU", "database's", "generator's"
        );
        let half = peak(engine, size).await / 2.0;
        steady(engine, "one probe, 1,000 peers a second", 1, 1000.0, size.seconds).await;
        steady(engine, "eight probes, half the peak", PROBES, half, size.seconds).await;
    });
}

/// The most results per second that the hub stores.
async fn peak(engine: Engine, size: &Size) -> f64 {
    let mut scene = Scene::new(engine, PROBES, 2 * size.batches / PROBES).await;
    let mut rate = 0.0;
    for turn in 0..2 {
        let batches = turn * size.batches / PROBES..(turn + 1) * size.batches / PROBES;
        let started = Instant::now();
        let load = &scene.load;
        join_all(scene.connections.iter_mut().zip(&scene.tokens).zip(1..).map(|((connection, token), probe)| {
            let bodies: Vec<_> = batches.clone().map(|nth| load.body(probe, nth)).collect();
            async move {
                for body in bodies {
                    connection.post_results(token, body).await;
                }
            }
        }))
        .await;
        rate = (batches.len() * PROBES * BATCH) as f64 / started.elapsed().as_secs_f64();
        scene.hub.await_fold();
    }
    rate
}

struct Scene {
    hub: Hub,
    database: Database,
    load: Load,
    tokens: Vec<String>,
    connections: Vec<Connection>,
}

impl Scene {
    async fn new(engine: Engine, probes: usize, batches: usize) -> Self {
        let load = Load::up_to_now(PEERS, batches);
        let database = Database::fresh(engine).await;
        let tokens = database.fill(PEERS, probes).await;
        let hub = Hub::start(&database, 48);
        let mut connections = Vec::new();
        for token in &tokens {
            let mut connection = Connection::open(hub.address).await;
            connection.say_hourly(token).await;
            connections.push(connection);
        }
        Self { hub, database, load, tokens, connections }
    }
}

async fn steady(engine: Engine, name: &str, probes: usize, rate: f64, seconds: u64) {
    let of_a_probe = (rate * seconds as f64 / (probes * BATCH) as f64).ceil() as usize;
    let Scene { mut hub, database, load, tokens, connections } = Scene::new(engine, probes, of_a_probe).await;
    let pause = Duration::from_secs_f64((probes * BATCH) as f64 / rate);
    let (hub_cpu, server_cpu, generator_cpu) = (hub.cpu(), database.cpu(), own_cpu());
    let started = Instant::now();
    let sending = join_all(connections.into_iter().zip(&tokens).zip(1..).map(|((mut connection, token), probe)| {
        let load = &load;
        async move {
            let mut ticks = interval(pause);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            let mut answers = Vec::new();
            for nth in 0..of_a_probe {
                let body = load.body(probe, nth);
                ticks.tick().await;
                let sent = Instant::now();
                assert_eq!(connection.post_results(token, body).await, BATCH as u64);
                answers.push(sent.elapsed());
            }
            answers
        }
    }));
    let mut lags = Vec::new();
    let mut looks = interval(LOOK);
    let mut sending = std::pin::pin!(sending);
    let answers = loop {
        tokio::select! {
            answers = &mut sending => break answers,
            _ = looks.tick() => lags.push(hub.fold_lag().unwrap_or_default()),
        }
    };
    let took = started.elapsed();
    let share = |cpu: Duration| format!("{:.1} %", cpu.as_secs_f64() * 100.0 / took.as_secs_f64());
    let cpu = [hub.cpu() - hub_cpu, database.cpu() - server_cpu, own_cpu() - generator_cpu].map(share);
    let answers: Vec<Duration> = answers.into_iter().flatten().collect();
    println!(
        "{name:34} {:10.0} {:12.0} {:10.0} {:14.1} {:>12} {:>10} {:>10}",
        (of_a_probe * probes * BATCH) as f64 / took.as_secs_f64(),
        quantile(&mut lags, 0.5),
        quantile(&mut lags, 0.99),
        quantile(&mut answers.clone(), 0.99),
        cpu[0],
        cpu[1],
        cpu[2],
    );
}

/// A quantile in milliseconds.
fn quantile(durations: &mut [Duration], share: f64) -> f64 {
    durations.sort_unstable();
    let nth = ((durations.len() as f64 * share) as usize).min(durations.len() - 1);
    durations[nth].as_secs_f64() * 1000.0
}
