//! The network in whose name a session is opened.

use crate::{Access, Membership, wire::NetworkDigest};

/// The network that a session presents in its handshake.
#[derive(Clone)]
pub(super) struct Identity {
    pub network_name: String,
    pub digest: NetworkDigest,
}

impl Identity {
    pub fn member(network: &Membership) -> Self {
        let Membership { network_name, network_secret } = network;
        let digest = NetworkDigest::of(network_name, network_secret.expose());
        Self { network_name: network_name.clone(), digest }
    }

    /// A new throw-away network: nobody else uses its random name, and nobody can join it.
    pub fn guest() -> Self {
        let network_name = format!("{:016x}", rand::random::<u64>());
        let secret = format!("{:032x}", rand::random::<u128>());
        Self { digest: NetworkDigest::of(&network_name, &secret), network_name }
    }

    pub fn of(access: &Access) -> Self {
        match access {
            Access::Member(network) => Self::member(network),
            Access::Guest => Self::guest(),
        }
    }
}
