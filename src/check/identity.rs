//! The network in whose name a session is opened, and its key.

use crate::{
    Access, Membership,
    wire::{DIGEST_SIZE, MemberKey, network_digest},
};

/// The network that a session presents in its handshake.
pub(super) struct Identity {
    pub network_name: String,
    pub digest: [u8; DIGEST_SIZE],
    role: Role,
}

enum Role {
    /// A member of the node's own network. Members encrypt what they send to each other.
    Member(MemberKey),
    /// The only member of a throw-away network. Nodes send plain packets to it.
    Guest,
}

impl Identity {
    pub fn of(access: &Access) -> Self {
        match access {
            Access::Member(network) => Self::member(network),
            Access::Guest => Self::guest(),
        }
    }

    fn member(network: &Membership) -> Self {
        let secret = network.network_secret.expose();
        Self {
            network_name: network.network_name.clone(),
            digest: network_digest(&network.network_name, secret),
            role: Role::Member(MemberKey::new(secret)),
        }
    }

    /// A new throw-away network: nobody else uses its random name, and nobody can join it.
    pub fn guest() -> Self {
        let network_name = format!("{:016x}", rand::random::<u64>());
        let secret = format!("{:032x}", rand::random::<u128>());
        Self { digest: network_digest(&network_name, &secret), network_name, role: Role::Guest }
    }

    pub fn is_guest(&self) -> bool {
        matches!(self.role, Role::Guest)
    }

    /// Decrypts a payload; `None` for a guest, and when the key or the cipher is another.
    pub fn decrypt(&self, payload: &[u8]) -> Option<Vec<u8>> {
        match &self.role {
            Role::Member(key) => key.open(payload),
            Role::Guest => None,
        }
    }
}
