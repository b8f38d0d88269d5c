use easytier_uptime_store::{
    Conflict, StoreError,
    domain::{
        Claim, NodeFilter, PageRequest, PeerFilter, PeerId, PeerScope, PeerSpec, ProbeIdentity, Rejection, Tag,
        Timestamp,
    },
};

use crate::support::{NOW, TestStore, batch, leadership, on_both_engines, online, seconds, spec};

on_both_engines! {
    what_is_set_aside_is_kept_and_nobody_else_sees_it,
    a_dependent_deletes_its_own_peers_only,
    an_instance_that_leaves_watches_its_peers_again,
    a_primary_takes_over_what_was_set_aside,
    an_instance_that_joins_its_own_cluster_again_sets_nothing_aside,
}

const URL: &str = "tcp://192.0.2.1:11010";

async fn own_peer(hub: &TestStore, probe: &ProbeIdentity) -> PeerId {
    let tag: Tag = "mine".parse().unwrap();
    let peer = hub.add_peer(&PeerSpec { tags: [tag].into(), ..spec(URL) }, NOW).await.unwrap();
    hub.report(probe, vec![online(peer, NOW)], NOW).await;
    peer
}

/// Everything that says that the only peer of a store is listed or checked.
async fn watched(hub: &TestStore, peer: PeerId, probe: &ProbeIdentity, later: Timestamp) -> Vec<(&'static str, bool)> {
    let (everywhere, of_region) = (
        PeerScope { region: None, with_secrets: true },
        PeerScope { region: Some(probe.region.clone()), with_secrets: true },
    );
    let claim = Claim { count: 10, lease: seconds(60), interval: seconds(60) };
    vec![
        ("listed to probes", hub.probe_peers(&everywhere, None, 10).await.unwrap().total > 0),
        ("listed to a region", hub.probe_peers(&of_region, None, 10).await.unwrap().total > 0),
        ("claimed", !hub.claim_peers(probe, &claim, later).await.unwrap().peers.is_empty()),
        ("public", hub.node(peer, NOW).await.is_ok()),
        ("its URL", hub.node_url(peer).await.is_ok()),
        ("in the list", hub.nodes(&NodeFilter::default(), PageRequest::default(), NOW).await.unwrap().total > 0),
        ("on the page", !hub.overview(NOW).await.unwrap().is_empty()),
        ("its history", hub.node_stats(peer, seconds(3600), NOW).await.is_ok()),
        ("its regions", hub.node_regions(peer, NOW).await.is_ok()),
        ("its tags", !hub.tags().await.unwrap().is_empty()),
        ("counted", hub.count_peers().await.unwrap().iter().any(|(_, count)| *count > 0)),
        ("in the log", !hub.events(None, None, 10, false).await.unwrap().is_empty()),
        ("in the feed", !hub.peer_events(10).await.unwrap().is_empty()),
    ]
}

async fn what_is_set_aside_is_kept_and_nobody_else_sees_it(hub: TestStore) {
    let probe = hub.probe("here", "eu").await;
    let peer = own_peer(&hub, &probe).await;
    for (place, seen) in watched(&hub, peer, &probe, NOW + seconds(3600)).await {
        assert!(seen, "{place}");
    }
    let version = hub.config_version().await.unwrap();
    hub.dependent().await;
    assert!(hub.config_version().await.unwrap() > version, "probes fetch the list again");
    for (place, seen) in watched(&hub, peer, &probe, NOW + seconds(7200)).await {
        assert!(!seen, "{place}");
    }
    let late = hub.ingest(batch(&probe, vec![online(peer, NOW + seconds(60))], NOW + seconds(60))).await.unwrap();
    assert_eq!(late.rejected.iter().map(|rejected| rejected.reason).collect::<Vec<_>>(), [Rejection::UnknownPeer]);
    let listed = hub.peers(&PeerFilter::default(), PageRequest::default()).await.unwrap();
    assert!(listed.items.len() == 1 && listed.items[0].set_aside && listed.items[0].approved);
    assert_eq!(hub.export_peers().await.unwrap(), listed.items);
    assert_eq!(hub.count("results").await, 1, "its history stays");
}

async fn a_dependent_deletes_its_own_peers_only(hub: TestStore) {
    let own = hub.add(URL).await;
    hub.dependent().await;
    hub.run_sql(
        "INSERT INTO peers (name, url, description, handshake_only, allow_relay, max_connections, approved, \
                 submitted, created_at, updated_at, from_primary) SELECT name, url, description, handshake_only, \
                 allow_relay, max_connections, approved, submitted, created_at, updated_at, TRUE FROM peers",
    )
    .await;
    let shared = PeerId(own.0 + 1);
    assert!(matches!(hub.delete_peer(shared, NOW).await, Err(StoreError::NotPrimary(_))));
    assert!(matches!(hub.watch_peer(own, NOW).await, Err(StoreError::NotPrimary(_))));
    hub.delete_peer(own, NOW).await.unwrap();
    assert_eq!(hub.count("peers").await, 1);
}

async fn an_instance_that_leaves_watches_its_peers_again(hub: TestStore) {
    let probe = hub.probe("here", "eu").await;
    let peer = own_peer(&hub, &probe).await;
    let twice = hub.add("tcp://192.0.2.2:11010").await;
    hub.dependent().await;
    // The primary lists the second one too.
    hub.run_sql(
        "INSERT INTO peers (name, url, description, handshake_only, allow_relay, max_connections, approved, \
                 submitted, created_at, updated_at, from_primary) SELECT name, url, description, handshake_only, \
                 allow_relay, max_connections, approved, submitted, created_at, updated_at, TRUE FROM peers \
                 WHERE url LIKE '%192.0.2.2%'",
    )
    .await;
    let version = hub.config_version().await.unwrap();
    hub.leave().await.unwrap();
    assert!(hub.config_version().await.unwrap() > version);
    assert!(!hub.peer(peer).await.unwrap().set_aside);
    assert!(hub.node(peer, NOW).await.is_ok());
    assert!(hub.peer(twice).await.unwrap().set_aside, "the same node is watched already");
    assert_eq!(hub.count("peers WHERE from_primary").await, 0);
}

async fn a_primary_takes_over_what_was_set_aside(hub: TestStore) {
    let own = hub.add(URL).await;
    let other = hub.add("tcp://192.0.2.2:11010").await;
    hub.dependent().await;
    hub.promote("own", None, 1, 1).await.unwrap();
    // What is set aside blocks nobody, and is not taken over beside the same node.
    hub.add(URL).await;
    assert!(matches!(hub.watch_peer(own, NOW).await, Err(StoreError::Conflict(Conflict::PeerListed))));
    hub.watch_peer(other, NOW).await.unwrap();
    assert!(hub.node(other, NOW).await.is_ok());
    assert!(matches!(hub.watch_peer(other, NOW).await, Err(StoreError::NotFound(_))));
}

async fn an_instance_that_joins_its_own_cluster_again_sets_nothing_aside(hub: TestStore) {
    hub.become_primary("own", None).await.unwrap();
    let peer = hub.add(URL).await;
    let cluster = hub.instance().await.unwrap().cluster.unwrap();
    let mut primary = leadership(1, 2, 2);
    primary.cluster = cluster;
    hub.join(&primary, &"token".into()).await.unwrap();
    assert!(hub.node(peer, NOW).await.is_ok());
    hub.join(&primary, &"another".into()).await.unwrap();
    assert!(hub.node(peer, NOW).await.is_ok());
    assert_eq!(hub.primary_token().await.unwrap().unwrap().1.expose(), "another");
}
