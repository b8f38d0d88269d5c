//! What the parts of an instance at work share, and why a step of one fails.

use easytier_uptime_store::{Store, StoreError};

use super::{
    client::{SyncClient, SyncError},
    convert::ConvertError,
    introduction::Machine,
    options::InstanceOptions,
    status::SharedStatus,
    wire::SystemMetrics,
};

/// Why a step of an instance failed. The words are for the operator.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// Another instance could not be asked, or refused.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// The database failed, or refused what another instance says.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What another instance sent cannot be used.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// The primary never named an address.
    #[error("the address of the primary {0} is unknown")]
    NoAddress(String),
    /// There is no secret to register with.
    #[error("SYNC_SECRET is missing: this instance cannot register at the primary")]
    NoSecret,
}

/// What the parts of an instance at work share.
#[derive(Clone, Copy)]
pub struct Tools<'a> {
    /// The database.
    pub store: &'a Store,
    /// The settings of the instance.
    pub options: &'a InstanceOptions,
    /// Makes requests.
    pub client: &'a SyncClient,
    /// What others read about the runtime.
    pub status: &'a SharedStatus,
    /// The machine of this instance.
    pub machine: &'a Machine,
}

impl Tools<'_> {
    /// Measures the load of this instance, and publishes it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn load(self) -> Result<SystemMetrics, StoreError> {
        let load = self.machine.metrics(self.store).await?;
        self.status.update(|status| status.load = Some(load.clone()));
        Ok(load)
    }
}
