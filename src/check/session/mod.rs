//! A session with a node: the handshake, pings in both directions, and the node's route information.

mod handshake;
mod pings;
mod protection;
mod relay;
mod route;

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

pub(super) use self::{
    handshake::{HandshakeError, NetworkMatch},
    pings::{PingPlan, PingRound},
    relay::{Relayed, relayed},
};
use self::{protection::Protection, route::RouteReader};
use super::{
    dial::{Link, LinkError},
    identity::Identity,
};
use crate::{
    result::NodeInfo,
    wire::{Packet, PacketType, RpcPacket, acknowledge_route_info, request_route_info},
};

/// The maximum number of requests for route information in a check: a 2.0 node ignores one in a hundred while others join
/// or leave.
const ROUTE_REQUESTS: u32 = 4;
/// How long after the node has admitted the session it is asked for route information. A node lists the session a little
/// after it answers pings. What it sends in answer to an earlier question is lost, and it repeats that only after 3 s.
const ROUTE_REQUEST_DELAY: Duration = Duration::from_millis(20);
/// How long a session stays open after the node's answer to the handshake. When a session ends while a 2.6 node is still
/// admitting it, the node lists its network for ever.
const MIN_STAY: Duration = Duration::from_millis(50);

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
    shows_digest: bool,
    protection: Protection,
    /// The last packet of the handshake, where it may be lost and needs no answer.
    last_of_handshake: Option<Packet>,
    answered_at: Instant,
    /// When the node first showed that it serves the session.
    admitted_at: Option<Instant>,
    /// The last round trip.
    round_trip: Duration,
    next_ping: u32,
    route: RouteReader,
    /// When the node is asked for route information the next time.
    ask_at: Option<Instant>,
    /// The number of this session in requests for route information.
    route_session: u64,
    /// Whether the node's route information cannot be decrypted, so that asking again is of no use.
    route_unreadable: bool,
    /// The peer id of the other session of a test of relaying.
    partner: Option<u32>,
}

/// A session whose handshake was just answered.
struct SessionStart {
    link: Link,
    identity: Identity,
    me: u32,
    node: u32,
    network_match: NetworkMatch,
    node_network: String,
    shows_digest: bool,
    protection: Protection,
    last_of_handshake: Option<Packet>,
    round_trip: Duration,
}

/// What a packet from the node meant.
enum Event {
    /// The answer to a ping, with its payload.
    Pong(Bytes),
    /// Route information, complete with this request.
    Route(Box<RpcPacket>),
    /// A packet of the other session of a test of relaying, which the node forwarded.
    Relayed(Packet),
    /// Anything else. Pings are answered already.
    Other,
}

