//! EasyTier over WireGuard.
//!
//! The crate's connector takes the first datagram for the answer, on a socket that may share its port with another
//! (`SO_REUSEADDR`). Here the socket is connected, and the link is open once the node has proven that it has the keys.

use std::{io, net::SocketAddr, time::Duration};

use boringtun::{
    noise::{Tunn, TunnResult},
    x25519::{PublicKey, StaticSecret},
};
use bytes::Bytes;
use tokio::{
    net::UdpSocket,
    task::consume_budget,
    time::{Instant, timeout, timeout_at},
};

use super::{
    error::{LinkError, connect_failure},
    pace::Pace,
    socket::connected_udp,
};
use crate::{
    Access, FailureCode, Membership,
    check::{
        resend::{Exchange, send_until_answered},
        stage_failure::StageFailure,
    },
    wire::{MAX_DATAGRAM_SIZE, Packet, packet_in_ip, payload_of_ip, wireguard_key},
};

/// How often WireGuard's timers are updated, for keepalives and new keys. They count whole seconds.
const TICK: Duration = Duration::from_secs(1);
/// What WireGuard adds to a packet (32 bytes), and its longest message of its own (148 bytes).
const OVERHEAD: usize = 32 + 148;

pub(super) struct WireGuardLink {
    socket: UdpSocket,
    /// The other end.
    address: SocketAddr,
    tunnel: Box<Tunn>,
    pace: Pace,
}

/// Opens a WireGuard tunnel. Its keys are made from the node's own network name and secret, so only a member can.
pub(super) async fn connect(
    address: SocketAddr,
    access: &Access,
    deadline: Instant,
) -> Result<WireGuardLink, StageFailure> {
    let Access::Member(network) = access else {
        let message = "a wg node answers members of its own network only; give its network name and secret";
        return Err(StageFailure::at_connect(FailureCode::UnsupportedProtocol, message));
    };
    let socket = connected_udp(address).await.map_err(|error| connect_failure(address, error))?;
    let mut link = WireGuardLink { socket, address, tunnel: Box::new(tunnel(network)), pace: Pace::new() };

    match timeout_at(deadline, send_until_answered(Opening(&mut link))).await {
        Err(_) => {
            let message = "no answer over WireGuard: nothing listens there, or network name or secret differ";
            Err(StageFailure::at_connect(FailureCode::ConnectTimeout, message))
        }
        Ok(Err(error)) => Err(connect_failure(address, error)),
        Ok(Ok(())) => {
            tracing::debug!(%address, "connected over WireGuard");
            Ok(link)
        }
    }
}

/// The tunnel of a network. Both ends have the same key pair.
fn tunnel(network: &Membership) -> Tunn {
    let private = StaticSecret::from(wireguard_key(&network.network_name, network.network_secret.expose()));
    let public = PublicKey::from(&private);
    Tunn::new(private, public, None, None, rand::random(), None)
}

/// WireGuard's own handshake.
struct Opening<'a>(&'a mut WireGuardLink);

impl Exchange for Opening<'_> {
    type Answer = ();
    type Error = io::Error;

    async fn send(&mut self) -> io::Result<()> {
        let WireGuardLink { socket, tunnel, .. } = self.0;
        let mut space = [0; MAX_DATAGRAM_SIZE];
        match tunnel.format_handshake_initiation(&mut space, true) {
            // A new socket is not known to be writable, so this must wait for that.
            TunnResult::WriteToNetwork(initiation) => socket.send(initiation).await.map(drop),
            other => Err(io::Error::other(format!("WireGuard cannot start a handshake: {other:?}"))),
        }
    }

    /// Waits until the node has proven that it has the keys.
    async fn receive(&mut self) -> io::Result<()> {
        while self.0.tunnel.time_since_last_handshake().is_none() {
            self.0.receive_payload().await?;
        }
        Ok(())
    }
}

