//! Regions in which most peers turn offline at once.

use std::{collections::BTreeMap, time::Duration};

use easytier_probe::CheckResult;
use easytier_uptime_store::{
    Store,
    domain::{
        Doubt, EventKind, LiveSettings, PeerId, Policy, ProbeIdentity, RegionStatus, StatusReport, Timestamp, Verdict,
    },
};

use crate::support::{NOW, TestStore, batch, offline, on_both_engines, online, region, seconds, unknown};

on_both_engines! {
    a_region_that_turns_most_peers_offline_does_not_count_until_the_next_interval,
    peers_that_are_back_at_the_next_interval_never_went_down,
    a_round_in_several_requests_is_judged_as_one,
    without_damping_the_first_request_of_a_round_is_corrected_by_the_others,
    a_round_that_goes_to_several_hubs_is_judged_as_one,
    a_doubt_outlives_the_hub,
    peers_that_all_regions_lose_go_down_at_once,
    few_peers_go_down_at_once,
    doubt_can_be_turned_off,
    results_in_doubt_are_counted_in_statistics,
    a_region_in_doubt_that_falls_silent_becomes_stale,
    a_degraded_probe_is_no_evidence_by_its_unknown_results_alone,
}

/// A hub with peers that two regions see online.
struct Regions {
    hub: TestStore,
    peers: Vec<PeerId>,
    eu: ProbeIdentity,
    us: ProbeIdentity,
}

impl Regions {
    async fn new(hub: TestStore, peers: usize) -> Self {
        let mut ids = Vec::new();
        for nth in 0..peers {
            ids.push(hub.add(&format!("tcp://192.0.2.{nth}:11010")).await);
        }
        let (eu, us) = (hub.probe("p1", "eu").await, hub.probe("p2", "us").await);
        let regions = Self { hub, peers: ids, eu, us };
        regions.us_sees(online, 0).await;
        regions.eu_sees(online, regions.peers.len(), 0).await;
        regions
    }

    /// The round of `us` that arrives after so many seconds.
    async fn us_sees(&self, result: fn(PeerId, Timestamp) -> CheckResult, after: u64) {
        self.hub.heartbeat(&self.us, None, NOW + seconds(after)).await.unwrap();
        report(&self.hub, &self.us, &self.peers, result, after).await;
    }

    /// The round of `eu`, with this result for the first peers; it sees the others online.
    async fn eu_sees(&self, result: fn(PeerId, Timestamp) -> CheckResult, first: usize, after: u64) {
        self.hub.heartbeat(&self.eu, None, NOW + seconds(after)).await.unwrap();
        let at = NOW + seconds(after);
        let results = self.peers.iter().enumerate();
        let results = results.map(|(nth, peer)| if nth < first { result(*peer, at) } else { online(*peer, at) });
        self.hub.report(&self.eu, results.collect(), at).await;
    }

    /// The verdicts, and how many peers have each.
    async fn verdicts(&self) -> Vec<(Verdict, u64)> {
        self.hub.count_peers().await.unwrap().into_iter().filter(|(_, count)| *count > 0).collect()
    }

    /// The changes of verdicts since all peers are up, as a set.
    async fn changes(&self) -> Vec<(String, String)> {
        let events = self.hub.events(None, None, 1000, true).await.unwrap();
        let changes = events.into_iter().filter(|event| event.kind == EventKind::Peer && event.was != "unknown");
        let mut changes: Vec<_> = changes.map(|event| (event.was, event.became)).collect();
        changes.sort();
        changes.dedup();
        changes
    }

    async fn doubt(&self) -> Option<Doubt> {
        let doubts = self.hub.doubts().await.unwrap();
        assert!(doubts.keys().all(|name| *name == region("eu")), "{doubts:?}");
        doubts.into_values().next()
    }
}

async fn report(
    store: &Store,
    from: &ProbeIdentity,
    peers: &[PeerId],
    result: fn(PeerId, Timestamp) -> CheckResult,
    after: u64,
) {
    let at = NOW + seconds(after);
    let results = peers.iter().map(|peer| result(*peer, at)).collect();
    let receipt = store.ingest(batch(from, results, at)).await.unwrap();
    assert_eq!(receipt.accepted, peers.len());
    store.fold().await.unwrap();
}

async fn set_policy(hub: &Store, policy: Policy) {
    hub.change_live_settings(&LiveSettings { policy, ..hub.live_settings() }, NOW).await.unwrap();
}

