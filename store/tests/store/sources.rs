//! Lists of nodes that a hub follows.

use easytier_probe::{
    peer_list::ListProblem,
    remote_list::{ListVersion, Obstacle},
};
use easytier_uptime_store::{
    Conflict, StoreError,
    domain::{
        DAY, ListFault, NewPeer, NodeFilter, PageRequest, PeerFilter, PeerId, PeerOrder, PeerRecord, Source,
        SourceChanges, SourceId, SourceProblem, SourceReading, SourceSpec, Timestamp,
    },
};

use crate::support::{NOW, TestStore, on_both_engines, seconds, spec};

on_both_engines! {
    peers_of_a_trusted_source_follow_its_list,
    what_the_operator_touched_is_left_alone,
    nodes_of_other_sources_await_approval_and_are_proposed_once,
    a_peer_that_two_sources_list_is_brought_once_and_stays_until_both_lack_it,
    a_full_queue_lets_the_rest_wait,
    a_list_that_cannot_be_used_changes_nothing,
    a_source_is_due_at_once_and_when_it_is_asked_for,
    a_dependent_follows_no_source,
}

const A: &str = "tcp://192.0.2.1:11010";
const B: &str = "tcp://192.0.2.2:11010";
const C: &str = "tcp://192.0.2.3:11010";

fn source_at(url: &str, trusted: bool) -> SourceSpec {
    SourceSpec { name: "site".into(), url: url.into(), every: seconds(600), trusted }
}

async fn added(hub: &TestStore, trusted: bool) -> SourceId {
    let url = format!("https://{}.example/list?key=s3cr3t", hub.sources().await.unwrap().len());
    hub.add_source(&source_at(&url, trusted), NOW).await.unwrap()
}

fn node(url: &str) -> NewPeer {
    NewPeer::of_operator(spec(url))
}

fn list(peers: Vec<NewPeer>) -> SourceReading {
    let version = ListVersion { etag: Some("\"1\"".into()), last_modified: None };
    SourceReading::List { peers, refused: 1, refusals: vec!["peer 9: it is no peer".into()], version }
}

async fn follow(hub: &TestStore, id: SourceId, reading: &SourceReading, now: Timestamp) -> SourceChanges {
    let source = hub.source(id).await.unwrap();
    hub.follow_source(&source, reading, now + seconds(600), now).await.unwrap()
}

async fn follow_urls(hub: &TestStore, id: SourceId, urls: &[&str], now: Timestamp) -> SourceChanges {
    follow(hub, id, &list(urls.iter().map(|url| node(url)).collect()), now).await
}

/// The peers, by id.
async fn peers(hub: &TestStore) -> Vec<PeerRecord> {
    hub.export_peers().await.unwrap()
}

async fn queue(hub: &TestStore) -> Vec<String> {
    let page = hub.submissions(&NodeFilter::default(), PeerOrder::OldestFirst, PageRequest::default()).await.unwrap();
    page.items.into_iter().map(|submission| submission.spec.url.to_string()).collect()
}

async fn watched(hub: &TestStore) -> Vec<String> {
    let filter = PeerFilter { approved: Some(true), order: PeerOrder::OldestFirst, ..PeerFilter::default() };
    let page = hub.peers(&filter, PageRequest::default()).await.unwrap();
    page.items.into_iter().map(|peer| peer.spec.url.to_string()).collect()
}

fn changes(added: usize, changed: usize, dropped: usize, restored: usize) -> SourceChanges {
    SourceChanges { added, changed, dropped, restored, ..SourceChanges::default() }
}