impl Session {
    fn start(start: SessionStart) -> Self {
        let SessionStart { node, network_match, round_trip, .. } = start;
        tracing::debug!(node_peer_id = node, ?network_match, ?round_trip, "handshake answered");
        Self {
            link: start.link,
            identity: start.identity,
            me: start.me,
            node,
            network_match,
            node_network: start.node_network.into(),
            shows_digest: start.shows_digest,
            protection: start.protection,
            last_of_handshake: start.last_of_handshake,
            answered_at: Instant::now(),
            admitted_at: None,
            round_trip,
            next_ping: rand::random(),
            route: RouteReader::new(network_match),
            ask_at: None,
            route_session: rand::random(),
            route_unreadable: false,
            partner: None,
        }
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

    /// Whether the node's answer contained the digest of its secret. Since 2.4.1, nodes send it to members only, and answer
    /// every handshake.
    pub fn shows_digest(&self) -> bool {
        self.shows_digest
    }

    /// The node's route information, as far as it is known.
    pub fn info(&self) -> Option<&NodeInfo> {
        self.route.info()
    }

    /// Whether the node has shown that it serves the session: it answered a ping, or sent route information.
    pub fn is_admitted(&self) -> bool {
        self.admitted_at.is_some()
    }

    /// Waits for the node's route information until `deadline`, or for `wait` after the first question, and asks again a
    /// few times, less and less often.
    pub async fn wait_for_route(&mut self, wait: Duration, deadline: Instant) {
        let first_wait = wait / (2_u32.pow(ROUTE_REQUESTS) - 1);
        for request in 0..ROUTE_REQUESTS {
            // The first question was asked during the pings, or its time comes soon.
            if request > 0 {
                self.ask_at = Some(Instant::now());
            }
            let until = deadline.min(self.ask_at.unwrap_or_else(Instant::now) + first_wait * 2_u32.pow(request));
            while self.wants_route() {
                match self.next_event_until(until).await {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => return,
                }
            }
            if !self.wants_route() || until == deadline {
                return;
            }
        }
    }

    /// Asks for the node's route information soon, if it is unknown. Before the session is admitted, this does nothing.
    fn want_route(&mut self) {
        if let Some(admitted_at) = self.admitted_at.filter(|_| self.wants_route()) {
            self.ask_at = Some(Instant::now().max(admitted_at + ROUTE_REQUEST_DELAY));
        }
    }

    fn set_admitted(&mut self) {
        if self.admitted_at.is_none() {
            self.admitted_at = Some(Instant::now());
            self.want_route();
        }
    }

    fn wants_route(&self) -> bool {
        self.info().is_none() && !self.route_unreadable
    }

    /// Keeps the session alive until `due`: answers pings, and reads route information.
    ///
    /// # Errors
    ///
    /// When the session ends before that.
    pub async fn serve_until(&mut self, due: Instant) -> Result<(), LinkError> {
        while let Some(event) = self.next_event_until(due).await? {
            if let Event::Route(request) = event {
                let answer = acknowledge_route_info(&request, self.me, self.node, self.route_session);
                if let Some(answer) = self.protection.seal(answer) {
                    // When the node does not read, it gets no answer; the next read finds out more.
                    let _ = timeout_at(due, self.link.send(&[answer])).await;
                }
            }
        }
        Ok(())
    }

    /// Stays until the session can end without a trace at the node, or until `deadline`.
    pub async fn stay(&mut self, deadline: Instant) {
        self.ask_at = None;
        let end = deadline.min(self.answered_at + MIN_STAY);
        while let Ok(Some(_)) = self.next_event_until(end).await {}
    }

    /// Reads the next packet, and asks for route information when it is time for that. `None` when none arrives before
    /// `deadline`.
    async fn next_event_until(&mut self, deadline: Instant) -> Result<Option<Event>, LinkError> {
        loop {
            let ask_at = self.ask_at.filter(|ask_at| *ask_at < deadline);
            if ask_at.is_some_and(|ask_at| ask_at <= Instant::now()) {
                self.ask_at = None;
                let Ok(asked) = timeout_at(deadline, self.ask_for_route()).await else { return Ok(None) };
                asked?;
                continue;
            }
            match timeout_at(ask_at.unwrap_or(deadline), self.next_event()).await {
                Ok(event) => return event.map(Some),
                Err(_) if ask_at.is_some() => {}
                Err(_) => return Ok(None),
            }
        }
    }

    async fn ask_for_route(&mut self) -> Result<(), LinkError> {
        if !self.wants_route() {
            return Ok(());
        }
        let transaction = i64::from(rand::random::<u32>());
        let network_name = &self.identity.network_name;
        let question = request_route_info(network_name, self.me, self.node, self.route_session, transaction);
        match self.protection.seal(question) {
            Some(question) => self.link.send(&[question]).await,
            None => Ok(()),
        }
    }

    /// Reads the next packet. Pings of the node are answered at once: it closes the session when six seconds pass without
    /// an answer.
    async fn next_event(&mut self) -> Result<Event, LinkError> {
        let mut packet = self.link.receive().await?;
        if self.partner == Some(packet.from) {
            return Ok(Event::Relayed(packet));
        }
        match packet.kind {
            PacketType::Ping => {
                packet.kind = PacketType::Pong;
                self.link.send(&[packet]).await?;
                Ok(Event::Other)
            }
            PacketType::Pong => {
                self.set_admitted();
                Ok(Event::Pong(packet.payload))
            }
            PacketType::RpcRequest => Ok(self.read_request(&packet)),
            _ => Ok(Event::Other),
        }
    }

    fn read_request(&mut self, packet: &Packet) -> Event {
        let Ok(rpc) = self.protection.open(packet) else {
            tracing::debug!("a request of the node is encrypted with another key or cipher");
            self.route_unreadable = true;
            return Event::Other;
        };
        let complete = rpc.and_then(|rpc| self.route.read(rpc, &self.identity, self.node));
        let Some(request) = complete else { return Event::Other };
        tracing::debug!(info = ?self.route.info(), "route information");
        self.set_admitted();
        Event::Route(Box::new(request))
    }
}
