//! A peer: an EasyTier node that is checked.

use std::time::Duration;

use crate::{listing_version::ListingVersion, peer_url::PeerUrl, secret::Secret};

/// The network name if none is given, as in EasyTier.
pub const DEFAULT_NETWORK_NAME: &str = "default";

/// An EasyTier node that is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The backend's id. For a peer from a command line or a list without ids, its position there, from 1.
    pub id: i64,
    /// A name for people.
    pub name: Option<String>,
    /// Where the node listens, or where its address is looked up.
    pub url: PeerUrl,
    /// The network in which the peer is checked.
    pub access: Access,
    /// How far a check goes.
    pub mode: CheckMode,
    /// The deadline of one check; `None` for that of [`CheckOptions`](crate::CheckOptions).
    pub timeout: Option<Duration>,
    /// Whether the node's owner offers to relay data, so that a check may try it.
    pub allow_relay: bool,
    /// Whether the backend asks to test, with the next check, whether the node relays data.
    pub test_relay: bool,
    /// Labels for people.
    pub tags: Vec<String>,
    /// Who named the peer's address.
    pub origin: Origin,
    /// Whether the backend lists the peer as online. When nearly all such peers fail at once, the fault may be the probe's.
    pub was_online: bool,
    /// The version of the list that the peer is in, if the list has one. The results of its checks carry it.
    pub listing: Option<ListingVersion>,
}

/// The network in which a peer is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// The node's own network, as one of its members.
    Member(Membership),
    /// A temporary network of the probe with a random name, as anybody uses a shared node.
    Guest,
}

/// The name and the secret of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The name of the network.
    pub network_name: String,
    /// The secret of the network; empty for a network without one, as in EasyTier.
    pub network_secret: Secret,
}

/// How far a check goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CheckMode {
    /// Through all stages.
    #[default]
    Full,
    /// To a valid handshake response, for private nodes whose secret is not known. Over the QUIC of 2.6, that a node closes
    /// when it has read the handshake counts as its response, because the response itself may get lost then.
    Handshake,
}

/// Who named a peer's address. This decides which addresses are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Origin {
    /// A user of this machine, on a command line or in a local file. Any address is allowed.
    #[default]
    Local,
    /// A backend. The [`AddressPolicy`](crate::AddressPolicy) applies.
    Remote,
    /// An anonymous submission to the backend. Only public addresses are allowed, whatever the policy.
    Submitted,
}

impl Peer {
    /// Whether a check of `other` is the same as one of this peer. Names, tags and whether relaying is allowed do not matter.
    pub fn is_checked_like(&self, other: &Self) -> bool {
        let Self {
            id: _,
            name: _,
            url,
            access,
            mode,
            timeout,
            allow_relay: _,
            test_relay: _,
            tags: _,
            origin,
            was_online: _,
            listing: _,
        } = self;
        (url, access, mode, timeout, origin) == (&other.url, &other.access, &other.mode, &other.timeout, &other.origin)
    }

    /// Whether `other` is the same entry of a list, apart from [`was_online`](Self::was_online) and
    /// [`listing`](Self::listing), which change by themselves.
    pub fn is_listed_like(&self, other: &Self) -> bool {
        let Self { id, name, allow_relay, tags, .. } = self;
        let labels = (id, name, allow_relay, tags);
        labels == (&other.id, &other.name, &other.allow_relay, &other.tags) && self.is_checked_like(other)
    }

    /// A peer of a local user, checked as a guest. `id` is its position on the command line, from 1.
    pub fn local(id: i64, url: PeerUrl) -> Self {
        Self {
            id,
            name: None,
            url,
            access: Access::Guest,
            mode: CheckMode::Full,
            timeout: None,
            allow_relay: false,
            test_relay: false,
            tags: Vec::new(),
            origin: Origin::Local,
            was_online: false,
            listing: None,
        }
    }
}
