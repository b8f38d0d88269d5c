//! EasyTier over WireGuard, by the crate's own connector.

use std::{net::SocketAddr, panic::AssertUnwindSafe, pin::Pin};

use bytes::BytesMut;
use easytier::tunnel::{
    Tunnel, TunnelConnector, ZCPacketSink, ZCPacketStream,
    packet_def::{ZCPacket, ZCPacketType},
    wireguard::{WgConfig, WgTunnelConnector},
};
use futures::{FutureExt, SinkExt, StreamExt};
use tokio::time::{Instant, timeout_at};

use super::{DialError, LinkError};
use crate::{Access, FailureCode, check::packet::Packet};

pub(crate) struct WireGuardLink {
    stream: Pin<Box<dyn ZCPacketStream>>,
    sink: Pin<Box<dyn ZCPacketSink>>,
    /// Owns the tasks that feed the halves.
    _tunnel: Box<dyn Tunnel>,
}

/// Opens a WireGuard tunnel. Its keys are made from the node's own network name and secret, so only a member can.
pub(super) async fn connect(
    address: SocketAddr,
    access: &Access,
    deadline: Instant,
) -> Result<WireGuardLink, DialError> {
    let Access::Member(network) = access else {
        let words = "a wg node answers members of its own network only; give its network name and secret";
        return Err(DialError::new(FailureCode::UnsupportedProtocol, words));
    };
    let keys = WgConfig::new_from_network_identity(&network.network_name, network.network_secret.expose());
    let url = format!("wg://{address}").parse().expect("an address makes a URL");
    let mut connector = WgTunnelConnector::new(url, keys);

    // The connector has no time limit of its own, and the crate's code may panic.
    let connecting = AssertUnwindSafe(connector.connect()).catch_unwind();
    match timeout_at(deadline, connecting).await {
        Ok(Ok(Ok(tunnel))) => {
            tracing::debug!(%address, "connected over WireGuard");
            let (stream, sink) = tunnel.split();
            Ok(WireGuardLink { stream, sink, _tunnel: tunnel })
        }
        Ok(Ok(Err(error))) => {
            let words = format!("WireGuard to {address} failed: {error}");
            Err(DialError::new(FailureCode::Unreachable, words))
        }
        Ok(Err(_panic)) => {
            Err(DialError::new(FailureCode::Internal, "the EasyTier library panicked in its wg connector"))
        }
        Err(_) => {
            let words = "no answer over WireGuard: nothing listens there, or network name or secret differ";
            Err(DialError::new(FailureCode::ConnectTimeout, words))
        }
    }
}

impl WireGuardLink {
    pub async fn receive(&mut self) -> Result<Packet, LinkError> {
        let Some(Ok(packet)) = self.stream.next().await else {
            return Err(LinkError::Closed);
        };
        let header = packet.packet_type().get_packet_offsets().peer_manager_header_offset;
        let mut bytes = packet.inner();
        if bytes.len() < header {
            return Err(LinkError::NotEasytier("a WireGuard packet too short for a packet"));
        }
        Packet::decode(bytes.split_off(header).freeze())
            .ok_or(LinkError::NotEasytier("a WireGuard packet too short for a packet"))
    }

    pub async fn send(&mut self, packets: &[Packet]) -> Result<(), LinkError> {
        for packet in packets {
            let mut bytes = BytesMut::new();
            packet.encode(&mut bytes);
            let packet = ZCPacket::new_from_buf(bytes, ZCPacketType::DummyTunnel);
            self.sink.feed(packet).await.map_err(|_| LinkError::Closed)?;
        }
        self.sink.flush().await.map_err(|_| LinkError::Closed)
    }
}
