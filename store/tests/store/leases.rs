use std::collections::{BTreeMap, BTreeSet};

use easytier_uptime_store::domain::{Claim, PeerId, PeerSpec};
use futures::future::join_all;

use crate::support::{NOW, TestStore, on_both_engines, online, region, seconds, spec, unknown};

on_both_engines! {
    sixteen_callers_never_get_the_same_peer,
    a_result_releases_its_lease,
    an_expired_lease_makes_the_peer_due_and_a_late_result_is_stored,
    a_late_result_does_not_end_the_lease_of_another_probe,
    the_least_recently_checked_come_first,
    each_region_has_its_own_leases,
    the_next_claim_sees_changes_of_the_list,
    peers_that_another_probe_of_the_region_checked_are_not_due,
    an_unknown_result_counts_as_a_check,
}

const CLAIM: Claim = Claim { interval: seconds(60), lease: seconds(60), count: 100 };

async fn add(hub: &TestStore, count: usize) -> Vec<PeerId> {
    let specs: Vec<PeerSpec> = (0..count).map(|nth| spec(&format!("tcp://192.0.2.{nth}:11010"))).collect();
    hub.import_peers(&specs, NOW).await.unwrap();
    hub.export_peers().await.unwrap().into_iter().map(|peer| peer.id).collect()
}

async fn sixteen_callers_never_get_the_same_peer(hub: TestStore) {
    let peers = add(&hub, 200).await;
    let probe = hub.probe("p1", "eu").await;
    let other = hub.second_hub().await.unwrap();
    let claim = Claim { count: 7, ..CLAIM };
    let callers = (0..16).map(|nth| {
        let store = if nth % 2 == 0 { &hub.store } else { &other };
        let probe = &probe;
        async move {
            let mut got = Vec::new();
            loop {
                let batch = store.claim_peers(probe, &claim, NOW).await.unwrap();
                assert!(batch.peers.len() <= 7);
                got.extend(batch.peers.iter().map(|peer| peer.id));
                if batch.peers.is_empty() && batch.more_due == 0 {
                    return got;
                }
            }
        }
    });
    let all: Vec<PeerId> = join_all(callers).await.concat();
    assert_eq!(all.len(), peers.len(), "no peer was leased twice");
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), peers.into_iter().collect());
}

async fn a_result_releases_its_lease(hub: TestStore) {
    let peers = add(&hub, 2).await;
    let probe = hub.probe("p1", "eu").await;
    let long = Claim { lease: seconds(900), ..CLAIM };
    let batch = hub.claim_peers(&probe, &long, NOW).await.unwrap();
    assert_eq!((batch.peers.len(), batch.more_due, batch.lease_expires_at), (2, 0, NOW + seconds(900)));
    // The probe's clock is a little slow.
    hub.report(&probe, vec![online(peers[0], NOW - seconds(3))], NOW + seconds(1)).await;
    let later = NOW + seconds(70);
    let again = hub.claim_peers(&probe, &long, later).await.unwrap();
    assert_eq!(again.peers.iter().map(|peer| peer.id).collect::<Vec<_>>(), [peers[0]]);
}

async fn an_expired_lease_makes_the_peer_due_and_a_late_result_is_stored(hub: TestStore) {
    let peers = add(&hub, 1).await;
    let probe = hub.probe("p1", "eu").await;
    hub.claim_peers(&probe, &CLAIM, NOW).await.unwrap();
    assert_eq!(hub.claim_peers(&probe, &CLAIM, NOW + seconds(59)).await.unwrap().peers, []);
    assert_eq!(hub.claim_peers(&probe, &CLAIM, NOW + seconds(60)).await.unwrap().peers.len(), 1);
    let late = hub.report(&probe, vec![online(peers[0], NOW + seconds(5))], NOW + seconds(61)).await;
    assert_eq!(late.accepted, 1);
}

async fn a_late_result_does_not_end_the_lease_of_another_probe(hub: TestStore) {
    let peers = add(&hub, 1).await;
    let (first, second) = (hub.probe("p1", "eu").await, hub.probe("p2", "eu").await);
    hub.claim_peers(&first, &CLAIM, NOW).await.unwrap();
    let taken_over = NOW + seconds(100);
    let long = Claim { lease: seconds(900), ..CLAIM };
    assert_eq!(hub.claim_peers(&second, &long, taken_over).await.unwrap().peers.len(), 1);
    hub.report(&first, vec![online(peers[0], NOW + seconds(1))], taken_over + seconds(1)).await;
    let later = taken_over + seconds(200);
    assert_eq!(hub.claim_peers(&first, &CLAIM, later).await.unwrap().peers, [], "the second lease lasts");
    hub.report(&second, vec![online(peers[0], taken_over + seconds(2))], later).await;
    assert_eq!(hub.claim_peers(&first, &CLAIM, later).await.unwrap().peers.len(), 1);
}

