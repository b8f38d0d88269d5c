//! EasyTier over WireGuard: each packet is what an IPv4 packet inside the tunnel carries.
//!
//! The crate's connector takes the first datagram that comes for the answer, on a socket that may share its port with
//! another (`SO_REUSEADDR`). Here the socket is connected, and the link is open when the node has proven the keys.

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

use super::{DialError, LinkError, tcp, udp::connected_socket};
use crate::{
    Access, FailureCode, Membership,
    wire::{MAX_DATAGRAM_SIZE, Packet, packet_in_ip, payload_of_ip, wireguard_key},
};

/// How long the first initiation is given before the next; each wait is twice the one before.
const FIRST_INITIATION_WAIT: Duration = Duration::from_millis(500);
/// How often WireGuard is asked whether a keepalive or new keys are due: its own times are whole seconds.
const TICK: Duration = Duration::from_secs(1);
/// What WireGuard adds to a packet (32 bytes), and the longest message of its own (148).
const OVERHEAD: usize = 32 + 148;

pub(crate) struct WireGuardLink {
    socket: UdpSocket,
    tunnel: Box<Tunn>,
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
    let socket = connected_socket(address).await.map_err(|error| tcp::refused(address, error))?;
    let mut link = WireGuardLink { socket, tunnel: Box::new(tunnel(network)) };

    let opening = async {
        let mut wait = FIRST_INITIATION_WAIT;
        loop {
            link.initiate()?;
            match timeout(wait, link.keys_agreed()).await {
                Ok(agreed) => return agreed,
                Err(_) => wait *= 2,
            }
        }
    };
    match timeout_at(deadline, opening).await {
        Err(_) => {
            let words = "no answer over WireGuard: nothing listens there, or network name or secret differ";
            Err(DialError::new(FailureCode::ConnectTimeout, words))
        }
        Ok(Err(error)) => Err(tcp::refused(address, error)),
        Ok(Ok(())) => {
            tracing::debug!(%address, "connected over WireGuard");
            Ok(link)
        }
    }
}

/// Both ends have the same keys, made from what every member of the network knows.
fn tunnel(network: &Membership) -> Tunn {
    let private = StaticSecret::from(wireguard_key(&network.network_name, network.network_secret.expose()));
    let public = PublicKey::from(&private);
    Tunn::new(private, public, None, None, rand::random(), None)
}

impl WireGuardLink {
    fn initiate(&mut self) -> io::Result<()> {
        let mut space = [0; MAX_DATAGRAM_SIZE];
        match self.tunnel.format_handshake_initiation(&mut space, true) {
            TunnResult::WriteToNetwork(initiation) => transmit(&self.socket, initiation),
            other => Err(io::Error::other(format!("WireGuard makes no initiation: {other:?}"))),
        }
    }

    /// Waits until the node has shown that it has the keys.
    async fn keys_agreed(&mut self) -> io::Result<()> {
        while self.tunnel.time_since_last_handshake().is_none() {
            self.next().await?;
        }
        Ok(())
    }

