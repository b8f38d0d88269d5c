use proptest::prelude::*;

use super::*;
use crate::domain::{ObjectKind, PeerSpec, SyncedPeer};

const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn peer(id: i64, name: &str) -> Content {
    peer_at(id, name, 1)
}

fn peer_at(id: i64, name: &str, host: u8) -> Content {
    let mut spec = PeerSpec::new(format!("tcp://192.0.2.{host}:11010").parse().unwrap());
    spec.name = name.into();
    Content::Peer(Box::new(SyncedPeer {
        id,
        spec,
        approved: true,
        submitted: false,
        created_at: NOW,
        updated_at: NOW,
        target_since: NOW,
        target_version: 1,
    }))
}

fn object(uid: &str, version: (i64, i64), state: ObjectState) -> SyncedObject {
    let kind = match &state {
        ObjectState::Present(content) => content.kind(),
        ObjectState::Deleted(_) => ObjectKind::Peer,
    };
    let (epoch, counter) = version;
    SyncedObject { key: ObjectKey { kind, uid: uid.into() }, version: ObjectVersion { epoch, counter }, state }
}

/// Few keys and versions, so that they meet.
fn any_object() -> impl Strategy<Value = SyncedObject> {
    let state = prop_oneof![
        (1i64..5, "[ab]", 1u8..4).prop_map(|(id, name, host)| ObjectState::Present(peer_at(id, &name, host))),
        (0i64..3).prop_map(|ms| ObjectState::Deleted(Timestamp(NOW.0 + ms))),
    ];
    ("[a-d]", (0i64..3, 0i64..3), state).prop_map(|(uid, version, state)| object(&uid, version, state))
}

fn objects() -> impl Strategy<Value = Vec<SyncedObject>> {
    proptest::collection::vec(any_object(), 0..12)
}

/// What an instance has: one version of each object.
fn merged(one: &[SyncedObject], other: &[SyncedObject]) -> Vec<SyncedObject> {
    merge(one.to_vec(), other.to_vec()).into_values().collect()
}

proptest! {
    #[test]
    fn the_merge_is_commutative_associative_and_idempotent(a in objects(), b in objects(), c in objects()) {
        prop_assert_eq!(merged(&a, &b), merged(&b, &a));
        prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
        let both = merged(&a, &b);
        prop_assert_eq!(merged(&both, &both), both.clone());
        prop_assert_eq!(merged(&both, &b), both);
    }

    #[test]
    fn every_object_of_either_is_in_the_merge_in_its_greatest_version(a in objects(), b in objects()) {
        let both = merge(a.clone(), b.clone());
        for object in a.iter().chain(&b) {
            prop_assert!(both[&object.key].version >= object.version);
        }
        for object in both.values() {
            prop_assert!(a.contains(object) || b.contains(object));
        }
    }

    #[test]
    fn each_url_and_network_has_one_peer_and_all_instances_keep_the_same(a in objects(), b in objects()) {
        let next = ObjectVersion { epoch: 3, counter: 9 };
        let (mut one, mut other) = (merge(a.clone(), b.clone()), merge(b, a));
        let before = one.clone();
        let deleted = unite(&mut one, NOW, next);
        unite(&mut other, NOW, next);
        prop_assert_eq!(&one, &other);
        let mut places = BTreeMap::new();
        for (key, object) in &one {
            prop_assert_eq!(deleted.contains(key), object != &before[key]);
            prop_assert!(!deleted.contains(key) || object.version > before[key].version);
            let ObjectState::Present(Content::Peer(peer)) = &object.state else { continue };
            prop_assert!(places.insert(peer.spec.url.full(), object.version).is_none());
        }
        for key in &deleted {
            let ObjectState::Present(Content::Peer(peer)) = &before[key].state else { panic!("it was there") };
            prop_assert!(places[&peer.spec.url.full()] >= before[key].version, "the higher version stays");
        }
        prop_assert!(unite(&mut one, NOW, next).is_empty());
        // Merged with what the others still have, the deletions win.
        let again = merge(one.values().cloned(), before.into_values());
        prop_assert_eq!(&again, &one);
    }

    #[test]
    fn each_peer_has_an_id_of_its_own_and_all_instances_give_out_the_same(a in objects(), b in objects()) {
        let next = ObjectVersion { epoch: 3, counter: 9 };
        let (mut one, mut other) = (merge(a.clone(), b.clone()), merge(b, a));
        let before = one.clone();
        let changed = assign_ids(&mut one, 4, next);
        assign_ids(&mut other, 4, next);
        prop_assert_eq!(&one, &other);
        let mut ids = BTreeSet::new();
        for object in one.values() {
            let ObjectState::Present(Content::Peer(peer)) = &object.state else { continue };
            prop_assert!(ids.insert(peer.id), "{} twice", peer.id);
            prop_assert_eq!(changed.contains(&object.key), object != &before[&object.key]);
            prop_assert!(!changed.contains(&object.key) || object.version > before[&object.key].version && peer.id > 4);
        }
        prop_assert!(assign_ids(&mut one, 20, next).is_empty());
    }
}

#[test]
fn the_peer_with_the_higher_version_keeps_the_id_that_two_have() {
    let ours = object("a", (1, 7), ObjectState::Present(peer(7, "old")));
    let theirs = object("b", (2, 3), ObjectState::Present(peer(7, "new")));
    let mut both = merge([ours.clone()], [theirs.clone()]);
    let changed = assign_ids(&mut both, 11, ObjectVersion { epoch: 2, counter: 8 });
    assert_eq!(changed, [ours.key.clone()].into());
    assert_eq!(both[&theirs.key], theirs);
    assert_eq!(both[&ours.key], object("a", (2, 8), ObjectState::Present(peer(12, "old"))));
}

#[test]
fn deletions_are_remembered_for_90_days() {
    let deleted = object("a", (1, 1), ObjectState::Deleted(NOW));
    assert!(is_remembered(&deleted, NOW + DELETIONS_KEPT));
    assert!(!is_remembered(&deleted, NOW + DELETIONS_KEPT + std::time::Duration::from_millis(1)));
}
