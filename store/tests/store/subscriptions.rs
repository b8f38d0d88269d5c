//! Visitors who subscribe by mail: limits, confirmations, mails that wait.

use std::time::Duration;

use easytier_uptime_store::{
    Store, StoreError,
    domain::{
        ClaimedMail, DAY, DeliveryEnd, NewMail, PeerId, PlanStep, SubscriberId, SubscriptionLimits,
        SubscriptionRequest, Timestamp, VisitorStep,
    },
};
use uuid::Uuid;

use crate::support::{NOW, TestStore, on_both_engines, seconds};

on_both_engines! {
    a_mailbox_is_sealed_and_gets_nothing_until_it_is_confirmed,
    an_owner_is_asked_once_a_day_whatever_hub_and_node,
    a_network_names_few_mailboxes_a_day,
    there_are_bounds_of_mailboxes_and_of_nodes,
    what_nobody_confirms_is_forgotten,
    who_refuses_before_confirming_is_not_asked_again_for_long,
    a_dependent_takes_no_requests_but_ends_subscriptions,
    a_mail_is_one_hubs_at_a_time_and_those_of_a_mailbox_go_in_order,
    mails_that_wait_go_with_what_they_are_about,
    a_deleted_node_is_subscribed_no_more,
}

const LEASE: Duration = Duration::from_secs(60);
const SILENCE: Duration = DAY.saturating_mul(30);
const LIMITS: SubscriptionLimits = SubscriptionLimits { owners_per_network: 3, mailboxes: 6, nodes: 2, quiet: DAY };

fn request(mailbox: u128, network: u128, peer: PeerId) -> SubscriptionRequest {
    SubscriptionRequest {
        mailbox: Uuid::from_u128(mailbox),
        owner: Uuid::from_u128(mailbox + 1000),
        network: Uuid::from_u128(network),
        address: format!("reader-{mailbox}@example.net").as_str().into(),
        language: "en".to_owned(),
        peer,
        mail: Uuid::now_v7(),
        message: format!("{{\"asks\":{mailbox}}}"),
    }
}

async fn ask(hub: &Store, mailbox: u128, network: u128, peer: PeerId, now: Timestamp) -> bool {
    hub.ask_for_subscription(&request(mailbox, network, peer), &LIMITS, now).await.unwrap()
}

/// The nodes of a mailbox, and whether each is confirmed.
async fn nodes(hub: &Store, mailbox: u128, now: Timestamp) -> Vec<(PeerId, bool)> {
    let known = hub.subscriber(Uuid::from_u128(mailbox), now).await.unwrap();
    known.map(|known| known.nodes.iter().map(|node| (node.peer, node.is_confirmed)).collect()).unwrap_or_default()
}

async fn confirm(hub: &Store, mailbox: u128, peer: Option<PeerId>, now: Timestamp) {
    hub.confirm_subscriptions(Uuid::from_u128(mailbox), peer, now).await.unwrap();
}

async fn end(hub: &Store, mailbox: u128, peer: Option<PeerId>, now: Timestamp) {
    hub.end_subscriptions(Uuid::from_u128(mailbox), peer, SILENCE, now).await.unwrap();
}

/// The addresses of the mails that are due.
async fn claimed(hub: &Store, now: Timestamp) -> Vec<ClaimedMail> {
    hub.claim_mails(LEASE, 10, now).await.unwrap()
}

/// Has the planner send mails to the visitor, about these nodes.
async fn plan_mails(hub: &Store, to: SubscriberId, peers: &[Option<PeerId>], now: Timestamp) {
    let plan = hub.alert_news(1).await.unwrap().unwrap().plan;
    let mail = |peer: &Option<PeerId>| NewMail { id: Uuid::now_v7(), to, peer: *peer, message: format!("{peer:?}") };
    let visitors = VisitorStep { states: Vec::new(), mails: peers.iter().map(mail).collect() };
    let (cursor, none) = (plan.cursor, Vec::new);
    let step = PlanStep { plan, changed: vec![], removed: none(), ended: none(), deliveries: Vec::new(), visitors };
    hub.store_plan_step(cursor, &step, now).await.unwrap();
}

