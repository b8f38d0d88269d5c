//! The configuration that a hub pushed to a probe, in the local history of the probe.

use std::collections::BTreeMap;

use easytier_probe::{ListingVersion, Origin, Peer};
use easytier_uptime_store::{
    HeldPushed, PeerListing, PushedKey, TakenPush,
    domain::{ConfigVersion, PushConflict, PushedConfig, PushedEnrollment, PushedVersion},
};

use crate::support::{NOW, TestStore, on_both_engines, seconds};

on_both_engines! {
    a_configuration_is_taken_as_a_whole_or_not_at_all,
    of_a_pushed_and_a_fetched_list_the_newer_one_counts,
    what_was_sealed_with_another_key_counts_as_nothing,
    what_was_pushed_can_be_forgotten_without_the_peers,
}

const BACKEND: &str = "http://hub.example";

fn key() -> PushedKey {
    PushedKey::of(&"the control token of this test".into())
}

fn version(epoch: i64, version: i64) -> ConfigVersion {
    ConfigVersion { epoch, version }
}

fn config(epoch: i64, number: i64) -> PushedConfig {
    PushedConfig {
        version: PushedVersion { cluster: "a".to_owned(), config: version(epoch, number) },
        updated_at: Some("2027-01-15T08:00:00Z".to_owned()),
        updated_by: Some("admin".to_owned()),
        settings: BTreeMap::from([("health_check_interval".to_owned(), format!("{number}s"))]),
        enrollment: None,
    }
}

fn peers(ids: &[i64]) -> Vec<Peer> {
    let peer = |id: &i64| {
        let url = format!("tcp://192.0.2.{id}:11010").parse().unwrap();
        Peer { origin: Origin::Remote, ..Peer::local(*id, url) }
    };
    ids.iter().map(peer).collect()
}

async fn push(hub: &TestStore, config: &PushedConfig, ids: &[i64]) -> Result<TakenPush, PushConflict> {
    let (peers, version) = (peers(ids), Some(config.version.config.into()));
    let listing = PeerListing { backend: BACKEND, peers: &peers, complete: true, forget_after: seconds(1), version };
    hub.take_pushed(&key(), config, listing, NOW).await.unwrap()
}

async fn fetch(hub: &TestStore, version: ConfigVersion, ids: &[i64]) {
    let peers = peers(ids);
    let listing = PeerListing {
        backend: BACKEND,
        peers: &peers,
        complete: true,
        forget_after: seconds(1),
        version: Some(version.into()),
    };
    hub.mirror_peers(listing, NOW).await.unwrap();
}

/// The ids at the backend of the peers that are checked.
async fn checked(hub: &TestStore) -> Vec<i64> {
    let ids = hub.remote_ids(BACKEND).await.unwrap();
    let mut checked: Vec<i64> = hub.mirrored_peers(BACKEND).await.unwrap().iter().map(|peer| ids[&peer.id]).collect();
    checked.sort_unstable();
    checked
}

async fn held(hub: &TestStore) -> Option<PushedConfig> {
    hub.held_pushed(&key()).await.unwrap().config()
}

