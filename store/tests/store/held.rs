//! Transactions of somebody else that stay open, on PostgreSQL: a dump, a query of a person, a forgotten session.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use easytier_uptime_store::{
    Location, StoreError, Swept,
    domain::{DAY, PageRequest, PeerId, RecordFilter},
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::{Engine, NOW, TestStore, batch, online, region, seconds, spec};

/// The longest time for anything beside a transaction that stays open; the bounds of statements are well below it.
const IN_TIME: Duration = seconds(14);

async fn connect(hub: &TestStore) -> PgConnection {
    let Location::Postgres(url) = &hub.options.location else { panic!("not PostgreSQL") };
    PgConnection::connect(url.expose()).await.unwrap()
}

/// A transaction that stays open until it is dropped.
pub async fn hold(hub: &TestStore, statements: &str) -> PgConnection {
    let mut connection = connect(hub).await;
    sqlx::raw_sql(AssertSqlSafe(format!("BEGIN; {statements}"))).execute(&mut connection).await.unwrap();
    connection
}

pub async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(IN_TIME, work).await.expect("it ends beside a transaction that stays open")
}

async fn sweep_goes_on_beside(statements: &str) {
    let hub = TestStore::new(Engine::Postgres).await;
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    hub.report(&probe, vec![online(peer, NOW)], NOW).await;
    let held = hold(&hub, statements).await;

    // Partitions of new days are due, and the first has expired.
    let later = NOW + 8 * DAY;
    let beside = in_time(hub.sweep(later)).await.unwrap();
    assert!(beside.postponed, "{beside:?}");
    assert_eq!(beside.days, 0);
    assert_eq!(hub.partitions_postponed_since(), Some(later));
    assert!(in_time(hub.sweep(later + seconds(300))).await.unwrap().postponed);
    assert_eq!(hub.partitions_postponed_since(), Some(later), "since the first time");
    assert_eq!(in_time(hub.report(&probe, vec![online(peer, later)], later)).await.accepted, 1);
    // Results of days that have no partition yet, too.
    let ahead = later + 5 * DAY;
    assert_eq!(in_time(hub.report(&probe, vec![online(peer, ahead)], ahead)).await.accepted, 1);
    let other = in_time(hub.open_at(later)).await.unwrap();
    in_time(other.add_peer(&spec("tcp://192.0.2.2:11010"), later)).await.unwrap();
    let records = in_time(hub.health_records(peer, &RecordFilter::default(), PageRequest::default(), ahead)).await;
    assert_eq!(records.unwrap().total, 2);

    held.close().await.unwrap();
    let after = hub.sweep(later).await.unwrap();
    assert_eq!((after.postponed, after.days > 0), (false, true), "{after:?}");
    assert_eq!(hub.partitions_postponed_since(), None);
    assert_eq!(hub.sweep(later).await.unwrap(), Swept::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_in_a_forgotten_transaction_stops_nothing() {
    sweep_goes_on_beside("SELECT 1 FROM results LIMIT 1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_stops_nothing() {
    // What pg_dump does first.
    let tables = "SELECT string_agg(quote_ident(relname), ', ') FROM pg_class c \
                  WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace";
    let lock = format!(
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; \
         DO $$ BEGIN EXECUTE 'LOCK TABLE ' || ({tables}) || ' IN ACCESS SHARE MODE'; END $$"
    );
    sweep_goes_on_beside(&lock).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_stays_locked_makes_its_writers_unavailable_and_no_other() {
    let hub = TestStore::new(Engine::Postgres).await;
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    let held = hold(&hub, "SELECT 1 FROM settings WHERE key = 'config_version' FOR UPDATE").await;
    let begun = Instant::now();
    let refused = in_time(hub.add_peer(&spec("tcp://192.0.2.2:11010"), NOW)).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable) && refused.is_unavailable(), "{refused}");
    assert!(begun.elapsed() >= seconds(2), "it waited and tried again");
    assert_eq!(in_time(hub.report(&probe, vec![online(peer, NOW)], NOW)).await.accepted, 1);

    // The next writer waits; the lock is released in time.
    let adding = tokio::spawn({
        let hub = hub.clone();
        async move { hub.add_peer(&spec("tcp://192.0.2.2:11010"), NOW).await }
    });
    waits_for_a_lock(&hub).await;
    held.close().await.unwrap();
    in_time(adding).await.unwrap().unwrap();
}

/// Returns when a statement of the hub waits for a lock.
pub async fn waits_for_a_lock(hub: &TestStore) {
    let mut connection = connect(hub).await;
    let waiting = "SELECT EXISTS (SELECT 1 FROM pg_locks l JOIN pg_stat_activity a USING (pid) \
                   WHERE NOT l.granted AND a.datname = current_database())";
    in_time(async {
        while !sqlx::query_scalar::<_, bool>(waiting).fetch_one(&mut connection).await.unwrap() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_are_edited_and_deleted_while_results_of_them_arrive_without_a_deadlock() {
    const ROUNDS: u32 = 25;
    let hub = TestStore::new(Engine::Postgres).await;
    let mut probes = Vec::new();
    for server_id in ["p1", "p2", "p3"] {
        probes.push(hub.probe(server_id, "eu").await);
    }
    let peers = Arc::new(Mutex::new(Vec::<PeerId>::new()));
    let done = Arc::new(AtomicBool::new(false));
    let mut reporting = Vec::new();
    for (nth, probe) in probes.into_iter().enumerate() {
        // Each probe reports to another hub.
        let (other, peers, done) = (hub.second_hub().await.unwrap(), peers.clone(), done.clone());
        reporting.push(tokio::spawn(async move {
            let mut reported = 0;
            for at in 0.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                let now = NOW + seconds(at * 3 + nth as u64);
                let listed = peers.lock().unwrap().clone();
                let results = listed.into_iter().map(|peer| online(peer, now)).collect();
                // A peer that is deleted meanwhile makes the probe send the batch again.
                reported += other.ingest(batch(&probe, results, now)).await.map_or(0, |receipt| receipt.accepted);
                other.fold().await.unwrap();
            }
            other.close().await;
            reported
        }));
    }
    for round in 0..ROUNDS {
        let kept = hub.add(&format!("tcp://192.0.2.1:{}", 10_000 + round)).await;
        let deleted = hub.add(&format!("tcp://192.0.2.2:{}", 10_000 + round)).await;
        peers.lock().unwrap().extend([kept, deleted]);
        hub.edit_peer(kept, |spec| spec.name = "renamed".into(), NOW).await.unwrap();
        hub.edit_peer(deleted, |spec| spec.regions = [region("eu")].into(), NOW).await.unwrap();
        hub.delete_peer(deleted, NOW).await.unwrap();
        peers.lock().unwrap().retain(|peer| *peer != deleted);
    }
    done.store(true, Ordering::Relaxed);
    for reporting in reporting {
        assert!(reporting.await.unwrap() > 0);
    }
    // A session writes its statistics when it ends.
    hub.close().await;
    let mut connection = connect(&hub).await;
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(sqlx::query_scalar::<_, i64>(deadlocks).fetch_one(&mut connection).await.unwrap(), 0);
}
