//! Sending: in spite of channels that do not work, and of hubs that end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use chrono::DateTime;
use easytier_probe::Secret;
use easytier_uptime_alerts::{Language, Message, Outcome, Severity, Topic};
use easytier_uptime_hub::{
    notify::{Channels, Deliverer, notify},
    service::{
        FieldProblem,
        alerts::{Messenger, Settings},
    },
};
use easytier_uptime_store::{
    Store,
    domain::{DAY, DeliveryState, NewDelivery, PlanStep, Timestamp, VisitorStep},
};
use futures::future::{BoxFuture, FutureExt, ready};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    add_channel,
    receiver::{Answers, Receiver},
    support::{Engine, TestStore, on_both_engines},
};

on_both_engines! {
    channels_that_do_not_work_delay_no_others,
    a_busy_channel_gets_the_same_message_again,
    a_message_whose_sending_was_interrupted_is_sent_once_where_repeats_would_be_shown,
}

/// Puts a message for each channel into the outbox.
async fn plan(store: &Store, now: Timestamp) {
    let channels = store.alert_channels().await.unwrap();
    let plan = store.alert_news(1).await.unwrap().unwrap().plan;
    let delivery = |channel: easytier_uptime_store::domain::AlertChannel| {
        let id = Uuid::now_v7();
        let message = Message {
            id,
            topic: Topic::Outage,
            severity: Severity::Critical,
            subject: "a".into(),
            title: format!("for {}", channel.spec.name),
            lines: Vec::new(),
            nodes: Vec::new(),
            url: None,
            acknowledge: None,
            unsubscribe: None,
            at: DateTime::UNIX_EPOCH,
            language: Language::English,
        };
        NewDelivery { id, channel: channel.id, message: serde_json::to_string(&message).unwrap() }
    };
    let deliveries = channels.into_iter().map(delivery).collect();
    let cursor = plan.cursor;
    let step = PlanStep {
        plan,
        changed: Vec::new(),
        removed: Vec::new(),
        ended: Vec::new(),
        deliveries,
        visitors: VisitorStep::default(),
    };
    store.store_plan_step(cursor, &step, now).await.unwrap();
}

async fn states(store: &Store) -> Vec<(String, DeliveryState)> {
    let mut all: Vec<_> = store.deliveries(None, None, 100).await.unwrap();
    all.reverse();
    all.into_iter().map(|one| (one.channel_name.unwrap(), one.state)).collect()
}

async fn channels_that_do_not_work_delay_no_others(store: TestStore) {
    let (slow, endless) = (Receiver::start(Answers::Never).await, Receiver::start(Answers::Endless).await);
    let (refusing, redirecting) = (Receiver::start(Answers::Refuses).await, Receiver::start(Answers::Redirects).await);
    let good = Receiver::start(Answers::Takes).await;
    for (name, receiver) in [
        ("slow", &slow),
        ("endless", &endless),
        ("refusing", &refusing),
        ("redirecting", &redirecting),
        ("good", &good),
    ] {
        add_channel(&store, name, &receiver.url).await;
    }
    // Nobody listens there.
    add_channel(&store, "closed", "http://127.0.0.1:9/").await;
    for _ in 0..3 {
        plan(&store, Timestamp::now()).await;
    }
    let stop = CancellationToken::new();
    let running = {
        let (store, stop) = (store.store.clone(), stop.clone());
        tokio::spawn(async move { notify(&store, Arc::new(Channels::default()), None, stop).await })
    };
    good.requests(3, Duration::from_secs(5)).await;
    refusing.requests(3, Duration::from_secs(5)).await;
    endless.requests(3, Duration::from_secs(5)).await;
    redirecting.requests(3, Duration::from_secs(5)).await;
    stop.cancel();
    running.await.unwrap();
    assert_eq!(redirecting.messages().len(), 3, "no redirect is followed");
    assert_eq!(slow.messages().len(), 1, "the messages of a channel are sent one after another");
    let states = states(&store).await;
    for (name, state) in [
        ("good", DeliveryState::Sent),
        ("endless", DeliveryState::Sent),
        ("refusing", DeliveryState::Failed),
        ("redirecting", DeliveryState::Failed),
        ("slow", DeliveryState::Waiting),
        ("closed", DeliveryState::Waiting),
    ] {
        let of_channel: Vec<_> = states.iter().filter(|(one, _)| one == name).map(|(_, state)| *state).collect();
        assert_eq!(of_channel, [state; 3], "{name}");
    }
}

