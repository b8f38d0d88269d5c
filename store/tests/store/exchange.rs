//! Results between instances: each is a store of its own, and the uids of peers are the same everywhere.

use easytier_probe::{CheckResult, ListingVersion};
use easytier_uptime_store::{
    Store, StoreError,
    domain::{
        Batch, ConfigVersion, ForeignBatch, ForeignResult, PeerId, Receipt, Rejected, Rejection, StatusReport,
        Timestamp, Verdict, Via,
    },
};

use crate::support::{Engine, NOW, TestStore, batch, offline, on_both_engines, online, region, seconds};

on_both_engines! {
    results_are_read_in_order_and_to_their_end,
    results_go_to_another_instance_once_however_often_they_are_sent,
    mirrored_results_are_not_forwarded_back,
    a_restored_primary_gets_back_what_was_mirrored,
    nothing_is_skipped_while_a_transaction_is_open,
    a_peer_without_a_uid_ends_the_read_until_it_has_one,
    results_of_peers_that_are_not_shared_are_left_out,
    an_unknown_peer_is_final_unless_this_instance_is_behind,
    what_a_version_is_newer_than_depends_on_the_role,
    a_result_of_a_probe_with_an_old_list_is_judged_where_it_arrived,
    times_follow_the_clock_of_the_sender,
    a_result_that_was_taken_while_a_clock_was_ahead_is_not_lost,
    a_probe_that_another_instance_hears_runs_as_of_its_last_check,
    verdicts_and_counts_are_those_of_the_sender,
    adopted_verdicts_replace_nothing_newer,
    a_standby_waits_for_probes_to_find_the_next_primary,
    positions_are_kept,
}

/// Gives a peer the uid under which other instances know it.
async fn share(hub: &TestStore, peer: PeerId, uid: &str) {
    hub.run_sql(&format!(
        "INSERT INTO synced_objects (kind, uid, local_key, epoch, counter, digest, made_here) \
         VALUES ('peer', '{uid}', '{peer}', 1, 1, '', TRUE)"
    ))
    .await;
}

/// An instance that shares the peer `uid`; `before` peers have lower ids.
async fn instance(engine: Engine, before: usize, uid: &str) -> (TestStore, PeerId) {
    let hub = TestStore::new(engine).await;
    for nth in 0..before {
        hub.add(&format!("tcp://198.51.100.{nth}:11010")).await;
    }
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    share(&hub, peer, uid).await;
    (hub, peer)
}

fn foreign(results: Vec<ForeignResult>, received_at: Timestamp) -> ForeignBatch {
    ForeignBatch { results, received_at, sent_at: None, config: None, mirrored: false }
}

/// All results that are not at the primary yet.
async fn all(store: &Store) -> Vec<ForeignResult> {
    store.results_after(0, 1000, false).await.unwrap().0
}

fn ids(results: &[ForeignResult]) -> Vec<uuid::Uuid> {
    results.iter().map(|one| one.result.id).collect()
}

fn accepted(count: usize) -> Receipt {
    Receipt { accepted: count, ..Receipt::default() }
}

async fn set_role(hub: &TestStore, role: &str, epoch: i64, version: i64) {
    hub.run_sql(&format!(
        "UPDATE instance SET role = '{role}', epoch = {epoch}, synced_epoch = {epoch}; \
         UPDATE settings SET value = '{version}' WHERE key = 'config_version'"
    ))
    .await;
}