async fn a_region_that_turns_most_peers_offline_does_not_count_until_the_next_interval(hub: TestStore) {
    let regions = Regions::new(hub, 14).await;
    regions.eu_sees(offline, 12, 60).await;
    regions.us_sees(online, 60).await;
    assert_eq!(regions.doubt().await, None, "flap damping holds the changes back");
    regions.eu_sees(offline, 12, 120).await;
    regions.us_sees(online, 120).await;
    assert_eq!(regions.doubt().await, Some(Doubt { turned: 12, nodes: 14 }));
    assert_eq!((regions.verdicts().await, regions.changes().await), (vec![(Verdict::Up, 14)], vec![]));
    let now = NOW + seconds(120);
    let words = regions.hub.node_regions(regions.peers[0], now).await.unwrap();
    let words: Vec<_> = words.iter().map(|report| (report.region.as_str(), report.status, report.doubt)).collect();
    let doubt = Some(Doubt { turned: 12, nodes: 14 });
    assert_eq!(words, [("eu", None, doubt), ("us", Some(RegionStatus::Online), None)]);
    let words = regions.hub.node_regions(regions.peers[13], now).await.unwrap();
    assert!(words.iter().all(|report| report.status == Some(RegionStatus::Online) && report.doubt.is_none()));
    let overview = regions.hub.overview(now).await.unwrap();
    assert_eq!(overview.iter().filter(|view| view.regions[0].is_in_doubt).count(), 12);

    regions.eu_sees(offline, 12, 180).await;
    assert_eq!(
        (regions.doubt().await, regions.verdicts().await),
        (None, vec![(Verdict::Partial, 12), (Verdict::Up, 2)])
    );
    let events = regions.hub.peer_events(1).await.unwrap();
    assert_eq!(events[0].detail, serde_json::json!({ "online": 1, "regions": 2 }));
}

async fn peers_that_are_back_at_the_next_interval_never_went_down(hub: TestStore) {
    let regions = Regions::new(hub, 14).await;
    for after in [60, 120] {
        regions.us_sees(online, after).await;
        regions.eu_sees(offline, 14, after).await;
    }
    assert_eq!(regions.doubt().await, Some(Doubt { turned: 14, nodes: 14 }));
    regions.eu_sees(online, 14, 180).await;
    assert_eq!((regions.doubt().await, regions.changes().await), (None, vec![]));
    let words = regions.hub.node_regions(regions.peers[0], NOW + seconds(180)).await.unwrap();
    assert_eq!(words[0].status, Some(RegionStatus::Online));
}

async fn a_round_in_several_requests_is_judged_as_one(hub: TestStore) {
    let regions = Regions::new(hub, 14).await;
    for after in [60, 120] {
        regions.us_sees(online, after).await;
        for part in regions.peers[..12].chunks(3) {
            report(&regions.hub, &regions.eu, part, offline, after).await;
        }
    }
    assert_eq!(regions.doubt().await, Some(Doubt { turned: 12, nodes: 14 }));
    assert_eq!(regions.changes().await, []);
    // Some are confirmed, and some are back, before the rest is heard of.
    report(&regions.hub, &regions.eu, &regions.peers[..3], offline, 180).await;
    report(&regions.hub, &regions.eu, &regions.peers[3..6], online, 180).await;
    assert_eq!(regions.doubt().await, Some(Doubt { turned: 6, nodes: 14 }));
    assert_eq!(regions.verdicts().await, [(Verdict::Partial, 3), (Verdict::Up, 11)]);
}

async fn without_damping_the_first_request_of_a_round_is_corrected_by_the_others(hub: TestStore) {
    set_policy(&hub, Policy { confirmations: 1, ..Policy::default() }).await;
    let regions = Regions::new(hub, 14).await;
    regions.us_sees(online, 60).await;
    report(&regions.hub, &regions.eu, &regions.peers[..7], offline, 60).await;
    assert_eq!(regions.verdicts().await, [(Verdict::Partial, 7), (Verdict::Up, 7)], "half is not more than half");
    report(&regions.hub, &regions.eu, &regions.peers[7..8], offline, 61).await;
    assert_eq!(
        (regions.verdicts().await, regions.doubt().await),
        (vec![(Verdict::Up, 14)], Some(Doubt { turned: 8, nodes: 14 }))
    );
}

async fn a_round_that_goes_to_several_hubs_is_judged_as_one(hub: TestStore) {
    set_policy(&hub, Policy { confirmations: 1, ..Policy::default() }).await;
    let regions = Regions::new(hub, 14).await;
    let second = regions.hub.second_hub().await.unwrap();
    // Two other probes of the region share its peers.
    regions.hub.unregister_probe(&regions.eu, NOW).await.unwrap();
    let (one, other) = regions.peers.split_at(7);
    let (probe, other_probe) = (regions.hub.probe("p3", "eu").await, regions.hub.probe("p4", "eu").await);
    for round in 0..10 {
        let after = 1 + 2 * round;
        report(&regions.hub, &probe, one, online, after).await;
        report(&second, &other_probe, other, online, after).await;
        fold_all(&regions.hub, &second).await;
        tokio::join!(
            report(&regions.hub, &probe, one, offline, after + 1),
            report(&second, &other_probe, other, offline, after + 1),
        );
        fold_all(&regions.hub, &second).await;
        assert_eq!(regions.doubt().await, Some(Doubt { turned: 14, nodes: 14 }), "round {round}");
        assert_eq!(regions.verdicts().await, [(Verdict::Up, 14)], "round {round}");
    }
}

