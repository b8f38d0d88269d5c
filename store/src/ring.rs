//! Counters of checks over the last 24 hours, a quarter of an hour each.

use crate::time::{QUARTER, Timestamp};

/// Counters in a ring.
pub const SLOTS: usize = 96;

/// Checks, and those that found the peer healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    pub checks: u32,
    pub healthy: u32,
}

impl Count {
    pub fn add(&mut self, other: Count) {
        self.checks = self.checks.saturating_add(other.checks);
        self.healthy = self.healthy.saturating_add(other.healthy);
    }
}

/// The last 96 quarters of an hour, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ring {
    /// The quarter since 1970 that the first slot counts.
    newest: i64,
    slots: [Count; SLOTS],
}

impl Ring {
    pub fn new(newest: i64) -> Self {
        Self { newest, slots: [Count::default(); SLOTS] }
    }

    /// Counts checks in `quarter`. A newer quarter moves the ring on; one that fell off its end is not counted.
    pub fn add(&mut self, quarter: i64, count: Count) {
        self.advance(quarter);
        if let Ok(age) = usize::try_from(self.newest - quarter)
            && let Some(slot) = self.slots.get_mut(age)
        {
            slot.add(count);
        }
    }

    /// Moves the ring on, so that its first slot counts `quarter`; never back.
    pub fn advance(&mut self, quarter: i64) {
        let steps = usize::try_from(quarter - self.newest).unwrap_or(0).min(SLOTS);
        if steps > 0 {
            self.slots.rotate_right(steps);
            self.slots[..steps].fill(Count::default());
            self.newest = quarter;
        }
    }

    /// The counters of the 24 hours up to `now`, newest first.
    pub fn at(mut self, now: Timestamp) -> [Count; SLOTS] {
        self.advance(now.bucket(QUARTER));
        self.slots
    }

    /// The oldest quarter that the ring counts.
    pub fn oldest(newest: i64) -> i64 {
        newest - SLOTS as i64 + 1
    }

    pub fn newest(&self) -> i64 {
        self.newest
    }

    /// Little-endian 32-bit pairs, newest first.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.slots.iter().flat_map(|slot| [slot.checks.to_le_bytes(), slot.healthy.to_le_bytes()]).flatten().collect()
    }

    /// `None` when `bytes` are no ring.
    pub fn from_bytes(newest: i64, bytes: &[u8]) -> Option<Self> {
        if bytes.len() != SLOTS * 8 {
            return None;
        }
        let mut ring = Self::new(newest);
        for (slot, pair) in ring.slots.iter_mut().zip(bytes.chunks_exact(8)) {
            slot.checks = u32::from_le_bytes(pair[..4].try_into().expect("four bytes"));
            slot.healthy = u32::from_le_bytes(pair[4..].try_into().expect("four bytes"));
        }
        Some(ring)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Count = Count { checks: 1, healthy: 1 };

    fn checks(ring: &Ring) -> Vec<u32> {
        ring.slots.iter().map(|slot| slot.checks).collect()
    }

    #[test]
    fn a_newer_quarter_moves_the_ring_on() {
        let mut ring = Ring::new(100);
        ring.add(100, ONE);
        ring.add(102, ONE);
        assert_eq!(checks(&ring)[..4], [1, 0, 1, 0]);
        assert_eq!(ring.newest, 102);
    }

    #[test]
    fn a_late_count_goes_to_its_own_quarter_and_too_late_a_one_nowhere() {
        let mut ring = Ring::new(200);
        ring.add(105, ONE);
        ring.add(104, ONE);
        assert_eq!(ring.slots[95], ONE);
        assert_eq!(checks(&ring).iter().sum::<u32>(), 1);
    }

    #[test]
    fn a_long_pause_empties_the_ring() {
        let mut ring = Ring::new(100);
        ring.add(100, ONE);
        ring.advance(100_000);
        assert_eq!(checks(&ring), [0; SLOTS]);
        ring.advance(50);
        assert_eq!(ring.newest, 100_000);
    }

    #[test]
    fn bytes_come_back_as_they_were() {
        let mut ring = Ring::new(7);
        ring.add(5, Count { checks: 180, healthy: 179 });
        assert_eq!(Ring::from_bytes(7, &ring.to_bytes()), Some(ring));
        assert_eq!(Ring::from_bytes(7, b"short"), None);
    }
}
