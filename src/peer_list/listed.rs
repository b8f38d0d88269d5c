//! A peer as a document lists it.

use std::{net::SocketAddr, ops::RangeInclusive, time::Duration};

use serde::{Deserialize, Serialize};

use super::{lenient, problem::PeerProblem};
use crate::{
    Access, CheckMode, Membership, Origin, Peer, PeerUrl, PeerUrlError, Scheme, Secret, peer::DEFAULT_NETWORK_NAME,
    text::without_secrets,
};

/// The port of a peer that a backend lists by a `public_ip` without a port.
const PUBLIC_IP_PORT: u16 = 11010;

/// The timeouts that a list may give a peer. A shorter one would fail every check, and a longer one would let one peer hold
/// up the others.
pub const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60);

/// A peer as a document lists it, not yet validated.
///
/// The address is `url`, or `address`, or `protocol`, `host` and `port`, or `protocol` and `public_ip`; the first of them
/// that is there and not empty counts. `docs/backend.md` describes the fields of backends, and an export of a hub has the
/// others. Unknown fields are ignored. Numbers may be texts, booleans 0 and 1, and lists of texts one text with commas.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ListedPeer {
    /// The id of the peer at the backend.
    #[serde(deserialize_with = "lenient::whole")]
    pub id: Option<i64>,
    /// A name for people.
    #[serde(deserialize_with = "lenient::text")]
    pub name: Option<String>,
    /// The whole [`PeerUrl`].
    #[serde(deserialize_with = "lenient::text")]
    pub url: Option<String>,
    /// The public API's `protocol://host:port`. A text that is no URL counts only if there is nothing else.
    #[serde(deserialize_with = "lenient::text")]
    pub address: Option<String>,
    /// A host name or an IP address, without brackets.
    #[serde(deserialize_with = "lenient::text")]
    pub host: Option<String>,
    /// A port; required beside `host`, unless the protocol has none.
    #[serde(deserialize_with = "lenient::whole")]
    pub port: Option<u16>,
    /// The scheme of the URL, `tcp` by default.
    #[serde(deserialize_with = "lenient::text")]
    pub protocol: Option<String>,
    /// `IP`, `IP:PORT`, `[IP]:PORT`, `HOST` or `HOST:PORT`; the port is 11010 by default.
    #[serde(deserialize_with = "lenient::text")]
    pub public_ip: Option<String>,
    /// Whether the peer is checked as a guest or as a member; if it is not said, a secret makes it a member.
    pub access: Option<ListedAccess>,
    /// The name of the peer's network, [`DEFAULT_NETWORK_NAME`] by default; used only with `network_secret`.
    #[serde(deserialize_with = "lenient::text")]
    pub network_name: Option<String>,
    /// The secret of the peer's network. With it, even if it is empty, the peer is checked as a member of its network.
    pub network_secret: Option<Secret>,
    /// A description for people.
    #[serde(deserialize_with = "lenient::text")]
    pub description: Option<String>,
    /// Labels for people.
    #[serde(deserialize_with = "lenient::texts")]
    pub tags: Option<Vec<String>>,
    /// The regions that check the peer; all regions if there is none.
    #[serde(deserialize_with = "lenient::texts")]
    pub regions: Option<Vec<String>>,
    /// Whether the node's owner offers to relay data.
    #[serde(deserialize_with = "lenient::flag")]
    pub allow_relay: Option<bool>,
    /// Whether the backend asks to test whether the node relays data.
    #[serde(deserialize_with = "lenient::flag")]
    pub test_relay: Option<bool>,
    /// The maximum number of networks on the node; 0 for no limit.
    #[serde(deserialize_with = "lenient::whole")]
    pub max_connections: Option<u32>,
    /// The deadline of one check, in milliseconds; outside of [`TIMEOUTS`] the nearest of its ends is used.
    #[serde(deserialize_with = "lenient::whole")]
    pub timeout_ms: Option<u64>,
    /// `handshake` for [`CheckMode::Handshake`]; anything else means [`CheckMode::Full`].
    #[serde(deserialize_with = "lenient::text")]
    pub check: Option<String>,
    /// A contact of the owner.
    #[serde(deserialize_with = "lenient::text")]
    pub qq_number: Option<String>,
    /// A contact of the owner.
    #[serde(deserialize_with = "lenient::text")]
    pub wechat: Option<String>,
    /// A contact of the owner.
    #[serde(deserialize_with = "lenient::text")]
    pub mail: Option<String>,
    /// Whether the hub that wrote the list shows the peer to visitors.
    #[serde(deserialize_with = "lenient::flag")]
    pub is_approved: Option<bool>,
    /// Whether the peer was submitted anonymously to the backend.
    #[serde(deserialize_with = "lenient::flag")]
    pub submitted: Option<bool>,
    /// `Online` if the backend takes the peer for online, in any case of letters.
    #[serde(deserialize_with = "lenient::text")]
    pub status: Option<String>,
}

