//! Who is at the other end of a connection.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, HeaderName, request::Parts},
};
use ipnet::IpNet;

use super::App;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// A network of addresses: `10.0.0.0/8`, `fd00::/8`, or one address alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(IpNet);

/// The text is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no network; write an address such as 192.0.2.7, or a network such as 10.0.0.0/8")]
pub struct NetworkError(String);

impl Network {
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let trimmed = text.trim();
        let network = trimmed.parse().or_else(|_| trimmed.parse::<IpAddr>().map(IpNet::from));
        network.map(Self).map_err(|_| NetworkError(trimmed.chars().take(64).collect()))
    }
}

/// The address of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client(pub IpAddr);

impl FromRequestParts<App> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let ConnectInfo(from) =
            parts.extensions.get::<ConnectInfo<SocketAddr>>().expect("serve() tells every request its connection");
        Ok(Self(caller(from.ip(), &parts.headers, &app.options.trusted_proxies)))
    }
}

/// Of the chain of addresses that ends at `peer`, the last that is no proxy of ours: what stands before it in
/// `X-Forwarded-For` is only somebody's word.
fn caller(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> IpAddr {
    let is_ours = |address: IpAddr| proxies.iter().any(|network| network.contains(address));
    let mut caller = peer.to_canonical();
    let forwarded = headers.get_all(FORWARDED_FOR).iter().rev();
    let mut hops = forwarded.flat_map(|value| value.to_str().unwrap_or_default().rsplit(',').collect::<Vec<_>>());
    while is_ours(caller) {
        // Some proxies add the port.
        let hop = |text: &str| {
            text.parse::<IpAddr>().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
        };
        let Some(before) = hops.next().map(str::trim).and_then(hop) else { break };
        caller = before.to_canonical();
    }
    caller
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        let proxies = ["10.0.0.0/8", "2001:db8::1"].map(|network| network.parse().unwrap());
        caller(peer.parse().unwrap(), &headers, &proxies).to_string()
    }

    #[test]
    fn only_our_own_proxies_are_believed() {
        assert_eq!(called("192.0.2.1", &[]), "192.0.2.1");
        assert_eq!(called("192.0.2.1", &["198.51.100.9"]), "192.0.2.1");
        assert_eq!(called("10.0.0.2", &["198.51.100.9"]), "198.51.100.9");
        assert_eq!(called("2001:db8::1", &["198.51.100.9"]), "198.51.100.9");
        assert_eq!(called("::ffff:10.0.0.2", &["::ffff:198.51.100.9"]), "198.51.100.9");
    }

    #[test]
    fn what_the_caller_wrote_itself_does_not_count() {
        assert_eq!(called("10.0.0.2", &["203.0.113.5, 198.51.100.9"]), "198.51.100.9");
        assert_eq!(called("10.0.0.2", &["203.0.113.5, 198.51.100.9, 10.1.1.1"]), "198.51.100.9");
        assert_eq!(called("10.0.0.2", &["203.0.113.5", "198.51.100.9"]), "198.51.100.9");
        assert_eq!(called("10.0.0.2", &["203.0.113.5, nonsense"]), "10.0.0.2");
        assert_eq!(called("10.0.0.2", &["198.51.100.9:4711"]), "198.51.100.9");
        assert_eq!(called("10.0.0.2", &["10.3.3.3"]), "10.3.3.3");
        assert_eq!(called("10.0.0.2", &[]), "10.0.0.2");
    }

    #[test]
    fn a_network_is_an_address_or_a_range() {
        let contains =
            |network: &str, address: &str| network.parse::<Network>().unwrap().contains(address.parse().unwrap());
        assert!(contains("192.0.2.7", "192.0.2.7") && !contains("192.0.2.7", "192.0.2.8"));
        assert!(contains(" fd00::/8 ", "fd12::1") && !contains("10.0.0.0/8", "fd12::1"));
        for wrong in ["", "proxy", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }
}
