//! Test stores on both engines.

#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod pgbouncer;
pub mod postgres;

use std::{sync::Arc, time::Duration};

use easytier_probe::{CheckMode, CheckResult, FailureCode, Stage, Status};
use easytier_uptime_store::{
    Access, HubKey, Location, Store, StoreError, StoreOptions,
    domain::{
        Batch, Caller, ClusterId, Contacts, EnrollmentKey, EnrollmentLimits, InstanceId, IssuedToken, Leader,
        Leadership, NewProbe, PeerId, PeerSpec, ProbeIdentity, Receipt, Region, Registration, SubmissionId, Timestamp,
    },
};
use sqlx::{ConnectOptions, Connection};
use uuid::Uuid;

/// The time at which tests begin: 2027-01-15T08:00:00Z, the start of an hour and so of every smaller bucket.
pub const NOW: Timestamp = Timestamp(1_800_000_000_000);

pub const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// The engine that a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// A store with its own database.
#[derive(Clone)]
pub struct TestStore {
    pub store: Store,
    pub options: StoreOptions,
    /// The folder of the SQLite file.
    pub folder: Arc<tempfile::TempDir>,
}

impl std::ops::Deref for TestStore {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl TestStore {
    pub async fn new(engine: Engine) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let location = match engine {
            Engine::Sqlite => Location::Sqlite(folder.path().join("uptime.db")),
            Engine::Postgres => Location::Postgres(postgres::fresh_database().await.into()),
        };
        let options = StoreOptions::new(location, HubKey::generate());
        let store = Store::open(options.clone(), NOW).await.unwrap();
        Self { store, options, folder }
    }

    pub fn engine(&self) -> Engine {
        match self.options.location {
            Location::Sqlite(_) => Engine::Sqlite,
            Location::Postgres(_) => Engine::Postgres,
        }
    }

    /// A second hub on the same database; on SQLite a command, because a file has one hub.
    pub async fn second_hub(&self) -> Result<Store, StoreError> {
        self.open_at(NOW).await
    }

    /// A second hub, which starts at `now`.
    pub async fn open_at(&self, now: Timestamp) -> Result<Store, StoreError> {
        Store::open(self.options_of_second(), now).await
    }

    /// The options of [`second_hub`](Self::second_hub).
    pub fn options_of_second(&self) -> StoreOptions {
        let access = match self.engine() {
            Engine::Sqlite => Access::Change,
            Engine::Postgres => Access::Serve,
        };
        StoreOptions { access, ..self.options.clone() }
    }

    /// The hub again, after it was closed.
    pub async fn restart(&self) -> Store {
        Store::open(self.options.clone(), NOW).await.unwrap()
    }

    /// How many rows a table has; `table` may have a condition.
    pub async fn count(&self, table: &str) -> i64 {
        let select = || sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        match &self.options.location {
            Location::Sqlite(path) => {
                let mut file = sqlx::SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
                sqlx::query_scalar(select()).fetch_one(&mut file).await.unwrap()
            }
            Location::Postgres(url) => {
                let mut connection = sqlx::PgConnection::connect(url.expose()).await.unwrap();
                sqlx::query_scalar(select()).fetch_one(&mut connection).await.unwrap()
            }
        }
    }

    /// Changes rows behind the store's back.
    pub async fn execute(&self, statement: &str) {
        let statement = || sqlx::AssertSqlSafe(statement.to_owned());
        match &self.options.location {
            Location::Sqlite(path) => {
                let mut file = sqlx::SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
                sqlx::query(statement()).execute(&mut file).await.map(drop).unwrap();
            }
            Location::Postgres(url) => {
                let mut connection = sqlx::PgConnection::connect(url.expose()).await.unwrap();
                sqlx::query(statement()).execute(&mut connection).await.map(drop).unwrap();
            }
        }
    }

