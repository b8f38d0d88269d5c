//! Between what instances say to each other and what the store keeps.

use easytier_uptime_store::domain::{ClusterId, ForeignResult, InstanceId, SealingKey, SharedConfig};

use super::wire::{Configuration, MonitoringResult};

/// What another instance sent cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// A field is not valid.
    #[error("{0}")]
    Invalid(String),
}

pub fn configuration(_: &SharedConfig, _: ClusterId, _: &[u8; 32]) -> Result<Configuration, ConvertError> {
    todo!()
}
pub fn shared_config(_: &Configuration, _: &SealingKey) -> Result<SharedConfig, ConvertError> {
    todo!()
}
pub fn to_wire(_: &ForeignResult, _: InstanceId) -> MonitoringResult {
    todo!()
}
pub fn from_wire(_: &MonitoringResult) -> Result<ForeignResult, ConvertError> {
    todo!()
}
