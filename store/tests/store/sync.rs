//! Instances that exchange what they share.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use easytier_probe::{CheckResult, Relay};
use easytier_uptime_store::{
    Conflict, StoreError,
    domain::{
        Adopted, Caller, ChannelSpec, Content, Coverage, CredentialKind, DELETIONS_KEPT, EnrollmentLimits,
        EventSubject, Grain, Instance, Leader, Leadership, LiveSettings, MaintenanceSpec, MergePartner, NewPeer,
        NewProbe, NodeToken, ObjectState, PageRequest, PeerId, PeerRecord, PeerSpec, RecordFilter, Region, Schedule,
        ScheduleText, Scope, Timestamp,
    },
};

use crate::support::{NOW, TestStore, full, on_both_engines, online, region, seconds, spec};

on_both_engines! {
    a_dependent_gets_everything_with_its_secrets,
    edits_and_deletions_on_both_sides_of_a_split_meet,
    a_change_that_the_other_side_knew_is_not_lost,
    a_probe_may_enroll_again_with_its_key_at_the_next_primary,
    an_id_that_was_given_out_twice_stays_with_one_peer_and_the_history_follows_the_other,
    a_peer_that_both_sides_of_a_split_add_is_one_peer_with_the_history_of_both,
    a_peer_that_is_deleted_and_added_again_on_both_sides_is_one,
    results_of_a_peer_that_was_deleted_and_comes_back_are_passed_on,
    a_peer_that_comes_back_under_another_id_finds_its_results,
    results_that_the_primary_refused_are_passed_on_when_it_has_their_peer,
    of_two_peers_that_got_one_address_the_one_with_the_higher_version_stays,
    a_peer_that_is_set_aside_makes_way_for_those_of_the_primary,
    maintenance_windows_are_shared_and_each_instance_follows_them,
    a_dependent_that_was_away_for_a_month_has_everything_after_one_exchange,
    three_instances_have_the_same_in_whatever_order_they_meet,
    a_regained_edit_wins_over_what_it_replaces,
    a_deletion_is_remembered_for_90_days,
    a_peer_that_becomes_another_one_is_so_everywhere,
    what_a_dependent_has_of_its_own_gives_way,
    an_older_or_impossible_configuration_changes_nothing,
    no_id_is_given_out_again_by_the_next_primary,
    a_move_of_history_that_was_interrupted_goes_on,
    results_that_arrive_while_history_moves_belong_to_the_peer_that_has_the_id_now,
    the_last_edits_of_a_primary_that_steps_down_belong_to_its_epoch,
    ten_thousand_peers_are_adopted_at_once,
    channels_are_shared_with_their_secrets_changed_and_removed,
}

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Another instance, on the same engine.
async fn instance(like: &TestStore) -> TestStore {
    TestStore::new(like.engine()).await
}

async fn leadership(of: &TestStore) -> Leadership {
    let Instance { id, cluster, epoch, .. } = of.instance().await.unwrap();
    Leadership { cluster: cluster.unwrap(), epoch, leader: Leader { id, name: "primary".into(), url: None } }
}

async fn join(dependent: &TestStore, primary: &TestStore) {
    dependent.join(&leadership(primary).await, &"token".into()).await.unwrap();
}

/// A dependent takes over, in an epoch that is greater than `seen` too.
async fn promote(store: &TestStore, seen: i64) {
    let Instance { epoch, .. } = store.instance().await.unwrap();
    store.promote("promoted", None, epoch, seen).await.unwrap();
}

/// The old primary steps down, as soon as it hears of the new one.
async fn step_down(old: &TestStore, new: &TestStore) {
    old.demote_to(&leadership(new).await).await.unwrap();
}

/// A primary of the first epoch, and a dependent that has its configuration.
pub async fn cluster(primary: &TestStore) -> TestStore {
    primary.become_primary("primary", None).await.unwrap();
    let dependent = instance(primary).await;
    join(&dependent, primary).await;
    follow(&dependent, primary, NOW).await;
    dependent
}

/// The dependent adopts the configuration of its primary.
async fn follow(dependent: &TestStore, primary: &TestStore, now: Timestamp) -> Adopted {
    let config = primary.shared_config(now).await.unwrap();
    dependent.adopt(&config, MergePartner::Primary, now).await.unwrap()
}

/// The instance adopts what another one changed that is not its primary.
async fn merge(store: &TestStore, other: &TestStore, now: Timestamp) -> Adopted {
    let config = other.shared_config(now).await.unwrap();
    store.adopt(&config, MergePartner::Other, now).await.unwrap()
}

/// The peers by name, without their verdicts.
async fn peers(store: &TestStore) -> BTreeMap<String, PeerRecord> {
    let peers = store.export_peers().await.unwrap().into_iter();
    peers.map(|peer| (peer.spec.name.clone(), PeerRecord { verdict: Default::default(), ..peer })).collect()
}

async fn assert_same(one: &TestStore, other: &TestStore, now: Timestamp) {
    assert_eq!(peers(one).await, peers(other).await);
    let (one, other) = (one.shared_config(now).await.unwrap(), other.shared_config(now).await.unwrap());
    let present = |config: &easytier_uptime_store::domain::SharedConfig| {
        let present = config.objects.iter().filter(|object| matches!(object.state, ObjectState::Present(_)));
        present.map(|object| (object.key.clone(), object.version)).collect::<Vec<_>>()
    };
    assert_eq!(present(&one), present(&other));
    assert_eq!(one.hash(), other.hash());
}

fn named(name: &str, url: &str) -> PeerSpec {
    PeerSpec { name: name.into(), ..spec(url) }
}

async fn add(store: &TestStore, name: &str, url: &str, now: Timestamp) -> PeerId {
    store.add_peer(&named(name, url), now).await.unwrap()
}

