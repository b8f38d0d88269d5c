//! A session with a node: the handshake, pings in both directions, and the node's route information.

use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use tokio::time::{Instant, timeout_at};

use super::{
    dial::{Link, LinkError},
    identity::Identity,
    resend::{Exchange, send_until_answered},
    route::{RouteReader, RouteUpdate},
};
use crate::{
    Failure,
    result::NodeInfo,
    wire::{Handshake, MAGIC, Packet, PacketType, RpcPacket, VERSION, acknowledge_route_info, request_route_info},
};

/// The maximum number of requests for route information in a check.
const ROUTE_REQUESTS: u32 = 4;
/// How many other packets are skipped before the answer to the handshake: a ping came first in 1 % of runs over wg.
const MAX_PACKETS_BEFORE_ANSWER: u32 = 64;

/// An open session. Dropping it closes it; over udp and wg there is no message for that, and the node drops the session
/// after a while.
pub(super) struct Session {
    link: Link,
    identity: Identity,
    /// The probe's own peer id.
    me: u32,
    /// The node's peer id.
    node: u32,
    network_match: NetworkMatch,
    node_network: Box<str>,
    next_ping: u32,
    route: RouteReader,
    /// The number of this session in requests for route information.
    route_session: u64,
    /// Whether the node's route information cannot be decrypted, so that asking again is of no use.
    route_unreadable: bool,
}

/// How the node's network compares to the session's, by the node's answer to the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NetworkMatch {
    /// The same name and secret.
    Same,
    /// The same name, but another secret: newer nodes answer this before they close the connection.
    OtherSecret,
    /// Another name, as every shared node answers a guest.
    OtherNetwork,
}

/// Why the handshake failed.
#[derive(Debug)]
pub(super) enum HandshakeError {
    /// The node closed the connection, or the network did.
    Closed,
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

/// The results of a round of pings.
#[derive(Debug, Default)]
pub(super) struct PingRound {
    /// The round trips of answered pings, in the order in which they were sent.
    pub round_trips: Vec<Duration>,
    /// How many pings were sent.
    pub sent: u32,
    /// Why the round ended early.
    pub ended: Option<LinkError>,
}

/// The size of a round of pings.
#[derive(Debug, Clone, Copy)]
pub(super) struct PingPlan {
    /// The maximum number of pings.
    pub count: u32,
    /// How many pongs end the round.
    pub enough: u32,
}

/// What a packet from the node meant.
enum Event {
    /// The answer to a ping, with its payload.
    Pong(Bytes),
    /// Route information, complete with this request.
    Route(Box<RpcPacket>),
    /// Anything else. Pings are answered already.
    Other,
}

impl Session {
    /// Sends the handshake and waits for the answer.
    ///
    /// # Errors
    ///
    /// When the link ends, or the answer is not a valid handshake.
    pub async fn open(mut link: Link, identity: Identity) -> Result<Self, HandshakeError> {
        // 0 stands for an unknown peer.
        let me = rand::random::<u32>().max(1);
        let request = Handshake::new(me, &identity.network_name, &identity.digest);
        let answer = exchange_handshakes(&mut link, &request.to_packet()).await?;
        if answer.magic != MAGIC || answer.version != VERSION {
            let details = format!("its handshake has magic {:#x} and version {}", answer.magic, answer.version);
            return Err(HandshakeError::OtherProtocol(details));
        }
        // An echo service would pass for a node of the same network.
        if answer.my_peer_id == me {
            return Err(HandshakeError::NotEasytier("our own handshake back"));
        }
        if answer.network_secret_digest.len() != identity.digest.len() {
            let details = format!("its handshake has a digest of {} bytes", answer.network_secret_digest.len());
            return Err(HandshakeError::OtherProtocol(details));
        }
        let network_match = match answer.network_name == identity.network_name {
            true if answer.network_secret_digest == identity.digest => NetworkMatch::Same,
            true => NetworkMatch::OtherSecret,
            false => NetworkMatch::OtherNetwork,
        };
        tracing::debug!(node_peer_id = answer.my_peer_id, ?network_match, "handshake answered");
        Ok(Self {
            link,
            identity,
            me,
            node: answer.my_peer_id,
            network_match,
            node_network: answer.network_name.into(),
            next_ping: rand::random(),
            route: RouteReader::default(),
            route_session: rand::random(),
            route_unreadable: false,
        })
    }

    pub fn network_match(&self) -> NetworkMatch {
        self.network_match
    }

    /// Whether the node can drop the session without notice.
    pub fn is_datagram(&self) -> bool {
        self.link.is_datagram()
    }

    /// The name of the node's own network.
    pub fn node_network(&self) -> &str {
        &self.node_network
    }

    /// The node's route information, as far as it is known.
    pub fn info(&self) -> Option<&NodeInfo> {
        self.route.info()
    }

    /// Pings the node until the plan is fulfilled or `deadline` passes. While its route information is unknown, asks for
    /// that with the first ping, which saves a round trip.
    pub async fn ping(&mut self, plan: PingPlan, deadline: Instant) -> PingRound {
        let mut round = PingRound::default();
        round.ended = self.ping_into(&mut round, plan, deadline).await.err();
        tracing::debug!(sent = round.sent, round_trips = ?round.round_trips, ended = ?round.ended, "pings");
        round
    }

