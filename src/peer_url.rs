//! The URL of a peer, validated when it is parsed.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::{text::without_secrets, transport::Transport};

/// The scheme of a peer URL: a transport of EasyTier, or a way to look up the URLs of nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// TCP.
    Tcp,
    /// EasyTier's own protocol over UDP.
    Udp,
    /// WebSocket.
    Ws,
    /// WebSocket over TLS.
    Wss,
    /// WireGuard.
    Wg,
    /// QUIC.
    Quic,
    /// A web server that redirects to the URL of a node, or lists URLs of nodes.
    Http,
    /// As [`Http`](Self::Http), over TLS.
    Https,
    /// A DNS TXT record that lists the URLs of nodes.
    Txt,
    /// DNS SRV records `_easytier._<proto>.<domain>`.
    Srv,
}

/// Every scheme in the order of the enum, with its spelling and default port.
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
    /// All schemes, in the order in which the backend contract lists them.
    pub fn all() -> impl Iterator<Item = Scheme> {
        SCHEMES.iter().map(|(scheme, ..)| *scheme)
    }

    /// The spelling in a URL and in the `protocol` field of the backend contract.
    pub fn as_str(self) -> &'static str {
        self.row().1
    }

    /// The port of a URL that names none; `None` for a scheme without ports.
    pub fn default_port(self) -> Option<u16> {
        self.row().2
    }

    /// Whether the URL leads to the URLs of nodes instead of naming a node's own address.
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

    /// Whether the transport runs over TCP, where a closed port refuses the connection.
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

/// Why a text is not a peer URL. Its texts leave out the parts of a URL that may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerUrlError {
    /// It has no `://`.
    #[error("'{0}' has no scheme; write it as tcp://{0} (or udp, ws, wss, wg, quic, http, https, txt, srv)")]
    NoScheme(String),
    /// Its scheme is not a [`Scheme`].
    #[error("protocol '{0}' is not supported; use one of tcp, udp, ws, wss, wg, quic, http, https, txt, srv")]
    UnsupportedProtocol(String),
    /// It has no host.
    #[error("'{0}' names no host")]
    NoHost(String),
    /// Its host or port cannot be parsed.
    #[error("'{url}' has an invalid host or port: {reason}")]
    Malformed {
        /// The URL.
        url: String,
        /// The error of the parser.
        reason: String,
    },
    /// Its port is 0.
    #[error("port 0 in '{0}' cannot be connected to; name the port the node listens on")]
    PortZero(String),
    /// It has a port, and its scheme has none.
    #[error("a {0} URL has no port; remove it")]
    PortNotAllowed(Scheme),
    /// It has a user name or a password.
    #[error("a peer URL has no user name or password; remove the part before the '@'")]
    Credentials,
}

/// The URL of a peer. Its host is never empty, its port never 0. User names, passwords and fragments are not part of it.
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
    /// Path and query, or empty. A reverse proxy may route by them.
    path: String,
}

impl PeerUrl {
    /// A URL from the parts in which backends list a peer. `port` is ignored for a scheme without ports.
    ///
    /// # Errors
    ///
    /// If the parts do not make a valid URL.
    pub fn new(scheme: Scheme, host: &str, port: Option<u16>) -> Result<Self, PeerUrlError> {
        let is_ipv6 = host.parse::<Ipv6Addr>().is_ok();
        let host = if is_ipv6 { format!("[{host}]") } else { host.to_owned() };
        match port {
            Some(port) if scheme.default_port().is_some() => format!("{scheme}://{host}:{port}"),
            _ => format!("{scheme}://{host}"),
        }
        .parse()
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host: a name or an IP address.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The host, if it is an IP address.
    pub fn ip(&self) -> Option<IpAddr> {
        match self.host {
            Host::Domain(_) => None,
            Host::Ipv4(ip) => Some(ip.into()),
            Host::Ipv6(ip) => Some(ip.into()),
        }
    }

    /// The port, or the default of the scheme if the URL names none; `None` for a scheme without ports.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The path and the query, or empty.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl FromStr for PeerUrl {
    type Err = PeerUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let Some((scheme, _)) = text.split_once("://") else {
            return Err(PeerUrlError::NoScheme(without_secrets(text)));
        };
        let scheme: Scheme = scheme.parse()?;
        let malformed = |reason: &dyn fmt::Display| PeerUrlError::Malformed {
            url: without_secrets(text),
            reason: reason.to_string(),
        };

        let url = Url::parse(text).map_err(|error| match error {
            url::ParseError::EmptyHost => PeerUrlError::NoHost(without_secrets(text)),
            other => malformed(&other),
        })?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(PeerUrlError::Credentials);
        }
        // `Url` recognises IP addresses with web schemes only, so the host is parsed again.
        let host = match url.host_str() {
            None | Some("") => return Err(PeerUrlError::NoHost(without_secrets(text))),
            Some(host) => Host::parse(host).map_err(|error| malformed(&error))?,
        };
        let port = match (url.port(), scheme.default_port()) {
            (Some(0), _) => return Err(PeerUrlError::PortZero(without_secrets(text))),
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

/// The canonical spelling: `scheme://host:port`, with the default port too, and the path and the query.
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
