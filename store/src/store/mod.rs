//! Everything that the hub keeps, over SQLite or PostgreSQL.
//!
//! Methods are grouped by area, a file each. Those that depend on the time are told it; none reads a clock. A read
//! takes a small, fixed number of statements whatever it lists, and lists read what was counted when results arrived,
//! never the raw results.

mod admin;
mod backup;
mod bulk;
mod credentials;
mod engine;
mod error;
mod events;
mod figures;
mod history;
mod ingest;
mod leases;
mod mirror;
mod nodes;
mod outbox;
mod overview;
mod partitions;
mod peers;
mod probes;
mod regions;
mod retention;
mod rows;
mod settings;
mod states;
mod tally;
mod tuning;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use easytier_probe::Secret;
use tokio::sync::watch;

pub use self::{
    admin::Session,
    error::{Conflict, StoreError},
    mirror::Listing,
    outbox::{Outgoing, Wanted},
    retention::Swept,
};
use self::{
    engine::Db,
    ingest::{KnownPeers, Queue},
};
use crate::{
    consensus::Policy,
    crypto::HubKey,
    time::{DAY, Timestamp},
    tuning::{Intervals, Knob, Tuning},
};

/// Where the database is.
#[derive(Debug, Clone)]
pub enum Location {
    /// A file, made when there is none.
    Sqlite(PathBuf),
    /// A `postgres://` URL, which may hold a password.
    Postgres(Secret),
}

/// How long things are kept. Rollups of a day are kept for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    pub results: Duration,
    pub five_minutes: Duration,
    pub hours: Duration,
    pub events: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self { results: 7 * DAY, five_minutes: 2 * DAY, hours: 90 * DAY, events: 90 * DAY }
    }
}

/// Of a hub, which many probes report to.
pub const USUAL_CACHE_MEBIBYTES: u32 = 32;

/// What a store needs to know.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    pub location: Location,
    pub key: HubKey,
    pub policy: Policy,
    pub retention: Retention,
    /// Of the probe in the hub's own process, where there is one that checks at intervals.
    pub intervals: Option<Intervals>,
    /// What of the above is not the operator's to change while the hub runs, and where it is configured.
    pub fixed: BTreeMap<Knob, String>,
    /// How much of a SQLite file is kept in memory, in MiB, beside what the system keeps of it.
    pub cache_mebibytes: u32,
}

impl StoreOptions {
    /// A store with the usual policy and retention.
    pub fn new(location: Location, key: HubKey) -> Self {
        Self {
            location,
            key,
            policy: Policy::default(),
            retention: Retention::default(),
            intervals: None,
            fixed: BTreeMap::new(),
            cache_mebibytes: USUAL_CACHE_MEBIBYTES,
        }
    }
}

/// The store. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    queue: Queue,
}

struct Shared {
    db: Db,
    key: HubKey,
    /// What the configuration says.
    configured: Tuning,
    fixed: BTreeMap<Knob, String>,
    /// What is gone by.
    tuning: watch::Sender<Tuning>,
    known_peers: KnownPeers,
}

impl Store {
    /// Opens the database and brings its tables up to date. Needs a tokio runtime, on which it writes results.
    pub async fn open(options: StoreOptions, now: Timestamp) -> Result<Self, StoreError> {
        let StoreOptions { location, key, policy, retention, intervals, fixed, cache_mebibytes } = options;
        let db = match &location {
            Location::Sqlite(path) => Db::open_sqlite(path, cache_mebibytes).await?,
            Location::Postgres(url) => Db::open_postgres(url.expose()).await?,
        };
        migrate(&db).await?;
        let configured = Tuning { policy, retention, intervals };
        let (tuning, known_peers) = (watch::Sender::new(configured), KnownPeers::default());
        let shared = Arc::new(Shared { db, key, configured, fixed, tuning, known_peers });
        shared.check_key().await?;
        shared.settle_database_id().await?;
        shared.read_tuning().await?;
        partitions::prepare(&shared.db, shared.retention().results, now).await?;
        let queue = Queue::start(Arc::clone(&shared));
        Ok(Self { shared, queue })
    }

    /// Stores the results that were handed in, then closes the connections. What comes later is refused.
    pub async fn close(&self) {
        self.queue.close().await;
        self.shared.db.close().await;
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.db().one::<(i64,)>("SELECT CAST(1 AS BIGINT)", vec![]).await.map(drop)
    }

    fn db(&self) -> &Db {
        &self.shared.db
    }
}

/// Where the key of a SQLite database lies: beside it.
pub fn key_file(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".key");
    name.into()
}

/// Several hubs may start at once: PostgreSQL's migrations take a lock of their own, SQLite's are one transaction.
async fn migrate(db: &Db) -> Result<(), StoreError> {
    match db {
        Db::Sqlite { writer, .. } => {
            let mut tx = writer.begin_with("BEGIN IMMEDIATE").await?;
            sqlx::migrate!("migrations/sqlite").run_direct(None, &mut *tx, false).await?;
            tx.commit().await?;
        }
        Db::Postgres(pool) => sqlx::migrate!("migrations/postgres").run(pool).await?,
    }
    Ok(())
}

impl Shared {
    /// When evidence counts.
    fn policy(&self) -> Policy {
        self.tuning.borrow().policy
    }

    /// How long things are kept.
    fn retention(&self) -> Retention {
        self.tuning.borrow().retention
    }

    /// Makes sure that this is the key that the database's secrets are sealed with; the first hub sets it.
    async fn check_key(&self) -> Result<(), StoreError> {
        const PLACE: &str = "settings.key_check";
        let sealed = data_encoding::HEXLOWER.encode(&self.key.seal(PLACE, &Secret::from("easytier-uptime")));
        self.db
            .execute(
                "INSERT INTO settings (key, value) VALUES ('key_check', $1) ON CONFLICT (key) DO NOTHING",
                engine::args![sealed],
            )
            .await?;
        let (kept,): (String,) = self.db.one("SELECT value FROM settings WHERE key = 'key_check'", vec![]).await?;
        let kept = data_encoding::HEXLOWER
            .decode(kept.as_bytes())
            .map_err(|error| StoreError::Corrupt(format!("settings.key_check: {error}")))?;
        self.key.open(PLACE, &kept)?;
        Ok(())
    }
}
