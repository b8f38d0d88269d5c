//! What the runtime of an instance knows beyond the database: for the API, `/health` and the pages.

use std::sync::Arc;

use easytier_uptime_store::domain::{InstanceId, Role, Timestamp};
use tokio::sync::watch;

use super::wire::SystemMetrics;

/// The connection of an instance to the others, as its runtime sees it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct InstanceStatus {
    /// The role that the configuration names; `None` as long as nothing runs this instance.
    pub configured: Option<Role>,
    /// Whether the primary answered last time; true at the primary. `None` before the first check, and at a standalone
    /// instance.
    pub primary_reachable: Option<bool>,
    /// Since when the primary does not answer.
    pub outage_since: Option<Timestamp>,
    /// Why this dependent does not take the primary's place, in words for the operator.
    pub reason: Option<String>,
    /// Why a primary that answers is not followed, in words for the operator.
    pub refusal: Option<String>,
    /// How many synchronisations failed since the last one that worked.
    pub sync_errors: u64,
    /// The instance to which the primary is handing over: this one, or at the primary another one.
    pub handing_over_to: Option<InstanceId>,
    /// The load of this instance, as it was last measured.
    pub load: Option<SystemMetrics>,
}

/// A handle to the status, which the runtime writes and others read.
#[derive(Debug, Clone, Default)]
pub struct SharedStatus(Arc<watch::Sender<InstanceStatus>>);

impl SharedStatus {
    /// The status now.
    pub fn get(&self) -> InstanceStatus {
        self.0.borrow().clone()
    }

    /// Changes the status.
    pub fn update(&self, change: impl FnOnce(&mut InstanceStatus)) {
        self.0.send_modify(change);
    }
}
