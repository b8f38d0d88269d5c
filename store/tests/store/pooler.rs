//! PostgreSQL behind PgBouncer in transaction mode.

use std::collections::BTreeSet;

use easytier_uptime_store::{
    HubKey, Location, Store, StoreOptions,
    domain::{Caller, Claim, DAY, LiveSettings, PageRequest, PeerFilter, PeerId, Policy, RecordFilter},
};
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};

use crate::support::{
    NOW, batch, offline, online, pgbouncer::PgBouncer, postgres, region, seconds, spec, wait_for_connection,
};

const HUBS: u64 = 3;
const ROUNDS: u64 = 15;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hubs_share_the_sessions_of_a_pooler() {
    work_through("").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hubs_share_the_sessions_of_a_pooler_that_ignores_their_settings() {
    work_through("ignore_startup_parameters = extra_float_digits,options").await;
}

async fn work_through(options: &str) {
    let (direct, port) = postgres::fresh_database_and_port().await;
    let pooler = PgBouncer::start(port, options);
    let url = pooler.url(direct.rsplit_once('/').unwrap().1.split('?').next().unwrap());
    wait_for_connection(&url).await;
    let store = StoreOptions::new(Location::Postgres(url.clone().into()), HubKey::generate());
    // All migrate at the same time.
    let hubs = futures::future::join_all((0..HUBS).map(|_| Store::open(store.clone(), NOW))).await;
    let hubs: Vec<Store> = hubs.into_iter().map(Result::unwrap).collect();
    let mut working = Vec::new();
    for (nth, hub) in (0..).zip(&hubs) {
        working.push(tokio::spawn(work(hub.clone(), nth)));
    }
    for done in working {
        done.await.unwrap();
    }
    let peers = hubs[0].peers(&PeerFilter::default(), PageRequest::default()).await.unwrap();
    assert_eq!(peers.total, HUBS * ROUNDS);
    for hub in hubs {
        hub.close().await;
    }
    // Nothing is left in the sessions.
    let options: PgConnectOptions = url.parse().unwrap();
    let mut connection = PgConnection::connect_with(&options.extra_float_digits(None)).await.unwrap();
    for _ in 0..6 {
        let left = "SELECT (SELECT count(*) FROM pg_prepared_statements), current_setting('lock_timeout')";
        let row = sqlx::raw_sql(left).fetch_one(&mut connection).await.unwrap();
        assert_eq!((sqlx::Row::get::<i64, _>(&row, 0), sqlx::Row::get::<&str, _>(&row, 1)), (0, "0"));
    }
}

/// What a hub does.
async fn work(hub: Store, nth: u64) {
    let probe = hub.local_probe(&format!("p{nth}"), &region(&format!("r{nth}")), NOW).await.unwrap();
    hub.heartbeat(&probe, None, NOW).await.unwrap();
    let token = hub.create_node_token(&format!("t{nth}"), None, &region("other"), NOW).await.unwrap();
    let mut peers = Vec::<PeerId>::new();
    for round in 0..ROUNDS {
        let now = NOW + seconds(round);
        let url = format!("tcp://192.0.2.{}:{}", nth + 1, 10_000 + round);
        let peer = hub.add_peer(&spec(&url), now).await.unwrap();
        hub.edit_peer(peer, |spec| spec.name = url.clone(), now).await.unwrap();
        peers.push(peer);
        let claim = Claim { count: 1000, interval: seconds(30), lease: seconds(30) };
        let claimed = hub.claim_peers(&probe, &claim, now).await.unwrap();
        let claimed: BTreeSet<PeerId> = claimed.peers.into_iter().map(|peer| peer.id).collect();
        assert!(claimed.contains(&peer));
        let result = if round % 2 == 0 { online(peer, now) } else { offline(peer, now) };
        let sent = batch(&probe, vec![result], now);
        assert_eq!(hub.ingest(sent.clone()).await.unwrap().accepted, 1);
        assert_eq!(hub.ingest(sent).await.unwrap().duplicates, 1);
        let is_caller = |caller| matches!(caller, Some(Caller::Probe(_)));
        assert!(is_caller(hub.authenticate(token.token.expose(), NOW).await.unwrap()));
        hub.fold().await.unwrap();
        hub.review(now).await.unwrap();
        hub.sweep(now).await.unwrap();
        let records = hub.health_records(peer, &RecordFilter::default(), PageRequest::default(), now).await.unwrap();
        assert_eq!(records.total, 1);
    }
    let policy = Policy { confirmations: 3, ..Policy::default() };
    hub.change_live_settings(&LiveSettings { policy, ..LiveSettings::default() }, NOW).await.unwrap();
    assert_eq!(hub.live_settings().policy, policy);
    hub.sweep(NOW + DAY).await.unwrap();
    assert!(!hub.events(None, None, 100, true).await.unwrap().is_empty());
}
