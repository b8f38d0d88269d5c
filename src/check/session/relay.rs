//! Data from one session to another, through the node.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use super::{Event, Session};
use crate::{
    check::dial::LinkError,
    wire::{Packet, PacketType},
};

/// How often the nonce is sent: datagrams get lost, and a node forwards nothing to a session that it is still admitting.
const ATTEMPTS: u32 = 5;
/// The shortest wait for the nonce.
const MIN_WAIT: Duration = Duration::from_millis(300);
/// The wait for the nonce, in round trips of both sessions, where that is longer.
const WAIT_ROUND_TRIPS: u32 = 3;

/// What a node forwards from one session to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::check) enum Relayed {
    /// Data, which came back after this time.
    Data(Duration),
    /// Remote procedure calls, and no data.
    CallsOnly,
    /// Nothing.
    Nothing,
}

/// Sends a nonce from one session to the other and back, as data and as a remote procedure call: a node that relays no data
/// forwards the calls, by which members find each other. A node that says it relays no data gets one attempt.
///
/// # Errors
///
/// When one of the sessions ends.
pub(in crate::check) async fn relayed(
    one: &mut Session,
    other: &mut Session,
    deadline: Instant,
) -> Result<Relayed, LinkError> {
    (one.partner, other.partner) = (Some(other.me), Some(one.me));
    let wait = MIN_WAIT.max((one.round_trip + other.round_trip) * WAIT_ROUND_TRIPS);
    let mut found = Relayed::Nothing;
    for _ in 0..ATTEMPTS {
        let nonce = Bytes::from(rand::random::<[u8; 16]>().to_vec());
        let sent_at = Instant::now();
        let until = deadline.min(sent_at + wait);
        let packets =
            [PacketType::Data, PacketType::RpcRequest].map(|kind| Packet::new(one.me, other.me, kind, nonce.clone()));
        match timeout_at(until, one.link.send(&packets)).await {
            Ok(sent) => sent?,
            Err(_) => break,
        }
        loop {
            let (event, is_back) = tokio::select! {
                event = one.next_event_until(until) => (event?, true),
                event = other.next_event_until(until) => (event?, false),
            };
            match event {
                None => break,
                Some(Event::Relayed(packet)) if packet.payload == nonce => match (packet.kind, is_back) {
                    (PacketType::Data, true) => return Ok(Relayed::Data(sent_at.elapsed())),
                    (PacketType::Data, false) => other.send_back(packet, until).await?,
                    _ => found = Relayed::CallsOnly,
                },
                Some(_) => {}
            }
        }
        if one.info().is_some_and(|info| info.refuses_relay) {
            break;
        }
    }
    Ok(found)
}

impl Session {
    async fn send_back(&mut self, packet: Packet, deadline: Instant) -> Result<(), LinkError> {
        let back = Packet { from: packet.to, to: packet.from, ..packet };
        timeout_at(deadline, self.link.send(&[back])).await.unwrap_or(Ok(()))
    }
}
