//! EasyTier's wire format: packets, messages, framing, digests and keys.
//!
//! This module encodes and decodes; it opens no sockets and knows nothing about checks. The crate `easytier` 2.0.3 is
//! the reference: the tests compare every constant, digest, key and encoded message with it, byte for byte. Fields and
//! values that newer versions add are ignored.

mod cipher;
mod handshake;
mod keys;
mod packet;
mod quic;
#[cfg(test)]
mod reference_tests;
mod route;
mod rpc;
mod udp;
mod wireguard;

#[cfg(test)]
pub(crate) use self::quic::server::PlainServer;
pub(crate) use self::{
    cipher::MemberKey,
    handshake::{Handshake, MAGIC, VERSION},
    keys::{DIGEST_SIZE, network_digest, wireguard_key},
    packet::{MAX_PACKET_SIZE, Packet, PacketType},
    quic::PlainClient,
    route::{SyncRouteInfoRequest, acknowledge_route_info, request_route_info},
    rpc::RpcPacket,
    udp::{Datagram, DatagramType, MAX_DATAGRAM_SIZE},
    wireguard::{packet_in_ip, payload_of_ip},
};

/// The version of EasyTier whose protocol this library implements.
pub const EASYTIER_VERSION: &str = "2.0.3";
