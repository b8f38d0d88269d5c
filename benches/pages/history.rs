//! A realistic day of history: nodes with names and tags, three regions, mostly successful checks.

use std::time::Duration;

use easytier_probe::{CheckResult, FailureCode, Stage, Status};
use easytier_uptime_store::{
    Store,
    domain::{Batch, PageRequest, PeerFilter, PeerId, PeerSpec, Timestamp},
};
use uuid::Uuid;

/// The regions, each with its base round trip to the nodes in milliseconds.
const REGIONS: [(&str, f64); 3] = [("cn-east", 30.0), ("eu-west", 170.0), ("us-east", 210.0)];

/// The number of results per region and day: one every 15 minutes, each of which stands for checks every five seconds.
const RESULTS: u64 = 96;
const QUARTER: Duration = Duration::from_secs(900);
const CHECKS: u32 = 180;

pub async fn write(store: &Store, nodes: usize) {
    let now = Timestamp::now();
    store.import_peers(&(0..nodes).map(spec).collect::<Vec<_>>(), now).await.expect("new peers");
    let all = PageRequest { page: 1, per_page: u32::try_from(nodes).expect("few") };
    let peers = store.peers(&PeerFilter::default(), all).await.expect("a list").items;
    for (region, distance) in REGIONS {
        let probe = store.local_probe(region, &region.parse().expect("a region"), now).await.expect("a probe");
        store.heartbeat(&probe, None, now).await.expect("the heartbeat is stored");
        // The newest result is recent, so that there is a consensus.
        for age in (0..RESULTS).rev() {
            let at = now - QUARTER * age as u32;
            let results = peers.iter().map(|peer| result(peer.id, at, age, distance)).collect();
            let batch = Batch::of_probe(probe.clone(), now, results);
            store.ingest(batch).await.expect("results are stored");
        }
        store.fold().await.expect("results are applied");
    }
}

fn spec(nth: usize) -> PeerSpec {
    let url = format!("tcp://node-{nth}.example.net:{}", 11_000 + nth).parse().expect("a URL");
    let tags = [format!("tag {}", nth % 7), format!("other {}", nth % 3)];
    PeerSpec {
        tags: tags.iter().map(|tag| tag.parse().expect("a tag")).collect(),
        allow_relay: nth.is_multiple_of(2),
        ..PeerSpec::named(url, Some(format!("共享节点 {nth}")))
    }
}

/// Every node has a different day, so that the pages do not compress better than real ones.
fn result(peer: PeerId, at: Timestamp, age: u64, distance: f64) -> CheckResult {
    let number = peer.0.unsigned_abs();
    let bad = match (number * 31 + age * 7) % 41 {
        0 => CHECKS,
        1..4 => CHECKS / 9,
        _ => 0,
    };
    let is_down = bad == CHECKS;
    let round_trip = Some(distance + (number * 7919 % 90) as f64 + (age % 11) as f64).filter(|_| !is_down);
    CheckResult {
        id: Uuid::now_v7(),
        peer_id: peer.0,
        checked_at: at.into(),
        checks: CHECKS,
        healthy: Some(CHECKS - bad),
        status: if is_down { Status::Offline } else { Status::Online },
        response_time: round_trip,
        min_ms: round_trip,
        max_ms: round_trip,
        stage: if is_down { Stage::Connect } else { Stage::Route },
        error: is_down.then_some(FailureCode::ConnectTimeout),
        message: None,
        version: Some("2.4.5-4f53fccd".to_owned()),
        hostname: None,
        network_count: Some((number % 60) as u32),
        relay: None,
        relay_error: None,
        relay_ms: None,
        certificate_expires_at: None,
        listing: None,
    }
}
