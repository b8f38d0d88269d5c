//! The handshake: the first packet in each direction.

use prost::Message;

use super::{
    keys::NetworkDigest,
    packet::{Packet, PacketType},
};

/// Marks a handshake as EasyTier's (`MAGIC` in `peers/peer_conn.rs` of the crate).
pub(crate) const MAGIC: u32 = 0xd1e1_a5e1;
/// The protocol version (`VERSION` in `peers/peer_conn.rs` of the crate).
pub(crate) const VERSION: u32 = 1;

/// `peer_rpc.HandshakeRequest`, which is both the request and the response.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Handshake {
    #[prost(uint32, tag = "1")]
    pub magic: u32,
    #[prost(uint32, tag = "2")]
    pub my_peer_id: u32,
    #[prost(uint32, tag = "3")]
    pub version: u32,
    #[prost(string, tag = "5")]
    pub network_name: String,
    #[prost(bytes = "vec", tag = "6")]
    pub network_secret_digest: Vec<u8>,
}

impl Handshake {
    pub fn new(my_peer_id: u32, network_name: &str, digest: &NetworkDigest) -> Self {
        Self {
            magic: MAGIC,
            my_peer_id,
            version: VERSION,
            network_name: network_name.to_owned(),
            network_secret_digest: digest.as_bytes().to_vec(),
        }
    }

    /// The packet that opens a session. The receiver's peer id is not known yet, which 0 stands for.
    pub fn to_packet(&self) -> Packet {
        Packet::new(self.my_peer_id, 0, PacketType::Handshake, self.encode_to_vec())
    }
}
