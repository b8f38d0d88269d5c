//! EasyTier's own connections over UDP, opened by SYN and SACK.
//!
//! The crate's connector sends one SYN and waits three seconds. Here a lost SYN is sent again, and the socket is
//! connected, so that a port where nobody listens is refused at once.

use std::{
    future::poll_fn,
    io,
    mem::MaybeUninit,
    net::SocketAddr,
    task::{Poll, ready},
};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::ReadBuf,
    net::UdpSocket,
    time::{Instant, timeout_at},
};

use super::{
    error::{LinkError, connect_failure},
    pace::Pace,
    socket::connected_udp,
};
use crate::{
    FailureCode,
    check::{
        resend::{Exchange, send_until_answered},
        stage_failure::StageFailure,
    },
    wire::{Datagram, DatagramType, MAX_DATAGRAM_SIZE, Packet},
};

pub(super) struct UdpLink {
    socket: UdpSocket,
    /// The other end.
    address: SocketAddr,
    /// The connection's id.
    connection: u32,
    pace: Pace,
}

/// Opens a connection to `address`.
pub(super) async fn connect(address: SocketAddr, deadline: Instant) -> Result<UdpLink, StageFailure> {
    let socket = connected_udp(address).await.map_err(|error| connect_failure(address, error))?;
    let mut link = UdpLink { socket, address, connection: rand::random(), pace: Pace::new() };
    let opening = Opening { link: &mut link, magic: rand::random::<u64>().to_le_bytes() };
    match timeout_at(deadline, send_until_answered(opening)).await {
        Err(_) => {
            let message = format!("no answer from {address} over UDP: nothing listens there, or it is filtered");
            Err(StageFailure::at_connect(FailureCode::ConnectTimeout, message))
        }
        Ok(Err(error)) => Err(connect_failure(address, error)),
        Ok(Ok(())) => {
            tracing::debug!(%address, "connected over UDP (SACK received)");
            Ok(link)
        }
    }
}

/// The exchange of SYN and SACK.
struct Opening<'a> {
    link: &'a mut UdpLink,
    /// The body of both.
    magic: [u8; 8],
}

impl Exchange for Opening<'_> {
    type Answer = ();
    type Error = io::Error;

    async fn send(&mut self) -> io::Result<()> {
        self.link.transmit(DatagramType::Syn, &self.magic).await
    }

    async fn receive(&mut self) -> io::Result<()> {
        loop {
            if let Some((DatagramType::Sack, body)) = self.link.receive_datagram().await?
                && body == self.magic[..]
            {
                return Ok(());
            }
        }
    }
}

impl UdpLink {
    async fn transmit(&mut self, kind: DatagramType, body: &[u8]) -> io::Result<()> {
        let datagram = Datagram { connection: self.connection, kind, body }.encode();
        self.pace.count();
        self.socket.send(&datagram).await.map(drop)
    }

    /// The next datagram; `None` for one that does not belong to this connection.
    async fn receive_datagram(&mut self) -> io::Result<Option<(DatagramType, Bytes)>> {
        self.pace.turn().await;
        let received = poll_fn(|context| {
            let mut space = [MaybeUninit::<u8>::uninit(); MAX_DATAGRAM_SIZE];
            let mut buffer = ReadBuf::uninit(&mut space);
            ready!(self.socket.poll_recv(context, &mut buffer))?;
            let datagram = Datagram::decode(buffer.filled()).filter(|datagram| datagram.connection == self.connection);
            Poll::Ready(Ok(datagram.map(|datagram| (datagram.kind, Bytes::copy_from_slice(datagram.body)))))
        })
        .await;
        self.pace.count();
        received
    }

    pub async fn receive(&mut self) -> Result<Packet, LinkError> {
        loop {
            match self.receive_datagram().await.map_err(|error| self.ended(&error))? {
                Some((DatagramType::Fin, _)) => return Err(LinkError::Closed),
                Some((DatagramType::Data, body)) => {
                    return Packet::decode(body).ok_or(LinkError::NotEasytier("a datagram too short for a packet"));
                }
                _ => {}
            }
        }
    }

    pub async fn send(&mut self, packets: &[Packet]) -> Result<(), LinkError> {
        for packet in packets {
            let mut body = BytesMut::new();
            packet.encode(&mut body);
            self.transmit(DatagramType::Data, &body).await.map_err(|error| self.ended(&error))?;
        }
        Ok(())
    }

    fn ended(&self, error: &io::Error) -> LinkError {
        LinkError::of_io(self.address, error)
    }
}
