//! EasyTier's own connections over UDP: a header of eight bytes, opened by SYN and SACK.
//!
//! The layout is that of `UDPTunnelHeader` in the crate. Its connector sends one SYN and waits three seconds; here a
//! lost SYN is sent again, and the socket is connected, so that a port where nobody listens is refused at once.

use std::{future::poll_fn, io, net::SocketAddr, task::ready, time::Duration};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use easytier::tunnel::packet_def::{UDP_TUNNEL_HEADER_SIZE, UdpPacketType};
use tokio::{
    io::ReadBuf,
    net::UdpSocket,
    time::{Instant, timeout, timeout_at},
};

use super::{DialError, LinkError, tcp};
use crate::{FailureCode, check::packet::Packet};

/// How long the first SYN is given before the next; each wait is twice the one before.
const FIRST_SYN_WAIT: Duration = Duration::from_millis(500);
/// EasyTier's limit for a datagram.
pub(super) const MAX_DATAGRAM: usize = 2048;

pub(crate) struct UdpLink {
    socket: UdpSocket,
    connection: u32,
}

/// Opens a connection to `address`.
pub(super) async fn connect(address: SocketAddr, deadline: Instant) -> Result<UdpLink, DialError> {
    let silent = || {
        let words = format!("no answer from {address} over UDP: nothing listens there, or it is filtered");
        DialError::new(FailureCode::ConnectTimeout, words)
    };
    let socket = connected_socket(address).await.map_err(|error| tcp::refused(address, error))?;
    let link = UdpLink { socket, connection: rand::random() };
    let magic = rand::random::<u64>().to_le_bytes();

    let opening = async {
        let mut wait = FIRST_SYN_WAIT;
        loop {
            link.socket.send(&link.datagram(UdpPacketType::Syn, &magic)).await?;
            match timeout(wait, link.sack(&magic)).await {
                Ok(answered) => return answered,
                Err(_) => wait *= 2,
            }
        }
    };
    match timeout_at(deadline, opening).await {
        Err(_) => Err(silent()),
        Ok(Err(error)) => Err(tcp::refused(address, error)),
        Ok(Ok(())) => {
            tracing::debug!(%address, "connected over UDP (SACK received)");
            Ok(link)
        }
    }
}

/// A UDP socket that talks to `address` only.
pub(super) async fn connected_socket(address: SocketAddr) -> io::Result<UdpSocket> {
    let any = if address.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(address).await?;
    Ok(socket)
}

impl UdpLink {
    fn datagram(&self, kind: UdpPacketType, body: &[u8]) -> BytesMut {
        let mut datagram = BytesMut::with_capacity(UDP_TUNNEL_HEADER_SIZE + body.len());
        datagram.put_u32_le(self.connection);
        datagram.put_u8(kind as u8);
        datagram.put_u8(0);
        datagram.put_u16_le(body.len() as u16);
        datagram.extend_from_slice(body);
        datagram
    }

    /// Waits for the SACK that answers this SYN, past whatever else arrives.
    async fn sack(&self, magic: &[u8]) -> io::Result<()> {
        loop {
            if let Some((UdpPacketType::Sack, body)) = self.next().await?
                && body == magic
            {
                return Ok(());
            }
        }
    }

    /// The next datagram; `None` for one that is not of this connection.
    async fn next(&self) -> io::Result<Option<(UdpPacketType, Bytes)>> {
        poll_fn(|context| {
            let mut space = [std::mem::MaybeUninit::<u8>::uninit(); MAX_DATAGRAM];
            let mut buffer = ReadBuf::uninit(&mut space);
            ready!(self.socket.poll_recv(context, &mut buffer))?;
            std::task::Poll::Ready(Ok(self.parse(buffer.filled())))
        })
        .await
    }

    fn parse(&self, mut datagram: &[u8]) -> Option<(UdpPacketType, Bytes)> {
        if datagram.len() < UDP_TUNNEL_HEADER_SIZE || datagram.get_u32_le() != self.connection {
            return None;
        }
        let kind = match datagram.get_u8() {
            kind if kind == UdpPacketType::Sack as u8 => UdpPacketType::Sack,
            kind if kind == UdpPacketType::Data as u8 => UdpPacketType::Data,
            kind if kind == UdpPacketType::Fin as u8 => UdpPacketType::Fin,
            _ => return None,
        };
        datagram.advance(1);
        let len = usize::from(datagram.get_u16_le());
        (len == datagram.len()).then(|| (kind, Bytes::copy_from_slice(datagram)))
    }

    pub async fn receive(&mut self) -> Result<Packet, LinkError> {
        loop {
            match self.next().await {
                Err(_) | Ok(Some((UdpPacketType::Fin, _))) => return Err(LinkError::Closed),
                Ok(Some((UdpPacketType::Data, body))) => {
                    return Packet::decode(body).ok_or(LinkError::NotEasytier("a datagram too short for a packet"));
                }
                Ok(_) => {}
            }
        }
    }

    pub async fn send(&mut self, packets: &[Packet]) -> Result<(), LinkError> {
        for packet in packets {
            let mut body = BytesMut::new();
            packet.encode(&mut body);
            let sent = self.socket.send(&self.datagram(UdpPacketType::Data, &body)).await;
            sent.map_err(|_| LinkError::Closed)?;
        }
        Ok(())
    }
}