impl WireGuardLink {
    /// Waits for a datagram, at most for a [`TICK`]. Returns the payload that it carried through the tunnel, if any.
    async fn receive_payload(&mut self) -> io::Result<Option<Bytes>> {
        // Waiting for readiness does not use the task's budget, so a flood would keep its deadlines from passing.
        consume_budget().await;
        self.pace.turn().await;
        let readable = timeout(TICK, self.socket.readable()).await;
        self.pace.count();
        self.update_timers()?;
        match readable {
            Err(_) => Ok(None),
            Ok(ready) => ready.and_then(|()| self.receive_datagram()),
        }
    }

    fn receive_datagram(&mut self) -> io::Result<Option<Bytes>> {
        let mut datagram = [0; MAX_DATAGRAM_SIZE];
        let length = match self.socket.try_recv(&mut datagram) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            received => received?,
        };
        let mut space = [0; MAX_DATAGRAM_SIZE];
        match self.tunnel.decapsulate(None, &datagram[..length], &mut space) {
            TunnResult::WriteToTunnelV4(packet, _) => Ok(payload_of_ip(packet).map(Bytes::copy_from_slice)),
            TunnResult::WriteToNetwork(answer) => {
                transmit(&self.socket, answer)?;
                self.send_queued()?;
                Ok(None)
            }
            // A datagram of another session, or of another protocol.
            other => {
                tracing::debug!(?other, "skipped a datagram");
                Ok(None)
            }
        }
    }

    /// Sends the packets that waited for new keys.
    fn send_queued(&mut self) -> io::Result<()> {
        let mut space = [0; MAX_DATAGRAM_SIZE];
        while let TunnResult::WriteToNetwork(waiting) = self.tunnel.decapsulate(None, &[], &mut space) {
            transmit(&self.socket, waiting)?;
        }
        Ok(())
    }

    /// Sends a keepalive or a request for new keys when one is due.
    fn update_timers(&mut self) -> io::Result<()> {
        let mut space = [0; MAX_DATAGRAM_SIZE];
        match self.tunnel.update_timers(&mut space) {
            TunnResult::WriteToNetwork(due) => transmit(&self.socket, due),
            TunnResult::Err(error) => Err(io::Error::other(format!("the WireGuard session has ended: {error:?}"))),
            _ => Ok(()),
        }
    }

    pub async fn receive(&mut self) -> Result<Packet, LinkError> {
        loop {
            if let Some(bytes) = self.receive_payload().await.map_err(|error| self.ended(&error))? {
                return Packet::decode(bytes)
                    .ok_or(LinkError::NotEasytier("a WireGuard packet too short for a packet"));
            }
        }
    }

    pub async fn send(&mut self, packets: &[Packet]) -> Result<(), LinkError> {
        for packet in packets {
            let inner = packet_in_ip(packet);
            let mut space = vec![0; inner.len() + OVERHEAD];
            if let TunnResult::WriteToNetwork(datagram) = self.tunnel.encapsulate(&inner, &mut space) {
                self.socket.send(datagram).await.map_err(|error| self.ended(&error))?;
            }
        }
        Ok(())
    }

    fn ended(&self, error: &io::Error) -> LinkError {
        LinkError::of_io(self.address, error)
    }
}

