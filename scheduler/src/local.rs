//! The probe in the process of a hub: it checks the hub's own peers, and its results go straight into the hub's store.

use std::{sync::Arc, time::Duration};

use easytier_probe::{Origin, Peer};
use easytier_uptime_hub::{
    model::{PeerScope, Region},
    store::{Store, StoreError},
};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{checking::CheckPlan, jobs::Job, probe::Probe, schedule::Schedule, vitals::Vitals};

/// How often is looked whether somebody changed the hub's peers; more often when they are checked more often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Peers that are read at a time.
const PAGE: u32 = 1000;

/// A probe of the hub with this store.
pub struct LocalProbe {
    probe: Probe,
    peers: HubPeers,
}

/// The hub's peers for one region.
struct HubPeers {
    store: Store,
    region: Region,
}

impl LocalProbe {
    /// A probe that checks nothing yet.
    pub async fn new(store: Store, server_id: &str, region: Region, plan: CheckPlan) -> Result<Self, StoreError> {
        let probe = Probe::new(store.clone(), server_id, &region, plan).await?;
        Ok(Self { probe, peers: HubPeers { store, region } })
    }

    /// What tells how the probe does.
    pub fn vitals(&self) -> Arc<Vitals> {
        Arc::clone(&self.probe.vitals)
    }

    /// Checks the hub's peers until it is told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let Self { probe, peers } = self;
        let checking = Arc::clone(&probe.checking);
        let status = Arc::clone(&probe.status);
        let note = Job::new("status", Schedule::Every(probe.plan.report_interval), move || {
            let status = Arc::clone(&status);
            async move { status.note().await }
        });
        let look_every = LOOK_EVERY.min(probe.plan.interval);
        let follow = async {
            let mut looks = interval(look_every);
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut seen = None;
            loop {
                tokio::select! {
                    _ = looks.tick() => {}
                    () = stop.cancelled() => return,
                }
                match peers.changed(&mut seen).await {
                    Ok(Some(peers)) => checking.set_peers(peers),
                    Ok(None) => {}
                    Err(error) => tracing::warn!(%error, "the peers cannot be read; those of before are watched"),
                }
            }
        };
        tokio::join!(probe.run(vec![note], stop.clone()), follow);
    }
}

impl HubPeers {
    /// All peers, if they are others than those of the version `seen`.
    async fn changed(&self, seen: &mut Option<i64>) -> Result<Option<Vec<Peer>>, StoreError> {
        let version = self.store.config_version().await?;
        if *seen == Some(version) {
            return Ok(None);
        }
        let scope = PeerScope { region: Some(self.region.clone()), with_secrets: true };
        let (mut peers, mut cursor) = (Vec::new(), None);
        loop {
            let page = self.store.probe_peers(&scope, cursor, PAGE).await?;
            // The operator named them at this very hub.
            peers.extend(page.peers.into_iter().map(|peer| peer.to_check(Origin::Local)));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        *seen = Some(version);
        Ok(Some(peers))
    }
}