async fn watcher(hub: &Store, peer: PeerId) -> SubscriberId {
    hub.watchers(vec![peer.0]).await.unwrap().remove(0).id
}

async fn a_mailbox_is_sealed_and_gets_nothing_until_it_is_confirmed(hub: TestStore) {
    let (a, b) = (hub.add("tcp://a.example:1").await, hub.add("tcp://b.example:1").await);
    let unknown = hub.ask_for_subscription(&request(1, 1, PeerId(999)), &LIMITS, NOW).await;
    assert!(matches!(unknown, Err(StoreError::NotFound("node"))), "{unknown:?}");
    assert!(ask(&hub, 1, 1, a, NOW).await);
    assert!(!ask(&hub, 1, 1, b, NOW).await, "the mail that waits shows it too");
    let dump = hub.dump(&["subscribers", "subscriptions", "subscription_mails", "subscription_requests"]).await;
    assert!(!dump.contains("example.net"), "{dump}");
    let mail = claimed(&hub, NOW).await.remove(0);
    assert_eq!((mail.address.expose(), mail.message.as_str()), ("reader-1@example.net", "{\"asks\":1}"));
    assert_eq!(nodes(&hub, 1, NOW).await, [(a, false), (b, false)]);
    assert!(hub.watchers(vec![a.0, b.0]).await.unwrap().is_empty());

    confirm(&hub, 1, Some(b), NOW).await;
    assert_eq!(nodes(&hub, 1, NOW).await, [(a, false), (b, true)]);
    let watchers = hub.watchers(vec![a.0, b.0]).await.unwrap();
    assert_eq!((watchers.len(), &watchers[0].nodes), (1, &[b.0].into()));
    assert!(hub.watchers(vec![a.0]).await.unwrap().is_empty());
    confirm(&hub, 1, None, NOW).await;
    assert_eq!(nodes(&hub, 1, NOW).await, [(a, true), (b, true)]);
    let counts = hub.subscription_counts().await.unwrap();
    assert_eq!((counts.mailboxes, counts.subscriptions, counts.unconfirmed, counts.waiting), (1, 2, 0, 1));

    assert!(hub.remove_subscriber(Uuid::from_u128(1)).await.unwrap());
    assert!(!hub.remove_subscriber(Uuid::from_u128(1)).await.unwrap());
    assert_eq!(hub.subscription_counts().await.unwrap(), Default::default());
}

async fn an_owner_is_asked_once_a_day_whatever_hub_and_node(hub: TestStore) {
    let (a, b) = (hub.add("tcp://a.example:1").await, hub.add("tcp://b.example:1").await);
    assert!(ask(&hub, 1, 1, a, NOW).await);
    let other = hub.second_hub().await.unwrap();
    for (network, peer) in [(1, a), (1, b), (2, a)] {
        assert!(!ask(&other, 1, network, peer, NOW + DAY - seconds(1)).await, "{network} {peer}");
    }
    // Also after all was removed.
    end(&other, 1, None, NOW).await;
    assert!(!ask(&other, 1, 3, a, NOW + DAY - seconds(1)).await);
    assert!(ask(&other, 2, 3, a, NOW + DAY - seconds(1)).await, "another mailbox");
}

async fn a_network_names_few_mailboxes_a_day(hub: TestStore) {
    let a = hub.add("tcp://a.example:1").await;
    for mailbox in 1..=3 {
        assert!(ask(&hub, mailbox, 1, a, NOW).await, "{mailbox}");
    }
    let other = hub.second_hub().await.unwrap();
    assert!(!ask(&other, 4, 1, a, NOW + seconds(60)).await);
    assert!(nodes(&other, 4, NOW).await.is_empty(), "nothing is kept of it");
    // A known mailbox is named as before.
    assert!(!ask(&other, 1, 1, a, NOW + seconds(60)).await);
    assert!(ask(&other, 4, 2, a, NOW + seconds(60)).await, "another network");
    assert!(ask(&other, 5, 1, a, NOW + DAY + seconds(61)).await, "a day later");
}

