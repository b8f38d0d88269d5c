//! The merge of what two instances share, object by object.

use std::collections::BTreeMap;

use crate::domain::{ObjectKey, SyncedObject};

/// The objects of both, each in its newest version, sorted by key. The order of the arguments makes no difference, and merging
/// again changes nothing.
pub fn merge(ours: Vec<SyncedObject>, theirs: Vec<SyncedObject>) -> Vec<SyncedObject> {
    let mut merged: BTreeMap<ObjectKey, SyncedObject> = BTreeMap::new();
    for object in ours.into_iter().chain(theirs) {
        match merged.get(&object.key) {
            Some(known) if known.version >= object.version => {}
            _ => drop(merged.insert(object.key.clone(), object)),
        }
    }
    merged.into_values().collect()
}