async fn a_busy_channel_gets_the_same_message_again(store: TestStore) {
    let busy = Receiver::start(Answers::BusyFor(2)).await;
    add_channel(&store, "busy", &busy.url).await;
    let mut now = Timestamp::now();
    plan(&store, now).await;
    let mut deliverer = Deliverer::new(store.store.clone(), Arc::new(Channels::default()));
    for attempt in 1..=3 {
        deliverer.look(now).await.unwrap();
        deliverer.ended().await;
        assert_eq!(busy.messages()[0].1, attempt);
        now = now + Duration::from_secs(60);
    }
    assert_eq!(states(&store).await[0].1, DeliveryState::Sent);
    let listed = store.deliveries(None, None, 1).await.unwrap().remove(0);
    assert_eq!((listed.attempts, busy.messages().len()), (3, 1));
}

#[tokio::test]
async fn a_message_that_cannot_be_sent_for_a_day_has_failed() {
    let store = TestStore::new(Engine::Sqlite).await;
    let busy = Receiver::start(Answers::BusyFor(1000)).await;
    add_channel(&store, "busy", &busy.url).await;
    for (age, requests, why) in [
        (DAY - Duration::from_secs(1), 1, "it answered 503"),
        (DAY + Duration::from_secs(1), 1, "it could not be sent for a day"),
    ] {
        plan(&store, Timestamp::now() - age).await;
        let mut deliverer = Deliverer::new(store.store.clone(), Arc::new(Channels::default()));
        deliverer.look(Timestamp::now()).await.unwrap();
        deliverer.ended().await;
        let failed = store.deliveries(None, None, 1).await.unwrap().remove(0);
        assert_eq!((failed.state, failed.error.as_deref()), (DeliveryState::Failed, Some(why)));
        assert_eq!(busy.messages().iter().map(|(_, count)| count).sum::<usize>(), requests);
    }
}

/// A channel that shows every message that it gets, also a repeat.
struct Simple(Arc<AtomicUsize>);

impl Messenger for Simple {
    fn check(&self, _: &str, _: &Settings) -> Result<(), FieldProblem> {
        Ok(())
    }

    fn shown(&self, _: &str, settings: &Settings) -> Settings {
        settings.clone()
    }

    fn sends_at_most_once(&self, _: &str) -> bool {
        true
    }

    fn send_to_visitor<'a>(&'a self, _: &'a Settings, _: &'a Secret, _: &'a Message) -> BoxFuture<'a, Outcome> {
        panic!("there are no visitors")
    }

    fn send<'a>(&'a self, _: &'a str, _: &'a Settings, _: &'a Message) -> BoxFuture<'a, Outcome> {
        self.0.fetch_add(1, Ordering::Relaxed);
        ready(Outcome::Delivered).boxed()
    }
}

async fn a_message_whose_sending_was_interrupted_is_sent_once_where_repeats_would_be_shown(store: TestStore) {
    add_channel(&store, "simple", "http://192.0.2.1/").await;
    let now = Timestamp::now();
    plan(&store, now).await;
    plan(&store, now).await;
    // A hub that was killed while it sent.
    let claimed = store.claim_deliveries(Duration::from_secs(90), now).await.unwrap();
    assert_eq!(claimed.len(), 1);
    let shown = Arc::new(AtomicUsize::new(0));
    let mut deliverer = Deliverer::new(store.store.clone(), Arc::new(Simple(Arc::clone(&shown))));
    for _ in 0..2 {
        deliverer.look(now + Duration::from_secs(91)).await.unwrap();
        deliverer.ended().await;
    }
    assert_eq!(shown.load(Ordering::Relaxed), 1);
    let states: Vec<_> = states(&store).await.into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, [DeliveryState::Failed, DeliveryState::Sent]);
    let failed = store.deliveries(Some(DeliveryState::Failed), None, 1).await.unwrap().remove(0);
    assert_eq!(failed.error.as_deref(), Some("it may have arrived, and is not sent again: an attempt was interrupted"));
}
