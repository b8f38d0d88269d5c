//! The baseline for the hub's ingest: inserts of the same rows into the same table with the same kind of statement,
//! without HTTP, JSON, a check for duplicates, counts and consensus.

use std::{
    iter::zip,
    time::{Duration, Instant},
};

use easytier_probe::{CheckResult, Status};
use easytier_uptime_store::{
    Store,
    domain::{DAY, QUARTER, Timestamp},
};
use futures::future::join_all;
use sqlx::{
    Arguments, AssertSqlSafe, Connection, PgConnection, SqliteConnection,
    postgres::PgArguments,
    sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use uuid::Uuid;

use crate::{
    database::{Database, Engine, options},
    load::{Load, ROUND},
    role::{self, Helper},
    runtime,
    usage::own_cpu,
};

/// A process that inserts rows. It is killed when this is dropped.
pub struct Bare {
    process: Helper,
}

/// The time that the inserts took.
pub struct Took {
    pub wall: Duration,
    pub cpu: Duration,
}

impl Bare {
    /// Starts a process that creates the tables in an empty database and opens `connections` connections.
    pub fn start(database: &Database, connections: usize, load: &Load) -> Self {
        let arguments = [
            database.engine.name().to_owned(),
            database.place.clone(),
            connections.to_string(),
            load.peers.to_string(),
            load.start.0.to_string(),
        ];
        let mut process = Helper::role("bare", &arguments);
        assert_eq!(process.line(), "open");
        Self { process }
    }

    /// Builds the rows of `batches` of all probes, in the order of the batch numbers.
    pub fn prepare(&mut self, probes: usize, batches: std::ops::Range<usize>, rows_in_a_transaction: usize) {
        self.process.tell(&format!("{probes} {} {} {rows_in_a_transaction}", batches.start, batches.end));
        assert_eq!(self.process.line(), "ready");
    }

    /// Inserts the prepared rows.
    pub fn insert(&mut self) -> Took {
        self.process.go_on();
        let seconds = |line: String| Duration::from_secs_f64(line.parse().expect("seconds"));
        let wall = seconds(self.process.line());
        Took { wall, cpu: seconds(self.process.line()) }
    }
}

/// The role of the child process: inserts rows on request.
pub fn insert(arguments: &[String]) {
    let [engine, place, numbers @ ..] = arguments else { panic!("an engine and a place: {arguments:?}") };
    let [connections, peers, start] = numbers_in(numbers.iter().map(String::as_str));
    let load = Load { peers: peers as usize, start: Timestamp(start), round: ROUND };
    let options = options(Engine::named(engine), place, 48);
    let runtime = runtime();
    let mut writers = runtime.block_on(async {
        Store::open(options, Timestamp::now()).await.expect("the database opens").close().await;
        let mut writers = Vec::new();
        for _ in 0..connections {
            writers.push(Writer::open(Engine::named(engine), place).await);
        }
        writers
    });
    role::say("open");
    while let Some(line) = role::told() {
        let [probes, first, end, rows] = numbers_in(line.split(' ')).map(|number| number as usize);
        let results = (first..end).flat_map(|nth| (1..=probes).map(move |probe| (probe, nth)));
        let results: Vec<(usize, CheckResult)> =
            results.flat_map(|(probe, nth)| load.batch(probe, nth).map(move |result| (probe, result))).collect();
        let transactions: Vec<Rows> = results.chunks(rows).map(rows_of).collect();
        drop(results);
        // Each connection inserts an equal share of the transactions.
        let mut shares: Vec<Vec<Rows>> = writers.iter().map(|_| Vec::new()).collect();
        for (nth, transaction) in transactions.into_iter().enumerate() {
            shares[nth % writers.len()].push(transaction);
        }
        role::say("ready");
        role::wait_to_go_on();
        let (started, cpu) = (Instant::now(), own_cpu());
        runtime.block_on(join_all(zip(&mut writers, shares).map(|(writer, share)| async {
            for transaction in share {
                writer.commit(transaction).await.expect("the rows are new");
            }
        })));
        let (wall, cpu) = (started.elapsed(), own_cpu() - cpu);
        role::say(wall.as_secs_f64());
        role::say(cpu.as_secs_f64());
    }
}

fn numbers_in<'a, const N: usize>(texts: impl Iterator<Item = &'a str>) -> [i64; N] {
    let numbers: Vec<i64> = texts.map(|text| text.parse().expect("a number")).collect();
    numbers.try_into().expect("the expected count of numbers")
}

/// A column of rows.
enum Column {
    Ints(Vec<Option<i64>>),
    Texts(Vec<Option<String>>),
    Ids(Vec<Uuid>),
}

