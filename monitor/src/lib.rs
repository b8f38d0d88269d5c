//! The HTTP parts that a hub and a daemon share: the read-only API of nodes and their history, `/health`, `/metrics` and
//! `/openapi.json`, and the middleware of every request.
//!
//! Bottom up: [`Party`], [`Places`] and [`Readers`] share what there is among strangers; [`refusal`] and [`envelope`] are the shapes of responses; [`input`], [`parameter`] and [`paging`] read
//! requests; [`public`] and [`operations`] are the routes; [`Monitor`] puts them together; [`serve`] runs a router.
//! Every route is declared together with its documentation, so that `/openapi.json` lists every route and nothing else.

#![warn(missing_docs)]

mod bearer;
pub mod cluster;
pub mod control;
pub mod document;
mod drain;
pub mod envelope;
pub mod input;
pub mod limit;
mod metrics;
mod observe;
mod operations;
mod paced;
pub mod paging;
pub mod parameter;
mod party;
mod places;
mod probe_status;
pub mod public;
mod readers;
pub mod refusal;
pub mod rendered;
mod serve;
mod shared;
mod unread;
mod warnings;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{Router, extract::FromRef, middleware::from_fn_with_state};
use bytes::Bytes;
use easytier_probe::Secret;
use easytier_uptime_store::Store;
use easytier_uptime_telemetry::publish_metrics;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

pub use self::{
    bearer::{bearer, bears},
    metrics::Metrics,
    operations::OPEN_METRICS,
    party::{Caller, Party},
    places::{Hold, Place, Places},
    probe_status::ProbeStatus,
    public::cors::readable_from_anywhere,
    readers::{Readers, Turn, in_turn},
    refusal::Refusal,
    serve::{Closing, serve},
    shared::ShareLayer,
    warnings::Warnings,
};
use self::{
    cluster::{Cluster, ClusterMetrics},
    control::Control,
    paced::Paced,
    public::source::Nodes,
};

/// The time between two readings of the gauges of `/metrics`, however many scrapes there are.
const FIGURES_INTERVAL: Duration = Duration::from_secs(5);

/// An instance among others, and its metrics.
#[derive(Clone)]
struct InCluster {
    cluster: Arc<dyn Cluster>,
    metrics: Arc<ClusterMetrics>,
}

/// The state that the routes of this crate share. Cheap to clone.
#[derive(Clone)]
pub struct Monitor {
    store: Store,
    nodes: Arc<dyn Nodes>,
    metrics: Arc<Metrics>,
    /// The status of the probe in this process, if there is one.
    probe: Option<Arc<dyn ProbeStatus>>,
    /// This instance among others; `None` at a daemon.
    cluster: Option<InCluster>,
    readers: Readers,
    warnings: Arc<Warnings>,
    /// Who reads `/metrics` needs this token, if there is one.
    metrics_token: Option<Secret>,
    /// The reading of the gauges of `/metrics`.
    figures: Arc<Paced>,
    /// The name of this instance, which is that of its own probe.
    name: InstanceName,
    /// `/openapi.json`, once all routes are known.
    document: Arc<OnceLock<Bytes>>,
}

impl Monitor {
    /// Serves the list of nodes from `nodes` and the rest from `store`. `probe`: the probe in this process, if there is one.
    /// `metrics_token`: who reads `/metrics` needs it; anybody may read them when it is `None`.
    pub fn new(
        store: Store,
        nodes: Arc<dyn Nodes>,
        probe: Option<Arc<dyn ProbeStatus>>,
        metrics_token: Option<Secret>,
    ) -> Self {
        Self {
            store,
            nodes,
            metrics: Arc::default(),
            probe,
            cluster: None,
            readers: Readers::default(),
            warnings: Arc::default(),
            metrics_token,
            figures: Arc::new(Paced::new(FIGURES_INTERVAL)),
            name: InstanceName::default(),
            document: Arc::default(),
        }
    }

