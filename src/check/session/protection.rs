//! The encryption of remote procedure calls in a session. Handshakes and pings are plain.

use bytes::Bytes;
use prost::Message;

use crate::{
    Access,
    wire::{MemberCiphers, Packet, RpcPacket, SecureChannel},
};

/// How the packets of a session are encrypted.
pub(super) enum Protection {
    /// Not at all: the session of a guest, whose secret nobody else knows.
    None,
    /// With the keys that all members of the network share. Nodes answer plain packets too.
    Members(Box<MemberCiphers>),
    /// With keys of this session.
    Secure(Box<SecureChannel>),
}

impl Protection {
    /// The protection of a session that was opened with a plain handshake.
    pub fn of(access: &Access) -> Self {
        match access {
            Access::Member(network) => Self::Members(Box::new(MemberCiphers::new(network.network_secret.expose()))),
            Access::Guest => Self::None,
        }
    }

    /// The packet as this session sends it; `None` when it cannot be encrypted.
    pub fn seal(&mut self, packet: Packet) -> Option<Packet> {
        match self {
            Self::None | Self::Members(_) => Some(packet),
            Self::Secure(channel) => {
                let payload = Bytes::from(channel.seal(&packet.payload)?);
                Some(Packet { encrypted: true, payload, ..packet })
            }
        }
    }

    /// Reads the remote procedure call in a packet.
    ///
    /// # Errors
    ///
    /// When the packet is encrypted with another key or cipher.
    pub fn open(&mut self, packet: &Packet) -> Result<Option<RpcPacket>, Unreadable> {
        if !packet.encrypted {
            return Ok(RpcPacket::decode(packet.payload.clone()).ok());
        }
        // One cipher does not authenticate. That the content names the sender and the receiver of the packet stands in for it.
        let read = |opened: &[u8]| {
            RpcPacket::decode(opened).ok().filter(|rpc| rpc.from_peer == packet.from && rpc.to_peer == packet.to)
        };
        let opened = match self {
            Self::None => None,
            Self::Members(ciphers) => ciphers.open(&packet.payload, read),
            Self::Secure(channel) => channel.open(&packet.payload, read),
        };
        opened.map(Some).ok_or(Unreadable)
    }
}

/// A packet is encrypted with another key or cipher than this session's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;
