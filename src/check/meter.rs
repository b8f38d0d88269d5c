//! Counts the bytes of the packets that checks exchange with a peer.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::result::Traffic;

/// The packets of all links of one peer. Clones count together.
#[derive(Debug, Clone, Default)]
pub(super) struct Meter(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    sent: AtomicU64,
    received: AtomicU64,
}

impl Meter {
    pub fn sent(&self, bytes: usize) {
        self.0.sent.fetch_add(bytes as u64, Relaxed);
    }

    pub fn received(&self, bytes: usize) {
        self.0.received.fetch_add(bytes as u64, Relaxed);
    }

    /// What was counted since the last call.
    pub fn take(&self) -> Traffic {
        Traffic { sent: self.0.sent.swap(0, Relaxed), received: self.0.received.swap(0, Relaxed) }
    }
}
