//! A region, with what belongs to it.

use super::Region;

/// A region in the list of regions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionOverview {
    /// The name.
    pub region: Region,
    /// Its probes, also those that are offline or never reported.
    pub probes: u64,
    /// Node tokens of its probes that are valid.
    pub node_tokens: u64,
    /// Enrollment keys for it alone that are valid.
    pub enrollment_keys: u64,
    /// Peers that name it among the regions that check them.
    pub peers: u64,
    /// Peers with a newest result there.
    pub checked_peers: u64,
}
