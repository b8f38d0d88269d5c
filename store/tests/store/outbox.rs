//! Results on their way from a probe's local history to a backend.

use easytier_probe::{Origin, Peer};
use easytier_uptime_store::{
    model::PeerId,
    store::{Listing, Wanted},
};

use crate::support::{NOW, TestStore, offline, on_both_engines, online, region, seconds};

on_both_engines! {
    results_go_out_in_the_order_they_came_with_the_backends_ids,
    results_of_others_stay,
    results_under_a_former_name_go_out_too,
    only_the_newest_of_each_peer_go_out_where_no_others_are_wanted,
    the_end_of_what_is_too_old_is_found,
    the_spool_is_kept_by_backend,
}

const BACKEND: &str = "http://hub.example";

/// The backend's peers 70 and 71, which are 1 and 2 here; a third is not the backend's.
async fn mirrored(hub: &TestStore) {
    let peer = |id: i64| Peer {
        origin: Origin::Remote,
        ..Peer::local(id, format!("tcp://192.0.2.{id}:11010").parse().unwrap())
    };
    let peers = [peer(70), peer(71)];
    let listing = Listing { backend: BACKEND, peers: &peers, complete: true, forget_after: seconds(1) };
    hub.mirror_peers(listing, NOW).await.unwrap();
    hub.add("tcp://192.0.2.99:11010").await;
}

async fn results_go_out_in_the_order_they_came_with_the_backends_ids(hub: TestStore) {
    mirrored(&hub).await;
    let probe = hub.probe("p1", "eu").await;
    assert_eq!(hub.newest_result().await.unwrap(), 0);
    let results = [online(PeerId(2), NOW), offline(PeerId(1), NOW)];
    for result in &results {
        hub.report(&probe, vec![result.clone()], NOW).await;
    }
    let newest = hub.newest_result().await.unwrap();
    let outgoing = hub.outgoing(BACKEND, probe.probe, (0, newest), Wanted::Every, 10).await.unwrap();
    let [first, second] = &outgoing[..] else { panic!("{outgoing:?}") };
    assert_eq!((first.result.peer_id, second.result.peer_id), (71, 70));
    assert!(first.row < second.row && second.row == newest);
    let mut expected = results[0].clone();
    (expected.peer_id, expected.healthy) = (71, Some(1));
    assert_eq!(first.result, expected, "everything is as it was checked");

    assert_eq!(hub.outgoing(BACKEND, probe.probe, (0, newest), Wanted::Every, 1).await.unwrap(), outgoing[..1]);
    assert_eq!(
        hub.outgoing(BACKEND, probe.probe, (first.row, newest), Wanted::Every, 10).await.unwrap(),
        outgoing[1..]
    );
    assert_eq!(hub.outgoing(BACKEND, probe.probe, (0, first.row), Wanted::Every, 10).await.unwrap(), outgoing[..1]);
}

async fn results_of_others_stay(hub: TestStore) {
    mirrored(&hub).await;
    hub.create_node_token("p2", Some("p2"), &region("eu"), NOW).await.unwrap();
    let (ours, theirs) = (hub.probe("p1", "eu").await, hub.probe("p2", "eu").await);
    hub.report(&theirs, vec![online(PeerId(1), NOW)], NOW).await;
    hub.report(&ours, vec![online(PeerId(3), NOW)], NOW).await;
    let newest = hub.newest_result().await.unwrap();
    assert_eq!(hub.outgoing(BACKEND, ours.probe, (0, newest), Wanted::Every, 10).await.unwrap(), []);
    assert_eq!(hub.outgoing("http://other.example", theirs.probe, (0, newest), Wanted::Every, 10).await.unwrap(), []);
}

async fn results_under_a_former_name_go_out_too(hub: TestStore) {
    mirrored(&hub).await;
    let (before, now) = (hub.probe("p1", "eu").await, hub.probe("p2", "eu").await);
    hub.report(&before, vec![online(PeerId(1), NOW)], NOW).await;
    hub.report(&now, vec![online(PeerId(2), NOW)], NOW).await;
    let newest = hub.newest_result().await.unwrap();
    let outgoing = hub.outgoing(BACKEND, now.probe, (0, newest), Wanted::Every, 10).await.unwrap();
    assert_eq!(outgoing.iter().map(|outgoing| outgoing.result.peer_id).collect::<Vec<_>>(), [70, 71]);
}

async fn only_the_newest_of_each_peer_go_out_where_no_others_are_wanted(hub: TestStore) {
    mirrored(&hub).await;
    let probe = hub.probe("p1", "eu").await;
    for (second, peer) in [2, 1, 1, 2, 1].into_iter().enumerate() {
        let at = NOW + seconds(second as u64);
        hub.report(&probe, vec![online(PeerId(peer), at)], at).await;
    }
    let newest = hub.newest_result().await.unwrap();
    let rows = async |range, limit| -> Vec<i64> {
        let outgoing = hub.outgoing(BACKEND, probe.probe, range, Wanted::NewestOfEachPeer, limit).await.unwrap();
        outgoing.into_iter().map(|outgoing| outgoing.row).collect()
    };
    assert_eq!(rows((0, newest), 10).await, [newest - 1, newest]);
    assert_eq!(rows((0, newest), 1).await, [newest - 1]);
    assert_eq!(rows((0, newest - 1), 10).await, [newest - 1], "a newer one is not in the range");
    assert_eq!(rows((newest - 1, newest), 10).await, [newest]);
}

async fn the_end_of_what_is_too_old_is_found(hub: TestStore) {
    mirrored(&hub).await;
    let probe = hub.probe("p1", "eu").await;
    for second in 0..20 {
        let at = NOW + seconds(second);
        hub.report(&probe, vec![online(PeerId(1), at)], at).await;
    }
    let newest = hub.newest_result().await.unwrap();
    let rows = hub.outgoing(BACKEND, probe.probe, (0, newest), Wanted::Every, 100).await.unwrap();
    for nth in 0..20 {
        let last = hub.last_result_before(NOW + seconds(nth as u64), (0, newest)).await.unwrap();
        let expected = if nth == 0 { 0 } else { rows[nth - 1].row };
        assert_eq!(last.max(0), expected, "before second {nth}");
    }
    assert_eq!(hub.last_result_before(NOW + seconds(99), (0, newest)).await.unwrap(), newest);
}

async fn the_spool_is_kept_by_backend(hub: TestStore) {
    assert_eq!(hub.spool(BACKEND).await.unwrap(), None);
    for spool in ["{}", "[1]"] {
        hub.put_spool(BACKEND, spool).await.unwrap();
        assert_eq!(hub.spool(BACKEND).await.unwrap().as_deref(), Some(spool));
    }
    mirrored(&hub).await;
    assert_eq!(hub.spool(BACKEND).await.unwrap().as_deref(), Some("[1]"), "a listing leaves it alone");
    assert_eq!(hub.spool("http://other.example").await.unwrap(), None);
}
