//! What the operator does with channels and rules.

use std::time::Duration;

use easytier_uptime_alerts::{Change, Language, Outcome, Rule, Topic};
use easytier_uptime_hub::service::{
    ServiceError,
    alerts::{ChannelChange, NewChannel},
};
use easytier_uptime_store::{StoreError, domain::ChannelSpec};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    add_channel, add_rule, alerts,
    receiver::{Answers, Receiver},
    support::{Engine, NOW, TestStore},
};

#[tokio::test]
async fn a_test_message_arrives_or_the_reason_is_said() {
    let store = TestStore::new(Engine::Sqlite).await;
    let good = Receiver::start(Answers::Takes).await;
    add_channel(&store, "good", &good.url).await;
    add_channel(&store, "refusing", &Receiver::start(Answers::Refuses).await.url).await;
    let outcome = alerts(&store).test_channel("good", Language::Chinese).await.unwrap();
    assert_eq!(outcome, Outcome::Delivered);
    let (message, _) = good.messages().remove(0);
    assert_eq!((message.topic, message.title.as_str()), (Topic::Test, "通知渠道测试"));
    let refused = alerts(&store).test_channel("refusing", Language::English).await.unwrap();
    assert_eq!(refused, Outcome::Refused { why: "it answered 400: no".into() });
    let unknown = alerts(&store).test_channel("nowhere", Language::English).await;
    assert!(matches!(unknown, Err(ServiceError::Store(StoreError::NotFound("channel")))));
}

/// A name is tried before an id, so a channel may be named like the id of another one.
#[tokio::test]
async fn the_channel_that_was_added_or_changed_is_shown_and_not_one_named_like_its_id() {
    let store = TestStore::new(Engine::Sqlite).await;
    let add = |name: &str| NewChannel {
        name: name.into(),
        kind: "webhook".into(),
        settings: [("url".to_owned(), "https://example.com".to_owned())].into(),
    };
    let first = alerts(&store).add_channel(add("ops")).await.unwrap();
    let named_like_the_next = alerts(&store).add_channel(add(&(first.id + 2).to_string())).await.unwrap();
    let added = alerts(&store).add_channel(add("night")).await.unwrap();
    assert_eq!((added.id, added.name.as_str()), (named_like_the_next.id + 1, "night"));
    let off = ChannelChange { enabled: Some(false), ..ChannelChange::default() };
    let changed = alerts(&store).change_channel("night", off).await.unwrap();
    assert_eq!((changed.id, changed.enabled), (added.id, false));
}

/// A newer primary may send rules with changes and fields that this version does not know.
#[tokio::test]
async fn a_rule_of_a_newer_version_is_followed_as_far_as_it_is_known_and_stays_as_it_is() {
    let store = TestStore::new(Engine::Sqlite).await;
    add_channel(&store, "ops", "http://192.0.2.1/hook").await;
    let known = add_rule(&store, "ops", &[Change::Down]).await;
    let channel = store.alert_channels().await.unwrap().remove(0);
    let rules = async || {
        let channel = store.alert_channels().await.unwrap().remove(0);
        serde_json::from_str::<Value>(channel.spec.config.expose()).unwrap()["rules"].clone()
    };
    let mut config: Value = serde_json::from_str(channel.spec.config.expose()).unwrap();
    config["rules"][0]["on"] = json!(["down", "moved"]);
    config["rules"][0]["farther_than"] = json!({ "km": 100 });
    let edit = |spec: &mut ChannelSpec| spec.config = config.to_string().into();
    store.edit_channel(channel.id, edit, NOW).await.unwrap();
    let shown = alerts(&store).channel("ops").await.unwrap().rules.remove(0);
    assert!(shown.rule.on.contains(&Change::Down), "{shown:?}");

    add_rule(&store, "ops", &[Change::Probe]).await;
    let edited = Rule { on: [Change::Partial].into(), ..known };
    alerts(&store).put_rule("ops", edited).await.unwrap();
    let rules = rules().await;
    assert_eq!((&rules[0]["on"], &rules[0]["farther_than"]), (&json!(["partial", "moved"]), &json!({ "km": 100 })));
    assert_eq!(rules[1]["on"], json!(["probe"]));
}

