//! The handshake of connections in secure mode (since 2.6.0): Noise XX, whose three messages carry a message of EasyTier's
//! each (`PeerConnNoiseMsg1Pb` and so on, in `peer_rpc.proto` of 2.6).
//!
//! Each side proves in it that it knows the network's secret, without showing it. So a node with another secret is told
//! from the right one before anything is closed, and a stranger cannot pass for the node.

use prost::Message;
use ring::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use snow::{
    Builder, HandshakeState,
    params::{CipherChoice, DHChoice, HashChoice},
    resolvers::{CryptoResolver, DefaultResolver, FallbackResolver},
    types::{Cipher, Dh, Hash, Random},
};

use super::{
    handshake::VERSION,
    keys::NetworkDigest,
    packet::{Packet, PacketType},
    secure_channel::{KEY_SIZE, SecureChannel},
};

const PATTERN: &str = "Noise_XX_25519_ChaChaPoly_SHA256";
/// Both sides start with this text, so that the handshake of another protocol cannot be mistaken for this one.
const PROLOGUE: &[u8] = b"easytier-peerconn-noise";
/// What a proof of the secret begins with.
const PROOF_LABEL: &[u8] = b"easytier secret proof";
/// The cipher of the packets that this side sends.
const CIPHER: &str = "aes-gcm";
/// More than a message of the handshake has, in bytes.
const MAX_MESSAGE: usize = 2048;

/// The side of a handshake that begins it, as a member of a network.
pub(crate) struct NoiseInitiator {
    state: HandshakeState,
    me: u32,
    connection: Uuid,
    /// What the node must prove the secret for.
    challenge: Vec<u8>,
}

/// What the node answered.
pub(crate) struct NoiseAnswer {
    /// The node's peer id.
    pub node: u32,
    /// The name of the node's own network.
    pub network_name: String,
    /// Whether the node has proven that it knows the member's secret. It does so in its own network only.
    pub has_secret: bool,
    /// The packet that ends the handshake.
    pub last: Packet,
    /// For the packets after it.
    pub channel: SecureChannel,
}

/// The handshake failed: the library cannot make a message, or what arrived is not a valid answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoiseError;

impl NoiseInitiator {
    /// Begins a handshake in the network of this name; returns the packet to send.
    pub fn new(me: u32, network_name: &str) -> Result<(Self, Packet), NoiseError> {
        let builder = || Some(Builder::with_resolver(PATTERN.parse().ok()?, resolver()));
        // Nodes of the same network know each other by the secret, so a key for one handshake is enough.
        let key = builder().and_then(|builder| builder.generate_keypair().ok()).ok_or(NoiseError)?;
        let mut state = builder()
            .and_then(|builder| builder.prologue(PROLOGUE).ok()?.local_private_key(&key.private).ok())
            .and_then(|builder| builder.build_initiator().ok())
            .ok_or(NoiseError)?;

        let connection =
            Uuid { part1: rand::random(), part2: rand::random(), part3: rand::random(), part4: rand::random() };
        let first = FirstMessage {
            version: VERSION,
            network_name: network_name.to_owned(),
            connection: Some(connection),
            cipher: CIPHER.to_owned(),
        };
        let packet = write(&mut state, me, 0, PacketType::NoiseFirst, &first)?;
        let challenge = challenge(&state);
        Ok((Self { state, me, connection, challenge }, packet))
    }

    /// Reads the node's answer, and proves the secret in return.
    pub fn answer(
        mut self,
        answer: &Packet,
        network_secret: &str,
        digest: &NetworkDigest,
    ) -> Result<NoiseAnswer, NoiseError> {
        let mut content = [0; MAX_MESSAGE];
        let length = self.state.read_message(&answer.payload, &mut content).map_err(|_| NoiseError)?;
        let second = SecondMessage::decode(&content[..length]).map_err(|_| NoiseError)?;
        if second.initiators_connection != Some(self.connection) {
            return Err(NoiseError);
        }
        // It is missing only when both sides keep the root key of an earlier handshake, and this side never has one.
        let root: [u8; KEY_SIZE] = second.root_key.as_slice().try_into().map_err(|_| NoiseError)?;

        let key = proof_key(network_secret);
        let last = LastMessage {
            initiators_connection: Some(self.connection),
            responders_connection: second.connection,
            proof: hmac::sign(&key, &challenge(&self.state)).as_ref().to_vec(),
            network_secret_digest: digest.as_bytes().to_vec(),
        };
        let last = write(&mut self.state, self.me, answer.from, PacketType::NoiseLast, &last)?;
        Ok(NoiseAnswer {
            node: answer.from,
            network_name: second.network_name,
            has_secret: hmac::verify(&key, &self.challenge, &second.proof).is_ok(),
            last,
            channel: SecureChannel::new(root, second.epoch, self.me, answer.from),
        })
    }
}

