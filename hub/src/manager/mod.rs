//! Configures managed probes and asks them for statistics. One hub at a time does it.
//!
//! A configuration is pushed to a probe as soon as there is a newer one than the probe has, and then every ten seconds until the probe
//! has taken it. Every ten seconds each probe is asked for its statistics.

pub(crate) mod client;
pub(crate) mod configuration;
mod exchange;
mod member;
mod proxy;
pub(crate) mod statistics;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use easytier_uptime_store::{
    Store, StoreError,
    domain::{ClusterId, ConfigVersion, ManageProblem, Managed, ProbeId, Timestamp},
};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use url::Url;

pub use self::{
    client::ControlClient,
    proxy::{ControlProxy, ControlProxyError},
};
use self::{
    configuration::Configurations,
    exchange::Exchange,
    member::{Member, Pushed, Reached, Work},
    statistics::Statistics,
};

/// The time between two looks for what is due.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// The time between two transactions that store what was found out.
const STORE_INTERVAL: Duration = Duration::from_secs(1);

/// How many probes are asked something at the same time.
const MAX_RUNNING: usize = 64;

/// What became of one piece of work.
enum Done {
    Pushed(ProbeId, Result<Pushed, ManageProblem>),
    Pulled(ProbeId, Result<(Reached, Statistics), ManageProblem>),
    /// The database failed.
    Failed(ProbeId, StoreError),
}

/// Manages probes until `stop`. `own`: the URL of this hub, for probes that are to report to it.
pub async fn manage(store: &Store, client: ControlClient, own: &Url, stop: &CancellationToken) {
    let mut manager = Manager {
        configurations: Configurations::new(store.clone()),
        exchange: Exchange { store: store.clone(), client },
        own: own.clone(),
        cluster: None,
        members: BTreeMap::new(),
        revision: None,
        version: ConfigVersion::default(),
        running: JoinSet::new(),
        stored_at: Instant::now(),
    };
    let mut looks = interval(LOOK_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            Some(done) = manager.running.join_next() => {
                match done {
                    Ok(done) => manager.note(done),
                    Err(error) => tracing::error!(%error, "a question to a probe panicked"),
                }
                manager.start_due();
            }
            _ = looks.tick() => {
                if let Err(error) = manager.look().await {
                    tracing::warn!(%error, "cannot look after the managed probes; trying again");
                }
            }
        }
    }
}

struct Manager {
    configurations: Configurations,
    exchange: Exchange,
    own: Url,
    /// The cluster to which probes are bound.
    cluster: Option<ClusterId>,
    members: BTreeMap<ProbeId, Member>,
    /// Which changes of the operator are known; `None` where another hub manages the probes.
    revision: Option<i64>,
    /// The version of the configuration that this hub holds.
    version: ConfigVersion,
    running: JoinSet<Done>,
    stored_at: Instant,
}

impl Manager {
    async fn look(&mut self) -> Result<(), StoreError> {
        let Some((version, revision)) = self.exchange.store.to_manage().await? else {
            (self.members, self.revision) = (BTreeMap::new(), None);
            return Ok(());
        };
        let now = Instant::now();
        if self.revision != Some(revision) {
            self.read(now).await?;
            self.revision = Some(revision);
        }
        if self.version != version {
            self.version = version;
            self.members.values_mut().for_each(|member| member.push_now(now));
        }
        self.start_due();
        if self.stored_at.elapsed() >= STORE_INTERVAL {
            self.stored_at = now;
            self.store().await?;
        }
        Ok(())
    }

    async fn read(&mut self, now: Instant) -> Result<(), StoreError> {
        let fleet = self.exchange.store.fleet().await?;
        self.cluster = match fleet.is_empty() {
            true => None,
            false => Some(self.exchange.store.managing_cluster().await?),
        };
        let ids: BTreeSet<ProbeId> = fleet.iter().map(|managed| managed.probe.id).collect();
        self.members.retain(|id, _| ids.contains(id));
        for managed in fleet {
            match self.members.get_mut(&managed.probe.id) {
                Some(member) => member.renew(managed, now),
                None => drop(self.members.insert(managed.probe.id, Member::new(managed, now))),
            }
        }
        Ok(())
    }

    /// Begins what is due: first configurations, then questions.
    fn start_due(&mut self) {
        let Some(cluster) = self.cluster else { return };
        let (now, version) = (Instant::now(), self.version);
        for wanted in [Work::Push, Work::Pull] {
            for member in self.members.values_mut() {
                if self.running.len() >= MAX_RUNNING {
                    return;
                }
                if member.due(version, now) == Some(wanted) {
                    member.is_busy = true;
                    let (exchange, managed) = (self.exchange.clone(), member.managed.clone());
                    match wanted {
                        Work::Push => {
                            let (configurations, own) = (self.configurations.clone(), self.own.clone());
                            self.running.spawn(push(exchange, configurations, cluster, own, managed));
                        }
                        Work::Pull => drop(self.running.spawn(pull(exchange, managed))),
                    }
                }
            }
        }
    }

    fn note(&mut self, done: Done) {
        let (now, at) = (Instant::now(), Timestamp::now());
        let (Done::Pushed(id, _) | Done::Pulled(id, _) | Done::Failed(id, _)) = &done;
        // It may have been removed meanwhile.
        let Some(member) = self.members.get_mut(id) else { return };
        member.is_busy = false;
        match done {
            Done::Pushed(_, outcome) => {
                if let Err(problem) = &outcome
                    && member.managed.probe.contact.problem.as_ref() != Some(problem)
                {
                    let server_id = &member.managed.probe.server_id;
                    tracing::warn!(%server_id, %problem, "the configuration does not reach a probe; trying again");
                }
                member.pushed(outcome, now, at);
            }
            Done::Pulled(_, outcome) => member.pulled(outcome, now, at),
            Done::Failed(_, error) => {
                let server_id = &member.managed.probe.server_id;
                tracing::warn!(%server_id, %error, "the configuration of a probe cannot be read; trying again");
                member.put_off(now);
            }
        }
    }

    async fn store(&mut self) -> Result<(), StoreError> {
        let news: Vec<_> = self.members.values_mut().filter_map(Member::news).collect();
        let stored = self.exchange.store.note_contacts(&news).await;
        if stored.is_err() {
            for news in &news {
                self.members.get_mut(&news.id).into_iter().for_each(Member::store_again);
            }
        }
        stored
    }
}

async fn push(
    exchange: Exchange,
    configurations: Configurations,
    cluster: ClusterId,
    own: Url,
    managed: Managed,
) -> Done {
    let (id, revision) = (managed.probe.id, managed.probe.revision);
    let enrollment = managed.enrollment.as_ref().map(|token| (token, &own));
    let (version, body) = match configurations.of(&managed.probe, cluster, enrollment).await {
        Ok(made) => made,
        Err(error) => return Done::Failed(id, error),
    };
    let outcome = exchange.push(&managed, body).await;
    Done::Pushed(id, outcome.map(|reached| Pushed { version, revision, reached }))
}

async fn pull(exchange: Exchange, managed: Managed) -> Done {
    Done::Pulled(managed.probe.id, exchange.pull(&managed).await)
}
