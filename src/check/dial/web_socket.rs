//! EasyTier over ws and wss: one binary message is one packet.
//!
//! The crate's connector resolves the URL itself, takes the address for the TLS name and leaves Nagle's delay on; here
//! the connection goes to the address decided on, and the Host header is the URL's.

use std::{io, panic::AssertUnwindSafe, sync::Arc};

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use futures::{FutureExt, SinkExt, StreamExt};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;
use tokio_websockets::{ClientBuilder, Error as WebSocketError, Limits, Message, WebSocketStream};

use super::{DialError, Dialed, Link, LinkError, tcp, within};
use crate::{
    FailureCode, Target,
    wire::{MAX_PACKET_SIZE, Packet},
};

/// What a WebSocket runs over: plain or TLS.
trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

pub(crate) struct WebSocketLink(WebSocketStream<Box<dyn Io>>);

/// Opens a WebSocket to the address of `target`, over TLS when a configuration is given.
pub(super) async fn connect(
    target: &Target,
    tls: Option<Arc<rustls::ClientConfig>>,
    deadline: Instant,
) -> Result<Dialed, DialError> {
    let stream = tcp::connect(target.address, deadline).await?;
    let (stream, certificate_expires_at): (Box<dyn Io>, _) = match tls {
        None => (Box::new(stream), None),
        Some(config) => {
            // The name is not sent (EasyTier switches SNI off) and not verified; the address stands in for it.
            let name = ServerName::IpAddress(target.address.ip().into());
            let stream = within(
                deadline,
                TlsConnector::from(config).connect(name, stream),
                || DialError::new(FailureCode::TlsFailed, "port open, no answer to the TLS handshake"),
                |error| DialError::new(FailureCode::TlsFailed, format!("port open, but TLS failed: {error}")),
            )
            .await?;
            let expiry = certificate_expiry(&stream);
            tracing::debug!(?expiry, "TLS established");
            (Box::new(stream), expiry)
        }
    };

    let url = &target.url;
    let uri = url.to_string().try_into().map_err(|error| {
        let words = format!("{url} cannot be asked for over HTTP: {error}");
        DialError::new(FailureCode::InvalidUrl, words)
    })?;
    let limits = Limits::default().max_payload_len(Some(MAX_PACKET_SIZE));
    let upgrade = async { ClientBuilder::from_uri(uri).limits(limits).connect_on(stream).await };
    // An answer whose accept key is too long makes the library panic.
    let (stream, _) = match timeout_at(deadline, AssertUnwindSafe(upgrade).catch_unwind()).await {
        Ok(Ok(upgraded)) => upgraded.map_err(upgrade_failed)?,
        Ok(Err(_panic)) => return Err(no_web_socket()),
        Err(_) => {
            let words = "port open, no answer to the WebSocket upgrade";
            return Err(DialError::after_connect(FailureCode::HandshakeTimeout, words));
        }
    };
    tracing::debug!(%url, "WebSocket established");
    Ok(Dialed { link: Link::WebSocket(Box::new(WebSocketLink(stream))), certificate_expires_at })
}

fn upgrade_failed(error: WebSocketError) -> DialError {
    let (code, words) = match error {
        WebSocketError::Upgrade(tokio_websockets::upgrade::Error::DidNotSwitchProtocols(status)) => (
            FailureCode::NotEasytier,
            format!("a web server answered the WebSocket upgrade with {status}; check the URL's host name and path"),
        ),
        WebSocketError::Io(error) if error.kind() != io::ErrorKind::InvalidData => {
            (FailureCode::Rejected, "port open, but the connection was closed during the WebSocket upgrade".to_owned())
        }
        _ => return no_web_socket(),
    };
    DialError::after_connect(code, words)
}

fn no_web_socket() -> DialError {
    DialError::after_connect(FailureCode::NotEasytier, "port open, but what answers does not speak WebSocket")
}

/// When the certificate that the node showed ends.
fn certificate_expiry<S>(stream: &tokio_rustls::client::TlsStream<S>) -> Option<DateTime<Utc>> {
    let certificate = stream.get_ref().1.peer_certificates()?.first()?;
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    DateTime::from_timestamp(parsed.validity().not_after.timestamp(), 0)
}

impl WebSocketLink {
    pub async fn receive(&mut self) -> Result<Packet, LinkError> {
        loop {
            // Pongs first: a node that pings and never reads would have us keep all of them.
            self.0.flush().await.map_err(|_| LinkError::Closed)?;
            let message = match self.0.next().await {
                Some(Ok(message)) => message,
                Some(Err(_)) | None => return Err(LinkError::Closed),
            };
            if message.is_close() {
                return Err(LinkError::Closed);
            }
            // Pings and pongs of the WebSocket itself are its own affair.
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
