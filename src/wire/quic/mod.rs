//! The QUIC of EasyTier 2.6.0 and later: QUIC version 1 without TLS and without keys.
//!
//! - No header is protected, and no payload is encrypted. In place of the tag of an AEAD a packet ends in a checksum of 8
//!   bytes, in every packet number space.
//! - The handshake consists of the transport parameters alone: the client's in its Initial packet, the server's in its
//!   Handshake packet.
//!
//! What runs over such a connection is as readable and as forgeable as over tcp. EasyTier's secrets do not depend on it.
//!
//! Source: the behaviour of nodes of 2.6.4. Only nodes on 64 bits are compatible: 2.6.0 to 2.6.4 on 32 bits hash shorter
//! lengths, and connect to no other kind either.

mod sea_hash;

use std::{any::Any, sync::Arc};

use bytes::BytesMut;
use quinn_proto::{
    ConnectError, ConnectionId, Side, TransportError,
    crypto::{self, CryptoError, ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey},
    transport_parameters::TransportParameters,
};

use self::sea_hash::SeaHash;

/// The size of the checksum at the end of a packet, in bytes.
const CHECKSUM_SIZE: usize = 8;

/// The cryptography of a client.
pub(crate) struct PlainClient;

impl crypto::ClientConfig for PlainClient {
    fn start_session(
        self: Arc<Self>,
        _version: u32,
        _server_name: &str,
        parameters: &TransportParameters,
    ) -> Result<Box<dyn crypto::Session>, ConnectError> {
        Ok(Box::new(PlainSession::new(Side::Client, parameters)))
    }
}

/// The handshake of one connection.
struct PlainSession {
    side: Side,
    own_parameters: Vec<u8>,
    peer_parameters: Option<TransportParameters>,
    stage: HandshakeStage,
}

/// The packet number space whose data are written next.
#[derive(Clone, Copy)]
enum HandshakeStage {
    Initial,
    Handshake,
    Done,
}

impl PlainSession {
    fn new(side: Side, parameters: &TransportParameters) -> Self {
        let mut own_parameters = Vec::new();
        parameters.write(&mut own_parameters);
        Self { side, own_parameters, peer_parameters: None, stage: HandshakeStage::Initial }
    }

    /// Whether this side sends its parameters in the space of `stage`.
    fn introduces_itself_in(&self, stage: HandshakeStage) -> bool {
        matches!(
            (self.side, stage),
            (Side::Client, HandshakeStage::Initial) | (Side::Server, HandshakeStage::Handshake)
        )
    }
}

impl crypto::Session for PlainSession {
    fn initial_keys(&self, _id: &ConnectionId, _side: Side) -> Keys {
        no_keys()
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        None
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        None
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        None
    }

    fn early_data_accepted(&self) -> Option<bool> {
        None
    }

    fn is_handshaking(&self) -> bool {
        self.peer_parameters.is_none() || !matches!(self.stage, HandshakeStage::Done)
    }

    /// Nodes send their parameters in one piece; a second piece is ignored.
    fn read_handshake(&mut self, mut bytes: &[u8]) -> Result<bool, TransportError> {
        let is_first = self.peer_parameters.is_none();
        if is_first {
            self.peer_parameters = Some(TransportParameters::read(self.side, &mut bytes)?);
        }
        Ok(is_first)
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        Ok(self.peer_parameters)
    }

    fn write_handshake(&mut self, bytes: &mut Vec<u8>) -> Option<Keys> {
        if self.introduces_itself_in(self.stage) {
            bytes.extend_from_slice(&self.own_parameters);
        }
        self.stage = match self.stage {
            HandshakeStage::Initial => HandshakeStage::Handshake,
            HandshakeStage::Handshake => HandshakeStage::Done,
            HandshakeStage::Done => return None,
        };
        Some(no_keys())
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        Some(no_keys().packet)
    }

    /// Nodes never send one.
    fn is_valid_retry(&self, _id: &ConnectionId, _header: &[u8], _payload: &[u8]) -> bool {
        false
    }

    fn export_keying_material(
        &self,
        _output: &mut [u8],
        _label: &[u8],
        _context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        Err(ExportKeyingMaterialError)
    }
}

fn no_keys() -> Keys {
    Keys {
        header: KeyPair { local: Box::new(NoKey), remote: Box::new(NoKey) },
        packet: KeyPair { local: Box::new(NoKey), remote: Box::new(NoKey) },
    }
}

/// Protects no header, and a payload against nothing but damage.
struct NoKey;

impl HeaderKey for NoKey {
    fn decrypt(&self, _offset: usize, _packet: &mut [u8]) {}

    fn encrypt(&self, _offset: usize, _packet: &mut [u8]) {}

    fn sample_size(&self) -> usize {
        0
    }
}

impl PacketKey for NoKey {
    fn encrypt(&self, _number: u64, packet: &mut [u8], header_length: usize) {
        // The caller has left space for the checksum.
        let Some((protected, place)) = packet.split_last_chunk_mut::<CHECKSUM_SIZE>() else { return };
        let Some((header, payload)) = protected.split_at_checked(header_length) else { return };
        *place = checksum(header, payload);
    }