async fn results_are_read_in_order_and_to_their_end(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    share(&hub, peer, "n1").await;
    assert_eq!(hub.results_after(0, 10, true).await.unwrap(), (vec![], 0));
    let probe = hub.probe("p1", "eu").await;
    let report = StatusReport { check_interval: Some(seconds(300)), ..StatusReport::default() };
    hub.report_status(&probe, &report, NOW).await.unwrap();
    let sent: Vec<CheckResult> = (0..5).map(|nth| online(peer, NOW + seconds(nth))).collect();
    for result in &sent {
        hub.report(&probe, vec![result.clone()], result.checked_at.into()).await;
    }
    let (first, next) = hub.results_after(0, 3, true).await.unwrap();
    let (second, end) = hub.results_after(next, 3, true).await.unwrap();
    let read = [first, second].concat();
    let expected = |result: &CheckResult| ForeignResult {
        server_id: "p1".into(),
        region: region("eu"),
        peer_uid: "n1".into(),
        check_interval: Some(seconds(300)),
        protocol: "tcp".into(),
        result: CheckResult { healthy: Some(1), ..result.clone() },
    };
    assert_eq!(read, sent.iter().map(expected).collect::<Vec<_>>());
    assert_eq!(hub.results_after(end, 3, true).await.unwrap(), (vec![], end));
    assert_eq!(hub.results_after(end + 10, 3, true).await.unwrap(), (vec![], end + 10), "it never goes back");
}

async fn results_go_to_another_instance_once_however_often_they_are_sent(dependent: TestStore) {
    let peer = dependent.add("tcp://192.0.2.1:11010").await;
    share(&dependent, peer, "n1").await;
    let (primary, at_primary) = instance(dependent.engine(), 2, "n1").await;
    assert_ne!(peer, at_primary);
    let probe = dependent.probe("p1", "eu").await;
    dependent.report(&probe, vec![online(peer, NOW), offline(peer, NOW + seconds(1))], NOW + seconds(1)).await;
    let results = all(&dependent).await;
    let later = NOW + seconds(2);
    assert_eq!(primary.ingest_foreign(foreign(results.clone(), later)).await.unwrap(), accepted(2));
    let again = [results.clone(), results.clone()].concat();
    let duplicates = primary.ingest_foreign(foreign(again, later)).await.unwrap();
    assert_eq!(duplicates, Receipt { duplicates: 4, ..Receipt::default() });
    primary.fold().await.unwrap();
    assert_eq!(primary.node(at_primary, later).await.unwrap().ring[0].checks, 2);

    // The probe sends one of them to the primary too: it did not see the answer.
    let direct = primary.probe("p1", "eu").await;
    let sent = CheckResult { peer_id: at_primary.0, ..results[0].result.clone() };
    let receipt = primary.ingest(batch(&direct, vec![sent], later)).await.unwrap();
    assert_eq!(receipt, Receipt { duplicates: 1, ..Receipt::default() });
    let probes = primary.probes(later).await.unwrap();
    assert_eq!(probes.iter().map(|probe| probe.server_id.as_str()).collect::<Vec<_>>(), ["p1"]);
}

async fn mirrored_results_are_not_forwarded_back(standby: TestStore) {
    let peer = standby.add("tcp://192.0.2.1:11010").await;
    share(&standby, peer, "n1").await;
    let (primary, at_primary) = instance(standby.engine(), 1, "n1").await;
    let theirs = primary.probe("p1", "eu").await;
    primary.report(&theirs, vec![online(at_primary, NOW)], NOW).await;
    let mirrored = ForeignBatch { mirrored: true, ..foreign(all(&primary).await, NOW) };
    assert_eq!(standby.ingest_foreign(mirrored).await.unwrap(), accepted(1));
    let own = standby.probe("p2", "asia").await;
    standby.report(&own, vec![online(peer, NOW)], NOW).await;
    let results = all(&standby).await;
    assert_eq!(results.iter().map(|one| one.server_id.as_str()).collect::<Vec<_>>(), ["p2"]);
    let (everything, _) = standby.results_after(0, 10, true).await.unwrap();
    assert_eq!(everything.iter().map(|one| one.server_id.as_str()).collect::<Vec<_>>(), ["p1", "p2"]);
}

