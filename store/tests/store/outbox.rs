//! The outbox: results in a probe's local history that go to a backend.

use easytier_probe::{CheckResult, ListingVersion, Origin, Peer};
use easytier_uptime_store::{OutgoingFilter, PeerListing, domain::PeerId};

use crate::support::{NOW, TestStore, id_at, offline, on_both_engines, online, region, seconds};

on_both_engines! {
    outgoing_results_are_in_order_and_have_the_backends_ids,
    results_of_other_probes_are_not_outgoing,
    results_under_an_earlier_name_are_outgoing,
    results_of_a_peer_before_it_became_another_one_are_not_outgoing,
    the_filter_keeps_only_the_newest_result_of_each_peer,
    the_newest_result_is_that_of_the_newest_check_whatever_the_ids_say,
    the_last_result_before_a_time_is_found,
    the_spool_is_kept_by_backend,
}

const BACKEND: &str = "http://hub.example";
const EIGHTH: Option<ListingVersion> = Some(ListingVersion { epoch: 2, version: 8 });

fn listed(id: i64, host: i64) -> Peer {
    let url = format!("tcp://192.0.2.{host}:11010").parse().unwrap();
    Peer { origin: Origin::Remote, ..Peer::local(id, url) }
}

fn listing(peers: &[Peer], version: Option<ListingVersion>) -> PeerListing<'_> {
    PeerListing { backend: BACKEND, peers, complete: true, forget_after: seconds(1), version }
}

/// Adds the backend's peers 70 and 71, whose local ids are 1 and 2, and a third peer that the backend does not list.
async fn mirrored(hub: &TestStore) {
    hub.mirror_peers(listing(&[listed(70, 70), listed(71, 71)], None), NOW).await.unwrap();
    hub.add("tcp://192.0.2.99:11010").await;
}

async fn outgoing_results_are_in_order_and_have_the_backends_ids(hub: TestStore) {
    mirrored(&hub).await;
    let probe = hub.probe("p1", "eu").await;
    assert_eq!(hub.newest_result().await.unwrap(), 0);
    let certificate_expires_at = Some((NOW + seconds(86_400)).into());
    let results = [CheckResult { certificate_expires_at, ..online(PeerId(2), NOW) }, offline(PeerId(1), NOW)];
    for result in &results {
        hub.report(&probe, vec![result.clone()], NOW).await;
    }
    let newest = hub.newest_result().await.unwrap();
    let outgoing = hub.outgoing(BACKEND, probe.probe, (0, newest), OutgoingFilter::All, 10).await.unwrap();
    let [first, second] = &outgoing[..] else { panic!("{outgoing:?}") };
    assert_eq!((first.result.peer_id, second.result.peer_id), (71, 70));
    assert!(first.row < second.row && second.row == newest);
    let mut expected = results[0].clone();
    (expected.peer_id, expected.healthy) = (71, Some(1));
    assert_eq!(first.result, expected, "the result is unchanged");

    assert_eq!(hub.outgoing(BACKEND, probe.probe, (0, newest), OutgoingFilter::All, 1).await.unwrap(), outgoing[..1]);
    assert_eq!(
        hub.outgoing(BACKEND, probe.probe, (first.row, newest), OutgoingFilter::All, 10).await.unwrap(),
        outgoing[1..]
    );
    assert_eq!(
        hub.outgoing(BACKEND, probe.probe, (0, first.row), OutgoingFilter::All, 10).await.unwrap(),
        outgoing[..1]
    );
}

async fn results_of_other_probes_are_not_outgoing(hub: TestStore) {
    mirrored(&hub).await;
    hub.create_node_token("p2", Some("p2"), &region("eu"), NOW).await.unwrap();
    let (ours, theirs) = (hub.probe("p1", "eu").await, hub.probe("p2", "eu").await);
    hub.report(&theirs, vec![online(PeerId(1), NOW)], NOW).await;
    hub.report(&ours, vec![online(PeerId(3), NOW)], NOW).await;
    let newest = hub.newest_result().await.unwrap();
    assert_eq!(hub.outgoing(BACKEND, ours.probe, (0, newest), OutgoingFilter::All, 10).await.unwrap(), []);
    assert_eq!(
        hub.outgoing("http://other.example", theirs.probe, (0, newest), OutgoingFilter::All, 10).await.unwrap(),
        []
    );
}

async fn results_under_an_earlier_name_are_outgoing(hub: TestStore) {
    mirrored(&hub).await;
    let (before, now) = (hub.probe("p1", "eu").await, hub.probe("p2", "eu").await);
    hub.report(&before, vec![online(PeerId(1), NOW)], NOW).await;
    hub.report(&now, vec![online(PeerId(2), NOW)], NOW).await;
    let newest = hub.newest_result().await.unwrap();
    let outgoing = hub.outgoing(BACKEND, now.probe, (0, newest), OutgoingFilter::All, 10).await.unwrap();
    assert_eq!(outgoing.iter().map(|outgoing| outgoing.result.peer_id).collect::<Vec<_>>(), [70, 71]);
}

