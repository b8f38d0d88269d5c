//! The probe in the process of a hub: it checks the hub's own peers, and stores its results in the hub's store.

use std::{pin::pin, sync::Arc, time::Duration};

use easytier_probe::{Origin, Peer};
use easytier_uptime_store::{
    Store, StoreError,
    domain::{ConfigVersion, PeerScope, Region, Role},
};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{
    checking::CheckPlan,
    jobs::{Job, Scheduler},
    monitoring::ProbeMonitor,
    orders::{self, StoreDesk, Worker},
    probe::Probe,
    schedule::Schedule,
};

/// How often the hub's peers are polled for changes; more often if they are checked more often.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// How many peers are read at a time.
const PAGE_SIZE: u32 = 1000;

/// A probe in the process of a hub. The operator may change its intervals at run time.
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
    /// A probe for the hub with this store. It has no peers until it [`run`](Self::run)s.
    ///
    /// # Errors
    /// The error of the store, if the probe cannot be added to it.
    pub async fn new(store: Store, server_id: &str, region: Region, plan: CheckPlan) -> Result<Self, StoreError> {
        let plan = match store.live_settings().intervals {
            Some(intervals) => plan.with_intervals(intervals),
            None => plan,
        };
        let probe = Probe::new(store.clone(), server_id, &region, plan).await?.in_hub();
        Ok(Self { probe, peers: HubPeers { store, region } })
    }

    /// The probe as the monitoring API shows it.
    pub fn monitor(&self) -> Arc<ProbeMonitor> {
        // There is no backend whose calls could fail.
        self.probe.monitor(Arc::default())
    }

    /// Checks the hub's peers until `stop`, and starts over when the operator changes the intervals. Its jobs run on
    /// `scheduler`.
    pub async fn run(self, scheduler: &Scheduler, stop: CancellationToken) {
        let Self { mut probe, peers } = self;
        let mut live_settings = peers.store.watch_live_settings();
        loop {
            let until = stop.child_token();
            let (state, plan) = (probe.state.clone(), probe.plan.clone());
            let mut watch = pin!(peers.watch(probe, scheduler, until.clone()));
            let changed = tokio::select! {
                () = &mut watch => return,
                changed = live_settings.wait_for(|settings| settings.intervals != plan.intervals()) => changed,
            };
            // A schedule can be changed only in the configuration.
            let Some(intervals) = changed.ok().and_then(|settings| settings.intervals) else { return watch.await };
            tracing::info!(?intervals, "the operator changed the intervals");
            until.cancel();
            watch.await;
            probe = Probe::with_plan(peers.store.clone(), state, plan.with_intervals(intervals)).await.in_hub();
        }
    }
}

impl HubPeers {
    /// Lets the probe check these peers, and applies their changes, until `stop`.
    async fn watch(&self, probe: Probe, scheduler: &Scheduler, stop: CancellationToken) {
        let checking = Arc::clone(&probe.checking);
        let status = Arc::clone(&probe.status);
        let store_status = Job::new("status", Schedule::Every(probe.plan.report_interval), move || {
            let status = Arc::clone(&status);
            async move { status.store().await }
        });
        let poll_interval = POLL_INTERVAL.min(probe.plan.interval);
        let follow = async {
            let mut polls = interval(poll_interval);
            polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut seen = None;
            loop {
                tokio::select! {
                    _ = polls.tick() => {}
                    () = stop.cancelled() => return,
                }
                match self.changed(&mut seen).await {
                    Ok(Some(peers)) => checking.set_peers(peers),
                    Ok(None) => {}
                    Err(error) => tracing::warn!(%error, "the peers cannot be read; the previous ones are watched"),
                }
            }
        };
        let desk = StoreDesk { store: self.store.clone(), probe: probe.state.identity.clone(), signed_at: None };
        let orders =
            orders::follow(desk, Worker { checking: Arc::clone(&probe.checking), control: None }, stop.clone());
        tokio::join!(probe.run(scheduler, vec![store_status], stop.clone()), follow, orders);
    }

    /// All peers, unless their version is `seen`.
    async fn changed(&self, seen: &mut Option<ConfigVersion>) -> Result<Option<Vec<Peer>>, StoreError> {
        let version = self.store.held_config().await?;
        if *seen == Some(version) {
            return Ok(None);
        }
        let scope = PeerScope { region: Some(self.region.clone()), with_secrets: true };
        // The operator entered them at this hub, or another operator at the primary.
        let origin = match self.store.instance().await?.role {
            Role::Dependent => Origin::Remote,
            Role::Standalone | Role::Primary => Origin::Local,
        };
        let (mut peers, mut cursor) = (Vec::new(), None);
        loop {
            let page = self.store.probe_peers(&scope, cursor, PAGE_SIZE).await?;
            peers.extend(page.peers.into_iter().map(|peer| peer.to_check(origin, version)));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        *seen = Some(version);
        Ok(Some(peers))
    }
}
