use easytier_probe::Scheme;
use easytier_uptime_store::{
    Conflict, Location, StoreError,
    domain::{
        ImportCounts, NewPeer, NodeFilter, PageRequest, PeerFilter, PeerId, PeerOrder, PeerRecord, PeerScope, PeerSpec,
    },
};

use crate::support::{NOW, TestStore, full, on_both_engines, online, region, seconds, spec};

on_both_engines! {
    a_peer_is_read_as_it_was_added,
    an_edit_changes_only_the_edited_fields,
    an_edit_of_a_peer_that_somebody_else_changed_is_refused,
    the_same_address_and_network_is_listed_once,
    an_import_adds_only_new_peers,
    an_import_of_many_peers_keeps_each_as_it_is,
    a_deleted_peer_is_gone_and_its_id_is_not_used_again,
    the_pages_of_the_list_for_probes_have_each_peer_once,
    a_region_gets_its_own_peers_and_those_of_all_regions,
    only_node_tokens_get_secrets,
    secrets_are_encrypted_in_the_database,
    every_change_of_the_list_increases_the_config_version,
    the_operators_list_is_filtered_and_paged,
}

async fn a_peer_is_read_as_it_was_added(hub: TestStore) {
    let id = hub.add_peer(&full(), NOW).await.unwrap();
    let record = hub.peer(id).await.unwrap();
    assert_eq!(record.spec, full());
    assert_eq!((record.approved, record.submitted, record.created_at), (true, false, NOW));
    assert!(matches!(hub.peer(PeerId(id.0 + 1)).await, Err(StoreError::NotFound(_))));
}

async fn an_edit_changes_only_the_edited_fields(hub: TestStore) {
    let id = hub.add_peer(&full(), NOW).await.unwrap();
    let later = NOW + seconds(5);
    let edit = |spec: &mut PeerSpec| {
        spec.name = "Renamed".into();
        spec.tags.clear();
        spec.regions = [region("us")].into();
    };
    let edited = hub.edit_peer(id, edit, later).await.unwrap();
    assert_eq!(edited, hub.peer(id).await.unwrap());
    let mut expected = full();
    edit(&mut expected);
    assert_eq!((edited.spec, edited.updated_at, edited.created_at), (expected, later, NOW));
    assert!(matches!(hub.edit_peer(PeerId(999), |_| (), NOW).await, Err(StoreError::NotFound(_))));
}

async fn an_edit_of_a_peer_that_somebody_else_changed_is_refused(hub: TestStore) {
    let id = hub.add_peer(&full(), NOW).await.unwrap();
    let rename = |name: &'static str| move |spec: &mut PeerSpec| spec.name = name.into();
    let seen = Some(hub.peer(id).await.unwrap().updated_at);
    // Within the same millisecond too.
    let first = hub.edit_seen_peer(id, seen, rename("first"), NOW).await.unwrap();
    let second = hub.edit_seen_peer(id, seen, rename("second"), NOW).await;
    assert!(matches!(second, Err(StoreError::Conflict(Conflict::PeerChanged))), "{second:?}");
    assert_eq!(hub.peer(id).await.unwrap(), first);
    hub.edit_seen_peer(id, Some(first.updated_at), rename("second"), NOW).await.unwrap();
    assert_eq!(hub.peer(id).await.unwrap().spec.name, "second");
}

async fn the_same_address_and_network_is_listed_once(hub: TestStore) {
    let id = hub.add("tcp://192.0.2.1:11010").await;
    let listed = |result| matches!(result, Err(StoreError::Conflict(Conflict::PeerListed)));
    assert!(listed(hub.add_peer(&spec("TCP://192.0.2.1"), NOW).await));
    let mut of_another_network = spec("tcp://192.0.2.1:11010");
    of_another_network.network_name = Some("net".into());
    let other = hub.add_peer(&of_another_network, NOW).await.unwrap();
    let clash = hub.edit_peer(other, |spec| spec.network_name = None, NOW).await;
    assert!(matches!(clash, Err(StoreError::Conflict(Conflict::PeerListed))));
    assert_eq!(hub.peer(other).await.unwrap().spec, of_another_network);
    // Many callers add the same peer at the same time.
    let new = spec("tcp://192.0.2.9:11010");
    let second = hub.second_hub().await.unwrap();
    let (one, two) = tokio::join!(hub.add_peer(&new, NOW), second.add_peer(&new, NOW));
    assert_eq!([one, two].into_iter().filter(|added| added.is_ok()).count(), 1);
    assert!(id < other);
}

