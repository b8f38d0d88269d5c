//! How regions see a peer, the verdict of all regions, and the policy by which evidence counts.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::DAY;

/// The maximum time for which a result is evidence and a probe that only reports is present, however long its check interval
/// is.
pub const MAX_EVIDENCE_AGE: Duration = DAY.saturating_mul(7);

/// How a probe, or a region, sees a peer. The order matters: in a region one probe that sees the peer online outweighs
/// any number that do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RegionStatus {
    /// The newest check failed because of the peer.
    Offline,
    /// The newest check succeeded.
    Online,
}

/// The verdict of all regions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// No region has fresh evidence.
    #[default]
    Unknown,
    /// No fresh region sees the peer online.
    Down,
    /// At least one fresh region sees the peer online, but no more than half of them.
    Partial,
    /// More than half of the fresh regions see the peer online.
    Up,
}

impl Verdict {
    /// All verdicts, the worst first.
    pub const ALL: [Self; 4] = [Self::Unknown, Self::Down, Self::Partial, Self::Up];

    /// The name, in the API and in the database.
    pub fn as_str(self) -> &'static str {
        ["unknown", "down", "partial", "up"][self as usize]
    }

    /// The verdict when so many fresh regions see the peer online and offline.
    pub fn of(online: usize, offline: usize) -> Self {
        match (online, offline) {
            (0, 0) => Self::Unknown,
            (0, _) => Self::Down,
            _ if online > offline => Self::Up,
            _ => Self::Partial,
        }
    }
}

/// When evidence counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// How many consecutive results change the status of a region from one known status to the other; at least 1, 2 by
    /// default.
    pub confirmations: u32,
    /// Evidence is stale when it is older than this many check intervals of its probe, or than [`MAX_EVIDENCE_AGE`], and
    /// older than `min_fresh`; 3 by default.
    pub fresh_intervals: u32,
    /// The least time for which evidence is fresh; 60 seconds by default.
    pub min_fresh: Duration,
    /// How many peers a region must have before it is doubted when most of them turn offline at once; 8 by default, 0 for
    /// never.
    pub doubt_nodes: u32,
    /// How much longer evidence is fresh, because what other instances know arrives late; none by default.
    pub patience: Duration,
}

impl Policy {
    /// How long evidence of a probe with this check interval is fresh.
    pub(crate) fn freshness(&self, interval: Duration) -> Duration {
        let fresh = self.min_fresh.max(interval.saturating_mul(self.fresh_intervals).min(MAX_EVIDENCE_AGE));
        fresh.saturating_add(self.patience)
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            confirmations: 2,
            fresh_intervals: 3,
            min_fresh: Duration::from_secs(60),
            doubt_nodes: 8,
            patience: Duration::ZERO,
        }
    }
}

/// Changes to offline in one region that do not count yet, because most of its peers turned offline at once while other
/// regions saw them. A result of the next interval confirms or removes each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Doubt {
    /// How many peers have such a change.
    pub turned: usize,
    /// How many peers the region has fresh results for, these included.
    pub nodes: usize,
}

impl Doubt {
    /// The regions with doubts. `words` has each region once for every peer that it has fresh results for, and whether that
    /// status is in doubt.
    pub fn by_region<R: Ord>(words: impl IntoIterator<Item = (R, bool)>) -> BTreeMap<R, Self> {
        let mut regions: BTreeMap<R, Self> = BTreeMap::new();
        for (region, is_in_doubt) in words {
            let doubt = regions.entry(region).or_default();
            doubt.nodes += 1;
            doubt.turned += usize::from(is_in_doubt);
        }
        regions.retain(|_, doubt| doubt.turned > 0);
        regions
    }
}
