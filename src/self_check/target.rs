//! What the self-check asks.

use std::{fmt, str::FromStr};

use url::Url;

use crate::{PeerUrl, PeerUrlError, Scheme, backend::BaseUrl};

/// A server that does not depend on the peers. It answers when a TCP connection to it is opened or refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelfCheckTarget(PeerUrl);

/// Why a text is not a target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write it as tcp://HOST:PORT, http://HOST or https://HOST, such as https://example.com")]
pub struct InvalidTarget;

impl SelfCheckTarget {
    /// The target as a URL of TCP.
    pub(super) fn url(&self) -> &PeerUrl {
        &self.0
    }

    fn of(url: &Url) -> Result<Self, InvalidTarget> {
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else { return Err(InvalidTarget) };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        PeerUrl::new(Scheme::Tcp, host, Some(port)).map(Self).map_err(|_: PeerUrlError| InvalidTarget)
    }
}

/// The host and the port of `tcp://HOST:PORT`, or of a web URL.
impl FromStr for SelfCheckTarget {
    type Err = InvalidTarget;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url: Url = text.trim().parse().map_err(|_| InvalidTarget)?;
        match url.scheme() {
            "tcp" | "http" | "https" if url.username().is_empty() && url.password().is_none() => Self::of(&url),
            _ => Err(InvalidTarget),
        }
    }
}

/// The server of a backend.
impl TryFrom<&BaseUrl> for SelfCheckTarget {
    type Error = InvalidTarget;

    fn try_from(base_url: &BaseUrl) -> Result<Self, Self::Error> {
        Self::of(&base_url.join("/"))
    }
}

/// Host and port, as a URL of TCP.
impl fmt::Display for SelfCheckTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_host_with_a_port() {
        for (text, target) in [
            ("https://example.com", "tcp://example.com:443"),
            (" http://example.com/path?q ", "tcp://example.com:80"),
            ("http://[2001:db8::1]:8080", "tcp://[2001:db8::1]:8080"),
            ("tcp://192.0.2.1:53", "tcp://192.0.2.1:53"),
        ] {
            assert_eq!(text.parse::<SelfCheckTarget>().unwrap().to_string(), target, "{text}");
        }
        for text in
            ["", "example.com", "tcp://192.0.2.1", "udp://192.0.2.1:53", "https://user:pw@example.com", "https://"]
        {
            assert_eq!(text.parse::<SelfCheckTarget>(), Err(InvalidTarget), "{text}");
        }
        let backend: BaseUrl = "https://hub.example.com/api".parse().unwrap();
        assert_eq!(SelfCheckTarget::try_from(&backend).unwrap().to_string(), "tcp://hub.example.com:443");
    }
}
