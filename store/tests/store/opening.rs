use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use easytier_uptime_store::{
    Access, Foreign, HubKey, InUse, Location, Refusal, Store, StoreError, StoreOptions,
    domain::{PageRequest, PeerFilter, PeerOrder, Timestamp},
};
use futures::future::join_all;
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};

use crate::support::{Engine, NOW, TestStore, on_both_engines, online, postgres::fresh_database};

on_both_engines! {
    hubs_that_start_at_the_same_time_open_an_empty_database,
    the_clock_is_compared_with_that_of_the_database,
    another_key_does_not_open_the_database,
    the_database_responds_until_it_is_closed,
    a_secret_is_stored_under_its_name_until_it_is_replaced,
    a_command_that_reads_waits_for_no_writer_and_cannot_write,
    an_event_of_a_kind_that_is_not_known_is_not_listed,
}

async fn hubs_that_start_at_the_same_time_open_an_empty_database(hub: TestStore) {
    let location = match hub.engine() {
        Engine::Sqlite => Location::Sqlite(hub.folder.path().join("another.db")),
        Engine::Postgres => Location::Postgres(fresh_database().await.into()),
    };
    let options = StoreOptions::new(location, HubKey::generate());
    let opened = join_all((0..8).map(|_| Store::open(options.clone(), NOW))).await;
    let (opened, refused): (Vec<_>, Vec<_>) = opened.into_iter().partition(Result::is_ok);
    assert_eq!(opened.len(), if hub.engine() == Engine::Sqlite { 1 } else { 8 }, "a SQLite file has one hub");
    for store in opened {
        store.unwrap().ping().await.unwrap();
    }
    for error in refused {
        assert!(matches!(error, Err(StoreError::Refused(Refusal::InUse(_)))));
    }
}

async fn another_key_does_not_open_the_database(hub: TestStore) {
    hub.close().await;
    for access in [Access::Serve, Access::Change, Access::Read] {
        let options = StoreOptions { access, key: HubKey::generate(), ..hub.options.clone() };
        assert!(matches!(Store::open(options, NOW).await, Err(StoreError::WrongHubKey(_))), "{access:?}");
    }
    hub.restart().await;
}

async fn the_database_responds_until_it_is_closed(hub: TestStore) {
    hub.ping().await.unwrap();
    hub.close().await;
    assert!(hub.ping().await.is_err());
}

async fn a_secret_is_stored_under_its_name_until_it_is_replaced(hub: TestStore) {
    assert_eq!(hub.secret("colour").await.unwrap(), None);
    hub.put_secret("colour", &"green".into()).await.unwrap();
    hub.put_secret("colour", &"blue".into()).await.unwrap();
    assert_eq!(hub.second_hub().await.unwrap().secret("colour").await.unwrap(), Some("blue".into()));
}

async fn a_command_that_reads_waits_for_no_writer_and_cannot_write(hub: TestStore) {
    hub.add("tcp://192.0.2.1:11010").await;
    let lists = async || {
        let options = StoreOptions { access: Access::Read, ..hub.options.clone() };
        let reader = Store::open(options, NOW).await.unwrap();
        let filter = PeerFilter { order: PeerOrder::OldestFirst, ..PeerFilter::default() };
        assert_eq!(reader.peers(&filter, PageRequest::default()).await.unwrap().total, 1);
        reader
    };
    match &hub.options.location {
        Location::Sqlite(path) => {
            let mut writer = connect(path).await;
            writer.execute("BEGIN IMMEDIATE").await.unwrap();
            let reader = lists().await;
            assert!(reader.put_secret("colour", &"green".into()).await.is_err());
            writer.close().await.unwrap();
        }
        Location::Postgres(url) => {
            let mut writer = PgConnection::connect(url.expose()).await.unwrap();
            writer.execute("BEGIN; LOCK TABLE settings, peers, _sqlx_migrations IN EXCLUSIVE MODE").await.unwrap();
            lists().await;
            writer.close().await.unwrap();
        }
    }
}

