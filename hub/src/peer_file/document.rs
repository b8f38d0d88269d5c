//! A peer in a file.

use std::{collections::BTreeSet, str::FromStr, time::Duration};

use easytier_probe::{
    Origin, PeerUrl, Secret, peer::DEFAULT_NETWORK_NAME, peer_list::ListedPeer, peer_url::without_secrets,
};
use easytier_uptime_store::domain::{Contacts, LabelError, NewPeer, PeerRecord, PeerSpec, Region, Tag};
use serde::{Deserialize, Serialize};

use super::Problem;
use crate::check_depth::CheckDepth;

/// A peer as an export writes it.
#[derive(Debug, Serialize)]
pub struct Document {
    /// Its id in the hub that wrote the export.
    pub id: i64,
    /// Its name in lists.
    pub name: String,
    /// The URL at which it can be reached.
    pub url: String,
    /// A description for people.
    pub description: String,
    /// Whether it is checked as a guest or as a member of its network.
    pub access: Access,
    /// The name of its network; null for a guest.
    pub network_name: Option<String>,
    /// The secret of its network. The field is absent, not null, in an export without secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_secret: Option<Secret>,
    /// How far a check goes.
    pub check: CheckDepth,
    /// The deadline of one check in milliseconds, if it differs from the probe's.
    pub timeout_ms: Option<u64>,
    /// Whether its owner offers to relay.
    pub allow_relay: bool,
    /// The maximum number of networks on it; 0 when no limit is known.
    pub max_connections: u32,
    /// Tags by which launchers filter.
    pub tags: BTreeSet<Tag>,
    /// The regions that check it; all regions if it is empty.
    pub regions: BTreeSet<Region>,
    /// A contact of the owner.
    pub qq_number: Option<String>,
    /// A contact of the owner.
    pub wechat: Option<String>,
    /// A contact of the owner.
    pub mail: Option<String>,
    /// Whether it is listed and checked.
    pub is_approved: bool,
    /// Whether a stranger submitted it.
    pub submitted: bool,
}

/// How a peer is checked. It is stored apart from the secret, because an export may leave the secret out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// As a guest.
    Guest,
    /// As a member of its network, with the secret.
    Member,
}

impl Document {
    /// The document of a record, with the network's secret if `with_secret`.
    pub fn of(record: &PeerRecord, with_secret: bool) -> Self {
        let spec = record.spec.clone();
        Self {
            id: record.id.0,
            name: spec.name,
            url: spec.url.full(),
            description: spec.description,
            access: if spec.network_secret.is_some() { Access::Member } else { Access::Guest },
            network_name: spec.network_name,
            network_secret: spec.network_secret.filter(|_| with_secret),
            check: spec.mode.into(),
            timeout_ms: spec.timeout.map(|timeout| timeout.as_millis() as u64),
            allow_relay: spec.allow_relay,
            max_connections: spec.max_connections,
            tags: spec.tags,
            regions: spec.regions,
            qq_number: spec.contacts.qq_number,
            wechat: spec.contacts.wechat,
            mail: spec.contacts.mail,
            is_approved: record.approved,
            submitted: record.submitted,
        }
    }
}

/// A peer to import, in the format of an export, of the backend contract or of the public API.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Entry {
    #[serde(flatten)]
    listed: ListedPeer,
    /// The public API's `protocol://host:port`.
    address: Option<String>,
    access: Option<Access>,
    description: Option<String>,
    max_connections: Option<u32>,
    regions: Option<Vec<String>>,
    qq_number: Option<String>,
    wechat: Option<String>,
    mail: Option<String>,
    is_approved: Option<bool>,
    submitted: Option<bool>,
}

impl Entry {
    /// A peer of which only the URL is known.
    pub fn of_url(url: &str) -> Self {
        Self { listed: ListedPeer { url: Some(url.to_owned()), ..ListedPeer::default() }, ..Self::default() }
    }

    /// Its name in a message, or its address without a password or a token.
    pub fn label(&self) -> Option<String> {
        let ListedPeer { name, url, host, public_ip, .. } = &self.listed;
        let address = [url, &self.address, host, public_ip].into_iter().find_map(|text| text.as_deref());
        name.clone().or_else(|| address.map(without_secrets)).filter(|text| !text.is_empty())
    }

    /// The peer, or every problem with it.
    pub fn into_peer(self) -> Result<NewPeer, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut listed = self.listed;
        let filled = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        // The address may have a path, which host and port lack.
        if listed.url.is_none() && self.address.as_deref().is_some_and(|address| address.parse::<PeerUrl>().is_ok()) {
            listed.url = self.address;
        }
        let network_secret = match (self.access, listed.network_secret.take()) {
            (Some(Access::Guest), _) => None,
            (Some(Access::Member), None) => {
                problems.push(Problem::NoSecret);
                None
            }
            (_, secret) => secret,
        };
        let network_name = filled(listed.network_name.take())
            .or_else(|| network_secret.as_ref().map(|_| DEFAULT_NETWORK_NAME.to_owned()));
        if let Some(check) = listed.check.as_deref().filter(|check| !["full", "handshake"].contains(check)) {
            problems.push(Problem::UnknownCheck(check.to_owned()));
        }
        if listed.timeout_ms == Some(0) {
            problems.push(Problem::ZeroTimeout);
        }
        let tags: BTreeSet<Tag> = labels(listed.tags.take(), &mut problems);
        let regions: BTreeSet<Region> = labels(self.regions, &mut problems);

        let peer = listed.into_peer(Origin::Local, Some(0)).and_then(|peer| {
            // A node that no probe can check would be listed as unknown for ever.
            peer.url.known_scheme()?;
            Ok(peer)
        });
        let peer = peer.map_err(|error| problems.push(error.into())).ok();
        let Some(peer) = peer.filter(|_| problems.is_empty()) else { return Err(problems) };
        let spec = PeerSpec {
            description: self.description.unwrap_or_default(),
            network_name,
            network_secret,
            mode: peer.mode,
            timeout: peer.timeout.filter(|timeout| *timeout > Duration::ZERO),
            allow_relay: peer.allow_relay,
            max_connections: self.max_connections.unwrap_or(100),
            tags,
            regions,
            contacts: Contacts {
                qq_number: filled(self.qq_number),
                wechat: filled(self.wechat),
                mail: filled(self.mail),
            },
            ..PeerSpec::named(peer.url, peer.name)
        };
        Ok(NewPeer { spec, approved: self.is_approved.unwrap_or(true), submitted: self.submitted.unwrap_or(false) })
    }
}

fn labels<T: Ord + FromStr<Err = LabelError>>(texts: Option<Vec<String>>, problems: &mut Vec<Problem>) -> BTreeSet<T> {
    let texts = texts.unwrap_or_default();
    let filled = texts.iter().filter(|text| !text.trim().is_empty());
    filled.filter_map(|text| text.parse().map_err(|error| problems.push(Problem::Label(error))).ok()).collect()
}
