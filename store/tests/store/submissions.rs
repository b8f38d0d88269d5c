use easytier_probe::Scheme;
use easytier_uptime_store::{
    Conflict, StoreError,
    domain::{
        Contacts, DAY, Duplicate, ImportCounts, NewPeer, NodeFilter, PageRequest, PeerId, PeerOrder, PeerScope,
        PeerSpec, Submission, SubmissionId, Timestamp,
    },
};
use sqlx::Connection as _;

use crate::support::{NOW, TestStore, on_both_engines, seconds, spec};

on_both_engines! {
    a_submission_is_read_and_changed_as_it_was_written,
    a_submission_that_somebody_else_changed_is_not_overwritten,
    a_submission_costs_nobody_anything,
    an_approved_submission_is_a_peer_with_a_new_id,
    a_submission_says_what_else_has_its_address_and_network,
    what_waits_does_not_block_the_operator,
    a_peer_that_is_listed_blocks_an_approval,
    the_queue_is_bounded,
    a_submission_expires,
    the_queue_is_searched_and_paged,
    a_queue_that_was_among_the_peers_moves,
}

fn full() -> PeerSpec {
    PeerSpec { description: "kept by 小明".into(), network_secret: Some("s3cret".into()), ..crate::support::full() }
}

async fn queue(hub: &TestStore) -> Vec<Submission> {
    hub.submissions(&NodeFilter::default(), PeerOrder::OldestFirst, PageRequest::default()).await.unwrap().items
}

async fn a_submission_is_read_and_changed_as_it_was_written(hub: TestStore) {
    let id = hub.waiting(&full(), NOW).await;
    let expected = Submission { id, spec: full(), created_at: NOW, updated_at: Timestamp(0), duplicates: Vec::new() };
    assert_eq!(hub.submission(id).await.unwrap(), expected);
    let edit = |spec: &mut PeerSpec| {
        spec.name = "Renamed".into();
        spec.tags.clear();
        spec.network_secret = None;
    };
    hub.edit_submission(id, None, edit, NOW).await.unwrap();
    let mut changed = full();
    edit(&mut changed);
    assert_eq!(hub.submission(id).await.unwrap().spec, changed);
    let unknown = SubmissionId(999);
    assert!(matches!(hub.edit_submission(unknown, None, |_| (), NOW).await, Err(StoreError::NotFound(_))));
    assert!(matches!(hub.submission(unknown).await, Err(StoreError::NotFound(_))));
    assert!(matches!(hub.reject_submission(unknown).await, Err(StoreError::NotFound(_))));
    assert!(matches!(hub.approve_submission(unknown, NOW).await, Err(StoreError::NotFound(_))));
}

async fn a_submission_that_somebody_else_changed_is_not_overwritten(hub: TestStore) {
    let id = hub.waiting(&full(), NOW).await;
    let seen = async || Some(hub.submission(id).await.unwrap().updated_at);
    let rename = |name: &'static str| move |spec: &mut PeerSpec| spec.name = name.into();
    let before = seen().await;
    hub.edit_submission(id, before, rename("first"), NOW).await.unwrap();
    let late = hub.edit_submission(id, before, rename("late"), NOW).await;
    assert!(matches!(late, Err(StoreError::Conflict(Conflict::PeerChanged))), "{late:?}");
    assert_eq!(hub.submission(id).await.unwrap().spec.name, "first");
    // Two changes within one millisecond are two changes.
    let between = seen().await;
    hub.edit_submission(id, between, rename("second"), NOW).await.unwrap();
    assert_ne!(seen().await, between);
}

async fn a_submission_costs_nobody_anything(hub: TestStore) {
    let before = hub.add("tcp://192.0.2.1:11010").await;
    let (version, pulse) = (hub.config_version().await.unwrap(), hub.pulse().await.unwrap());
    for nth in 0..3 {
        hub.waiting(&full(), NOW + seconds(nth)).await;
    }
    hub.reject_submission(queue(&hub).await[0].id).await.unwrap();
    assert_eq!(hub.config_version().await.unwrap(), version, "no hub reads its peers again");
    assert_eq!(hub.pulse().await.unwrap(), pulse, "no page is loaded again");
    assert_eq!(hub.overview(NOW).await.unwrap().len(), 1);
    assert_eq!(hub.export_peers().await.unwrap().len(), 1);
    assert_eq!(hub.events(None, None, 10, true).await.unwrap(), []);
    let next = hub.add("tcp://192.0.2.2:11010").await;
    assert_eq!(next.0, before.0 + 1, "no peer id is used");
}

