//! Ports where nobody listens.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{
    fmt::Display,
    net::{SocketAddr, UdpSocket},
};

use tokio::net::TcpSocket;

/// A port where nobody listens, over TCP and UDP. It is reserved: a port that was merely free a moment ago may be given to a server
/// of another test, which then gets what was meant for nobody.
pub struct ClosedPort {
    address: SocketAddr,
    /// Bound but not listening.
    _tcp: TcpSocket,
    /// Connected to another address than the probe's, so that it does not receive what the probe sends.
    _udp: UdpSocket,
}

impl ClosedPort {
    pub fn new() -> Self {
        loop {
            let tcp = TcpSocket::new_v4().unwrap();
            tcp.bind("127.0.0.1:0".parse().unwrap()).unwrap();
            let address = tcp.local_addr().unwrap();
            if let Ok(udp) = UdpSocket::bind(address) {
                udp.connect("127.0.0.1:9").unwrap();
                return Self { address, _tcp: tcp, _udp: udp };
            }
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self, scheme: impl Display) -> String {
        format!("{scheme}://{}", self.address)
    }
}