async fn an_import_adds_only_new_peers(hub: TestStore) {
    hub.add("tcp://192.0.2.1:11010").await;
    let specs = [spec("tcp://192.0.2.1:11010"), spec("tcp://192.0.2.2:11010"), spec("tcp://192.0.2.2:11010")];
    assert_eq!(hub.import_peers(&specs, NOW).await.unwrap(), ImportCounts { added: 1, unlisted: 0, known: 2 });
    assert_eq!(hub.export_peers().await.unwrap().len(), 2);
}

async fn an_import_of_many_peers_keeps_each_as_it_is(hub: TestStore) {
    // More than one statement takes on SQLite.
    let peer = |nth: usize| NewPeer {
        spec: PeerSpec {
            name: format!("node {nth}"),
            url: format!("tcp://node-{nth}.example.net:1").parse().unwrap(),
            network_secret: nth.is_multiple_of(3).then(|| format!("secret {nth}").into()),
            tags: (0..nth % 4).map(|tag| format!("tag {tag}").parse().unwrap()).collect(),
            regions: (0..nth % 3).map(|name| region(&format!("region {name}"))).collect(),
            ..full()
        },
        approved: !nth.is_multiple_of(5),
        submitted: nth.is_multiple_of(2),
    };
    let peers: Vec<NewPeer> = (0..700).map(peer).collect();
    let counts = hub.import(&peers, NOW).await.unwrap();
    assert_eq!(counts, ImportCounts { added: 700, unlisted: 140, known: 0 });
    let stored = hub.export_peers().await.unwrap().into_iter();
    let stored = stored.map(|PeerRecord { spec, approved, submitted, .. }| NewPeer { spec, approved, submitted });
    assert_eq!(stored.collect::<Vec<_>>(), peers);
    assert_eq!(hub.importable(&peers[..2]).await.unwrap(), [false, false]);
    assert_eq!(hub.import(&peers, NOW).await.unwrap(), ImportCounts { added: 0, unlisted: 0, known: 700 });
}

async fn a_deleted_peer_is_gone_and_its_id_is_not_used_again(hub: TestStore) {
    let id = hub.add_peer(&full(), NOW).await.unwrap();
    let mut everywhere = spec("tcp://192.0.2.1:11010");
    everywhere.tags = full().tags;
    let probe = hub.probe("p1", "eu").await;
    hub.report(&probe, vec![online(id, NOW)], NOW).await;
    hub.delete_peer(id, NOW).await.unwrap();
    assert!(matches!(hub.peer(id).await, Err(StoreError::NotFound(_))));
    assert!(matches!(hub.delete_peer(id, NOW).await, Err(StoreError::NotFound(_))));
    assert_eq!(hub.tags().await.unwrap(), Vec::<String>::new());
    assert!(hub.add_peer(&everywhere, NOW).await.unwrap() > id);
}

async fn the_pages_of_the_list_for_probes_have_each_peer_once(hub: TestStore) {
    let specs: Vec<_> = (0..25).map(|nth| spec(&format!("tcp://192.0.2.{nth}:11010"))).collect();
    hub.import_peers(&specs, NOW).await.unwrap();
    let everything = PeerScope { region: None, with_secrets: false };
    let (mut cursor, mut seen) = (None, Vec::new());
    loop {
        let page = hub.probe_peers(&everything, cursor, 10).await.unwrap();
        assert_eq!(page.total, 25);
        seen.extend(page.peers.into_iter().map(|peer| peer.url));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, specs.into_iter().map(|spec| spec.url).collect::<Vec<_>>());
    let exactly = hub.probe_peers(&everything, None, 25).await.unwrap();
    assert_eq!(exactly.next_cursor, None, "the page that ends with the last peer is the last page");
}

async fn a_region_gets_its_own_peers_and_those_of_all_regions(hub: TestStore) {
    let everywhere = hub.add("tcp://192.0.2.1:11010").await;
    let elsewhere = hub.add_peer(&full(), NOW).await.unwrap();
    let ids = |name: Option<&str>| {
        let scope = PeerScope { region: name.map(region), with_secrets: false };
        let hub = &hub;
        async move {
            let page = hub.probe_peers(&scope, None, 10).await.unwrap();
            assert_eq!(page.total as usize, page.peers.len());
            page.peers.into_iter().map(|peer| peer.id).collect::<Vec<_>>()
        }
    };
    assert_eq!(ids(None).await, [everywhere, elsewhere]);
    assert_eq!(ids(Some("asia")).await, [everywhere, elsewhere]);
    assert_eq!(ids(Some("us")).await, [everywhere]);
    assert_eq!(ids(Some("mars")).await, [everywhere]);
}

