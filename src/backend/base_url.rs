//! The base URL of a backend. A parsed one carries no secret.

use std::{fmt, str::FromStr};

use url::{Host, Url};

/// Where a backend is: `http` or `https`, a host, and an optional path, which the paths of the contract are appended to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(Url);

/// Why a text is not a base URL. The text is not repeated, because it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BaseUrlError {
    /// Not an absolute `http` or `https` URL with a host.
    #[error("write it with its scheme and host, such as https://hub.example.com or http://192.0.2.7:8080/api")]
    Malformed,
    /// A user name or a password is part of the URL.
    #[error("carries a user name or password; remove the part before the '@' and set API_KEY or NODE_TOKEN")]
    Credentials,
    /// A query or a fragment is part of the URL.
    #[error("carries a query or a fragment; remove the part after the '?' or '#' (a key belongs in API_KEY)")]
    Query,
}

impl BaseUrl {
    /// The URL of a route of the contract; `path` begins with a slash. Many base URLs end with `/api`: in front of a
    /// path that begins with `/api/` it is not repeated.
    pub fn join(&self, path: &str) -> Url {
        const API: &str = "/api";
        let base = self.0.path().trim_end_matches('/');
        let base = match path.starts_with("/api/") {
            true => base.strip_suffix(API).unwrap_or(base),
            false => base,
        };
        let mut url = self.0.clone();
        url.set_path(&format!("{base}{path}"));
        url
    }

    /// Whether the scheme is `https`, for which CA certificates are needed.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Whether the host is this machine; see [`is_loopback`].
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.0)
    }
}

/// Whether the host of a URL is this machine, by name or address. No proxy can reach it.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

impl FromStr for BaseUrl {
    type Err = BaseUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text.trim()).map_err(|_| BaseUrlError::Malformed)?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(BaseUrlError::Malformed);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BaseUrlError::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BaseUrlError::Query);
        }
        Ok(Self(url))
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}