async fn an_event_of_a_kind_that_is_not_known_is_not_listed(hub: TestStore) {
    hub.probe("p1", "eu").await;
    hub.review(NOW).await.unwrap();
    let known = hub.events(None, None, 10, true).await.unwrap();
    assert_eq!(known.len(), 1);
    let insert = "INSERT INTO events (at, kind, subject_id, was, became, detail) VALUES (1, 'hub', 1, 'a', 'b', '{}')";
    match &hub.options.location {
        Location::Sqlite(path) => drop(connect(path).await.execute(insert).await.unwrap()),
        Location::Postgres(url) => {
            PgConnection::connect(url.expose()).await.unwrap().execute(insert).await.unwrap();
        }
    }
    assert_eq!(hub.events(None, None, 10, true).await.unwrap(), known);
}

async fn connect(path: &Path) -> SqliteConnection {
    SqliteConnection::connect(&format!("sqlite://{}?mode=rwc", path.display())).await.unwrap()
}

async fn open(path: &Path, access: Access) -> Result<Store, StoreError> {
    let location = Location::Sqlite(path.to_owned());
    Store::open(StoreOptions { access, ..StoreOptions::new(location, HubKey::generate()) }, NOW).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sqlite_file_has_one_hub_and_any_number_of_commands() {
    let hub = TestStore::new(Engine::Sqlite).await;
    let Err(StoreError::Refused(refusal)) = Store::open(hub.options.clone(), NOW).await else { panic!("it is served") };
    let words = refusal.to_string();
    let Refusal::InUse(InUse { lock, holder, is_this_process, .. }) = refusal else { panic!("{refusal}") };
    assert_eq!(lock, hub.folder.path().canonicalize().unwrap().join("uptime.db.lock"));
    let process = format!("process {} on host", std::process::id());
    assert!(holder.is_some_and(|holder| holder.starts_with(&process)) && words.contains("uptime.db.lock"), "{words}");
    assert!(is_this_process);
    for access in [Access::Change, Access::Read] {
        Store::open(StoreOptions { access, ..hub.options.clone() }, NOW).await.unwrap().close().await;
    }

    hub.close().await;
    let next = hub.restart().await;
    assert!(Store::open(hub.options.clone(), NOW).await.is_err());
    drop(next);
    hub.restart().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_sqlite_file_can_give_space_back() {
    let hub = TestStore::new(Engine::Sqlite).await;
    let Location::Sqlite(path) = &hub.options.location else { panic!("it is a file") };
    let mode: i64 = sqlx::query_scalar("PRAGMA auto_vacuum").fetch_one(&mut connect(path).await).await.unwrap();
    assert_eq!(mode, 2, "incremental");
}

/// All files in a folder, with their contents and permissions.
fn files(folder: &Path) -> BTreeMap<String, (Vec<u8>, fs::Permissions)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let file = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        (name, (fs::read(entry.path()).unwrap(), entry.metadata().unwrap().permissions()))
    };
    entries.map(file).collect()
}

/// Checks that a file is refused as another program's, and that neither it nor its folder changes.
async fn assert_left_alone(path: &Path, expected: &str) {
    let folder = path.parent().unwrap();
    let before = files(folder);
    for access in [Access::Serve, Access::Change, Access::Read] {
        match open(path, access).await {
            Err(StoreError::Refused(Refusal::Foreign(foreign))) => assert_eq!(foreign.to_string(), expected),
            Err(error) => panic!("{access:?}: {error}"),
            Ok(_) => panic!("{access:?}: it is opened"),
        }
    }
    let refused = Location::Sqlite(path.to_owned()).refuse_foreign_file().await;
    assert!(matches!(refused, Err(StoreError::Refused(Refusal::Foreign(_)))));
    assert_eq!(files(folder), before);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("uptime.db");
    for (content, kind) in [
        ("tcp://192.0.2.1:11010\n", "a text file"),
        ("--\n-- PostgreSQL database dump\n--\n", "a PostgreSQL dump in plain SQL"),
        ("xy", "a text file"),
    ] {
        fs::write(&path, content).unwrap();
        assert_left_alone(&path, &format!("it is not a SQLite database; it seems to be {kind}")).await;
    }
    assert!(matches!(open(folder.path(), Access::Serve).await, Err(StoreError::File { .. })));
    fs::write(&path, "").unwrap();
    open(&path, Access::Serve).await.unwrap();
}

