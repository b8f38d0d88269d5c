//! Results per second through `POST /results`, compared with bare inserts of the same rows.
//!
//! The hub and the bare inserts take turns, each on its own database. The transactions of a turn of bare inserts have as
//! many rows as the hub's transactions had on average in the turn before.

use std::{ops::Range, time::Duration, time::Instant};

use futures::future::join_all;
use hyper::body::Bytes;

use crate::{
    bare::Bare,
    client::Connection,
    database::{Database, Engine},
    hub::Hub,
    load::{BATCH, Load},
    runtime,
    size::Size,
    usage::{median, micros, own_cpu},
};

/// The number of peers. Every probe reports every peer.
const PEERS: usize = 1000;
/// The number of probes, each with its own connection.
const PROBES: usize = 8;

/// The figures of a turn; CPU times are per result.
struct Turn {
    /// Results per second.
    rate: f64,
    /// Results per second until all were applied to verdicts and counts; 0 for bare inserts.
    applied: f64,
    /// CPU time in microseconds: of the process that inserts, of the database's processes, and of the load generator.
    process: f64,
    server: f64,
    generator: f64,
    in_a_transaction: f64,
}

impl Turn {
    fn cpu(&self) -> f64 {
        self.process + self.server
    }
}

pub fn run(engine: Engine, size: &Size) {
    runtime().block_on(measure(engine, size));
}

async fn measure(engine: Engine, size: &Size) {
    let batches_of_a_probe = size.batches / PROBES;
    let load = Load::up_to_now(PEERS, (size.turns + 1) * batches_of_a_probe);
    let database = Database::fresh(engine).await;
    let tokens = database.fill(PEERS, PROBES).await;
    let mut hub = Hub::start(&database, 48);
    let mut connections = Vec::new();
    for token in &tokens {
        let mut connection = Connection::open(hub.address).await;
        connection.say_hourly(token).await;
        connections.push(connection);
    }
    // SQLite allows only one writer. The hub has one writer on PostgreSQL too.
    let kinds: &[usize] = if engine == Engine::Sqlite { &[1] } else { &[1, PROBES] };
    let mut bares = Vec::new();
    for count in kinds {
        let database = Database::fresh(engine).await;
        let bare = Bare::start(&database, *count, &load);
        bares.push((format!("bare inserts, {count} connection(s)"), database, bare, Vec::new()));
    }

    let mut hub_turns = Vec::new();
    for turn in 0..=size.turns {
        let batches = turn * batches_of_a_probe..(turn + 1) * batches_of_a_probe;
        let taken = hub_turn(&mut hub, &database, &mut connections, &tokens, &load, batches.clone()).await;
        for (_, database, bare, turns) in &mut bares {
            bare.prepare(PROBES, batches.clone(), taken.in_a_transaction.round() as usize);
            turns.push(bare_turn(bare, database, batches.len() * PROBES * BATCH, taken.in_a_transaction));
        }
        hub_turns.push(taken);
    }
    print_head(size);
    print_row("hub, POST /results", &hub_turns, &hub_turns);
    for (name, _, _, turns) in &bares {
        print_row(name, turns, &hub_turns);
    }
}

async fn hub_turn(
    hub: &mut Hub,
    database: &Database,
    connections: &mut [Connection],
    tokens: &[String],
    load: &Load,
    batches: Range<usize>,
) -> Turn {
    let results = batches.len() * PROBES * BATCH;
    let probes = 1..=connections.len();
    let bodies: Vec<Vec<Bytes>> =
        probes.map(|probe| batches.clone().map(|nth| load.body(probe, nth)).collect()).collect();
    let transactions = hub.transactions();
    let (hub_cpu, server_cpu, generator_cpu, started) = (hub.cpu(), database.cpu(), own_cpu(), Instant::now());
    join_all(connections.iter_mut().zip(tokens).zip(bodies).map(|((connection, token), bodies)| async move {
        for body in bodies {
            assert_eq!(connection.post_results(token, body).await, BATCH as u64);
        }
    }))
    .await;
    let (wall, generator_cpu) = (started.elapsed(), own_cpu() - generator_cpu);
    hub.await_fold();
    let applied = results as f64 / started.elapsed().as_secs_f64();
    let (hub_cpu, server_cpu) = (hub.cpu() - hub_cpu, database.cpu() - server_cpu);
    Turn {
        rate: results as f64 / wall.as_secs_f64(),
        applied,
        process: micros(hub_cpu) / results as f64,
        server: micros(server_cpu) / results as f64,
        generator: micros(generator_cpu) / results as f64,
        in_a_transaction: results as f64 / (hub.transactions() - transactions) as f64,
    }
}

fn bare_turn(bare: &mut Bare, database: &Database, results: usize, in_a_transaction: f64) -> Turn {
    let server_cpu = database.cpu();
    let took = bare.insert();
    let server_cpu = database.cpu() - server_cpu;
    let each = |spent: Duration| micros(spent) / results as f64;
    Turn {
        rate: results as f64 / took.wall.as_secs_f64(),
        applied: 0.0,
        process: each(took.cpu),
        server: each(server_cpu),
        generator: 0.0,
        in_a_transaction,
    }
}

fn print_head(size: &Size) {
    println!(
        "{PEERS} peers, {PROBES} probes with a connection each, batches of {BATCH}; medians of {} turns of {} results\n\n\
         {:32} {:>10} {:>10} {:>14} {:>18} {:>14} {:>11} {:>13} {:>12}",
        size.turns,
        size.batches * BATCH,
        "",
        "results/s",
        "applied/s",
        "rows/commit",
        "CPU µs/result",
        "its process",
        "database's",
        "generator's",
        "hub to it",
    );
}

/// Prints the medians of all turns but the first, which is a warm-up. Each ratio compares two consecutive turns.
fn print_row(name: &str, turns: &[Turn], hub: &[Turn]) {
    let of = |figure: fn(&Turn) -> f64| median(turns[1..].iter().map(figure).collect());
    let ratio = |figure: fn(&Turn) -> f64| {
        median(hub[1..].iter().zip(&turns[1..]).map(|(hub, turn)| figure(hub) / figure(turn)).collect())
    };
    println!(
        "{name:32} {:10.0} {:10.0} {:14.0} {:18.1} {:14.1} {:11.1} {:13.1}   rate {:.2}, CPU {:.2}",
        of(|turn| turn.rate),
        of(|turn| turn.applied),
        of(|turn| turn.in_a_transaction),
        of(Turn::cpu),
        of(|turn| turn.process),
        of(|turn| turn.server),
        of(|turn| turn.generator),
        ratio(|turn| turn.rate),
        ratio(Turn::cpu),
    );
}
