use easytier_uptime_store::{
    StoreError,
    domain::{ConfigVersion, InstanceHealth, InstanceId, Member, MemberBeat, Role},
};
use serde_json::json;
use uuid::Uuid;

use crate::support::{NOW, TestStore, on_both_engines, seconds};

on_both_engines! {
    another_instance_is_read_as_it_was_written,
    the_order_of_failover_is_that_of_the_list,
    a_given_place_stays_until_the_instance_names_another_one,
    the_own_place_is_the_given_one_while_the_configuration_is_the_same,
    a_heartbeat_changes_what_it_says_only,
    an_unknown_instance_is_not_made_by_accident,
}

fn id(nth: u128) -> InstanceId {
    InstanceId(Uuid::from_u128(nth))
}

/// One with nothing that it may leave out.
pub fn member(nth: u128) -> Member {
    Member { name: format!("hub {nth}"), version: "1.2.3".into(), epoch: 1, ..Member::registering(id(nth), NOW) }
}

fn full(nth: u128) -> Member {
    Member {
        name: "上海\u{0}".into(),
        location: Some("Shanghai".into()),
        coordinates: Some((31.25, -0.125)),
        capabilities: vec!["checks".into(), "standby".into()],
        public_endpoint: Some("https://192.0.2.2:3002".into()),
        called_back_at: Some(NOW + seconds(1)),
        public_key: Some([7; 32]),
        system_info: Some(json!({"platform": "linux\u{0}"})),
        system_metrics: Some(json!({"cpuUsage": 0.5})),
        connection: Some(json!({"primaryReachable": true})),
        health: Some(InstanceHealth::Degraded),
        role: Role::Primary,
        epoch: 5,
        last_heartbeat: Some(NOW + seconds(2)),
        config: ConfigVersion { epoch: 4, version: 17 },
        synced_at: Some(NOW + seconds(3)),
        sync_error: Some("late".into()),
        config_hash: Some("abc".into()),
        ..member(nth)
    }
}

async fn another_instance_is_read_as_it_was_written(hub: TestStore) {
    assert_eq!(hub.member(id(2)).await.unwrap(), None);
    for wanted in [member(2), full(2), member(2)] {
        hub.put_member(&wanted).await.unwrap();
        let stored = Member { name: wanted.name.replace('\0', ""), ..wanted };
        assert_eq!(hub.member(id(2)).await.unwrap(), Some(stored.clone()));
        assert_eq!(hub.members().await.unwrap(), [stored]);
    }
    hub.remove_member(id(2)).await.unwrap();
    assert_eq!(hub.members().await.unwrap(), []);
}

async fn the_order_of_failover_is_that_of_the_list(hub: TestStore) {
    for nth in [3, 1, 2] {
        hub.put_member(&member(nth)).await.unwrap();
    }
    hub.set_failover_order(id(3), 1).await.unwrap();
    let listed: Vec<InstanceId> = hub.members().await.unwrap().into_iter().map(|member| member.id).collect();
    assert_eq!(listed, [id(3), id(1), id(2)]);
}

async fn a_given_place_stays_until_the_instance_names_another_one(hub: TestStore) {
    hub.put_member(&member(2)).await.unwrap();
    let order = async || hub.member(id(2)).await.unwrap().unwrap().failover_order;
    let named = async |named: i64| hub.note_named_order(id(2), named).await.unwrap();
    named(99).await;
    assert_eq!(order().await, 99);
    hub.set_failover_order(id(2), 3).await.unwrap();
    named(99).await;
    assert_eq!(order().await, 3);
    named(50).await;
    assert_eq!(order().await, 50);
    // Known from a list of the former primary only: what was given there stays.
    hub.put_member(&Member { failover_order: 7, ..member(3) }).await.unwrap();
    hub.note_named_order(id(3), 99).await.unwrap();
    assert_eq!(hub.member(id(3)).await.unwrap().unwrap().failover_order, 7);
    let missing = hub.note_named_order(id(9), 1).await;
    assert!(matches!(missing, Err(StoreError::NotFound("instance"))), "{missing:?}");
}

async fn the_own_place_is_the_given_one_while_the_configuration_is_the_same(hub: TestStore) {
    assert_eq!((hub.own_order(99).await.unwrap(), hub.named_order().await.unwrap()), (99, None));
    hub.give_own_order(2, 99).await.unwrap();
    assert_eq!((hub.own_order(99).await.unwrap(), hub.named_order().await.unwrap()), (2, Some(99)));
    assert_eq!(hub.own_order(5).await.unwrap(), 5);
    hub.leave().await.unwrap();
    assert_eq!(hub.own_order(99).await.unwrap(), 2, "a standalone instance has nothing to leave");
}

async fn a_heartbeat_changes_what_it_says_only(hub: TestStore) {
    let known = Member { name: "hub 2".into(), ..full(2) };
    hub.put_member(&known).await.unwrap();
    let beat = MemberBeat {
        at: NOW + seconds(60),
        health: InstanceHealth::Healthy,
        role: Role::Dependent,
        epoch: 6,
        config: ConfigVersion { epoch: 6, version: 20 },
        config_hash: None,
        synced_at: Some(NOW + seconds(59)),
        sync_error: None,
        system_metrics: None,
        connection: Some(json!({"primaryReachable": false})),
    };
    hub.note_member_beat(id(2), &beat).await.unwrap();
    let mut expected = Member {
        last_heartbeat: Some(beat.at),
        health: Some(beat.health),
        role: beat.role,
        epoch: 6,
        config: beat.config,
        synced_at: beat.synced_at,
        sync_error: None,
        connection: beat.connection.clone(),
        ..known
    };
    assert_eq!(hub.member(id(2)).await.unwrap(), Some(expected.clone()));
    hub.note_called_back(id(2), None).await.unwrap();
    expected.called_back_at = None;
    assert_eq!(hub.member(id(2)).await.unwrap(), Some(expected));
}

async fn an_unknown_instance_is_not_made_by_accident(hub: TestStore) {
    let beat = MemberBeat {
        at: NOW,
        health: InstanceHealth::Failing,
        role: Role::Dependent,
        epoch: 1,
        config: ConfigVersion::default(),
        config_hash: None,
        synced_at: None,
        sync_error: None,
        system_metrics: None,
        connection: None,
    };
    for refused in [
        hub.note_member_beat(id(9), &beat).await,
        hub.set_failover_order(id(9), 1).await,
        hub.note_called_back(id(9), Some(NOW)).await,
        hub.remove_member(id(9)).await,
        hub.issue_instance_token(id(9), NOW).await.map(drop),
    ] {
        assert!(matches!(refused, Err(StoreError::NotFound("instance"))), "{refused:?}");
    }
    assert_eq!(hub.count("instances").await + hub.count("instance_tokens").await, 0);
}
