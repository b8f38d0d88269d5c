//! Counts of checks.

/// How many counters the ring of a peer has: 24 hours, a quarter of an hour each.
pub const RING_SLOTS: usize = 96;

/// How many checks there were, and how many of them found the peer healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// All checks.
    pub checks: u32,
    /// The checks that found the peer healthy; at most `checks`.
    pub healthy: u32,
}

impl Count {
    /// Adds another count; a counter that would overflow stays at its maximum.
    pub fn add(&mut self, other: Self) {
        self.checks = self.checks.saturating_add(other.checks);
        self.healthy = self.healthy.saturating_add(other.healthy);
    }
}

/// `part` of `whole` in percent; 0 when `whole` is 0.
pub(super) fn percentage(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}
