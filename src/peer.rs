//! A peer: an EasyTier node under watch.

use std::time::Duration;

use crate::{peer_url::PeerUrl, secret::Secret};

/// The name of the network when none is given, as in EasyTier.
pub const DEFAULT_NETWORK_NAME: &str = "default";

/// An EasyTier node under watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The backend's id; for peers from a command line or a list the position in it, from 1.
    pub id: i64,
    pub name: Option<String>,
    pub url: PeerUrl,
    pub access: Access,
    pub mode: CheckMode,
    /// The deadline of one check, when this peer wants another than the probe's.
    pub timeout: Option<Duration>,
    /// The node's owner offers to relay, so that a check may try it.
    pub allow_relay: bool,
    pub tags: Vec<String>,
    pub origin: Origin,
}

/// In whose network a peer is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// As a member of the node's own network.
    Member(Membership),
    /// In a throw-away network of the probe's own, which is how strangers use a shared node.
    Guest,
}

/// The network a member check joins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    pub network_name: String,
    /// May be empty: EasyTier networks without a secret have the empty one.
    pub network_secret: Secret,
}

/// How far a check goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CheckMode {
    /// Through admission, pings and route information.
    #[default]
    Full,
    /// To a valid handshake answer only, for private nodes.
    Handshake,
}

/// Who named the peer's address, which decides what addresses it may lie at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Origin {
    /// A person at this machine: typed, or written into a local file. Any address is allowed.
    #[default]
    Local,
    /// A backend: the address policy applies.
    Remote,
    /// A stranger, as the backend says: only public addresses are allowed, whatever the policy.
    Submitted,
}

impl Peer {
    /// A peer that a person named by its URL alone, checked as a guest.
    pub fn local(id: i64, url: PeerUrl) -> Self {
        Self {
            id,
            name: None,
            url,
            access: Access::Guest,
            mode: CheckMode::Full,
            timeout: None,
            allow_relay: false,
            tags: Vec::new(),
            origin: Origin::Local,
        }
    }
}
