//! EasyTier's wire format: packets, messages, framing, digests and keys.
//!
//! This module encodes and decodes; it opens no sockets and knows nothing about checks. The crate `easytier` 2.0.3 is
//! the reference: the tests compare every constant, digest, key and encoded message with it, byte for byte. What newer
//! versions add (other ciphers, secure mode) is tested with nodes of 2.6; their new fields and values are ignored.

mod cipher;
mod handshake;
mod keys;
mod noise;
mod packet;
mod quic;
#[cfg(test)]
mod reference_tests;
mod route;
mod rpc;
mod secure_channel;
mod udp;
mod wireguard;

#[cfg(test)]
pub(crate) use self::quic::server::PlainServer;
pub(crate) use self::{
    cipher::MemberCiphers,
    handshake::{Handshake, MAGIC, VERSION},
    keys::{NetworkDigest, wireguard_key},
    noise::{NoiseError, NoiseInitiator},
    packet::{MAX_PACKET_SIZE, Packet, PacketType},
    quic::PlainClient,
    route::{SyncRouteInfoRequest, acknowledge_route_info, request_route_info},
    rpc::RpcPacket,
    secure_channel::SecureChannel,
    udp::{Datagram, DatagramType, MAX_DATAGRAM_SIZE},
    wireguard::{packet_in_ip, payload_of_ip},
};

/// The version of EasyTier whose protocol this library implements.
pub const EASYTIER_VERSION: &str = "2.0.3";