#[tokio::test]
async fn a_database_of_another_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let tables = "CREATE TABLE monitor (id); CREATE TABLE heartbeat (id); CREATE TABLE setting (id);";
    let kuma = "it seems to belong to Uptime Kuma: it has the tables heartbeat, monitor, setting";

    let path = folder.path().join("kuma.db");
    let mut connection = connect(&path).await;
    connection.execute(tables).await.unwrap();
    connection.close().await.unwrap();
    assert_left_alone(&path, kuma).await;

    // With a write-ahead log that was moved into the file, which has none now.
    let mut connection = connect(&path).await;
    connection.execute("PRAGMA journal_mode = WAL; INSERT INTO monitor VALUES (1)").await.unwrap();
    connection.close().await.unwrap();
    assert!(!folder.path().join("kuma.db-wal").exists());
    assert_left_alone(&path, kuma).await;

    // While its program runs: the tables are in the log alone.
    let path = folder.path().join("running.db");
    let mut connection = connect(&path).await;
    connection.execute("PRAGMA journal_mode = WAL").await.unwrap();
    connection.execute(tables).await.unwrap();
    let before = fs::read(&path).unwrap();
    let Err(StoreError::Refused(Refusal::Foreign(foreign))) = open(&path, Access::Serve).await else {
        panic!("foreign")
    };
    assert_eq!(foreign.to_string(), kuma);
    assert_eq!(fs::read(&path).unwrap(), before);
    connection.close().await.unwrap();

    // Another program that notes its migrations as this one does.
    let path = folder.path().join("other.db");
    let mut connection = connect(&path).await;
    let other = "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
                 installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, \
                 checksum BLOB NOT NULL, execution_time BIGINT NOT NULL); \
                 INSERT INTO _sqlx_migrations VALUES (1, 'peers', 0, TRUE, x'00', 1); CREATE TABLE peers (id);";
    connection.execute(other).await.unwrap();
    connection.close().await.unwrap();
    assert_left_alone(&path, "it belongs to another program: it has the tables _sqlx_migrations, peers").await;
}