async fn peers_of_a_trusted_source_follow_its_list(hub: TestStore) {
    let id = added(&hub, true).await;
    assert_eq!(follow_urls(&hub, id, &[A, B, B], NOW).await, changes(2, 0, 0, 0));
    assert_eq!(watched(&hub).await, [A, B]);
    assert!(peers(&hub).await.iter().all(|peer| !peer.submitted));
    let source = hub.source(id).await.unwrap();
    assert_eq!((source.brought, source.refused, source.read_at), (2, 1, Some(NOW)));
    assert_eq!(source.version.etag.as_deref(), Some("\"1\""));

    // Without news nothing is written.
    let before = hub.config_version().await.unwrap();
    assert!(follow_urls(&hub, id, &[A, B], NOW + seconds(1)).await.is_none());
    assert_eq!(hub.config_version().await.unwrap(), before);

    let mut named = node(A);
    named.spec.name = "Shanghai".into();
    named.spec.tags = ["cn".parse().unwrap()].into();
    named.spec.allow_relay = true;
    named.spec.max_connections = 7;
    let reading = list(vec![named.clone()]);
    assert_eq!(follow(&hub, id, &reading, NOW + seconds(2)).await, changes(0, 1, 0, 0));
    assert_eq!(peers(&hub).await[0].spec, named.spec);

    // B is missing since then. Also an unchanged list lets the day pass.
    let day = NOW + seconds(2) + DAY;
    assert!(follow(&hub, id, &reading, day - seconds(1)).await.is_none());
    assert_eq!(follow(&hub, id, &SourceReading::NotModified, day).await, changes(0, 0, 1, 0));
    assert_eq!(watched(&hub).await, [A]);
    assert_eq!(peers(&hub).await.len(), 2, "its history stays");
    assert!(follow(&hub, id, &reading, day + DAY).await.is_none());
    let mut back = node(B);
    back.spec.max_connections = 3;
    assert_eq!(follow(&hub, id, &list(vec![named, back]), day + DAY + DAY).await, changes(0, 1, 0, 1));
    assert_eq!(watched(&hub).await, [A, B]);
}

async fn what_the_operator_touched_is_left_alone(hub: TestStore) {
    let own = hub.add(A).await;
    let id = added(&hub, true).await;
    assert_eq!(follow_urls(&hub, id, &[A, B, C], NOW).await, changes(2, 0, 0, 0));
    let brought: Vec<PeerId> = peers(&hub).await.iter().map(|peer| peer.id).collect();
    hub.delete_peer(brought[1], NOW).await.unwrap();
    hub.edit_peer(brought[2], |spec| spec.description = "mine".into(), NOW + seconds(1)).await.unwrap();

    let renamed = |url: &str| {
        let mut peer = node(url);
        peer.spec.name = "renamed".into();
        peer
    };
    let reading = list([A, B, C].map(renamed).into());
    assert!(follow(&hub, id, &reading, NOW + seconds(2)).await.is_none());
    assert!(peers(&hub).await.iter().all(|peer| peer.spec.name != "renamed"));
    assert_eq!(watched(&hub).await, [A, C], "what was removed does not come back");
    // Nor does the end of the list take away what is the operator's.
    let only = list(vec![node(B)]);
    follow(&hub, id, &only, NOW + seconds(3)).await;
    assert!(follow(&hub, id, &only, NOW + seconds(3) + DAY * 31).await.is_none());
    assert_eq!(watched(&hub).await, [A, C]);
    assert_eq!(peers(&hub).await[0].id, own);
    hub.remove_source(id).await.unwrap();
    assert_eq!((watched(&hub).await.len(), hub.count("source_peers").await), (2, 0));
}

