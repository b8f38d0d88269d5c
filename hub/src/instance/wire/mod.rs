//! What instances say to each other, in JSON with names in camelCase. Other programs speak it too, so unknown fields are
//! ignored, and what only our own instances understand is in fields that others ignore.

mod alerts;
mod beat;
mod configuration;
mod leadership;
mod members;

pub use self::{
    alerts::{OpenAlert, OpenMute},
    beat::{
        ConnectionStatus, Heartbeat, HeartbeatReceipt, MAX_RESULTS, Mirror, MonitoringResult, RejectedResult,
        SyncState, SyncStatus, SystemMetrics, UpOrDown,
    },
    configuration::{
        Configuration, DeletedObject, Endpoint, NotificationService, ObjectName, SharedCredential, SharedProbe,
        SharedRegion, SharedWindow, Version,
    },
    leadership::{FailoverOrder, InOrder, Promote, RoleChange, SyncErrorBody},
    members::{InstanceView, Instances, MemberStatus, Register, Registered},
};

#[cfg(test)]
pub(super) mod tests;
