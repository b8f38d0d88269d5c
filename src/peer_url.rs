//! The URL of a peer, validated when it is parsed.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};
use url::{Host, Url};

pub use crate::text::without_secrets;
use crate::{text::without_query, transport::Transport};

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
    /// A [`Scheme`] is needed, and this is none.
    #[error("protocol '{0}' is not supported; use one of tcp, udp, ws, wss, wg, quic, http, https, txt, srv")]
    UnsupportedProtocol(String),
    /// It has no host.
    #[error("'{0}' names no host")]
    NoHost(String),
    /// Its scheme, host or port cannot be parsed.
    #[error("'{url}' has an invalid host or port: {reason}")]
    Malformed {
        /// The URL.
        url: String,
        /// The error of the parser.
        reason: String,
    },
    /// Its port is 0, and its scheme has no usual port that 0 stands for.
    #[error("port 0 in '{0}' cannot be connected to; name the port the node listens on")]
    PortZero(String),
    /// It has a port, and its scheme has none.
    #[error("a {0} URL has no port; remove it")]
    PortNotAllowed(Scheme),
    /// Its host is masked, as in lists that hide the addresses of nodes.
    #[error("the address in '{0}' is masked; ask the node's owner for the real one")]
    Masked(String),
    /// Its host is the address on which a listener waits everywhere.
    #[error(
        "'{0}' is where a node listens, and no address to connect to; write the address at which others reach the node"
    )]
    Listener(String),
    /// It has a user name or a password.
    #[error("a peer URL has no user name or password; remove the part before the '@'")]
    Credentials,
}

/// The URL of a peer. Its port is never 0: in a ws or wss URL, 0 stands for the usual port. User names, passwords and fragments are not part of it.
///
/// Its scheme is mostly a [`Scheme`], and then it has a host. EasyTier has other schemes too (`faketcp`, `unix`, `ring`)
/// and will have more, so a URL of any scheme is a peer URL: a list that names one is valid, and only the check of this
/// peer says that its protocol is not supported.
///
/// It prints and serialises without its query, in which people put tokens; [`full`](Self::full) is the whole URL.
///
/// ```
/// use easytier_probe::{PeerUrl, Scheme};
///
/// let url: PeerUrl = "tcp://[2001:db8::1]".parse()?;
/// assert_eq!(url.scheme(), Some(Scheme::Tcp));
/// assert_eq!(url.port(), Some(11010));
/// assert_eq!(url.to_string(), "tcp://[2001:db8::1]:11010");
///
/// let url: PeerUrl = "https://list.example?token=1".parse()?;
/// assert_eq!(url.to_string(), "https://list.example:443/");
/// assert_eq!(url.full(), "https://list.example:443/?token=1");
/// # Ok::<(), easytier_probe::PeerUrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PeerUrl {
    protocol: Protocol,
    /// There for every known scheme.
    host: Option<Host>,
    port: Option<u16>,
    /// Path and query, or empty. A reverse proxy may route by them.
    path: String,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Protocol {
    Known(Scheme),
    /// A scheme that is no [`Scheme`], in lower case.
    Other(String),
}

impl PeerUrl {
    /// A URL from the parts in which backends list a peer. `port` is ignored for a scheme without ports.
    ///
    /// # Errors
    ///
    /// If the parts do not make a valid URL.
    pub fn new(scheme: Scheme, host: &str, port: Option<u16>) -> Result<Self, PeerUrlError> {
        Self::of_parts(scheme.as_str(), host, port.filter(|_| scheme.default_port().is_some()))
    }

