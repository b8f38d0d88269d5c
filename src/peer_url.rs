//! The URL of a peer, parsed: a value that exists has a scheme that can be handled, a host, and a port where the
//! scheme has one.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::transport::Transport;

/// What stands before `://`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    Tcp,
    Udp,
    Ws,
    Wss,
    Wg,
    Quic,
    /// A web server that redirects to, or lists, the URLs of nodes.
    Http,
    Https,
    /// A DNS TXT record that lists the URLs of nodes.
    Txt,
    /// DNS SRV records `_easytier._<proto>.<domain>`.
    Srv,
}

/// Every scheme, its spelling and the port it stands for when the URL names none.
///
const SCHEMES: [(Scheme, &str, Option<u16>); 10] = [
    (Scheme::Tcp, "tcp", Some(Transport::Tcp.default_port())),
    (Scheme::Udp, "udp", Some(Transport::Udp.default_port())),
    (Scheme::Ws, "ws", Some(Transport::Ws.default_port())),
    (Scheme::Wss, "wss", Some(Transport::Wss.default_port())),
    (Scheme::Wg, "wg", Some(Transport::Wg.default_port())),
    (Scheme::Quic, "quic", Some(Transport::Quic.default_port())),
    (Scheme::Http, "http", Some(80)),
    (Scheme::Https, "https", Some(443)),
    (Scheme::Txt, "txt", None),
    (Scheme::Srv, "srv", None),
];

impl Scheme {
    /// All schemes, in the order the contract lists them.
    pub fn all() -> impl Iterator<Item = Scheme> {
        SCHEMES.iter().map(|(scheme, ..)| *scheme)
    }

    /// The spelling in a URL and in the contract's `protocol` field.
    pub fn as_str(self) -> &'static str {
        self.row().1
    }

    /// The port when the URL names none; `None` for a scheme that has no port.
    pub fn default_port(self) -> Option<u16> {
        self.row().2
    }

    /// Whether such a URL yields other peer URLs instead of being a node's own address.
    pub fn is_indirect(self) -> bool {
        self.transport().is_none()
    }

    /// The transport by which a node at such a URL is reached; `None` when the URL yields other peer URLs.
    pub fn transport(self) -> Option<Transport> {
        match self {
            Self::Tcp => Some(Transport::Tcp),
            Self::Udp => Some(Transport::Udp),
            Self::Ws => Some(Transport::Ws),
            Self::Wss => Some(Transport::Wss),
            Self::Wg => Some(Transport::Wg),
            Self::Quic => Some(Transport::Quic),
            Self::Http | Self::Https | Self::Txt | Self::Srv => None,
        }
    }

    /// Whether nodes at such a URL are reached over TCP.
    pub fn is_over_tcp(self) -> bool {
        self.transport().is_some_and(Transport::is_over_tcp)
    }

    fn row(self) -> &'static (Scheme, &'static str, Option<u16>) {
        &SCHEMES[self as usize]
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scheme {
    type Err = PeerUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        SCHEMES
            .iter()
            .find(|(_, name, _)| name.eq_ignore_ascii_case(text))
            .map(|(scheme, ..)| *scheme)
            .ok_or_else(|| PeerUrlError::UnsupportedProtocol(text.to_owned()))
    }
}

/// Why a text is no peer URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerUrlError {
    #[error("'{0}' has no scheme; write it as tcp://{0} (or udp, ws, wss, wg, quic, http, https, txt, srv)")]
    NoScheme(String),
    #[error("protocol '{0}' is not supported; use one of tcp, udp, ws, wss, wg, quic, http, https, txt, srv")]
    UnsupportedProtocol(String),
    #[error("'{0}' names no host")]
    NoHost(String),
    #[error("'{url}' has an invalid host or port: {reason}")]
    Malformed { url: String, reason: String },
    #[error("port 0 in '{0}' cannot be connected to; name the port the node listens on")]
    PortZero(String),
    #[error("a {0} URL has no port; remove it")]
    PortNotAllowed(Scheme),
    #[error("a peer URL carries no user name or password; remove what stands before the '@'")]
    Credentials,
}

/// The URL of a peer.
///
/// ```
/// use easytier_probe::{PeerUrl, Scheme};
///
/// let url: PeerUrl = "tcp://[2001:db8::1]".parse()?;
/// assert_eq!(url.scheme(), Scheme::Tcp);
/// assert_eq!(url.port(), Some(11010));
/// assert_eq!(url.to_string(), "tcp://[2001:db8::1]:11010");
/// # Ok::<(), easytier_probe::PeerUrlError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PeerUrl {
    scheme: Scheme,
    host: Host,
    port: Option<u16>,
    /// Path and query as given, or empty: a virtual host may route by them.
    path: String,
}

impl PeerUrl {
    /// A URL from the parts in which backends list a peer.
    pub fn new(scheme: Scheme, host: &str, port: Option<u16>) -> Result<Self, PeerUrlError> {
        let bracketed = host.parse::<std::net::Ipv6Addr>().is_ok();
        let host = if bracketed { format!("[{host}]") } else { host.to_owned() };
        match port {
            Some(port) if scheme.default_port().is_some() => format!("{scheme}://{host}:{port}"),
            _ => format!("{scheme}://{host}"),
        }
        .parse()
    }

    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host: a name, or an address literal.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The host's address, when the URL names one literally.
    pub fn ip(&self) -> Option<IpAddr> {
        match self.host {
            Host::Domain(_) => None,
            Host::Ipv4(ip) => Some(ip.into()),
            Host::Ipv6(ip) => Some(ip.into()),
        }
    }

    /// The port, the scheme's default when the URL names none; `None` for `txt` and `srv`.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Path and query, or empty.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl FromStr for PeerUrl {
    type Err = PeerUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let Some((scheme, _)) = text.split_once("://") else {
            return Err(PeerUrlError::NoScheme(quotable(text)));
        };
        let scheme: Scheme = scheme.parse()?;
        let malformed =
            |reason: &dyn fmt::Display| PeerUrlError::Malformed { url: quotable(text), reason: reason.to_string() };

        let url = Url::parse(text).map_err(|error| match error {
            url::ParseError::EmptyHost => PeerUrlError::NoHost(quotable(text)),
            other => malformed(&other),
        })?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(PeerUrlError::Credentials);
        }
        // `url` knows addresses only in the hosts of web schemes, so the host is parsed once more by itself.
        let host = match url.host_str() {
            None | Some("") => return Err(PeerUrlError::NoHost(quotable(text))),
            Some(host) => Host::parse(host).map_err(|error| malformed(&error))?,
        };
        let port = match (url.port(), scheme.default_port()) {
            (Some(0), _) => return Err(PeerUrlError::PortZero(quotable(text))),
            (Some(_), None) => return Err(PeerUrlError::PortNotAllowed(scheme)),
            (given, default) => given.or(default),
        };
        let path = match (url.path(), url.query()) {
            ("" | "/", None) => String::new(),
            (path, None) => path.to_owned(),
            (path, Some(query)) => format!("{path}?{query}"),
        };
        Ok(Self { scheme, host, port, path })
    }
}

/// What an error may show of a text that is no peer URL: neither what stands before an '@', which may be a password,
/// nor a query, which may hold a token.
fn quotable(text: &str) -> String {
    let before_query = text.split(['?', '#']).next().unwrap_or_default();
    before_query.rsplit('@').next().unwrap_or_default().to_owned()
}

/// The canonical spelling, with the port always named: `protocol://host:port`, and the path where there is one.
impl fmt::Display for PeerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str(&self.path)
    }
}

impl Serialize for PeerUrl {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PeerUrl {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