async fn an_approved_submission_is_a_peer_with_a_new_id(hub: TestStore) {
    let everything = PeerScope { region: None, with_secrets: true };
    let id = hub.waiting(&full(), NOW).await;
    hub.waiting(&full(), NOW).await;
    let version = hub.config_version().await.unwrap();
    let peer = hub.approve_submission(id, NOW + seconds(5)).await.unwrap();
    let record = hub.peer(peer).await.unwrap();
    assert_eq!((record.spec, record.approved, record.submitted), (full(), true, true));
    assert_eq!(hub.node_url(peer).await.unwrap(), full().url);
    let listed = hub.probe_peers(&everything, None, 10).await.unwrap();
    assert!(listed.config.version > version && listed.peers[0].submitted, "its checks reach public addresses only");
    assert_eq!(listed.peers[0].network_secret, Some("s3cret".into()));
    assert_eq!(queue(&hub).await, [], "those that submitted the same have what they asked for");
    assert!(matches!(hub.approve_submission(id, NOW).await, Err(StoreError::NotFound(_))));
}

async fn a_submission_says_what_else_has_its_address_and_network(hub: TestStore) {
    let mut elsewhere = full();
    elsewhere.network_name = Some("another".into());
    let first = hub.waiting(&full(), NOW).await;
    let second = hub.waiting(&full(), NOW).await;
    hub.waiting(&elsewhere, NOW).await;
    let duplicates = async |id| hub.submission(id).await.unwrap().duplicates;
    assert_eq!(duplicates(first).await, [Duplicate::Submission(second)]);
    hub.add("tcp://192.0.2.1:11010").await;
    let peer = hub.add_peer(&full(), NOW).await.unwrap();
    hub.set_approved(peer, false, NOW).await.unwrap();
    let third = hub.waiting(&full(), NOW).await;
    assert_eq!(duplicates(third).await, [Duplicate::Peer(peer)], "also one that is not listed");
    assert_eq!(queue(&hub).await.len(), 2);
}

async fn what_waits_does_not_block_the_operator(hub: TestStore) {
    let (mut own, other) = (full(), spec("tcp://192.0.2.7:11010"));
    own.contacts = Contacts::default();
    own.network_secret = Some("the right one".into());
    let mut elsewhere = full();
    elsewhere.network_name = None;
    for waiting in [&full(), &full(), &elsewhere, &other] {
        hub.waiting(waiting, NOW).await;
    }
    let peer = hub.add_peer(&own, NOW).await.unwrap();
    let record = hub.peer(peer).await.unwrap();
    assert_eq!((record.spec, record.submitted), (own, false));
    assert_eq!(queue(&hub).await.len(), 2, "in another network it is another node");
    let counts = hub.import_peers(&[other], NOW).await.unwrap();
    assert_eq!(counts, ImportCounts { added: 1, unlisted: 0, known: 0 });
    assert_eq!(queue(&hub).await.len(), 1);
    hub.edit_peer(peer, |spec| spec.network_name = None, NOW).await.unwrap();
    assert_eq!(queue(&hub).await, []);
}

async fn a_peer_that_is_listed_blocks_an_approval(hub: TestStore) {
    hub.add_peer(&full(), NOW).await.unwrap();
    let id = hub.waiting(&full(), NOW).await;
    let version = hub.config_version().await.unwrap();
    let refused = hub.approve_submission(id, NOW).await;
    assert!(matches!(refused, Err(StoreError::Conflict(Conflict::PeerListed))));
    assert_eq!(hub.config_version().await.unwrap(), version);
    assert_eq!(queue(&hub).await.len(), 1, "it waits on");
}

async fn the_queue_is_bounded(hub: TestStore) {
    for _ in 0..3 {
        assert!(hub.submit(&full(), 3, NOW).await.unwrap().is_some());
    }
    assert_eq!(hub.submit(&full(), 3, NOW).await.unwrap(), None);
    assert_eq!(queue(&hub).await.len(), 3);
    hub.reject_submission(queue(&hub).await[0].id).await.unwrap();
    assert!(hub.submit(&full(), 3, NOW).await.unwrap().is_some());
}

async fn a_submission_expires(hub: TestStore) {
    hub.waiting(&full(), NOW).await;
    let later = hub.waiting(&full(), NOW + DAY).await;
    hub.sweep(NOW + 30 * DAY).await.unwrap();
    assert_eq!(queue(&hub).await.len(), 2);
    hub.sweep(NOW + 30 * DAY + seconds(1)).await.unwrap();
    assert_eq!(queue(&hub).await.into_iter().map(|left| left.id).collect::<Vec<_>>(), [later]);
}

