//! Channels, what is wrong for their rules, and messages that wait.

use std::time::Duration;

use easytier_uptime_store::{
    Conflict, StoreError,
    domain::{
        AlertPlan, ChannelId, ChannelSpec, DeliveryEnd, DeliveryState, EventKind, NewDelivery, PlanStep, Timestamp,
        Verdict,
    },
};
use uuid::Uuid;

use crate::support::{Engine, NOW, TestStore, offline, on_both_engines, online, seconds, spec};

on_both_engines! {
    a_channel_is_kept_sealed_changed_and_removed,
    names_of_channels_are_unique,
    a_dependent_neither_edits_channels_nor_plans_nor_sends,
    events_are_read_once_in_order,
    a_step_is_stored_whole_or_not_at_all,
    conditions_are_changed_acknowledged_and_removed,
    several_conditions_are_acknowledged_by_who_comes_first,
    the_last_message_of_each_channel_is_found,
    mutes_end,
    a_message_is_claimed_by_one_until_its_lease_ends,
    messages_of_a_channel_are_sent_in_order_and_channels_do_not_wait_for_each_other,
    a_message_that_failed_often_does_not_hold_up_others,
    the_end_of_an_attempt_counts_only_for_who_holds_the_message,
    messages_to_channels_that_are_removed_or_disabled_are_not_sent,
    a_failed_message_can_be_sent_again_and_is_forgotten_later,
    facts_of_nodes,
    a_duty_is_idle_when_its_lease_has_ended,
}

const LEASE: Duration = Duration::from_secs(60);

fn channel(name: &str) -> ChannelSpec {
    ChannelSpec { name: name.into(), kind: "webhook".into(), enabled: true, config: "{\"token\":\"hunter2\"}".into() }
}

fn after(count: u64) -> Timestamp {
    NOW + seconds(count)
}

/// A step that sends messages, one to each of these channels.
fn sending(store_plan: AlertPlan, channels: &[ChannelId]) -> PlanStep {
    let delivery = |(nth, channel): (usize, &ChannelId)| NewDelivery {
        id: Uuid::now_v7(),
        channel: *channel,
        message: format!("{{\"nth\":{nth}}}"),
    };
    PlanStep {
        plan: store_plan,
        changed: Vec::new(),
        removed: Vec::new(),
        ended: Vec::new(),
        deliveries: channels.iter().enumerate().map(delivery).collect(),
        visitors: Default::default(),
    }
}

async fn plan(hub: &TestStore) -> AlertPlan {
    hub.alert_news(10).await.unwrap().unwrap().plan
}

async fn send(hub: &TestStore, channels: &[ChannelId], now: Timestamp) -> Vec<Uuid> {
    let step = sending(plan(hub).await, channels);
    hub.store_plan_step(step.plan.cursor, &step, now).await.unwrap();
    step.deliveries.iter().map(|delivery| delivery.id).collect()
}

async fn a_channel_is_kept_sealed_changed_and_removed(hub: TestStore) {
    let id = hub.add_channel(&channel("ops"), NOW).await.unwrap();
    let stored = hub.alert_channels().await.unwrap().remove(0);
    assert_eq!(
        (stored.id, stored.spec.name.as_str(), stored.spec.config.expose()),
        (id, "ops", "{\"token\":\"hunter2\"}")
    );
    assert!(!hub.dump(&["channels"]).await.contains("hunter2"));
    let stamp = hub.alert_news(1).await.unwrap().unwrap().channels;

    let edit = |spec: &mut ChannelSpec| {
        spec.enabled = false;
        spec.config = "{}".into();
    };
    // At the same time as before, which must be noticed nevertheless.
    hub.edit_channel(id, edit, NOW).await.unwrap();
    let changed = hub.alert_channels().await.unwrap().remove(0);
    assert_eq!((changed.spec.enabled, changed.spec.config.expose(), changed.uid), (false, "{}", stored.uid));
    assert_ne!(hub.alert_news(1).await.unwrap().unwrap().channels, stamp);

    hub.remove_channel(id, NOW).await.unwrap();
    assert!(hub.alert_channels().await.unwrap().is_empty());
    assert!(matches!(hub.remove_channel(id, NOW).await, Err(StoreError::NotFound(_))));
    assert!(matches!(hub.edit_channel(id, |_| (), NOW).await, Err(StoreError::NotFound(_))));
    assert_ne!(hub.add_channel(&channel("ops"), NOW).await.unwrap(), id, "no id is used again");
}

