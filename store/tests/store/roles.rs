use easytier_uptime_store::{
    RoleConflict, StoreError,
    domain::{ClusterId, ConfigVersion, Instance, Leader, Leadership, MAX_EPOCH, MAX_EPOCH_LEAD, Role},
};

use crate::support::{NOW, TestStore, leadership, on_both_engines};

on_both_engines! {
    a_database_is_standalone_until_it_leads_or_joins,
    a_standalone_instance_makes_a_cluster_of_its_own,
    a_dependent_refuses_another_cluster_and_what_is_over_without_a_trace,
    an_epoch_that_cannot_be_right_is_refused_without_a_trace,
    the_token_goes_to_the_primary_that_issued_it_only,
    a_promotion_counts_once_and_never_takes_the_callers_epoch,
    of_two_hubs_that_promote_at_once_one_does,
    a_primary_steps_down_for_one_of_a_later_epoch,
    a_configuration_never_goes_back,
    versions_of_two_primaries_of_one_epoch_do_not_follow_each_other,
    an_instance_that_leaves_forgets_the_cluster,
    the_sealing_key_is_made_once,
    what_configured_the_role_is_kept,
}

const VERSION: fn(i64, i64) -> ConfigVersion = |epoch, version| ConfigVersion { epoch, version };

fn conflict<T: std::fmt::Debug>(outcome: Result<T, StoreError>) -> RoleConflict {
    match outcome {
        Err(StoreError::Role(conflict)) => conflict,
        other => panic!("{other:?}"),
    }
}

async fn instance(hub: &TestStore) -> Instance {
    hub.instance().await.unwrap()
}

async fn a_database_is_standalone_until_it_leads_or_joins(hub: TestStore) {
    let own = instance(&hub).await;
    assert_eq!(own.id.to_string(), hub.database_id().await.unwrap());
    assert_eq!((own.role, own.cluster, own.epoch, own.leader.clone()), (Role::Standalone, None, 0, None));
    assert!(own.accepts_edits);
    assert_eq!(own.config, VERSION(0, hub.config_version().await.unwrap()));
    assert_eq!(hub.primary_token().await.unwrap(), None);
    for refused in [
        hub.promote("a", None, 0, 0).await,
        hub.follow(&leadership(1, 1, 1)).await,
        hub.demote_to(&leadership(1, 1, 1)).await,
        hub.set_accepts_edits(false).await,
    ] {
        assert_eq!(conflict(refused), RoleConflict::WrongRole(Role::Standalone));
    }
    assert_eq!(hub.see_epoch(7).await.unwrap(), own);
    assert_eq!(hub.leave().await.unwrap(), own);
}

async fn a_standalone_instance_makes_a_cluster_of_its_own(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let own = hub.become_primary("first", Some("http://192.0.2.1:3002")).await.unwrap();
    assert_eq!((own.role, own.epoch, own.accepts_edits), (Role::Primary, 1, true));
    let leader = Leader { id: own.id, name: "first".into(), url: Some("http://192.0.2.1:3002".into()) };
    assert_eq!(own.leader, Some(leader.clone()));
    assert_eq!(instance(&hub).await, own);
    // Again, at another address, it is the same cluster.
    let again = hub.become_primary("first", None).await.unwrap();
    assert_eq!((again.cluster, again.epoch), (own.cluster, 1));
    assert_eq!(again.leader, Some(Leader { url: None, ..leader }));
    assert!(hub.node(peer, NOW).await.is_ok(), "its peers stay");
    let foreign = hub.join(&leadership(1, 1, 9), &"token".into()).await;
    assert_eq!(conflict(foreign), RoleConflict::OtherCluster);
    assert_eq!(instance(&hub).await, again);
}