/// One of two hubs holds the duties.
async fn fold_all(one: &Store, other: &Store) {
    one.fold().await.unwrap();
    other.fold().await.unwrap();
}

async fn a_doubt_outlives_the_hub(hub: TestStore) {
    let regions = Regions::new(hub, 8).await;
    for after in [60, 120] {
        regions.us_sees(online, after).await;
        regions.eu_sees(offline, 8, after).await;
    }
    regions.hub.close().await;
    let next = regions.hub.restart().await;
    assert_eq!(next.doubts().await.unwrap(), BTreeMap::from([(region("eu"), Doubt { turned: 8, nodes: 8 })]));
    next.review(NOW + seconds(125)).await.unwrap();
    assert_eq!(next.node(regions.peers[0], NOW).await.unwrap().verdict, Verdict::Up);
    report(&next, &regions.eu, &regions.peers, offline, 180).await;
    assert_eq!(next.node(regions.peers[0], NOW).await.unwrap().verdict, Verdict::Partial);
}

async fn peers_that_all_regions_lose_go_down_at_once(hub: TestStore) {
    let regions = Regions::new(hub, 14).await;
    for after in [60, 120] {
        regions.us_sees(offline, after).await;
        regions.eu_sees(offline, 14, after).await;
    }
    assert_eq!((regions.doubt().await, regions.verdicts().await), (None, vec![(Verdict::Down, 14)]));
}

async fn few_peers_go_down_at_once(hub: TestStore) {
    let regions = Regions::new(hub, 14).await;
    for after in [60, 120] {
        regions.us_sees(online, after).await;
        regions.eu_sees(offline, 7, after).await;
    }
    assert_eq!(
        (regions.doubt().await, regions.verdicts().await),
        (None, vec![(Verdict::Partial, 7), (Verdict::Up, 7)])
    );
}

async fn doubt_can_be_turned_off(hub: TestStore) {
    set_policy(&hub, Policy { doubt_nodes: 0, ..Policy::default() }).await;
    let regions = Regions::new(hub, 14).await;
    for after in [60, 120] {
        regions.us_sees(online, after).await;
        regions.eu_sees(offline, 14, after).await;
    }
    assert_eq!((regions.doubt().await, regions.verdicts().await), (None, vec![(Verdict::Partial, 14)]));
}

async fn results_in_doubt_are_counted_in_statistics(hub: TestStore) {
    let regions = Regions::new(hub, 8).await;
    for after in [60, 120] {
        regions.us_sees(online, after).await;
        regions.eu_sees(offline, 8, after).await;
    }
    let now = NOW + seconds(120);
    let node = regions.hub.node(regions.peers[0], now).await.unwrap();
    assert_eq!((node.verdict, node.ring[0].checks, node.ring[0].healthy), (Verdict::Up, 6, 4));
    let words = regions.hub.node_regions(regions.peers[0], now).await.unwrap();
    assert_eq!((words[0].stats.total_checks, words[0].stats.healthy_count), (3, 1));
}

async fn a_region_in_doubt_that_falls_silent_becomes_stale(hub: TestStore) {
    let regions = Regions::new(hub, 8).await;
    for after in [60, 120] {
        regions.us_sees(online, after).await;
        regions.eu_sees(offline, 8, after).await;
    }
    // Results that say nothing about the peers end no doubt.
    regions.eu_sees(unknown, 8, 180).await;
    assert_eq!(regions.doubt().await, Some(Doubt { turned: 8, nodes: 8 }));
    regions.us_sees(online, 301).await;
    regions.hub.review(NOW + seconds(301)).await.unwrap();
    assert_eq!((regions.doubt().await, regions.changes().await), (None, vec![]));
}

async fn a_degraded_probe_is_no_evidence_by_its_unknown_results_alone(hub: TestStore) {
    let regions = Regions::new(hub, 3).await;
    let degraded =
        StatusReport { degraded: true, check_interval: Some(Duration::from_secs(60)), ..StatusReport::default() };
    regions.hub.report_status(&regions.eu, &degraded, NOW).await.unwrap();
    regions.us_sees(offline, 60).await;
    regions.hub.heartbeat(&regions.eu, None, NOW + seconds(60)).await.unwrap();
    regions.us_sees(offline, 120).await;
    assert_eq!(regions.verdicts().await, [(Verdict::Partial, 3)], "its results for online count");
    regions.eu_sees(unknown, 3, 120).await;
    assert_eq!(regions.verdicts().await, [(Verdict::Partial, 3)]);
    regions.us_sees(offline, 181).await;
    regions.hub.review(NOW + seconds(181)).await.unwrap();
    assert_eq!(regions.verdicts().await, [(Verdict::Down, 3)], "after three intervals they are stale");
}
