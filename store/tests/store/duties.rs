//! How hubs on one database share the work of which each piece is one hub's at a time.

use std::{collections::BTreeMap, time::Duration};

use easytier_uptime_store::{
    Backlog, HeldDuties, Location, Store,
    domain::{LiveSettings, PeerId, Policy},
};
use sqlx::{Connection, PgConnection};

use crate::support::{Engine, NOW, TestStore, batch, offline, on_both_engines, online, seconds};

on_both_engines! {
    a_hub_alone_holds_all_duties,
}

/// As long as a lease lasts.
const LEASE: Duration = Duration::from_secs(10);

/// The shards that a hub folds.
fn shards(hub: &Store) -> usize {
    hub.held_duties().fold
}

/// The holder and the epoch of each shard.
async fn holders(hub: &TestStore) -> BTreeMap<String, (String, i64)> {
    let Location::Postgres(url) = &hub.options.location else { panic!("it is a URL") };
    let mut connection = PgConnection::connect(url.expose()).await.unwrap();
    let select = "SELECT name, holder, epoch FROM duties WHERE name LIKE 'fold-%' AND \
                  expires_at > extract(epoch FROM clock_timestamp()) * 1000";
    let rows: Vec<(String, String, i64)> = sqlx::query_as(select).fetch_all(&mut connection).await.unwrap();
    rows.into_iter().map(|(name, holder, epoch)| (name, (holder, epoch))).collect()
}

/// The turns of running hubs: each gives a sign of life and folds, several times.
async fn work(hubs: &[&Store]) {
    for _ in 0..3 {
        for hub in hubs {
            hub.refresh_hub().await.unwrap();
            hub.fold().await.unwrap();
        }
    }
}

/// Peers in all shards, two in each.
async fn peers(hub: &TestStore) -> Vec<PeerId> {
    let mut peers = Vec::new();
    for nth in 0..16 {
        peers.push(hub.add(&format!("tcp://192.0.2.{nth}:11010")).await);
    }
    peers
}

async fn a_hub_alone_holds_all_duties(hub: TestStore) {
    assert_eq!(hub.held_duties(), HeldDuties::default());
    hub.fold().await.unwrap();
    hub.review(NOW).await.unwrap();
    hub.sweep(NOW).await.unwrap();
    assert_eq!(hub.held_duties(), HeldDuties { fold: 8, presence: 1, retention: 1, ..HeldDuties::default() });
}

