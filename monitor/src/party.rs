//! Which callers share what the server has.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::Extensions;

/// The address of the caller. A server behind proxies adds it to the extensions of a request; without it, the caller is at the
/// other end of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller(
    /// The address.
    pub IpAddr,
);

/// Callers that count as one: an IPv4 address, or an IPv6 network of the size that one customer may have (/48).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Party(u64);

/// Above every IPv6 prefix of 48 bits.
const V4: u64 = 1 << 63;

impl Party {
    /// The party of an address.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(V4 | u64::from(address.to_bits())),
            IpAddr::V6(address) => Self((address.to_bits() >> 80) as u64),
        }
    }

    /// The party that sent a request; `None` when the request did not come over a connection.
    pub fn of_request(extensions: &Extensions) -> Option<Self> {
        let caller = extensions.get::<Caller>().map(|caller| caller.0);
        let connected = || extensions.get::<ConnectInfo<SocketAddr>>().map(|from| from.0.ip());
        caller.or_else(connected).map(Self::of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(address: &str) -> Party {
        Party::of(address.parse().unwrap())
    }

    #[test]
    fn an_address_of_ipv4_and_a_site_of_ipv6_are_parties() {
        assert_ne!(party("192.0.2.1"), party("192.0.2.2"));
        assert_eq!(party("192.0.2.1"), party("::ffff:192.0.2.1"));
        assert_eq!(party("2001:db8:1:2::3"), party("2001:db8:1:4::5"));
        assert_ne!(party("2001:db8:1::"), party("2001:db8:2::"));
    }
}
