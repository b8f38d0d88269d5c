//! One EasyTier packet, as every transport carries it: a header of 16 bytes, then the payload.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use easytier::tunnel::packet_def::{PEER_MANAGER_HEADER_SIZE, PacketType};

/// The largest packet that a stream transport may announce. EasyTier reads up to 2,000 bytes over tcp and 4,500 over
/// quic; what announces more is not EasyTier.
const MAX_PACKET: usize = 4500;

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