async fn a_dependent_refuses_another_cluster_and_what_is_over_without_a_trace(hub: TestStore) {
    hub.join(&leadership(1, 1, 5), &"token".into()).await.unwrap();
    let own = instance(&hub).await;
    assert_eq!((own.role, own.cluster), (Role::Dependent, Some(leadership(1, 1, 5).cluster)));
    assert_eq!((own.epoch, own.leader.clone()), (5, Some(leadership(1, 1, 5).leader)));
    let foreign = leadership(2, 1, 6);
    assert_eq!(conflict(hub.follow(&foreign).await), RoleConflict::OtherCluster);
    assert_eq!(conflict(hub.join(&foreign, &"other".into()).await), RoleConflict::OtherCluster);
    let over = leadership(1, 2, 4);
    let expected = RoleConflict::EpochOver { named: 4, known: 5 };
    assert_eq!(conflict(hub.follow(&over).await), expected);
    assert_eq!(conflict(hub.join(&over, &"other".into()).await), expected);
    let own_id = Leader { id: own.id, name: "itself".into(), url: None };
    let itself = Leadership { leader: own_id, ..leadership(1, 1, 6) };
    assert_eq!(conflict(hub.follow(&itself).await), RoleConflict::OtherPrimary);
    assert_eq!(conflict(hub.become_primary("a", None).await), RoleConflict::WrongRole(Role::Dependent));
    assert_eq!(conflict(hub.demote_to(&leadership(1, 2, 6)).await), RoleConflict::WrongRole(Role::Dependent));
    assert_eq!(instance(&hub).await, own);
    assert_eq!(hub.primary_token().await.unwrap().unwrap().1.expose(), "token");

    // What another instance said of a later epoch ends this one too.
    hub.see_epoch(7).await.unwrap();
    hub.see_epoch(6).await.unwrap();
    assert_eq!(conflict(hub.follow(&leadership(1, 2, 6)).await), RoleConflict::EpochOver { named: 6, known: 7 });
    let followed = hub.follow(&leadership(1, 2, 7)).await.unwrap();
    assert_eq!((followed.epoch, followed.leader), (7, Some(leadership(1, 2, 7).leader)));
}

async fn an_epoch_that_cannot_be_right_is_refused_without_a_trace(hub: TestStore) {
    for epoch in [i64::MIN, -1, 0, MAX_EPOCH + 1, i64::MAX] {
        let refused = hub.join(&leadership(1, 1, epoch), &"token".into()).await;
        assert_eq!(conflict(refused), RoleConflict::EpochOutOfRange(epoch));
        assert_eq!(instance(&hub).await.role, Role::Standalone);
    }
    hub.dependent().await;
    let own = instance(&hub).await;
    for epoch in [1 + MAX_EPOCH_LEAD + 1, MAX_EPOCH, i64::MAX] {
        let expected = RoleConflict::EpochOutOfRange(epoch);
        assert_eq!(conflict(hub.follow(&leadership(1, 2, epoch)).await), expected);
        assert_eq!(conflict(hub.join(&leadership(1, 2, epoch), &"other".into()).await), expected);
        assert_eq!(conflict(hub.see_epoch(epoch).await), expected);
        assert_eq!(conflict(hub.promote("own", None, 1, epoch).await), expected);
    }
    assert_eq!(instance(&hub).await, own);
    hub.see_epoch(1 + MAX_EPOCH_LEAD).await.unwrap();
    assert_eq!(instance(&hub).await.epoch, 1 + MAX_EPOCH_LEAD);
    // Nothing is left after the last epoch.
    hub.leave().await.unwrap();
    hub.join(&leadership(1, 1, MAX_EPOCH), &"token".into()).await.unwrap();
    let last = hub.promote("own", None, MAX_EPOCH, MAX_EPOCH).await;
    assert_eq!(conflict(last), RoleConflict::EpochOutOfRange(MAX_EPOCH + 1));
}

