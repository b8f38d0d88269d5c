//! The peers that an import makes of a list.

use std::{collections::BTreeSet, str::FromStr};

use easytier_probe::{
    Origin,
    peer::DEFAULT_NETWORK_NAME,
    peer_list::{self, Entry, ListProblem, ListedAccess, ListedPeer, Place},
};
use easytier_uptime_store::domain::{Contacts, LabelError, NewPeer, PeerSpec, Region, Tag};

use super::problem::Problem;

/// The maximum number of networks on a node of which a list says none, as in EasyTier's own list.
const MAX_CONNECTIONS: u32 = 100;

/// The place of a peer in a list, and the peer or every problem with it.
pub type Placed = (Place, Result<NewPeer, Vec<Problem>>);

/// The peers of a text, which may be in any form that [`peer_list::parse`] reads.
///
/// # Errors
///
/// If the list as a whole cannot be read.
pub fn parse(text: &str) -> Result<Vec<Placed>, ListProblem> {
    peer_list::parse(text).map(imported)
}

/// The peers of the entries of a list.
pub fn imported(entries: Vec<Entry>) -> Vec<Placed> {
    let of_entry = |Entry { place, peer }| match peer {
        Ok(listed) => (place, new_peer(listed)),
        Err(problems) => (place, Err(problems.into_iter().map(Problem::from).collect())),
    };
    entries.into_iter().map(of_entry).collect()
}

fn new_peer(mut listed: ListedPeer) -> Result<NewPeer, Vec<Problem>> {
    let mut problems = Vec::new();
    let tags: BTreeSet<Tag> = labels(listed.tags.take(), &mut problems);
    let regions: BTreeSet<Region> = labels(listed.regions.take(), &mut problems);
    let filled = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let network_secret = listed.network_secret.clone().filter(|_| listed.access != Some(ListedAccess::Guest));
    let network_name = filled(listed.network_name.clone())
        .or_else(|| network_secret.as_ref().map(|_| DEFAULT_NETWORK_NAME.to_owned()));
    let contacts = Contacts {
        qq_number: filled(listed.qq_number.take()),
        wechat: filled(listed.wechat.take()),
        mail: filled(listed.mail.take()),
    };
    let (description, max_connections) = (listed.description.take(), listed.max_connections);
    let (approved, submitted) = (listed.is_approved.unwrap_or(true), listed.submitted.unwrap_or(false));

    let peer = listed.into_peer(Origin::Local, Some(0)).map_err(Problem::from);
    // A node that no probe can check would be listed as unknown for ever.
    let peer = peer.and_then(|peer| peer.url.checkable().map(|()| peer).map_err(Problem::from));
    let peer = peer.map_err(|problem| problems.push(problem)).ok();
    let Some(peer) = peer.filter(|_| problems.is_empty()) else { return Err(problems) };
    let spec = PeerSpec {
        description: description.unwrap_or_default(),
        network_name,
        network_secret,
        mode: peer.mode,
        timeout: peer.timeout,
        allow_relay: peer.allow_relay,
        max_connections: max_connections.unwrap_or(MAX_CONNECTIONS),
        tags,
        regions,
        contacts,
        ..PeerSpec::named(peer.url, peer.name)
    };
    Ok(NewPeer { spec, approved, submitted })
}

fn labels<T: Ord + FromStr<Err = LabelError>>(texts: Option<Vec<String>>, problems: &mut Vec<Problem>) -> BTreeSet<T> {
    let texts = texts.unwrap_or_default();
    let filled = texts.iter().filter(|text| !text.trim().is_empty());
    filled.filter_map(|text| text.parse().map_err(|error| problems.push(Problem::Label(error))).ok()).collect()
}
