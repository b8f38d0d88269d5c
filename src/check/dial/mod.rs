//! The connect stage: from an address to a link that carries packets. Each transport has a file.

mod error;
mod pace;
mod quic;
mod secure;
mod socket;
mod stream;
mod tcp;
mod udp;
mod upgrade;
mod web_socket;
mod wire_guard;
mod within;

use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};
use tokio::{net::TcpStream, time::Instant};

pub(super) use self::error::LinkError;
use self::{
    pace::Paced,
    quic::{Quic, QuicStream},
    stream::PacketStream,
    udp::UdpLink,
    web_socket::WebSocketLink,
    wire_guard::WireGuardLink,
};
use super::{meter::Meter, stage_failure::StageFailure};
use crate::{Access, FailureCode, Target, Transport, tls, wire::Packet};

/// Carries packets to a node and back. Dropping it closes it.
pub(super) struct Link {
    connection: Connection,
    meter: Meter,
}

enum Connection {
    Tcp(PacketStream<Paced<TcpStream>>),
    Quic(PacketStream<Paced<QuicStream>>),
    WebSocket(Box<WebSocketLink>),
    Udp(UdpLink),
    WireGuard(WireGuardLink),
}

impl Link {
    /// Whether it uses datagrams: packets may be lost, and the node can drop the session without notice.
    pub fn is_datagram(&self) -> bool {
        matches!(self.connection, Connection::Udp(_) | Connection::WireGuard(_))
    }

    /// Whether the node has closed the link, and what it had sent before may be lost: so it is over QUIC, where a node of 2.6
    /// or later always answers the handshake, even if it closes right after.
    pub fn may_have_lost_the_answer(&self) -> bool {
        matches!(&self.connection, Connection::Quic(link) if link.stream().get_ref().is_closed_by_current_node())
    }

    /// Receives the next packet. Cancelling this loses no packet.
    pub async fn receive(&mut self) -> Result<Packet, LinkError> {
        let received = match &mut self.connection {
            Connection::Tcp(link) => link.receive().await,
            Connection::Quic(link) => link.receive().await,
            Connection::WebSocket(link) => link.receive().await,
            Connection::Udp(link) => link.receive().await,
            Connection::WireGuard(link) => link.receive().await,
        };
        received.inspect(|packet| self.meter.received(packet.encoded_len()))
    }

    /// Sends the packets, in one write where the transport allows it.
    pub async fn send(&mut self, packets: &[Packet]) -> Result<(), LinkError> {
        self.meter.sent(packets.iter().map(Packet::encoded_len).sum());
        match &mut self.connection {
            Connection::Tcp(link) => link.send(packets).await,
            Connection::Quic(link) => link.send(packets).await,
            Connection::WebSocket(link) => link.send(packets).await,
            Connection::Udp(link) => link.send(packets).await,
            Connection::WireGuard(link) => link.send(packets).await,
        }
    }
}

/// A link just opened.
pub(super) struct Dialed {
    pub link: Link,
    /// When the certificate of a wss node expires.
    pub certificate_expires_at: Option<DateTime<Utc>>,
}

/// Opens links. The TLS configuration and the QUIC endpoints are made at the first use, and shared.
pub(super) struct Dialer {
    tls: OnceLock<Arc<rustls::ClientConfig>>,
    quic: Quic,
}

impl Dialer {
    /// `quic_port` is the local port of QUIC where it is free.
    pub fn new(quic_port: Option<u16>) -> Self {
        Self { tls: OnceLock::new(), quic: Quic::new(quic_port) }
    }

    /// Waits, for a moment at most, until the links that were dropped are closed.
    pub async fn wait_closed(&self) {
        self.quic.wait_closed().await;
    }

    /// Opens a link to the address of `target` before `deadline`. `meter` counts its packets.
    pub async fn dial(
        &self,
        target: &Target,
        access: &Access,
        meter: &Meter,
        deadline: Instant,
    ) -> Result<Dialed, StageFailure> {
        let address = target.address;
        let mut certificate_expires_at = None;
        let connection = match target.transport {
            Transport::Tcp => Connection::Tcp(PacketStream::new(tcp::connect(address, deadline).await?, address)),
            Transport::Udp => Connection::Udp(udp::connect(address, deadline).await?),
            Transport::Ws => Connection::WebSocket(web_socket::connect(target, deadline).await?.into()),
            Transport::Wss => {
                let (link, expiry) = web_socket::connect_tls(target, self.tls()?, deadline).await?;
                certificate_expires_at = expiry;
                Connection::WebSocket(link.into())
            }
            Transport::Wg => Connection::WireGuard(wire_guard::connect(address, access, deadline).await?),
            Transport::Quic => {
                let stream = self.quic.connect(address, self.tls()?, deadline).await?;
                Connection::Quic(PacketStream::new(Paced::new(stream), address))
            }
        };
        Ok(Dialed { link: Link { connection, meter: meter.clone() }, certificate_expires_at })
    }

    fn tls(&self) -> Result<Arc<rustls::ClientConfig>, StageFailure> {
        if let Some(config) = self.tls.get() {
            return Ok(config.clone());
        }
        let config = tls::for_nodes().map_err(|error| {
            StageFailure::at_connect(FailureCode::Internal, format!("this probe cannot configure TLS: {error}"))
        })?;
        Ok(self.tls.get_or_init(|| Arc::new(config)).clone())
    }
}