async fn names_of_channels_are_unique(hub: TestStore) {
    hub.add_channel(&channel("ops"), NOW).await.unwrap();
    let other = hub.add_channel(&channel("home"), NOW).await.unwrap();
    let taken = |done: Result<(), StoreError>| matches!(done, Err(StoreError::Conflict(Conflict::ChannelNamed)));
    assert!(taken(hub.add_channel(&channel("ops"), NOW).await.map(drop)));
    assert!(taken(hub.edit_channel(other, |spec| spec.name = "ops".into(), NOW).await));
    hub.edit_channel(other, |spec| spec.name = "home".into(), NOW).await.unwrap();
}

async fn a_dependent_neither_edits_channels_nor_plans_nor_sends(hub: TestStore) {
    let id = hub.add_channel(&channel("ops"), NOW).await.unwrap();
    send(&hub, &[id], NOW).await;
    hub.dependent().await;
    assert!(matches!(hub.add_channel(&channel("home"), NOW).await, Err(StoreError::NotPrimary(_))));
    assert!(matches!(hub.remove_channel(id, NOW).await, Err(StoreError::NotPrimary(_))));
    assert!(hub.alert_news(10).await.unwrap().is_none());
    assert!(hub.claim_deliveries(LEASE, after(1)).await.unwrap().is_empty());
}

async fn events_are_read_once_in_order(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p", "eu").await;
    hub.report(&probe, vec![online(peer, NOW)], NOW).await;
    for nth in [20, 40] {
        hub.report(&probe, vec![offline(peer, after(nth))], after(nth)).await;
    }
    let news = hub.alert_news(100).await.unwrap().unwrap();
    let of_peer: Vec<&str> =
        news.events.iter().filter(|e| e.kind == EventKind::Peer).map(|e| e.became.as_str()).collect();
    assert_eq!(of_peer, ["up", "down"]);
    assert_eq!(news.events.last().unwrap().id, news.newest_event);

    let first = hub.alert_news(1).await.unwrap().unwrap().events.remove(0);
    let mut step = sending(AlertPlan { cursor: first.id, ..news.plan }, &[]);
    step.plan.planned_at = Some(NOW);
    hub.store_plan_step(0, &step, NOW).await.unwrap();
    let rest = hub.alert_news(100).await.unwrap().unwrap();
    assert_eq!(rest.plan, step.plan);
    assert_eq!(rest.events, news.events[1..]);
}

async fn a_step_is_stored_whole_or_not_at_all(hub: TestStore) {
    let id = hub.add_channel(&channel("ops"), NOW).await.unwrap();
    let mut step = sending(AlertPlan { cursor: 7, ..plan(&hub).await }, &[id]);
    step.changed = vec![("a".into(), "{}".into())];
    // It does not begin where the last one ended.
    assert!(matches!(hub.store_plan_step(3, &step, NOW).await, Err(StoreError::Overtaken)));
    // Another hub has taken over.
    hub.run_sql(
        "UPDATE duties SET holder = 'another', epoch = epoch + 1, expires_at = 9000000000000 WHERE name = 'alerts'",
    )
    .await;
    assert!(matches!(hub.store_plan_step(0, &step, NOW).await, Err(StoreError::DutyLost(_))));
    assert_eq!((hub.count("alert_conditions").await, hub.count("alert_deliveries").await), (0, 0));
    assert!(hub.alert_news(1).await.unwrap().is_none());

    hub.run_sql("UPDATE duties SET expires_at = 0 WHERE name = 'alerts'").await;
    assert_eq!(plan(&hub).await.cursor, 0);
    hub.store_plan_step(0, &step, NOW).await.unwrap();
    assert_eq!((hub.count("alert_conditions").await, hub.count("alert_deliveries").await), (1, 1));
    assert_eq!(hub.held_duties().alerts, 1);
}

async fn conditions_are_changed_acknowledged_and_removed(hub: TestStore) {
    let mut step = sending(plan(&hub).await, &[]);
    step.changed = vec![("a".into(), "1".into()), ("b".into(), "2".into())];
    hub.store_plan_step(0, &step, NOW).await.unwrap();
    let edits = hub.alert_news(1).await.unwrap().unwrap().edits;
    hub.acknowledge_condition("a", "me", after(5)).await.unwrap();
    assert!(matches!(hub.acknowledge_condition("c", "me", NOW).await, Err(StoreError::NotFound(_))));
    assert_ne!(hub.alert_news(1).await.unwrap().unwrap().edits, edits);

    step.changed = vec![("a".into(), "3".into())];
    step.removed = vec!["b".into()];
    hub.store_plan_step(0, &step, NOW).await.unwrap();
    let stored = hub.alert_conditions().await.unwrap().remove(0);
    assert_eq!((stored.state.as_str(), stored.acknowledged), ("3", Some(("me".into(), after(5)))));
    step.ended = vec!["a".into()];
    hub.store_plan_step(0, &step, NOW).await.unwrap();
    let all = hub.alert_conditions().await.unwrap();
    assert_eq!((all.len(), all[0].acknowledged.clone()), (1, None));
}

