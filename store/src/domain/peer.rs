//! Peers as the operator sees them.

use std::{collections::BTreeSet, time::Duration};

use easytier_probe::{Access, CheckMode, Membership, Peer, PeerUrl, Secret};

use super::{NodeFilter, PeerId, Region, Tag, Timestamp, Verdict};

/// How to reach the owner of a node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contacts {
    /// A QQ number.
    pub qq_number: Option<String>,
    /// A WeChat id.
    pub wechat: Option<String>,
    /// An e-mail address.
    pub mail: Option<String>,
}

/// The description of a peer by the operator, a submission or an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerSpec {
    /// The name that lists show.
    pub name: String,
    /// Where the peer can be reached.
    pub url: PeerUrl,
    /// A description for people.
    pub description: String,
    /// The network of the peer. Together with the URL it identifies a peer.
    pub network_name: Option<String>,
    /// With a secret, even an empty one, the peer is checked as a member of its network, otherwise as a guest.
    pub network_secret: Option<Secret>,
    /// How thoroughly the peer is checked.
    pub mode: CheckMode,
    /// The deadline of one check; the probe's own when it is `None`.
    pub timeout: Option<Duration>,
    /// Whether the owner declares that the node relays packets for others.
    pub allow_relay: bool,
    /// How many networks the node accepts; 0 when no limit is known.
    pub max_connections: u32,
    /// Labels by which launchers filter.
    pub tags: BTreeSet<Tag>,
    /// The regions that check the peer; all regions when it is empty.
    pub regions: BTreeSet<Region>,
    /// How to reach the owner.
    pub contacts: Contacts,
}

impl PeerSpec {
    /// The names of the fields in which another description differs, which are those of the API; not what they say.
    pub fn changed_fields(&self, other: &Self) -> Vec<&'static str> {
        let fields = [
            ("name", self.name != other.name),
            ("url", self.url != other.url),
            ("description", self.description != other.description),
            ("network_name", self.network_name != other.network_name),
            ("network_secret", self.network_secret != other.network_secret),
            ("check", self.mode != other.mode),
            ("timeout_ms", self.timeout != other.timeout),
            ("allow_relay", self.allow_relay != other.allow_relay),
            ("max_connections", self.max_connections != other.max_connections),
            ("contacts", self.contacts != other.contacts),
            ("tags", self.tags != other.tags),
            ("regions", self.regions != other.regions),
        ];
        fields.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
    }

    /// A peer of which only the URL is known.
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

    /// Like [`Self::new`], with a name unless it is blank.
    pub fn named(url: PeerUrl, name: Option<String>) -> Self {
        let mut spec = Self::new(url);
        if let Some(name) = name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()) {
            spec.name = name;
        }
        spec
    }
}

impl From<&Peer> for PeerSpec {
    /// The peer as another backend lists it, without tags that are not valid here.
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

/// A peer with everything that the operator may see.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerRecord {
    /// The peer's id.
    pub id: PeerId,
    /// Its description.
    pub spec: PeerSpec,
    /// Whether it is listed and checked, unless it is set aside.
    pub approved: bool,
    /// Whether it is a peer of an instance that became a dependent: it is kept, but neither listed, checked nor shared.
    pub set_aside: bool,
    /// Whether a stranger submitted it: then its checks reach public addresses only.
    pub submitted: bool,
    /// The verdict of all regions.
    pub verdict: Verdict,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A peer to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPeer {
    /// Its description.
    pub spec: PeerSpec,
    /// Whether it is listed and checked at once.
    pub approved: bool,
    /// Whether a stranger named it: then its checks reach public addresses only.
    pub submitted: bool,
}

impl NewPeer {
    /// A peer that the operator adds.
    pub fn of_operator(spec: PeerSpec) -> Self {
        Self { spec, approved: true, submitted: false }
    }
}

/// Selects peers for the operator's list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PeerFilter {
    /// Only approved peers, or only the others.
    pub approved: Option<bool>,
    /// Only peers that this selects.
    pub node: NodeFilter,
    /// The order of the list.
    pub order: PeerOrder,
}

/// The order of the operator's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PeerOrder {
    /// By the time at which peers were added, the newest first.
    #[default]
    NewestFirst,
    /// The oldest first.
    OldestFirst,
}

/// The outcome of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ImportCounts {
    /// How many peers were added.
    pub added: usize,
    /// How many of the added peers are not approved.
    pub unlisted: usize,
    /// How many were listed before; these are unchanged.
    pub known: usize,
}
