//! The listeners of a node.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    os::fd::OwnedFd,
    str::FromStr,
};

use anyhow::bail;
use easytier_probe::{PeerUrlError, Scheme};
use rustix::net::{AddressFamily, SocketType, bind, listen, socket, sockopt};
use url::Url;

/// A URL to listen at: a transport of EasyTier, an IP address of this machine, and a port; 0 for any free port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    scheme: Scheme,
    address: SocketAddr,
}

/// Why a text is not a URL to listen at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListenerError {
    #[error("write it like tcp://127.0.0.1:11010, with port 0 for any free port")]
    NoUrl,
    #[error(transparent)]
    Scheme(#[from] PeerUrlError),
    #[error("a node cannot listen on {0}; use tcp, udp, ws, wss, wg or quic")]
    NoTransport(Scheme),
    #[error("'{0}' is not an IP address; name an address of this machine, or 0.0.0.0 or [::] for all of them")]
    NoAddress(String),
    #[error("remove everything but protocol, address and port")]
    ExtraParts,
}

impl FromStr for Listener {
    type Err = ListenerError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|_| ListenerError::NoUrl)?;
        let scheme: Scheme = url.scheme().parse()?;
        if scheme.is_indirect() {
            return Err(ListenerError::NoTransport(scheme));
        }
        let host = url.host_str().ok_or(ListenerError::NoUrl)?;
        let ip: IpAddr = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse()
            .map_err(|_| ListenerError::NoAddress(host.to_owned()))?;
        // The EasyTier crate takes a path for the name of a network device.
        if !matches!(url.path(), "" | "/") || url.query().is_some() || !url.username().is_empty() {
            return Err(ListenerError::ExtraParts);
        }
        let port = url.port().or(scheme.default_port()).ok_or(ListenerError::NoUrl)?;
        Ok(Self { scheme, address: SocketAddr::new(ip, port) })
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.address)
    }
}

impl Listener {
    pub fn url(&self) -> Result<Url, url::ParseError> {
        self.to_string().parse()
    }

    /// Whether `actual` can be the open listener for this request: it is equal, except that this one may have port 0.
    pub fn matches(&self, actual: &Self) -> bool {
        self.scheme == actual.scheme
            && self.address.ip() == actual.address.ip()
            && (self.address.port() == 0 || self.address.port() == actual.address.port())
    }

    /// Opens the same socket that the node will open. It is closed when the value is dropped.
    fn bind(&self) -> io::Result<OwnedFd> {
        let is_stream = self.scheme.is_over_tcp();
        let family = if self.address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
        let socket = socket(family, if is_stream { SocketType::STREAM } else { SocketType::DGRAM }, None)?;
        if self.address.is_ipv6() {
            sockopt::set_ipv6_v6only(&socket, true)?;
        }
        if is_stream {
            // Lingering connections of an earlier node do not block the port.
            sockopt::set_socket_reuseaddr(&socket, true)?;
        }
        bind(&socket, &self.address)?;
        if is_stream {
            listen(&socket, 1)?;
        }
        Ok(socket)
    }
}

/// Checks that all listeners can be opened. Otherwise the EasyTier crate would panic in one of its threads (quic), or share the
/// port with another program (udp, wg), without reporting it.
pub fn ensure_free(listeners: &[Listener]) -> anyhow::Result<()> {
    // All sockets stay open until the last is tried, to find two listeners that exclude each other.
    let mut open = Vec::new();
    for listener in listeners {
        match listener.bind() {
            Ok(socket) => open.push(socket),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => bail!(
                "cannot listen at {listener}: the port is in use; stop the program that uses it, or choose another port \
                 (0 for any free port)"
            ),
            Err(error) => bail!("cannot listen at {listener}: {error}"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_port_is_that_of_the_protocol() {
        let canonical = |text: &str| text.parse::<Listener>().map(|listener| listener.to_string());
        assert_eq!(canonical("tcp://127.0.0.1").unwrap(), "tcp://127.0.0.1:11010");
        assert_eq!(canonical("wss://[::1]").unwrap(), "wss://[::1]:443");
        assert_eq!(canonical("ws://0.0.0.0:80/").unwrap(), "ws://0.0.0.0:80");
        assert_eq!(canonical("quic://[::]:0").unwrap(), "quic://[::]:0");
    }

    #[test]
    fn a_url_that_cannot_be_listened_at_is_refused() {
        let error = |text: &str| text.parse::<Listener>().unwrap_err();
        assert_eq!(error("127.0.0.1:11010"), ListenerError::NoUrl);
        assert_eq!(error("tcp:11010"), ListenerError::NoUrl);
        assert_eq!(error("srv://127.0.0.1"), ListenerError::NoTransport(Scheme::Srv));
        assert_eq!(error("tcp://localhost:1"), ListenerError::NoAddress("localhost".to_owned()));
        assert_eq!(error("udp://127.0.0.1:1/eth0"), ListenerError::ExtraParts);
        assert!(matches!(error("ftp://127.0.0.1"), ListenerError::Scheme(_)));
    }

    #[test]
    fn port_0_matches_any_port() {
        let listener = |text: &str| text.parse::<Listener>().unwrap();
        let open = listener("tcp://127.0.0.1:0");
        assert!(open.matches(&listener("tcp://127.0.0.1:40217")));
        assert!(!open.matches(&listener("ws://127.0.0.1:40217")));
        assert!(!open.matches(&listener("tcp://127.0.0.2:40217")));
        assert!(!listener("tcp://127.0.0.1:1").matches(&listener("tcp://127.0.0.1:2")));
    }
}