async fn several_conditions_are_acknowledged_by_who_comes_first(hub: TestStore) {
    let mut step = sending(plan(&hub).await, &[]);
    step.changed = ["a", "b", "c"].map(|key| (key.into(), "1".into())).into();
    hub.store_plan_step(0, &step, NOW).await.unwrap();
    hub.acknowledge_condition("a", "me", NOW).await.unwrap();
    let edits = hub.alert_news(1).await.unwrap().unwrap().edits;
    let keys = ["a", "b", "gone"].map(str::to_owned);
    hub.acknowledge_conditions(&keys, "ops (link)", after(5)).await.unwrap();
    hub.acknowledge_conditions(&[], "nobody", after(6)).await.unwrap();
    let by: Vec<_> = hub.alert_conditions().await.unwrap().into_iter().map(|one| one.acknowledged).collect();
    assert_eq!(by, [Some(("me".into(), NOW)), Some(("ops (link)".into(), after(5))), None]);
    assert_ne!(hub.alert_news(1).await.unwrap().unwrap().edits, edits);
}

async fn the_last_message_of_each_channel_is_found(hub: TestStore) {
    assert!(hub.last_deliveries().await.unwrap().is_empty());
    let (ops, home) =
        (hub.add_channel(&channel("ops"), NOW).await.unwrap(), hub.add_channel(&channel("home"), NOW).await.unwrap());
    let sent = send(&hub, &[ops, ops, home], NOW).await;
    let mut last = hub.last_deliveries().await.unwrap();
    last.sort_by_key(|one| one.seq);
    let named: Vec<_> = last.iter().map(|one| (one.id, one.channel_name.as_deref())).collect();
    assert_eq!(named, [(sent[1], Some("ops")), (sent[2], Some("home"))]);
    assert_eq!(hub.delivery(sent[0]).await.unwrap().unwrap().message, "{\"nth\":0}");
    assert_eq!(hub.delivery(Uuid::nil()).await.unwrap(), None);
}

async fn mutes_end(hub: TestStore) {
    let edits = hub.alert_news(1).await.unwrap().unwrap().edits;
    let id = hub.mute("node:1", after(60), "me", NOW).await.unwrap();
    assert_ne!(hub.alert_news(1).await.unwrap().unwrap().edits, edits);
    let muted = hub.alert_mutes(after(59)).await.unwrap();
    assert_eq!((muted[0].scope.as_str(), muted[0].muted_by.as_str(), muted[0].id), ("node:1", "me", id));
    assert!(hub.alert_mutes(after(60)).await.unwrap().is_empty());
    hub.unmute(id).await.unwrap();
    assert!(hub.alert_mutes(NOW).await.unwrap().is_empty());
    assert!(matches!(hub.unmute(id).await, Err(StoreError::NotFound(_))));
}

async fn a_message_is_claimed_by_one_until_its_lease_ends(hub: TestStore) {
    let id = hub.add_channel(&channel("ops"), NOW).await.unwrap();
    let sent = send(&hub, &[id], NOW).await;
    let first = hub.claim_deliveries(LEASE, NOW).await.unwrap().remove(0);
    assert_eq!((first.id, first.attempts, first.interrupted), (sent[0], 0, false));
    assert_eq!((first.channel.id, first.channel.spec.config.expose()), (id, "{\"token\":\"hunter2\"}"));
    assert!(hub.claim_deliveries(LEASE, after(59)).await.unwrap().is_empty());
    let second = hub.claim_deliveries(LEASE, after(60)).await.unwrap().remove(0);
    assert_eq!((second.id, second.attempts, second.interrupted), (sent[0], 1, true));
    assert!(hub.end_delivery(&second, &DeliveryEnd::Sent, after(61)).await.unwrap());
    assert!(hub.claim_deliveries(LEASE, after(600)).await.unwrap().is_empty());
}

