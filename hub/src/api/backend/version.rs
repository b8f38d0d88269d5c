//! The version of the listing that a probe names. A probe may know a newer one than the instance that it asks.

use easytier_uptime_monitor::Refusal;
use easytier_uptime_store::{Store, StoreError, domain::ConfigVersion};

/// The version that a probe names. One without an epoch is of a hub that belongs to no cluster.
pub(super) fn named_version(epoch: Option<i64>, config_version: Option<i64>) -> Option<ConfigVersion> {
    config_version.map(|version| ConfigVersion { epoch: epoch.unwrap_or_default(), version })
}

/// Refuses a request for the moment when this instance does not hold the listing that the probe has: it would give the probe
/// an older one, and would not know its newest peers.
pub(super) async fn refuse_if_behind(store: &Store, named: Option<ConfigVersion>) -> Result<(), Refusal> {
    match named {
        Some(named) if store.is_behind(named).await? => Err(StoreError::Behind(named).into()),
        _ => Ok(()),
    }
}