async fn the_token_goes_to_the_primary_that_issued_it_only(hub: TestStore) {
    let first = hub.dependent().await;
    assert_eq!(hub.primary_token().await.unwrap(), Some((first.clone(), "a token".into())));
    assert_eq!(hub.count("instance WHERE token LIKE '%a token%'").await, 0, "it is encrypted");
    // The same primary in another epoch.
    hub.follow(&leadership(1, 1, 2)).await.unwrap();
    assert!(hub.primary_token().await.unwrap().is_some());
    let mut moved = leadership(1, 1, 2);
    moved.leader.url = Some("http://198.51.100.1:3002".into());
    hub.follow(&moved).await.unwrap();
    assert_eq!(hub.primary_token().await.unwrap(), None);
    hub.put_primary_token(&"second".into(), moved.leader.id).await.unwrap();
    assert_eq!(hub.primary_token().await.unwrap(), Some((moved.leader, "second".into())));
    let other = leadership(1, 2, 3);
    hub.follow(&other).await.unwrap();
    assert_eq!(hub.primary_token().await.unwrap(), None);
    let late = hub.put_primary_token(&"third".into(), first.id).await;
    assert_eq!(conflict(late), RoleConflict::OtherPrimary);
    hub.put_primary_token(&"fourth".into(), other.leader.id).await.unwrap();
    hub.promote("own", None, 3, 3).await.unwrap();
    assert_eq!(hub.primary_token().await.unwrap(), None);
    assert_eq!(hub.count("instance WHERE token IS NULL").await, 1);
}

async fn a_promotion_counts_once_and_never_takes_the_callers_epoch(hub: TestStore) {
    hub.join(&leadership(1, 1, 5), &"token".into()).await.unwrap();
    let wrong = hub.promote("own", None, 9, 5).await;
    assert_eq!(conflict(wrong), RoleConflict::OtherEpoch { expected: 9, known: 5 });
    assert_eq!(instance(&hub).await.role, Role::Dependent);
    // Another instance has heard of an epoch that this one has not.
    let own = hub.promote("own", Some("http://192.0.2.9:3002"), 5, 7).await.unwrap();
    assert_eq!((own.role, own.epoch, own.accepts_edits), (Role::Primary, 8, true));
    assert_eq!(own.cluster, Some(leadership(1, 1, 5).cluster));
    assert_eq!(own.leader.as_ref().map(|leader| leader.id), Some(own.id));
    assert_eq!(own.config, VERSION(8, hub.config_version().await.unwrap()));
    let replayed = hub.promote("own", None, 5, 7).await;
    assert_eq!(conflict(replayed), RoleConflict::OtherEpoch { expected: 5, known: 8 });
    assert_eq!(instance(&hub).await, own);
    // A primary that was restored from a backup begins a new epoch; one that hears of a later one has to step down.
    assert_eq!(hub.promote("own", None, 8, 0).await.unwrap().epoch, 9);
    assert_eq!(hub.see_epoch(12).await.unwrap().epoch, 9);
}

async fn of_two_hubs_that_promote_at_once_one_does(hub: TestStore) {
    hub.join(&leadership(1, 1, 5), &"token".into()).await.unwrap();
    let second = hub.second_hub().await.unwrap();
    let (one, other) = tokio::join!(hub.promote("own", None, 5, 5), second.promote("own", None, 5, 5));
    let lost = if one.is_ok() { other } else { one };
    assert_eq!(conflict(lost), RoleConflict::OtherEpoch { expected: 5, known: 6 });
    assert_eq!(instance(&hub).await.epoch, 6);
}

async fn a_primary_steps_down_for_one_of_a_later_epoch(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let own = hub.become_primary("own", None).await.unwrap();
    let of_cluster = |leader, epoch| Leadership { cluster: own.cluster.unwrap(), ..leadership(0, leader, epoch) };
    hub.promote("own", None, 1, 2).await.unwrap();
    assert_eq!(conflict(hub.demote_to(&leadership(1, 2, 4)).await), RoleConflict::OtherCluster);
    let over = hub.demote_to(&of_cluster(2, 2)).await;
    assert_eq!(conflict(over), RoleConflict::EpochOver { named: 2, known: 3 });
    assert_eq!(instance(&hub).await.role, Role::Primary);
    hub.set_accepts_edits(false).await.unwrap();
    let version = hub.config_version().await.unwrap();
    let stepped_down = hub.demote_to(&of_cluster(2, 4)).await.unwrap();
    assert_eq!((stepped_down.role, stepped_down.epoch), (Role::Dependent, 4));
    assert_eq!(stepped_down.config, VERSION(3, version), "it holds what it led with");
    assert!(hub.node(peer, NOW).await.is_ok(), "its peers are those of the cluster");
    assert!(hub.promote("own", None, 4, 4).await.unwrap().accepts_edits);
}