async fn a_restored_primary_gets_back_what_was_mirrored(standby: TestStore) {
    let peer = standby.add("tcp://192.0.2.1:11010").await;
    share(&standby, peer, "n1").await;
    let of_primary = ForeignResult {
        server_id: "p1".into(),
        region: region("eu"),
        peer_uid: "n1".into(),
        check_interval: None,
        protocol: "tcp".into(),
        result: online(PeerId(77), NOW),
    };
    let mirrored = ForeignBatch { mirrored: true, ..foreign(vec![of_primary.clone()], NOW) };
    assert_eq!(standby.ingest_foreign(mirrored).await.unwrap(), accepted(1));
    standby.put_forwarded_row(1).await.unwrap();
    assert!(!standby.forwards_all(0).await.unwrap());

    standby.forward_again().await.unwrap();
    // A request that began before ends.
    standby.advance_forwarded_row(1, 2).await.unwrap();
    let from = standby.forwarded_row().await.unwrap();
    assert!(from == 0 && standby.forwards_all(from).await.unwrap());
    let (sent, next) = standby.results_after(from, 10, true).await.unwrap();
    assert_eq!(ids(&sent), [of_primary.result.id]);
    assert!(!standby.forwards_all(next).await.unwrap(), "what is mirrored from now on comes from the restored one");
}

async fn nothing_is_skipped_while_a_transaction_is_open(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    share(&hub, peer, "n1").await;
    let (slow, quick) = (hub.probe("slow", "eu").await, hub.probe("quick", "eu").await);
    if hub.engine() == Engine::Sqlite {
        // Transactions that write run one after another.
        hub.report(&slow, vec![online(peer, NOW)], NOW).await;
        hub.report(&quick, vec![online(peer, NOW)], NOW).await;
        assert_eq!(all(&hub).await.len(), 2);
        return;
    }
    // The transaction of the first probe has its rows, and does not end before the table `release` exists in the eyes of others.
    hub.run_sql(&format!(
        "CREATE TABLE release (done BOOLEAN); CREATE TABLE arrived (done BOOLEAN); \
         CREATE FUNCTION wait() RETURNS trigger AS $$ BEGIN \
         WHILE NOT EXISTS (SELECT 1 FROM release) LOOP PERFORM pg_sleep(0.01); END LOOP; RETURN NEW; END $$ \
         LANGUAGE plpgsql; \
         CREATE TRIGGER hold BEFORE INSERT ON appends FOR EACH ROW WHEN (NEW.probe_id = {}) EXECUTE FUNCTION wait()",
        slow.probe
    ))
    .await;
    let before = hub.newest_result().await.unwrap();
    let first = online(peer, NOW);
    let held = tokio::spawn({
        let (store, batch) = (hub.store.clone(), batch(&slow, vec![first.clone()], NOW));
        async move { store.ingest(batch).await }
    });
    while hub.newest_result().await.unwrap() == before {
        tokio::task::yield_now().await;
    }
    let other = hub.second_hub().await.unwrap();
    let second = online(peer, NOW);
    assert_eq!(other.ingest(batch(&quick, vec![second.clone()], NOW)).await.unwrap(), accepted(1));
    assert_eq!(hub.results_after(0, 10, true).await.unwrap(), (vec![], before), "the first row may still come");
    hub.run_sql("INSERT INTO release VALUES (TRUE)").await;
    assert_eq!(held.await.unwrap().unwrap(), accepted(1));
    let (results, _) = hub.results_after(0, 10, true).await.unwrap();
    assert_eq!(ids(&results), [first.id, second.id]);
}