/// How a list says that a peer is checked. It is there beside the secret, because a list may leave the secret out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListedAccess {
    /// As a guest.
    Guest,
    /// As a member of its network, with the secret.
    Member,
}

impl ListedPeer {
    /// A peer of which only the URL is known.
    pub(super) fn of_url(url: &str) -> Self {
        Self { url: Some(url.to_owned()), ..Self::default() }
    }

    /// Its name in a message, or its address without a password or a token.
    pub fn label(&self) -> Option<String> {
        let address = || {
            let texts = [&self.url, &self.address, &self.host, &self.public_ip];
            texts.into_iter().find_map(filled).map(without_secrets)
        };
        filled(&self.name).map(str::to_owned).or_else(address).filter(|text| !text.is_empty())
    }

    /// Everything that is wrong with the peer in a list that a person wrote or chose. A backend may say less:
    /// [`into_peer`](Self::into_peer) alone decides there.
    pub fn problems(&self) -> Vec<PeerProblem> {
        let check = filled(&self.check).filter(|check| !["full", "handshake"].contains(check));
        let unknown_check = check.map(|check| PeerProblem::UnknownCheck(check.to_owned()));
        let zero_timeout = (self.timeout_ms == Some(0)).then_some(PeerProblem::ZeroTimeout);
        let problems = [self.membership().err(), unknown_check, zero_timeout, self.peer_url().err()];
        problems.into_iter().flatten().collect()
    }

    /// Validates the peer. `default_id` is its id if the document names none. A peer of [`Origin::Remote`] that is marked
    /// as submitted becomes one of [`Origin::Submitted`].
    ///
    /// # Errors
    ///
    /// If the id is missing, the secret of a member is missing, or the address is missing, not valid, or one at which
    /// nobody can reach a node ([`PeerUrl::reachable`]).
    pub fn into_peer(self, origin: Origin, default_id: Option<i64>) -> Result<Peer, PeerProblem> {
        let url = self.peer_url()?;
        let membership = self.membership()?;
        Ok(Peer {
            id: self.id.or(default_id).ok_or(PeerProblem::NoId)?,
            name: filled(&self.name).map(str::to_owned),
            url,
            access: membership.map_or(Access::Guest, Access::Member),
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

    fn membership(&self) -> Result<Option<Membership>, PeerProblem> {
        match (self.access, &self.network_secret) {
            (Some(ListedAccess::Guest), _) | (None, None) => Ok(None),
            (Some(ListedAccess::Member), None) => Err(PeerProblem::NoSecret),
            (_, Some(network_secret)) => Ok(Some(Membership {
                network_name: filled(&self.network_name).unwrap_or(DEFAULT_NETWORK_NAME).to_owned(),
                network_secret: network_secret.clone(),
            })),
        }
    }

    fn peer_url(&self) -> Result<PeerUrl, PeerProblem> {
        let url = self.stated_url()?;
        url.reachable()?;
        Ok(url)
    }

    fn stated_url(&self) -> Result<PeerUrl, PeerProblem> {
        if let Some(url) = filled(&self.url) {
            return Ok(url.parse()?);
        }
        // It may have a path, which host and port lack.
        let address = filled(&self.address).map(str::parse::<PeerUrl>);
        let (host, port) = match (address, filled(&self.host), filled(&self.public_ip)) {
            (Some(Ok(url)), _, _) => return Ok(url),
            (_, Some(host), _) => (host.to_owned(), self.port),
            (_, None, Some(public_ip)) => {
                let (host, port) = split_public_ip(public_ip);
                (host, Some(port.or(self.port).unwrap_or(PUBLIC_IP_PORT)))
            }
            (Some(Err(error)), None, None) => return Err(error.into()),
            (None, None, None) => {
                let fields = [&self.url, &self.address, &self.host, &self.public_ip];
                let is_empty = fields.into_iter().any(Option::is_some);
                return Err(if is_empty { PeerProblem::EmptyAddress } else { PeerProblem::NoAddress });
            }
        };
        let protocol = filled(&self.protocol).unwrap_or("tcp");
        match protocol.parse::<Scheme>() {
            // Such lists leave the port out too.
            _ if port.is_none() && host.contains('*') => Err(PeerUrlError::Masked(host).into()),
            Ok(scheme) if port.is_none() && scheme.default_port().is_some() => Err(PeerProblem::NoPort),
            Ok(scheme) => Ok(PeerUrl::new(scheme, &host, port)?),
            Err(_) => Ok(PeerUrl::of_parts(protocol, &host, port)?),
        }
    }
}

/// The text of a field that is there and not empty.
fn filled(text: &Option<String>) -> Option<&str> {
    text.as_deref().map(str::trim).filter(|text| !text.is_empty())
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
