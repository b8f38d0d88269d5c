//! The merge of what two instances share, object by object: a pure function.
//!
//! Of two versions of an object the greater wins, whoever merges: so instances that have exchanged their objects have the same,
//! in whatever order they met. A deletion is a version too.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use crate::domain::{Content, DELETIONS_KEPT, ObjectKey, ObjectState, ObjectVersion, SyncedObject, Timestamp};

/// The objects of both, each in its newest version, sorted by key. The order of the arguments makes no difference, and merging
/// again changes nothing.
pub fn merge(
    ours: impl IntoIterator<Item = SyncedObject>,
    theirs: impl IntoIterator<Item = SyncedObject>,
) -> BTreeMap<ObjectKey, SyncedObject> {
    let mut merged: BTreeMap<ObjectKey, SyncedObject> = BTreeMap::new();
    for object in ours.into_iter().chain(theirs) {
        match merged.get(&object.key) {
            Some(known) if order(known, &object) != Ordering::Less => {}
            _ => drop(merged.insert(object.key.clone(), object)),
        }
    }
    merged
}

/// Which of two states of one object wins: the one with the greater version. Instances that led in the same epoch may have given
/// out one version twice: then a deletion wins, and of two contents the one with the greater hash. The version of the list in
/// which a peer became what it is makes no difference: each instance counts its lists for itself.
pub(crate) fn order(one: &SyncedObject, other: &SyncedObject) -> Ordering {
    one.version.cmp(&other.version).then_with(|| match (&one.state, &other.state) {
        (ObjectState::Deleted(one), ObjectState::Deleted(other)) => one.cmp(other),
        (ObjectState::Deleted(_), ObjectState::Present(_)) => Ordering::Greater,
        (ObjectState::Present(_), ObjectState::Deleted(_)) => Ordering::Less,
        (ObjectState::Present(one), ObjectState::Present(other)) if one == other => Ordering::Equal,
        (ObjectState::Present(one), ObjectState::Present(other)) => one.digest().cmp(&other.digest()),
    })
}

/// Whether an object is remembered at `now`: it exists, or its deletion is not too old.
pub fn is_remembered(object: &SyncedObject, now: Timestamp) -> bool {
    match object.state {
        ObjectState::Present(_) => true,
        ObjectState::Deleted(at) => now.since(at) <= DELETIONS_KEPT,
    }
}

/// Leaves one peer of those that have one URL and network: that of the highest version, and of equal ones the first. The others are
/// deleted at `at`, in `version` or what is higher than their own. Peers that were added on both sides of a split have one uid
/// and are none of them; but two peers may have been given one URL. Returns the keys of the deleted ones.
pub fn unite(
    objects: &mut BTreeMap<ObjectKey, SyncedObject>,
    at: Timestamp,
    version: ObjectVersion,
) -> BTreeSet<ObjectKey> {
    let mut owners: BTreeMap<(String, String), &SyncedObject> = BTreeMap::new();
    let mut doubles: BTreeSet<ObjectKey> = BTreeSet::new();
    for object in objects.values() {
        let ObjectState::Present(Content::Peer(peer)) = &object.state else { continue };
        let place = (peer.spec.url.full(), peer.spec.network_name.clone().unwrap_or_default());
        match owners.get(&place) {
            Some(owner) if owner.version >= object.version => drop(doubles.insert(object.key.clone())),
            owner => {
                doubles.extend(owner.map(|owner| owner.key.clone()));
                owners.insert(place, object);
            }
        }
    }
    for key in &doubles {
        if let Some(object) = objects.get_mut(key) {
            object.state = ObjectState::Deleted(at);
            object.version = ObjectVersion { epoch: version.epoch.max(object.version.epoch), ..version };
        }
    }
    doubles
}

/// Gives ids to peers whose id another peer has too: that of the highest version keeps it. The others get the ids after
/// `highest` in the order of their uids, and `version`, or what is higher than their own. So instances that merged the same
/// objects give out the same ids. Returns the keys of the peers that got another id.
pub fn assign_ids(
    objects: &mut BTreeMap<ObjectKey, SyncedObject>,
    highest: i64,
    version: ObjectVersion,
) -> BTreeSet<ObjectKey> {
    let mut owners: BTreeMap<i64, &SyncedObject> = BTreeMap::new();
    let mut homeless: BTreeSet<ObjectKey> = BTreeSet::new();
    for object in objects.values() {
        let ObjectState::Present(Content::Peer(peer)) = &object.state else { continue };
        match owners.get(&peer.id) {
            // Both are sorted by uid: of equal versions the first uid keeps the id.
            Some(owner) if owner.version >= object.version => drop(homeless.insert(object.key.clone())),
            Some(owner) => {
                homeless.insert(owner.key.clone());
                owners.insert(peer.id, object);
            }
            None => drop(owners.insert(peer.id, object)),
        }
    }
    let highest = owners.last_key_value().map_or(highest, |(id, _)| highest.max(*id));
    for (key, id) in homeless.iter().zip(highest + 1..) {
        if let Some(object) = objects.get_mut(key)
            && let ObjectState::Present(Content::Peer(peer)) = &mut object.state
        {
            peer.id = id;
            object.version = ObjectVersion { epoch: version.epoch.max(object.version.epoch), ..version };
        }
    }
    homeless
}

#[cfg(test)]
mod tests;