async fn the_least_recently_checked_come_first(hub: TestStore) {
    let peers = add(&hub, 4).await;
    let probe = hub.probe("p1", "eu").await;
    let minutes_ago: BTreeMap<PeerId, u64> = peers.iter().copied().zip([2, 5, 3]).collect();
    for (peer, ago) in &minutes_ago {
        hub.report(&probe, vec![online(*peer, NOW - seconds(60 * ago))], NOW).await;
    }
    let claim = Claim { count: 3, ..CLAIM };
    let batch = hub.claim_peers(&probe, &claim, NOW).await.unwrap();
    let order: Vec<PeerId> = batch.peers.iter().map(|peer| peer.id).collect();
    assert_eq!(order, [peers[3], peers[1], peers[2]]);
    assert_eq!(batch.more_due, 1);
}

async fn each_region_has_its_own_leases(hub: TestStore) {
    let everywhere = add(&hub, 1).await[0];
    let mut of_asia = spec("tcp://198.51.100.1:11010");
    of_asia.regions = [region("asia")].into();
    of_asia.network_secret = Some("s3cret".into());
    let asian = hub.add_peer(&of_asia, NOW).await.unwrap();
    let (eu, asia) = (hub.probe("p1", "eu").await, hub.probe("p2", "asia").await);
    let in_eu = hub.claim_peers(&eu, &CLAIM, NOW).await.unwrap();
    assert_eq!(in_eu.peers.iter().map(|peer| peer.id).collect::<Vec<_>>(), [everywhere]);
    let in_asia = hub.claim_peers(&asia, &CLAIM, NOW).await.unwrap();
    assert_eq!(in_asia.peers.iter().map(|peer| peer.id).collect::<Vec<_>>(), [everywhere, asian]);
    assert_eq!(in_asia.peers[1].network_secret, Some("s3cret".into()));
}

async fn the_next_claim_sees_changes_of_the_list(hub: TestStore) {
    let peers = add(&hub, 2).await;
    let probe = hub.probe("p1", "eu").await;
    let due = |at: u64| {
        let (hub, probe) = (&hub, &probe);
        async move {
            let batch = hub.claim_peers(probe, &CLAIM, NOW + seconds(at)).await.unwrap();
            batch.peers.into_iter().map(|peer| peer.id).collect::<BTreeSet<_>>()
        }
    };
    assert_eq!(due(0).await.len(), 2);
    hub.set_approved(peers[0], false, NOW).await.unwrap();
    let added = hub.add("tcp://198.51.100.1:11010").await;
    assert_eq!(due(100).await, [peers[1], added].into());
    hub.delete_peer(peers[1], NOW).await.unwrap();
    assert_eq!(due(200).await, [added].into());
    hub.edit_peer(added, |spec| spec.regions = [region("us")].into(), NOW).await.unwrap();
    hub.set_approved(peers[0], true, NOW).await.unwrap();
    assert_eq!(due(300).await, [peers[0]].into());
}

async fn peers_that_another_probe_of_the_region_checked_are_not_due(hub: TestStore) {
    let peers = add(&hub, 2).await;
    let (daemon, function) = (hub.probe("p1", "eu").await, hub.probe("p2", "eu").await);
    hub.report(&daemon, vec![online(peers[0], NOW)], NOW).await;
    let batch = hub.claim_peers(&function, &CLAIM, NOW + seconds(10)).await.unwrap();
    assert_eq!(batch.peers.iter().map(|peer| peer.id).collect::<Vec<_>>(), [peers[1]]);
}

async fn an_unknown_result_counts_as_a_check(hub: TestStore) {
    let peers = add(&hub, 1).await;
    let probe = hub.probe("p1", "eu").await;
    hub.claim_peers(&probe, &CLAIM, NOW).await.unwrap();
    hub.report(&probe, vec![unknown(peers[0], NOW)], NOW).await;
    assert_eq!(hub.claim_peers(&probe, &CLAIM, NOW + seconds(30)).await.unwrap().peers, []);
    assert_eq!(hub.claim_peers(&probe, &CLAIM, NOW + seconds(61)).await.unwrap().peers.len(), 1);
}
