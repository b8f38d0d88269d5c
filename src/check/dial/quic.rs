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

use quinn::{
    ClientConfig, ConnectionError, Endpoint, RecvStream, SendStream, TransportConfig, crypto::rustls::QuicClientConfig,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, timeout, timeout_at},
};

use super::{DialError, udp};
use crate::FailureCode;

/// How long before the deadline the wait for TLS ends, so that a version that nobody knows can be asked about.
const VERSION_QUESTION_SHARE: u32 = 4;

/// What a node may send before we have read it: a few packets' worth.
const RECEIVE_WINDOW: u32 = 64 * 1024;

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
        let mut config = ClientConfig::new(Arc::new(crypto));
        config.transport_config(Arc::new(transport()));
        // The name is never verified; the crate uses the same.
        let connecting = endpoint.connect_with(config, address, "localhost").map_err(|error| internal(&error))?;

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
        match timeout_at(deadline, connection.open_bi()).await {
            Ok(Ok((send, receive))) => Ok(QuicStream { send, receive, connection }),
            Ok(Err(error)) => Err(DialError::new(FailureCode::Rejected, format!("the QUIC connection ended: {error}"))),
            Err(_) => {
                let words = "it speaks QUIC, and allows no stream";
                Err(DialError::after_connect(FailureCode::HandshakeTimeout, words))
            }
        }
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

/// Bounds for what a stranger may make us keep: nodes open no streams, and send no datagrams.
fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(0_u32.into())
        .max_concurrent_uni_streams(0_u32.into())
        .stream_receive_window(RECEIVE_WINDOW.into())
        .receive_window(RECEIVE_WINDOW.into())
        .datagram_receive_buffer_size(None);
    transport
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

    // Version negotiation: a long header with version 0 that sends our connection id back.
    let is_answer = |datagram: &[u8]| {
        datagram.len() > 14 && datagram[0] & 0x80 != 0 && datagram[1..5] == [0; 4] && datagram[6..14] == connection_id
    };
    let socket = udp::connected_socket(address).await?;
    let mut space = [0; INITIAL_SIZE];
    loop {
        socket.send(&question).await?;
        let answered = async {
            loop {
                let length = socket.recv(&mut space).await?;
                if is_answer(&space[..length]) {
                    return io::Result::Ok(());
                }
            }
        };
        if let Ok(answered) = timeout(ASK_EVERY, answered).await {
            return answered;
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

#[cfg(test)]
mod tests {
    use std::future::pending;

    use easytier::tunnel::insecure_tls::get_insecure_tls_cert;
    use quinn::ServerConfig;

    use super::*;
    use crate::{Stage, tls};

    #[tokio::test]
    async fn a_server_that_allows_no_stream_is_given_up_at_the_deadline() {
        let (certificates, key) = get_insecure_tls_cert();
        let mut config = ServerConfig::with_single_cert(certificates, key).unwrap();
        let mut transport = TransportConfig::default();
        transport.max_concurrent_bidi_streams(0_u32.into());
        config.transport_config(Arc::new(transport));
        let server = Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();
        let address = server.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let _connection = server.accept().await.unwrap().await.unwrap();
            pending::<()>().await
        });

        let tls = Arc::new(tls::for_nodes().unwrap());
        let deadline = Instant::now() + Duration::from_secs(2);
        let error = QuicEndpoints::default().connect(address, tls, deadline).await.err().expect("no stream");
        assert_eq!((error.failure.code, error.stage), (FailureCode::HandshakeTimeout, Stage::Handshake), "{error:?}");
        serving.abort();
    }
}
