//! The certificates of nodes.

use easytier_probe::CheckResult;
use easytier_uptime_store::domain::{DAY, PeerId, Timestamp};

use crate::support::{NOW, TestStore, on_both_engines, online, seconds};

on_both_engines! {
    the_first_certificate_to_expire_counts_of_those_that_were_seen_lately,
    a_certificate_goes_with_its_node_and_its_address,
}

fn seeing(peer: PeerId, at: Timestamp, expires_at: Timestamp) -> CheckResult {
    CheckResult { certificate_expires_at: Some(expires_at.into()), ..online(peer, at) }
}

async fn the_first_certificate_to_expire_counts_of_those_that_were_seen_lately(hub: TestStore) {
    let (one, other) = (hub.add("wss://192.0.2.1:11010").await, hub.add("wss://192.0.2.2:11010").await);
    let (eu, asia) = (hub.probe("p", "eu").await, hub.probe("q", "asia").await);
    let until = |days: u32| NOW + DAY * days;
    let all = async |before| hub.certificates_until(before).await.unwrap();
    let by_region = async || {
        let views = hub.views_of(&[one, other], NOW).await.unwrap();
        assert!(views[1].certificates.is_empty());
        views[0].certificates.iter().map(|(region, at)| (region.to_string(), *at)).collect::<Vec<_>>()
    };
    hub.report(&eu, vec![seeing(one, NOW, until(10)), online(other, NOW)], NOW).await;
    hub.report(&asia, vec![seeing(one, NOW, until(5))], NOW).await;
    assert_eq!(all(until(6)).await, [(one, until(5))]);
    assert_eq!(all(until(5)).await, []);
    assert_eq!(by_region().await, [("asia".into(), until(5)), ("eu".into(), until(10))]);

    // A check on an open session says nothing, and an older result that comes late changes nothing.
    let later = NOW + seconds(60);
    hub.report(&asia, vec![online(one, later), seeing(one, NOW - seconds(60), until(1))], later).await;
    assert_eq!(all(until(6)).await, [(one, until(5))]);

    // The certificate was renewed, which both regions see; one of them a while before.
    hub.report(&asia, vec![seeing(one, later, until(90))], later).await;
    assert_eq!(all(until(60)).await, [(one, until(10))]);
    let day = NOW + DAY + seconds(600);
    hub.report(&asia, vec![seeing(one, day, until(90))], day).await;
    assert_eq!(all(until(60)).await, [], "a region that has not seen it for a day does not count");
    assert_eq!(all(until(91)).await, [(one, until(90))]);
    assert_eq!(by_region().await, [("asia".into(), until(90))]);
}

async fn a_certificate_goes_with_its_node_and_its_address(hub: TestStore) {
    let (one, other) = (hub.add("wss://192.0.2.1:11010").await, hub.add("wss://192.0.2.2:11010").await);
    let eu = hub.probe("p", "eu").await;
    let soon = NOW + DAY;
    hub.report(&eu, vec![seeing(one, NOW, soon), seeing(other, NOW, soon)], NOW).await;
    hub.set_approved(other, false, NOW).await.unwrap();
    assert_eq!(hub.certificates_until(soon + DAY).await.unwrap(), [(one, soon)]);
    hub.edit_peer(one, |spec| spec.url = "wss://192.0.2.7:11010".parse().unwrap(), NOW).await.unwrap();
    assert_eq!(hub.count("certificates").await, 1);
    hub.delete_peer(other, NOW).await.unwrap();
    assert_eq!(hub.count("certificates").await, 0);
}