/// The names of all tables of a database, and whether it has a sequence.
async fn tables(url: &str) -> Vec<String> {
    let select = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1";
    sqlx::query_scalar(select).fetch_all(&mut PgConnection::connect(url).await.unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_schema_of_another_program_is_left_alone() {
    let url = fresh_database().await;
    let mut connection = PgConnection::connect(&url).await.unwrap();
    connection.execute("CREATE TABLE endpoints (id int); CREATE TABLE endpoint_results (id int)").await.unwrap();
    let before = tables(&url).await;
    let options = StoreOptions::new(Location::Postgres(url.clone().into()), HubKey::generate());
    for access in [Access::Serve, Access::Change, Access::Read] {
        let refused = Store::open(StoreOptions { access, ..options.clone() }, NOW).await;
        let Err(StoreError::Refused(Refusal::Foreign(Foreign::Tables { program, tables, .. }))) = refused else {
            panic!("it is foreign")
        };
        assert_eq!((program, tables), (Some("Gatus"), vec!["endpoint_results".to_owned(), "endpoints".to_owned()]));
    }
    assert_eq!(tables(&url).await, before);

    // In a schema of its own it works beside the other program, and what extensions bring is no program.
    connection.execute("CREATE SCHEMA uptime; CREATE EXTENSION pg_buffercache SCHEMA uptime").await.unwrap();
    let own = format!("{url}&options=-csearch_path%3Duptime");
    let options = StoreOptions { location: Location::Postgres(own.into()), ..options };
    Store::open(options, NOW).await.unwrap().close().await;
    assert_eq!(tables(&url).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn hubs_on_one_postgresql_know_each_other_until_they_end() {
    let first = TestStore::new(Engine::Postgres).await;
    let second = first.second_hub().await.unwrap();
    let command = StoreOptions { access: Access::Change, ..first.options.clone() };
    let command = Store::open(command, NOW).await.unwrap();
    let count = async || command.hubs().await.unwrap().len();
    assert_eq!(count().await, 2, "commands are no hubs");
    assert_eq!(first.hubs().await.unwrap()[0].version.as_deref(), Some(env!("CARGO_PKG_VERSION")));
    second.close().await;
    assert_eq!(count().await, 1);

    // A hub that was killed is not listed for long.
    let Location::Postgres(url) = &first.options.location else { panic!("it is a URL") };
    let mut connection = PgConnection::connect(url.expose()).await.unwrap();
    connection.execute("UPDATE hubs SET seen_at = seen_at - 61000").await.unwrap();
    assert_eq!(count().await, 0);
    first.refresh_hub().await.unwrap();
    assert_eq!(count().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_does_not_start_beside_one_that_it_would_break() {
    let hub = TestStore::new(Engine::Postgres).await;
    hub.close().await;
    let Location::Postgres(url) = &hub.options.location else { panic!("it is a URL") };
    let mut connection = PgConnection::connect(url.expose()).await.unwrap();
    let older = "INSERT INTO hubs SELECT gen_random_uuid(), '0.0.9', 6, at, at FROM \
                 (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS at) clock";
    connection.execute(older).await.unwrap();
    let Err(StoreError::Refused(refusal)) = Store::open(hub.options.clone(), NOW).await else {
        panic!("it is refused")
    };
    assert!(refusal.to_string().ends_with(": easytier-uptime 0.0.9 (schema 6)"), "{refusal}");

    // It has ended, or its program was upgraded too.
    connection.execute("UPDATE hubs SET seen_at = seen_at - 61000").await.unwrap();
    hub.restart().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_of_another_version_beside_it_does_not_keep_a_hub_from_starting() {
    let hub = TestStore::new(Engine::Postgres).await;
    hub.close().await;
    let Location::Postgres(url) = &hub.options.location else { panic!("it is a URL") };
    // As a hub that does not register itself.
    let named = format!("{}&application_name=easytier-uptime%20hub", url.expose());
    let mut unregistered = PgConnection::connect(&named).await.unwrap();
    unregistered.ping().await.unwrap();
    let next = hub.restart().await;
    let peer = next.add_peer(&crate::support::spec("tcp://192.0.2.1:11010"), NOW).await.unwrap();
    let probe = next.local_probe("p1", &crate::support::region("eu"), NOW).await.unwrap();
    let receipt = next.ingest(crate::support::batch(&probe, vec![online(peer, NOW)], NOW)).await.unwrap();
    assert_eq!(receipt.accepted, 1);
}

async fn the_clock_is_compared_with_that_of_the_database(hub: TestStore) {
    assert!(!hub.compare_clocks(Timestamp::now).await.unwrap().is_too_large(), "one machine");
    let ahead = || Timestamp::now() + Duration::from_secs(3600);
    let difference = hub.compare_clocks(ahead).await.unwrap();
    assert_eq!(hub.clock_difference(), difference);
    // A file has no clock of its own.
    let expected = if hub.engine() == Engine::Postgres { 3500 * 1000..3601 * 1000 } else { 0..1 };
    assert!(expected.contains(&difference.millis), "{difference:?}");
}
