//! The address of the caller, which may be behind proxies.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, FromRef, FromRequestParts},
    http::{HeaderMap, HeaderName, request::Parts},
};
use easytier_uptime_monitor::Refusal;

use super::proxies::{Network, WebOptions};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client(pub IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for Client
where
    Arc<WebOptions>: FromRef<S>,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Some(ConnectInfo(from)) = parts.extensions.get::<ConnectInfo<SocketAddr>>() else {
            tracing::error!("a request has no address of its connection: the router was not run by serve()");
            return Err(Refusal::internal());
        };
        Ok(Self(caller(from.ip(), &parts.headers, &Arc::<WebOptions>::from_ref(state).trusted_proxies)))
    }
}

/// The last address in the chain to `peer` that is not one of our proxies. Addresses before it in `X-Forwarded-For`
/// cannot be trusted.
fn caller(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> IpAddr {
    let is_ours = |address: IpAddr| proxies.iter().any(|network| network.contains(address));
    let mut caller = peer.to_canonical();
    let forwarded = headers.get_all(FORWARDED_FOR).iter().rev();
    let mut hops = forwarded.flat_map(|value| value.to_str().unwrap_or_default().rsplit(',').collect::<Vec<_>>());
    while is_ours(caller) {
        // Some proxies append the port.
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
        assert_eq!(called("10.0.0.2", &["198.51.100.9:4711"]), "198.51.100.9");
        assert_eq!(called("10.0.0.2", &["10.3.3.3"]), "10.3.3.3");
        assert_eq!(called("10.0.0.2", &[]), "10.0.0.2");
    }
}
