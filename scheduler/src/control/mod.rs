//! A hub's control of a daemon: it pushes configuration and pulls figures, over the routes of the monitoring API or over the
//! connection on which the probe waits for orders.

mod document;
mod following;
mod statistics;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use easytier_probe::{
    Secret,
    backend::{BaseUrl, Statistic},
    result::Traffic,
};
use easytier_uptime_config::values;
use easytier_uptime_monitor::{
    Refusal,
    control::{Control, Controlled, Controlling, Identity},
};
use easytier_uptime_store::{PushedKey, Store, StoreError, TakenPush, domain::PushedEnrollment};
use tokio::sync::Notify;

use self::document::Pushed;
pub use self::following::Following;
use crate::{
    backend_handle::BackendHandle,
    listing::{PeerList, Push, backend_name},
    metrics::Metrics,
    overview::Overview,
};

/// How a hub controls a daemon.
#[derive(Debug, Clone, Default)]
pub struct ControlOptions {
    /// Who sends it pushes configuration and pulls figures. Without one only the backend sends configuration, over a connection that
    /// the probe makes.
    pub token: Option<Secret>,
    /// Notified when the daemon has to be started again, to follow what was pushed.
    pub restart: Arc<Notify>,
}

/// How a configuration comes to a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// Over the routes of the monitoring API, from whoever knows the token.
    Push,
    /// Over the probe's own connection, from its backend.
    Reverse,
}

/// A daemon as a hub controls it, until it is started again.
pub struct RemoteControl {
    pub store: Store,
    pub options: ControlOptions,
    pub identity: Identity,
    pub following: Following,
    /// Whether the backend is that of the daemon's own configuration.
    pub has_own_backend: bool,
    /// How long a peer is watched that an incomplete list no longer contains.
    pub forget_after: Duration,
    /// `None` while the daemon waits for its backend.
    pub watching: Option<Watching>,
    /// Whether it asked to be started again.
    pub asked: AtomicBool,
}

/// The parts of a daemon that watches peers.
pub struct Watching {
    pub backend: BackendHandle,
    pub peers: Arc<PeerList>,
    pub overview: Arc<Overview>,
    pub metrics: Metrics,
}

impl RemoteControl {
    /// The routes, if there is a token.
    pub fn routes(self: &Arc<Self>) -> Option<Control> {
        Some(Control::new(self.options.token.clone()?, Arc::clone(self) as _))
    }

    /// Has the daemon started again, once.
    pub fn restart(&self) {
        if !self.asked.swap(true, Relaxed) {
            self.options.restart.notify_one();
        }
    }

    /// Takes a configuration: all of it, or nothing. Returns whether the daemon must be started again to follow it.
    pub async fn take(&self, body: &[u8], via: Via) -> Result<bool, Refusal> {
        let Pushed { mut config, peers } = document::parse(body)?;
        if self.has_own_backend || via == Via::Reverse {
            config.enrollment = None;
        }
        let key = self.key().ok_or_else(|| Refusal::unavailable("the probe has no node token yet"))?;
        let push = Push { key: &key, config: &config, peers: &peers };
        let taken = match (&self.watching, &config.enrollment) {
            (Some(watching), _) => watching.peers.take(&push).await?,
            (None, Some(enrollment)) => {
                let backend = backend_name(&self.store, &urls(enrollment)).await?;
                push.store(&self.store, &backend, self.forget_after).await?
            }
            (None, None) => {
                return Err(Refusal::bad_request("enrollment: is missing; this probe has no backend yet"));
            }
        };
        let TakenPush { held, has_new_peers } = taken.map_err(|conflict| {
            tracing::warn!(?via, "a configuration is refused, {}: {conflict}", config.version);
            Refusal::conflict(conflict.to_string())
        })?;
        tracing::info!(
            ?via,
            by = held.updated_by,
            peers = peers.len(),
            has_new_peers,
            settings = following::shown(&held),
            "took the configuration {}",
            held.version
        );
        Ok(Following::of(&held, self.has_own_backend) != self.following)
    }

    /// What the probe counts.
    pub async fn figures(&self) -> Result<Vec<Statistic>, StoreError> {
        let held = match self.key() {
            Some(key) => self.store.held_pushed(&key).await?.config(),
            None => None,
        };
        let held = held.map(|held| held.version.config).unwrap_or_default();
        let Some(Watching { peers, overview, metrics, .. }) = &self.watching else {
            return Ok(statistics::of_probe(held, 0, Traffic::default()));
        };
        let ids = self.store.remote_ids(&peers.backend_name).await?;
        let (tallies, traffic) = overview.tallies();
        let mut figures = statistics::of_probe(held, metrics.spool_depth(), traffic);
        figures.extend(statistics::of_peers(tallies, &ids));
        Ok(figures)
    }

    /// Seals what is stored. `None` while the probe has no token from which it could follow.
    fn key(&self) -> Option<PushedKey> {
        let of_probe = || self.watching.as_ref()?.backend.client()?.node_token();
        self.options.token.clone().or_else(of_probe).map(|token| PushedKey::of(&token))
    }
}

impl Controlled for RemoteControl {
    fn configure(self: Arc<Self>, body: Bytes) -> Controlling<()> {
        Box::pin(async move {
            if self.take(&body, Via::Push).await? {
                // Requests in flight, such as this one, are still answered.
                self.restart();
            }
            Ok(())
        })
    }

    fn statistics(self: Arc<Self>) -> Controlling<Vec<Statistic>> {
        Box::pin(async move { Ok(self.figures().await?) })
    }

    fn identity(&self) -> Identity {
        self.identity.clone()
    }
}

/// The base URLs of a pushed backend, which were validated when it was pushed.
pub fn urls(enrollment: &PushedEnrollment) -> Vec<BaseUrl> {
    values::base_urls(&enrollment.backend_base_url).unwrap_or_default()
}
