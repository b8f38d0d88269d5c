//! EasyTier over QUIC: one bidirectional stream carries the packets, framed as over tcp.
//!
//! The crate's connector opens an endpoint for each connection and panics when one fails, so the connection is made
//! here, over one endpoint for each address family.
//!
//! Since EasyTier 2.5 its QUIC has no TLS inside, and a TLS handshake gets no answer from it. Every QUIC server
//! answers a version that it does not know, though, and before any cryptography (RFC 9000, section 6): that tells
//! such a node from a port where nobody is.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use quinn::{ClientConfig, ConnectionError, Endpoint, RecvStream, SendStream, crypto::rustls::QuicClientConfig};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, timeout_at},
};

use super::{DialError, udp};
use crate::FailureCode;

/// How long before the deadline the wait for TLS ends, so that a version that nobody knows can be asked about.
const VERSION_QUESTION_SHARE: u32 = 4;

/// The endpoints that all QUIC connections share.
#[derive(Default)]
pub(super) struct QuicEndpoints {
    v4: OnceLock<Endpoint>,
    v6: OnceLock<Endpoint>,
}

impl QuicEndpoints {
    /// A connection to `address` with one stream open.
    pub async fn connect(
        &self,
        address: SocketAddr,
        tls: Arc<rustls::ClientConfig>,
        deadline: Instant,
    ) -> Result<QuicStream, DialError> {
        let internal = |error: &dyn std::fmt::Display| {
            DialError::new(FailureCode::Internal, format!("this probe cannot open QUIC to {address}: {error}"))
        };
        let endpoint = self.endpoint(address).map_err(|error| internal(&error))?;
        let crypto = QuicClientConfig::try_from(tls).map_err(|error| internal(&error))?;
        // The name is never verified; the crate uses the same.
        let connecting = endpoint
            .connect_with(ClientConfig::new(Arc::new(crypto)), address, "localhost")
            .map_err(|error| internal(&error))?;

        let patience = deadline - (deadline - Instant::now()) / VERSION_QUESTION_SHARE;
        let connection = match timeout_at(patience, connecting).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(ConnectionError::TimedOut)) | Err(_) => return Err(silent(address, deadline).await),
            Ok(Err(ConnectionError::VersionMismatch)) => return Err(other_quic(address)),
            Ok(Err(error)) => {
                let words = format!("QUIC to {address} failed: {error}");
                return Err(DialError::new(FailureCode::TlsFailed, words));
            }
        };
        tracing::debug!(%address, "connected over QUIC");
        let (send, receive) = connection
            .open_bi()
            .await
            .map_err(|error| DialError::new(FailureCode::Rejected, format!("the QUIC connection ended: {error}")))?;
        Ok(QuicStream { send, receive, connection })
    }

    fn endpoint(&self, address: SocketAddr) -> io::Result<&Endpoint> {
        let (cell, any) = if address.is_ipv6() { (&self.v6, "[::]:0") } else { (&self.v4, "0.0.0.0:0") };
        if let Some(endpoint) = cell.get() {
            return Ok(endpoint);
        }
        let endpoint = Endpoint::client(any.parse().expect("a literal address"))?;
        Ok(cell.get_or_init(|| endpoint))
    }
}

/// What to say of an address that does not answer a TLS handshake over QUIC.
async fn silent(address: SocketAddr, deadline: Instant) -> DialError {
    match timeout_at(deadline, speaks_some_quic(address)).await {
        Ok(Ok(())) => other_quic(address),
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            DialError::new(FailureCode::ConnectRefused, format!("nothing listens on the UDP port ({address})"))
        }
        _ => DialError::new(FailureCode::ConnectTimeout, format!("no answer from {address} over QUIC")),
    }
}

fn other_quic(address: SocketAddr) -> DialError {
    let words = format!(
        "{address} speaks another QUIC (EasyTier 2.5 and later do), which this probe cannot; watch the node by tcp, \
         udp, ws or wss"
    );
    DialError::new(FailureCode::UnsupportedProtocol, words)
}

/// Ends well when a QUIC server answers at `address`, by asking for a version that none can know.
async fn speaks_some_quic(address: SocketAddr) -> io::Result<()> {
    /// Datagrams below this length get no answer (RFC 9000, section 14.1).
    const INITIAL_SIZE: usize = 1200;
    const ASK_EVERY: Duration = Duration::from_millis(300);
    /// A long header, then a version of the form 0x?a?a?a?a, which is reserved to provoke this very answer.
    const UNKNOWN_VERSION: [u8; 5] = [0xc0, 0x1a, 0x2a, 0x3a, 0x4a];
    let connection_id: [u8; 8] = rand::random();

    let mut question = vec![0; INITIAL_SIZE];
    question[..5].copy_from_slice(&UNKNOWN_VERSION);
    question[5] = connection_id.len() as u8;
    question[6..14].copy_from_slice(&connection_id);
    question[14] = connection_id.len() as u8;
    question[15..23].copy_from_slice(&connection_id);

    let socket = udp::connected_socket(address).await?;
    let mut answer = [0; INITIAL_SIZE];
    loop {
        socket.send(&question).await?;
        let Ok(received) = tokio::time::timeout(ASK_EVERY, socket.recv(&mut answer)).await else {
            continue;
        };
        // Version negotiation: a long header with version 0 that sends our connection id back.
        let answer = &answer[..received?];
        if answer.len() > 14 && answer[0] & 0x80 != 0 && answer[1..5] == [0; 4] && answer[6..14] == connection_id {
            return Ok(());
        }
    }
}

/// One bidirectional stream, with the connection it keeps open.
pub(crate) struct QuicStream {
    send: SendStream,
    receive: RecvStream,
    connection: quinn::Connection,
}

impl AsyncRead for QuicStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        AsyncRead::poll_read(Pin::new(&mut self.receive), context, buffer)
    }
}

impl AsyncWrite for QuicStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(&mut self.send), context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(Pin::new(&mut self.send), context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_shutdown(Pin::new(&mut self.send), context)
    }
}

impl Drop for QuicStream {
    fn drop(&mut self) {
        self.connection.close(0u32.into(), b"done");
    }
}