async fn there_are_bounds_of_mailboxes_and_of_nodes(hub: TestStore) {
    let mut peers = Vec::new();
    for nth in 0..3 {
        peers.push(hub.add(&format!("tcp://{nth}.example:1")).await);
        ask(&hub, 1, 1, peers[nth], NOW).await;
    }
    assert_eq!(nodes(&hub, 1, NOW).await.len(), 2);
    for mailbox in 2..=6 {
        assert!(ask(&hub, mailbox, mailbox, peers[0], NOW).await);
    }
    assert!(!ask(&hub, 7, 7, peers[0], NOW).await);
    assert_eq!(hub.subscription_counts().await.unwrap().unconfirmed, 6);
}

async fn what_nobody_confirms_is_forgotten(hub: TestStore) {
    let (a, b) = (hub.add("tcp://a.example:1").await, hub.add("tcp://b.example:1").await);
    ask(&hub, 1, 1, a, NOW).await;
    ask(&hub, 2, 1, a, NOW).await;
    confirm(&hub, 2, None, NOW).await;
    ask(&hub, 2, 1, b, NOW).await;
    let late = NOW + 3 * DAY;
    assert_eq!(nodes(&hub, 1, late).await, []);
    confirm(&hub, 1, None, late).await;
    assert!(hub.watchers(vec![a.0]).await.unwrap().iter().all(|watcher| watcher.mailbox == Uuid::from_u128(2)));
    hub.sweep(late).await.unwrap();
    assert_eq!(nodes(&hub, 2, late).await, [(a, true)]);
    assert!(hub.subscriber(Uuid::from_u128(1), late).await.unwrap().is_none());
    for table in ["subscription_requests", "quiet_mailboxes"] {
        assert_eq!(hub.count(table).await, 0, "{table}");
    }
}

async fn who_refuses_before_confirming_is_not_asked_again_for_long(hub: TestStore) {
    let a = hub.add("tcp://a.example:1").await;
    ask(&hub, 1, 1, a, NOW).await;
    end(&hub, 1, None, NOW).await;
    assert!(claimed(&hub, NOW).await.is_empty(), "the mail that waited is dropped");
    hub.sweep(NOW + 29 * DAY).await.unwrap();
    assert!(!ask(&hub, 1, 1, a, NOW + 29 * DAY).await);
    assert!(ask(&hub, 1, 1, a, NOW + 31 * DAY).await);
    // Who confirmed may come back the next day.
    ask(&hub, 2, 1, a, NOW).await;
    confirm(&hub, 2, None, NOW).await;
    end(&hub, 2, None, NOW).await;
    end(&hub, 2, None, NOW).await;
    assert!(ask(&hub, 2, 1, a, NOW + DAY).await);
}

async fn a_dependent_takes_no_requests_but_ends_subscriptions(hub: TestStore) {
    let a = hub.add("tcp://a.example:1").await;
    ask(&hub, 1, 1, a, NOW).await;
    ask(&hub, 2, 1, a, NOW).await;
    hub.dependent().await;
    let refused = hub.ask_for_subscription(&request(3, 1, a), &LIMITS, NOW).await;
    assert!(matches!(refused, Err(StoreError::NotPrimary(_))), "{refused:?}");
    let refused = hub.confirm_subscriptions(Uuid::from_u128(1), None, NOW).await;
    assert!(matches!(refused, Err(StoreError::NotPrimary(_))), "{refused:?}");
    assert!(claimed(&hub, NOW).await.is_empty());
    end(&hub, 1, None, NOW).await;
    assert!(hub.subscriber(Uuid::from_u128(1), NOW).await.unwrap().is_none());
}

