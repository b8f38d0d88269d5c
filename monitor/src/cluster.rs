//! What `/health` and `/metrics` say about an instance among others. Whoever knows it implements [`Cluster`]; a daemon has none.

use std::{collections::BTreeMap, sync::atomic::AtomicU64};

use easytier_uptime_store::domain::{Leader, Role, Timestamp};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::public::source::Reading;

/// An instance among others.
pub trait Cluster: Send + Sync {
    /// Its place now.
    fn place(&self) -> Reading<'_, Place>;

    /// What `/metrics` shows.
    fn figures(&self) -> Reading<'_, ClusterFigures>;
}

/// The place of an instance in its cluster.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Place {
    /// The present role: `standalone`, `primary` or `dependent`.
    #[schema(value_type = String, example = "dependent")]
    pub role: Role,
    /// The role that the configuration names. It counts when it changes; the present one may be another since a failover.
    #[schema(value_type = String, example = "primary")]
    pub configured: Role,
    /// Grows with each change of the primary.
    pub epoch: i64,
    /// The primary.
    pub primary: Option<Primary>,
    /// Whether the primary answered last time; null before the first check, and at a hub that leaves this work to another
    /// one on the same database.
    pub primary_reachable: Option<bool>,
    /// Since when the primary does not answer.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub unreachable_since: Option<Timestamp>,
    /// When a dependent last compared its configuration with the primary's.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub synced_at: Option<Timestamp>,
    /// How long ago that is, in seconds.
    pub sync_age_seconds: Option<u64>,
    /// Whether its last attempt failed. `hub role` says why.
    pub sync_failed: bool,
    /// Whether nodes, credentials and settings can be changed here.
    pub accepts_edits: bool,
    /// Why a dependent does not take the place of a primary that is lost.
    #[serde(skip)]
    pub reason: Option<String>,
    /// Why a primary that answers is not followed.
    #[serde(skip)]
    pub refusal: Option<String>,
}

/// The primary, as an instance knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Primary {
    /// Its name.
    pub name: String,
    /// The base URL of its synchronisation API.
    pub url: Option<String>,
}

impl From<Leader> for Primary {
    fn from(leader: Leader) -> Self {
        Self { name: leader.name, url: leader.url }
    }
}

/// The figures of an instance.
#[derive(Debug)]
pub struct ClusterFigures {
    /// Its place.
    pub place: Place,
    /// How many synchronisations failed since the last one that worked.
    pub sync_errors: u64,
    /// How many results a dependent has not passed on yet.
    pub forward_backlog: u64,
    /// How many other instances have each status.
    pub members: BTreeMap<&'static str, u64>,
}

impl Place {
    /// Whether there is anything to say: the instance belongs to a cluster, or should.
    pub fn is_clustered(&self) -> bool {
        self.role != Role::Standalone || self.configured != Role::Standalone
    }

    /// In a few words: `primary, epoch 3`.
    pub fn summary(&self) -> String {
        match (self.role, &self.primary) {
            (Role::Standalone, _) => "standalone".to_owned(),
            (Role::Dependent, Some(Primary { name, url: Some(url) })) => {
                format!("dependent of {name} at {url}, epoch {}", self.epoch)
            }
            (Role::Dependent, Some(Primary { name, url: None })) => {
                format!("dependent of {name}, epoch {}", self.epoch)
            }
            (role, _) => format!("{}, epoch {}", role.as_str(), self.epoch),
        }
    }

    /// What needs somebody's attention, in sentences.
    pub fn warnings(&self) -> Vec<String> {
        let (role, configured) = (self.role.as_str(), self.configured.as_str());
        let elsewhere = (self.role != self.configured).then(|| format!("the role is {role}; configured: {configured}"));
        let silent = self.unreachable_since.map(|since| {
            let name = self.primary.as_ref().map_or("", |primary| primary.name.as_str());
            let why = self.reason.as_ref().map(|why| format!("; this instance does not take its place: {why}"));
            let silent = match &self.refusal {
                Some(refusal) => format!("the primary {name} is not followed since {since}: {refusal}"),
                None => format!("the primary {name} does not answer since {since}"),
            };
            silent + &why.unwrap_or_default()
        });
        let failed = self.sync_failed.then(|| {
            "the last synchronisation with the primary failed; 'easytier-uptime hub role' says why".to_owned()
        });
        let closed = (self.role == Role::Primary && !self.accepts_edits)
            .then(|| "this primary takes no changes now: it asks the other instances, or hands over".to_owned());
        [elsewhere, silent, failed, closed].into_iter().flatten().collect()
    }
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RoleLabel {
    role: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StatusLabel {
    status: &'static str,
}

/// The metrics of an instance, and the registry that names them.
pub(crate) struct ClusterMetrics {
    pub registry: Registry,
    role: Family<RoleLabel, Gauge>,
    epoch: Gauge,
    sync_age: Gauge<f64, AtomicU64>,
    sync_errors: Gauge,
    forward_backlog: Gauge,
    members: Family<StatusLabel, Gauge>,
}

impl Default for ClusterMetrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("easytier_uptime");
        let (role, members) = (Family::default(), Family::default());
        let (epoch, sync_errors, forward_backlog) = (Gauge::default(), Gauge::default(), Gauge::default());
        let sync_age = Gauge::default();
        registry.register("instance_role", "1 for the present role of this instance", Family::clone(&role));
        registry.register("instance_epoch", "Grows with each change of the primary", Gauge::clone(&epoch));
        registry.register_with_unit(
            "sync_age",
            "How long ago a dependent last compared its configuration with the primary's; 0 elsewhere",
            Unit::Seconds,
            Gauge::clone(&sync_age),
        );
        registry.register(
            "sync_errors",
            "Synchronisations that failed since the last one that worked",
            Gauge::clone(&sync_errors),
        );
        registry.register(
            "forward_backlog",
            "Results that a dependent has not passed on to the primary yet",
            Gauge::clone(&forward_backlog),
        );
        registry.register("instances", "Other instances of the cluster, by status", Family::clone(&members));
        Self { registry, role, epoch, sync_age, sync_errors, forward_backlog, members }
    }
}

impl ClusterMetrics {
    /// Sets the gauges.
    pub fn observed(&self, figures: &ClusterFigures) {
        let gauge = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let place = &figures.place;
        for role in [Role::Standalone, Role::Primary, Role::Dependent] {
            self.role.get_or_create(&RoleLabel { role: role.as_str() }).set(i64::from(role == place.role));
        }
        self.epoch.set(place.epoch);
        self.sync_age.set(place.sync_age_seconds.map_or(0.0, |seconds| seconds as f64));
        self.sync_errors.set(gauge(figures.sync_errors));
        self.forward_backlog.set(gauge(figures.forward_backlog));
        for (&status, &count) in &figures.members {
            self.members.get_or_create(&StatusLabel { status }).set(gauge(count));
        }
    }
}
