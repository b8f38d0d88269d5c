//! The connect stage: from an address to a link that carries packets.

mod quic;
mod stream;
mod tcp;
mod udp;
mod web_socket;
mod wire_guard;

use std::{
    io,
    sync::{Arc, OnceLock},
};

use chrono::{DateTime, Utc};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};

pub(super) use self::tcp::without_route;
use self::{
    quic::{QuicEndpoints, QuicStream},
    stream::PacketStream,
    udp::UdpLink,
    web_socket::WebSocketLink,
    wire_guard::WireGuardLink,
};
use crate::{Access, Failure, FailureCode, Scheme, Stage, Target, tls, wire::Packet};

/// What carries packets to a node and back. Dropping it closes it.
pub(crate) enum Link {
    Tcp(PacketStream<TcpStream>),
    Quic(PacketStream<QuicStream>),
    WebSocket(Box<WebSocketLink>),
    Udp(UdpLink),
    WireGuard(WireGuardLink),
}

/// Why a link carries nothing any more.
#[derive(Debug)]
pub(crate) enum LinkError {
    /// The other side closed it, or the network did.
    Closed,
    /// What came cannot be an EasyTier packet; the words say what it was.
    NotEasytier(&'static str),
}

impl Link {
    /// Whether a packet may be lost without the link being closed.
    pub fn may_lose(&self) -> bool {
        matches!(self, Self::Udp(_) | Self::WireGuard(_))
    }

    /// The next packet. Giving up waiting loses nothing.
    pub async fn receive(&mut self) -> Result<Packet, LinkError> {
        match self {
            Self::Tcp(link) => link.receive().await,
            Self::Quic(link) => link.receive().await,
            Self::WebSocket(link) => link.receive().await,
            Self::Udp(link) => link.receive().await,
            Self::WireGuard(link) => link.receive().await,
        }
    }

    /// Sends the packets, in one write where the transport allows it.
    pub async fn send(&mut self, packets: &[Packet]) -> Result<(), LinkError> {
        match self {
            Self::Tcp(link) => link.send(packets).await,
            Self::Quic(link) => link.send(packets).await,
            Self::WebSocket(link) => link.send(packets).await,
            Self::Udp(link) => link.send(packets).await,
            Self::WireGuard(link) => link.send(packets).await,
        }
    }
}

/// A link just opened.
pub(crate) struct Dialed {
    pub link: Link,
    /// Of a wss node's certificate.
    pub certificate_expires_at: Option<DateTime<Utc>>,
}

impl From<Link> for Dialed {
    fn from(link: Link) -> Self {
        Self { link, certificate_expires_at: None }
    }
}

/// Why no link could be opened, and how far one got.
#[derive(Debug)]
pub(crate) struct DialError {
    pub stage: Stage,
    pub failure: Failure,
}

impl DialError {
    fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self { stage: Stage::Connect, failure: Failure::new(code, message) }
    }

    /// Connected, but what is there does not speak the transport's own greeting.
    fn after_connect(code: FailureCode, message: impl Into<String>) -> Self {
        Self { stage: Stage::Handshake, failure: Failure::new(code, message) }
    }
}

/// Opens links. What all of one kind share (TLS configuration, QUIC endpoints) is made when first used.
#[derive(Default)]
pub(crate) struct Dialer {
    tls: OnceLock<Arc<rustls::ClientConfig>>,
    quic: QuicEndpoints,
}

impl Dialer {
    /// Opens a link to the very address of `target` before `deadline`.
    pub async fn dial(&self, target: &Target, access: &Access, deadline: Instant) -> Result<Dialed, DialError> {
        let address = target.address;
        match target.url.scheme() {
            Scheme::Tcp => Ok(Link::Tcp(PacketStream::new(tcp::connect(address, deadline).await?)).into()),
            Scheme::Udp => Ok(Link::Udp(udp::connect(address, deadline).await?).into()),
            Scheme::Ws => web_socket::connect(target, None, deadline).await,
            Scheme::Wss => web_socket::connect(target, Some(self.tls()?), deadline).await,
            Scheme::Wg => Ok(Link::WireGuard(wire_guard::connect(address, access, deadline).await?).into()),
            Scheme::Quic => {
                let stream = self.quic.connect(address, self.tls()?, deadline).await?;
                Ok(Link::Quic(PacketStream::new(stream)).into())
            }
            scheme @ (Scheme::Http | Scheme::Https | Scheme::Txt | Scheme::Srv) => Err(DialError::new(
                FailureCode::Internal,
                format!("a {scheme} URL reached the connect stage unresolved"),
            )),
        }
    }

    fn tls(&self) -> Result<Arc<rustls::ClientConfig>, DialError> {
        if let Some(config) = self.tls.get() {
            return Ok(config.clone());
        }
        let config = tls::for_nodes().map_err(|error| {
            DialError::new(FailureCode::Internal, format!("this probe cannot configure TLS: {error}"))
        })?;
        Ok(self.tls.get_or_init(|| Arc::new(config)).clone())
    }
}

/// Waits for `io` until `deadline`, with what to say when that passes or it fails.
async fn within<T>(
    deadline: Instant,
    io: impl Future<Output = io::Result<T>>,
    late: impl FnOnce() -> DialError,
    failed: impl FnOnce(io::Error) -> DialError,
) -> Result<T, DialError> {
    match timeout_at(deadline, io).await {
        Err(_) => Err(late()),
        Ok(result) => result.map_err(failed),
    }
}
