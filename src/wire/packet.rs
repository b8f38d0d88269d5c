//! The packet that every transport carries: a header of 16 bytes (`PeerManagerHeader` in the crate), then the payload.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// The size of the header, in bytes.
pub(super) const HEADER_SIZE: usize = 16;

/// The size of the length in front of each packet in a byte stream.
pub(super) const LENGTH_SIZE: usize = 4;

/// The largest packet that is accepted, in bytes, from transports that announce the size. EasyTier reads up to 2,000
/// bytes over tcp and 4,500 over quic.
pub(crate) const MAX_PACKET_SIZE: usize = 4500;

/// The header flag of an encrypted payload (`PeerManagerHeaderFlags::ENCRYPTED` in the crate).
pub(super) const FLAG_ENCRYPTED: u8 = 1;

/// The type of a packet (`PacketType` in the crate).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PacketType {
    /// An IP packet of one member of a network to another.
    Data,
    Handshake,
    Ping,
    Pong,
    RpcRequest,
    RpcResponse,
    /// The three messages of the handshake in secure mode, since 2.6.0.
    NoiseFirst,
    NoiseSecond,
    NoiseLast,
    /// A type that checks have no use for, as it was received.
    Other(u8),
}

impl PacketType {
    /// The number in the header.
    pub fn code(self) -> u8 {
        match self {
            Self::Data => 1,
            Self::Handshake => 2,
            Self::Ping => 4,
            Self::Pong => 5,
            Self::RpcRequest => 8,
            Self::RpcResponse => 9,
            Self::NoiseFirst => 13,
            Self::NoiseSecond => 14,
            Self::NoiseLast => 15,
            Self::Other(code) => code,
        }
    }

    pub fn from_code(code: u8) -> Self {
        [
            Self::Data,
            Self::Handshake,
            Self::Ping,
            Self::Pong,
            Self::RpcRequest,
            Self::RpcResponse,
            Self::NoiseFirst,
            Self::NoiseSecond,
            Self::NoiseLast,
        ]
        .into_iter()
        .find(|kind| kind.code() == code)
        .unwrap_or(Self::Other(code))
    }
}

/// A packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    /// The sender's peer id.
    pub from: u32,
    /// The receiver's peer id; 0 before it is known.
    pub to: u32,
    pub kind: PacketType,
    pub encrypted: bool,
    pub payload: Bytes,
}

impl Packet {
    /// A packet with a plain payload.
    pub fn new(from: u32, to: u32, kind: PacketType, payload: impl Into<Bytes>) -> Self {
        Self { from, to, kind, encrypted: false, payload: payload.into() }
    }

    /// Reads the packet that fills `bytes`; `None` when they are shorter than a header.
    pub fn decode(mut bytes: Bytes) -> Option<Self> {
        if bytes.len() < HEADER_SIZE {
            return None;
        }
        let from = bytes.get_u32_le();
        let to = bytes.get_u32_le();
        let kind = PacketType::from_code(bytes.get_u8());
        let flags = bytes.get_u8();
        // The forward counter, a reserved byte, and the payload's length, which the transport's framing already gave.
        bytes.advance(6);
        Some(Self { from, to, kind, encrypted: flags & FLAG_ENCRYPTED != 0, payload: bytes })
    }

    /// The number of bytes that [`Packet::encode`] writes.
    pub fn encoded_len(&self) -> usize {
        HEADER_SIZE + self.payload.len()
    }

    /// Appends the packet to `out`.
    pub fn encode(&self, out: &mut BytesMut) {
        out.reserve(self.encoded_len());
        out.put_u32_le(self.from);
        out.put_u32_le(self.to);
        out.put_u8(self.kind.code());
        out.put_u8(if self.encrypted { FLAG_ENCRYPTED } else { 0 });
        // The forward counter: the crate counts the sender as the first hop. Then the reserved byte.
        out.put_u8(1);
        out.put_u8(0);
        out.put_u32_le(self.payload.len() as u32);
        out.extend_from_slice(&self.payload);
    }

    /// Removes the first packet from a byte stream (tcp, quic), where a little-endian length of four bytes precedes
    /// each packet. `Ok(None)` while the packet is incomplete.
    ///
    /// # Errors
    ///
    /// When no packet has the announced length.
    pub fn decode_from_stream(buffer: &mut BytesMut) -> Result<Option<Self>, InvalidPacket> {
        let Some(prefix) = buffer.first_chunk::<LENGTH_SIZE>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*prefix) as usize;
        if !(HEADER_SIZE..=MAX_PACKET_SIZE).contains(&length) {
            return Err(InvalidPacket);
        }
        if buffer.len() < LENGTH_SIZE + length {
            return Ok(None);
        }
        buffer.advance(LENGTH_SIZE);
        Self::decode(buffer.split_to(length).freeze()).map(Some).ok_or(InvalidPacket)
    }

    /// Appends the packet with its length, as [`Packet::decode_from_stream`] reads it.
    pub fn encode_to_stream(&self, buffer: &mut BytesMut) {
        buffer.reserve(self.encoded_stream_len());
        buffer.put_u32_le(self.encoded_len() as u32);
        self.encode(buffer);
    }

    /// The number of bytes that [`Packet::encode_to_stream`] writes.
    pub fn encoded_stream_len(&self) -> usize {
        LENGTH_SIZE + self.encoded_len()
    }
}

/// The bytes of a stream are not EasyTier packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InvalidPacket;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn packet()(
            from in any::<u32>(),
            to in any::<u32>(),
            code in any::<u8>(),
            encrypted in any::<bool>(),
            payload in proptest::collection::vec(any::<u8>(), 0..200),
        ) -> Packet {
            Packet { from, to, kind: PacketType::from_code(code), encrypted, payload: payload.into() }
        }
    }

    proptest! {
        #[test]
        fn packets_are_read_as_they_were_written(
            packets in proptest::collection::vec(packet(), 0..5),
            cut in 0_usize..1000,
        ) {
            let mut bytes = BytesMut::new();
            packets.iter().for_each(|packet| packet.encode_to_stream(&mut bytes));
            prop_assert_eq!(bytes.len(), packets.iter().map(Packet::encoded_stream_len).sum::<usize>());
            // The stream may arrive in two parts, cut anywhere.
            let rest = bytes.split_off(cut.min(bytes.len()));
            let mut read = Vec::new();
            for part in [BytesMut::new(), rest] {
                bytes.extend_from_slice(&part);
                while let Some(packet) = Packet::decode_from_stream(&mut bytes).unwrap() {
                    read.push(packet);
                }
            }
            prop_assert_eq!(read, packets);
            prop_assert!(bytes.is_empty());
        }

        #[test]
        fn any_bytes_can_be_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut stream = BytesMut::from(&bytes[..]);
            while let Ok(Some(_)) = Packet::decode_from_stream(&mut stream) {}
            let _ = Packet::decode(bytes.into());
        }

        #[test]
        fn every_type_keeps_its_number(code in any::<u8>()) {
            prop_assert_eq!(PacketType::from_code(code).code(), code);
        }
    }

    #[test]
    fn a_length_that_no_packet_has_is_refused() {
        for length in [0, 15, MAX_PACKET_SIZE as u32 + 1, u32::MAX] {
            let mut stream = BytesMut::from(&length.to_le_bytes()[..]);
            assert_eq!(Packet::decode_from_stream(&mut stream), Err(InvalidPacket), "{length}");
        }
    }
}
