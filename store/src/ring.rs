//! The counters of a peer's last 24 hours, a quarter of an hour each.

use crate::domain::{Count, QUARTER, RING_SLOTS, Timestamp};

/// The length of a slot in bytes: two 32-bit numbers.
const SLOT_BYTES: usize = 8;

/// The last 96 quarters of an hour, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ring {
    /// The number of the quarter that the first slot counts, from 1970 on.
    newest: i64,
    slots: [Count; RING_SLOTS],
}

impl Ring {
    /// An empty ring whose first slot counts the quarter `newest`.
    pub fn new(newest: i64) -> Self {
        Self { newest, slots: [Count::default(); RING_SLOTS] }
    }

    /// Adds checks of the quarter `quarter`. A newer quarter moves the ring forward; a quarter older than the ring is
    /// ignored.
    pub fn add(&mut self, quarter: i64, count: Count) {
        self.advance(quarter);
        if let Ok(age) = usize::try_from(self.newest - quarter)
            && let Some(slot) = self.slots.get_mut(age)
        {
            slot.add(count);
        }
    }

    /// Moves the ring forward until its first slot counts `quarter`; never back.
    pub fn advance(&mut self, quarter: i64) {
        let steps = usize::try_from(quarter - self.newest).unwrap_or(0).min(RING_SLOTS);
        if steps > 0 {
            self.slots.rotate_right(steps);
            self.slots[..steps].fill(Count::default());
            self.newest = quarter;
        }
    }

    /// The counters of the 24 hours up to `now`, the newest first.
    pub fn at(mut self, now: Timestamp) -> [Count; RING_SLOTS] {
        self.advance(now.bucket(QUARTER));
        self.slots
    }

    /// The quarter that the first slot counts.
    pub fn newest(&self) -> i64 {
        self.newest
    }

    /// The slots as pairs of little-endian 32-bit numbers, checks before healthy checks; the newest slot first.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.slots.iter().flat_map(|slot| [slot.checks.to_le_bytes(), slot.healthy.to_le_bytes()]).flatten().collect()
    }

    /// Reads what [`Self::to_bytes`] wrote; `None` when it is too short. A newer program may write more bytes after the slots.
    pub fn from_bytes(newest: i64, bytes: &[u8]) -> Option<Self> {
        let (slots, _) = bytes.as_chunks::<SLOT_BYTES>();
        if slots.len() < RING_SLOTS {
            return None;
        }
        let mut ring = Self::new(newest);
        for (slot, [c0, c1, c2, c3, h0, h1, h2, h3]) in ring.slots.iter_mut().zip(slots) {
            slot.checks = u32::from_le_bytes([*c0, *c1, *c2, *c3]);
            slot.healthy = u32::from_le_bytes([*h0, *h1, *h2, *h3]);
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
    fn a_newer_quarter_moves_the_ring_forward() {
        let mut ring = Ring::new(100);
        ring.add(100, ONE);
        ring.add(102, ONE);
        assert_eq!(checks(&ring)[..4], [1, 0, 1, 0]);
        assert_eq!(ring.newest, 102);
    }

    #[test]
    fn a_late_count_goes_to_its_own_quarter_and_one_older_than_the_ring_is_ignored() {
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
        assert_eq!(checks(&ring), [0; RING_SLOTS]);
        ring.advance(50);
        assert_eq!(ring.newest, 100_000);
    }

    #[test]
    fn a_ring_is_read_as_it_was_written() {
        let mut ring = Ring::new(7);
        ring.add(5, Count { checks: 180, healthy: 179 });
        let bytes = ring.to_bytes();
        assert_eq!(Ring::from_bytes(7, &bytes), Some(ring.clone()));
        assert_eq!(Ring::from_bytes(7, &[&bytes, b"of a newer program".as_slice()].concat()), Some(ring));
        for short in [&bytes[..0], b"short", &bytes[..bytes.len() - 1]] {
            assert_eq!(Ring::from_bytes(7, short), None);
        }
    }
}
