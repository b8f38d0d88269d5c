//! The counts by which the judge recognises that nearly all peers fail.

use tokio::time::Instant;

use super::super::{finding::Finding, scope::Scope};

/// With fewer peers that were online, all of them may well fail at once.
const MIN_PEERS: usize = 5;
/// The share of the peers that were online that must fail at once, in percent.
const MIN_FAILING_PERCENT: usize = 80;

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub up: usize,
    /// How many of these were found online or failing last.
    pub known: usize,
    pub failing: usize,
}

impl Tally {
    /// Whether so many peers fail that it may be the probe's fault.
    pub fn is_suspicious(self) -> bool {
        self.up >= MIN_PEERS && self.failing > 0 && self.failing * 100 >= self.known * MIN_FAILING_PERCENT
    }

    /// Whether the probe is not cut off, because it found so many peers online, or because there are few peers.
    pub fn is_connected(self, found_online: usize) -> bool {
        self.up < MIN_PEERS || found_online * 100 > self.known * (100 - MIN_FAILING_PERCENT)
    }

    pub fn add(&mut self, last: Finding) {
        self.up += 1;
        self.known += usize::from(last != Finding::Inconclusive);
        self.failing += usize::from(last == Finding::Failed);
    }

    pub fn remove(&mut self, last: Finding) {
        self.up -= 1;
        self.known -= usize::from(last != Finding::Inconclusive);
        self.failing -= usize::from(last == Finding::Failed);
    }

    pub fn and(self, other: &Self) -> Self {
        Self { up: self.up + other.up, known: self.known + other.known, failing: self.failing + other.failing }
    }
}

/// When peers were found online last, by scope, the earliest first.
#[derive(Default)]
pub(super) struct Contacts([Vec<Instant>; Scope::ALL.len()]);

impl Contacts {
    pub fn extend(&mut self, scope: Scope, online_at: Option<Instant>) {
        self.0[scope as usize].extend(online_at);
    }

    pub fn sorted(mut self) -> Self {
        self.0.iter_mut().for_each(|times| times.sort_unstable());
        self
    }

    /// How many peers that are as far away as `nearest`, or farther, were found online by a check that began at `since` or
    /// later.
    pub fn beyond_since(&self, nearest: Scope, since: Instant) -> usize {
        let counts = self.0[nearest as usize..].iter();
        counts.map(|times| times.len() - times.partition_point(|time| *time < since)).sum()
    }
}
