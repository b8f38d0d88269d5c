//! Databases of earlier versions, and of newer ones. `tests/fixtures/README.md` says what the fixtures hold.

use std::collections::BTreeMap;

use easytier_uptime_store::{
    Access, HubKey, Location, Refusal, Store, StoreError, StoreOptions, VersionMismatch,
    domain::{
        Caller, CredentialKind, Doubt, Grain, Lapsed, LiveSettings, NodeFilter, PageRequest, PeerId, PeerOrder,
        RecordFilter, Timestamp, Verdict,
    },
};
use sqlx::{Connection, PgConnection, SqliteConnection, raw_sql};

use crate::support::{
    Engine, NOW, TestStore, batch, offline, on_both_engines, online, postgres::fresh_database, region, seconds,
};

/// The migrations of the fixture.
const OLD_SCHEMA: i64 = 7;

/// The time after the last result in the fixture.
const LATER: Timestamp = Timestamp(NOW.0 + 300_000);

/// The node that the fixture has as peer 16: submitted, and not approved.
const SUBMITTED: &str = "tcp://192.0.2.101:11010";

/// Columns of tables and their values, as text.
pub(crate) type Rows = BTreeMap<String, Vec<String>>;

pub(crate) enum Connected {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Connected {
    pub(crate) async fn to(location: &Location) -> Self {
        match location {
            Location::Sqlite(path) => {
                let url = format!("sqlite://{}?mode=rwc", path.display());
                Self::Sqlite(SqliteConnection::connect(&url).await.unwrap())
            }
            Location::Postgres(url) => Self::Postgres(PgConnection::connect(url.expose()).await.unwrap()),
        }
    }

    pub(crate) async fn run(&mut self, statements: &'static str) {
        match self {
            Self::Sqlite(connection) => drop(raw_sql(statements).execute(connection).await.unwrap()),
            Self::Postgres(connection) => drop(raw_sql(statements).execute(connection).await.unwrap()),
        }
    }

    pub(crate) async fn texts(&mut self, select: String) -> Vec<String> {
        let select = sqlx::AssertSqlSafe(select);
        match self {
            Self::Sqlite(connection) => sqlx::query_scalar(select).fetch_all(connection).await.unwrap(),
            Self::Postgres(connection) => sqlx::query_scalar(select).fetch_all(connection).await.unwrap(),
        }
    }

    /// The columns of each table.
    pub(crate) async fn columns(&mut self) -> BTreeMap<String, Vec<String>> {
        let select = match self {
            Self::Sqlite(_) => {
                "SELECT t.name || '.' || c.name FROM sqlite_schema t, pragma_table_info(t.name) c \
                 WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite!_%' ESCAPE '!'"
            }
            // Of partitions, the whole counts.
            Self::Postgres(_) => {
                "SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid \
                 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition \
                 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.relname, a.attnum"
            }
        };
        let mut columns: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for name in self.texts(select.to_owned()).await {
            let (table, column) = name.split_once('.').unwrap();
            columns.entry(table.to_owned()).or_default().push(column.to_owned());
        }
        columns
    }

    /// The columns of bytes, each with its table.
    pub(crate) async fn columns_of_bytes(&mut self) -> Vec<String> {
        let select = match self {
            Self::Sqlite(_) => {
                "SELECT t.name || '.' || c.name FROM sqlite_schema t, pragma_table_info(t.name) c \
                 WHERE t.type = 'table' AND c.type = 'BLOB'"
            }
            Self::Postgres(_) => {
                "SELECT table_name || '.' || column_name FROM information_schema.columns \
                 WHERE table_schema = 'public' AND data_type = 'bytea'"
            }
        };
        self.texts(select.to_owned()).await
    }

    pub(crate) async fn close(self) {
        match self {
            Self::Sqlite(connection) => connection.close().await.unwrap(),
            Self::Postgres(connection) => connection.close().await.unwrap(),
        }
    }

