//! Response times of the list of nodes, and memory, of a hub with many peers and a long history.

use std::time::{Duration, Instant};

use futures::future::join_all;

use crate::{
    client::Connection,
    database::{Database, Engine},
    history,
    hub::Hub,
    load::{BATCH, Load},
    runtime,
    size::Size,
    usage::{mebibytes, median},
};

/// The number of regions, each with a probe that reports all peers.
pub const REGIONS: usize = 10;
/// How many times each probe reports all peers.
const ROUNDS: usize = 3;
/// The number of peers of a small hub.
const FEW_PEERS: usize = 1000;
/// The factor between the long and the short history.
const LONGER: u64 = 10;

const LIST: &str = "/api/nodes?per_page=1000";
const ROUTE: &str = "/api/nodes";

pub fn run(engine: Engine, size: &Size) {
    runtime().block_on(async {
        let (_database, hub) = with_history(engine, size.many_peers, size.hours).await;
        println!(
            "{} peers reported {ROUNDS} times from {REGIONS} regions, {} h of 5-minute rollups; {LIST}, {} times\n\n\
             {:12} {:>24} {:>30} {:>18} {:>12}",
            size.many_peers,
            size.hours,
            size.lists,
            "",
            "until last byte, median",
            "until head, mean of the hub",
            "hub's CPU, mean",
            "length",
        );
        for zipped in [false, true] {
            print_lists(&hub, size, zipped).await;
        }
        let mut connection = Connection::open(hub.address).await;
        for page in 1..=size.many_peers / 1000 {
            connection.get(&format!("{LIST}&page={page}"), false).await;
        }
        let (now, most) = hub.memory();
        println!("\nmemory of the hub {:.1} MiB, peak {:.1} MiB", mebibytes(now), mebibytes(most));
    });
}

/// Requests the list repeatedly and measures how long each response took.
async fn print_lists(hub: &Hub, size: &Size, zipped: bool) {
    let mut connection = Connection::open(hub.address).await;
    connection.get(LIST, zipped).await;
    let (cpu, (count, answering)) = (hub.cpu(), hub.answered(ROUTE).await);
    let mut waits = Vec::new();
    let mut bytes = 0;
    for _ in 0..size.lists {
        let (wait, length) = ask(&mut connection, zipped).await;
        waits.push(wait);
        bytes = length;
    }
    let (cpu, (count_after, answering_after)) = (hub.cpu() - cpu, hub.answered(ROUTE).await);
    println!(
        "{:12} {:21.1} ms {:27.1} ms {:15.1} ms {:8} KiB",
        if zipped { "with gzip" } else { "plain" },
        median(waits),
        millis(answering_after - answering) / (count_after - count),
        millis(cpu) / size.lists as f64,
        bytes / 1024,
    );
}

/// Compares two hubs with the same peers, one of which has a history ten times as long; requests alternate.
pub fn run_growth(engine: Engine, size: &Size) {
    runtime().block_on(async {
        let short = with_history(engine, FEW_PEERS, size.hours).await;
        let long = with_history(engine, FEW_PEERS, size.hours * LONGER).await;
        let mut connections = [Connection::open(short.1.address).await, Connection::open(long.1.address).await];
        let (mut waits, mut ratios) = ([Vec::new(), Vec::new()], Vec::new());
        for turn in 0..=size.lists {
            let mut wait = [0.0; 2];
            for (connection, wait) in connections.iter_mut().zip(&mut wait) {
                (*wait, _) = ask(connection, false).await;
            }
            // The first turn is a warm-up.
            if turn > 0 {
                waits.iter_mut().zip(wait).for_each(|(waits, wait)| waits.push(wait));
                ratios.push(wait[1] / wait[0]);
            }
        }
        let [short, long] = waits.map(median);
        println!(
            "{FEW_PEERS} peers, {LIST} in turns, time until the last byte, medians of {}\n\n\
             {:4} h of 5-minute rollups {short:7.1} ms\n{:4} h {long:26.1} ms\nratio {:28.2}",
            size.lists,
            size.hours,
            size.hours * LONGER,
            median(ratios),
        );
    });
}

/// Milliseconds from the request to the last byte of the response, and its length.
async fn ask(connection: &mut Connection, zipped: bool) -> (f64, usize) {
    let started = Instant::now();
    let list = connection.get(LIST, zipped).await;
    (millis(started.elapsed()), list.len())
}

/// A hub with `hours` hours of rollups, to which all regions have just reported.
pub async fn with_history(engine: Engine, peers: usize, hours: u64) -> (Database, Hub) {
    let database = Database::fresh(engine).await;
    let tokens = database.fill(peers, REGIONS).await;
    history::write(&database, hours).await;
    let hub = Hub::start(&database, hours + 1);
    let batches = ROUNDS * peers / BATCH;
    let load = Load::up_to_now(peers, batches);
    join_all((1..).zip(&tokens).map(|(probe, token)| {
        let (load, address) = (&load, hub.address);
        async move {
            let mut connection = Connection::open(address).await;
            connection.say_hourly(token).await;
            for nth in 0..batches {
                assert_eq!(connection.post_results(token, load.body(probe, nth)).await, BATCH as u64);
            }
        }
    }))
    .await;
    (database, hub)
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