/// Sends a datagram, or drops it while the socket's buffer is full, as the network might.
fn transmit(socket: &UdpSocket, datagram: &[u8]) -> io::Result<()> {
    match socket.try_send(datagram) {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use easytier::tunnel::{
        TunnelConnector,
        packet_def::ZCPacket,
        wireguard::{WgConfig, WgTunnelConnector},
    };
    use futures::SinkExt;

    use super::*;
    use crate::wire::PacketType;

    /// A node that has the keys.
    struct Node {
        socket: UdpSocket,
        tunnel: Tunn,
    }

    impl Node {
        async fn bind(network: &Membership) -> Self {
            Self { socket: UdpSocket::bind("127.0.0.1:0").await.unwrap(), tunnel: tunnel(network) }
        }

        /// Answers a client's handshake.
        async fn accept(&mut self) {
            let mut datagram = [0; MAX_DATAGRAM_SIZE];
            let (length, from) = self.socket.recv_from(&mut datagram).await.unwrap();
            self.socket.connect(from).await.unwrap();
            let mut space = [0; MAX_DATAGRAM_SIZE];
            match self.tunnel.decapsulate(None, &datagram[..length], &mut space) {
                TunnResult::WriteToNetwork(answer) => transmit(&self.socket, answer).unwrap(),
                other => panic!("{other:?}"),
            }
            // The keepalive that confirms the keys.
            let length = self.socket.recv(&mut datagram).await.unwrap();
            self.tunnel.decapsulate(None, &datagram[..length], &mut space);
        }

        async fn send(&mut self, ip_packet: &[u8]) {
            let mut space = [0; MAX_DATAGRAM_SIZE];
            match self.tunnel.encapsulate(ip_packet, &mut space) {
                TunnResult::WriteToNetwork(datagram) => self.socket.send(datagram).await.unwrap(),
                other => panic!("{other:?}"),
            };
        }

        /// The next IPv4 packet in the tunnel.
        async fn receive(&mut self) -> Vec<u8> {
            loop {
                let mut datagram = [0; MAX_DATAGRAM_SIZE];
                let length = self.socket.recv(&mut datagram).await.unwrap();
                let mut space = [0; MAX_DATAGRAM_SIZE];
                if let TunnResult::WriteToTunnelV4(packet, _) =
                    self.tunnel.decapsulate(None, &datagram[..length], &mut space)
                {
                    return packet.to_vec();
                }
            }
        }
    }

    fn network() -> Membership {
        Membership { network_name: "net".to_owned(), network_secret: "secret".into() }
    }

    #[tokio::test]
    async fn a_packet_that_announces_less_than_its_header_is_skipped() {
        let mut node = Node::bind(&network()).await;
        let (address, access) = (node.socket.local_addr().unwrap(), Access::Member(network()));
        let deadline = Instant::now() + Duration::from_secs(20);
        let (link, ()) = tokio::join!(connect(address, &access, deadline), node.accept());
        let mut link = link.unwrap_or_else(|error| panic!("{error:?}"));

        let packet = Packet::new(1, 2, PacketType::Ping, vec![1, 2, 3, 4]);
        for length in [0, 19] {
            let mut short = packet_in_ip(&packet);
            short[2..4].copy_from_slice(&u16::to_be_bytes(length));
            node.send(&short).await;
        }
        node.send(&packet_in_ip(&packet)).await;
        assert_eq!(link.receive().await.unwrap(), packet);
    }

    /// The crate's client is the reference for the keys, and for the IPv4 header.
    #[tokio::test]
    async fn packets_in_the_tunnel_are_the_crates() {
        let mut node = Node::bind(&network()).await;
        let url = format!("wg://{}", node.socket.local_addr().unwrap()).parse().unwrap();
        let mut client = WgTunnelConnector::new(url, WgConfig::new_from_network_identity("net", "secret"));
        let (connected, ()) = tokio::join!(client.connect(), node.accept());
        let tunnel = connected.unwrap_or_else(|error| panic!("{error:?}"));
        let (_stream, mut sink) = tunnel.split();

        let mut reference = ZCPacket::new_with_payload(b"payload");
        // The crate does not initialise the header, and never sets its reserved byte.
        let header = ..reference.payload_offset();
        reference.mut_inner()[header].fill(0);
        reference.fill_peer_manager_hdr(7, 9, PacketType::Pong.code());
        sink.send(reference).await.unwrap_or_else(|error| panic!("{error:?}"));
        let ours = packet_in_ip(&Packet::new(7, 9, PacketType::Pong, &b"payload"[..]));
        assert_eq!(node.receive().await, ours);
    }
}
