//! The address of the caller, which may be behind proxies.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts, Request},
    http::{HeaderMap, HeaderName, request::Parts},
};
use easytier_probe::AddressPolicy;
use easytier_uptime_monitor::{Caller, Hold, Refusal, Warnings};

use super::proxies::{Network, WebOptions};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The warning about a proxy that is not in `TRUSTED_PROXIES`.
const UNKNOWN_PROXY: &str = "requests come through a proxy that is not in TRUSTED_PROXIES, so all its callers share the \
                             limits of one address; the log has the address of the proxy";

/// The address of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client(pub IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for Client {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let Some(Caller(address)) = parts.extensions.get() else {
            tracing::error!("a request has no address of its connection: the router was not run by serve()");
            return Err(Refusal::internal());
        };
        Ok(Self(*address))
    }
}

/// Which proxies are trusted, and where to warn of others.
#[derive(Clone)]
pub(crate) struct Identification {
    pub options: Arc<WebOptions>,
    pub warnings: Arc<Warnings>,
}

/// Adds the address of the caller to a request.
pub(crate) fn identify(identification: &Identification, mut request: Request) -> Request {
    let Some(ConnectInfo(from)) = request.extensions().get::<ConnectInfo<SocketAddr>>() else { return request };
    let (peer, proxies) = (from.ip().to_canonical(), &identification.options.trusted_proxies);
    if is_in(proxies, peer) {
        // Who may have how many connections is then for the proxy to say.
        if let Some(place) = request.extensions().get::<Hold>() {
            place.vouch();
        }
    } else if request.headers().contains_key(FORWARDED_FOR) {
        warn_of_proxy(peer, &identification.warnings);
    }
    let caller = Caller(caller(peer, request.headers(), proxies));
    request.extensions_mut().insert(caller);
    request
}

/// Strangers can send the header too, but not from the addresses that proxies beside the hub have.
fn warn_of_proxy(address: IpAddr, warnings: &Warnings) {
    if !AddressPolicy::PUBLIC_ONLY.permits(address) && warnings.add(UNKNOWN_PROXY) {
        tracing::warn!(
            %address,
            "a request with X-Forwarded-For came from an address that is not in TRUSTED_PROXIES: if this is the proxy in \
             front of the hub, add its address; without it, all callers share the limits of one address"
        );
    }
}

/// The last address in the chain to `peer` that is not one of our proxies. Addresses before it in `X-Forwarded-For`
/// cannot be trusted.
fn caller(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> IpAddr {
    let mut caller = peer;
    let forwarded = headers.get_all(FORWARDED_FOR).iter().rev();
    let mut hops = forwarded.flat_map(|value| value.to_str().unwrap_or_default().rsplit(',').collect::<Vec<_>>());
    while is_in(proxies, caller) {
        let Some(before) = hops.next().and_then(hop) else { break };
        caller = before.to_canonical();
    }
    caller
}

fn is_in(proxies: &[Network], address: IpAddr) -> bool {
    proxies.iter().any(|network| network.contains(address))
}

/// An address in `X-Forwarded-For`. Some proxies append the port, and some write IPv6 addresses in brackets.
fn hop(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::from);
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(with_port).or_else(bracketed)
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
        caller(peer.parse::<IpAddr>().unwrap().to_canonical(), &headers, &proxies).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        assert_eq!(called("192.0.2.1", &[]), "192.0.2.1");
        assert_eq!(called("192.0.2.1", &["198.51.100.9"]), "192.0.2.1");
        assert_eq!(called("10.0.0.2", &["198.51.100.9"]), "198.51.100.9");
        assert_eq!(called("2001:db8::1", &["198.51.100.9"]), "198.51.100.9");
        assert_eq!(called("::ffff:10.0.0.2", &["::ffff:198.51.100.9"]), "198.51.100.9");
    }

    #[test]
    fn addresses_that_the_caller_wrote_itself_are_ignored() {
        assert_eq!(called("10.0.0.2", &["203.0.113.5, 198.51.100.9"]), "198.51.100.9");
        assert_eq!(called("10.0.0.2", &["203.0.113.5, 198.51.100.9, 10.1.1.1"]), "198.51.100.9");
        assert_eq!(called("10.0.0.2", &["203.0.113.5", "198.51.100.9"]), "198.51.100.9");
        assert_eq!(called("10.0.0.2", &["203.0.113.5, nonsense"]), "10.0.0.2");
        assert_eq!(called("10.0.0.2", &["10.3.3.3"]), "10.3.3.3");
        assert_eq!(called("10.0.0.2", &[]), "10.0.0.2");
    }

    #[test]
    fn an_address_may_have_a_port_and_brackets() {
        assert_eq!(called("10.0.0.2", &["198.51.100.9:4711"]), "198.51.100.9");
        for forwarded in ["2001:db8::7", "[2001:db8::7]", "[2001:db8::7]:4711"] {
            assert_eq!(called("10.0.0.2", &[forwarded]), "2001:db8::7", "{forwarded}");
        }
        assert_eq!(called("10.0.0.2", &["[198.51.100.9]"]), "10.0.0.2");
    }
}
