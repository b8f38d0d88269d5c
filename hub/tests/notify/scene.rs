//! A hub on a real store, with the time of the test.

use easytier_uptime_alerts::Message;
use easytier_uptime_hub::notify::Planner;
use easytier_uptime_store::{
    Store,
    domain::{DeliveryState, PeerId, ProbeIdentity, Timestamp},
};

use crate::{
    add_channel,
    support::{NOW, TestStore, offline, online, seconds, spec},
};

const URL: &str = "http://192.0.2.1/hook";

/// A hub at a time, with one node and a probe that checks it.
pub struct Hub {
    pub test: TestStore,
    pub planner: Planner,
    pub probes: Vec<ProbeIdentity>,
    pub now: Timestamp,
}

impl Hub {
    pub async fn new(test: TestStore) -> Self {
        Self::at(test, NOW).await
    }

    pub async fn at(test: TestStore, now: Timestamp) -> Self {
        add_channel(&test, "ops", URL).await;
        let probes = vec![probe(&test, "p", "eu", now).await];
        let planner = Planner::new(test.store.clone(), Some("https://status.example".parse().unwrap()));
        let mut hub = Self { test, planner, probes, now };
        hub.run(20).await;
        hub
    }

    /// Results of all these nodes, and what the hub does each second, for so many seconds. Each probe checks every 20 seconds.
    pub async fn check(&mut self, online_ones: &[PeerId], offline_ones: &[PeerId], length: u64) {
        for nth in 0..length {
            for probe in self.probes.iter().filter(|_| nth % 20 == 0) {
                self.test.heartbeat(probe, None, self.now).await.unwrap();
                let now = self.now;
                let results = online_ones.iter().map(|peer| online(*peer, now));
                let results = results.chain(offline_ones.iter().map(|peer| offline(*peer, now))).collect();
                self.test.report(probe, results, now).await;
            }
            self.second().await;
        }
    }

    /// What the hub does each second, for so many seconds, while no results come.
    pub async fn run(&mut self, length: u64) {
        for _ in 0..length {
            self.second().await;
        }
    }

    async fn second(&mut self) {
        self.now = self.now + seconds(1);
        if self.now.0 / 1000 % 5 == 0 {
            self.test.review(self.now).await.unwrap();
        }
        self.planner.step(self.now).await.unwrap();
    }

    /// The hub ends, and starts again after so many seconds.
    pub fn restart(&mut self, pause: u64) {
        self.now = self.now + seconds(pause);
        self.planner = Planner::new(self.test.store.clone(), None);
    }

    pub async fn messages(&self) -> Vec<Message> {
        messages(&self.test).await
    }

    pub async fn titles(&self) -> Vec<String> {
        self.messages().await.into_iter().map(|message| message.title).collect()
    }
}

pub async fn messages(store: &Store) -> Vec<Message> {
    let mut all = store.deliveries(None, None, 1000).await.unwrap();
    all.reverse();
    assert!(all.iter().all(|one| one.state == DeliveryState::Waiting));
    all.into_iter().map(|one| serde_json::from_str(&one.message).unwrap()).collect()
}

/// A node with a name.
pub async fn add(hub: &Hub, name: &str) -> PeerId {
    let mut described = spec(&format!("tcp://{name}.example:11010"));
    described.name = name.into();
    hub.test.add_peer(&described, hub.now).await.unwrap()
}

pub async fn probe(store: &Store, name: &str, region: &str, now: Timestamp) -> ProbeIdentity {
    let probe = store.local_probe(name, &region.parse().unwrap(), now).await.unwrap();
    store.heartbeat(&probe, None, now).await.unwrap();
    probe
}
