//! Peers as the public API shows them.

use std::collections::BTreeSet;

use easytier_probe::{CheckMode, PeerUrl};

use super::{
    Count, MeasuredRelay, NodeMaintenance, PeerId, PeerSpec, RING_SLOTS, Tag, Timestamp, Verdict, count::percentage,
    usage::usage_percentage,
};

/// An approved peer with its state. It holds no secrets.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The peer's id.
    pub id: PeerId,
    /// The peer's name.
    pub name: String,
    /// Where it can be reached.
    pub url: PeerUrl,
    /// A description for people.
    pub description: String,
    /// The EasyTier version that was last seen.
    pub version: Option<String>,
    /// Whether it is checked as a guest, so that anybody can use it; others are for members of their network.
    pub for_guests: bool,
    /// Whether its owner declares that it relays packets for others.
    pub allow_relay: bool,
    /// Whether it does, as the regions found; `None` when that was never tested.
    pub relay: Option<MeasuredRelay>,
    /// How many networks it accepts, as its owner declares; 0 when no limit is known.
    pub max_connections: u32,
    /// How many networks it serves, without the sessions that probes hold; `None` when that was never measured.
    pub current_connections: Option<u32>,
    /// Its tags.
    pub tags: BTreeSet<Tag>,
    /// When it was added.
    pub created_at: Timestamp,
    /// When the operator or its owner last changed it.
    pub updated_at: Timestamp,
    /// The verdict of all regions.
    pub verdict: Verdict,
    /// When the verdict last changed.
    pub since: Timestamp,
    /// When it was last checked.
    pub last_check_at: Option<Timestamp>,
    /// The median round trip in microseconds, over the regions that see it online.
    pub response_us: Option<i64>,
    /// The maintenance that it is in.
    pub maintenance: Option<NodeMaintenance>,
    /// The checks of the last 24 hours over all regions, a quarter of an hour each, the newest first.
    pub ring: [Count; RING_SLOTS],
}

impl Node {
    /// A node that was never checked.
    pub fn unchecked(id: PeerId, spec: &PeerSpec, created_at: Timestamp) -> Self {
        Self {
            id,
            name: spec.name.clone(),
            url: spec.url.clone(),
            description: spec.description.clone(),
            version: None,
            for_guests: spec.network_secret.is_none() && spec.mode == CheckMode::Full,
            allow_relay: spec.allow_relay,
            relay: None,
            max_connections: spec.max_connections,
            current_connections: None,
            tags: spec.tags.clone(),
            created_at,
            updated_at: created_at,
            verdict: Verdict::Unknown,
            since: created_at,
            last_check_at: None,
            response_us: None,
            maintenance: None,
            ring: [Count::default(); RING_SLOTS],
        }
    }

    /// Healthy checks of the last 24 hours in percent, from 0 to 100; 0 without any check.
    pub fn health_percentage_24h(&self) -> f64 {
        let sum = |part: fn(&Count) -> u32| self.ring.iter().map(|slot| u64::from(part(slot))).sum::<u64>();
        percentage(sum(|slot| slot.healthy), sum(|slot| slot.checks))
    }

    /// Networks in percent of `max_connections`, which may exceed 100; 0 when no limit is known, and `None` when the
    /// number of networks was never measured.
    pub fn usage_percentage(&self) -> Option<f64> {
        Some(usage_percentage(self.current_connections?, self.max_connections))
    }
}