    /// Waits for a datagram, a second at most; what came in the tunnel, if anything did.
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        // Readiness is not counted against the task's budget: without this a flood would keep every deadline from passing.
        consume_budget().await;
        let readable = timeout(TICK, self.socket.readable()).await;
        self.keep_up()?;
        match readable {
            Err(_) => Ok(None),
            Ok(ready) => ready.and_then(|()| self.take_datagram()),
        }
    }

    fn take_datagram(&mut self) -> io::Result<Option<Bytes>> {
        let mut datagram = [0; MAX_DATAGRAM_SIZE];
        let length = match self.socket.try_recv(&mut datagram) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            received => received?,
        };
        let mut space = [0; MAX_DATAGRAM_SIZE];
        match self.tunnel.decapsulate(None, &datagram[..length], &mut space) {
            // The length is what the packet says of itself, and may be less than its header.
            TunnResult::WriteToTunnelV4(packet, _) => Ok(payload_of_ip(packet).map(Bytes::copy_from_slice)),
            TunnResult::WriteToNetwork(answer) => {
                transmit(&self.socket, answer)?;
                self.flush()?;
                Ok(None)
            }
            // Of another session, or no WireGuard at all.
            other => {
                tracing::debug!(?other, "datagram skipped");
                Ok(None)
            }
        }
    }

    /// Sends what had to wait for new keys.
    fn flush(&mut self) -> io::Result<()> {
        let mut space = [0; MAX_DATAGRAM_SIZE];
        while let TunnResult::WriteToNetwork(waiting) = self.tunnel.decapsulate(None, &[], &mut space) {
            transmit(&self.socket, waiting)?;
        }
        Ok(())
    }

    /// Sends what is due by now: a keepalive, an initiation for new keys.
    fn keep_up(&mut self) -> io::Result<()> {
        let mut space = [0; MAX_DATAGRAM_SIZE];
        match self.tunnel.update_timers(&mut space) {
            TunnResult::WriteToNetwork(due) => transmit(&self.socket, due),
            TunnResult::Err(error) => Err(io::Error::other(format!("the WireGuard session is over: {error:?}"))),
            _ => Ok(()),
        }
    }

    pub async fn receive(&mut self) -> Result<Packet, LinkError> {
        loop {
            if let Some(bytes) = self.next().await.map_err(|_| LinkError::Closed)? {
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
                self.socket.send(datagram).await.map_err(|_| LinkError::Closed)?;
            }
        }
        Ok(())
    }
}

/// Sends a datagram, or loses it while the socket is full, as the network might.
fn transmit(socket: &UdpSocket, datagram: &[u8]) -> io::Result<()> {
    match socket.try_send(datagram) {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::PacketType;

    /// A node that has the keys, and sends what it is told.
    struct Node {
        socket: UdpSocket,
        tunnel: Tunn,
    }

    impl Node {
        /// Answers the handshake of `connecting`.
        async fn greet(network: &Membership) -> (Self, WireGuardLink) {
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let address = socket.local_addr().unwrap();
            let mut node = Self { socket, tunnel: tunnel(network) };
            let access = Access::Member(network.clone());
            let deadline = Instant::now() + Duration::from_secs(20);
            let (link, ()) = tokio::join!(connect(address, &access, deadline), async {
                let mut datagram = [0; MAX_DATAGRAM_SIZE];
                let (length, from) = node.socket.recv_from(&mut datagram).await.unwrap();
                node.socket.connect(from).await.unwrap();
                let mut space = [0; MAX_DATAGRAM_SIZE];
                match node.tunnel.decapsulate(None, &datagram[..length], &mut space) {
                    TunnResult::WriteToNetwork(answer) => transmit(&node.socket, answer).unwrap(),
                    other => panic!("{other:?}"),
                }
                // The keepalive that confirms the keys.
                let length = node.socket.recv(&mut datagram).await.unwrap();
                node.tunnel.decapsulate(None, &datagram[..length], &mut space);
            });
            (node, link.unwrap_or_else(|error| panic!("{error:?}")))
        }

        async fn send(&mut self, inner: &[u8]) {
            let mut space = [0; MAX_DATAGRAM_SIZE];
            match self.tunnel.encapsulate(inner, &mut space) {
                TunnResult::WriteToNetwork(datagram) => self.socket.send(datagram).await.unwrap(),
                other => panic!("{other:?}"),
            };
        }
    }

    #[tokio::test]
    async fn a_packet_that_says_it_is_shorter_than_its_header_is_skipped() {
        let network = Membership { network_name: "net".to_owned(), network_secret: "secret".into() };
        let (mut node, mut link) = Node::greet(&network).await;
        let packet = Packet::new(1, 2, PacketType::Ping, vec![1, 2, 3, 4]);
        for length in [0, 19] {
            let mut short = packet_in_ip(&packet);
            short[2..4].copy_from_slice(&u16::to_be_bytes(length));
            node.send(&short).await;
        }
        node.send(&packet_in_ip(&packet)).await;
        assert_eq!(link.receive().await.unwrap(), packet);
    }
}
