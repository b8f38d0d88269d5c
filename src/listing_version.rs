//! The version of a listing: of the list of peers that a backend sends.

use serde::{Deserialize, Serialize};

/// The version of a listing. Of two, the one with the greater epoch is newer; within an epoch, the one with the greater version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ListingVersion {
    /// Grows when another hub of a cluster takes the lead; 0 at a hub that belongs to none.
    pub epoch: i64,
    /// Grows when the listing changes.
    #[serde(rename = "config_version")]
    pub version: i64,
}
