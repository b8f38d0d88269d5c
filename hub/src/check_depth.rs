//! How far a check goes, as documents and forms write it.

use easytier_probe::CheckMode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How far a check goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = CheckWord)]
pub enum CheckDepth {
    /// Through admission, pings and route information.
    Full,
    /// To a valid handshake response only, for private nodes.
    Handshake,
}

impl From<CheckMode> for CheckDepth {
    fn from(mode: CheckMode) -> Self {
        match mode {
            CheckMode::Full => Self::Full,
            CheckMode::Handshake => Self::Handshake,
        }
    }
}

impl From<CheckDepth> for CheckMode {
    fn from(depth: CheckDepth) -> Self {
        match depth {
            CheckDepth::Full => Self::Full,
            CheckDepth::Handshake => Self::Handshake,
        }
    }
}
