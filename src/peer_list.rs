//! Lists of peers: the JSON of our hub and of other backends, TOML, or one URL per line.

use std::{fmt, net::SocketAddr, ops::RangeInclusive, time::Duration};

use serde::Deserialize;

use crate::{
    Access, CheckMode, Membership, Origin, Peer, PeerUrl, PeerUrlError, Scheme, Secret, peer::DEFAULT_NETWORK_NAME,
};

/// The port of a peer that a backend lists by a `public_ip` without a port.
const PUBLIC_IP_PORT: u16 = 11010;

/// The timeouts that a list may give a peer. A shorter one would fail every check, and a longer one would let one peer hold
/// up the others.
pub const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60);

/// A peer as a document lists it, not yet validated.
///
/// The address is `url`, or `protocol`, `host` and `port`, or `protocol` and `public_ip`; the first of them that is there
/// counts. `docs/backend.md` describes the fields. Unknown fields are ignored.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ListedPeer {
    /// The id of the peer at the backend.
    pub id: Option<i64>,
    /// A name for people.
    pub name: Option<String>,
    /// The whole [`PeerUrl`].
    pub url: Option<String>,
    /// A host name or an IP address, without brackets.
    pub host: Option<String>,
    /// A port; required beside `host`, unless the protocol has none.
    pub port: Option<u16>,
    /// The scheme of the URL, `tcp` by default.
    pub protocol: Option<String>,
    /// `IP`, `IP:PORT`, `[IP]:PORT`, `HOST` or `HOST:PORT`; the port is 11010 by default.
    pub public_ip: Option<String>,
    /// The name of the peer's network, [`DEFAULT_NETWORK_NAME`] by default; used only with `network_secret`.
    pub network_name: Option<String>,
    /// The secret of the peer's network. With it, even if it is empty, the peer is checked as a member of its network.
    pub network_secret: Option<Secret>,
    /// Labels for people.
    pub tags: Option<Vec<String>>,
    /// Whether the node's owner offers to relay data.
    pub allow_relay: Option<bool>,
    /// Whether the backend asks to test whether the node relays data.
    pub test_relay: Option<bool>,
    /// The deadline of one check, in milliseconds; outside of [`TIMEOUTS`] the nearest of its ends is used.
    pub timeout_ms: Option<u64>,
    /// `handshake` for [`CheckMode::Handshake`]; anything else means [`CheckMode::Full`].
    pub check: Option<String>,
    /// Whether the peer was submitted anonymously to the backend.
    pub submitted: Option<bool>,
    /// `Online` if the backend takes the peer for online, in any case of letters.
    pub status: Option<String>,
}

/// Why a listed peer is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListedPeerError {
    /// It has no address in any form.
    #[error("it names neither 'url' nor 'host' nor 'public_ip'")]
    NoAddress,
    /// It has no id, and there is no default.
    #[error("its 'id' is missing")]
    NoId,
    /// It has a `host` without a `port`.
    #[error("its 'port' is missing")]
    NoPort,
    /// Its address is not valid.
    #[error(transparent)]
    Url(#[from] PeerUrlError),
}

impl ListedPeer {
    /// Validates the peer. `default_id` is its id if the document names none. A peer of [`Origin::Remote`] that is marked
    /// as submitted becomes one of [`Origin::Submitted`].
    ///
    /// # Errors
    ///
    /// If the id is missing, or the address is missing or not valid.
    pub fn into_peer(self, origin: Origin, default_id: Option<i64>) -> Result<Peer, ListedPeerError> {
        let url = self.peer_url()?;
        let access = match self.network_secret {
            None => Access::Guest,
            Some(network_secret) => Access::Member(Membership {
                network_name: self.network_name.unwrap_or_else(|| DEFAULT_NETWORK_NAME.to_owned()),
                network_secret,
            }),
        };
        Ok(Peer {
            id: self.id.or(default_id).ok_or(ListedPeerError::NoId)?,
            name: self.name,
            url,
            access,
            mode: match self.check.as_deref() {
                Some("handshake") => CheckMode::Handshake,
                _ => CheckMode::Full,
            },
            timeout: self.timeout_ms.map(|ms| Duration::from_millis(ms).clamp(*TIMEOUTS.start(), *TIMEOUTS.end())),
            allow_relay: self.allow_relay.unwrap_or_default(),
            test_relay: self.test_relay.unwrap_or_default(),
            tags: self.tags.unwrap_or_default(),
            origin: match (origin, self.submitted) {
                (Origin::Remote, Some(true)) => Origin::Submitted,
                (origin, _) => origin,
            },
            was_online: self.status.is_some_and(|status| status.eq_ignore_ascii_case("online")),
            listing: None,
        })
    }

    fn peer_url(&self) -> Result<PeerUrl, ListedPeerError> {
        if let Some(url) = &self.url {
            return Ok(url.parse()?);
        }
        let (host, port) = match (&self.host, &self.public_ip) {
            (Some(host), _) => (host.clone(), self.port),
            (None, Some(public_ip)) => {
                let (host, port) = split_public_ip(public_ip);
                (host, Some(port.or(self.port).unwrap_or(PUBLIC_IP_PORT)))
            }
            (None, None) => return Err(ListedPeerError::NoAddress),
        };
        let protocol = self.protocol.as_deref().unwrap_or("tcp");
        match protocol.parse::<Scheme>() {
            Ok(scheme) if port.is_none() && scheme.default_port().is_some() => Err(ListedPeerError::NoPort),
            Ok(scheme) => Ok(PeerUrl::new(scheme, &host, port)?),
            Err(_) => Ok(PeerUrl::of_parts(protocol, &host, port)?),
        }
    }
}