async fn only_node_tokens_get_secrets(hub: TestStore) {
    let mut private = spec("tcp://192.0.2.1:11010");
    private.network_secret = Some("s3cret".into());
    hub.add_peer(&private, NOW).await.unwrap();
    for (with_secrets, secret) in [(true, Some("s3cret".into())), (false, None)] {
        let scope = PeerScope { region: Some(region("eu")), with_secrets };
        assert_eq!(hub.probe_peers(&scope, None, 10).await.unwrap().peers[0].network_secret, secret);
    }
}

async fn secrets_are_encrypted_in_the_database(hub: TestStore) {
    let mut private = spec("tcp://192.0.2.1:11010");
    private.network_secret = Some("s3cret".into());
    hub.add_peer(&private, NOW).await.unwrap();
    let stored: Vec<u8> = match &hub.options.location {
        Location::Sqlite(path) => {
            let url = format!("sqlite://{}", path.display());
            let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
            sqlx::query_scalar("SELECT network_secret FROM peers").fetch_one(&pool).await.unwrap()
        }
        Location::Postgres(url) => {
            let pool = sqlx::PgPool::connect(url.expose()).await.unwrap();
            sqlx::query_scalar("SELECT network_secret FROM peers").fetch_one(&pool).await.unwrap()
        }
    };
    assert!(stored.len() > 12 + 16 && !stored.windows(6).any(|window| window == b"s3cret"));
}

async fn every_change_of_the_list_increases_the_config_version(hub: TestStore) {
    let mut last = hub.config_version().await.unwrap();
    let mut changed = async |what: &str| {
        let version = hub.config_version().await.unwrap();
        assert!(version > last, "{what}");
        last = version;
    };
    let id = hub.add("tcp://192.0.2.1:11010").await;
    changed("added").await;
    hub.edit_peer(id, |spec| spec.allow_relay = true, NOW).await.unwrap();
    changed("edited").await;
    hub.set_approved(id, false, NOW).await.unwrap();
    changed("revoked").await;
    hub.delete_peer(id, NOW).await.unwrap();
    changed("deleted").await;
    let scope = PeerScope { region: None, with_secrets: false };
    assert_eq!(hub.probe_peers(&scope, None, 10).await.unwrap().config.version, last);
}

async fn the_operators_list_is_filtered_and_paged(hub: TestStore) {
    let listed = hub.add_peer(&full(), NOW).await.unwrap();
    let revoked = hub.add("tcp://192.0.2.1:11010").await;
    hub.set_approved(revoked, false, NOW).await.unwrap();
    let ids = |approved, search: Option<&str>, page| {
        let node = NodeFilter { search: search.map(str::to_owned), ..NodeFilter::default() };
        let filter = PeerFilter { approved, node, order: PeerOrder::NewestFirst };
        let hub = &hub;
        async move {
            let found = hub.peers(&filter, PageRequest { page, per_page: 1 }).await.unwrap();
            (found.total, found.items.into_iter().map(|peer| peer.id).collect::<Vec<_>>())
        }
    };
    assert_eq!(ids(None, None, 1).await, (2, vec![revoked]));
    assert_eq!(ids(None, None, 2).await, (2, vec![listed]));
    assert_eq!(ids(None, None, 3).await, (2, vec![]));
    assert_eq!(ids(Some(false), None, 1).await, (1, vec![revoked]));
    assert_eq!(ids(None, Some("SHANGHAI"), 1).await, (1, vec![listed]));
    assert_eq!(ids(None, Some("小明"), 1).await, (1, vec![listed]));
    assert_eq!(ids(None, Some("% \\ _"), 1).await, (1, vec![listed]), "wildcards are text");
    assert_eq!(ids(None, Some("1%0"), 1).await, (0, vec![]));
    assert_eq!(ids(None, Some("192.0.2"), 1).await, (1, vec![revoked]));
    let by = async |node: NodeFilter| {
        let filter = PeerFilter { node, ..PeerFilter::default() };
        let found = hub.peers(&filter, PageRequest::default()).await.unwrap();
        found.items.into_iter().map(|peer| peer.id).collect::<Vec<_>>()
    };
    let of = |protocol| NodeFilter { protocol: Some(protocol), ..NodeFilter::default() };
    assert_eq!(by(of(Scheme::Tcp)).await, [revoked]);
    assert_eq!(by(NodeFilter { is_active: Some(false), ..NodeFilter::default() }).await, [revoked, listed]);
    assert_eq!(by(NodeFilter { tags: full().tags, ..NodeFilter::default() }).await, [listed]);
}
