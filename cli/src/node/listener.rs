//! Where a node listens.

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

/// A URL to listen at: one of EasyTier's own protocols, an address of this machine, and a port, 0 for any free one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    scheme: Scheme,
    address: SocketAddr,
}

/// Why a text is no URL to listen at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListenerError {
    #[error("write it like tcp://127.0.0.1:11010, with port 0 for any free one")]
    NoUrl,
    #[error(transparent)]
    Scheme(#[from] PeerUrlError),
    #[error("a node cannot listen on {0}; use tcp, udp, ws, wss, wg or quic")]
    NoTransport(Scheme),
    #[error("'{0}' is no IP address; name one of this machine, or 0.0.0.0 or [::] for all of them")]
    NoAddress(String),
    #[error("remove what stands beside protocol, address and port")]
    TooMuch,
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
        // A path would be the name of a device to the EasyTier crate.
        let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.username().is_empty();
        if !bare {
            return Err(ListenerError::TooMuch);
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
    pub fn url(&self) -> Url {
        self.to_string().parse().expect("protocol, address and port make a URL")
    }

    /// Whether `actual` is what this listener became: the same, but for a port that was left open.
    pub fn became(&self, actual: &Self) -> bool {
        self.scheme == actual.scheme
            && self.address.ip() == actual.address.ip()
            && (self.address.port() == 0 || self.address.port() == actual.address.port())
    }

    /// Opens the very socket the node will open; it is closed when the value is dropped.
    fn bind(&self) -> io::Result<OwnedFd> {
        let stream = self.scheme.is_over_tcp();
        let family = if self.address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
        let socket = socket(family, if stream { SocketType::STREAM } else { SocketType::DGRAM }, None)?;
        if self.address.is_ipv6() {
            sockopt::set_ipv6_v6only(&socket, true)?;
        }
        if stream {
            // Connections of an earlier node that still linger don't take the port.
            sockopt::set_socket_reuseaddr(&socket, true)?;
        }
        bind(&socket, &self.address)?;
        if stream {
            listen(&socket, 1)?;
        }
        Ok(socket)
    }
}

/// Fails when one of the listeners cannot be opened. The EasyTier crate would panic in a thread of its own (quic), or
/// share the port with the other program (udp, wg), and tell nobody.
pub fn ensure_free(listeners: &[Listener]) -> anyhow::Result<()> {
    // All are held until the last is tried, so that two that exclude each other are found as well.
    let mut held = Vec::new();
    for listener in listeners {
        match listener.bind() {
            Ok(socket) => held.push(socket),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => bail!(
                "cannot listen at {listener}: the port is in use; stop the program that holds it, or take another \
                 port (0 for any free one)"
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
    fn a_port_left_out_is_the_one_of_the_protocol() {
        let canonical = |text: &str| text.parse::<Listener>().map(|listener| listener.to_string());
        assert_eq!(canonical("tcp://127.0.0.1").unwrap(), "tcp://127.0.0.1:11010");
        assert_eq!(canonical("wss://[::1]").unwrap(), "wss://[::1]:443");
        assert_eq!(canonical("ws://0.0.0.0:80/").unwrap(), "ws://0.0.0.0:80");
        assert_eq!(canonical("quic://[::]:0").unwrap(), "quic://[::]:0");
    }

    #[test]
    fn what_cannot_be_listened_at_is_refused_by_name() {
        let error = |text: &str| text.parse::<Listener>().unwrap_err();
        assert_eq!(error("127.0.0.1:11010"), ListenerError::NoUrl);
        assert_eq!(error("tcp:11010"), ListenerError::NoUrl);
        assert_eq!(error("srv://127.0.0.1"), ListenerError::NoTransport(Scheme::Srv));
        assert_eq!(error("tcp://localhost:1"), ListenerError::NoAddress("localhost".to_owned()));
        assert_eq!(error("udp://127.0.0.1:1/eth0"), ListenerError::TooMuch);
        assert!(matches!(error("ftp://127.0.0.1"), ListenerError::Scheme(_)));
    }

    #[test]
    fn a_port_left_open_matches_any() {
        let listener = |text: &str| text.parse::<Listener>().unwrap();
        let open = listener("tcp://127.0.0.1:0");
        assert!(open.became(&listener("tcp://127.0.0.1:40217")));
        assert!(!open.became(&listener("ws://127.0.0.1:40217")));
        assert!(!open.became(&listener("tcp://127.0.0.2:40217")));
        assert!(!listener("tcp://127.0.0.1:1").became(&listener("tcp://127.0.0.1:2")));
    }
}
