//! Peers as documents list them: the contract's JSON, the forms of other backends, TOML, or URLs one a line.

use std::{fmt, net::SocketAddr, time::Duration};

use serde::Deserialize;

use crate::{
    Access, CheckMode, Membership, Origin, Peer, PeerUrl, PeerUrlError, Scheme, Secret, peer::DEFAULT_NETWORK_NAME,
};

/// The port of a peer that a backend lists by `public_ip` without one.
const PUBLIC_IP_PORT: u16 = 11010;

/// A peer as a document lists it, not yet looked at.
///
/// The contract's fields, `public_ip` as other backends have it instead of `host` and `port`, and `url`, which is
/// easier to write by hand. Unknown fields are ignored.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ListedPeer {
    pub id: Option<i64>,
    pub name: Option<String>,
    pub url: Option<String>,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub protocol: Option<String>,
    pub public_ip: Option<String>,
    pub network_name: Option<String>,
    pub network_secret: Option<Secret>,
    pub tags: Option<Vec<String>>,
    pub allow_relay: Option<bool>,
    pub timeout_ms: Option<u64>,
    pub check: Option<String>,
    /// Our hub says so of a peer that a stranger submitted.
    pub submitted: Option<bool>,
}

/// Why a listed peer cannot be watched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListedPeerError {
    #[error("it names neither 'url' nor 'host' nor 'public_ip'")]
    NoAddress,
    #[error("its 'id' is missing")]
    NoId,
    #[error("its 'port' is missing")]
    NoPort,
    #[error(transparent)]
    Url(#[from] PeerUrlError),
}

impl ListedPeer {
    /// The peer, of `origin`; `default_id` is used when the document names no id.
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
            timeout: self.timeout_ms.map(Duration::from_millis),
            allow_relay: self.allow_relay.unwrap_or_default(),
            tags: self.tags.unwrap_or_default(),
            origin: match (origin, self.submitted) {
                (Origin::Remote, Some(true)) => Origin::Submitted,
                (origin, _) => origin,
            },
        })
    }

    fn peer_url(&self) -> Result<PeerUrl, ListedPeerError> {
        if let Some(url) = &self.url {
            return Ok(url.parse()?);
        }
        let scheme: Scheme = self.protocol.as_deref().unwrap_or("tcp").parse()?;
        match (&self.host, &self.public_ip) {
            (Some(_), _) if self.port.is_none() && scheme.default_port().is_some() => Err(ListedPeerError::NoPort),
            (Some(host), _) => Ok(PeerUrl::new(scheme, host, self.port)?),
            (None, Some(public_ip)) => {
                let (host, port) = split_public_ip(public_ip);
                Ok(PeerUrl::new(scheme, &host, Some(port.or(self.port).unwrap_or(PUBLIC_IP_PORT)))?)
            }
            (None, None) => Err(ListedPeerError::NoAddress),
        }
    }
}

/// Host and port of `IP`, `IP:PORT`, `[IP]:PORT`, `HOST` or `HOST:PORT`.
fn split_public_ip(text: &str) -> (String, Option<u16>) {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return (address.ip().to_string(), Some(address.port()));
    }
    match text.rsplit_once(':') {
        // More than one colon is an IPv6 address without a port.
        Some((host, port)) if !host.contains(':') && port.parse::<u16>().is_ok() => {
            (host.to_owned(), port.parse().ok())
        }
        _ => (text.trim_matches(['[', ']']).to_owned(), None),
    }
}

/// What is wrong with a list of peers, all of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PeerListError {
    /// One line a problem, each naming its place.
    pub problems: Vec<String>,
}

impl fmt::Display for PeerListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("\n"))
    }
}

/// Reads a list that a person wrote, in whichever form it is:
///
/// - URLs, one a line; blank lines, and what follows a `#`, are skipped;
/// - TOML: a `[[peers]]` table a peer, with `url` or the fields of the contract;
/// - JSON: the contract's answer to `GET /peers`, or an array of its peers or of URLs.
///
/// Peers that name no id are numbered from 1 by their place. Either the whole list is good, or every problem is told.
pub fn parse(text: &str) -> Result<Vec<Peer>, PeerListError> {
    let text = text.trim_start_matches('\u{feff}');
    let listed = if text.lines().any(|line| line.trim() == "[[peers]]") {
        from_toml(text)
    } else if text.trim_start().starts_with(['{', '[']) {
        from_json(text)
    } else {
        from_lines(text)
    };
    listed.map_err(|problem| PeerListError { problems: vec![problem] }).and_then(into_peers)
}

/// A listed peer, and what to call its place in a message.
type Placed = (String, ListedPeer);

fn into_peers(listed: Vec<Placed>) -> Result<Vec<Peer>, PeerListError> {
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

fn from_lines(text: &str) -> Result<Vec<Placed>, String> {
    let url_of = |line: &str| line.split_once(" #").map_or(line, |(url, _)| url).trim().to_owned();
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty() && !line.trim().starts_with('#'));
    Ok(lines
        .map(|(number, line)| {
            (format!("line {number}"), ListedPeer { url: Some(url_of(line)), ..ListedPeer::default() })
        })
        .collect())
}

fn from_toml(text: &str) -> Result<Vec<Placed>, String> {
    #[derive(Deserialize)]
    struct Document {
        peers: Vec<ListedPeer>,
    }
    let document: Document = toml::from_str(text).map_err(|error| format!("not a TOML list of peers: {error}"))?;
    Ok(placed(document.peers))
}

fn from_json(text: &str) -> Result<Vec<Placed>, String> {
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
    Ok(placed(entries.into_iter().map(|entry| match entry {
        Entry::Url(url) => ListedPeer { url: Some(url), ..ListedPeer::default() },
        Entry::Peer(peer) => *peer,
    })))
}

fn placed(peers: impl IntoIterator<Item = ListedPeer>) -> Vec<Placed> {
    (1..).zip(peers).map(|(number, peer)| (format!("peer {number}"), peer)).collect()
}