    /// Says in `/health` and `/metrics` what place `cluster` has among others.
    #[must_use]
    pub fn in_cluster(self, cluster: Arc<dyn Cluster>) -> Self {
        Self { cluster: Some(InCluster { cluster, metrics: Arc::default() }), ..self }
    }

    /// Gives the instance its name: what a probe of this name checks is what the instance itself sees.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        Self { name: InstanceName(Some(name.into())), ..self }
    }

    /// The metrics that `/metrics` shows.
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }

    /// The name of the probe in this process.
    pub fn own_probe(&self) -> OwnProbe {
        OwnProbe(self.probe.as_ref().map(|probe| probe.server_id().into()))
    }

    /// The reads that strangers request, which share a few turns.
    pub fn readers(&self) -> Readers {
        self.readers.clone()
    }

    /// The warnings that `/health` shows.
    pub fn warnings(&self) -> Arc<Warnings> {
        Arc::clone(&self.warnings)
    }

    /// The read-only public API, and the routes for monitoring of the process itself.
    pub fn routes(&self) -> OpenApiRouter {
        let in_turn = from_fn_with_state(self.readers(), in_turn);
        let (nodes, metrics) = (public::nodes(), operations::metrics_route());
        let (nodes, metrics) = match self.nodes.are_in_memory() {
            true => (nodes, metrics),
            false => (nodes.layer(in_turn.clone()), metrics.layer(in_turn.clone())),
        };
        let public = nodes.merge(public::histories().layer(in_turn)).layer(readable_from_anywhere());
        public.merge(metrics).merge(operations::routes()).with_state(self.clone())
    }

    /// Builds `/openapi.json` from the `document` of all routes, including those of other crates. Only the first call has
    /// an effect.
    pub fn publish(&self, document: &OpenApi) {
        self.document.get_or_init(|| document::finish(document));
    }

    /// Wraps `router` in the middleware of every request: request id, log, metrics, compression, timeout, and an envelope
    /// for every refusal. Where metrics are exported, those of this process are.
    pub fn observe(&self, router: Router) -> Router {
        let monitor = self.clone();
        publish_metrics(move || {
            let monitor = monitor.clone();
            async move { operations::exported(&monitor).await }
        });
        observe::layers(router, self.metrics())
    }
}

impl FromRef<Monitor> for Arc<dyn Nodes> {
    fn from_ref(monitor: &Monitor) -> Self {
        Self::clone(&monitor.nodes)
    }
}

impl FromRef<Monitor> for Store {
    fn from_ref(monitor: &Monitor) -> Self {
        monitor.store.clone()
    }
}

/// The name of an instance; `None` for a daemon.
#[derive(Debug, Clone, Default)]
pub(crate) struct InstanceName(Option<Arc<str>>);

impl FromRef<Monitor> for InstanceName {
    fn from_ref(monitor: &Monitor) -> Self {
        monitor.name.clone()
    }
}

/// The name of the probe in this process, if there is one.
#[derive(Debug, Clone, Default)]
pub struct OwnProbe(Option<Arc<str>>);

impl OwnProbe {
    /// The name.
    pub fn name(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl FromRef<Monitor> for OwnProbe {
    fn from_ref(monitor: &Monitor) -> Self {
        monitor.own_probe()
    }
}

/// The routes of a daemon: its local history, its own health and metrics, and those with which a hub controls it, if one can.
/// `metrics_token`: as in [`Monitor::new`].
pub fn router(
    store: Store,
    probe: Arc<dyn ProbeStatus>,
    metrics_token: Option<Secret>,
    control: Option<Control>,
) -> Router {
    let monitor = Monitor::new(store.clone(), Arc::new(store), Some(probe), metrics_token);
    let routes = OpenApiRouter::with_openapi(document::base()).merge(monitor.routes());
    let routes = match control {
        Some(control) => routes.merge(control.routes(&monitor)),
        None => routes,
    };
    let (router, document) = routes.split_for_parts();
    monitor.publish(&document);
    monitor.observe(router)
}