async fn a_dependent_gets_everything_with_its_secrets(primary: TestStore) {
    let private = PeerSpec { network_secret: Some("s3cret".into()), ..full() };
    primary.add("tcp://192.0.2.9:11010").await;
    primary.delete_peer(PeerId(1), NOW).await.unwrap();
    let id = primary.add_peer(&private, NOW).await.unwrap();
    let waiting = NewPeer { spec: named("unlisted", "udp://192.0.2.2:1"), approved: false, submitted: true };
    primary.import(&[waiting], NOW).await.unwrap();
    let mut settings = LiveSettings { ..primary.live_settings() };
    (settings.retention.results, settings.policy.confirmations) = (3 * DAY, 4);
    primary.change_live_settings(&settings, NOW).await.unwrap();
    let node = primary.create_node_token("n", Some("probe-1"), &region("eu"), NOW).await.unwrap();
    let reader = primary.create_api_key("reader", None, NOW).await.unwrap();
    let changer = primary.create_scoped_api_key("changer", &[Scope::Instances].into(), None, NOW).await.unwrap();
    let revoked = primary.create_api_key("gone", None, NOW).await.unwrap();
    primary.revoke_credential(CredentialKind::Api, revoked.id, NOW).await.unwrap();
    let limits = EnrollmentLimits { region: Some(region("asia")), max_uses: Some(3), expires_at: Some(NOW + DAY) };
    let enrolling = primary.create_enrollment_key("many", &limits, NOW).await.unwrap();

    let dependent = cluster(&primary).await;
    assert_same(&primary, &dependent, NOW).await;
    let stored = dependent.peer(id).await.unwrap();
    assert_eq!((stored.id, stored.spec, stored.created_at), (id, private, NOW));
    assert_eq!(dependent.live_settings().retention.results, 3 * DAY);
    assert_eq!(dependent.live_settings().policy.confirmations, 4);
    assert_eq!(dependent.config_version().await.unwrap(), primary.config_version().await.unwrap());
    assert_eq!(dependent.count("peers WHERE from_primary").await, 2);
    assert_eq!(dependent.count("peer_states").await, 2);
    match dependent.authenticate(node.token.expose(), NOW).await.unwrap() {
        Some(Caller::Probe(probe)) => assert_eq!((probe.server_id.as_str(), probe.region), ("probe-1", region("eu"))),
        other => panic!("{other:?}"),
    }
    for (key, scopes) in [(reader, vec![Scope::Read]), (changer, vec![Scope::Instances])] {
        match dependent.authenticate(key.token.expose(), NOW).await.unwrap() {
            Some(Caller::Api { scopes: held, .. }) => assert_eq!(held, scopes.into_iter().collect()),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(dependent.authenticate(revoked.token.expose(), NOW).await, Err(StoreError::Lapsed(_))));
    match dependent.authenticate(enrolling.token.expose(), NOW).await.unwrap() {
        Some(Caller::Enrollment(key)) => assert_eq!(key.region, Some(region("asia"))),
        other => panic!("{other:?}"),
    }
    assert!(matches!(dependent.authenticate(enrolling.token.expose(), NOW + DAY).await, Err(StoreError::Lapsed(_))));
    let version = primary.shared_config(NOW).await.unwrap().version;
    assert_eq!(follow(&dependent, &primary, NOW).await, Adopted { version, ..Adopted::default() });
    assert_eq!(dependent.shared_config(NOW).await.unwrap().version, version);
}

/// A primary that was cut off and a dependent that took over, both edited; the dependent leads at the end.
async fn edits_and_deletions_on_both_sides_of_a_split_meet(old: TestStore) {
    let secret = |secret: &str| PeerSpec { network_secret: Some(secret.into()), ..named("both", "tcp://192.0.2.1:1") };
    let both = old.add_peer(&secret("first"), NOW).await.unwrap();
    let deleted_there = add(&old, "deleted there", "tcp://192.0.2.2:1", NOW).await;
    let deleted_here = add(&old, "deleted here", "tcp://192.0.2.3:1", NOW).await;
    let edited_here = add(&old, "edited here", "tcp://192.0.2.4:1", NOW).await;
    let deleted_and_edited = add(&old, "deleted here, edited there", "tcp://192.0.2.5:1", NOW).await;
    let new = cluster(&old).await;

    let later = NOW + DAY;
    promote(&new, 0).await;
    old.edit_peer(both, |spec| *spec = secret("s3cret of the old one"), later).await.unwrap();
    old.delete_peer(deleted_here, later).await.unwrap();
    old.edit_peer(edited_here, |spec| spec.description = "edited".into(), later).await.unwrap();
    old.delete_peer(deleted_and_edited, later).await.unwrap();
    add(&old, "added here", "tcp://192.0.2.6:1", later).await;
    new.edit_peer(both, |spec| *spec = secret("s3cret of the new one"), later).await.unwrap();
    new.delete_peer(deleted_there, later).await.unwrap();
    new.edit_peer(deleted_and_edited, |spec| spec.description = "kept".into(), later).await.unwrap();

    step_down(&old, &new).await;
    let merged = merge(&new, &old, later).await;
    assert_eq!((merged.changed, merged.lost), (3, 2), "{merged:?}");
    assert!(merged.ahead > 0);
    let adopted = follow(&old, &new, later).await;
    assert_eq!((adopted.lost, adopted.ahead), (0, 0), "{adopted:?}");
    assert_same(&old, &new, later).await;
    let names: Vec<String> = peers(&new).await.into_keys().collect();
    assert_eq!(names, ["added here", "both", "deleted here, edited there", "edited here"]);
    assert_eq!(new.peer(both).await.unwrap().spec, secret("s3cret of the new one"));
    assert_eq!(new.peer(edited_here).await.unwrap().spec.description, "edited");

    let lost = new.lost_changes(10).await.unwrap();
    assert_eq!(lost.len(), 2);
    let texts: Vec<String> = lost.iter().map(|lost| format!("{} {}", lost.lost, lost.won)).collect();
    assert!(!texts.iter().any(|text| text.contains("s3cret")), "{texts:?}");
    let of_both = lost.iter().find(|lost| lost.won["name"] == "both").unwrap();
    assert_eq!((of_both.at, &of_both.lost["hasNetworkSecret"]), (later, &true.into()));
    assert!(lost.iter().any(|lost| lost.lost["deletedAt"].is_string() && lost.won["description"] == "kept"));
    // Once more changes nothing.
    assert_eq!(merge(&new, &old, later).await.changed, 0);
    assert_eq!(follow(&old, &new, later).await.changed, 0);
    assert_eq!(old.lost_changes(10).await.unwrap().len(), 0);
}

async fn a_change_that_the_other_side_knew_is_not_lost(old: TestStore) {
    let id = add(&old, "one", "tcp://192.0.2.1:1", NOW).await;
    let new = cluster(&old).await;
    old.edit_peer(id, |spec| spec.description = "first".into(), NOW).await.unwrap();
    follow(&new, &old, NOW).await;
    promote(&new, 0).await;
    new.edit_peer(id, |spec| spec.description = "second".into(), NOW).await.unwrap();
    step_down(&old, &new).await;
    // In either order.
    let adopted = follow(&old, &new, NOW).await;
    assert_eq!((adopted.changed, adopted.lost), (1, 0));
    assert_eq!(merge(&new, &old, NOW).await.lost, 0);
    assert_eq!(old.peer(id).await.unwrap().spec.description, "second");
}

async fn a_probe_may_enroll_again_with_its_key_at_the_next_primary(old: TestStore) {
    let issued = old.create_enrollment_key("many", &EnrollmentLimits::default(), NOW).await.unwrap();
    let (token, eu, registration) = (NodeToken::generate(), region("eu"), Default::default());
    let new = NewProbe { server_id: "pod 1", region: &eu, registration: &registration, token: Some(&token) };
    let enroll = async |store: &TestStore| {
        let caller = store.authenticate(issued.token.expose(), NOW).await.unwrap();
        let Some(Caller::Enrollment(key)) = caller else { panic!("{caller:?}") };
        store.enroll_probe(&key, &new, NOW).await.map(|(probe, _)| probe.server_id)
    };
    assert_eq!(enroll(&old).await.unwrap(), "pod 1");
    let new_primary = cluster(&old).await;
    promote(&new_primary, 0).await;
    assert_eq!(enroll(&new_primary).await.unwrap(), "pod 1");
    assert_eq!(new_primary.count("credentials WHERE uses = 1").await, 1, "that was no other use of the key");
}

async fn an_id_that_was_given_out_twice_stays_with_one_peer_and_the_history_follows_the_other(old: TestStore) {
    add(&old, "known", "tcp://192.0.2.1:1", NOW).await;
    let new = cluster(&old).await;
    promote(&new, 0).await;
    let ours = add(&old, "of the old one", "tcp://192.0.2.2:1", NOW).await;
    let theirs = add(&new, "of the new one", "tcp://192.0.2.3:1", NOW).await;
    assert_eq!(ours, theirs);
    let probe = old.probe("p1", "eu").await;
    let found = |relay, at| CheckResult { relay: Some(relay), ..online(ours, at) };
    old.report(&probe, vec![found(Relay::Refused, NOW), online(PeerId(1), NOW)], NOW).await;
    old.report(&probe, vec![found(Relay::Ok, NOW + seconds(60))], NOW + seconds(60)).await;
    let later = NOW + seconds(600);
    // This one waits for the fold.
    old.ingest(crate::support::batch(&probe, vec![online(ours, later)], later)).await.unwrap();

    step_down(&old, &new).await;
    merge(&new, &old, later).await;
    follow(&old, &new, later).await;
    assert_same(&old, &new, later).await;
    let moved = peers(&old).await["of the old one"].id;
    assert!(moved > theirs);
    assert_eq!(peers(&old).await["of the new one"].id, theirs);
    assert_eq!(old.fold().await.unwrap().results, 0);
    let records = async |id| {
        let page = old.health_records(id, &RecordFilter::default(), PageRequest::default(), later).await;
        page.unwrap().items.len()
    };
    assert_eq!((records(moved).await, records(theirs).await), (3, 0));
    for table in ["results", "latest", "rollups", "peer_states", "rings", "verdict_times", "relays", "relay_verdicts"] {
        let of = |id: PeerId| format!("{table} WHERE peer_id = {id}");
        let history = old.count(&of(theirs)).await;
        assert_eq!(history, i64::from(table == "peer_states"), "{table}");
    }
    assert_eq!(old.count(&format!("rollups WHERE peer_id = {moved}")).await, 3);
    let events = old.events(Some(EventSubject::Peer(moved)), None, 9, false).await.unwrap();
    assert_eq!(events.iter().map(|event| event.became.as_str()).collect::<Vec<_>>(), ["ok", "up"]);
    let relaying = async |id| old.node(id, later).await.unwrap().relay.map(|found| found.verdict);
    assert_eq!((relaying(moved).await, relaying(theirs).await), (Some(Relay::Ok), None));
    assert_eq!(old.count(&format!("relays WHERE peer_id = {moved}")).await, 1);
    assert_eq!(old.count(&format!("results WHERE peer_id = {}", PeerId(1))).await, 1);
    assert_eq!((old.lost_changes(9).await.unwrap(), new.lost_changes(9).await.unwrap()), (vec![], vec![]));
    // Nothing has a new id yet that somebody else could get.
    assert!(add(&new, "next", "tcp://192.0.2.4:1", later).await > moved);
}

async fn a_peer_that_both_sides_of_a_split_add_is_one_peer_with_the_history_of_both(old: TestStore) {
    let new = cluster(&old).await;
    promote(&new, 0).await;
    let url = "tcp://192.0.2.2:1";
    let ours = add(&old, "of the old one", url, NOW).await;
    add(&new, "another", "tcp://192.0.2.3:1", NOW).await;
    let theirs = add(&new, "of the new one", url, NOW).await;
    // The same address in another network is another peer.
    let elsewhere = PeerSpec { network_name: Some("elsewhere".into()), ..named("elsewhere", url) };
    old.add_peer(&elsewhere, NOW).await.unwrap();
    assert_ne!(ours, theirs);
    let probe = old.probe("p1", "eu").await;
    old.report(&probe, vec![CheckResult { relay: Some(Relay::Ok), ..online(ours, NOW) }], NOW).await;

    step_down(&old, &new).await;
    assert_eq!(merge(&new, &old, NOW).await.lost, 1);
    follow(&old, &new, NOW).await;
    assert_same(&old, &new, NOW).await;
    for store in [&old, &new] {
        let listed = peers(store).await;
        let names: Vec<&String> = listed.keys().collect();
        assert_eq!(names, ["another", "elsewhere", "of the new one"]);
        assert_eq!(listed["of the new one"].id, theirs, "the one with the higher version keeps its id");
    }
    let lost = &new.lost_changes(9).await.unwrap()[0];
    assert_eq!((&lost.lost["name"], &lost.won["name"]), (&"of the old one".into(), &"of the new one".into()));
    let page = old.health_records(theirs, &RecordFilter::default(), PageRequest::default(), NOW).await.unwrap();
    assert_eq!(page.items.len(), 1, "the results follow");
    for table in ["latest", "relays", "relay_verdicts"] {
        assert_eq!(old.count(&format!("{table} WHERE peer_id = {theirs}")).await, 1, "{table}");
    }
    // And they are passed on as results of the peer that remains.
    let uid = new.peer_uids().await.unwrap()[&theirs.0].clone();
    let (passed_on, _) = old.results_after(0, 9, false).await.unwrap();
    assert_eq!(passed_on.iter().map(|one| one.peer_uid.clone()).collect::<Vec<_>>(), [uid]);
}

async fn a_peer_that_is_deleted_and_added_again_on_both_sides_is_one(old: TestStore) {
    let url = "tcp://192.0.2.2:1";
    let first = add(&old, "first", url, NOW).await;
    let new = cluster(&old).await;
    promote(&new, 0).await;
    for store in [&old, &new] {
        store.delete_peer(first, NOW).await.unwrap();
        store.shared_config(NOW).await.unwrap();
        add(store, "again", url, NOW).await;
    }
    step_down(&old, &new).await;
    merge(&new, &old, NOW).await;
    follow(&old, &new, NOW).await;
    assert_same(&old, &new, NOW).await;
    assert_eq!(peers(&new).await.into_keys().collect::<Vec<_>>(), ["again"]);
    assert_eq!(new.export_peers().await.unwrap().len(), 1);
}

/// One side of a split deletes a peer, the other side edits it and wins: what the losing side took for it is not lost.
async fn results_of_a_peer_that_was_deleted_and_comes_back_are_passed_on(old: TestStore) {
    let (kept, peer) =
        (add(&old, "kept", "tcp://192.0.2.1:1", NOW).await, add(&old, "p", "tcp://192.0.2.2:1", NOW).await);
    let (new, third) = (cluster(&old).await, instance(&old).await);
    join(&third, &old).await;
    follow(&third, &old, NOW).await;
    let probe = third.probe("p1", "eu").await;
    third.report(&probe, vec![online(kept, NOW)], NOW).await;
    let forwarded = third.newest_result().await.unwrap();
    third.report(&probe, vec![online(peer, NOW), online(kept, NOW)], NOW).await;

    let later = NOW + DAY;
    promote(&new, 0).await;
    old.delete_peer(peer, later).await.unwrap();
    new.edit_peer(peer, |spec| spec.description = "kept".into(), later).await.unwrap();
    follow(&third, &old, later).await;
    let (passed_on, next) = third.results_after(forwarded, 10, false).await.unwrap();
    assert_eq!(passed_on.len(), 1, "that of the deleted peer is nobody's");
    third.put_forwarded_row(next).await.unwrap();

    third.follow(&leadership(&new).await).await.unwrap();
    follow(&third, &new, later).await;
    let from = third.forwarded_row().await.unwrap();
    let (passed_on, _) = third.results_after(from, 10, false).await.unwrap();
    let peers: Vec<i64> = passed_on.iter().map(|one| one.result.peer_id).collect();
    assert!(peers.contains(&peer.0) && from >= forwarded, "{peers:?}");
    // Once.
    third.put_forwarded_row(next).await.unwrap();
    follow(&third, &new, later).await;
    assert_eq!(third.forwarded_row().await.unwrap(), next);
}

/// Its id went to another peer meanwhile.
async fn a_peer_that_comes_back_under_another_id_finds_its_results(old: TestStore) {
    let (new, between, third) = (cluster(&old).await, instance(&old).await, instance(&old).await);
    let peer = add(&old, "p", "tcp://192.0.2.2:1", NOW).await;
    for dependent in [&between, &third] {
        join(dependent, &old).await;
        follow(dependent, &old, NOW).await;
    }
    let probe = third.probe("p1", "eu").await;
    third.report(&probe, vec![online(peer, NOW)], NOW).await;
    old.delete_peer(peer, NOW).await.unwrap();
    follow(&third, &old, NOW).await;

    promote(&between, 0).await;
    between.edit_peer(peer, |spec| spec.description = "kept".into(), NOW).await.unwrap();
    promote(&new, 2).await;
    assert_eq!(add(&new, "another", "tcp://192.0.2.3:1", NOW).await, peer);
    third.follow(&leadership(&new).await).await.unwrap();
    follow(&third, &new, NOW).await;
    let (_, next) = third.results_after(0, 10, false).await.unwrap();
    third.put_forwarded_row(next).await.unwrap();

    step_down(&between, &new).await;
    merge(&new, &between, NOW).await;
    follow(&third, &new, NOW).await;
    assert_eq!(peers(&third).await, peers(&new).await);
    let back = peers(&third).await["p"].id;
    assert_ne!(back, peer);
    let from = third.forwarded_row().await.unwrap();
    let (passed_on, _) = third.results_after(from, 10, false).await.unwrap();
    assert_eq!(passed_on.iter().map(|one| one.result.peer_id).collect::<Vec<_>>(), [back.0]);
}

/// The primary hears of the peer later, when its predecessor hands in what it changed.
async fn results_that_the_primary_refused_are_passed_on_when_it_has_their_peer(old: TestStore) {
    let (new, third) = (cluster(&old).await, instance(&old).await);
    let known = add(&old, "known", "tcp://192.0.2.1:1", NOW).await;
    let peer = add(&old, "p", "tcp://192.0.2.2:1", NOW).await;
    follow(&new, &old, NOW).await;
    join(&third, &old).await;
    let added = add(&old, "added", "tcp://192.0.2.3:1", NOW).await;
    follow(&third, &old, NOW).await;
    let probe = third.probe("p1", "eu").await;
    third.report(&probe, vec![online(known, NOW), online(peer, NOW)], NOW).await;
    let refused_after = third.newest_result().await.unwrap();
    third.report(&probe, vec![online(added, NOW)], NOW).await;

    promote(&new, 0).await;
    third.follow(&leadership(&new).await).await.unwrap();
    let (passed_on, end) = third.results_after(refused_after, 10, false).await.unwrap();
    let uids: BTreeSet<String> = passed_on.iter().map(|one| one.peer_uid.clone()).collect();
    assert_eq!(uids.len(), 1);
    for row in [refused_after, refused_after + 1] {
        third.note_refused(uids.clone(), row).await.unwrap();
    }
    third.put_forwarded_row(end).await.unwrap();
    for _ in 0..9 {
        add(&new, "of the new one", "tcp://192.0.2.4:1", NOW).await;
        follow(&third, &new, NOW).await;
        assert_eq!(third.forwarded_row().await.unwrap(), end, "the primary does not have the peer");
        let listed = peers(&new).await["of the new one"].id;
        new.delete_peer(listed, NOW).await.unwrap();
    }

    step_down(&old, &new).await;
    merge(&new, &old, NOW).await;
    follow(&third, &new, NOW).await;
    assert_eq!(third.forwarded_row().await.unwrap(), refused_after);
    let (passed_on, _) = third.results_after(refused_after, 10, false).await.unwrap();
    assert_eq!(passed_on.iter().map(|one| one.peer_uid.clone()).collect::<BTreeSet<_>>(), uids);
    // Once.
    third.put_forwarded_row(end).await.unwrap();
    new.edit_peer(known, |spec| spec.description = "edited".into(), NOW).await.unwrap();
    follow(&third, &new, NOW).await;
    assert_eq!(third.forwarded_row().await.unwrap(), end);
}

async fn of_two_peers_that_got_one_address_the_one_with_the_higher_version_stays(old: TestStore) {
    let id = add(&old, "moved by the old one", "tcp://192.0.2.2:1", NOW).await;
    let new = cluster(&old).await;
    promote(&new, 0).await;
    let url = "tcp://192.0.2.3:1";
    old.edit_peer(id, |spec| *spec = named("moved by the old one", url), NOW).await.unwrap();
    add(&new, "added by the new one", url, NOW).await;

    step_down(&old, &new).await;
    assert_eq!(merge(&new, &old, NOW).await.lost, 1);
    follow(&old, &new, NOW).await;
    assert_same(&old, &new, NOW).await;
    assert_eq!(peers(&old).await.into_keys().collect::<Vec<_>>(), ["added by the new one"]);
    let lost = &new.lost_changes(9).await.unwrap()[0];
    assert_eq!(lost.lost["name"], "moved by the old one");
    assert_eq!(merge(&new, &old, NOW).await.changed, 0);
}

async fn a_peer_that_is_set_aside_makes_way_for_those_of_the_primary(primary: TestStore) {
    for nth in 1..=3 {
        add(&primary, &format!("shared {nth}"), &format!("tcp://192.0.2.{nth}:1"), NOW).await;
    }
    let dependent = instance(&primary).await;
    let own = add(&dependent, "own", "tcp://192.0.2.1:1", NOW).await;
    let deleted = add(&dependent, "deleted", "tcp://192.0.2.9:1", NOW).await;
    let probe = dependent.probe("p1", "eu").await;
    dependent.report(&probe, vec![online(own, NOW), online(deleted, NOW)], NOW).await;
    dependent.delete_peer(deleted, NOW).await.unwrap();
    dependent.shared_config(NOW).await.unwrap();
    primary.become_primary("primary", None).await.unwrap();
    join(&dependent, &primary).await;

    let adopted = follow(&dependent, &primary, NOW).await;
    assert_eq!((adopted.lost, adopted.ahead), (0, 0), "{adopted:?}");
    let found = peers(&dependent).await;
    assert_eq!(found.len(), 4);
    for nth in 1..=3 {
        assert_eq!(found[&format!("shared {nth}")].id, PeerId(nth));
        assert_eq!(dependent.count(&format!("results WHERE peer_id = {nth}")).await, 0);
        assert_eq!(dependent.count(&format!("rollups WHERE peer_id = {nth}")).await, 0);
    }
    let own = found["own"].id;
    assert_eq!(dependent.count(&format!("results WHERE peer_id = {own}")).await, 1);
    let shared = dependent.shared_config(NOW).await.unwrap();
    let names = |content: &Content| matches!(content, Content::Peer(peer) if peer.spec.name == "own");
    assert!(!shared.objects.iter().any(|object| matches!(&object.state, ObjectState::Present(one) if names(one))));
    assert_eq!(follow(&dependent, &primary, NOW).await.changed, 0);
}

async fn maintenance_windows_are_shared_and_each_instance_follows_them(primary: TestStore) {
    let window = |title: &str| {
        let (start, time_zone) = ("2027-01-15T08:00".into(), "Europe/Berlin".into());
        let rrule = Some("FREQ=WEEKLY;BYDAY=FR;UNTIL=20301231".into());
        let schedule = ScheduleText { start, time_zone, minutes: 120, rrule, until: None };
        MaintenanceSpec {
            title: title.into(),
            title_zh: Some("维护".into()),
            coverage: Coverage {
                tags: ["a".parse().unwrap()].into(),
                peers: [PeerId(1)].into(),
                ..Coverage::default()
            },
            schedule: Schedule::parse(&schedule).unwrap(),
        }
    };
    add(&primary, "node", "tcp://192.0.2.1:1", NOW).await;
    let id = primary.add_maintenance(&window("shared"), NOW).await.unwrap();
    let gone = primary.add_maintenance(&window("removed"), NOW).await.unwrap();
    let dependent = instance(&primary).await;
    dependent.add_maintenance(&window("its own"), NOW).await.unwrap();
    primary.become_primary("primary", None).await.unwrap();
    join(&dependent, &primary).await;
    assert_eq!(dependent.maintenance_windows().await.unwrap(), [], "its own gives way");
    follow(&dependent, &primary, NOW).await;
    assert_same(&primary, &dependent, NOW).await;
    let specs = async |store: &TestStore| {
        let mut windows = store.maintenance_windows().await.unwrap();
        // Those of one moment are in any order.
        windows.sort_by(|one, other| one.spec.title.cmp(&other.spec.title));
        windows.into_iter().map(|window| (window.spec, window.ended_at)).collect::<Vec<_>>()
    };
    assert_eq!(specs(&dependent).await, specs(&primary).await);
    assert_eq!(specs(&dependent).await.len(), 2);
    dependent.keep_maintenance(NOW).await.unwrap();
    assert!(dependent.node(PeerId(1), NOW).await.unwrap().maintenance.is_some());

    let later = NOW + Duration::from_secs(600);
    primary.change_maintenance(id, None, &window("changed"), later).await.unwrap();
    primary.end_maintenance(id, later).await.unwrap();
    primary.remove_maintenance(gone, later).await.unwrap();
    follow(&dependent, &primary, later).await;
    assert_same(&primary, &dependent, later).await;
    assert_eq!(specs(&dependent).await, [(window("changed"), Some(later))]);
    dependent.keep_maintenance(later).await.unwrap();
    assert_eq!(dependent.node(PeerId(1), later).await.unwrap().maintenance, None);
    assert_eq!(follow(&dependent, &primary, later).await.changed, 0);
}

async fn a_dependent_that_was_away_for_a_month_has_everything_after_one_exchange(primary: TestStore) {
    let specs: Vec<PeerSpec> = (0..80).map(|nth| named(&format!("{nth}"), &format!("tcp://192.0.2.{nth}:1"))).collect();
    primary.import_peers(&specs, NOW).await.unwrap();
    let dependent = cluster(&primary).await;
    for day in 1..=30u32 {
        let (now, id) = (NOW + DAY * day, i64::from(day));
        primary.edit_peer(PeerId(id), |spec| spec.description = format!("day {day}"), now).await.unwrap();
        primary.delete_peer(PeerId(id + 40), now).await.unwrap();
        add(&primary, &format!("new {day}"), &format!("tcp://192.0.3.{day}:1"), now).await;
        // Another instance reads it every day.
        primary.shared_config(now).await.unwrap();
    }
    let now = NOW + DAY * 30;
    let adopted = follow(&dependent, &primary, now).await;
    assert_eq!((adopted.lost, adopted.ahead), (0, 0));
    assert_same(&primary, &dependent, now).await;
    assert_eq!(follow(&dependent, &primary, now).await.changed, 0);
}

async fn three_instances_have_the_same_in_whatever_order_they_meet(one: TestStore) {
    let id = add(&one, "shared", "tcp://192.0.2.1:1", NOW).await;
    let two = cluster(&one).await;
    let three = instance(&one).await;
    join(&three, &one).await;
    follow(&three, &one, NOW).await;
    // Each led once, and none saw what the others did.
    for (nth, store) in [(1u32, &one), (2, &two), (3, &three)] {
        if nth > 1 {
            promote(store, i64::from(nth) - 1).await;
        }
        store.edit_peer(id, |spec| spec.description = format!("by {nth}"), NOW).await.unwrap();
        add(store, &format!("added by {nth}"), &format!("tcp://192.0.3.{nth}:1"), NOW).await;
    }
    for (from, to) in [(&two, &one), (&one, &three), (&three, &two), (&two, &one), (&one, &three), (&three, &two)] {
        merge(to, from, NOW).await;
    }
    assert_same(&one, &two, NOW).await;
    assert_same(&two, &three, NOW).await;
    assert_eq!(peers(&one).await.len(), 4);
    assert_eq!(one.peer(id).await.unwrap().spec.description, "by 3");
}

async fn a_regained_edit_wins_over_what_it_replaces(old: TestStore) {
    let id = add(&old, "one", "tcp://192.0.2.1:1", NOW).await;
    let new = cluster(&old).await;
    promote(&new, 0).await;
    for nth in 0..5 {
        new.edit_peer(id, |spec| spec.description = format!("new {nth}"), NOW).await.unwrap();
        new.shared_config(NOW).await.unwrap();
    }
    old.edit_peer(id, |spec| spec.description = "old".into(), NOW).await.unwrap();
    step_down(&old, &new).await;
    assert_eq!(follow(&old, &new, NOW).await.lost, 1);
    assert_eq!(old.lost_changes(1).await.unwrap()[0].lost["description"], "old");
    let version = |config: &easytier_uptime_store::domain::SharedConfig| {
        let is_peer = |state: &ObjectState| matches!(state, ObjectState::Present(Content::Peer(_)));
        config.objects.iter().find(|object| is_peer(&object.state)).unwrap().version
    };
    let replaced = version(&old.shared_config(NOW).await.unwrap());
    // The operator makes the lost edit again, where she may; also at an instance that has not heard of the epoch.
    promote(&old, 0).await;
    for epoch in [3, 0] {
        old.run_sql(&format!("UPDATE instance SET epoch = {epoch}")).await;
        old.edit_peer(id, |spec| spec.description = format!("old, again in {epoch}"), NOW).await.unwrap();
        let regained = version(&old.shared_config(NOW).await.unwrap());
        assert!(regained > replaced, "{regained:?} {replaced:?}");
        merge(&new, &old, NOW).await;
        assert_eq!(new.peer(id).await.unwrap().spec.description, format!("old, again in {epoch}"));
    }
}

async fn a_deletion_is_remembered_for_90_days(primary: TestStore) {
    let id = add(&primary, "one", "tcp://192.0.2.1:1", NOW).await;
    let dependent = cluster(&primary).await;
    let late = cluster(&primary).await;
    primary.delete_peer(id, NOW).await.unwrap();
    primary.shared_config(NOW).await.unwrap();
    let in_time = NOW + DELETIONS_KEPT;
    assert_eq!(follow(&dependent, &primary, in_time).await.changed, 1);
    assert!(dependent.export_peers().await.unwrap().is_empty());
    let too_late = in_time + seconds(1);
    primary.add("tcp://192.0.2.2:1").await;
    follow(&late, &primary, too_late).await;
    assert_eq!(late.export_peers().await.unwrap().len(), 2);
    let deletions = "synced_objects WHERE deleted_at IS NOT NULL";
    assert_eq!(primary.count(deletions).await, 0);
    follow(&dependent, &primary, too_late).await;
    assert_eq!(dependent.count(deletions).await, 0);
}

async fn a_peer_that_becomes_another_one_is_so_everywhere(primary: TestStore) {
    let id = add(&primary, "one", "tcp://192.0.2.1:1", NOW).await;
    let kept = add(&primary, "kept", "tcp://192.0.2.2:1", NOW).await;
    let dependent = cluster(&primary).await;
    let probe = dependent.probe("p1", "eu").await;
    dependent.report(&probe, vec![online(id, NOW), online(kept, NOW)], NOW).await;
    let later = NOW + seconds(60);
    let renamed = spec("tcp://192.0.2.3:1").url;
    primary.edit_peer(id, |spec| spec.url.clone_from(&renamed), later).await.unwrap();
    primary.edit_peer(kept, |spec| spec.name = "renamed".into(), later).await.unwrap();
    follow(&dependent, &primary, later).await;
    let verdict = async |id| dependent.peer(id).await.unwrap().verdict.as_str();
    assert_eq!((verdict(id).await, verdict(kept).await), ("unknown", "up"));
    // A check of what it was is not one of what it is.
    let receipt = dependent.report(&probe, vec![online(id, NOW + seconds(30))], later).await;
    assert_eq!(receipt.rejected.len(), 1);
}

async fn what_a_dependent_has_of_its_own_gives_way(primary: TestStore) {
    let dependent = cluster(&primary).await;
    dependent.probe("edge", "home").await;
    let config = dependent.shared_config(NOW).await.unwrap();
    let own: Vec<_> = config.objects.iter().filter(|object| object.version.is_local()).map(|of| &of.key.uid).collect();
    assert_eq!(own, ["home", "edge"]);
    primary.local_probe("edge", &region("office"), NOW).await.unwrap();
    let adopted = follow(&dependent, &primary, NOW).await;
    assert_eq!((adopted.ahead, adopted.lost), (0, 0), "{adopted:?}");
    let of = dependent.probes(NOW).await.unwrap();
    assert_eq!(of[0].region, "office".parse::<Region>().unwrap());
    // It tidies up a probe that only others hear: the primary's stays.
    dependent.run_sql("DELETE FROM probes").await;
    let adopted = follow(&dependent, &primary, NOW).await;
    assert_eq!((adopted.changed, adopted.ahead), (1, 0), "{adopted:?}");
    // Once it leads, what it has of its own is everybody's.
    promote(&dependent, 0).await;
    let config = dependent.shared_config(NOW).await.unwrap();
    assert!(!config.objects.iter().any(|object| object.version.is_local()));
}

async fn an_older_or_impossible_configuration_changes_nothing(primary: TestStore) {
    let id = add(&primary, "one", "tcp://192.0.2.1:1", NOW).await;
    let old = primary.shared_config(NOW).await.unwrap();
    let dependent = cluster(&primary).await;
    primary.delete_peer(id, NOW).await.unwrap();
    follow(&dependent, &primary, NOW).await;
    let before = dependent.shared_config(NOW).await.unwrap();
    let refused = async |config: &_, from| match dependent.adopt(config, from, NOW).await {
        Err(StoreError::Conflict(conflict)) => conflict,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(&old, MergePartner::Primary).await, Conflict::OlderConfiguration);
    let mut broken = Vec::new();
    let mut breaking = |how: &dyn Fn(&mut easytier_uptime_store::domain::SharedConfig)| {
        let mut config = (*old).clone();
        how(&mut config);
        broken.push(config);
    };
    breaking(&|config| config.version.epoch = i64::MAX);
    breaking(&|config| config.highest_peer_id = -1);
    breaking(&|config| config.objects[0].version.counter = i64::MAX);
    breaking(&|config| config.objects.extend(config.objects.clone()));
    breaking(&|config| config.objects[0].key.uid = "no uuid".into());
    breaking(&|config| {
        for object in &mut config.objects {
            if let ObjectState::Present(Content::Peer(peer)) = &mut object.state {
                peer.id = 0;
            }
        }
    });
    for config in &broken {
        assert_eq!(refused(config, MergePartner::Other).await, Conflict::ImpossibleConfiguration, "{config:?}");
    }
    assert_eq!(dependent.shared_config(NOW).await.unwrap(), before);
    dependent.leave().await.unwrap();
    let config = primary.shared_config(NOW).await.unwrap();
    assert_eq!(refused(&config, MergePartner::Primary).await, Conflict::NotDependent);
}

async fn no_id_is_given_out_again_by_the_next_primary(old: TestStore) {
    let first = add(&old, "one", "tcp://192.0.2.1:1", NOW).await;
    let gone = add(&old, "gone", "tcp://192.0.2.2:1", NOW).await;
    old.delete_peer(gone, NOW).await.unwrap();
    let new = cluster(&old).await;
    promote(&new, 0).await;
    assert!(add(&new, "two", "tcp://192.0.2.3:1", NOW).await > gone);
    assert!(first < gone);
}

async fn a_move_of_history_that_was_interrupted_goes_on(old: TestStore) {
    let id = add(&old, "one", "tcp://192.0.2.1:1", NOW).await;
    let new = cluster(&old).await;
    let probe = new.probe("p1", "eu").await;
    new.report(&probe, vec![online(id, NOW)], NOW).await;
    new.report(&probe, vec![online(id, NOW + seconds(600))], NOW + seconds(600)).await;
    new.run_sql("INSERT INTO settings (key, value) VALUES ('peer_moves', '[{\"pairs\":[[1,5]]},{\"pairs\":[[5,6]]}]')")
        .await;
    follow(&new, &old, NOW).await;
    for table in ["results", "rollups"] {
        let moved = new.count(&format!("{table} WHERE peer_id = 6")).await;
        assert_eq!(moved, new.count(table).await, "{table}");
        assert!(moved > 0);
    }
    assert_eq!(new.count("settings WHERE key = 'peer_moves'").await, 0);
}

async fn results_that_arrive_while_history_moves_belong_to_the_peer_that_has_the_id_now(old: TestStore) {
    let id = add(&old, "one", "tcp://192.0.2.1:1", NOW).await;
    let new = cluster(&old).await;
    let probe = new.probe("p1", "eu").await;
    let at = |minutes: u64| NOW + seconds(60 * minutes);
    // As when the program ended in between: the peer that had the id until `moved_at` has another one since.
    for minutes in [0, 10, 1500, 1520, 1530] {
        new.report(&probe, vec![online(id, at(minutes))], at(minutes)).await;
    }
    let moved_at = at(1520);
    let pending = format!("[{{\"pairs\":[[{id},5]],\"moved_at\":{}}}]", moved_at.0);
    new.run_sql(&format!("INSERT INTO settings (key, value) VALUES ('peer_moves', '{pending}')")).await;
    follow(&new, &old, at(1530)).await;
    assert_eq!(new.count("results WHERE peer_id = 5").await, 3);
    assert_eq!(new.count(&format!("results WHERE peer_id = {id}")).await, 2);
    for grain in Grain::ALL {
        let grain = grain.duration();
        let (bucket, length) = (moved_at.bucket(grain), grain.as_secs());
        let wrong = format!(
            "rollups WHERE grain = {length} AND ((peer_id = 5 AND bucket >= {bucket}) OR (peer_id = {id} AND bucket < {bucket}))"
        );
        assert_eq!(new.count(&wrong).await, 0, "{length}");
    }
}

async fn the_last_edits_of_a_primary_that_steps_down_belong_to_its_epoch(old: TestStore) {
    let id = add(&old, "one", "tcp://192.0.2.1:1", NOW).await;
    let gone = add(&old, "gone", "tcp://192.0.2.2:1", NOW).await;
    let new = cluster(&old).await;
    promote(&new, 0).await;
    new.edit_peer(id, |spec| spec.description = "new".into(), NOW).await.unwrap();
    // Nobody asked the old one since.
    old.edit_peer(id, |spec| spec.description = "old".into(), NOW).await.unwrap();
    old.delete_peer(gone, NOW + seconds(1)).await.unwrap();
    step_down(&old, &new).await;
    let later = NOW + DAY;
    let config = old.shared_config(later).await.unwrap();
    for object in &config.objects {
        assert_eq!(object.version.epoch, 1);
        if let ObjectState::Deleted(at) = object.state {
            assert_eq!(at, NOW + seconds(1));
        }
    }
    merge(&new, &old, later).await;
    assert_eq!(new.peer(id).await.unwrap().spec.description, "new");
    assert_eq!(peers(&new).await.len(), 1);
}

async fn ten_thousand_peers_are_adopted_at_once(primary: TestStore) {
    let specs: Vec<PeerSpec> = (0..10_000)
        .map(|nth| PeerSpec {
            url: format!("tcp://node-{nth}.example.net:1").parse().unwrap(),
            network_secret: Some(format!("secret {nth}").into()),
            ..full()
        })
        .collect();
    primary.import_peers(&specs, NOW).await.unwrap();
    primary.become_primary("primary", None).await.unwrap();
    let dependent = instance(&primary).await;
    join(&dependent, &primary).await;
    let mut times = Vec::new();
    let mut timed = |what: &'static str, begun: std::time::Instant| times.push((what, begun.elapsed()));
    let begun = std::time::Instant::now();
    primary.shared_config(NOW).await.unwrap();
    timed("capture", begun);
    let begun = std::time::Instant::now();
    for _ in 0..100 {
        primary.shared_config(NOW).await.unwrap();
    }
    timed("100 times nothing changed", begun);
    let begun = std::time::Instant::now();
    follow(&dependent, &primary, NOW).await;
    timed("all are new", begun);
    assert_same(&primary, &dependent, NOW).await;
    primary.run_sql("UPDATE peers SET description = 'changed', updated_at = updated_at + 1").await;
    primary
        .run_sql("UPDATE settings SET value = CAST(CAST(value AS BIGINT) + 1 AS TEXT) WHERE key = 'config_version'")
        .await;
    let begun = std::time::Instant::now();
    let adopted = follow(&dependent, &primary, NOW).await;
    timed("all are changed", begun);
    assert_eq!(adopted.changed, 10_000);
    primary.run_sql("DELETE FROM peers").await;
    primary
        .run_sql("UPDATE settings SET value = CAST(CAST(value AS BIGINT) + 1 AS TEXT) WHERE key = 'config_version'")
        .await;
    let begun = std::time::Instant::now();
    let adopted = follow(&dependent, &primary, NOW).await;
    timed("all are deleted", begun);
    assert_eq!(adopted.changed, 10_000);
    eprintln!("{:?}: {times:?}", primary.engine());
}

async fn channels_are_shared_with_their_secrets_changed_and_removed(primary: TestStore) {
    let spec = ChannelSpec { name: "ops".into(), kind: "webhook".into(), enabled: true, config: "hunter2".into() };
    let id = primary.add_channel(&spec, NOW).await.unwrap();
    let dependent = cluster(&primary).await;
    let of_dependent = async || {
        let channels = dependent.alert_channels().await.unwrap();
        channels
            .into_iter()
            .map(|one| (one.spec.name, one.spec.enabled, one.spec.config.expose().to_owned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(of_dependent().await, [("ops".to_owned(), true, "hunter2".to_owned())]);
    assert!(!dependent.dump(&["channels", "synced_objects"]).await.contains("hunter2"));
    assert_same(&primary, &dependent, NOW).await;

    let edit = |spec: &mut ChannelSpec| (spec.enabled, spec.config) = (false, "hunter3".into());
    primary.edit_channel(id, edit, NOW + seconds(5)).await.unwrap();
    follow(&dependent, &primary, NOW + seconds(6)).await;
    assert_eq!(of_dependent().await, [("ops".to_owned(), false, "hunter3".to_owned())]);

    // The next primary changes it, and the old one follows.
    promote(&dependent, 0).await;
    let id = dependent.alert_channels().await.unwrap()[0].id;
    dependent.edit_channel(id, |spec| spec.name = "night".into(), NOW + seconds(7)).await.unwrap();
    step_down(&primary, &dependent).await;
    follow(&primary, &dependent, NOW + seconds(8)).await;
    assert_eq!(primary.alert_channels().await.unwrap()[0].spec.name, "night");
    dependent.remove_channel(id, NOW + seconds(9)).await.unwrap();
    follow(&primary, &dependent, NOW + seconds(10)).await;
    assert!(primary.alert_channels().await.unwrap().is_empty());
}