    /// As [`new`](Self::new), with any scheme.
    pub(crate) fn of_parts(scheme: &str, host: &str, port: Option<u16>) -> Result<Self, PeerUrlError> {
        // Anything else could hold another part of a URL.
        if !scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) {
            return Err(PeerUrlError::UnsupportedProtocol(without_secrets(scheme)));
        }
        let is_ipv6 = host.parse::<Ipv6Addr>().is_ok();
        let host = if is_ipv6 { format!("[{host}]") } else { host.to_owned() };
        match port {
            Some(port) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        }
        .parse()
    }

    /// The scheme; `None` if this library does not speak it.
    pub fn scheme(&self) -> Option<Scheme> {
        match self.protocol {
            Protocol::Known(scheme) => Some(scheme),
            Protocol::Other(_) => None,
        }
    }

    /// The scheme, where a URL must have one that this library speaks.
    ///
    /// # Errors
    ///
    /// [`PeerUrlError::UnsupportedProtocol`] if it has another.
    pub fn known_scheme(&self) -> Result<Scheme, PeerUrlError> {
        self.scheme().ok_or_else(|| PeerUrlError::UnsupportedProtocol(self.protocol().to_owned()))
    }

    /// Whether a node may be reached at the URL. A URL that is not is still a URL: a database may hold one.
    ///
    /// # Errors
    ///
    /// [`PeerUrlError::Masked`] if its host has asterisks, [`PeerUrlError::Listener`] if it is `0.0.0.0` or `[::]`.
    pub fn reachable(&self) -> Result<(), PeerUrlError> {
        match &self.host {
            Some(Host::Domain(name)) if name.contains('*') => Err(PeerUrlError::Masked(self.to_string())),
            Some(Host::Ipv4(ip)) if ip.is_unspecified() => Err(PeerUrlError::Listener(self.to_string())),
            Some(Host::Ipv6(ip)) if ip.is_unspecified() => Err(PeerUrlError::Listener(self.to_string())),
            _ => Ok(()),
        }
    }

    /// Whether a probe can check the URL: it is [`reachable`](Self::reachable) and of a
    /// [`known_scheme`](Self::known_scheme).
    ///
    /// # Errors
    ///
    /// Those of these two.
    pub fn checkable(&self) -> Result<(), PeerUrlError> {
        self.reachable()?;
        self.known_scheme().map(|_| ())
    }

    /// Whether `text` is this URL, with its query or without it, as the name of a peer that has no other name.
    pub fn is_written_as(&self, text: &str) -> bool {
        text == self.full() || text == self.to_string()
    }

    /// The spelling of the scheme, whether this library speaks it or not.
    pub fn protocol(&self) -> &str {
        match &self.protocol {
            Protocol::Known(scheme) => scheme.as_str(),
            Protocol::Other(name) => name,
        }
    }

    /// The host: a name or an IP address. `None` only if the scheme is none that this library speaks.
    pub fn host(&self) -> Option<&Host> {
        self.host.as_ref()
    }

    /// The host as text, without the brackets of an IPv6 address; empty if there is none.
    pub fn host_text(&self) -> String {
        match &self.host {
            None => String::new(),
            Some(Host::Domain(name)) => name.clone(),
            Some(Host::Ipv4(ip)) => ip.to_string(),
            Some(Host::Ipv6(ip)) => ip.to_string(),
        }
    }

    /// The host, if it is an IP address.
    pub fn ip(&self) -> Option<IpAddr> {
        match self.host {
            None | Some(Host::Domain(_)) => None,
            Some(Host::Ipv4(ip)) => Some(ip.into()),
            Some(Host::Ipv6(ip)) => Some(ip.into()),
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

    /// The whole URL with its query: for connecting, storing and listing, never for a message, a log or a report.
    pub fn full(&self) -> String {
        format!("{}{}", self.without_path(), self.path)
    }

    fn without_path(&self) -> String {
        let host = self.host.as_ref().map(ToString::to_string).unwrap_or_default();
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{host}{port}", self.protocol())
    }
}

impl FromStr for PeerUrl {
    type Err = PeerUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let Some((scheme, _)) = text.split_once("://") else {
            return Err(PeerUrlError::NoScheme(without_secrets(text)));
        };
        let malformed = |reason: &dyn fmt::Display| PeerUrlError::Malformed {
            url: without_secrets(text),
            reason: reason.to_string(),
        };
        let no_host = || PeerUrlError::NoHost(without_secrets(text));
        let url = Url::parse(text).map_err(|error| match error {
            url::ParseError::EmptyHost => no_host(),
            other => malformed(&other),
        })?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(PeerUrlError::Credentials);
        }
        let known = scheme.parse::<Scheme>().ok();
        // `Url` recognises IP addresses with web schemes only, so the host is parsed again.
        let host = match url.host_str().filter(|host| !host.is_empty()) {
            None if known.is_some() => return Err(no_host()),
            None => None,
            Some(host) => Some(Host::parse(host).map_err(|error| malformed(&error))?),
        };
        let port = match (url.port(), known) {
            // EasyTier users write 0 for the usual port of a web server, because the URL of a listener needs one.
            (Some(0), Some(scheme @ (Scheme::Ws | Scheme::Wss))) => scheme.default_port(),
            (Some(0), _) => return Err(PeerUrlError::PortZero(without_secrets(text))),
            (given, None) => given,
            (given, Some(scheme)) => match (given, scheme.default_port()) {
                (Some(_), None) => return Err(PeerUrlError::PortNotAllowed(scheme)),
                (given, default) => given.or(default),
            },
        };
        let path = match (url.path(), url.query()) {
            ("" | "/", None) => String::new(),
            (path, None) => path.to_owned(),
            (path, Some(query)) => format!("{path}?{query}"),
        };
        let protocol = known.map_or_else(|| Protocol::Other(url.scheme().to_owned()), Protocol::Known);
        Ok(Self { protocol, host, port, path })
    }
}

/// The canonical spelling without the query: `scheme://host:port`, with the default port too, and the path.
impl fmt::Display for PeerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.without_path())?;
        f.write_str(without_query(&self.path))
    }
}

/// As [`Display`](fmt::Display), because debug output reaches logs.
impl fmt::Debug for PeerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerUrl({self})")
    }
}

impl<'de> Deserialize<'de> for PeerUrl {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// As [`Display`](fmt::Display), because a report may reach anybody.
impl Serialize for PeerUrl {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
