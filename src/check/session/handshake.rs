//! The first packets in each direction: EasyTier's plain handshake, or that of secure mode.

use prost::Message;
use tokio::time::Instant;

use super::{Session, SessionStart, protection::Protection};
use crate::{
    Access, Failure, Membership,
    check::{
        dial::{Link, LinkError},
        identity::Identity,
        resend::{Exchange, send_until_answered},
    },
    wire::{Handshake, MAGIC, NoiseError, NoiseInitiator, Packet, PacketType, VERSION},
};

/// How many other packets are skipped before the answer to the handshake: a ping came first in 1 % of runs over wg.
const MAX_PACKETS_BEFORE_ANSWER: u32 = 64;

/// How the node's network compares to the session's, by the node's answer to the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::check) enum NetworkMatch {
    /// The same name and secret.
    Same,
    /// The same name, but another secret: newer nodes answer this before they close the connection. Instead of their digest
    /// they send zeros.
    OtherSecret,
    /// Another name, as every shared node answers a guest.
    OtherNetwork,
}

/// Why the handshake failed.
#[derive(Debug)]
pub(in crate::check) enum HandshakeError {
    /// The node closed the connection, or the network did.
    Closed,
    /// A node of 2.6 or later has read the handshake, answered and closed, and the answer got lost.
    AnswerLost,
    /// What arrived is not EasyTier's; the text describes it.
    NotEasytier(&'static str),
    /// An EasyTier handshake of another version; the text describes it.
    OtherProtocol(String),
    /// Packets cannot be exchanged, and the node did not cause that.
    Network(Failure),
}

impl From<LinkError> for HandshakeError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Closed => Self::Closed,
            LinkError::NotEasytier(received) => Self::NotEasytier(received),
            LinkError::Network(failure) => Self::Network(failure),
        }
    }
}

impl From<NoiseError> for HandshakeError {
    fn from(_: NoiseError) -> Self {
        Self::NotEasytier("an answer to the handshake of secure mode that cannot be read")
    }
}

impl Session {
    /// Sends the plain handshake and waits for the answer.
    ///
    /// # Errors
    ///
    /// When the link ends, or the answer is not a valid handshake.
    pub async fn open(link: Link, access: &Access) -> Result<Self, HandshakeError> {
        Self::open_as(link, Identity::of(access), Protection::of(access)).await
    }

    /// As [`Session::open`], as a guest whose throw-away network others share.
    pub async fn open_as_guest(link: Link, network: Identity) -> Result<Self, HandshakeError> {
        Self::open_as(link, network, Protection::None).await
    }

    async fn open_as(mut link: Link, identity: Identity, protection: Protection) -> Result<Self, HandshakeError> {
        let me = new_peer_id();
        let sent_at = Instant::now();
        let request = Handshake::new(me, &identity.network_name, &identity.digest).to_packet();
        let answer = exchange(&mut link, &request, PacketType::Handshake).await?;
        let answer = Handshake::decode(answer.payload)
            .map_err(|_| HandshakeError::NotEasytier("a handshake that cannot be read"))?;
        if answer.magic != MAGIC || answer.version != VERSION {
            let details = format!("its handshake has magic {:#x} and version {}", answer.magic, answer.version);
            return Err(HandshakeError::OtherProtocol(details));
        }
        // An echo service would pass for a node of the same network.
        if answer.my_peer_id == me {
            return Err(HandshakeError::NotEasytier("our own handshake back"));
        }
        let digest = identity.digest.as_bytes();
        if answer.network_secret_digest.len() != digest.len() {
            let details = format!("its handshake has a digest of {} bytes", answer.network_secret_digest.len());
            return Err(HandshakeError::OtherProtocol(details));
        }
        let network_match = match answer.network_name == identity.network_name {
            true if answer.network_secret_digest == digest => NetworkMatch::Same,
            true => NetworkMatch::OtherSecret,
            false => NetworkMatch::OtherNetwork,
        };
        Ok(Self::start(SessionStart {
            link,
            identity,
            me,
            node: answer.my_peer_id,
            network_match,
            node_network: answer.network_name,
            shows_digest: answer.network_secret_digest.iter().any(|byte| *byte != 0),
            protection,
            last_of_handshake: None,
            round_trip: sent_at.elapsed(),
        }))
    }

    /// Opens a session in secure mode, as a member.
    ///
    /// # Errors
    ///
    /// When the link ends, or the answer is not a valid one. Nodes that are not in secure mode close the connection.
    pub async fn open_secure(mut link: Link, network: &Membership) -> Result<Self, HandshakeError> {
        let identity = Identity::member(network);
        let secret = network.network_secret.expose();
        let me = new_peer_id();
        let sent_at = Instant::now();
        let (initiator, first) = NoiseInitiator::new(me, &identity.network_name)?;
        let answer = exchange(&mut link, &first, PacketType::NoiseSecond).await?;
        let round_trip = sent_at.elapsed();
        let answer = initiator.answer(&answer, secret, &identity.digest)?;
        let network_match = match answer.network_name == identity.network_name {
            true if answer.has_secret => NetworkMatch::Same,
            true => NetworkMatch::OtherSecret,
            false => NetworkMatch::OtherNetwork,
        };
        link.send(std::slice::from_ref(&answer.last)).await?;
        let last_of_handshake = link.is_datagram().then_some(answer.last);
        Ok(Self::start(SessionStart {
            link,
            identity,
            me,
            node: answer.node,
            network_match,
            node_network: answer.network_name,
            shows_digest: false,
            protection: Protection::Secure(Box::new(answer.channel)),
            last_of_handshake,
            round_trip,
        }))
    }
}

/// A random peer id. 0 stands for an unknown peer.
fn new_peer_id() -> u32 {
    rand::random::<u32>().max(1)
}

/// Sends the first packet and waits for the answer, of the type `expected`.
///
/// Over datagrams it is sent again when no answer comes, also because a node sends its SACK before it is ready for the
/// connection, and may miss a packet that comes soon after. A node that has the packet already ignores another.
async fn exchange(link: &mut Link, request: &Packet, expected: PacketType) -> Result<Packet, HandshakeError> {
    let resend = link.is_datagram();
    let mut exchange = FirstPackets { link, request, expected };
    if resend {
        return send_until_answered(exchange).await;
    }
    let answered = async {
        exchange.send().await?;
        exchange.receive().await
    };
    match answered.await {
        Err(HandshakeError::Closed) if link.may_have_lost_the_answer() => Err(HandshakeError::AnswerLost),
        answered => answered,
    }
}

struct FirstPackets<'a> {
    link: &'a mut Link,
    request: &'a Packet,
    expected: PacketType,
}

impl Exchange for FirstPackets<'_> {
    type Answer = Packet;
    type Error = HandshakeError;

    async fn send(&mut self) -> Result<(), HandshakeError> {
        tracing::debug!(my_peer_id = self.request.from, kind = ?self.request.kind, "sending the handshake");
        Ok(self.link.send(std::slice::from_ref(self.request)).await?)
    }

    async fn receive(&mut self) -> Result<Packet, HandshakeError> {
        for _ in 0..MAX_PACKETS_BEFORE_ANSWER {
            let packet = self.link.receive().await?;
            if packet.kind == self.expected {
                return Ok(packet);
            }
            tracing::debug!(kind = ?packet.kind, "skipped a packet before the answer to the handshake");
            if packet.kind == PacketType::Ping {
                self.link.send(&[Packet { kind: PacketType::Pong, ..packet }]).await?;
            }
        }
        Err(HandshakeError::NotEasytier("many packets, and no answer to the handshake"))
    }
}