fn write(
    state: &mut HandshakeState,
    from: u32,
    to: u32,
    kind: PacketType,
    message: &impl Message,
) -> Result<Packet, NoiseError> {
    let mut bytes = vec![0; MAX_MESSAGE];
    let length = state.write_message(&message.encode_to_vec(), &mut bytes).map_err(|_| NoiseError)?;
    bytes.truncate(length);
    Ok(Packet::new(from, to, kind, bytes))
}

/// What a proof of the secret is made for: the messages of the handshake so far.
fn challenge(state: &HandshakeState) -> Vec<u8> {
    [PROOF_LABEL, state.get_handshake_hash()].concat()
}

fn proof_key(network_secret: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, network_secret.as_bytes())
}

fn resolver() -> Box<FallbackResolver> {
    Box::new(FallbackResolver::new(Box::new(Randomness), Box::new(DefaultResolver)))
}

/// Provides random numbers, and nothing else: those of `snow` come from another version of `getrandom`.
struct Randomness;

impl CryptoResolver for Randomness {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(Self))
    }

    fn resolve_dh(&self, _: &DHChoice) -> Option<Box<dyn Dh>> {
        None
    }

    fn resolve_hash(&self, _: &HashChoice) -> Option<Box<dyn Hash>> {
        None
    }

    fn resolve_cipher(&self, _: &CipherChoice) -> Option<Box<dyn Cipher>> {
        None
    }
}

impl Random for Randomness {
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), snow::Error> {
        SystemRandom::new().fill(bytes).map_err(|_| snow::Error::Rng)
    }
}

/// `common.UUID`
#[derive(Clone, Copy, PartialEq, Message)]
struct Uuid {
    #[prost(uint32, tag = "1")]
    part1: u32,
    #[prost(uint32, tag = "2")]
    part2: u32,
    #[prost(uint32, tag = "3")]
    part3: u32,
    #[prost(uint32, tag = "4")]
    part4: u32,
}

/// `peer_rpc.PeerConnNoiseMsg1Pb`, which anybody can read.
#[derive(Clone, PartialEq, Message)]
struct FirstMessage {
    #[prost(uint32, tag = "1")]
    version: u32,
    #[prost(string, tag = "2")]
    network_name: String,
    #[prost(message, optional, tag = "4")]
    connection: Option<Uuid>,
    /// The cipher of this side's packets.
    #[prost(string, tag = "5")]
    cipher: String,
}

/// `peer_rpc.PeerConnNoiseMsg2Pb`
#[derive(Clone, PartialEq, Message)]
struct SecondMessage {
    #[prost(string, tag = "1")]
    network_name: String,
    #[prost(bytes = "vec", tag = "5")]
    root_key: Vec<u8>,
    #[prost(uint32, tag = "6")]
    epoch: u32,
    #[prost(message, optional, tag = "7")]
    connection: Option<Uuid>,
    #[prost(message, optional, tag = "8")]
    initiators_connection: Option<Uuid>,
    #[prost(bytes = "vec", tag = "9")]
    proof: Vec<u8>,
}

/// `peer_rpc.PeerConnNoiseMsg3Pb`
#[derive(Clone, PartialEq, Message)]
struct LastMessage {
    #[prost(message, optional, tag = "1")]
    initiators_connection: Option<Uuid>,
    #[prost(message, optional, tag = "2")]
    responders_connection: Option<Uuid>,
    #[prost(bytes = "vec", tag = "3")]
    proof: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    network_secret_digest: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ME: u32 = 7;
    const NODE: u32 = 9;

    /// A node in secure mode.
    struct Responder {
        state: HandshakeState,
        first: FirstMessage,
        secret: &'static str,
        root: [u8; KEY_SIZE],
    }

