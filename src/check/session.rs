//! A session with a node: the handshake, pings there and back, and what the node tells meanwhile.

use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    dial::{Link, LinkError},
    identity::Identity,
    route::{RouteNews, RouteReader},
};
use crate::{
    result::NodeInfo,
    wire::{Handshake, MAGIC, Packet, PacketType, RpcPacket, VERSION, acknowledge_route_info, request_route_info},
};

/// How long the first handshake is given before the next, where packets may be lost; each wait is twice the one before.
/// It is lost without any fault of the network when it comes too soon after a node's SACK: the node sends that before
/// it takes note of the connection.
const FIRST_ANSWER_WAIT: Duration = Duration::from_millis(500);
/// How often a check asks for route information.
const ROUTE_QUESTIONS: u32 = 4;
/// Packets that may come before the handshake's answer: a ping did in one of a hundred runs over wg.
const MAX_PACKETS_BEFORE_ANSWER: u32 = 64;

/// An open session. Dropping it closes it; udp and wg have no word for that, and the node forgets them after a while.
pub(super) struct Session {
    link: Link,
    identity: Identity,
    me: u32,
    node: u32,
    answer: Answer,
    node_network: Box<str>,
    next_ping: u32,
    route: RouteReader,
    /// Our number for the exchange of route information.
    route_session: u64,
    /// Whether asking for route information again is of no use.
    route_unreadable: bool,
}

/// What the node's answer to the handshake says about its network, compared to ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Our network, and the same secret.
    Same,
    /// Our network's name, but not its secret: newer nodes answer so before they close.
    OtherSecret,
    /// Another network, as every shared node answers a guest.
    OtherNetwork,
}

/// Why there was no valid answer to the handshake.
#[derive(Debug)]
pub(super) enum GreetError {
    Closed,
    NotEasytier(&'static str),
    /// An EasyTier answer, in words that we do not know.
    Protocol(String),
}

impl From<LinkError> for GreetError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Closed => Self::Closed,
            LinkError::NotEasytier(what) => Self::NotEasytier(what),
        }
    }
}

/// What came of a round of pings.
#[derive(Debug, Default)]
pub(super) struct PingRound {
    /// Round trips of the pings that came back, in the order they were sent.
    pub round_trips: Vec<Duration>,
    pub sent: u32,
    /// Why the round ended early.
    pub ended: Option<LinkError>,
}

/// How a round of pings goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct PingPlan {
    /// Pings to send at most.
    pub count: u32,
    /// Pongs after which the round is over.
    pub enough: u32,
}

/// What a packet meant.
enum Event {
    /// The payload of a ping of ours came back.
    Pong(Bytes),
    /// The node's route information came, in the request given, or turned out to be unreadable.
    Route(Option<Box<RpcPacket>>),
    Other,
}

impl Session {
    /// Opens the session: sends the handshake, waits for the answer.
    pub async fn greet(mut link: Link, identity: Identity) -> Result<Self, GreetError> {
        // 0 means "not known" in the protocol.
        let me = rand::random::<u32>().max(1);
        let question = Handshake::new(me, &identity.network_name, &identity.digest).to_packet();
        let answer = ask(&mut link, question).await?;
        if answer.magic != MAGIC || answer.version != VERSION {
            let words = format!("its handshake has magic {:#x} and version {}", answer.magic, answer.version);
            return Err(GreetError::Protocol(words));
        }
        // Else whatever sends back what it gets would be a member: an echo service is no node.
        if answer.my_peer_id == me {
            return Err(GreetError::NotEasytier("our own handshake back"));
        }
        if answer.network_secret_digest.len() != identity.digest.len() {
            let words = format!("its handshake has a digest of {} bytes", answer.network_secret_digest.len());
            return Err(GreetError::Protocol(words));
        }
        let compared = match answer.network_name == identity.network_name {
            true if answer.network_secret_digest == identity.digest => Answer::Same,
            true => Answer::OtherSecret,
            false => Answer::OtherNetwork,
        };
        tracing::debug!(node_peer_id = answer.my_peer_id, ?compared, "handshake answered");
        Ok(Self {
            link,
            identity,
            me,
            node: answer.my_peer_id,
            answer: compared,
            node_network: answer.network_name.into(),
            next_ping: rand::random(),
            route: RouteReader::default(),
            route_session: rand::random(),
            route_unreadable: false,
        })
    }

    pub fn answer(&self) -> Answer {
        self.answer
    }

    /// Whether the node may take the session for ended without our being told.
    pub fn may_be_forgotten(&self) -> bool {
        self.link.may_lose()
    }

    /// The name of the node's own network, as it answered.
    pub fn node_network(&self) -> &str {
        &self.node_network
    }

    /// What the node has told about itself so far.
    pub fn info(&self) -> Option<&NodeInfo> {
        self.route.info()
    }

    /// Pings the node until the plan is done or `deadline` passes, and asks for its route information with the first
    /// one if it has told none: that saves a round trip.
    pub async fn ping(&mut self, plan: PingPlan, deadline: Instant) -> PingRound {
        let mut round = PingRound::default();
        match self.ping_into(&mut round, plan, deadline).await {
            Ok(()) => {}
            Err(error) => round.ended = Some(error),
        }
        tracing::debug!(sent = round.sent, back = ?round.round_trips, ended = ?round.ended, "pings");
        round
    }

