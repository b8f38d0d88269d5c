//! The store's row ids, distinct by type.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident,)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

ids! {
    /// The id of a peer: `id` of a node in the public API, `peer_id` in the backend contract.
    PeerId,
    /// The id of a submission that waits for approval.
    SubmissionId,
    /// The id of a probe in the registry.
    ProbeId,
    /// The id of a region.
    RegionId,
    /// The id of a token or key.
    CredentialId,
    /// The id of an announcement.
    AnnouncementId,
    /// The id of an incident.
    IncidentId,
    /// The id of a channel for alerts.
    ChannelId,
    /// The id of a visitor who subscribed by mail.
    SubscriberId,
    /// The id of a maintenance window.
    WindowId,
    /// The id of a list that is followed.
    SourceId,
}