async fn messages_of_a_channel_are_sent_in_order_and_channels_do_not_wait_for_each_other(hub: TestStore) {
    let slow = hub.add_channel(&channel("slow"), NOW).await.unwrap();
    let quick = hub.add_channel(&channel("quick"), NOW).await.unwrap();
    let sent = send(&hub, &[slow, slow, quick, quick], NOW).await;
    let claimed = hub.claim_deliveries(LEASE, NOW).await.unwrap();
    assert_eq!(claimed.iter().map(|one| one.id).collect::<Vec<_>>(), [sent[0], sent[2]]);
    // The slow one goes on.
    hub.end_delivery(&claimed[1], &DeliveryEnd::Sent, after(1)).await.unwrap();
    let next = hub.claim_deliveries(LEASE, after(1)).await.unwrap();
    assert_eq!(next.iter().map(|one| one.id).collect::<Vec<_>>(), [sent[3]]);
    // The slow one failed and waits; the message behind it does too.
    let again = DeliveryEnd::Retry(after(30), "refused".into());
    assert!(hub.end_delivery(&claimed[0], &again, after(2)).await.unwrap());
    assert!(hub.claim_deliveries(LEASE, after(29)).await.unwrap().is_empty());
    let retried = hub.claim_deliveries(LEASE, after(30)).await.unwrap().remove(0);
    assert_eq!((retried.id, retried.attempts, retried.interrupted), (sent[0], 1, false));
    hub.end_delivery(&retried, &DeliveryEnd::Failed("no".into()), after(31)).await.unwrap();
    assert_eq!(hub.claim_deliveries(LEASE, after(31)).await.unwrap()[0].id, sent[1]);
}

async fn a_message_that_failed_often_does_not_hold_up_others(hub: TestStore) {
    let id = hub.add_channel(&channel("ops"), NOW).await.unwrap();
    let sent = send(&hub, &[id, id], NOW).await;
    for nth in 0..6 {
        let claimed = hub.claim_deliveries(LEASE, after(nth)).await.unwrap().remove(0);
        assert_eq!(claimed.id, sent[0], "{nth}");
        let due = if nth == 5 { after(1000) } else { after(nth + 1) };
        hub.end_delivery(&claimed, &DeliveryEnd::Retry(due, "no".into()), after(nth)).await.unwrap();
    }
    assert_eq!(hub.claim_deliveries(LEASE, after(10)).await.unwrap()[0].id, sent[1]);
}

async fn the_end_of_an_attempt_counts_only_for_who_holds_the_message(hub: TestStore) {
    let id = hub.add_channel(&channel("ops"), NOW).await.unwrap();
    send(&hub, &[id], NOW).await;
    let late = hub.claim_deliveries(LEASE, NOW).await.unwrap().remove(0);
    let current = hub.claim_deliveries(LEASE, after(60)).await.unwrap().remove(0);
    assert!(!hub.end_delivery(&late, &DeliveryEnd::Failed("late".into()), after(61)).await.unwrap());
    assert!(hub.end_delivery(&current, &DeliveryEnd::Sent, after(62)).await.unwrap());
    assert!(!hub.end_delivery(&current, &DeliveryEnd::Sent, after(63)).await.unwrap());
    let listed = hub.deliveries(None, None, 10).await.unwrap().remove(0);
    assert_eq!((listed.state, listed.done_at, listed.error), (DeliveryState::Sent, Some(after(62)), None));
}

async fn messages_to_channels_that_are_removed_or_disabled_are_not_sent(hub: TestStore) {
    let disabled = hub.add_channel(&channel("disabled"), NOW).await.unwrap();
    let removed = hub.add_channel(&channel("removed"), NOW).await.unwrap();
    send(&hub, &[disabled, removed], NOW).await;
    hub.edit_channel(disabled, |spec| spec.enabled = false, NOW).await.unwrap();
    hub.remove_channel(removed, after(1)).await.unwrap();
    send(&hub, &[removed], NOW).await;
    assert!(hub.claim_deliveries(LEASE, after(2)).await.unwrap().is_empty());
    let states: Vec<_> =
        hub.deliveries(None, None, 10).await.unwrap().into_iter().map(|one| (one.channel, one.state)).collect();
    assert_eq!(states, [(removed, DeliveryState::Dropped), (disabled, DeliveryState::Waiting)]);
    hub.edit_channel(disabled, |spec| spec.enabled = true, NOW).await.unwrap();
    assert_eq!(hub.claim_deliveries(LEASE, after(3)).await.unwrap().len(), 1);
}

