//! What another instance sends is checked before anything is done with it.

use std::collections::BTreeSet;

use data_encoding::HEXLOWER;
use uuid::Uuid;

use crate::{
    domain::{
        Content, CredentialKind, LiveSetting, ObjectKey, ObjectKind, ObjectState, Region, SharedConfig,
        SyncedCredential, SyncedObject, SyncedPeer, Timestamp,
    },
    error::{Conflict, StoreError},
    merge,
    store::live_settings,
};

/// The greatest epoch, counter and id: 2^53, which JSON holds exactly.
const MAX: i64 = 1 << 53;

/// The objects of a configuration that this program knows, without deletions that are too old to be remembered.
///
/// # Errors
///
/// [`Conflict::ImpossibleConfiguration`] when no instance can have made it.
pub(super) fn known_objects(theirs: &SharedConfig, now: Timestamp) -> Result<Vec<SyncedObject>, StoreError> {
    let in_range = |number: i64| (0..=MAX).contains(&number);
    let numbers = [theirs.version.epoch, theirs.version.version, theirs.highest_peer_id];
    let mut keys: BTreeSet<&ObjectKey> = BTreeSet::new();
    let mut ids: BTreeSet<i64> = BTreeSet::new();
    let possible = numbers.into_iter().chain(theirs.seen.values().copied()).all(in_range)
        && theirs.objects.iter().all(|object| {
            let has_own_id = match &object.state {
                ObjectState::Present(Content::Peer(peer)) => ids.insert(peer.id),
                _ => true,
            };
            has_own_id
                && keys.insert(&object.key)
                && in_range(object.version.epoch)
                && in_range(object.version.counter)
                && is_possible(object)
        });
    if !possible {
        return Err(Conflict::ImpossibleConfiguration.into());
    }
    let known = theirs.objects.iter().filter(|object| is_known(object) && merge::is_remembered(object, now));
    Ok(known.cloned().collect())
}

fn is_possible(SyncedObject { key, state, .. }: &SyncedObject) -> bool {
    let has_uuid = matches!(key.kind, ObjectKind::Peer | ObjectKind::Channel | ObjectKind::Maintenance);
    if has_nul(&key.uid) || has_uuid && key.uid.parse::<Uuid>().is_err() {
        return false;
    }
    let ObjectState::Present(content) = state else { return true };
    content.kind() == key.kind
        && match content {
            Content::Peer(peer) => is_possible_peer(peer),
            Content::Region => is_region(&key.uid),
            Content::Setting(_) => true,
            Content::Probe(probe) => is_region(&probe.region),
            Content::Credential(credential) => is_possible_credential(credential),
            Content::Channel(channel) => ![&channel.name, &channel.kind].into_iter().any(|text| has_nul(text)),
            Content::Maintenance(window) => ![Some(&window.spec.title), window.spec.title_zh.as_ref()]
                .into_iter()
                .flatten()
                .any(|text| has_nul(text)),
        }
}

fn is_possible_peer(peer: &SyncedPeer) -> bool {
    let spec = &peer.spec;
    let contacts = [&spec.contacts.qq_number, &spec.contacts.wechat, &spec.contacts.mail];
    let texts = contacts.into_iter().chain([&spec.network_name]).flatten().chain([&spec.name, &spec.description]);
    (1..=MAX).contains(&peer.id) && !texts.map(String::as_str).any(has_nul)
}

fn is_possible_credential(credential: &SyncedCredential) -> bool {
    let hash = credential.hash.expose();
    let is_hash = HEXLOWER.decode(hash.as_bytes()).is_ok_and(|bytes| bytes.len() == 32);
    let texts = [
        Some(&credential.name),
        credential.server_id.as_ref(),
        credential.enrolled_by.as_ref(),
        Some(&credential.scopes),
    ];
    is_hash
        && !texts.into_iter().flatten().any(|text| has_nul(text))
        && credential.region.iter().all(|name| is_region(name))
}

fn is_region(name: &str) -> bool {
    name.parse::<Region>().is_ok_and(|region| region.as_str() == name)
}

/// PostgreSQL cannot store it, so it would come back changed.
fn has_nul(text: &str) -> bool {
    text.contains('\0')
}

/// Whether this program can store an object. Those of a newer program are left to instances that can.
fn is_known(SyncedObject { key, state, .. }: &SyncedObject) -> bool {
    match (key.kind, state) {
        // A region stays for the sake of its history.
        (ObjectKind::Region, ObjectState::Deleted(_)) => false,
        (_, ObjectState::Present(Content::Setting(value))) => LiveSetting::from_name(&key.uid)
            .and_then(|setting| live_settings::text_of_shared(setting, *value))
            .is_some(),
        (_, ObjectState::Present(Content::Credential(credential))) => {
            CredentialKind::from_name(&credential.kind).is_some()
        }
        _ => true,
    }
}