    fn decrypt(&self, _number: u64, header: &[u8], payload: &mut BytesMut) -> Result<(), CryptoError> {
        let (text, received) = payload.split_last_chunk::<CHECKSUM_SIZE>().ok_or(CryptoError)?;
        if *received != checksum(header, text) {
            return Err(CryptoError);
        }
        let length = text.len();
        payload.truncate(length);
        Ok(())
    }

    fn tag_len(&self) -> usize {
        CHECKSUM_SIZE
    }

    fn confidentiality_limit(&self) -> u64 {
        u64::MAX
    }

    /// The largest limit of a cipher in RFC 9001, section 6.6.
    fn integrity_limit(&self) -> u64 {
        1 << 36
    }
}

/// The checksum of a packet: of its header, which ends with the packet number, and its payload, each with its length in
/// front.
fn checksum(header: &[u8], payload: &[u8]) -> [u8; CHECKSUM_SIZE] {
    let mut hash = SeaHash::new();
    for part in [header, payload] {
        hash.write(&(part.len() as u64).to_le_bytes());
        hash.write(part);
    }
    hash.finish().to_be_bytes()
}

#[cfg(test)]
pub(crate) mod server {
    //! The other side, for tests.

    use quinn_proto::crypto::UnsupportedVersion;

    use super::*;

    /// The cryptography of a server.
    pub struct PlainServer;

    impl crypto::ServerConfig for PlainServer {
        fn initial_keys(&self, _version: u32, _id: &ConnectionId) -> Result<Keys, UnsupportedVersion> {
            Ok(no_keys())
        }

        fn retry_tag(&self, _version: u32, _id: &ConnectionId, _packet: &[u8]) -> [u8; 16] {
            [0; 16]
        }

        fn start_session(self: Arc<Self>, _version: u32, parameters: &TransportParameters) -> Box<dyn crypto::Session> {
            Box::new(PlainSession::new(Side::Server, parameters))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};
    use quinn_proto::crypto::Session;

    use super::*;

    /// A packet with its checksum: the header and the rest.
    fn sealed(header: &[u8], payload: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let mut packet = [header, payload, &[0; CHECKSUM_SIZE]].concat();
        PacketKey::encrypt(&NoKey, 0, &mut packet, header.len());
        let rest = packet.split_off(header.len());
        (packet, rest)
    }

    fn open(header: &[u8], rest: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let mut payload = BytesMut::from(rest);
        PacketKey::decrypt(&NoKey, 0, header, &mut payload)?;
        Ok(payload.to_vec())
    }

    fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
        vec(any::<u8>(), 0..max)
    }

    proptest! {
        #[test]
        fn what_was_sealed_can_be_opened(header in bytes(60), payload in bytes(1500)) {
            let (sealed_header, rest) = sealed(&header, &payload);
            prop_assert_eq!(&sealed_header, &header);
            prop_assert_eq!(open(&header, &rest).expect("it was not changed"), payload);
        }

        #[test]
        fn any_bytes_of_a_stranger_are_refused(header in bytes(60), rest in bytes(100)) {
            prop_assert!(open(&header, &rest).is_err());
        }

        #[test]
        fn any_change_is_refused(header in bytes(60), payload in bytes(200), at: prop::sample::Index, change in 1..=255_u8) {
            let (mut header, mut rest) = sealed(&header, &payload);
            let at = at.index(header.len() + rest.len());
            let header_length = header.len();
            *header.iter_mut().chain(&mut rest).nth(at).expect("an index of a byte") ^= change;
            prop_assert!(open(&header, &rest).is_err(), "byte {at}, header of {header_length}");
        }

        #[test]
        fn bytes_that_move_between_header_and_payload_are_refused(
            header in bytes(60),
            payload in bytes(200),
            at: prop::sample::Index,
        ) {
            let (sealed_header, rest) = sealed(&header, &payload);
            let packet = [sealed_header, rest].concat();
            let at = at.index(packet.len());
            prop_assume!(at != header.len());
            prop_assert!(open(&packet[..at], &packet[at..]).is_err());
        }

        #[test]
        fn a_cut_packet_is_refused(header in bytes(60), payload in bytes(200), at: prop::sample::Index) {
            let (header, rest) = sealed(&header, &payload);
            prop_assert!(open(&header, &rest[..at.index(rest.len())]).is_err());
        }

        #[test]
        fn no_packet_is_too_short_to_be_sealed(mut packet in bytes(12), header_length in 0..20_usize) {
            PacketKey::encrypt(&NoKey, 0, &mut packet, header_length);
        }

        #[test]
        fn a_strangers_parameters_are_read_or_refused(pieces in vec(bytes(60), 0..4)) {
            let mut session = PlainSession {
                side: Side::Client,
                own_parameters: Vec::new(),
                peer_parameters: None,
                stage: HandshakeStage::Initial,
            };
            let read: Vec<_> = pieces.iter().map(|piece| session.read_handshake(piece)).collect();
            prop_assert!(read.iter().filter(|first| matches!(first, Ok(true))).count() <= 1);
            prop_assert_eq!(session.peer_parameters.is_some(), read.iter().any(Result::is_ok));
        }
    }
}