async fn a_configuration_never_goes_back(hub: TestStore) {
    assert_eq!(conflict(hub.note_synced(VERSION(0, 1), NOW).await), RoleConflict::WrongRole(Role::Standalone));
    hub.join(&leadership(1, 1, 2), &"token".into()).await.unwrap();
    hub.note_sync_error("the primary does not answer").await.unwrap();
    assert_eq!(instance(&hub).await.sync_error.as_deref(), Some("the primary does not answer"));
    hub.note_synced(VERSION(2, 40), NOW).await.unwrap();
    let own = instance(&hub).await;
    assert_eq!((own.config, own.synced_at, own.sync_error.clone()), (VERSION(2, 40), Some(NOW), None));
    for named in [VERSION(2, 39), VERSION(1, 99), VERSION(3, 1)] {
        let refused = hub.note_synced(named, NOW).await;
        assert_eq!(conflict(refused), RoleConflict::OtherConfig { named, known: VERSION(2, 40) });
    }
    assert_eq!(instance(&hub).await, own);
    hub.follow(&leadership(1, 2, 3)).await.unwrap();
    assert_eq!(instance(&hub).await.config, VERSION(2, 40));
    hub.note_synced(VERSION(3, 1), NOW).await.unwrap();
}

async fn versions_of_two_primaries_of_one_epoch_do_not_follow_each_other(hub: TestStore) {
    hub.join(&leadership(1, 1, 2), &"token".into()).await.unwrap();
    hub.note_synced(VERSION(2, 40), NOW).await.unwrap();
    hub.follow(&leadership(1, 1, 2)).await.unwrap();
    assert_eq!(instance(&hub).await.config, VERSION(2, 40));
    hub.follow(&leadership(1, 2, 2)).await.unwrap();
    assert_eq!(instance(&hub).await.config, VERSION(0, 0));
    hub.note_synced(VERSION(2, 30), NOW).await.unwrap();
}

async fn an_instance_that_leaves_forgets_the_cluster(hub: TestStore) {
    hub.join(&leadership(1, 1, 9), &"token".into()).await.unwrap();
    hub.note_synced(VERSION(9, 3), NOW).await.unwrap();
    let own = hub.leave().await.unwrap();
    assert_eq!((own.role, own.cluster, own.leader.clone()), (Role::Standalone, None::<ClusterId>, None));
    assert_eq!(hub.primary_token().await.unwrap(), None);
    hub.add("tcp://192.0.2.1:11010").await;
    // The epoch of another cluster says nothing about this one.
    let joined = hub.join(&leadership(2, 2, 3), &"token".into()).await.unwrap();
    assert_eq!((joined.cluster, joined.epoch, joined.config), (Some(leadership(2, 2, 3).cluster), 3, VERSION(0, 0)));
}

async fn the_sealing_key_is_made_once(hub: TestStore) {
    let second = hub.second_hub().await.unwrap();
    let (one, other) = tokio::join!(hub.sealing_key(), second.sealing_key());
    let key = one.unwrap();
    assert_eq!(key, other.unwrap());
    assert_eq!(key, hub.sealing_key().await.unwrap());
    assert_eq!(hub.count(&format!("instance WHERE private_key LIKE '%{}%'", key.private.expose())).await, 0);
    assert_eq!(hub.count("instance WHERE private_key IS NOT NULL").await, 1);
    assert_ne!(key, TestStore::new(hub.engine()).await.sealing_key().await.unwrap());
}

async fn what_configured_the_role_is_kept(hub: TestStore) {
    assert_eq!(hub.configured_role().await.unwrap(), None);
    hub.put_configured_role(r#"{"role": "primary"}"#).await.unwrap();
    assert_eq!(hub.configured_role().await.unwrap().as_deref(), Some(r#"{"role": "primary"}"#));
}
