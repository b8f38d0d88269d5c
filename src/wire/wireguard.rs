//! EasyTier over WireGuard: each packet is the payload of an IPv4 packet inside the tunnel.

use bytes::{BufMut, BytesMut};

use super::packet::Packet;

/// The size of the IPv4 header, in bytes.
pub(super) const IP_HEADER_SIZE: usize = 20;

/// Wraps a packet into an IPv4 packet, as `WgPeerData::fill_ip_header` does in the crate. WireGuard reads the version
/// and the length; the addresses are not used.
pub(crate) fn packet_in_ip(packet: &Packet) -> BytesMut {
    let length = IP_HEADER_SIZE + packet.encoded_len();
    let mut bytes = BytesMut::with_capacity(length);
    bytes.put_slice(&[0x45, 0]);
    bytes.put_u16(length as u16);
    bytes.put_slice(&[0, 0, 0, 0, 64, 0, 0, 0]);
    bytes.put_slice(&[0; 8]);
    packet.encode(&mut bytes);
    bytes
}

/// The payload of an IPv4 packet from the tunnel; `None` when it is shorter than its header. WireGuard cuts a packet to
/// the length that it announces, which may be any.
pub(crate) fn payload_of_ip(ip_packet: &[u8]) -> Option<&[u8]> {
    ip_packet.get(IP_HEADER_SIZE..)
}
