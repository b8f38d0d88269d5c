//! The status of a peer.

use serde::{Deserialize, Serialize};

/// The status of a peer according to a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Status {
    /// The node admitted the probe and answered at least one ping; in [`CheckMode::Handshake`](crate::CheckMode::Handshake)
    /// it sent a valid handshake response.
    Online,
    /// The check failed because of the peer.
    Offline,
    /// The check failed for another reason, so it is no evidence about the peer.
    Unknown,
}

impl Status {
    /// The status in lower case, for logs, metrics and tables. In the backend contract it is capitalised.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Unknown => "unknown",
        }
    }
}