async fn a_peer_without_a_uid_ends_the_read_until_it_has_one(hub: TestStore) {
    let peers = [hub.add("tcp://192.0.2.1:11010").await, hub.add("tcp://192.0.2.2:11010").await];
    share(&hub, peers[0], "n1").await;
    let probe = hub.probe("p1", "eu").await;
    let sent = [online(peers[0], NOW), online(peers[1], NOW + seconds(1)), online(peers[0], NOW + seconds(2))];
    for result in &sent {
        hub.report(&probe, vec![result.clone()], NOW + seconds(2)).await;
    }
    let (results, next) = hub.results_after(0, 10, true).await.unwrap();
    assert_eq!(ids(&results), [sent[0].id]);
    assert_eq!(hub.results_after(next, 10, true).await.unwrap(), (vec![], next));
    share(&hub, peers[1], "n2").await;
    assert_eq!(ids(&hub.results_after(next, 10, true).await.unwrap().0), [sent[1].id, sent[2].id]);
}

async fn results_of_peers_that_are_not_shared_are_left_out(hub: TestStore) {
    let peers = [hub.add("tcp://192.0.2.1:11010").await, hub.add("tcp://192.0.2.2:11010").await];
    let shared = hub.add("tcp://192.0.2.3:11010").await;
    share(&hub, shared, "n3").await;
    let probe = hub.probe("p1", "eu").await;
    let results = peers.into_iter().chain([shared]).map(|peer| online(peer, NOW)).collect();
    hub.report(&probe, results, NOW).await;
    hub.run_sql(&format!("UPDATE peers SET set_aside = TRUE WHERE id = {}", peers[0])).await;
    hub.delete_peer(peers[1], NOW).await.unwrap();
    assert_eq!(all(&hub).await.iter().map(|one| one.peer_uid.as_str()).collect::<Vec<_>>(), ["n3"]);
}

async fn an_unknown_peer_is_final_unless_this_instance_is_behind(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    share(&hub, peer, "n1").await;
    set_role(&hub, "dependent", 3, 7).await;
    let of = |uid: &str| ForeignResult {
        server_id: "p1".into(),
        region: region("eu"),
        peer_uid: uid.into(),
        check_interval: None,
        protocol: "tcp".into(),
        result: online(peer, NOW),
    };
    let both = vec![of("n1"), of("n2")];
    let config = |epoch, version| Some(ConfigVersion { epoch, version });
    for newer in [config(3, 8), config(4, 1)] {
        let error = hub.ingest_foreign(ForeignBatch { config: newer, ..foreign(both.clone(), NOW) }).await.unwrap_err();
        assert!(matches!(error, StoreError::Behind(_)) && error.is_unavailable(), "{error}");
        assert_eq!(hub.newest_result().await.unwrap(), 0, "nothing is stored");
    }
    let known = ForeignBatch { config: config(4, 1), ..foreign(vec![of("n1")], NOW) };
    assert_eq!(hub.ingest_foreign(known).await.unwrap(), accepted(1), "whatever else is new");
    for (nth, same) in [config(3, 7), config(2, 99), None].into_iter().enumerate() {
        let receipt = hub.ingest_foreign(ForeignBatch { config: same, ..foreign(both.clone(), NOW) }).await.unwrap();
        let rejected = vec![Rejected { index: 1, reason: Rejection::UnknownPeer }];
        let (accepted, duplicates) = if nth == 0 { (1, 0) } else { (0, 1) };
        assert_eq!(receipt, Receipt { accepted, duplicates, rejected });
    }
}

async fn what_a_version_is_newer_than_depends_on_the_role(hub: TestStore) {
    let behind = async |epoch, version| hub.is_behind(ConfigVersion { epoch, version }).await.unwrap();
    set_role(&hub, "dependent", 3, 7).await;
    assert_eq!(hub.held_config().await.unwrap(), ConfigVersion { epoch: 3, version: 7 });
    assert!(!behind(3, 7).await && !behind(2, 9).await && behind(3, 8).await && behind(4, 1).await);
    // It has seen a later epoch, and holds the configuration of an earlier one.
    hub.run_sql("UPDATE instance SET epoch = 5").await;
    assert!(behind(5, 1).await);
    set_role(&hub, "primary", 3, 7).await;
    assert!(!behind(3, 8).await && behind(4, 1).await);
    set_role(&hub, "standalone", 0, 7).await;
    assert!(!behind(9, 9).await);
}

