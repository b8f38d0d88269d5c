//! A whole hub, by the clock of the machine.

use std::{sync::Arc, time::Duration};

use easytier_uptime_alerts::Change;
use easytier_uptime_hub::notify::{Channels, notify};
use easytier_uptime_store::{
    domain::{LiveSettings, Policy, Timestamp},
    upkeep,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    add_channel, add_rule,
    receiver::{Answers, Receiver},
    support::{TestStore, batch, offline, on_both_engines, online, spec},
};

on_both_engines! {
    from_a_verdict_to_a_message_it_takes_less_than_fifteen_seconds,
}

async fn from_a_verdict_to_a_message_it_takes_less_than_fifteen_seconds(test: TestStore) {
    let store = test.open_at(Timestamp::now()).await.unwrap();
    let receiver = Receiver::start(Answers::Takes).await;
    add_channel(&store, "ops", &receiver.url).await;
    add_rule(&store, "ops", &[Change::Down, Change::Up]).await;
    let wanted = LiveSettings { policy: Policy { confirmations: 1, ..Policy::default() }, ..store.live_settings() };
    store.change_live_settings(&wanted, Timestamp::now()).await.unwrap();
    let stop = CancellationToken::new();
    let (served, stopped) = (store.clone(), stop.clone());
    let running = tokio::spawn(async move {
        let upkeep = upkeep(served.clone(), stopped.clone().cancelled_owned());
        tokio::join!(upkeep, notify(&served, Arc::new(Channels::default()), None, stopped));
    });
    // A hub that finds something when it looks for the first time waits until that is current.
    let begun = Instant::now();
    while store.alert_news(1).await.unwrap().unwrap().plan.planned_at.is_none() {
        assert!(begun.elapsed() < Duration::from_secs(10));
        tokio::task::yield_now().await;
    }
    let peer = store.add_peer(&spec("tcp://192.0.2.1:11010"), Timestamp::now()).await.unwrap();
    let probe = store.local_probe("p", &"eu".parse().unwrap(), Timestamp::now()).await.unwrap();
    let now = Timestamp::now();
    store.ingest(batch(&probe, vec![online(peer, now)], now)).await.unwrap();
    let now = now + Duration::from_millis(10);
    store.ingest(batch(&probe, vec![offline(peer, now)], now)).await.unwrap();
    receiver.requests(1, Duration::from_secs(15)).await;
    stop.cancel();
    running.await.unwrap();
    let (message, requests) = receiver.messages().remove(0);
    assert_eq!((message.nodes[0].id, requests), (peer.0, 1));
}
