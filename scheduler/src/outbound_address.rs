//! The address at which other machines see this one.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::{UdpSocket, lookup_host};
use url::Url;

/// An address reserved for documentation (RFC 5737, TEST-NET-1): the default route leads there, and nothing is sent.
const DOCUMENTATION_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 9);

/// The local address of the route to the backend at `url`, or, if the backend is on this machine, of the default route.
/// `None` if neither route exists.
pub async fn outbound_address(url: &Url) -> Option<IpAddr> {
    let (host, port) = (url.host_str()?.trim_matches(['[', ']']).to_owned(), url.port_or_known_default()?);
    let mut destinations: Vec<_> = lookup_host((host, port)).await.map(Iterator::collect).unwrap_or_default();
    destinations.push(DOCUMENTATION_ADDRESS);
    for destination in destinations {
        let any = if destination.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
        let Ok(socket) = UdpSocket::bind(any).await else { continue };
        // Connecting a UDP socket sends no packet; the system only looks up the route.
        let Ok(address) = socket.connect(destination).await.and_then(|()| socket.local_addr()) else { continue };
        if !address.ip().is_loopback() && !address.ip().is_unspecified() {
            return Some(address.ip());
        }
    }
    None
}