    /// All rows of tables, as text.
    pub async fn dump(&self, tables: &[&str]) -> String {
        let mut dump = String::new();
        for table in tables {
            let rows: Vec<String> = match &self.options.location {
                Location::Sqlite(path) => {
                    let mut file = sqlx::SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
                    let columns = format!(
                        "SELECT group_concat('quote(\"' || name || '\")', ' || '','' || ') FROM pragma_table_info('{table}')"
                    );
                    let columns: String =
                        sqlx::query_scalar(sqlx::AssertSqlSafe(columns)).fetch_one(&mut file).await.unwrap();
                    let select = format!("SELECT {columns} FROM {table} ORDER BY 1");
                    sqlx::query_scalar(sqlx::AssertSqlSafe(select)).fetch_all(&mut file).await.unwrap()
                }
                Location::Postgres(url) => {
                    let mut connection = sqlx::PgConnection::connect(url.expose()).await.unwrap();
                    let select = format!("SELECT row_to_json(t)::text FROM {table} t ORDER BY 1");
                    sqlx::query_scalar(sqlx::AssertSqlSafe(select)).fetch_all(&mut connection).await.unwrap()
                }
            };
            dump += &format!("{table}\n{}\n", rows.join("\n"));
        }
        dump
    }

    /// Adds a peer of the operator.
    pub async fn add(&self, url: &str) -> PeerId {
        self.add_peer(&spec(url), NOW).await.unwrap()
    }

    /// Submits a node of a stranger.
    pub async fn waiting(&self, spec: &PeerSpec, now: Timestamp) -> SubmissionId {
        self.submit(spec, u32::MAX, now).await.unwrap().unwrap()
    }

    /// A probe that is online in a region.
    pub async fn probe(&self, server_id: &str, region: &str) -> ProbeIdentity {
        let probe = self.local_probe(server_id, &region.parse().unwrap(), NOW).await.unwrap();
        self.heartbeat(&probe, None, NOW).await.unwrap();
        probe
    }

    /// Makes the store a dependent of the [`leadership`] 1, 1, 1.
    pub async fn dependent(&self) -> Leader {
        let primary = leadership(1, 1, 1);
        self.join(&primary, &"a token".into()).await.unwrap();
        primary.leader
    }

    /// A new enrollment key, as its holder presents it.
    pub async fn enrollment_key(&self, limits: &EnrollmentLimits) -> EnrollmentKey {
        let issued = self.create_enrollment_key("new ones", limits, NOW).await.unwrap();
        match self.authenticate(issued.token.expose(), NOW).await.unwrap() {
            Some(Caller::Enrollment(key)) => key,
            other => panic!("{other:?}"),
        }
    }

    /// A new probe that enrolls with a key of its own.
    pub async fn enrolled(&self, server_id: &str, region: &Region, now: Timestamp) -> (ProbeIdentity, IssuedToken) {
        let key = self.enrollment_key(&EnrollmentLimits::default()).await;
        let new = NewProbe { server_id, region, registration: &Registration::default(), token: None };
        self.enroll_probe(&key, &new, now).await.unwrap()
    }

    /// Ingests results that arrive at `now`, and applies them.
    pub async fn report(&self, from: &ProbeIdentity, results: Vec<CheckResult>, now: Timestamp) -> Receipt {
        self.store_and_fold(batch(from, results, now)).await
    }