#[tokio::test(flavor = "multi_thread")]
async fn hubs_share_the_shards_evenly_and_keep_them() {
    let first = TestStore::new(Engine::Postgres).await;
    work(&[&first]).await;
    assert_eq!(shards(&first), 8);

    let second = first.second_hub().await.unwrap();
    work(&[&first, &second]).await;
    assert_eq!([shards(&first), shards(&second)], [4, 4]);

    let third = first.second_hub().await.unwrap();
    work(&[&first, &second, &third]).await;
    assert_eq!([shards(&first), shards(&second), shards(&third)], [3, 3, 2]);

    let shared = holders(&first).await;
    assert_eq!(shared.len(), 8);
    for order in [[&first.store, &second, &third], [&third, &second, &first.store], [&second, &first.store, &third]] {
        work(&order).await;
        for hub in order {
            hub.review(NOW).await.unwrap();
        }
    }
    assert_eq!(holders(&first).await, shared, "nobody takes or gives up anything");

    second.close().await;
    work(&[&first, &third]).await;
    assert_eq!([shards(&first), shards(&third)], [4, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn hubs_that_share_the_shards_apply_each_result_once() {
    let hub = TestStore::new(Engine::Postgres).await;
    let (peers, probe) = (peers(&hub).await, hub.probe("p1", "eu").await);
    let other = hub.second_hub().await.unwrap();
    let mut applied = [0, 0];
    for round in 0..10 {
        let at = NOW + seconds(round);
        let results = peers.iter().map(|peer| online(*peer, at)).collect();
        let to = if round % 2 == 0 { &hub.store } else { &other };
        assert_eq!(to.ingest(batch(&probe, results, at)).await.unwrap().accepted, peers.len());
        hub.refresh_hub().await.unwrap();
        // The other one joins in the middle.
        if round >= 3 {
            other.refresh_hub().await.unwrap();
        }
        let (one, two) = tokio::join!(hub.fold(), other.fold());
        applied[0] += one.unwrap().results;
        applied[1] += two.unwrap().results;
    }
    work(&[&hub, &other]).await;
    assert_eq!(hub.backlog().await.unwrap(), Backlog::default());
    assert!(applied.iter().all(|results| *results > 0), "{applied:?}");
    for peer in peers {
        assert_eq!(hub.node_stats(peer, seconds(3600), NOW).await.unwrap().checks.total_checks, 10, "peer {peer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shards_of_a_hub_that_was_killed_are_taken_over_as_its_leases_expire() {
    let hub = TestStore::new(Engine::Postgres).await;
    let dead = hub.second_hub().await.unwrap();
    work(&[&hub, &dead]).await;
    let lived = holders(&hub).await;
    // Not yet expired: the last sign of life and the leases are younger than a lease.
    let age = async |by: Duration| {
        let by = by.as_millis();
        hub.run_sql(&format!("UPDATE duties SET expires_at = expires_at - {by}")).await;
        hub.run_sql(&format!("UPDATE hubs SET seen_at = seen_at - {by}, started_at = started_at - {by}")).await;
        hub.refresh_hub().await.unwrap();
        hub.fold().await.unwrap();
    };
    age(LEASE / 2).await;
    assert_eq!((shards(&hub), holders(&hub).await), (4, lived));
    age(LEASE / 2).await;
    assert_eq!((shards(&hub), holders(&hub).await.len()), (8, 8));
    // It was not dead, but stopped.
    work(&[&dead, &hub]).await;
    assert_eq!([shards(&hub), shards(&dead)], [4, 4]);
}

/// A hub that fails at its start, and is started again and again, would leave its share to nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a_hub_has_no_share_before_it_works() {
    let hub = TestStore::new(Engine::Postgres).await;
    let _starting = hub.second_hub().await.unwrap();
    work(&[&hub]).await;
    assert_eq!(shards(&hub), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_hubs_than_shards_leave_no_shard_to_nobody() {
    let first = TestStore::new(Engine::Postgres).await;
    let mut hubs = vec![first.store.clone()];
    for _ in 0..9 {
        hubs.push(first.second_hub().await.unwrap());
    }
    let all: Vec<&Store> = hubs.iter().collect();
    work(&all).await;
    let mut held: Vec<usize> = hubs.iter().map(shards).collect();
    held.sort_unstable();
    assert_eq!(held, [0, 0, 1, 1, 1, 1, 1, 1, 1, 1]);
}

/// A reader looks for changes after the newest that it has seen: one with an older id that appears later would be missed.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_does_not_appear_behind_one_that_was_seen() {
    let hub = TestStore::new(Engine::Postgres).await;
    let policy = Policy { confirmations: 1, ..Policy::default() };
    hub.change_live_settings(&LiveSettings { policy, ..hub.live_settings() }, NOW).await.unwrap();
    let (peers, probe) = (peers(&hub).await, hub.probe("p1", "eu").await);
    let other = hub.second_hub().await.unwrap();
    other.reload_live_settings().await.unwrap();
    hub.report(&probe, peers.iter().map(|peer| online(*peer, NOW)).collect(), NOW).await;
    work(&[&hub, &other]).await;
    let (slow, fast) = (peers[0], peers[4]);
    assert_eq!([slow.0 % 8, fast.0 % 8], [1, 5], "they are in shards of different hubs");
    let at = NOW + seconds(60);
    hub.ingest(batch(&probe, vec![offline(slow, at), offline(fast, at)], at)).await.unwrap();

    // The counts of the one peer are locked for a while.
    let Location::Postgres(url) = &hub.options.location else { panic!("it is a URL") };
    let mut lock = PgConnection::connect(url.expose()).await.unwrap();
    let locked = format!("BEGIN; SELECT 1 FROM latest WHERE peer_id = {slow} FOR UPDATE");
    sqlx::raw_sql(sqlx::AssertSqlSafe(locked)).execute(&mut lock).await.unwrap();
    let store = hub.store.clone();
    let folding = tokio::spawn(async move {
        loop {
            // A statement waits for two seconds at most.
            if let Ok(folded) = store.fold().await {
                return folded;
            }
        }
    });
    while hub.count("pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()").await == 0 {
        tokio::task::yield_now().await;
    }
    let before = hub.pulse().await.unwrap();
    assert_eq!(other.fold().await.unwrap().results, 1);
    let seen = hub.pulse().await.unwrap();
    assert_eq!(hub.peers_with_events(before.event, seen.event).await.unwrap(), [fast]);
    lock.close().await.unwrap();
    assert_eq!(folding.await.unwrap().results, 1);
    let now = hub.pulse().await.unwrap();
    assert_eq!(hub.peers_with_events(seen.event, now.event).await.unwrap(), [slow]);
}
