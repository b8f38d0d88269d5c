//! EasyTier over QUIC: one bidirectional stream carries the packets, framed as over tcp.
//!
//! There are two kinds of it: up to EasyTier 2.5 it is QUIC with TLS, since 2.6.0 it is plain. Which of the two a node
//! speaks is asked first, in a way that no node takes for a connection. These rules spare the nodes:
//!
//! - After one handshake that failed, an old node (2.0.3 is one) serves nobody by QUIC any more until it is restarted. So it
//!   never gets a packet of the other kind that could begin a connection, and a TLS handshake that has begun is finished even
//!   when the check has ended.
//! - Up to 2.6.4, a node accepts one connection at a time, and waits for the first bytes on its stream. So they are sent at
//!   once, and a connection that is given up is closed by a packet, not only forgotten.
//! - Newer nodes keep something for each address and port that ever sent a QUIC packet, at most 1,024 of them. So all
//!   connections share one socket for each address family; see also
//!   [`CheckOptions::quic_port`](crate::CheckOptions::quic_port).

mod connecting;
mod endpoints;
mod kind;
mod stream;

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use quinn::{Connection, ConnectionError};
use tokio::{
    net::UdpSocket,
    time::{Instant, sleep, timeout, timeout_at},
};

pub(super) use self::stream::QuicStream;
use self::{connecting::Opening, endpoints::Endpoints, kind::Kind};
use super::{error::connect_failure, socket::connected_udp};
use crate::{
    FailureCode,
    check::{
        resend::{Exchange, send_until_answered},
        stage_failure::StageFailure,
    },
};

/// How long an answer is awaited before somebody else is asked why there is none.
const PATIENCE: Duration = Duration::from_millis(300);
/// It takes at most this part of the time, as a divisor.
const PATIENCE_SHARE: u32 = 4;

/// The longest wait for connections to be closed.
const CLOSE_WAIT: Duration = Duration::from_millis(300);

/// What all QUIC connections share.
pub(super) struct Quic(Endpoints);

impl Quic {
    /// `port` is the local port to use where it is free.
    pub fn new(port: Option<u16>) -> Self {
        Self(Endpoints::new(port))
    }

    /// Connects to `address` and opens a stream, which the node notices when the first bytes are written to it.
    pub async fn connect(
        &self,
        address: SocketAddr,
        tls: Arc<rustls::ClientConfig>,
        deadline: Instant,
    ) -> Result<QuicStream, StageFailure> {
        let kind = self.kind_of(address, &tls, deadline).await?;
        let Ok(connected) = timeout_at(deadline, self.connect_as(kind, address, &tls)).await else {
            let message = format!("{address} speaks QUIC, but accepts no connection");
            return Err(StageFailure::at_connect(FailureCode::ConnectTimeout, message));
        };
        let connection = connected?;
        tracing::debug!(%address, ?kind, "connected over QUIC");
        match timeout_at(deadline, connection.open_bi()).await {
            Ok(Ok((send, receive))) => Ok(QuicStream::new(send, receive, connection, kind)),
            Ok(Err(error)) => {
                let message = format!("the QUIC connection ended: {error}");
                Err(StageFailure::at_connect(FailureCode::Rejected, message))
            }
            Err(_) => {
                let message = "the server speaks QUIC, but allows no stream";
                Err(StageFailure::at_handshake(FailureCode::HandshakeTimeout, message))
            }
        }
    }

    /// Waits until the connections that were dropped are closed, for [`CLOSE_WAIT`] at most. The packet that closes one is
    /// sent at once; the rest of the time is for its repetition, should it get lost.
    pub async fn wait_closed(&self) {
        if timeout(CLOSE_WAIT, self.0.wait_idle()).await.is_err() {
            tracing::debug!("some QUIC connections are not closed yet");
        }
    }

    /// Which kind of QUIC the node at `address` speaks. The answer is not kept: the next node at this address may be older,
    /// and a wrong guess ends its listener.
    async fn kind_of(
        &self,
        address: SocketAddr,
        tls: &Arc<rustls::ClientConfig>,
        deadline: Instant,
    ) -> Result<Kind, StageFailure> {
        let patience = PATIENCE.min(deadline.saturating_duration_since(Instant::now()) / PATIENCE_SHARE);
        let unreachable = async {
            sleep(patience).await;
            unreachable(address).await
        };
        let asked = async {
            tokio::select! {
                answered = self.ask(Kind::Plain, address, tls) => answered,
                answered = self.ask(Kind::Tls, address, tls) => answered,
                failure = unreachable => Err(failure),
            }
        };
        timeout_at(deadline, asked).await.unwrap_or_else(|_| {
            let message = format!("no answer from {address} over QUIC: nothing listens there, or it is filtered");
            Err(StageFailure::at_connect(FailureCode::ConnectTimeout, message))
        })
    }

    /// Returns `kind` when the node has answered to it; a node of the other kind does not.
    ///
    /// The packet that is sent is one that a server must refuse before anything else, by a packet of its own kind: its
    /// destination connection id is too short (RFC 9000, section 7.2). Both kinds of nodes do that without a connection.
    async fn ask(
        &self,
        kind: Kind,
        address: SocketAddr,
        tls: &Arc<rustls::ClientConfig>,
    ) -> Result<Kind, StageFailure> {
        let question = kind.question(address, tls)?;
        loop {
            match self.0.connect(address, &question)?.await {
                Err(ConnectionError::TimedOut) => {}
                Ok(_) | Err(ConnectionError::ConnectionClosed(_)) => return Ok(kind),
                Err(error) => return Err(kind.failure(address, &error)),
            }
        }
    }

    async fn connect_as(
        &self,
        kind: Kind,
        address: SocketAddr,
        tls: &Arc<rustls::ClientConfig>,
    ) -> Result<Connection, StageFailure> {
        let config = kind.config(address, tls)?;
        loop {
            match Opening::new(kind, self.0.connect(address, &config)?).await {
                Ok(connection) => return Ok(connection),
                // QUIC gives up after half a minute; a check may have more time.
                Err(ConnectionError::TimedOut) => {}
                Err(error) => return Err(kind.failure(address, &error)),
            }
        }
    }
}

/// Returns when datagrams do not reach the port, and why; and never if nothing says so.
///
/// The socket of an endpoint is not connected, so the system does not tell it that a port is closed, and QUIC hides that a
/// datagram could not be sent. The empty datagrams of this socket contain nothing that a node could take for a packet.
async fn unreachable(address: SocketAddr) -> StageFailure {
    let asked = match connected_udp(address).await {
        Ok(socket) => send_until_answered(EmptyDatagrams(socket)).await,
        Err(error) => Err(error),
    };
    let Err(error) = asked;
    connect_failure(address, error)
}

struct EmptyDatagrams(UdpSocket);

impl Exchange for EmptyDatagrams {
    type Answer = Infallible;
    type Error = io::Error;

    async fn send(&mut self) -> io::Result<()> {
        self.0.send(&[]).await.map(drop)
    }

    async fn receive(&mut self) -> io::Result<Infallible> {
        loop {
            // Whatever arrives, it is not an error.
            self.0.recv(&mut []).await?;
        }
    }
}

#[cfg(test)]
mod tests;
