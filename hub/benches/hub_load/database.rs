//! A fresh database for a hub, with the durability of production.

use std::{collections::BTreeMap, fmt, fs, time::Duration};

use easytier_probe::PeerUrl;
use easytier_uptime_store::{
    HubKey, Location, Store, StoreOptions,
    domain::{PeerSpec, Retention, Timestamp},
};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection};

use crate::postgres;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    pub const ALL: [Self; 2] = [Self::Sqlite, Self::Postgres];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }

    pub fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|engine| engine.name() == name).expect("an engine")
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        })
    }
}

/// A database, and its form as arguments of a child process.
pub struct Database {
    pub engine: Engine,
    /// A path or a URL.
    pub place: String,
    /// The id of PostgreSQL's main process.
    server: Option<u32>,
    /// Holds the SQLite file.
    _folder: tempfile::TempDir,
}

/// A fixed key, because the databases are temporary.
const KEY: &str = "0f0e0d0c0b0a09080706050403020100ffeeddccbbaa99887766554433221100";

/// The options of a hub that keeps rollups of five minutes for `hours` hours.
pub fn options(engine: Engine, place: &str, hours: u64) -> StoreOptions {
    let location = match engine {
        Engine::Sqlite => Location::Sqlite(place.into()),
        Engine::Postgres => Location::Postgres(place.to_owned().into()),
    };
    let five_minutes = Duration::from_secs(hours * 3600);
    let retention = Retention { five_minutes, ..Retention::default() };
    StoreOptions { retention, ..StoreOptions::new(location, HubKey::from_hex(KEY).expect("a key")) }
}

impl Database {
    pub async fn fresh(engine: Engine) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (place, server) = match engine {
            Engine::Sqlite => (folder.path().join("uptime.db").display().to_string(), None),
            Engine::Postgres => {
                let url = postgres::fresh_database().await;
                let server = first_process(&url).await;
                (url, Some(server))
            }
        };
        Self { engine, place, server, _folder: folder }
    }

    /// Creates the tables, peers with ids from 1, and `probes` probes, each in its own region. Returns the probes' tokens.
    pub async fn fill(&self, peers: usize, probes: usize) -> Vec<String> {
        let now = Timestamp::now();
        let store = Store::open(options(self.engine, &self.place, 48), now).await.expect("the database opens");
        let specs: Vec<PeerSpec> = (0..peers).map(spec).collect();
        store.import_peers(&specs, now).await.expect("the peers are imported");
        let mut tokens = Vec::new();
        for nth in 1..=probes {
            let region = format!("region-{nth}").parse().expect("a region");
            let name = format!("probe-{nth}");
            let issued = store.create_node_token(&name, Some(&name), &region, now).await.expect("a token");
            tokens.push(issued.token.expose().to_owned());
        }
        store.close().await;
        tokens
    }

    /// Runs statements in the dialect of the engine.
    pub async fn run(&self, statements: impl IntoIterator<Item = String>) {
        match self.engine {
            Engine::Sqlite => run(SqliteConnection::connect(&self.place).await, statements).await,
            Engine::Postgres => run(PgConnection::connect(&self.place).await, statements).await,
        }
    }

    /// The CPU time that the processes of the database have used so far; zero for SQLite, which has no process.
    pub fn cpu(&self) -> Duration {
        self.server.map(cpu_of_family).unwrap_or_default()
    }
}

async fn run<C>(connection: Result<C, sqlx::Error>, statements: impl IntoIterator<Item = String>)
where
    C: Connection,
    for<'c> &'c mut C: Executor<'c>,
{
    let mut connection = connection.expect("the database answers");
    for statement in statements {
        connection.execute(AssertSqlSafe(statement)).await.expect("the statement is right");
    }
    connection.close().await.expect("the connection closes");
}

fn spec(nth: usize) -> PeerSpec {
    let url: PeerUrl =
        format!("tcp://10.{}.{}.{}:11010", nth >> 16, nth >> 8 & 255, nth & 255).parse().expect("a peer URL");
    let tags = ["relay", "ipv6", "home"].into_iter().take(nth % 4).map(|tag| tag.parse().expect("a tag")).collect();
    PeerSpec {
        name: format!("shared node {nth}"),
        description: format!("Lent by somebody at place {nth}; please be kind to it."),
        max_connections: 100,
        tags,
        ..PeerSpec::new(url)
    }
}

/// The main process of a cluster, which started all its other processes.
async fn first_process(url: &str) -> u32 {
    let mut connection = PgConnection::connect(url).await.expect("the cluster answers");
    let (backend,): (i32,) =
        sqlx::query_as("SELECT pg_backend_pid()").fetch_one(&mut connection).await.expect("it knows its process");
    let first = stat(backend as u32).expect("it lives")[PARENT];
    connection.close().await.expect("the connection closes");
    first as u32
}

// Indexes of fields in /proc/PID/stat, counted after the name of the program.
const PARENT: usize = 1;
const OWN_TIMES: [usize; 2] = [11, 12];
const TIMES_OF_ENDED_CHILDREN: [usize; 2] = [13, 14];

/// The CPU time of a process and its children, including those that ended.
fn cpu_of_family(first: u32) -> Duration {
    let mut stats: BTreeMap<u32, Vec<i64>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").expect("Linux").flatten() {
        if let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok())
            && let Some(stat) = stat(pid)
        {
            stats.insert(pid, stat);
        }
    }
    let ticks = |stat: &[i64], places: [usize; 2]| places.iter().map(|place| stat[*place]).sum::<i64>();
    let family = stats.iter().filter(|(pid, stat)| **pid == first || stat[PARENT] == i64::from(first));
    let own: i64 = family.map(|(_, stat)| ticks(stat, OWN_TIMES)).sum();
    let ended = ticks(&stats[&first], TIMES_OF_ENDED_CHILDREN);
    // SAFETY: `sysconf` only returns a constant of the system.
    let a_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    Duration::from_secs_f64((own + ended) as f64 / a_second as f64)
}

/// The fields of /proc/PID/stat; `None` when the process has ended.
fn stat(pid: u32) -> Option<Vec<i64>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, numbers) = stat.rsplit_once(") ")?;
    // The first field is a letter, the state of the process.
    Some(numbers.split(' ').map(|number| number.parse().unwrap_or(0)).collect())
}
