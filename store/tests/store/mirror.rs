//! The peers of a backend in the local history of a probe.

use std::time::Duration;

use easytier_probe::{Access, CheckMode, Membership, Origin, Peer};
use easytier_uptime_store::{
    PeerListing, StoreError,
    domain::{ConfigVersion, PeerId, Timestamp},
};

use crate::support::{NOW, TestStore, offline, on_both_engines, seconds, spec};

on_both_engines! {
    a_listed_peer_is_approved_as_it_was_listed,
    a_new_listing_updates_the_peers,
    a_peer_that_is_no_longer_listed_is_not_approved_and_keeps_its_history,
    a_peer_missing_from_an_incomplete_listing_stays_approved_for_a_while,
    a_known_peer_keeps_its_id,
    each_backend_has_its_own_ids,
    a_peer_that_is_listed_twice_is_added_once,
}

const BACKEND: &str = "http://hub.example";
const LISTING: ConfigVersion = ConfigVersion { epoch: 0, version: 1 };
const FORGET_AFTER: Duration = seconds(3600);

fn listing(peers: &[Peer]) -> PeerListing<'_> {
    PeerListing { backend: BACKEND, peers, complete: true, forget_after: FORGET_AFTER, version: None }
}

fn peer(id: i64, url: &str) -> Peer {
    Peer { name: Some(format!("node {id}")), origin: Origin::Remote, ..Peer::local(id, url.parse().unwrap()) }
}

/// The approved peers of a backend.
async fn approved(hub: &TestStore, backend: &str) -> Vec<Peer> {
    let peers = hub.mirrored_peers(backend).await.unwrap();
    peers.into_iter().map(|peer| Peer { listing: None, ..peer.to_check(Origin::Remote, LISTING) }).collect()
}

async fn a_listed_peer_is_approved_as_it_was_listed(hub: TestStore) {
    let network = Membership { network_name: "net".into(), network_secret: "".into() };
    let member = Peer {
        access: Access::Member(network),
        mode: CheckMode::Handshake,
        timeout: Some(seconds(3)),
        allow_relay: true,
        tags: vec!["fast".into()],
        ..peer(70, "tcp://192.0.2.1:11010")
    };
    let stranger = Peer { origin: Origin::Submitted, ..peer(90, "udp://192.0.2.2:11010") };
    hub.mirror_peers(listing(&[member.clone(), stranger.clone()]), NOW).await.unwrap();

    let expected = [Peer { id: 1, ..member }, Peer { id: 2, ..stranger }];
    assert_eq!(approved(&hub, BACKEND).await, expected, "under ids of its own, everything else as it came");
    assert_eq!(approved(&hub, "http://other.example").await, []);
}

async fn a_new_listing_updates_the_peers(hub: TestStore) {
    hub.mirror_peers(listing(&[peer(7, "tcp://192.0.2.1:11010"), peer(9, "tcp://192.0.2.2:11010")]), NOW)
        .await
        .unwrap();
    // The two peers swap their addresses, and one gets a secret.
    let network = Membership { network_name: "net".into(), network_secret: "s".into() };
    let changed = [
        Peer { access: Access::Member(network), ..peer(7, "tcp://192.0.2.2:11010") },
        peer(9, "tcp://192.0.2.1:11010"),
    ];
    hub.mirror_peers(listing(&changed), NOW).await.unwrap();
    let [first, second] = changed;
    assert_eq!(approved(&hub, BACKEND).await, [Peer { id: 1, ..first }, Peer { id: 2, ..second }]);
}

async fn a_peer_that_is_no_longer_listed_is_not_approved_and_keeps_its_history(hub: TestStore) {
    let both = [peer(7, "tcp://192.0.2.1:11010"), peer(9, "tcp://192.0.2.2:11010")];
    hub.mirror_peers(listing(&both), NOW).await.unwrap();
    let probe = hub.probe("p1", "eu").await;
    hub.report(&probe, vec![offline(PeerId(1), NOW)], NOW).await;

    hub.mirror_peers(listing(&both[1..]), NOW).await.unwrap();
    assert_eq!(approved(&hub, BACKEND).await.len(), 1);
    let gone = hub.node(PeerId(1), NOW).await;
    assert!(matches!(gone, Err(StoreError::NotFound(_))), "{gone:?}");

    hub.mirror_peers(listing(&both), NOW).await.unwrap();
    assert_eq!(hub.node(PeerId(1), NOW).await.unwrap().ring[0].checks, 1, "its history is still there");
}

async fn a_peer_missing_from_an_incomplete_listing_stays_approved_for_a_while(hub: TestStore) {
    let both = [peer(7, "tcp://192.0.2.1:11010"), peer(9, "tcp://192.0.2.2:11010")];
    let incomplete = |peers| PeerListing { complete: false, ..listing(peers) };
    hub.mirror_peers(incomplete(&both), NOW).await.unwrap();
    hub.mirror_peers(incomplete(&both[..1]), NOW + seconds(3599)).await.unwrap();
    assert_eq!(approved(&hub, BACKEND).await.len(), 2, "it may be missing because it is offline");
    hub.mirror_peers(incomplete(&both[..1]), NOW + seconds(3600)).await.unwrap();
    assert_eq!(approved(&hub, BACKEND).await.len(), 1);
    hub.mirror_peers(incomplete(&[]), NOW + seconds(7198)).await.unwrap();
    assert_eq!(approved(&hub, BACKEND).await.len(), 1, "the time counts from the last listing");
}

async fn a_known_peer_keeps_its_id(hub: TestStore) {
    let kept = hub.add("tcp://192.0.2.2:11010").await;
    let others = hub.add("tcp://192.0.2.3:11010").await;
    hub.mirror_peers(listing(&[peer(1, "tcp://192.0.2.1:11010"), peer(2, "tcp://192.0.2.2:11010")]), NOW)
        .await
        .unwrap();
    let ids: Vec<i64> = approved(&hub, BACKEND).await.into_iter().map(|peer| peer.id).collect();
    assert_eq!(ids, [kept.0, others.0 + 1]);
    assert!(!hub.peer(others).await.unwrap().approved, "only listed peers are approved");
    assert_eq!(hub.peer(kept).await.unwrap().spec, hub_spec("tcp://192.0.2.2:11010", "node 2"));
}

fn hub_spec(url: &str, name: &str) -> easytier_uptime_store::domain::PeerSpec {
    easytier_uptime_store::domain::PeerSpec { name: name.into(), ..spec(url) }
}

async fn each_backend_has_its_own_ids(hub: TestStore) {
    let other = "http://other.example";
    hub.mirror_peers(listing(&[peer(1, "tcp://192.0.2.1:11010")]), NOW).await.unwrap();
    let there = [peer(1, "tcp://192.0.2.9:11010"), peer(2, "tcp://192.0.2.1:11010")];
    hub.mirror_peers(PeerListing { backend: other, ..listing(&there) }, NOW).await.unwrap();
    let places: Vec<_> = approved(&hub, other).await.into_iter().map(|peer| (peer.id, peer.url.to_string())).collect();
    assert_eq!(places, [(1, "tcp://192.0.2.1:11010".to_owned()), (2, "tcp://192.0.2.9:11010".to_owned())]);
}

async fn a_peer_that_is_listed_twice_is_added_once(hub: TestStore) {
    let twice = [peer(7, "tcp://192.0.2.1:11010"), peer(7, "tcp://192.0.2.1:11010")];
    hub.mirror_peers(listing(&twice), Timestamp(NOW.0)).await.unwrap();
    assert_eq!(approved(&hub, BACKEND).await.len(), 1);
}
