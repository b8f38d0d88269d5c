//! Peers as the public API shows them.

use std::collections::BTreeSet;

use easytier_probe::{PeerUrl, Scheme};

use super::{PeerId, Tag};
use crate::{
    consensus::Verdict,
    ring::{Count, SLOTS},
    time::Timestamp,
};

/// Which nodes the public list shows. Only approved ones, whatever is asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeFilter {
    /// Online now, in any region.
    pub is_active: Option<bool>,
    pub protocol: Option<Scheme>,
    /// Part of the name, the URL or the description, in any case.
    pub search: Option<String>,
    /// Any of them.
    pub tags: BTreeSet<Tag>,
}

/// An approved peer with its state; nothing in it is secret.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub id: PeerId,
    pub name: String,
    pub url: PeerUrl,
    pub description: String,
    pub version: Option<String>,
    pub allow_relay: bool,
    pub max_connections: u32,
    /// Networks on the node, without the sessions that probes hold; none when nobody measured.
    pub current_connections: Option<u32>,
    pub tags: BTreeSet<Tag>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub verdict: Verdict,
    /// Since when the verdict holds.
    pub since: Timestamp,
    pub last_check_at: Option<Timestamp>,
    /// The median over fresh regions, in microseconds.
    pub response_us: Option<i64>,
    /// The last 24 hours, a quarter of an hour each, newest first, over all regions.
    pub ring: [Count; SLOTS],
}

impl Node {
    /// Healthy checks of the last 24 hours in percent; 0 without any check.
    pub fn health_percentage_24h(&self) -> f64 {
        let sum = |part: fn(&Count) -> u32| self.ring.iter().map(|slot| u64::from(part(slot))).sum::<u64>();
        percentage(sum(|slot| slot.healthy), sum(|slot| slot.checks))
    }

    /// The load in percent of `max_connections`; 0 for a node that named no limit, and none when nobody measured.
    pub fn usage_percentage(&self) -> Option<f64> {
        Some(percentage(self.current_connections?.into(), self.max_connections.into()))
    }
}

/// `part` of `whole` in percent; 0 of nothing.
pub(crate) fn percentage(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}
