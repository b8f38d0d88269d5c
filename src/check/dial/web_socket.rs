//! EasyTier over ws and wss: one binary message is one packet.
//!
//! The crate's connector resolves the URL itself, and leaves Nagle's delay on. Here the connection goes to the address of
//! the target; the name in TLS and the Host header are the URL's.

use std::{net::SocketAddr, sync::Arc};

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use futures::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, timeout_at},
};
use tokio_websockets::{ClientBuilder, Error as WebSocketError, Limits, Message, WebSocketStream};

use super::{
    error::LinkError,
    secure::{self, tls_failure},
    tcp,
    upgrade::{UpgradeError, upgrade},
};
use crate::{
    FailureCode, Stage, Target,
    check::stage_failure::StageFailure,
    wire::{MAX_PACKET_SIZE, Packet},
};

/// The stream below a WebSocket: plain or TLS.
trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

pub(super) struct WebSocketLink {
    stream: WebSocketStream<Box<dyn Io>>,
    address: SocketAddr,
}

/// Opens a WebSocket to the address of `target`.
pub(super) async fn connect(target: &Target, deadline: Instant) -> Result<WebSocketLink, StageFailure> {
    let stream = tcp::connect(target.address, deadline).await?;
    open(target, stream, deadline).await
}

/// Opens a WebSocket over TLS to the address of `target`. Returns also when the node's certificate expires.
pub(super) async fn connect_tls(
    target: &Target,
    tls: Arc<rustls::ClientConfig>,
    deadline: Instant,
) -> Result<(WebSocketLink, Option<DateTime<Utc>>), StageFailure> {
    let stream = tcp::connect(target.address, deadline).await?;
    let stream = secure::connect(target, stream, tls, deadline).await?;
    let expiry = secure::certificate_expiry(&stream);
    tracing::debug!(?expiry, "TLS established");
    Ok((open(target, stream, deadline).await?, expiry))
}

/// Upgrades `stream` from HTTP to a WebSocket.
async fn open<S: Io + 'static>(target: &Target, stream: S, deadline: Instant) -> Result<WebSocketLink, StageFailure> {
    let upgraded = match timeout_at(deadline, upgrade(stream, &target.url)).await {
        Ok(upgraded) => upgraded.map_err(|error| upgrade_failure(target.address, error))?,
        Err(_) => {
            let message = "port open, no answer to the WebSocket upgrade";
            return Err(StageFailure::at_handshake(FailureCode::HandshakeTimeout, message));
        }
    };
    tracing::debug!(url = %target.url, "WebSocket established");
    // A node sends nothing before the handshake, so the buffer is empty: then a link does without.
    let stream: Box<dyn Io> =
        if upgraded.buffer().is_empty() { Box::new(upgraded.into_inner()) } else { Box::new(upgraded) };
    let limits = Limits::default().max_payload_len(Some(MAX_PACKET_SIZE));
    let stream = ClientBuilder::new().limits(limits).take_over(stream);
    Ok(WebSocketLink { stream, address: target.address })
}

fn upgrade_failure(address: SocketAddr, error: UpgradeError) -> StageFailure {
    let (code, message) = match error {
        UpgradeError::NotWebSocket => {
            (FailureCode::NotEasytier, "port open, but the server does not speak WebSocket".to_owned())
        }
        UpgradeError::Status(status) => (
            FailureCode::NotEasytier,
            format!("a web server answered the WebSocket upgrade with {status}; check the URL's host name and path"),
        ),
        UpgradeError::Io(error) => match (tls_failure(&error), LinkError::of_io(address, &error)) {
            (Some(failure), _) | (None, LinkError::Network(failure)) => {
                return StageFailure { stage: Stage::Handshake, failure };
            }
            _ => {
                let message = "port open, but the connection was closed during the WebSocket upgrade";
                (FailureCode::Rejected, message.to_owned())
            }
        },
    };
    StageFailure::at_handshake(code, message)
}

impl WebSocketLink {
    pub async fn receive(&mut self) -> Result<Packet, LinkError> {
        loop {
            // Send waiting pongs first: a node that pings and does not read would make them pile up.
            self.flush().await?;
            let message = match self.stream.next().await {
                Some(message) => message.map_err(|error| self.ended(error))?,
                None => return Err(LinkError::Closed),
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
            let message = Message::binary(bytes.freeze());
            self.stream.feed(message).await.map_err(|error| self.ended(error))?;
        }
        self.flush().await
    }

    async fn flush(&mut self) -> Result<(), LinkError> {
        self.stream.flush().await.map_err(|error| self.ended(error))
    }

    fn ended(&self, error: WebSocketError) -> LinkError {
        match error {
            WebSocketError::Io(error) => LinkError::of_io(self.address, &error),
            _ => LinkError::Closed,
        }
    }
}