async fn the_queue_is_searched_and_paged(hub: TestStore) {
    let mut ids = Vec::new();
    for nth in 0..3 {
        let scheme = ["tcp", "udp", "tcp"][nth];
        let tags = [["a", "b"], ["b", "c"], ["ab", "d"]][nth].map(|tag| tag.parse().unwrap()).into();
        ids.push(hub.waiting(&PeerSpec { tags, ..spec(&format!("{scheme}://192.0.2.{nth}:1")) }, NOW).await);
    }
    let by = |filter: &NodeFilter, order, page| {
        let (filter, hub) = (filter.clone(), &hub);
        async move {
            let page = hub.submissions(&filter, order, PageRequest { page, per_page: 2 }).await.unwrap();
            (page.total, page.items.into_iter().map(|item| item.id).collect::<Vec<_>>())
        }
    };
    let all = NodeFilter::default;
    let found = async |search: Option<&str>, order, page| {
        by(&NodeFilter { search: search.map(str::to_owned), ..all() }, order, page).await
    };
    assert_eq!(found(None, PeerOrder::OldestFirst, 1).await, (3, vec![ids[0], ids[1]]));
    assert_eq!(found(None, PeerOrder::NewestFirst, 2).await, (3, vec![ids[0]]));
    assert_eq!(found(Some("192.0.2.1"), PeerOrder::OldestFirst, 1).await, (1, vec![ids[1]]));
    let tags = |tags: &[&str]| tags.iter().map(|tag| tag.parse().unwrap()).collect();
    for (filter, selected) in [
        (NodeFilter { protocol: Some(Scheme::Udp), ..all() }, vec![ids[1]]),
        (NodeFilter { tags: tags(&["a"]), ..all() }, vec![ids[0]]),
        (NodeFilter { tags: tags(&["a", "c", "x"]), ..all() }, vec![ids[0], ids[1]]),
        (NodeFilter { tags: tags(&["x"]), ..all() }, vec![]),
        (NodeFilter { is_active: Some(false), protocol: Some(Scheme::Udp), ..all() }, vec![ids[1]]),
        (NodeFilter { is_active: Some(true), ..all() }, vec![]),
    ] {
        let found = by(&filter, PeerOrder::OldestFirst, 1).await;
        assert_eq!(found, (selected.len() as u64, selected), "{filter:?}");
    }
}

/// Runs SQL on the database of a store.
async fn run_sql(hub: &TestStore, sql: &'static str) {
    match &hub.options.location {
        easytier_uptime_store::Location::Sqlite(path) => {
            let mut connection =
                sqlx::SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        }
        easytier_uptime_store::Location::Postgres(url) => {
            let mut connection = sqlx::PgConnection::connect(url.expose()).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        }
    }
}

async fn a_queue_that_was_among_the_peers_moves(hub: TestStore) {
    // As hubs kept it before: a peer that is not approved.
    let strange = |url: &str, approved| NewPeer {
        approved,
        submitted: true,
        spec: PeerSpec { url: url.parse().unwrap(), ..full() },
    };
    let before = [
        strange("tcp://waiting.example.net:1", false),
        strange("tcp://approved.example.net:1", true),
        strange("tcp://revoked.example.net:1", true),
        NewPeer { submitted: false, ..strange("tcp://own.example.net:1", false) },
    ];
    hub.import(&before, NOW).await.unwrap();
    let peers = hub.export_peers().await.unwrap();
    let of = |url: &str| peers.iter().find(|peer| peer.spec.url.to_string().contains(url)).unwrap().id;
    hub.set_approved(of("revoked"), false, NOW + seconds(5)).await.unwrap();
    run_sql(&hub, "DROP TABLE submissions; DELETE FROM _sqlx_migrations WHERE version IN (10, 16)").await;

    hub.close().await;
    let upgraded = hub.restart().await;
    let left: Vec<PeerId> = upgraded.export_peers().await.unwrap().into_iter().map(|peer| peer.id).collect();
    assert_eq!(left, [of("approved"), of("revoked"), of("own")]);
    let moved = upgraded
        .submissions(&NodeFilter::default(), PeerOrder::OldestFirst, PageRequest::default())
        .await
        .unwrap()
        .items;
    assert_eq!((moved.len(), &moved[0].spec, moved[0].created_at), (1, &before[0].spec, NOW));
    assert_eq!(upgraded.approve_submission(moved[0].id, NOW).await.unwrap().0, of("own").0 + 1);
}
