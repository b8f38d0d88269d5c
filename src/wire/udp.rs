//! EasyTier's own connections over UDP: a header of eight bytes in each datagram (`UDPTunnelHeader` in the crate).
//!
//! A connection is opened by a SYN with eight random bytes, which the node sends back in its SACK.

use bytes::{Buf, BufMut, BytesMut};

/// The size of the header, in bytes: connection id, type, padding, length of the body.
pub(super) const UDP_HEADER_SIZE: usize = 8;

/// The largest datagram that EasyTier reads, in bytes.
pub(crate) const MAX_DATAGRAM_SIZE: usize = 2048;

/// The type of a datagram (`UdpPacketType` in the crate). Types that a client never gets are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DatagramType {
    Syn = 1,
    Sack = 2,
    Data = 3,
    Fin = 4,
}

impl DatagramType {
    fn from_code(code: u8) -> Option<Self> {
        [Self::Syn, Self::Sack, Self::Data, Self::Fin].into_iter().find(|kind| *kind as u8 == code)
    }
}

/// A datagram of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Datagram<'a> {
    pub connection: u32,
    pub kind: DatagramType,
    pub body: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// Reads a datagram; `None` when it is too short, has an unknown type, or announces another length than it has.
    pub fn decode(mut bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() < UDP_HEADER_SIZE {
            return None;
        }
        let connection = bytes.get_u32_le();
        let kind = DatagramType::from_code(bytes.get_u8())?;
        bytes.advance(1);
        let length = usize::from(bytes.get_u16_le());
        (length == bytes.len()).then_some(Self { connection, kind, body: bytes })
    }

    pub fn encode(&self) -> BytesMut {
        let mut bytes = BytesMut::with_capacity(UDP_HEADER_SIZE + self.body.len());
        bytes.put_u32_le(self.connection);
        bytes.put_u8(self.kind as u8);
        bytes.put_u8(0);
        bytes.put_u16_le(self.body.len() as u16);
        bytes.put_slice(self.body);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn datagrams_are_read_as_they_were_written(
            connection in any::<u32>(),
            kind in prop::sample::select(vec![DatagramType::Syn, DatagramType::Sack, DatagramType::Data, DatagramType::Fin]),
            body in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let datagram = Datagram { connection, kind, body: &body };
            let bytes = datagram.encode();
            prop_assert_eq!(Datagram::decode(&bytes), Some(datagram));
            // Cut short, or with a tail, it is not the datagram that it announces.
            prop_assert_eq!(Datagram::decode(&bytes[..bytes.len() - 1]), None);
            let longer = [&bytes[..], b"x"].concat();
            prop_assert_eq!(Datagram::decode(&longer), None);
        }

        #[test]
        fn any_bytes_can_be_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..32)) {
            let _ = Datagram::decode(&bytes);
        }
    }
}
