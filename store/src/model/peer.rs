//! Peers as the operator, strangers and probes see them.

use std::{collections::BTreeSet, time::Duration};

use easytier_probe::{Access, CheckMode, Membership, Origin, Peer, PeerUrl, Secret, peer::DEFAULT_NETWORK_NAME};

use super::{PeerId, Region, Tag};
use crate::{consensus::Verdict, time::Timestamp};

/// How to reach the owner of a node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contacts {
    pub qq_number: Option<String>,
    pub wechat: Option<String>,
    pub mail: Option<String>,
}

/// What somebody says about a peer: the operator, a submission, an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerSpec {
    pub name: String,
    pub url: PeerUrl,
    pub description: String,
    pub network_name: Option<String>,
    /// With one (an empty one counts) the peer is checked as a member of its network, else as a guest.
    pub network_secret: Option<Secret>,
    pub mode: CheckMode,
    /// The deadline of one check, when this peer wants another than the probe's.
    pub timeout: Option<Duration>,
    pub allow_relay: bool,
    pub max_connections: u32,
    pub tags: BTreeSet<Tag>,
    /// Watched from these only; from everywhere when there are none.
    pub regions: BTreeSet<Region>,
    pub contacts: Contacts,
}

impl PeerSpec {
    /// A peer known by its URL alone.
    pub fn new(url: PeerUrl) -> Self {
        Self {
            name: url.to_string(),
            url,
            description: String::new(),
            network_name: None,
            network_secret: None,
            mode: CheckMode::Full,
            timeout: None,
            allow_relay: false,
            max_connections: 100,
            tags: BTreeSet::new(),
            regions: BTreeSet::new(),
            contacts: Contacts::default(),
        }
    }

    /// The same with a name, if there is one.
    pub fn named(url: PeerUrl, name: Option<String>) -> Self {
        let mut spec = Self::new(url);
        if let Some(name) = name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()) {
            spec.name = name;
        }
        spec
    }
}

impl From<&Peer> for PeerSpec {
    /// What the listing of another backend says about a peer. Tags that are none here are left out.
    fn from(peer: &Peer) -> Self {
        let (network_name, network_secret) = match &peer.access {
            Access::Member(Membership { network_name, network_secret }) => {
                (Some(network_name.clone()), Some(network_secret.clone()))
            }
            Access::Guest => (None, None),
        };
        let spec = Self::new(peer.url.clone());
        Self {
            name: peer.name.clone().unwrap_or(spec.name),
            network_name,
            network_secret,
            mode: peer.mode,
            timeout: peer.timeout,
            allow_relay: peer.allow_relay,
            tags: peer.tags.iter().filter_map(|tag| tag.parse().ok()).collect(),
            ..spec
        }
    }
}

/// A peer with all that the operator may know of it.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerRecord {
    pub id: PeerId,
    pub spec: PeerSpec,
    pub approved: bool,
    /// Came from a stranger: its checks reach public addresses only.
    pub submitted: bool,
    pub verdict: Verdict,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Which peers the operator's list shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PeerFilter {
    pub approved: Option<bool>,
    /// Part of the name, the URL or the description, in any case.
    pub search: Option<String>,
    /// Else the newest ones come first.
    pub oldest_first: bool,
}

/// What became of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    pub added: usize,
    /// Listed already; left as they were.
    pub known: usize,
}

/// Who asks for peers to check, which decides what is listed and shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerScope {
    /// Peers for this region, and peers for all; every peer when there is none.
    pub region: Option<Region>,
    /// Node tokens get the secrets of their region's peers; nobody else gets any.
    pub with_secrets: bool,
}

/// A peer as a probe needs it.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbePeer {
    pub id: PeerId,
    pub name: String,
    pub url: PeerUrl,
    pub network_name: Option<String>,
    pub network_secret: Option<Secret>,
    pub mode: CheckMode,
    pub timeout: Option<Duration>,
    pub allow_relay: bool,
    pub tags: BTreeSet<Tag>,
    pub submitted: bool,
    pub verdict: Verdict,
    /// Microseconds.
    pub response_us: Option<i64>,
}

impl ProbePeer {
    /// The peer as it is checked. `named_by`: who named it, unless it was a stranger.
    pub fn to_check(self, named_by: Origin) -> Peer {
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
            tags: self.tags.into_iter().map(String::from).collect(),
            origin: if self.submitted { Origin::Submitted } else { named_by },
        }
    }
}

/// One page of the listing for probes.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbePeers {
    pub peers: Vec<ProbePeer>,
    /// Peers on all pages.
    pub total: u64,
    /// Where the next page starts; `None` on the last.
    pub next_cursor: Option<PeerId>,
    /// Changes whenever any listing may have changed.
    pub config_version: i64,
}

/// What a stateless caller asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// A peer is due when the region has not checked it for this long.
    pub interval: Duration,
    /// How long the peers are the caller's alone.
    pub lease: Duration,
    pub count: u32,
}

/// Peers leased to the caller.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedPeers {
    /// Least recently checked first.
    pub peers: Vec<ProbePeer>,
    /// How many more are due now.
    pub more_due: u64,
    pub lease_expires_at: Timestamp,
    pub config_version: i64,
}