    async fn ping_into(&mut self, round: &mut PingRound, plan: PingPlan, deadline: Instant) -> Result<(), LinkError> {
        let mut sent_at: Vec<(u32, Instant)> = Vec::with_capacity(plan.count as usize);
        while round.sent < plan.count && (round.round_trips.len() as u32) < plan.enough {
            // The remaining pings share the remaining time, so that one lost ping does not fail the check.
            let now = Instant::now();
            let pong_deadline = now + deadline.saturating_duration_since(now) / (plan.count - round.sent);
            let sequence = self.next_ping;
            self.next_ping = sequence.wrapping_add(1);

            let mut packets = vec![Packet::new(self.me, self.node, PacketType::Ping, sequence.to_le_bytes().to_vec())];
            if round.sent == 0 && self.info().is_none() && !self.route_unreadable {
                packets.push(self.route_request());
            }
            sent_at.push((sequence, Instant::now()));
            round.sent += 1;
            match timeout_at(pong_deadline, self.link.send(&packets)).await {
                Ok(sent) => sent?,
                Err(_) => continue,
            }

            let mut answered = false;
            while !answered {
                let Ok(event) = timeout_at(pong_deadline, self.next_event()).await else { break };
                let Event::Pong(payload) = event? else { continue };
                // A late pong counts too, but does not end the wait for this one.
                let position = sent_at.iter().position(|(sequence, _)| payload[..] == sequence.to_le_bytes());
                if let Some(position) = position {
                    let (answered_sequence, at) = sent_at.remove(position);
                    round.round_trips.push(at.elapsed());
                    answered = answered_sequence == sequence;
                }
            }
        }
        Ok(())
    }

    /// Waits for the node's route information until `deadline`, and asks again a few times: a 2.0 node ignores one request
    /// in a hundred while others join or leave.
    pub async fn wait_for_route(&mut self, deadline: Instant) {
        let now = Instant::now();
        let wait = deadline.saturating_duration_since(now) / ROUTE_REQUESTS;
        for waits in 1..=ROUTE_REQUESTS {
            let ended = timeout_at(now + wait * waits, self.read_route()).await;
            if ended.is_ok() || waits == ROUTE_REQUESTS {
                return;
            }
            let request = self.route_request();
            let Ok(Ok(())) = timeout_at(deadline, self.link.send(&[request])).await else { return };
        }
    }

    /// Reads until the node's route information is known, or known to be unreadable.
    async fn read_route(&mut self) -> Result<(), LinkError> {
        while self.info().is_none() && !self.route_unreadable {
            self.next_event().await?;
        }
        Ok(())
    }

    fn route_request(&self) -> Packet {
        let transaction = i64::from(rand::random::<u32>());
        request_route_info(&self.identity.network_name, self.me, self.node, self.route_session, transaction)
    }

    /// Keeps the session alive until `due`: answers pings, and reads route information.
    ///
    /// # Errors
    ///
    /// When the session ends before that.
    pub async fn serve_until(&mut self, due: Instant) -> Result<(), LinkError> {
        while let Ok(event) = timeout_at(due, self.next_event()).await {
            if let Event::Route(request) = event? {
                let answer = acknowledge_route_info(&request, self.me, self.node, self.route_session);
                // When the node does not read, it gets no answer; the next read finds out more.
                let _ = timeout_at(due, self.link.send(&[answer])).await;
            }
        }
        Ok(())
    }

    /// Reads the next packet. Pings of the node are answered at once: it closes the session when six seconds pass without
    /// an answer.
    async fn next_event(&mut self) -> Result<Event, LinkError> {
        let mut packet = self.link.receive().await?;
        match packet.kind {
            PacketType::Ping => {
                packet.kind = PacketType::Pong;
                self.link.send(&[packet]).await?;
                Ok(Event::Other)
            }
            PacketType::Pong => Ok(Event::Pong(packet.payload)),
            PacketType::RpcRequest => match self.route.read(&packet, &self.identity, self.node) {
                RouteUpdate::Complete(request) => {
                    tracing::debug!(info = ?self.route.info(), "route information");
                    Ok(Event::Route(Box::new(request)))
                }
                RouteUpdate::Unreadable => {
                    tracing::debug!("the route information is encrypted with another key or cipher");
                    self.route_unreadable = true;
                    Ok(Event::Other)
                }
                RouteUpdate::Nothing => Ok(Event::Other),
            },
            _ => Ok(Event::Other),
        }
    }
}

/// Sends the handshake and waits for the answer.
///
/// Over datagrams it is sent again when no answer comes, also because a node sends its SACK before it is ready for the
/// connection, and may miss a handshake that comes soon after. A node that has the handshake already ignores another.
async fn exchange_handshakes(link: &mut Link, request: &Packet) -> Result<Handshake, HandshakeError> {
    let resend = link.is_datagram();
    let mut exchange = HandshakeExchange { link, request };
    if resend {
        return send_until_answered(exchange).await;
    }
    exchange.send().await?;
    exchange.receive().await
}

struct HandshakeExchange<'a> {
    link: &'a mut Link,
    request: &'a Packet,
}

impl Exchange for HandshakeExchange<'_> {
    type Answer = Handshake;
    type Error = HandshakeError;

    async fn send(&mut self) -> Result<(), HandshakeError> {
        tracing::debug!(my_peer_id = self.request.from, "sending the handshake");
        Ok(self.link.send(std::slice::from_ref(self.request)).await?)
    }

    async fn receive(&mut self) -> Result<Handshake, HandshakeError> {
        for _ in 0..MAX_PACKETS_BEFORE_ANSWER {
            let packet = self.link.receive().await?;
            if packet.kind == PacketType::Handshake {
                return Handshake::decode(packet.payload)
                    .map_err(|_| HandshakeError::NotEasytier("a handshake that cannot be read"));
            }
            tracing::debug!(kind = ?packet.kind, "skipped a packet before the answer to the handshake");
        }
        Err(HandshakeError::NotEasytier("many packets, and no answer to the handshake"))
    }
}
