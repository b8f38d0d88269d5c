//! Outages and the incidents that they make, with the time of the test.

use easytier_uptime_hub::incidents::Recorder;
use easytier_uptime_store::domain::{PeerId, ProbeIdentity, Timestamp};

use crate::support::{TestStore, offline, online, seconds};

/// Results of nodes over time, and a recorder of incidents.
pub struct Outage<'a> {
    pub store: &'a TestStore,
    pub recorder: Recorder,
    pub probe: ProbeIdentity,
    pub now: Timestamp,
}

impl<'a> Outage<'a> {
    /// Begins at a time, with a probe in the region `eu`.
    pub async fn begin(store: &'a TestStore, now: Timestamp) -> Self {
        let probe = store.local_probe("p", &"eu".parse().unwrap(), now).await.unwrap();
        Self { store, recorder: Recorder::new(store.store.clone()), probe, now }
    }

    /// What the probe sees for three checks, 20 seconds apart; the recorder looks every second.
    pub async fn see(&mut self, up: &[PeerId], down: &[PeerId]) {
        for _ in 0..3 {
            self.store.heartbeat(&self.probe, None, self.now).await.unwrap();
            let now = self.now;
            let results = up.iter().map(|peer| online(*peer, now)).chain(down.iter().map(|peer| offline(*peer, now)));
            self.store.report(&self.probe, results.collect(), now).await;
            self.run(20).await;
        }
    }

    /// Nothing but time passes.
    pub async fn run(&mut self, length: u64) {
        for _ in 0..length {
            self.now = self.now + seconds(1);
            self.recorder.step(self.now).await.unwrap();
        }
    }
}