    impl Responder {
        fn receive(first: &Packet, secret: &'static str) -> Self {
            assert_eq!((first.from, first.to, first.kind), (ME, 0, PacketType::NoiseFirst));
            let builder = || Builder::with_resolver(PATTERN.parse().unwrap(), resolver());
            let key = builder().generate_keypair().unwrap();
            let builder = builder().prologue(PROLOGUE).unwrap().local_private_key(&key.private).unwrap();
            let mut state = builder.build_responder().unwrap();
            let mut content = [0; MAX_MESSAGE];
            let length = state.read_message(&first.payload, &mut content).unwrap();
            Self { state, first: FirstMessage::decode(&content[..length]).unwrap(), secret, root: [5; KEY_SIZE] }
        }

        fn proof(&self) -> Vec<u8> {
            hmac::sign(&proof_key(self.secret), &challenge(&self.state)).as_ref().to_vec()
        }

        fn answer(&mut self) -> Packet {
            let second = SecondMessage {
                network_name: "net".to_owned(),
                root_key: self.root.to_vec(),
                epoch: 3,
                connection: Some(Uuid { part1: 1, part2: 2, part3: 3, part4: 4 }),
                initiators_connection: self.first.connection,
                proof: self.proof(),
            };
            write(&mut self.state, NODE, ME, PacketType::NoiseSecond, &second).unwrap()
        }

        fn finish(&mut self, last: &Packet) -> LastMessage {
            assert_eq!((last.from, last.to, last.kind), (ME, NODE, PacketType::NoiseLast));
            let expected = self.proof();
            let mut content = [0; MAX_MESSAGE];
            let length = self.state.read_message(&last.payload, &mut content).unwrap();
            let last = LastMessage::decode(&content[..length]).unwrap();
            assert_eq!(last.proof == expected, self.secret == "secret");
            last
        }
    }

    fn begin() -> (NoiseInitiator, Packet) {
        NoiseInitiator::new(ME, "net").unwrap()
    }

    #[test]
    fn both_sides_prove_the_secret_and_share_keys() {
        let digest = NetworkDigest::of("net", "secret");
        let (initiator, first) = begin();
        let mut node = Responder::receive(&first, "secret");
        assert_eq!((node.first.version, node.first.network_name.as_str()), (1, "net"));
        assert_eq!(node.first.cipher, "aes-gcm");

        let mut answer = initiator.answer(&node.answer(), "secret", &digest).unwrap();
        assert_eq!((answer.node, answer.network_name.as_str(), answer.has_secret), (NODE, "net", true));
        let last = node.finish(&answer.last);
        assert_eq!(last.initiators_connection, node.first.connection);
        assert_eq!(last.responders_connection, Some(Uuid { part1: 1, part2: 2, part3: 3, part4: 4 }));
        assert_eq!(last.network_secret_digest, digest.as_bytes());

        let sealed = answer.channel.seal(b"question").unwrap();
        let mut channel = SecureChannel::new(node.root, 3, NODE, ME);
        assert_eq!(channel.open(&sealed, |opened| Some(opened.to_vec())).as_deref(), Some(&b"question"[..]));
    }

    #[test]
    fn a_node_with_another_secret_is_told_by_its_proof() {
        let (initiator, first) = begin();
        let mut node = Responder::receive(&first, "another secret");
        let answer = initiator.answer(&node.answer(), "secret", &NetworkDigest::of("net", "secret")).unwrap();
        assert!(!answer.has_secret);
        node.finish(&answer.last);
    }

    #[test]
    fn an_answer_to_another_handshake_is_refused() {
        let (_, other) = begin();
        let (initiator, _) = begin();
        let answer = Responder::receive(&other, "secret").answer();
        assert!(initiator.answer(&answer, "secret", &NetworkDigest::of("net", "secret")).is_err());
    }

    proptest! {
        #[test]
        fn any_answer_is_read_without_a_panic(payload in proptest::collection::vec(any::<u8>(), 0..300)) {
            let answer = Packet::new(NODE, ME, PacketType::NoiseSecond, payload);
            prop_assert!(begin().0.answer(&answer, "secret", &NetworkDigest::of("net", "secret")).is_err());
        }
    }
}
