//! The pings of a session, by which a check finds out whether the node admits it, and measures round trips.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{Event, NetworkMatch, Session};
use crate::{
    check::dial::LinkError,
    wire::{Packet, PacketType},
};

/// The longest wait before a ping is sent again to a node that has not admitted the session yet, over datagrams.
const MAX_ADMISSION_INTERVAL: Duration = Duration::from_millis(500);
/// The shortest time for the admission by a node that has another secret; see [`Session::admission_interval`].
const MIN_REFUSAL_WAIT: Duration = Duration::from_millis(300);

/// The size of a round of pings.
#[derive(Debug, Clone, Copy)]
pub(in crate::check) struct PingPlan {
    /// The maximum number of pings.
    pub count: u32,
    /// How many pongs end the round.
    pub enough: u32,
}

impl PingPlan {
    /// Enough to see whether a session is admitted.
    pub const ONE: Self = Self { count: 1, enough: 1 };
}

/// The results of a round of pings.
#[derive(Debug, Default)]
pub(in crate::check) struct PingRound {
    /// The round trips of answered pings, in the order in which the answers came.
    pub round_trips: Vec<Duration>,
    /// How many pings were answered or lost.
    pub sent: u32,
    /// Why the round ended early.
    pub ended: Option<LinkError>,
}

/// Pings on their way, and the round trips of those that came back.
#[derive(Default)]
struct Flights {
    underway: Vec<(u32, Instant)>,
    round_trips: Vec<Duration>,
}

impl Flights {
    /// Notes a pong; returns the sequence number of its ping if it belongs to this round.
    fn land(&mut self, payload: &[u8]) -> Option<u32> {
        let position = self.underway.iter().position(|(sequence, _)| payload == sequence.to_le_bytes())?;
        let (sequence, sent_at) = self.underway.remove(position);
        self.round_trips.push(sent_at.elapsed());
        Some(sequence)
    }

    fn into_round(self, ended: Option<LinkError>) -> PingRound {
        // A ping that had less time than another took to come back is not lost.
        let patience = self.round_trips.iter().max().copied().unwrap_or_default() * 3 / 2;
        let is_lost = |(_, sent_at): &&(u32, Instant)| ended.is_some() || sent_at.elapsed() >= patience;
        let lost = self.underway.iter().filter(is_lost).count();
        PingRound { sent: (self.round_trips.len() + lost) as u32, round_trips: self.round_trips, ended }
    }
}

impl Session {
    /// Pings the node until the plan is fulfilled or `deadline` passes. Over datagrams, it gives up earlier on a node that
    /// has never answered a ping, which is how nodes refuse a session there.
    pub async fn ping(&mut self, plan: PingPlan, deadline: Instant) -> PingRound {
        self.want_route();
        let mut flights = Flights::default();
        let ended = self.ping_into(&mut flights, plan, deadline).await.err();
        let round = flights.into_round(ended);
        tracing::debug!(sent = round.sent, round_trips = ?round.round_trips, ended = ?round.ended, "pings");
        round
    }

    async fn ping_into(&mut self, flights: &mut Flights, plan: PingPlan, deadline: Instant) -> Result<(), LinkError> {
        let (interval, give_up_at) = self.admission_interval(deadline);
        let mut left = plan.count;
        while left > 0 && (flights.round_trips.len() as u32) < plan.enough {
            let now = Instant::now();
            let repeats = self.link.is_datagram() && !self.is_admitted();
            let pong_deadline = match repeats {
                true => give_up_at.min(now + interval),
                // The remaining pings share the remaining time, so that one lost ping does not fail the check. But none is
                // sent before the one before can be back.
                false => deadline.min(now + (deadline.saturating_duration_since(now) / left).max(self.round_trip * 2)),
            };
            if pong_deadline <= now {
                return Ok(());
            }
            self.ping_once(flights, plan.enough, pong_deadline).await?;
            if !repeats || self.is_admitted() {
                left -= 1;
            }
        }
        Ok(())
    }

    /// Sends a ping and waits for its pong, or for as many as are `enough`.
    async fn ping_once(&mut self, flights: &mut Flights, enough: u32, deadline: Instant) -> Result<(), LinkError> {
        let sequence = self.next_ping;
        self.next_ping = sequence.wrapping_add(1);
        // Over datagrams the end of the handshake may be lost.
        let mut packets = Vec::with_capacity(2);
        if !self.is_admitted() && !flights.underway.is_empty() {
            packets.extend(self.last_of_handshake.clone());
        }
        packets.push(Packet::new(self.me, self.node, PacketType::Ping, sequence.to_le_bytes().to_vec()));
        flights.underway.push((sequence, Instant::now()));
        match timeout_at(deadline, self.link.send(&packets)).await {
            Ok(sent) => sent?,
            Err(_) => return Ok(()),
        }
        while let Some(event) = self.next_event_until(deadline).await? {
            let Event::Pong(payload) = event else { continue };
            let landed = flights.land(&payload);
            if let Some(round_trip) = landed.and(flights.round_trips.last()) {
                self.round_trip = *round_trip;
            }
            // A late pong counts too, but does not end the wait for this one.
            if landed == Some(sequence) || flights.round_trips.len() as u32 >= enough {
                break;
            }
        }
        Ok(())
    }

    /// How often a ping is sent to a node that has not admitted the session, and when that ends.
    ///
    /// Nodes that refuse a session over datagrams are silent. A line that loses packets is silent as well, so it takes
    /// several pings to tell. The node's own answer shortens that if it says that the secret is another; and a member whose
    /// node is silent tries secure mode.
    fn admission_interval(&self, deadline: Instant) -> (Duration, Instant) {
        let now = Instant::now();
        let interval =
            MAX_ADMISSION_INTERVAL.min(deadline.saturating_duration_since(now) / 10).max(self.round_trip * 2);
        let wait = match self.network_match {
            NetworkMatch::OtherSecret => (self.round_trip * 3).max(MIN_REFUSAL_WAIT),
            NetworkMatch::Same => interval * 4,
            NetworkMatch::OtherNetwork => interval * 8,
        };
        (interval, deadline.min(now + wait))
    }
}
