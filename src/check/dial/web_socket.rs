//! EasyTier over ws and wss: one binary message is one packet.
//!
//! The crate's connector resolves the URL itself, uses the address as the TLS name, and leaves Nagle's delay on. Here the
//! connection goes to the address of the target, and the Host header is the URL's.

use std::{io, panic::AssertUnwindSafe, sync::Arc};

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use futures::{FutureExt, SinkExt, StreamExt};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, timeout_at},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_websockets::{ClientBuilder, Error as WebSocketError, Limits, Message, WebSocketStream, upgrade};

use super::{error::LinkError, tcp, within::within};
use crate::{
    FailureCode, Target,
    check::stage_failure::StageFailure,
    wire::{MAX_PACKET_SIZE, Packet},
};

/// The stream below a WebSocket: plain or TLS.
trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

pub(super) struct WebSocketLink(WebSocketStream<Box<dyn Io>>);

/// Opens a WebSocket to the address of `target`.
pub(super) async fn connect(target: &Target, deadline: Instant) -> Result<WebSocketLink, StageFailure> {
    let stream = tcp::connect(target.address, deadline).await?;
    upgrade(target, Box::new(stream), deadline).await
}

/// Opens a WebSocket over TLS to the address of `target`. Returns also when the node's certificate expires.
pub(super) async fn connect_tls(
    target: &Target,
    tls: Arc<rustls::ClientConfig>,
    deadline: Instant,
) -> Result<(WebSocketLink, Option<DateTime<Utc>>), StageFailure> {
    let stream = tcp::connect(target.address, deadline).await?;
    // The name is neither sent nor verified, so the address does.
    let name = ServerName::IpAddress(target.address.ip().into());
    let stream = within(
        deadline,
        TlsConnector::from(tls).connect(name, stream),
        || StageFailure::at_connect(FailureCode::TlsFailed, "port open, no answer to the TLS handshake"),
        |error| StageFailure::at_connect(FailureCode::TlsFailed, format!("port open, but TLS failed: {error}")),
    )
    .await?;
    let expiry = certificate_expiry(&stream);
    tracing::debug!(?expiry, "TLS established");
    Ok((upgrade(target, Box::new(stream), deadline).await?, expiry))
}

/// Upgrades `stream` from HTTP to a WebSocket.
async fn upgrade(target: &Target, stream: Box<dyn Io>, deadline: Instant) -> Result<WebSocketLink, StageFailure> {
    let url = &target.url;
    let uri = url.to_string().try_into().map_err(|error| {
        let message = format!("{url} cannot be requested over HTTP: {error}");
        StageFailure::at_connect(FailureCode::InvalidUrl, message)
    })?;
    let limits = Limits::default().max_payload_len(Some(MAX_PACKET_SIZE));
    let upgrading = async { ClientBuilder::from_uri(uri).limits(limits).connect_on(stream).await };
    // tokio-websockets panics when the accept key in the response is too long.
    let (stream, _) = match timeout_at(deadline, AssertUnwindSafe(upgrading).catch_unwind()).await {
        Ok(Ok(upgraded)) => upgraded.map_err(upgrade_failure)?,
        Ok(Err(_panic)) => return Err(not_web_socket()),
        Err(_) => {
            let message = "port open, no answer to the WebSocket upgrade";
            return Err(StageFailure::at_handshake(FailureCode::HandshakeTimeout, message));
        }
    };
    tracing::debug!(%url, "WebSocket established");
    Ok(WebSocketLink(stream))
}

fn upgrade_failure(error: WebSocketError) -> StageFailure {
    let (code, message) = match error {
        WebSocketError::Upgrade(upgrade::Error::DidNotSwitchProtocols(status)) => (
            FailureCode::NotEasytier,
            format!("a web server answered the WebSocket upgrade with {status}; check the URL's host name and path"),
        ),
        WebSocketError::Io(error) if error.kind() != io::ErrorKind::InvalidData => {
            (FailureCode::Rejected, "port open, but the connection was closed during the WebSocket upgrade".to_owned())
        }
        _ => return not_web_socket(),
    };
    StageFailure::at_handshake(code, message)
}

fn not_web_socket() -> StageFailure {
    StageFailure::at_handshake(FailureCode::NotEasytier, "port open, but the server does not speak WebSocket")
}

/// When the certificate that the node sent expires.
fn certificate_expiry<S>(stream: &TlsStream<S>) -> Option<DateTime<Utc>> {
    let certificate = stream.get_ref().1.peer_certificates()?.first()?;
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    DateTime::from_timestamp(parsed.validity().not_after.timestamp(), 0)
}

impl WebSocketLink {
    pub async fn receive(&mut self) -> Result<Packet, LinkError> {
        loop {
            // Send waiting pongs first: a node that pings and does not read would make them pile up.
            self.0.flush().await.map_err(|_| LinkError::Closed)?;
            let message = match self.0.next().await {
                Some(Ok(message)) => message,
                Some(Err(_)) | None => return Err(LinkError::Closed),
            };
            if message.is_close() {
                return Err(LinkError::Closed);
            }
            // The WebSocket's own pings and pongs are skipped.
            if message.is_binary() {
                return Packet::decode(Bytes::copy_from_slice(message.as_payload()))
                    .ok_or(LinkError::NotEasytier("a WebSocket message too short for a packet"));
            }
            if message.is_text() {
                return Err(LinkError::NotEasytier("a WebSocket text message"));
            }
        }
    }

    pub async fn send(&mut self, packets: &[Packet]) -> Result<(), LinkError> {
        for packet in packets {
            let mut bytes = BytesMut::new();
            packet.encode(&mut bytes);
            self.0.feed(Message::binary(bytes.freeze())).await.map_err(|_| LinkError::Closed)?;
        }
        self.0.flush().await.map_err(|_| LinkError::Closed)
    }
}
