//! The configuration of a daemon, and what it is together with what a hub pushed.

use std::time::Duration;

use easytier_probe::{BackendConfig, Secret, self_check::SelfCheckTarget};
use easytier_uptime_config::AdvertisedAddress;
use easytier_uptime_store::domain::{PushedEnrollment, Region};

use crate::{
    checking::CheckPlan,
    control::{ControlOptions, Following, urls},
    upload::SpoolLimits,
};

/// The configuration of a daemon.
#[derive(Debug, Clone)]
pub struct DaemonOptions {
    /// The backend, with the credentials. Without base URLs it is one that a hub pushes.
    pub backend: BackendConfig,
    /// The id of the probe, unique at the backend.
    pub server_id: String,
    /// The region of the probe in its local history.
    pub region: Region,
    /// The address to register, instead of that of the outbound route.
    pub advertise: Option<AdvertisedAddress>,
    /// How and when peers are checked.
    pub plan: CheckPlan,
    /// The time between two fetches of the listing.
    pub fetch_interval: Duration,
    /// How long a peer is watched that an incomplete listing no longer contains.
    pub forget_after: Duration,
    /// How many results may wait for the backend, and how long.
    pub spool: SpoolLimits,
    /// Who reads `/metrics` needs this token; anybody may read them when it is `None`.
    pub metrics_token: Option<Secret>,
    /// How a hub controls the daemon.
    pub control: ControlOptions,
}

impl DaemonOptions {
    /// Whether the daemon has a backend, its own or a pushed one.
    pub(crate) fn has_backend(&self) -> bool {
        !self.backend.base_urls.is_empty()
    }

    /// The same options with what a hub pushed.
    pub(crate) fn following(mut self, following: &Following) -> Self {
        self.plan = self.plan.with_settings(&following.settings);
        if let Some(enrollment) = &following.enrollment {
            self.enroll(enrollment);
        }
        self
    }

    fn enroll(&mut self, enrollment: &PushedEnrollment) {
        let backend = &mut self.backend;
        backend.base_urls = urls(enrollment);
        backend.node_token = Some(enrollment.node_token.clone());
        if let Some(region) = &enrollment.region {
            backend.region = Some(region.clone());
            self.region = region.parse().unwrap_or_default();
        }
        self.server_id.clone_from(&enrollment.server_id);
        if self.plan.self_check_targets.is_empty() {
            self.plan.self_check_targets = backend.base_urls.iter().flat_map(SelfCheckTarget::try_from).collect();
        }
    }
}