/// Host and port of `IP`, `IP:PORT`, `[IP]:PORT`, `HOST` or `HOST:PORT`.
fn split_public_ip(text: &str) -> (String, Option<u16>) {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return (address.ip().to_string(), Some(address.port()));
    }
    match text.rsplit_once(':') {
        // A host with a colon is an IPv6 address, and the text has no port.
        Some((host, port)) if !host.contains(':') && port.parse::<u16>().is_ok() => {
            (host.to_owned(), port.parse().ok())
        }
        _ => (text.trim_matches(['[', ']']).to_owned(), None),
    }
}

/// All mistakes in a list of peers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PeerListError {
    /// The mistakes, each with its place, such as `line 3` or `peer 2`.
    pub problems: Vec<String>,
}

impl fmt::Display for PeerListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("\n"))
    }
}

/// Reads a list of peers that a local user wrote. Its form is one of:
///
/// - one URL per line; blank lines and comments (`#`) are skipped;
/// - TOML: a `[[peers]]` table for each peer, or an array `peers`, with the fields of [`ListedPeer`];
/// - JSON: a backend's response to `GET /peers`, or an array whose items are URLs or objects with the fields of
///   [`ListedPeer`].
///
/// The id of a peer without one is its position in the list, from 1.
///
/// # Errors
///
/// All mistakes, if there is any.
pub fn parse(text: &str) -> Result<Vec<Peer>, PeerListError> {
    let text = text.trim_start_matches('\u{feff}');
    let listed = if is_toml(text) {
        from_toml(text)
    } else if text.trim_start().starts_with(['{', '[']) {
        from_json(text)
    } else {
        from_lines(text)
    };
    listed.map_err(|problem| PeerListError { problems: vec![problem] }).and_then(into_peers)
}

/// Whether a list of peers is TOML: it has a `[[peers]]` table or an array `peers = [`.
pub fn is_toml(text: &str) -> bool {
    text.lines().any(|line| {
        let line = line.trim();
        let is_table = line.strip_prefix("[[").and_then(|rest| rest.split_once("]]")).is_some_and(|(key, rest)| {
            let rest = rest.trim_start();
            key.trim() == "peers" && (rest.is_empty() || rest.starts_with('#'))
        });
        let is_array = line
            .split_once('=')
            .is_some_and(|(key, value)| key.trim() == "peers" && value.trim_start().starts_with('['));
        is_table || is_array
    })
}

/// The number of the line, from 1, that holds the byte at `offset`.
pub fn line_number(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

/// A listed peer with its place for error messages.
type WithPlace = (String, ListedPeer);

fn into_peers(listed: Vec<WithPlace>) -> Result<Vec<Peer>, PeerListError> {
    let mut peers = Vec::with_capacity(listed.len());
    let mut problems = Vec::new();
    for (number, (place, listed)) in (1..).zip(listed) {
        match listed.into_peer(Origin::Local, Some(number)) {
            Ok(peer) => peers.push(peer),
            Err(error) => problems.push(format!("{place}: {error}")),
        }
    }
    if problems.is_empty() { Ok(peers) } else { Err(PeerListError { problems }) }
}

fn from_lines(text: &str) -> Result<Vec<WithPlace>, String> {
    let url_of = |line: &str| line.split_once(" #").map_or(line, |(url, _)| url).trim().to_owned();
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty() && !line.trim().starts_with('#'));
    Ok(lines
        .map(|(number, line)| {
            (format!("line {number}"), ListedPeer { url: Some(url_of(line)), ..ListedPeer::default() })
        })
        .collect())
}

fn from_toml(text: &str) -> Result<Vec<WithPlace>, String> {
    #[derive(Deserialize)]
    struct Document {
        peers: Vec<ListedPeer>,
    }
    let document: Document = toml::from_str(text).map_err(|error| {
        // The full error quotes the line, which may hold a secret.
        let line = error.span().map(|span| format!("line {}: ", line_number(text, span.start))).unwrap_or_default();
        format!("not a TOML list of peers: {line}{}", error.message())
    })?;
    Ok(numbered(document.peers))
}

fn from_json(text: &str) -> Result<Vec<WithPlace>, String> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Entry {
        Url(String),
        Peer(Box<ListedPeer>),
    }
    let mut document: serde_json::Value =
        serde_json::from_str(text).map_err(|error| format!("not a JSON list of peers: {error}"))?;
    let list =
        ["/data/peers", "/peers"].iter().find_map(|place| document.pointer_mut(place).map(serde_json::Value::take));
    let entries: Vec<Entry> = serde_json::from_value(list.unwrap_or(document))
        .map_err(|_| "not a JSON list of peers: expected an array of peers, or an object with 'peers'".to_owned())?;
    Ok(numbered(entries.into_iter().map(|entry| match entry {
        Entry::Url(url) => ListedPeer { url: Some(url), ..ListedPeer::default() },
        Entry::Peer(peer) => *peer,
    })))
}

fn numbered(peers: impl IntoIterator<Item = ListedPeer>) -> Vec<WithPlace> {
    (1..).zip(peers).map(|(number, peer)| (format!("peer {number}"), peer)).collect()
}