async fn a_mail_is_one_hubs_at_a_time_and_those_of_a_mailbox_go_in_order(hub: TestStore) {
    let a = hub.add("tcp://a.example:1").await;
    ask(&hub, 1, 1, a, NOW).await;
    ask(&hub, 2, 1, a, NOW).await;
    confirm(&hub, 1, None, NOW).await;
    plan_mails(&hub, watcher(&hub, a).await, &[Some(a)], NOW).await;
    let first = hub.claim_mails(LEASE, 1, NOW).await.unwrap().remove(0);
    assert_eq!(first.message, "{\"asks\":1}");
    let other = claimed(&hub, NOW).await;
    assert_eq!(other.iter().map(|mail| mail.message.as_str()).collect::<Vec<_>>(), ["{\"asks\":2}"]);
    assert!(claimed(&hub, NOW).await.is_empty());
    // The hub that had it was killed.
    let again = claimed(&hub, NOW + LEASE).await.into_iter().find(|mail| mail.id == first.id).unwrap();
    assert_eq!(again.attempts, 1);
    assert!(!hub.end_mail(&first, &DeliveryEnd::Sent).await.unwrap(), "it is another hub's");
    let later = NOW + seconds(300);
    assert!(hub.end_mail(&again, &DeliveryEnd::Retry(later, "busy".into())).await.unwrap());
    assert!(claimed(&hub, NOW + seconds(200)).await.iter().all(|mail| mail.address.expose() != "reader-1@example.net"));
    let again = claimed(&hub, later).await.into_iter().find(|mail| mail.id == first.id).unwrap();
    assert!(hub.end_mail(&again, &DeliveryEnd::Sent).await.unwrap());
    let next = claimed(&hub, later).await.into_iter().find(|mail| mail.address.expose() == "reader-1@example.net");
    assert!(hub.end_mail(&next.unwrap(), &DeliveryEnd::Failed("no such mailbox".into())).await.unwrap());
    assert_eq!(hub.subscription_counts().await.unwrap().waiting, 1);
}

async fn mails_that_wait_go_with_what_they_are_about(hub: TestStore) {
    let (a, b) = (hub.add("tcp://a.example:1").await, hub.add("tcp://b.example:1").await);
    ask(&hub, 1, 1, a, NOW).await;
    ask(&hub, 1, 1, b, NOW).await;
    confirm(&hub, 1, None, NOW).await;
    let visitor = watcher(&hub, a).await;
    plan_mails(&hub, visitor, &[Some(a), Some(b), None], NOW).await;
    assert_eq!(hub.count("subscription_mails").await, 4);
    end(&hub, 1, Some(a), NOW).await;
    assert_eq!(nodes(&hub, 1, NOW).await, [(b, true)]);
    assert_eq!(hub.count("subscription_mails").await, 3);
    end(&hub, 1, Some(b), NOW).await;
    assert_eq!(hub.count("subscription_mails").await + hub.count("subscribers").await, 0);
    // One whom the planner knew a moment ago.
    plan_mails(&hub, visitor, &[Some(b)], NOW).await;
    assert_eq!(hub.count("subscription_mails").await, 0);
}

async fn a_deleted_node_is_subscribed_no_more(hub: TestStore) {
    let (a, b) = (hub.add("tcp://a.example:1").await, hub.add("tcp://b.example:1").await);
    ask(&hub, 1, 1, a, NOW).await;
    ask(&hub, 1, 1, b, NOW).await;
    confirm(&hub, 1, None, NOW).await;
    hub.delete_peer(a, NOW).await.unwrap();
    assert_eq!(hub.count("subscriptions").await, 1);
    assert_eq!(hub.watchers(vec![a.0, b.0]).await.unwrap()[0].nodes, [b.0].into());
}
