use easytier_probe::Scheme;
use easytier_uptime_store::domain::{NodeFilter, PageRequest, PeerId, Verdict};

use crate::support::{NOW, TestStore, offline, on_both_engines, online, seconds, spec};

on_both_engines! {
    a_node_shows_what_was_measured,
    the_list_is_filtered,
    the_list_is_paged_in_the_order_of_ids,
    rings_count_checks_by_quarter_of_an_hour,
    tags_are_those_of_approved_peers,
    the_pulse_changes_with_a_verdict_and_with_the_list_and_says_whose_verdict,
    all_peers_are_read_in_parts,
}

const ALL: PageRequest = PageRequest { page: 1, per_page: 1000 };

async fn ids(hub: &TestStore, filter: NodeFilter) -> Vec<PeerId> {
    let found = hub.nodes(&filter, ALL, NOW).await.unwrap();
    assert_eq!(found.total as usize, found.items.len());
    found.items.into_iter().map(|node| node.id).collect()
}

async fn a_node_shows_what_was_measured(hub: TestStore) {
    let mut shared = spec("tcp://node.example.net:11010");
    shared.max_connections = 200;
    shared.network_secret = None;
    let peer = hub.add_peer(&shared, NOW).await.unwrap();
    let fresh = hub.node(peer, NOW).await.unwrap();
    assert_eq!((fresh.verdict, fresh.health_percentage_24h(), fresh.usage_percentage()), (Verdict::Unknown, 0.0, None));
    let (eu, us) = (hub.probe("p1", "eu").await, hub.probe("p2", "us").await);
    hub.report(&eu, vec![online(peer, NOW)], NOW).await;
    let mut slower = online(peer, NOW);
    slower.response_time = Some(20.0);
    (slower.checks, slower.healthy) = (6, Some(5));
    hub.report(&us, vec![slower], NOW).await;
    let node = hub.node(peer, NOW).await.unwrap();
    assert_eq!((node.verdict, node.since, node.last_check_at), (Verdict::Up, NOW, Some(NOW)));
    assert_eq!(node.response_us, Some(16_000), "the median over regions");
    assert_eq!(node.version.as_deref(), Some("2.4.5"));
    assert_eq!((node.current_connections, node.usage_percentage()), (Some(37), Some(18.5)));
    assert_eq!(node.health_percentage_24h(), 600.0 / 7.0);
    assert_eq!(hub.nodes(&NodeFilter::default(), ALL, NOW).await.unwrap().items, [node]);
}

async fn the_list_is_filtered(hub: TestStore) {
    let mut tagged = spec("tcp://node.example.net:11010");
    tagged.name = "Shanghai 50%".into();
    tagged.tags = ["a".parse().unwrap(), "b".parse().unwrap()].into();
    let up = hub.add_peer(&tagged, NOW).await.unwrap();
    let mut other = spec("wss://other.example.org:443");
    other.tags = ["c".parse().unwrap()].into();
    let down = hub.add_peer(&other, NOW).await.unwrap();
    let unknown = hub.add("ws://third.example.org:80").await;
    hub.waiting(&spec("tcp://pending.example.net:1"), NOW).await;
    let probe = hub.probe("p1", "eu").await;
    hub.report(&probe, vec![online(up, NOW), offline(down, NOW)], NOW).await;

    let by = NodeFilter::default;
    assert_eq!(ids(&hub, by()).await, [up, down, unknown]);
    assert_eq!(ids(&hub, NodeFilter { is_active: Some(true), ..by() }).await, [up]);
    assert_eq!(ids(&hub, NodeFilter { is_active: Some(false), ..by() }).await, [down, unknown]);
    assert_eq!(ids(&hub, NodeFilter { protocol: Some(Scheme::Ws), ..by() }).await, [unknown]);
    for (search, found) in
        [("shanghai", vec![up]), ("50%", vec![up]), ("example.ORG", vec![down, unknown]), ("5_%", vec![])]
    {
        assert_eq!(ids(&hub, NodeFilter { search: Some(search.into()), ..by() }).await, found, "{search}");
    }
    let tags = |tags: &[&str]| tags.iter().map(|tag| tag.parse().unwrap()).collect();
    assert_eq!(ids(&hub, NodeFilter { tags: tags(&["a", "c", "x"]), ..by() }).await, [up, down], "any of them");
    assert_eq!(ids(&hub, NodeFilter { tags: tags(&["x"]), ..by() }).await, []);
    let both = NodeFilter { tags: tags(&["c"]), protocol: Some(Scheme::Tcp), ..by() };
    assert_eq!(ids(&hub, both).await, []);
}