async fn a_result_of_a_probe_with_an_old_list_is_judged_where_it_arrived(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    share(&hub, peer, "n1").await;
    set_role(&hub, "primary", 3, 7).await;
    hub.run_sql("UPDATE peers SET target_version = 7").await;
    let probe = hub.probe("p1", "eu").await;
    hub.note_fetched(&probe, 6).await.unwrap();
    let made_under = |listing: Option<(i64, i64)>| {
        let listing = listing.map(|(epoch, version)| ListingVersion { epoch, version });
        batch(&probe, vec![CheckResult { listing, ..online(peer, NOW) }], NOW)
    };
    let refused = Receipt { rejected: vec![Rejected { index: 0, reason: Rejection::PeerChanged }], ..accepted(0) };
    assert_eq!(hub.ingest(made_under(None)).await.unwrap(), refused);
    assert_eq!(hub.ingest(made_under(Some((3, 6)))).await.unwrap(), refused);
    assert_eq!(hub.ingest(made_under(Some((3, 7)))).await.unwrap(), accepted(1), "it has the list from a dependent");
    let via = Via::Instance { mirrored: false };
    assert_eq!(hub.ingest(Batch { via, ..made_under(None) }).await.unwrap(), accepted(1));
}

async fn times_follow_the_clock_of_the_sender(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    share(&hub, peer, "n1").await;
    let ahead = NOW + seconds(7200);
    let one = ForeignResult {
        server_id: "p1".into(),
        region: region("eu"),
        peer_uid: "n1".into(),
        check_interval: None,
        protocol: "tcp".into(),
        result: online(PeerId(77), ahead - seconds(10)),
    };
    let sent = ForeignBatch { sent_at: Some(ahead), ..foreign(vec![one], NOW) };
    assert_eq!(hub.ingest_foreign(sent).await.unwrap(), accepted(1));
    hub.fold().await.unwrap();
    assert_eq!(hub.node(peer, NOW).await.unwrap().last_check_at, Some(NOW - seconds(10)));
}

/// The clock of the other instance was two hours ahead when it took the result, and is right again.
async fn a_result_that_was_taken_while_a_clock_was_ahead_is_not_lost(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    share(&hub, peer, "n1").await;
    let one = ForeignResult {
        server_id: "p1".into(),
        region: region("eu"),
        peer_uid: "n1".into(),
        check_interval: None,
        protocol: "tcp".into(),
        result: online(PeerId(77), NOW + seconds(7200)),
    };
    let sent = ForeignBatch { sent_at: Some(NOW), ..foreign(vec![one], NOW) };
    assert_eq!(hub.ingest_foreign(sent).await.unwrap(), accepted(1));
    hub.fold().await.unwrap();
    assert_eq!(hub.node(peer, NOW).await.unwrap().last_check_at, Some(NOW));
}

async fn a_probe_that_another_instance_hears_runs_as_of_its_last_check(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    share(&hub, peer, "n1").await;
    let checked = |at| ForeignResult {
        server_id: "p1".into(),
        region: region("eu"),
        peer_uid: "n1".into(),
        check_interval: Some(seconds(3600)),
        protocol: "tcp".into(),
        result: online(peer, at),
    };
    // Results that waited for an hour do not show that the probe runs now.
    let old = NOW - seconds(3600);
    hub.ingest_foreign(foreign(vec![checked(old)], NOW)).await.unwrap();
    let [probe] = &hub.probes(NOW).await.unwrap()[..] else { panic!("one probe") };
    assert_eq!((probe.last_seen_at, probe.check_interval), (old, Some(seconds(3600))));
    let identity = hub.local_probe("p1", &region("eu"), NOW).await.unwrap();
    hub.unregister_probe(&identity, NOW).await.unwrap();
    let offline = async || hub.count("probes WHERE unregistered_at IS NOT NULL").await == 1;
    hub.ingest_foreign(foreign(vec![checked(NOW - seconds(60))], NOW)).await.unwrap();
    assert!(offline().await, "it unregistered after that check");
    hub.ingest_foreign(foreign(vec![checked(NOW + seconds(60))], NOW + seconds(60))).await.unwrap();
    assert!(!offline().await);
}