#[tokio::test]
async fn settings_are_checked_and_shown_without_secrets() {
    let store = TestStore::new(Engine::Sqlite).await;
    let add = |name: &str, kind: &str, url: &str| NewChannel {
        name: name.into(),
        kind: kind.into(),
        settings: [("url".to_owned(), url.to_owned())].into(),
    };
    for wrong in [
        add("ops", "pigeon", "https://example.com"),
        add("ops", "webhook", "ftp://example.com"),
        add("", "webhook", "https://example.com"),
        add("a\nb", "webhook", "https://example.com"),
    ] {
        let refused = alerts(&store).add_channel(wrong).await;
        assert!(matches!(refused, Err(ServiceError::Field(_))), "{refused:?}");
    }
    let added = alerts(&store).add_channel(add("ops", "webhook", "https://example.com/hunter2")).await.unwrap();
    assert!(!format!("{added:?}").contains("hunter2"));
    assert_eq!(added.settings["url"], "https://example.com/…");

    let change = ChannelChange { name: Some("night".into()), ..ChannelChange::default() };
    let changed = alerts(&store).change_channel(&added.id.to_string(), change).await.unwrap();
    assert_eq!((changed.name.as_str(), changed.settings), ("night", added.settings));
    let clear = ChannelChange { settings: [("url".to_owned(), String::new())].into(), ..ChannelChange::default() };
    assert!(matches!(alerts(&store).change_channel("night", clear).await, Err(ServiceError::Field(_))));
}

#[tokio::test]
async fn rules_are_read_changed_and_removed() {
    let store = TestStore::new(Engine::Sqlite).await;
    add_channel(&store, "ops", "https://example.com").await;
    let rule = add_rule(&store, "ops", &[Change::Down]).await;
    let changed = Rule { after_seconds: 60, ..rule.clone() };
    alerts(&store).put_rule("ops", changed.clone()).await.unwrap();
    let channel = alerts(&store).channel("ops").await.unwrap();
    assert_eq!(channel.rules.iter().map(|one| one.rule.clone()).collect::<Vec<_>>(), [changed]);

    let read = |document: serde_json::Value| alerts(&store).read_rule(document.as_object().unwrap().clone());
    assert_eq!(read(json!({"on": ["down"]})).unwrap().on, [Change::Down].into());
    for wrong in [json!({}), json!({"on": ["up"]}), json!({"on": ["down"], "quiet": {"hours": "22-7", "zone": "UTC"}})]
    {
        assert!(matches!(read(wrong.clone()), Err(ServiceError::Field(_))), "{wrong}");
    }
    alerts(&store).remove_rule(rule.id).await.unwrap();
    assert!(alerts(&store).channel("ops").await.unwrap().rules.is_empty());
    assert!(alerts(&store).remove_rule(rule.id).await.is_err());
}

#[tokio::test]
async fn only_what_exists_can_be_muted() {
    let store = TestStore::new(Engine::Sqlite).await;
    let hour = Duration::from_secs(3600);
    let key = format!("{}/node:3", Uuid::from_u128(1));
    for scope in ["all", "node:3", "hub", &format!("rule:{}", Uuid::from_u128(1)), &key] {
        alerts(&store).mute(scope, hour, "me").await.unwrap();
    }
    for scope in ["", "node", "rule:1", "everything"] {
        assert!(matches!(alerts(&store).mute(scope, hour, "me").await, Err(ServiceError::Field(_))), "{scope}");
    }
    assert!(alerts(&store).mute("all", hour * 24 * 367, "me").await.is_err());
    assert_eq!(alerts(&store).mutes().await.unwrap().len(), 5);
}
