//! EasyTier over QUIC: one bidirectional stream carries the packets, framed as over tcp.
//!
//! The crate's connector opens an endpoint for each connection, and panics when a connection fails. Here all connections
//! share one endpoint for each address family.
//!
//! Since EasyTier 2.6 its QUIC does not use TLS, and such a node does not answer a TLS handshake. But every QUIC server
//! answers a version that it does not know, and before any cryptography (RFC 9000, section 6). That distinguishes such
//! a node from a port where nobody listens.

use std::{
    fmt::Display,
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

use super::socket::{any_local, connected_udp};
use crate::{FailureCode, check::stage_failure::StageFailure};

/// The part of the remaining time, as a divisor, that is kept for asking about an unknown version when TLS gets no
/// answer.
const VERSION_REQUEST_SHARE: u32 = 4;

/// How many bytes a node may send before they are read: a few packets.
const RECEIVE_WINDOW: u32 = 64 * 1024;

/// The endpoints that all QUIC connections share.
#[derive(Default)]
pub(super) struct QuicEndpoints {
    v4: OnceLock<Endpoint>,
    v6: OnceLock<Endpoint>,
}

impl QuicEndpoints {
    /// Connects to `address` and opens a stream.
    pub async fn connect(
        &self,
        address: SocketAddr,
        tls: Arc<rustls::ClientConfig>,
        deadline: Instant,
    ) -> Result<QuicStream, StageFailure> {
        let internal = |error: &dyn Display| {
            let message = format!("this probe cannot open QUIC to {address}: {error}");
            StageFailure::at_connect(FailureCode::Internal, message)
        };
        let endpoint = self.endpoint(address).map_err(|error| internal(&error))?;
        let crypto = QuicClientConfig::try_from(tls).map_err(|error| internal(&error))?;
        let mut config = ClientConfig::new(Arc::new(crypto));
        config.transport_config(Arc::new(transport()));
        // The name is never verified; the crate uses the same.
        let connecting = endpoint.connect_with(config, address, "localhost").map_err(|error| internal(&error))?;

        let tls_deadline = deadline - (deadline - Instant::now()) / VERSION_REQUEST_SHARE;
        let connection = match timeout_at(tls_deadline, connecting).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(ConnectionError::TimedOut)) | Err(_) => return Err(no_tls_answer(address, deadline).await),
            Ok(Err(ConnectionError::VersionMismatch)) => return Err(unsupported_quic(address)),
            Ok(Err(error)) => {
                let message = format!("QUIC to {address} failed: {error}");
                return Err(StageFailure::at_connect(FailureCode::TlsFailed, message));
            }
        };
        tracing::debug!(%address, "connected over QUIC");
        match timeout_at(deadline, connection.open_bi()).await {
            Ok(Ok((send, receive))) => Ok(QuicStream { send, receive, connection }),
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

    fn endpoint(&self, address: SocketAddr) -> io::Result<&Endpoint> {
        let cell = if address.is_ipv6() { &self.v6 } else { &self.v4 };
        if let Some(endpoint) = cell.get() {
            return Ok(endpoint);
        }
        let endpoint = Endpoint::client(any_local(address))?;
        Ok(cell.get_or_init(|| endpoint))
    }
}

/// Limits the resources that a server can claim: nodes open no streams, and send no datagrams.
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

/// Finds out why a TLS handshake over QUIC got no answer.
async fn no_tls_answer(address: SocketAddr, deadline: Instant) -> StageFailure {
    let (code, message) = match timeout_at(deadline, request_unknown_version(address)).await {
        Ok(Ok(())) => return unsupported_quic(address),
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            (FailureCode::ConnectRefused, format!("nothing listens on the UDP port ({address})"))
        }
        _ => (FailureCode::ConnectTimeout, format!("no answer from {address} over QUIC")),
    };
    StageFailure::at_connect(code, message)
}

fn unsupported_quic(address: SocketAddr) -> StageFailure {
    let message = format!(
        "{address} speaks another QUIC (EasyTier 2.6 and later do), which this probe cannot; watch the node by tcp, \
         udp, ws or wss"
    );
    StageFailure::at_connect(FailureCode::UnsupportedProtocol, message)
}

/// Sends packets of an unknown QUIC version to `address`, and returns when a QUIC server answers.
async fn request_unknown_version(address: SocketAddr) -> io::Result<()> {
    /// Servers do not answer shorter datagrams (RFC 9000, section 14.1).
    const INITIAL_SIZE: usize = 1200;
    const RESEND_INTERVAL: Duration = Duration::from_millis(300);
    /// A long header, and a version of the form 0x?a?a?a?a, which is reserved to provoke this answer.
    const UNKNOWN_VERSION: [u8; 5] = [0xc0, 0x1a, 0x2a, 0x3a, 0x4a];
    let connection_id: [u8; 8] = rand::random();

    let mut request = vec![0; INITIAL_SIZE];
    request[..5].copy_from_slice(&UNKNOWN_VERSION);
    request[5] = connection_id.len() as u8;
    request[6..14].copy_from_slice(&connection_id);
    request[14] = connection_id.len() as u8;
    request[15..23].copy_from_slice(&connection_id);

    // Version negotiation: a long header with version 0, and the connection id of the request.
    let is_answer = |datagram: &[u8]| {
        datagram.len() > 14 && datagram[0] & 0x80 != 0 && datagram[1..5] == [0; 4] && datagram[6..14] == connection_id
    };
    let socket = connected_udp(address).await?;
    let mut space = [0; INITIAL_SIZE];
    loop {
        socket.send(&request).await?;
        let answered = async {
            loop {
                let length = socket.recv(&mut space).await?;
                if is_answer(&space[..length]) {
                    return io::Result::Ok(());
                }
            }
        };
        if let Ok(answered) = timeout(RESEND_INTERVAL, answered).await {
            return answered;
        }
    }
}

/// One bidirectional stream. Dropping it closes the connection.
pub(super) struct QuicStream {
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