    /// Runs SQL in the database, beside the store.
    pub async fn run_sql(&self, sql: &str) {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        match &self.options.location {
            Location::Sqlite(path) => {
                let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
                let mut connection = options.connect().await.unwrap();
                sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
            Location::Postgres(url) => {
                let mut connection = sqlx::PgConnection::connect(url.expose()).await.unwrap();
                sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
        }
    }

    /// Ingests a batch and applies it.
    pub async fn store_and_fold(&self, batch: Batch) -> Receipt {
        let receipt = self.ingest(batch).await.unwrap();
        self.fold().await.unwrap();
        receipt
    }
}

/// The primary of a cluster, in an epoch.
pub fn leadership(cluster: u128, leader: u128, epoch: i64) -> Leadership {
    Leadership {
        cluster: ClusterId(Uuid::from_u128(cluster)),
        epoch,
        leader: Leader {
            id: InstanceId(Uuid::from_u128(leader)),
            name: format!("hub {leader}"),
            url: Some(format!("http://192.0.2.{leader}:3002")),
        },
    }
}

/// Returns when the server at a URL accepts connections.
pub async fn wait_for_connection(url: &str) {
    while let Err(error) = sqlx::PgConnection::connect(url).await {
        // Any other answer is the server's.
        if !matches!(&error, sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused) {
            return;
        }
        tokio::task::yield_now().await;
    }
}

pub fn spec(url: &str) -> PeerSpec {
    PeerSpec::new(url.parse().unwrap())
}

/// A description with every field set.
pub fn full() -> PeerSpec {
    PeerSpec {
        name: "Shanghai 2".into(),
        url: "https://node.example.net/list?x=1".parse().unwrap(),
        description: "kept by 小明, 100 % \\ _".into(),
        network_name: Some("net".into()),
        network_secret: Some("".into()),
        mode: CheckMode::Handshake,
        timeout: Some(seconds(3)),
        allow_relay: true,
        max_connections: 250,
        tags: ["电信".parse().unwrap(), "fast".parse().unwrap()].into(),
        regions: [region("eu"), region("asia")].into(),
        contacts: Contacts { qq_number: Some("123".into()), wechat: None, mail: Some("a@example.net".into()) },
    }
}

pub fn region(name: &str) -> Region {
    name.parse().unwrap()
}

pub fn batch(from: &ProbeIdentity, results: Vec<CheckResult>, now: Timestamp) -> Batch {
    Batch::of_probe(from.clone(), now, results)
}

/// A result id made at a time.
pub fn id_at(at: Timestamp) -> Uuid {
    let (seconds, nanos) = (at.0 / 1000, at.0 % 1000 * 1_000_000);
    let context = uuid::timestamp::context::NoContext;
    Uuid::new_v7(uuid::Timestamp::from_unix(context, seconds as u64, nanos as u32))
}

/// A result for one check that succeeded, with 12 ms.
pub fn online(peer: PeerId, at: Timestamp) -> CheckResult {
    CheckResult {
        id: id_at(at),
        peer_id: peer.0,
        checked_at: at.into(),
        checks: 1,
        healthy: None,
        status: Status::Online,
        response_time: Some(12.0),
        min_ms: Some(11.5),
        max_ms: Some(40.0),
        stage: Stage::Route,
        error: None,
        message: None,
        version: Some("2.4.5".into()),
        hostname: Some("edge-1".into()),
        network_count: Some(37),
        relay: None,
        relay_error: None,
        relay_ms: None,
        certificate_expires_at: None,
        listing: None,
    }
}

/// A result for one check that failed.
pub fn offline(peer: PeerId, at: Timestamp) -> CheckResult {
    CheckResult {
        status: Status::Offline,
        response_time: None,
        min_ms: None,
        max_ms: None,
        stage: Stage::Connect,
        error: Some(FailureCode::ConnectRefused),
        message: Some("connection refused".into()),
        version: None,
        hostname: None,
        network_count: None,
        ..online(peer, at)
    }
}

/// A result that is not evidence about the peer.
pub fn unknown(peer: PeerId, at: Timestamp) -> CheckResult {
    CheckResult { status: Status::Unknown, error: Some(FailureCode::MissedWindow), ..offline(peer, at) }
}

/// Instantiates each test, a function of a [`TestStore`], for both engines.
macro_rules! on_both_engines {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$test(crate::support::TestStore::new(crate::support::Engine::Sqlite).await).await;
                }
            )+
        }

        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$test(crate::support::TestStore::new(crate::support::Engine::Postgres).await).await;
                }
            )+
        }
    };
}
pub(crate) use on_both_engines;
