//! One EasyTier packet, as every transport carries it: a header of 16 bytes, then the payload.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use easytier::tunnel::packet_def::{PEER_MANAGER_HEADER_SIZE, PacketType};

/// The largest packet that is read where a transport says how large one is. EasyTier reads up to 2,000 bytes over tcp and 4,500 over
/// quic; what announces more is not EasyTier.
pub(super) const MAX_PACKET: usize = 4500;

/// The header flag that says the payload is encrypted (`PeerManagerHeaderFlags::ENCRYPTED` in the crate).
const FLAG_ENCRYPTED: u8 = 1;

/// A packet: who sent it to whom, of what type, and its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    pub from: u32,
    /// 0 before the other side's id is known.
    pub to: u32,
    /// A [`PacketType`] as it came; one that we do not know is no error.
    pub kind: u8,
    pub encrypted: bool,
    pub payload: Bytes,
}

impl Packet {
    pub fn new(from: u32, to: u32, kind: PacketType, payload: impl Into<Bytes>) -> Self {
        Self { from, to, kind: kind as u8, encrypted: false, payload: payload.into() }
    }

    pub fn is(&self, kind: PacketType) -> bool {
        self.kind == kind as u8
    }

    /// Reads the packet that fills `bytes`; `None` when they are too few to hold a header.
    pub fn decode(mut bytes: Bytes) -> Option<Self> {
        if bytes.len() < PEER_MANAGER_HEADER_SIZE {
            return None;
        }
        let from = bytes.get_u32_le();
        let to = bytes.get_u32_le();
        let kind = bytes.get_u8();
        let flags = bytes.get_u8();
        // The forward counter, a reserved byte and the payload's length, which the transport has said already.
        bytes.advance(6);
        Some(Self { from, to, kind, encrypted: flags & FLAG_ENCRYPTED != 0, payload: bytes })
    }

    /// The number of bytes that [`Packet::encode`] writes.
    pub fn encoded_len(&self) -> usize {
        PEER_MANAGER_HEADER_SIZE + self.payload.len()
    }

    pub fn encode(&self, out: &mut BytesMut) {
        out.reserve(self.encoded_len());
        out.put_u32_le(self.from);
        out.put_u32_le(self.to);
        out.put_u8(self.kind);
        out.put_u8(if self.encrypted { FLAG_ENCRYPTED } else { 0 });
        // One hop so far, as the crate counts it; then the reserved byte.
        out.put_u8(1);
        out.put_u8(0);
        out.put_u32_le(self.payload.len() as u32);
        out.extend_from_slice(&self.payload);
    }

    /// Takes the first packet of a byte stream, where a little-endian length of four bytes stands before each, out of
    /// `buffer`; `Ok(None)` while it is not complete.
    pub fn take_from_stream(buffer: &mut BytesMut) -> Result<Option<Self>, NotAPacket> {
        let Some(prefix) = buffer.first_chunk::<4>() else {
            return Ok(None);
        };
        let len = u32::from_le_bytes(*prefix) as usize;
        if !(PEER_MANAGER_HEADER_SIZE..=MAX_PACKET).contains(&len) {
            return Err(NotAPacket);
        }
        if buffer.len() < 4 + len {
            return Ok(None);
        }
        buffer.advance(4);
        Packet::decode(buffer.split_to(len).freeze()).map(Some).ok_or(NotAPacket)
    }

    /// Writes the packet as [`Packet::take_from_stream`] reads it.
    pub fn put_into_stream(&self, buffer: &mut BytesMut) {
        buffer.put_u32_le(self.encoded_len() as u32);
        self.encode(buffer);
    }
}

/// The bytes that came cannot be an EasyTier packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotAPacket;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn packet()(
            from in any::<u32>(),
            to in any::<u32>(),
            kind in any::<u8>(),
            encrypted in any::<bool>(),
            payload in proptest::collection::vec(any::<u8>(), 0..200),
        ) -> Packet {
            Packet { from, to, kind, encrypted, payload: payload.into() }
        }
    }

    proptest! {
        #[test]
        fn packets_are_read_as_they_were_written(
            packets in proptest::collection::vec(packet(), 0..5),
            cut in 0_usize..1000,
        ) {
            let mut bytes = BytesMut::new();
            packets.iter().for_each(|packet| packet.put_into_stream(&mut bytes));
            // They may come in two pieces, cut anywhere.
            let rest = bytes.split_off(cut.min(bytes.len()));
            let mut read = Vec::new();
            for piece in [BytesMut::new(), rest] {
                bytes.extend_from_slice(&piece);
                while let Some(packet) = Packet::take_from_stream(&mut bytes).unwrap() {
                    read.push(packet);
                }
            }
            prop_assert_eq!(read, packets);
            prop_assert!(bytes.is_empty());
        }

        #[test]
        fn any_bytes_are_packets_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut stream = BytesMut::from(&bytes[..]);
            while let Ok(Some(_)) = Packet::take_from_stream(&mut stream) {}
            let _ = Packet::decode(bytes.into());
        }
    }

    #[test]
    fn a_length_that_no_packet_has_is_refused() {
        for length in [0, 15, MAX_PACKET as u32 + 1, u32::MAX] {
            let mut stream = BytesMut::from(&length.to_le_bytes()[..]);
            assert_eq!(Packet::take_from_stream(&mut stream), Err(NotAPacket), "{length}");
        }
    }

    #[test]
    fn the_header_is_the_crates() {
        let mut theirs = easytier::tunnel::packet_def::ZCPacket::new_with_payload(b"seq!");
        theirs.fill_peer_manager_hdr(7, 9, PacketType::Ping as u8);
        let mut ours = BytesMut::new();
        Packet::new(7, 9, PacketType::Ping, &b"seq!"[..]).encode(&mut ours);
        assert_eq!(ours, theirs.tunnel_payload());
    }
}
