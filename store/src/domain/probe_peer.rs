//! Peers as probes get them.

use std::{collections::BTreeSet, time::Duration};

use easytier_probe::{Access, CheckMode, Membership, Origin, Peer, PeerUrl, Secret, peer::DEFAULT_NETWORK_NAME};

use super::{ConfigVersion, PeerId, Region, Tag, Timestamp, Verdict};

/// Which peers a caller may list, and what it may see of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerScope {
    /// The peers that this region checks; every peer when it is `None`.
    pub region: Option<Region>,
    /// Whether the caller gets the secrets of the peers. Only node tokens get those of their region.
    pub with_secrets: bool,
}

/// A peer as a probe needs it.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbePeer {
    /// The peer's id.
    pub id: PeerId,
    /// The name that lists show.
    pub name: String,
    /// Where the peer can be reached.
    pub url: PeerUrl,
    /// The network of the peer.
    pub network_name: Option<String>,
    /// With a secret the peer is checked as a member of its network, otherwise as a guest.
    pub network_secret: Option<Secret>,
    /// How thoroughly the peer is checked.
    pub mode: CheckMode,
    /// The deadline of one check; the probe's own when it is `None`.
    pub timeout: Option<Duration>,
    /// Whether the owner declares that the node relays packets for others.
    pub allow_relay: bool,
    /// Labels by which launchers filter.
    pub tags: BTreeSet<Tag>,
    /// Whether a stranger submitted the peer: then its checks reach public addresses only.
    pub submitted: bool,
    /// The verdict of all regions.
    pub verdict: Verdict,
    /// The median round trip in microseconds.
    pub response_us: Option<i64>,
}

impl ProbePeer {
    /// The peer as it is checked. `origin` applies unless a stranger submitted the peer; `listing` is the version of the list
    /// that was read.
    pub fn to_check(self, origin: Origin, listing: ConfigVersion) -> Peer {
        let access = match self.network_secret {
            Some(network_secret) => {
                let network_name = self.network_name.unwrap_or_else(|| DEFAULT_NETWORK_NAME.to_owned());
                Access::Member(Membership { network_name, network_secret })
            }
            None => Access::Guest,
        };
        Peer {
            id: self.id.0,
            name: Some(self.name),
            url: self.url,
            access,
            mode: self.mode,
            timeout: self.timeout,
            allow_relay: self.allow_relay,
            test_relay: false,
            tags: self.tags.into_iter().map(String::from).collect(),
            origin: if self.submitted { Origin::Submitted } else { origin },
            was_online: matches!(self.verdict, Verdict::Up | Verdict::Partial),
            listing: Some(listing.into()),
        }
    }
}

/// One page of the list for probes.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbePeers {
    /// The peers, in the order of their ids.
    pub peers: Vec<ProbePeer>,
    /// How many peers all pages have.
    pub total: u64,
    /// The cursor of the next page; `None` on the last page.
    pub next_cursor: Option<PeerId>,
    /// The version of the list: it grows whenever a list of peers may have changed.
    pub config: ConfigVersion,
}

/// What a stateless caller asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// A peer is due when its newest check from the region is at least this long ago.
    pub interval: Duration,
    /// How long no other caller gets the peers.
    pub lease: Duration,
    /// The maximum number of peers, at least 1.
    pub count: u32,
}

/// Peers that are leased to the caller.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedPeers {
    /// The peers, the one with the oldest check first.
    pub peers: Vec<ProbePeer>,
    /// How many other peers are due now.
    pub more_due: u64,
    /// When the lease ends.
    pub lease_expires_at: Timestamp,
    /// The version of the list: it grows whenever a list of peers may have changed.
    pub config: ConfigVersion,
}