/// What a visitor sees of a peer.
async fn seen(hub: &TestStore, peer: PeerId, now: Timestamp) -> (Verdict, u32, Option<Timestamp>, Vec<String>) {
    let node = hub.node(peer, now).await.unwrap();
    let regions = hub.node_regions(peer, now).await.unwrap();
    let words = regions.iter().map(|report| format!("{}: {:?}", report.region, report.status)).collect();
    (node.verdict, node.ring.iter().map(|slot| slot.checks).sum(), node.last_check_at, words)
}

async fn verdicts_and_counts_are_those_of_the_sender(primary: TestStore) {
    let peer = primary.add("tcp://192.0.2.1:11010").await;
    share(&primary, peer, "n1").await;
    let (standby, here) = instance(primary.engine(), 3, "n1").await;
    for (name, place, outcome) in
        [("p1", "eu", online as fn(PeerId, Timestamp) -> CheckResult), ("p2", "asia", online), ("p3", "us", offline)]
    {
        let probe = primary.probe(name, place).await;
        let report = StatusReport { check_interval: Some(seconds(3600)), ..StatusReport::default() };
        primary.report_status(&probe, &report, NOW).await.unwrap();
        for second in [0, 10, 20] {
            let at = NOW + seconds(second);
            primary.report(&probe, vec![outcome(peer, at)], at).await;
        }
    }
    let now = NOW + seconds(1800);
    let expected = seen(&primary, peer, now).await;
    assert_eq!((expected.0, expected.1), (Verdict::Up, 9));

    // The verdicts alone: the standby mirrors later results only.
    let verdicts = primary.verdicts(now).await.unwrap();
    let json = serde_json::to_string(&verdicts).unwrap();
    assert_eq!(serde_json::from_str::<easytier_uptime_store::domain::Verdicts>(&json).unwrap(), verdicts);
    assert_eq!(standby.adopt_verdicts(&verdicts, 0, now).await.unwrap(), 1);
    let adopted = seen(&standby, here, now).await;
    assert_eq!((adopted.0, adopted.1, adopted.2), (Verdict::Up, 0, expected.2));
    let since = async |hub: &TestStore| hub.count(&format!("peer_states WHERE verdict = 3 AND since = {NOW_MS}")).await;
    assert_eq!((since(&primary).await, since(&standby).await), (1, 1));
    standby.review(now).await.unwrap();
    assert_eq!(seen(&standby, here, now).await.0, Verdict::Up, "nothing turns unknown");

    // The results too, in any order and twice.
    let mut results = primary.results_after(0, 100, true).await.unwrap().0;
    results.reverse();
    for _ in 0..2 {
        let mirrored = ForeignBatch { mirrored: true, ..foreign(results.clone(), now) };
        standby.ingest_foreign(mirrored).await.unwrap();
        standby.fold().await.unwrap();
        standby.adopt_verdicts(&verdicts, 0, now).await.unwrap();
    }
    assert_eq!(seen(&standby, here, now).await, expected);
    assert_eq!(since(&standby).await, 1);
}

const NOW_MS: i64 = NOW.0;