type Rows = Vec<(&'static str, Column)>;

/// The rows that the hub would write for these results.
fn rows_of(results: &[(usize, CheckResult)]) -> Rows {
    let mut results: Vec<&(usize, CheckResult)> = results.iter().collect();
    // The hub sorts a batch too, so that its rows go to neighbouring pages.
    results.sort_unstable_by_key(|(_, result)| result.id);
    let ints = |value: &dyn Fn(usize, &CheckResult) -> Option<i64>| {
        Column::Ints(results.iter().map(|(probe, result)| value(*probe, result)).collect())
    };
    let texts = |value: &dyn Fn(&CheckResult) -> Option<String>| {
        Column::Texts(results.iter().map(|(_, result)| value(result)).collect())
    };
    let at = |result: &CheckResult| Timestamp::from(result.checked_at);
    let micros = |millis: Option<f64>| millis.map(|millis| (millis * 1000.0).round() as i64);
    let now = Timestamp::now();
    vec![
        ("day", ints(&|_, result| Some(at(result).bucket(DAY)))),
        ("result_id", Column::Ids(results.iter().map(|(_, result)| result.id).collect())),
        ("quarter", ints(&|_, result| Some(at(result).bucket(QUARTER)))),
        ("peer_id", ints(&|_, result| Some(result.peer_id))),
        ("region_id", ints(&|probe, _| Some(probe as i64))),
        ("probe_id", ints(&|probe, _| Some(probe as i64))),
        ("checked_at", ints(&|_, result| Some(at(result).0))),
        ("received_at", ints(&|_, _| Some(now.0))),
        ("status", ints(&|_, result| Some(if result.status == Status::Online { 2 } else { 1 }))),
        ("checks", ints(&|_, result| Some(result.checks.into()))),
        ("healthy", ints(&|_, result| result.healthy.map(i64::from))),
        ("response_us", ints(&|_, result| micros(result.response_time))),
        ("min_us", ints(&|_, result| micros(result.min_ms))),
        ("max_us", ints(&|_, result| micros(result.max_ms))),
        ("stage", texts(&|result| Some(result.stage.to_string()))),
        ("error", texts(&|result| result.error.map(|code| code.to_string()))),
        ("message", texts(&|result| result.message.clone())),
        ("version", texts(&|result| result.version.clone())),
        ("hostname", texts(&|result| result.hostname.clone())),
        ("network_count", ints(&|_, result| result.network_count.map(i64::from))),
        ("relay", texts(&|_| None)),
        ("relay_error", texts(&|result| result.relay_error.clone())),
    ]
}

/// A connection that inserts.
enum Writer {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// The number of rows in one statement on SQLite, as in the hub's largest statements.
const CHUNK: usize = 256;

impl Writer {
    /// Opens the database as the hub does.
    async fn open(engine: Engine, place: &str) -> Self {
        match engine {
            Engine::Sqlite => {
                let options = SqliteConnectOptions::new()
                    .filename(place)
                    .foreign_keys(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .pragma("wal_autocheckpoint", "8192")
                    .pragma("journal_size_limit", "67108864")
                    .pragma("cache_size", "-32768");
                Self::Sqlite(SqliteConnection::connect_with(&options).await.expect("the database opens"))
            }
            Engine::Postgres => Self::Postgres(PgConnection::connect(place).await.expect("the cluster answers")),
        }
    }

    /// Inserts rows in a transaction of their own.
    async fn commit(&mut self, rows: Rows) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(connection) => {
                let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
                let count = length(&rows);
                for first in (0..count).step_by(CHUNK) {
                    let chunk = first..(first + CHUNK).min(count);
                    let sql = sqlite_insert(&rows, chunk.len());
                    sqlx::query_with(sql, sqlite_values(&rows, chunk)).execute(&mut *tx).await?;
                }
                tx.commit().await
            }
            Self::Postgres(connection) => {
                let mut tx = connection.begin().await?;
                sqlx::query_with(postgres_insert(&rows), postgres_arrays(rows)).execute(&mut *tx).await?;
                tx.commit().await
            }
        }
    }
}

fn length(rows: &Rows) -> usize {
    match &rows[0].1 {
        Column::Ints(values) => values.len(),
        Column::Texts(values) => values.len(),
        Column::Ids(values) => values.len(),
    }
}

fn names(rows: &Rows) -> String {
    rows.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(",")
}

fn sqlite_insert(rows: &Rows, count: usize) -> AssertSqlSafe<String> {
    let row = format!("({})", vec!["?"; rows.len()].join(","));
    AssertSqlSafe(format!("INSERT INTO results ({}) VALUES {}", names(rows), vec![row; count].join(",")))
}

fn sqlite_values(rows: &Rows, chunk: std::ops::Range<usize>) -> SqliteArguments {
    let mut arguments = SqliteArguments::default();
    for (nth, (_, column)) in chunk.flat_map(|nth| rows.iter().map(move |column| (nth, column))) {
        match column {
            Column::Ints(values) => arguments.add(values[nth]),
            Column::Texts(values) => arguments.add(values[nth].clone()),
            Column::Ids(values) => arguments.add(values[nth]),
        }
        .expect("plain values can be encoded");
    }
    arguments
}

fn postgres_insert(rows: &Rows) -> AssertSqlSafe<String> {
    let array = |(nth, (_, column)): (usize, &(&str, Column))| match column {
        Column::Ints(_) => format!("${nth}::bigint[]"),
        Column::Texts(_) => format!("${nth}::text[]"),
        Column::Ids(_) => format!("${nth}::uuid[]"),
    };
    let arrays: Vec<String> = zip(1.., rows).map(array).collect();
    AssertSqlSafe(format!("INSERT INTO results ({}) SELECT * FROM unnest({})", names(rows), arrays.join(",")))
}

fn postgres_arrays(rows: Rows) -> PgArguments {
    let mut arguments = PgArguments::default();
    for (_, column) in rows {
        match column {
            Column::Ints(values) => arguments.add(values),
            Column::Texts(values) => arguments.add(values),
            Column::Ids(values) => arguments.add(values),
        }
        .expect("plain values can be encoded");
    }
    arguments
}