async fn results_of_a_peer_before_it_became_another_one_are_not_outgoing(hub: TestStore) {
    mirrored(&hub).await;
    assert_eq!(hub.mirrored_version(BACKEND).await.unwrap(), None);
    let probe = hub.probe("p1", "eu").await;
    let before = NOW + seconds(1);
    hub.report(&probe, vec![online(PeerId(1), before), online(PeerId(2), before)], before).await;
    let watched = hub.held_config().await.unwrap();

    let changed = NOW + seconds(2);
    hub.mirror_peers(listing(&[listed(70, 99), listed(71, 71)], EIGHTH), changed).await.unwrap();
    assert_eq!(hub.mirrored_version(BACKEND).await.unwrap(), EIGHTH);
    // A check of the peer as it was, which ends after the change.
    let after = NOW + seconds(3);
    let late = CheckResult { listing: Some(watched.into()), ..offline(PeerId(1), after) };
    assert_eq!(hub.report(&probe, vec![late, online(PeerId(1), after)], after).await.rejected.len(), 1);
    let outgoing = hub.outgoing(BACKEND, probe.probe, (0, i64::MAX), OutgoingFilter::All, 10).await.unwrap();
    let sent: Vec<_> = outgoing.iter().map(|one| (one.result.peer_id, one.result.checked_at)).collect();
    assert_eq!(sent, [(71, before.into()), (70, after.into())]);

    hub.mirror_peers(listing(&[listed(70, 99)], None), after).await.unwrap();
    assert_eq!(hub.mirrored_version(BACKEND).await.unwrap(), None, "a list without a version");
}

async fn the_filter_keeps_only_the_newest_result_of_each_peer(hub: TestStore) {
    mirrored(&hub).await;
    let probe = hub.probe("p1", "eu").await;
    for (second, peer) in [2, 1, 1, 2, 1].into_iter().enumerate() {
        let at = NOW + seconds(second as u64);
        hub.report(&probe, vec![online(PeerId(peer), at)], at).await;
    }
    let all = hub.outgoing(BACKEND, probe.probe, (0, i64::MAX), OutgoingFilter::All, 10).await.unwrap();
    let [.., before, newest] = all.iter().map(|outgoing| outgoing.row).collect::<Vec<i64>>()[..] else { panic!() };
    assert_eq!(hub.newest_result().await.unwrap(), newest);
    let rows = async |range, limit| -> Vec<i64> {
        let outgoing =
            hub.outgoing(BACKEND, probe.probe, range, OutgoingFilter::NewestOfEachPeer, limit).await.unwrap();
        outgoing.into_iter().map(|outgoing| outgoing.row).collect()
    };
    assert_eq!(rows((0, newest), 10).await, [before, newest]);
    assert_eq!(rows((0, newest), 1).await, [before]);
    assert_eq!(rows((0, before), 10).await, [before], "the newest result is outside of the range");
    assert_eq!(rows((before, newest), 10).await, [newest]);
}

async fn the_last_result_before_a_time_is_found(hub: TestStore) {
    mirrored(&hub).await;
    let probe = hub.probe("p1", "eu").await;
    for second in 0..20 {
        let at = NOW + seconds(second);
        hub.report(&probe, vec![online(PeerId(1), at)], at).await;
    }
    let newest = hub.newest_result().await.unwrap();
    let rows = hub.outgoing(BACKEND, probe.probe, (0, newest), OutgoingFilter::All, 100).await.unwrap();
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
    assert_eq!(hub.spool(BACKEND).await.unwrap().as_deref(), Some("[1]"), "a listing does not change the spool");
    assert_eq!(hub.spool("http://other.example").await.unwrap(), None);
}

async fn the_newest_result_is_that_of_the_newest_check_whatever_the_ids_say(hub: TestStore) {
    mirrored(&hub).await;
    let probe = hub.probe("p1", "eu").await;
    let (mut last, mut before) = (offline(PeerId(1), NOW), online(PeerId(1), NOW - seconds(1)));
    // The check that failed took long: its id is older than that of the one before it.
    (last.id, before.id) = (id_at(NOW - seconds(3)), id_at(NOW - seconds(1)));
    hub.report(&probe, vec![last.clone(), before], NOW).await;
    let filter = OutgoingFilter::NewestOfEachPeer;
    let newest = hub.outgoing(BACKEND, probe.probe, (0, i64::MAX), filter, 10).await.unwrap();
    assert_eq!(newest.iter().map(|outgoing| outgoing.result.id).collect::<Vec<_>>(), [last.id]);
}