async fn a_configuration_is_taken_as_a_whole_or_not_at_all(hub: TestStore) {
    assert_eq!(held(&hub).await, None);
    let enrollment = PushedEnrollment {
        backend_base_url: BACKEND.to_owned(),
        node_token: "the token of the probe".into(),
        region: Some("eu".to_owned()),
        server_id: "probe-1".to_owned(),
    };
    let first = PushedConfig { enrollment: Some(enrollment.clone()), ..config(3, 5) };
    let taken = push(&hub, &first, &[1, 2]).await.unwrap();
    assert_eq!(taken, TakenPush { held: first.clone(), has_new_peers: true });
    assert_eq!((held(&hub).await, checked(&hub).await), (Some(first.clone()), vec![1, 2]));
    assert_eq!(hub.count("settings WHERE value LIKE '%token of the probe%'").await, 0, "it is sealed");

    // What conflicts changes nothing.
    let other_cluster =
        PushedConfig { version: PushedVersion { cluster: "b".to_owned(), config: version(3, 6) }, ..config(3, 6) };
    for (conflicting, conflict) in [
        (config(3, 4), PushConflict::Older(version(3, 5))),
        (config(1004, 1), PushConflict::TooFarAhead(3)),
        (other_cluster, PushConflict::OtherCluster),
    ] {
        assert_eq!(push(&hub, &conflicting, &[9]).await, Err(conflict));
        assert_eq!((held(&hub).await, checked(&hub).await), (Some(first.clone()), vec![1, 2]));
    }

    // The same again is taken, and an enrollment stays when the next configuration has none.
    assert!(!push(&hub, &first, &[1, 2]).await.unwrap().has_new_peers);
    let next = push(&hub, &config(3, 6), &[2, 3]).await.unwrap();
    assert_eq!(next.held, PushedConfig { enrollment: Some(enrollment), ..config(3, 6) });
    assert_eq!((held(&hub).await, checked(&hub).await), (Some(next.held), vec![2, 3]));

    // Also after a restart.
    hub.close().await;
    let restarted = hub.restart().await;
    assert_eq!(restarted.held_pushed(&key()).await.unwrap().config().unwrap().version.config, version(3, 6));
}

async fn of_a_pushed_and_a_fetched_list_the_newer_one_counts(hub: TestStore) {
    let mirrored = async |hub: &TestStore| hub.mirrored_version(BACKEND).await.unwrap();
    fetch(&hub, version(0, 7), &[1]).await;
    let taken = push(&hub, &config(0, 6), &[2]).await.unwrap();
    assert!(!taken.has_new_peers, "the fetched list is newer");
    assert_eq!((held(&hub).await, checked(&hub).await), (Some(config(0, 6)), vec![1]), "the settings are taken");

    assert!(push(&hub, &config(0, 8), &[2]).await.unwrap().has_new_peers);
    assert_eq!(mirrored(&hub).await, Some(ListingVersion { epoch: 0, version: 8 }));
    assert_eq!(checked(&hub).await, [2]);
    fetch(&hub, version(1, 1), &[3]).await;
    assert_eq!(checked(&hub).await, [3]);
}

async fn what_was_sealed_with_another_key_counts_as_nothing(hub: TestStore) {
    push(&hub, &config(3, 5), &[1]).await.unwrap();
    let other = PushedKey::of(&"another control token".into());
    assert_eq!(hub.held_pushed(&other).await.unwrap(), HeldPushed::Unreadable);
    assert_eq!(held(&hub).await, Some(config(3, 5)), "with the earlier one it can be read again");

    let of_another_cluster = PushedVersion { cluster: "b".to_owned(), config: version(0, 1) };
    let config = PushedConfig { version: of_another_cluster, ..config(0, 1) };
    let listing = PeerListing { backend: BACKEND, peers: &[], complete: true, forget_after: seconds(1), version: None };
    hub.take_pushed(&other, &config, listing, NOW).await.unwrap().unwrap();
    assert_eq!(hub.held_pushed(&other).await.unwrap().config(), Some(config));
    assert_eq!(hub.held_pushed(&key()).await.unwrap(), HeldPushed::Unreadable);
}

async fn what_was_pushed_can_be_forgotten_without_the_peers(hub: TestStore) {
    assert!(!hub.forget_pushed().await.unwrap());
    push(&hub, &config(3, 5), &[1]).await.unwrap();
    assert!(hub.forget_pushed().await.unwrap());
    assert_eq!((held(&hub).await, checked(&hub).await), (None, vec![1]));
    assert_eq!(hub.mirrored_version(BACKEND).await.unwrap(), None);
    let other = PushedVersion { cluster: "b".to_owned(), config: version(0, 1) };
    let taken = push(&hub, &PushedConfig { version: other, ..config(0, 1) }, &[1, 2]).await.unwrap();
    assert!(taken.has_new_peers, "any cluster and version may follow");
}
