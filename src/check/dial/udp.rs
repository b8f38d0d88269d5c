//! EasyTier's own connections over UDP: a header of eight bytes, opened by SYN and SACK.
//!
//! The layout is that of `UDPTunnelHeader` in the crate. Its connector sends one SYN and waits three seconds; here a
//! lost SYN is sent again, and the socket is connected, so that a port where nobody listens is refused at once.

use std::{future::poll_fn, io, net::SocketAddr, task::ready, time::Duration};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::ReadBuf,
    net::UdpSocket,
    time::{Instant, timeout, timeout_at},
};

use super::{DialError, LinkError, tcp};
use crate::{
    FailureCode,
    wire::{Datagram, DatagramType, MAX_DATAGRAM_SIZE, Packet},
};

/// How long the first SYN is given before the next; each wait is twice the one before.
const FIRST_SYN_WAIT: Duration = Duration::from_millis(500);

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
            link.socket.send(&link.datagram(DatagramType::Syn, &magic)).await?;
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
    fn datagram(&self, kind: DatagramType, body: &[u8]) -> BytesMut {
        Datagram { connection: self.connection, kind, body }.encode()
    }

    /// Waits for the SACK that answers this SYN, past whatever else arrives.
    async fn sack(&self, magic: &[u8]) -> io::Result<()> {
        loop {
            if let Some((DatagramType::Sack, body)) = self.next().await?
                && body == magic
            {
                return Ok(());
            }
        }
    }

    /// The next datagram; `None` for one that is not of this connection.
    async fn next(&self) -> io::Result<Option<(DatagramType, Bytes)>> {
        poll_fn(|context| {
            let mut space = [std::mem::MaybeUninit::<u8>::uninit(); MAX_DATAGRAM_SIZE];
            let mut buffer = ReadBuf::uninit(&mut space);
            ready!(self.socket.poll_recv(context, &mut buffer))?;
            std::task::Poll::Ready(Ok(self.parse(buffer.filled())))
        })
        .await
    }

    fn parse(&self, bytes: &[u8]) -> Option<(DatagramType, Bytes)> {
        let datagram = Datagram::decode(bytes).filter(|datagram| datagram.connection == self.connection)?;
        Some((datagram.kind, Bytes::copy_from_slice(datagram.body)))
    }

    pub async fn receive(&mut self) -> Result<Packet, LinkError> {
        loop {
            match self.next().await {
                Err(_) | Ok(Some((DatagramType::Fin, _))) => return Err(LinkError::Closed),
                Ok(Some((DatagramType::Data, body))) => {
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
            let sent = self.socket.send(&self.datagram(DatagramType::Data, &body)).await;
            sent.map_err(|_| LinkError::Closed)?;
        }
        Ok(())
    }
}