async fn nodes_of_other_sources_await_approval_and_are_proposed_once(hub: TestStore) {
    let id = added(&hub, false).await;
    let first = follow_urls(&hub, id, &[A, B, C], NOW).await;
    assert_eq!((first.proposed, first.added), (3, 0));
    assert!(peers(&hub).await.is_empty());
    let waiting =
        hub.submissions(&NodeFilter::default(), PeerOrder::OldestFirst, PageRequest::default()).await.unwrap().items;
    let approved = hub.approve_submission(waiting[0].id, NOW + seconds(1)).await.unwrap();
    hub.reject_submission(waiting[1].id).await.unwrap();
    assert!(follow_urls(&hub, id, &[A, B, C], NOW + seconds(2)).await.is_none());
    assert_eq!(queue(&hub).await, [C], "nothing is proposed again");
    assert!(hub.peer(approved).await.unwrap().submitted, "checks reach public addresses only");

    // What was approved is the source's from then on; what waits for a day without being listed is withdrawn.
    let mut renamed = node(A);
    renamed.spec.name = "renamed".into();
    assert_eq!(follow(&hub, id, &list(vec![renamed]), NOW + seconds(3)).await, changes(0, 1, 0, 0));
    assert_eq!(hub.peer(approved).await.unwrap().spec.name, "renamed");
    assert_eq!(follow(&hub, id, &SourceReading::NotModified, NOW + seconds(3) + DAY).await, changes(0, 0, 1, 0));
    assert!(queue(&hub).await.is_empty());
    assert_eq!(watched(&hub).await, [A]);
}

/// Also two hubs that follow each other bring a peer once.
async fn a_peer_that_two_sources_list_is_brought_once_and_stays_until_both_lack_it(hub: TestStore) {
    let (first, second) = (added(&hub, true).await, added(&hub, false).await);
    assert_eq!(follow_urls(&hub, first, &[A, B], NOW).await.added, 2);
    assert!(follow_urls(&hub, second, &[A, B], NOW).await.is_none());
    let later = |seconds_: u64| NOW + DAY * 2 + seconds(seconds_);
    follow_urls(&hub, first, &[A], NOW + seconds(1)).await;
    assert!(follow_urls(&hub, first, &[A], later(0)).await.is_none());
    assert_eq!(watched(&hub).await, [A, B]);
    follow_urls(&hub, second, &[A], later(1)).await;
    assert_eq!(follow_urls(&hub, first, &[A], later(2)).await, changes(0, 0, 1, 0));
    assert_eq!(watched(&hub).await, [A]);
    // What waits in the queue already is not proposed again either.
    hub.waiting(&spec(C), NOW).await;
    assert!(follow_urls(&hub, second, &[A, C], later(3)).await.is_none());
    assert_eq!(queue(&hub).await, [C]);
}

async fn a_full_queue_lets_the_rest_wait(hub: TestStore) {
    for port in 1..500 {
        hub.waiting(&spec(&format!("tcp://198.51.100.1:{port}")), NOW).await;
    }
    let id = added(&hub, false).await;
    let first = follow_urls(&hub, id, &[A, B, C], NOW).await;
    assert_eq!((first.proposed, first.waiting), (1, 2));
    let source = hub.source(id).await.unwrap();
    assert_eq!((source.listed, source.waiting), (3, 2));
    assert_eq!(source.version, ListVersion::default(), "the list is read again, even if it does not change");
    hub.execute("DELETE FROM submissions WHERE url LIKE 'tcp://198.51%'").await;
    let next = follow_urls(&hub, id, &[A, B, C], NOW + seconds(1)).await;
    assert_eq!((next.proposed, next.waiting), (2, 0));
    assert_eq!(queue(&hub).await, [A, B, C]);
}

