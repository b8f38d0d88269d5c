//! The peers that the hub gave this sandbox before, to go on checking while the hub is away.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use easytier_probe::Peer;
use tokio::time::Instant;

/// A peer that the hub has not given for this long, while it answered, is forgotten: the hub removed it, or other sandboxes
/// check it.
const FORGET_AFTER: Duration = Duration::from_secs(3600);

/// The maximum number of peers to keep.
const MAX_KNOWN: usize = 20_000;

/// The peers of one region that the hub gave this sandbox.
#[derive(Default)]
pub struct KnownPeers {
    peers: Mutex<BTreeMap<i64, Known>>,
}

struct Known {
    peer: Peer,
    given: Instant,
    checked: Instant,
}

impl KnownPeers {
    /// Remembers peers that the hub gave now, and that are checked now.
    pub fn remember(&self, peers: &[Peer], now: Instant) {
        let mut known = self.lock();
        known.retain(|_, known| now.saturating_duration_since(known.given) < FORGET_AFTER);
        for peer in peers {
            if known.len() < MAX_KNOWN || known.contains_key(&peer.id) {
                // A test is asked for once.
                let peer = Peer { test_relay: false, ..peer.clone() };
                known.insert(peer.id, Known { peer, given: now, checked: now });
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// At most `count` peers that were not checked for `interval`, the longest unchecked first. They count as checked now.
    pub fn take_due(&self, count: usize, interval: Duration, now: Instant) -> Vec<Peer> {
        let mut known = self.lock();
        let is_due = |known: &&mut Known| now.saturating_duration_since(known.checked) >= interval;
        let mut due: Vec<&mut Known> = known.values_mut().filter(is_due).collect();
        due.sort_by_key(|known| known.checked);
        let take = |known: &mut Known| {
            known.checked = now;
            known.peer.clone()
        };
        due.into_iter().take(count).map(take).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<i64, Known>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn peers(ids: impl IntoIterator<Item = i64>) -> Vec<Peer> {
        ids.into_iter().map(|id| Peer::local(id, "tcp://192.0.2.1:11010".parse().unwrap())).collect()
    }

    fn ids(peers: Vec<Peer>) -> Vec<i64> {
        peers.into_iter().map(|peer| peer.id).collect()
    }

    #[test]
    fn known_peers_are_due_after_the_interval_and_once_in_it() {
        let (known, start) = (KnownPeers::default(), Instant::now());
        known.remember(&peers([1, 2]), start);
        known.remember(&peers([3]), start + MINUTE / 2);
        assert_eq!(ids(known.take_due(9, MINUTE, start + MINUTE / 2)), [0; 0]);
        assert_eq!(ids(known.take_due(9, MINUTE, start + MINUTE)), [1, 2]);
        assert_eq!(ids(known.take_due(9, MINUTE, start + MINUTE)), [0; 0]);
        assert_eq!(ids(known.take_due(2, MINUTE, start + 2 * MINUTE)), [3, 1]);
        assert_eq!(ids(known.take_due(2, MINUTE, start + 2 * MINUTE)), [2]);
    }

    #[test]
    fn peers_that_an_answering_hub_no_longer_gives_are_forgotten() {
        let (known, start) = (KnownPeers::default(), Instant::now());
        known.remember(&peers([1, 2]), start);
        // As long as the hub is away, nothing is forgotten.
        assert_eq!(ids(known.take_due(9, MINUTE, start + 2 * FORGET_AFTER)), [1, 2]);
        known.remember(&peers([2]), start + FORGET_AFTER);
        assert_eq!(ids(known.take_due(9, Duration::ZERO, start + 3 * FORGET_AFTER)), [2]);
    }
}
