//! How far away an address is.

use std::net::IpAddr;

use crate::{PeerUrl, address::AddressKind};

/// How far away an address is. A farther one takes all that a nearer one takes, and more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// On this machine or this link.
    Local,
    /// In a private network.
    Private,
    /// On the Internet.
    Public,
}

impl Scope {
    /// All scopes, the nearest first.
    pub const ALL: [Self; 3] = [Self::Local, Self::Private, Self::Public];

    /// The scope of `address`.
    pub fn of(address: IpAddr) -> Self {
        match AddressKind::of(address) {
            AddressKind::Local => Self::Local,
            AddressKind::Private => Self::Private,
            AddressKind::Public | AddressKind::Unusable => Self::Public,
        }
    }

    /// The scope of the host in `url`. A name counts as public, because most of those that peers have are.
    pub fn of_url(url: &PeerUrl) -> Self {
        url.ip().map_or(Self::Public, Self::of)
    }
}
