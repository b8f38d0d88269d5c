//! The proxy through which probes are reached that cannot be reached directly.

use std::{fmt, str::FromStr};

use easytier_probe::Secret;
use url::Url;

/// The URL of a proxy: `http` for HTTP CONNECT, `socks5`, or `socks5h`, which leaves names to the proxy. It may hold a user name and a
/// password.
#[derive(Clone)]
pub struct ControlProxy(Url);

/// The text is no URL of a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write the URL of a proxy: http://HOST:PORT, socks5://HOST:PORT or socks5h://HOST:PORT")]
pub struct ControlProxyError;

impl FromStr for ControlProxy {
    type Err = ControlProxyError;

    fn from_str(text: &str) -> Result<Self, ControlProxyError> {
        let url: Url = text.trim().parse().map_err(|_| ControlProxyError)?;
        let is_proxy = ["http", "socks5", "socks5h"].contains(&url.scheme())
            && url.host_str().is_some_and(|host| !host.is_empty());
        let is_bare = ["", "/"].contains(&url.path()) && url.query().is_none() && url.fragment().is_none();
        match is_proxy && is_bare {
            true => Ok(Self(url)),
            false => Err(ControlProxyError),
        }
    }
}

impl ControlProxy {
    /// Whether it speaks SOCKS5.
    pub(super) fn is_socks(&self) -> bool {
        self.0.scheme().starts_with("socks")
    }

    /// Whether the hub looks names up, and not the proxy.
    pub(super) fn has_local_names(&self) -> bool {
        self.0.scheme() == "socks5"
    }

    /// Host and port as an `http` URL, as connectors expect them.
    pub(super) fn endpoint(&self) -> String {
        let default = if self.is_socks() { 1080 } else { 80 };
        format!("http://{}:{}", self.0.host_str().unwrap_or_default(), self.0.port().unwrap_or(default))
    }

    /// User name and password.
    pub(super) fn login(&self) -> Option<(String, Secret)> {
        let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        let user = decoded(self.0.username());
        let password = self.0.password().map(decoded).unwrap_or_default();
        (!user.is_empty()).then(|| (user, password.into()))
    }
}

impl fmt::Debug for ControlProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ControlProxy({})", self.endpoint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_named_by_its_scheme_host_and_port_and_its_password_is_not_shown() {
        for (text, endpoint, socks) in [
            ("http://proxy", "http://proxy:80", false),
            ("http://u:s3cr3t@192.0.2.7:3128/", "http://192.0.2.7:3128", false),
            ("socks5://[2001:db8::1]", "http://[2001:db8::1]:1080", true),
            ("socks5h://proxy:9050", "http://proxy:9050", true),
        ] {
            let proxy: ControlProxy = text.parse().unwrap();
            assert_eq!((proxy.endpoint().as_str(), proxy.is_socks()), (endpoint, socks));
            assert!(!format!("{proxy:?}").contains("s3cr3t"));
        }
        let login = "http://u%40x:p%3Aw@h".parse::<ControlProxy>().unwrap().login().unwrap();
        assert_eq!((login.0.as_str(), login.1.expose()), ("u@x", "p:w"));
        for wrong in ["", "proxy:3128", "https://proxy", "ftp://proxy", "http://", "http://proxy/path", "socks5://h?x"]
        {
            assert_eq!(wrong.parse::<ControlProxy>().err(), Some(ControlProxyError), "{wrong}");
        }
    }
}