async fn a_list_that_cannot_be_used_changes_nothing(hub: TestStore) {
    let id = added(&hub, true).await;
    follow_urls(&hub, id, &[A, B], NOW).await;
    let problems = [
        SourceProblem::Unreadable {
            cause: "it cannot be reached".into(),
            fault: ListFault::Unreachable(Obstacle::Refused),
        },
        SourceProblem::Unreadable {
            cause: "it is not JSON".into(),
            fault: ListFault::NotAList(ListProblem::NotCsv("one".into())),
        },
        SourceProblem::Empty,
        SourceProblem::Short { listed: 1, before: 9 },
        SourceProblem::Long { listed: 99, max: 9 },
        SourceProblem::Slow { seconds: 60 },
    ];
    for (problem, days) in problems.into_iter().zip(1..) {
        let now = NOW + DAY * days;
        assert!(follow(&hub, id, &SourceReading::Failed(problem.clone()), now).await.is_none());
        let source = hub.source(id).await.unwrap();
        assert_eq!((source.problem, source.tried_at, source.read_at), (Some(problem), Some(now), Some(NOW)));
        assert_eq!((source.listed, source.brought, source.due_at), (2, 2, now + seconds(600)));
    }
    assert_eq!(watched(&hub).await, [A, B]);
    // What earlier and newer versions note.
    for (stored, fault) in [("", ListFault::Other), (r#", "fault": {"new": 1}"#, ListFault::Other)] {
        let stored = format!(r#"{{"kind": "unreadable", "cause": "gone"{stored}}}"#);
        hub.execute(&format!("UPDATE sources SET problem = '{stored}'")).await;
        let expected = SourceProblem::Unreadable { cause: "gone".into(), fault };
        assert_eq!(hub.source(id).await.unwrap().problem, Some(expected));
    }
    follow(&hub, id, &SourceReading::NotModified, NOW + DAY * 7).await;
    assert_eq!(hub.source(id).await.unwrap().problem, None);
    assert!(!hub.dump(&["sources"]).await.contains("s3cr3t"), "the URL is sealed");
}

async fn due(hub: &TestStore, now: Timestamp) -> Vec<Source> {
    hub.due_sources(now).await.unwrap()
}

async fn a_source_is_due_at_once_and_when_it_is_asked_for(hub: TestStore) {
    let id = added(&hub, true).await;
    let [source] = due(&hub, NOW).await.try_into().unwrap();
    assert_eq!((source.id, source.spec.url.expose()), (id, "https://0.example/list?key=s3cr3t"));
    follow_urls(&hub, id, &[A], NOW).await;
    assert!(due(&hub, NOW + seconds(599)).await.is_empty());
    assert_eq!(due(&hub, NOW + seconds(600)).await.len(), 1);

    hub.ask_for_source(id, true, NOW + seconds(5)).await.unwrap();
    let [asked] = due(&hub, NOW + seconds(5)).await.try_into().unwrap();
    assert!(asked.takes_short);
    // A try that began before does not count any more: what was asked for is still to be done.
    let stale = hub.follow_source(&source, &list(vec![node(B)]), NOW + DAY, NOW + seconds(6)).await;
    assert!(matches!(stale, Err(StoreError::Overtaken)));
    assert_eq!(watched(&hub).await, [A]);
    follow_urls(&hub, id, &[A], NOW + seconds(7)).await;
    assert!(!hub.source(id).await.unwrap().takes_short, "it is for one try");

    let again = hub.add_source(&source_at("https://0.example/list?key=s3cr3t", false), NOW).await;
    assert!(matches!(again, Err(StoreError::Conflict(Conflict::SourceListed))));
    for _ in 1..100 {
        added(&hub, false).await;
    }
    let full = hub.add_source(&source_at("https://last.example", false), NOW).await;
    assert!(matches!(full, Err(StoreError::Conflict(Conflict::TooManySources))));
    assert!(matches!(hub.remove_source(SourceId(999)).await, Err(StoreError::NotFound("source"))));
    assert!(matches!(hub.ask_for_source(SourceId(999), false, NOW).await, Err(StoreError::NotFound("source"))));
    let times = hub.source_times().await.unwrap();
    assert_eq!((times[0].2, times[1].2), (Some(NOW + seconds(7)), None));
}

async fn a_dependent_follows_no_source(hub: TestStore) {
    let id = added(&hub, true).await;
    let source = hub.source(id).await.unwrap();
    hub.dependent().await;
    assert!(due(&hub, NOW).await.is_empty());
    let refused = hub.follow_source(&source, &list(vec![node(A)]), NOW, NOW).await;
    assert!(matches!(refused, Err(StoreError::NotPrimary(_))));
    assert!(matches!(hub.ask_for_source(id, false, NOW).await, Err(StoreError::NotPrimary(_))));
    assert!(matches!(hub.add_source(&source_at("https://x.example", true), NOW).await, Err(StoreError::NotPrimary(_))));
    hub.remove_source(id).await.unwrap();
}