    async fn ping_into(&mut self, round: &mut PingRound, plan: PingPlan, deadline: Instant) -> Result<(), LinkError> {
        let mut sent_at: Vec<(u32, Instant)> = Vec::with_capacity(plan.count as usize);
        while round.sent < plan.count && (round.round_trips.len() as u32) < plan.enough {
            let now = Instant::now();
            // What is left is shared by the pings that are left, so that one lost ping does not cost the check.
            let patience = now + deadline.saturating_duration_since(now) / (plan.count - round.sent);
            let sequence = self.next_ping;
            self.next_ping = sequence.wrapping_add(1);

            let mut packets = vec![Packet::new(self.me, self.node, PacketType::Ping, sequence.to_le_bytes().to_vec())];
            if round.sent == 0 && self.info().is_none() && !self.route_unreadable {
                packets.push(self.route_request());
            }
            sent_at.push((sequence, Instant::now()));
            round.sent += 1;
            match timeout_at(patience, self.link.send(&packets)).await {
                Ok(sent) => sent?,
                Err(_) => continue,
            }

            let mut answered = false;
            while !answered {
                let Ok(event) = timeout_at(patience, self.next_event()).await else { break };
                let Event::Pong(payload) = event? else { continue };
                let ours = sent_at.iter().position(|(sequence, _)| payload[..] == sequence.to_le_bytes());
                if let Some(position) = ours {
                    let (answered_sequence, at) = sent_at.remove(position);
                    round.round_trips.push(at.elapsed());
                    answered = answered_sequence == sequence;
                }
            }
        }
        Ok(())
    }

    /// Waits until the node has told its route information, or `deadline` passes; meanwhile it is asked again a few
    /// times. A 2.0 node takes no notice of one question in a hundred, when others come or go at that moment.
    pub async fn wait_for_route(&mut self, deadline: Instant) {
        let now = Instant::now();
        let patience = deadline.saturating_duration_since(now) / ROUTE_QUESTIONS;
        for asked in 1..=ROUTE_QUESTIONS {
            let told = timeout_at(now + patience * asked, self.route_told()).await;
            if told.is_ok() || asked == ROUTE_QUESTIONS {
                return;
            }
            let question = self.route_request();
            let Ok(Ok(())) = timeout_at(deadline, self.link.send(&[question])).await else { return };
        }
    }

    fn route_request(&self) -> Packet {
        let transaction = i64::from(rand::random::<u32>());
        request_route_info(&self.identity.network_name, self.me, self.node, self.route_session, transaction)
    }

    /// Reads until the node has told its route information.
    async fn route_told(&mut self) -> Result<(), LinkError> {
        while self.info().is_none() && !self.route_unreadable {
            self.next_event().await?;
        }
        Ok(())
    }

    /// Keeps the session alive until `due`: answers the node's pings, notes what it tells. Ends early with the reason
    /// when the session does.
    pub async fn serve_until(&mut self, due: Instant) -> Result<(), LinkError> {
        while let Ok(event) = timeout_at(due, self.next_event()).await {
            if let Event::Route(Some(request)) = event? {
                let answer = acknowledge_route_info(&request, self.me, self.node, self.route_session);
                // A node that takes nothing for so long is not answered; its next packet will tell more.
                let _ = timeout_at(due, self.link.send(&[answer])).await;
            }
        }
        Ok(())
    }

    /// The next packet's meaning. The node's own pings are answered on the way: it closes after eight seconds without
    /// an answer.
    async fn next_event(&mut self) -> Result<Event, LinkError> {
        let mut packet = self.link.receive().await?;
        if packet.kind == PacketType::Ping {
            packet.kind = PacketType::Pong;
            self.link.send(&[packet]).await?;
            return Ok(Event::Other);
        }
        if packet.kind == PacketType::Pong {
            return Ok(Event::Pong(packet.payload));
        }
        if packet.kind == PacketType::RpcRequest {
            match self.route.read(&packet, &self.identity, self.node) {
                RouteNews::Told(request) => {
                    tracing::debug!(info = ?self.route.info(), "route information");
                    return Ok(Event::Route(Some(Box::new(request))));
                }
                RouteNews::Unreadable => {
                    tracing::debug!("route information is encrypted in a way this probe cannot read");
                    self.route_unreadable = true;
                    return Ok(Event::Route(None));
                }
                RouteNews::Nothing => {}
            }
        }
        Ok(Event::Other)
    }
}

/// Sends the handshake, again where it may have been lost, and waits for the answer. A node that got it already takes
/// no notice of another.
async fn ask(link: &mut Link, question: Packet) -> Result<Handshake, GreetError> {
    let mut wait = FIRST_ANSWER_WAIT;
    loop {
        link.send(std::slice::from_ref(&question)).await?;
        tracing::debug!(my_peer_id = question.from, "handshake sent");
        if !link.may_lose() {
            return receive_answer(link).await;
        }
        match timeout(wait, receive_answer(link)).await {
            Ok(answer) => return answer,
            Err(_) => wait *= 2,
        }
    }
}

/// The answer to the handshake, past whatever else comes first.
async fn receive_answer(link: &mut Link) -> Result<Handshake, GreetError> {
    for _ in 0..MAX_PACKETS_BEFORE_ANSWER {
        let packet = link.receive().await?;
        if packet.kind == PacketType::Handshake {
            return Handshake::decode(packet.payload)
                .map_err(|_| GreetError::NotEasytier("a handshake that cannot be read"));
        }
        tracing::debug!(kind = ?packet.kind, "packet before the handshake's answer, skipped");
    }
    Err(GreetError::NotEasytier("many packets, and no answer to the handshake"))
}