async fn adopted_verdicts_replace_nothing_newer(standby: TestStore) {
    let peer = standby.add("tcp://192.0.2.1:11010").await;
    share(&standby, peer, "n1").await;
    let (primary, at_primary) = instance(standby.engine(), 1, "n1").await;
    let probe = primary.probe("p1", "eu").await;
    primary.report(&probe, vec![online(at_primary, NOW)], NOW).await;
    let verdicts = primary.verdicts(NOW).await.unwrap();
    let own = standby.probe("p1", "eu").await;
    let later = NOW + seconds(10);
    standby.report(&own, vec![offline(peer, later)], later).await;
    let before = seen(&standby, peer, later).await;
    assert_eq!(before.0, Verdict::Down);
    standby.adopt_verdicts(&verdicts, 0, later).await.unwrap();
    assert_eq!(seen(&standby, peer, later).await, before);

    // The clock of the primary is two hours behind: what it knows is as old as it says.
    let behind = NOW - seconds(7200);
    let mut late = verdicts.clone();
    late.peers[0].regions[0].evidence[0].at = behind;
    (late.peers[0].since, late.peers[0].last_check_at) = (behind, Some(behind));
    standby.adopt_verdicts(&late, -7_200_000, later).await.unwrap();
    assert_eq!(seen(&standby, peer, later).await, before);

    // The peer was changed here; the primary does not know yet.
    standby.run_sql(&format!("UPDATE peers SET target_since = {}", later.0 + 1)).await;
    let (fresh, _) = instance(standby.engine(), 0, "n1").await;
    fresh.run_sql(&format!("UPDATE peers SET target_since = {}", later.0 + 1)).await;
    fresh.adopt_verdicts(&verdicts, 0, later).await.unwrap();
    assert_eq!(fresh.count("peer_states WHERE verdict = 0").await, 1);
}

async fn a_standby_waits_for_probes_to_find_the_next_primary(standby: TestStore) {
    let peer = standby.add("tcp://192.0.2.1:11010").await;
    share(&standby, peer, "n1").await;
    let other = standby.add("tcp://192.0.2.2:11010").await;
    let (primary, at_primary) = instance(standby.engine(), 1, "n1").await;
    for (name, place) in [("p1", "eu"), ("p2", "asia")] {
        let probe = primary.probe(name, place).await;
        primary.report(&probe, vec![online(at_primary, NOW)], NOW).await;
    }
    let verdicts = primary.verdicts(NOW).await.unwrap();
    standby.adopt_verdicts(&verdicts, 0, NOW).await.unwrap();
    let own = standby.probe("own", "us").await;
    // The primary is gone: its probes are silent for the standby, until they find another instance.
    let go_on = async |second| {
        let at = NOW + seconds(second);
        standby.report(&own, vec![offline(peer, at), offline(other, at)], at).await;
        standby.review(at).await.unwrap();
        let events = standby.events(None, None, 100, true).await.unwrap();
        let gone = events.iter().filter(|event| event.became == "offline").count();
        (standby.node(peer, at).await.unwrap().verdict, gone)
    };
    for second in (15..=300).step_by(15) {
        assert_eq!(go_on(second).await, (Verdict::Up, 0), "after {second} s");
    }
    // They never found one: they are gone, and their evidence is stale at last.
    for second in (315..=600).step_by(15) {
        assert_eq!(go_on(second).await.1, 2, "after {second} s");
    }
    assert_eq!(go_on(615).await.0, Verdict::Down, "its own region alone is left");
}

async fn positions_are_kept(hub: TestStore) {
    assert_eq!((hub.forwarded_row().await.unwrap(), hub.mirror_position().await.unwrap()), (0, None));
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    hub.report(&probe, vec![online(peer, NOW)], NOW).await;
    hub.put_forwarded_row(1).await.unwrap();
    hub.put_mirror_position(Some("7-x")).await.unwrap();
    let again = hub.second_hub().await.unwrap();
    assert_eq!((again.forwarded_row().await.unwrap(), again.mirror_position().await.unwrap()), (1, Some("7-x".into())));
    again.put_mirror_position(None).await.unwrap();
    assert_eq!(hub.mirror_position().await.unwrap(), None);
}