    /// All rows of these columns, sorted.
    pub(crate) async fn rows(&mut self, columns: &BTreeMap<String, Vec<String>>) -> Rows {
        let mut rows = Rows::new();
        for (table, columns) in columns {
            let text = |column: &String| match self {
                Self::Sqlite(_) => format!("quote(\"{column}\")"),
                Self::Postgres(_) => format!("coalesce(\"{column}\"::text, 'NULL')"),
            };
            let columns = columns.iter().map(text).collect::<Vec<_>>().join(" || ' | ' || ");
            rows.insert(table.clone(), self.texts(format!("SELECT {columns} FROM \"{table}\" ORDER BY 1")).await);
        }
        rows
    }
}

/// The options for a copy of the fixture that commit 6665e99 made.
async fn fixture(hub: &TestStore) -> StoreOptions {
    let (location, dump) = match hub.engine() {
        Engine::Sqlite => {
            let path = hub.folder.path().join("old.db");
            (Location::Sqlite(path), include_str!("../fixtures/6665e99/sqlite.sql"))
        }
        Engine::Postgres => {
            let url = fresh_database().await;
            (Location::Postgres(url.into()), include_str!("../fixtures/6665e99/postgres.sql"))
        }
    };
    Connected::to(&location).await.run(dump).await;
    StoreOptions::new(location, HubKey::from_hex(&"0123456789abcdef".repeat(4)).unwrap())
}

async fn mismatch(options: &StoreOptions, access: Access) -> VersionMismatch {
    match Store::open(StoreOptions { access, ..options.clone() }, NOW).await {
        Err(StoreError::Refused(Refusal::Version(mismatch))) => mismatch,
        Err(error) => panic!("{access:?}: {error}"),
        Ok(_) => panic!("{access:?}: it is opened"),
    }
}

on_both_engines! {
    an_upgrade_keeps_every_figure,
    an_upgraded_database_answers_as_before_and_takes_further_results,
    commands_refuse_an_older_database_and_change_nothing,
    a_newer_database_is_refused_with_the_version_that_upgraded_it,
    a_hub_goes_on_while_a_newer_one_upgrades_the_database,
}

async fn an_upgrade_keeps_every_figure(hub: TestStore) {
    let options = fixture(&hub).await;
    let mut connected = Connected::to(&options.location).await;
    let mut columns = connected.columns().await;
    assert!(columns.len() > 15 && columns.contains_key("peer_states"), "{columns:?}");
    // They have further rows afterwards.
    for table in ["_sqlx_migrations", "settings"] {
        columns.remove(table).unwrap();
    }
    let before = connected.rows(&columns).await;
    let filled = ["results", "rollups", "rings", "events", "leases", "sessions", "credentials", "backends", "tuning"];
    assert!(filled.iter().all(|table| !before[*table].is_empty()), "the fixture has rows in each of them");

    let upgraded = Store::open(options, NOW).await.unwrap();
    let queue = upgraded
        .submissions(&NodeFilter::default(), PeerOrder::OldestFirst, PageRequest::default())
        .await
        .unwrap()
        .items;
    assert_eq!(queue.iter().map(|waiting| waiting.spec.url.to_string()).collect::<Vec<_>>(), [SUBMITTED]);
    upgraded.close().await;
    let after = connected.rows(&columns).await;
    for (table, mut rows) in before {
        // A submitted node has left the peers for a queue of its own.
        if let "peers" | "peer_states" = &*table {
            let all = rows.len();
            rows.retain(|row| !row.starts_with("16 |"));
            assert_eq!(rows.len(), all - 1, "{table}");
        }
        assert_eq!(after[&table], rows, "{table}");
    }
}

async fn an_upgraded_database_answers_as_before_and_takes_further_results(hub: TestStore) {
    let options = fixture(&hub).await;
    let hub = Store::open(options, NOW).await.unwrap();
    // The first peer is that of a backend.
    let ids: Vec<PeerId> = (2..=15).map(PeerId).collect();
    let (down, partial, turned, doubted, member) = (ids[0], ids[1], ids[2], ids[3], ids[13]);
    for (peer, verdict) in [
        (down, Verdict::Down),
        (partial, Verdict::Partial),
        (turned, Verdict::Partial),
        (doubted, Verdict::Up),
        (member, Verdict::Up),
    ] {
        assert_eq!(hub.node(peer, LATER).await.unwrap().verdict, verdict, "{peer}");
    }
    let doubts = BTreeMap::from([(region("eu"), Doubt { turned: 10, nodes: 14 })]);
    assert_eq!(hub.doubts().await.unwrap(), doubts);
    let total = async |peer| {
        hub.health_records(peer, &RecordFilter::default(), PageRequest::default(), LATER).await.unwrap().total
    };
    let week = async |peer| hub.node_stats(peer, 7 * seconds(86_400), LATER).await.unwrap().checks;
    // Seven of the days before, five of each region, and one that says nothing.
    assert_eq!((total(down).await, week(down).await.total_checks, week(down).await.healthy_count), (18, 17, 9));
    assert_eq!((total(partial).await, week(partial).await.healthy_count), (17, 13));
    let ring = hub.node(down, LATER).await.unwrap().ring;
    assert_eq!(ring.iter().map(|slot| slot.checks).sum::<u32>(), 14, "of the last 24 hours");
    let series = hub.node_series(down, Grain::Hour, NOW - seconds(3 * 86_400), LATER).await.unwrap();
    assert_eq!(series.iter().map(|point| point.stats.total_checks).sum::<u64>(), 17);

    let secret = hub.peer(member).await.unwrap().spec.network_secret;
    assert_eq!(secret, Some("not a secret".into()));
    assert_eq!(hub.secret("colour").await.unwrap(), Some("green".into()));
    let Some(Caller::Probe(eu)) = hub.authenticate("etn_0000000000000001_fixture", NOW).await.unwrap() else {
        panic!("its token is known")
    };
    assert_eq!((eu.server_id.as_str(), &eu.region), ("p1", &region("eu")));
    assert!(hub.authenticate("eta_0000000000000002_fixture", NOW).await.unwrap().is_some());
    let revoked = hub.authenticate("ete_0000000000000003_fixture", NOW).await;
    assert!(matches!(revoked, Err(StoreError::Lapsed(Lapsed::Revoked { .. }))), "{revoked:?}");
    assert!(hub.credentials(CredentialKind::Enrollment).await.unwrap()[0].revoked_at.is_some());
    let LiveSettings { policy, retention, .. } = hub.live_settings();
    assert_eq!((policy.confirmations, retention.results), (3, seconds(10 * 86_400)));

    // The doubt ends with the next round, which also changes the verdict.
    hub.heartbeat(&eu, None, LATER).await.unwrap();
    let mut results: Vec<_> = ids[3..13].iter().map(|peer| offline(*peer, LATER)).collect();
    results.extend([down, partial, turned].map(|peer| online(peer, LATER)));
    assert_eq!(hub.ingest(batch(&eu, results, LATER)).await.unwrap().accepted, 13);
    hub.fold().await.unwrap();
    assert_eq!(hub.node(doubted, LATER).await.unwrap().verdict, Verdict::Partial);
    assert_eq!(hub.node(down, LATER).await.unwrap().verdict, Verdict::Down, "the damping of the fixture is three");
    assert_eq!(hub.doubts().await.unwrap(), BTreeMap::new());
    assert_eq!((total(down).await, week(down).await.total_checks), (19, 18));
}

async fn commands_refuse_an_older_database_and_change_nothing(hub: TestStore) {
    let options = fixture(&hub).await;
    let mut connected = Connected::to(&options.location).await;
    // The schema before the last migration of the fixture, whatever this program adds to it.
    connected.run("ALTER TABLE probes DROP COLUMN degraded; DELETE FROM _sqlx_migrations WHERE version = 7").await;
    let columns = connected.columns().await;
    let before = connected.rows(&columns).await;
    for access in [Access::Change, Access::Read] {
        let mismatch = mismatch(&options, access).await;
        assert_eq!((mismatch.database, mismatch.is_newer), (OLD_SCHEMA - 1, false));
        assert!(mismatch.program >= OLD_SCHEMA);
    }
    assert_eq!(connected.columns().await, columns);
    assert_eq!(connected.rows(&columns).await, before);
    Store::open(options.clone(), NOW).await.unwrap().close().await;
    for access in [Access::Change, Access::Read] {
        Store::open(StoreOptions { access, ..options.clone() }, NOW).await.unwrap().close().await;
    }
}

/// What the upgrade of a newer program may do: a migration, a column and a table more.
const UPGRADE: &str = "ALTER TABLE peers ADD COLUMN colour TEXT; CREATE TABLE colours (colour TEXT); \
                       UPDATE settings SET value = '9.8.7' WHERE key = 'upgraded_by'; \
                       INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                       SELECT 9999, 'colours', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1";

async fn a_newer_database_is_refused_with_the_version_that_upgraded_it(hub: TestStore) {
    hub.close().await;
    Connected::to(&hub.options.location).await.run(UPGRADE).await;
    for access in [Access::Serve, Access::Change, Access::Read] {
        let mismatch = mismatch(&hub.options, access).await;
        assert_eq!((mismatch.database, mismatch.is_newer), (9999, true), "{access:?}");
        let words = mismatch.to_string();
        assert!(words.starts_with("it was upgraded to schema 9999 by easytier-uptime 9.8.7, "), "{words}");
    }
}

async fn a_hub_goes_on_while_a_newer_one_upgrades_the_database(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    hub.report(&probe, vec![online(peer, NOW)], NOW).await;
    let mut newer = Connected::to(&hub.options.location).await;
    newer.run(UPGRADE).await;
    // It appends to the packed forms.
    let extend = match hub.engine() {
        Engine::Sqlite => "UPDATE rings SET counts = counts || x'01'",
        Engine::Postgres => "UPDATE rings SET counts = counts || '\\x01'::bytea",
    };
    newer.run(extend).await;
    newer.run("UPDATE peer_states SET evidence = replace(evidence, ',12000]', ',12000,\"tcp\"]')").await;
    let evidence = newer.texts("SELECT evidence FROM peer_states".to_owned()).await;
    assert!(evidence[0].contains("tcp"), "{evidence:?}");

    let next = NOW + seconds(900);
    assert_eq!(hub.report(&probe, vec![offline(peer, NOW + seconds(1)), offline(peer, next)], next).await.accepted, 2);
    let node = hub.node(peer, next).await.unwrap();
    assert_eq!((node.verdict, node.ring[0].checks, node.ring[1].checks), (Verdict::Down, 1, 2));
    hub.add("tcp://192.0.2.2:11010").await;
}