async fn the_list_is_paged_in_the_order_of_ids(hub: TestStore) {
    let specs: Vec<_> = (0..5).map(|nth| spec(&format!("tcp://192.0.2.{nth}:11010"))).collect();
    hub.import_peers(&specs, NOW).await.unwrap();
    let mut seen = Vec::new();
    for page in 1..=4 {
        let found = hub.nodes(&NodeFilter::default(), PageRequest { page, per_page: 2 }, NOW).await.unwrap();
        assert_eq!(found.total, 5);
        seen.push(found.items.into_iter().map(|node| node.url).collect::<Vec<_>>());
    }
    assert_eq!(seen.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1, 0]);
    assert_eq!(seen.concat(), specs.into_iter().map(|spec| spec.url).collect::<Vec<_>>());
}

async fn rings_count_checks_by_quarter_of_an_hour(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    for quarter in 0..3u64 {
        let at = NOW + seconds(quarter * 900);
        let mut result = online(peer, at);
        (result.checks, result.healthy) = (180, Some(180 - quarter as u32));
        hub.report(&probe, vec![result], at).await;
    }
    let now = NOW + seconds(2 * 900 + 899);
    let counts = |now| {
        let hub = &hub;
        async move { hub.node(peer, now).await.unwrap().ring.map(|slot| (slot.checks, slot.healthy)) }
    };
    assert_eq!(counts(now).await[..4], [(180, 178), (180, 179), (180, 180), (0, 0)]);
    assert_eq!(counts(now + seconds(1)).await[..4], [(0, 0), (180, 178), (180, 179), (180, 180)]);
    let a_day_on = counts(NOW + seconds(24 * 3600)).await;
    assert_eq!((a_day_on[94], a_day_on[95]), ((180, 178), (180, 179)));
    assert_eq!(a_day_on.iter().map(|slot| slot.0).sum::<u32>(), 360, "the first quarter is a day ago");
}

async fn tags_are_those_of_approved_peers(hub: TestStore) {
    for (nth, tags) in [["b", "a"], ["a", "电信"]].iter().enumerate() {
        let mut tagged = spec(&format!("tcp://192.0.2.{nth}:1"));
        tagged.tags = tags.iter().map(|tag| tag.parse().unwrap()).collect();
        hub.add_peer(&tagged, NOW).await.unwrap();
    }
    let mut hidden = spec("tcp://192.0.2.9:1");
    hidden.tags = ["hidden".parse().unwrap()].into();
    let revoked = hub.add_peer(&hidden, NOW).await.unwrap();
    hub.set_approved(revoked, false, NOW).await.unwrap();
    hub.waiting(&hidden, NOW).await;
    assert_eq!(hub.tags().await.unwrap(), ["a", "b", "电信"]);
}

async fn the_pulse_changes_with_a_verdict_and_with_the_list_and_says_whose_verdict(hub: TestStore) {
    let (peer, other) = (hub.add("tcp://192.0.2.1:11010").await, hub.add("tcp://192.0.2.2:11010").await);
    let probe = hub.probe("p1", "eu").await;
    let before = hub.pulse().await.unwrap();
    hub.report(&probe, vec![online(peer, NOW)], NOW).await;
    let up = hub.pulse().await.unwrap();
    assert_eq!(up.list, before.list);
    assert_eq!(hub.peers_with_events(before.event, up.event).await.unwrap(), [peer]);
    // New figures change nothing that it counts.
    hub.report(&probe, vec![online(peer, NOW + seconds(5))], NOW + seconds(5)).await;
    assert_eq!(hub.pulse().await.unwrap(), up);
    assert_eq!(hub.peers_with_events(up.event, up.event).await.unwrap(), []);
    hub.set_approved(other, false, NOW).await.unwrap();
    let unlisted = hub.pulse().await.unwrap();
    assert_ne!(unlisted.list, up.list);
    let seen: Vec<PeerId> =
        hub.views_of(&[other, peer], NOW).await.unwrap().into_iter().map(|view| view.node.id).collect();
    assert_eq!(seen, [peer]);
}

async fn all_peers_are_read_in_parts(hub: TestStore) {
    let mut peers = Vec::new();
    for nth in 1..=5 {
        peers.push(hub.add(&format!("tcp://192.0.2.{nth}:11010")).await);
    }
    hub.set_approved(peers[2], false, NOW).await.unwrap();
    let probe = hub.probe("p1", "eu").await;
    hub.report(&probe, peers.iter().map(|peer| online(*peer, NOW)).collect(), NOW).await;
    let (mut after, mut views) = (PeerId(0), Vec::new());
    loop {
        let part = hub.views_after(after, 2, NOW).await.unwrap();
        let Some(last) = part.last() else { break };
        after = last.node.id;
        views.extend(part);
    }
    assert_eq!(views, hub.overview(NOW).await.unwrap());
    peers.remove(2);
    assert_eq!(views.iter().map(|view| view.node.id).collect::<Vec<_>>(), peers);
    assert!(views.iter().all(|view| view.regions.len() == 1));
}
