//! The probe in the process of a hub: it checks the hub's own peers, and its results go straight into the hub's store.

use std::{pin::pin, sync::Arc, time::Duration};

use easytier_probe::{Origin, Peer};
use easytier_uptime_store::{
    model::{PeerScope, Region},
    store::{Store, StoreError},
};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{
    checking::CheckPlan,
    jobs::{Job, Scheduler},
    probe::Probe,
    schedule::Schedule,
    vitals::Vitals,
};

/// How often is looked whether somebody changed the hub's peers; more often when they are checked more often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Peers that are read at a time.
const PAGE: u32 = 1000;

/// A probe of the hub with this store. The operator may change how often it checks.
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
        let plan = match store.tuning().intervals {
            Some(intervals) => plan.with_intervals(intervals),
            None => plan,
        };
        let probe = Probe::new(store.clone(), server_id, &region, plan).await?;
        Ok(Self { probe, peers: HubPeers { store, region } })
    }

    /// What tells how the probe does.
    pub fn vitals(&self) -> Arc<Vitals> {
        Arc::clone(&self.probe.vitals)
    }

    /// Checks the hub's peers until `stop`, and starts over when the operator changes the intervals. Its jobs run on
    /// `scheduler`.
    pub async fn run(self, scheduler: &Scheduler, stop: CancellationToken) {
        let Self { mut probe, peers } = self;
        let mut tuning = peers.store.follow_tuning();
        loop {
            let until = stop.child_token();
            let (identity, vitals, plan) = (probe.identity.clone(), Arc::clone(&probe.vitals), probe.plan.clone());
            let mut watch = pin!(peers.watch(probe, scheduler, until.clone()));
            let tuned = tokio::select! {
                () = &mut watch => return,
                tuned = tuning.wait_for(|tuning| tuning.intervals != plan.intervals()) => tuned,
            };
            // Those of a schedule are not the operator's to change.
            let Some(intervals) = tuned.ok().and_then(|tuned| tuned.intervals) else { return watch.await };
            tracing::info!(?intervals, "checking at other intervals");
            until.cancel();
            watch.await;
            probe = Probe::with_vitals(peers.store.clone(), identity, plan.with_intervals(intervals), vitals).await;
        }
    }
}

impl HubPeers {
    /// Has the probe check these peers, and what becomes of them, until it is told to stop.
    async fn watch(&self, probe: Probe, scheduler: &Scheduler, stop: CancellationToken) {
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
                match self.changed(&mut seen).await {
                    Ok(Some(peers)) => checking.set_peers(peers),
                    Ok(None) => {}
                    Err(error) => tracing::warn!(%error, "the peers cannot be read; those of before are watched"),
                }
            }
        };
        tokio::join!(probe.run(scheduler, vec![note], stop.clone()), follow);
    }

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
