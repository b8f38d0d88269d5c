//! Sockets.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use tokio::net::UdpSocket;

/// Any local address and port of the family of `remote`.
pub(super) fn any_local(remote: SocketAddr) -> SocketAddr {
    match remote {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}

/// A UDP socket that only exchanges datagrams with `address`. So a port where nobody listens is refused at once.
pub(super) async fn connected_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(any_local(address)).await?;
    socket.connect(address).await?;
    Ok(socket)
}
