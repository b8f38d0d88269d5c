//! Doubt about a region: when most of its peers turn offline at once while other regions see them, the region itself has
//! more likely failed than the peers.
//!
//! Such a change does not count until a result of the next interval confirms it; a result that sees the peer online again
//! removes it. Only changes to offline are in doubt: a probe that reaches a peer proves that the peer is there, so what the
//! region sees online still counts, and so does what it saw offline before.

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use super::{RegionState, State};
use crate::domain::{CLOCK_TOLERANCE, Doubt, RegionId, RegionStatus, Timestamp};

/// The shortest interval. Checks of one round end at different times: a refused connection at once, a silent one after its
/// timeout, which is 5 seconds by default.
const MIN_INTERVAL: Duration = Duration::from_secs(20);

/// How a region sees one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// The status of the region, in doubt or not.
    pub status: RegionStatus,
    /// Whether the peer turns offline in this interval: the change was made and is not confirmed, or it has begun, and flap
    /// damping delays it.
    pub turns_offline: bool,
    /// Whether the newest evidence of another region sees the peer online.
    pub is_seen_elsewhere: bool,
}

impl Sight {
    /// How `region` sees a peer with this state; `None` when the region has no status.
    pub fn of(state: &State, region: RegionId) -> Option<Self> {
        let own = state.regions.get(&region)?;
        let sees = |other: &RegionState| other.word() == Some(RegionStatus::Online) && other.contradictions == 0;
        Some(Self {
            status: own.status?,
            turns_offline: own.turns_offline(),
            is_seen_elsewhere: state.regions.iter().any(|(id, other)| *id != region && sees(other)),
        })
    }
}

impl RegionState {
    fn turns_offline(&self) -> bool {
        match self.status {
            Some(RegionStatus::Online) => self.contradictions > 0,
            Some(RegionStatus::Offline) => self.turned_at.is_some(),
            None => false,
        }
    }
}

/// Whether a region that sees its peers so is in doubt: it has at least `min_nodes` peers, more than half of those that it
/// saw online turn offline, and other regions see more than half of these. With `min_nodes` zero no region is.
///
/// A region that saw fewer than `min_nodes` peers online is in doubt when more than half of `min_nodes` turn offline:
/// otherwise a few peers among many that have been offline for long would be enough.
pub fn is_in_doubt(sights: impl IntoIterator<Item = Sight>, min_nodes: u32) -> bool {
    let min_nodes = min_nodes as usize;
    let (mut nodes, mut online, mut turning, mut seen) = (0, 0, 0, 0);
    for sight in sights {
        nodes += 1;
        online += usize::from(sight.turns_offline || sight.status == RegionStatus::Online);
        turning += usize::from(sight.turns_offline);
        seen += usize::from(sight.turns_offline && sight.is_seen_elsewhere);
    }
    min_nodes > 0 && nodes >= min_nodes && 2 * turning > online.max(min_nodes) && 2 * seen > turning
}

impl State {
    /// Puts the change to offline in `region` in doubt; returns false when there is none, or it is in doubt already.
    pub fn doubt(&mut self, region: RegionId) -> bool {
        match self.regions.get_mut(&region) {
            Some(region) if region.turns_offline() && !region.doubted => {
                region.doubted = true;
                true
            }
            _ => false,
        }
    }
}

/// The regions that have changes in doubt.
pub fn doubts<'a>(states: impl IntoIterator<Item = &'a State>) -> BTreeMap<RegionId, Doubt> {
    let regions = states.into_iter().flat_map(|state| &state.regions);
    let with_status = regions.filter(|(_, region)| region.status.is_some());
    Doubt::by_region(with_status.map(|(id, region)| (*id, region.is_in_doubt())))
}

/// Whether a result for offline, checked at `at` by a probe with this check interval, is of a later interval than the change
/// at `turned_at`. Half an interval is enough, so that jitter does not postpone the confirmation to one interval more.
pub(super) fn confirms(at: Timestamp, turned_at: Timestamp, interval: Duration, now: Timestamp) -> bool {
    // A change in the future was stored before a clock was set back.
    at >= turned_at + interval.max(MIN_INTERVAL) / 2 || turned_at > now + CLOCK_TOLERANCE
}