async fn a_failed_message_can_be_sent_again_and_is_forgotten_later(hub: TestStore) {
    let id = hub.add_channel(&channel("ops"), NOW).await.unwrap();
    let sent = send(&hub, &[id], NOW).await;
    let claimed = hub.claim_deliveries(LEASE, NOW).await.unwrap().remove(0);
    assert!(matches!(hub.repeat_delivery(sent[0], NOW).await, Err(StoreError::NotFound(_))));
    hub.end_delivery(&claimed, &DeliveryEnd::Failed("no\0such place".into()), after(1)).await.unwrap();
    let failed = hub.deliveries(Some(DeliveryState::Failed), None, 10).await.unwrap().remove(0);
    assert_eq!((failed.error.as_deref(), failed.channel_name.as_deref()), (Some("nosuch place"), Some("ops")));
    hub.repeat_delivery(sent[0], after(9)).await.unwrap();
    let again = hub.claim_deliveries(LEASE, after(9)).await.unwrap().remove(0);
    assert_eq!((again.id, again.attempts, again.created_at), (sent[0], 0, after(9)));
    hub.end_delivery(&again, &DeliveryEnd::Sent, after(10)).await.unwrap();
    let month = 30 * 24 * 3600;
    assert_eq!(hub.forget_deliveries(after(month)).await.unwrap(), 0);
    assert_eq!(hub.forget_deliveries(after(month + 11)).await.unwrap(), 1);
}

async fn facts_of_nodes(hub: TestStore) {
    let mut described = spec("tcp://192.0.2.1:11010");
    described.tags = ["fast".parse().unwrap(), "old".parse().unwrap()].into();
    described.regions = ["eu".parse().unwrap()].into();
    let one = hub.add_peer(&described, NOW).await.unwrap();
    let other = hub.add("tcp://192.0.2.2:11010").await;
    let hidden = hub.add("tcp://192.0.2.3:11010").await;
    hub.set_approved(hidden, false, NOW).await.unwrap();
    let probe = hub.probe("p", "eu").await;
    hub.report(&probe, vec![online(one, after(10))], after(10)).await;

    let nodes = hub.alert_nodes(vec![one.0, hidden.0, 99]).await.unwrap();
    assert_eq!((nodes.len(), nodes[0].id, nodes[0].verdict, nodes[0].since), (1, one, Verdict::Up, after(10)));
    assert_eq!((nodes[0].tags.clone(), nodes[0].regions.clone()), (described.tags, described.regions));
    let ids = |nodes: Vec<easytier_uptime_store::domain::AlertNode>| {
        nodes.into_iter().map(|node| node.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(hub.alert_nodes_changed(after(9), vec![]).await.unwrap()), [one]);
    assert_eq!(ids(hub.alert_nodes_changed(after(10), vec![other.0]).await.unwrap()), [other]);
    let counts = hub.count_peers().await.unwrap();
    let counts: Vec<_> = counts.into_iter().filter(|(_, count)| *count > 0).collect();
    assert_eq!(counts, [(Verdict::Unknown, 1), (Verdict::Up, 1)]);
}

async fn a_duty_is_idle_when_its_lease_has_ended(hub: TestStore) {
    assert!(hub.idle_duties().await.unwrap().is_empty(), "nobody had one");
    hub.review(NOW).await.unwrap();
    hub.sweep(NOW).await.unwrap();
    let all = hub.idle_duties().await.unwrap();
    assert!(all.len() > 2 && all.iter().all(|(_, idle)| *idle == Some(Duration::ZERO)), "{all:?}");
    hub.run_sql("UPDATE duties SET expires_at = expires_at - 100000 WHERE name = 'presence'").await;
    hub.run_sql("UPDATE duties SET expires_at = 0 WHERE name = 'retention'").await;
    let idle: Vec<_> = hub.idle_duties().await.unwrap();
    let of = |name: &str| idle.iter().find(|(one, _)| one == name).unwrap().1;
    assert!(of("presence").is_some_and(|idle| idle >= seconds(90) && idle <= seconds(100)), "{idle:?}");
    assert_eq!((of("retention"), of("fold-0")), (None, Some(Duration::ZERO)));
}

/// Two hubs that look at the same time never claim the same message.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hubs_never_claim_the_same_message() {
    let hub = TestStore::new(Engine::Postgres).await;
    let other = hub.second_hub().await.unwrap();
    let mut channels = Vec::new();
    for nth in 0..20 {
        channels.push(hub.add_channel(&channel(&format!("channel {nth}")), NOW).await.unwrap());
    }
    for round in 0..10 {
        let sent = send(&hub, &channels, NOW).await;
        let now = after(round * 1000);
        let (one, two) = tokio::join!(hub.claim_deliveries(LEASE, now), other.claim_deliveries(LEASE, now));
        let claimed: Vec<_> = one.unwrap().into_iter().chain(two.unwrap()).collect();
        let mut ids: Vec<Uuid> = claimed.iter().map(|one| one.id).collect();
        ids.sort_unstable();
        assert_eq!(ids, sent, "each is claimed once");
        for one in &claimed {
            hub.end_delivery(one, &DeliveryEnd::Sent, now).await.unwrap();
        }
    }
}
