//! The page of alerts.

use axum::http::StatusCode;
use easytier_uptime_alerts::{
    Change, Language, Message, Rule, Severity, Topic,
    policy::{Condition, Key, Seen, Subject, Told, Trouble},
};
use easytier_uptime_hub::{
    notify::messenger,
    service::alerts::{Alerts, NewChannel},
};
use easytier_uptime_store::domain::{ChannelId, DeliveryEnd, DeliveryState, NewDelivery, PeerId, PlanStep, Timestamp};
use uuid::Uuid;

use crate::{
    HOSTILE, add,
    desk::{Desk, assert_goes_to, problems},
    named,
    support::{TestStore, on_both_engines, seconds},
};

on_both_engines! {
    what_is_wrong_is_shown_acknowledged_and_muted,
    messages_are_shown_and_sent_again,
}

const PATH: &str = "/admin/alerts";

fn alerts(desk: &Desk) -> Alerts {
    Alerts::new(desk.hub.store.store.clone(), messenger())
}

/// A channel with a rule, by which a node is down and a probe is silent.
async fn wrong(desk: &Desk, name: &str) -> (Rule, PeerId) {
    let node = add(&desk.hub, &named(name, "tcp://node.example.net:11010")).await;
    let settings = [("url".to_owned(), "http://127.0.0.1:9/".to_owned())].into();
    alerts(desk).add_channel(NewChannel { name: "ops".into(), kind: "webhook".into(), settings }).await.unwrap();
    let rule = Rule { on: [Change::Down, Change::Probe].into(), ..Rule::new(Uuid::now_v7()) };
    alerts(desk).put_rule("ops", rule.clone()).await.unwrap();
    let condition = |subject, trouble, is_told: bool| {
        let (key, since) = (Key { rule: rule.id, subject }, Timestamp::now().0 - 60_000);
        let told = Told { trouble, since, at: since, episode: key.to_string(), as_hub: false };
        let condition = Condition {
            seen: Seen::Down,
            trouble: Some(trouble),
            since,
            told: is_told.then_some(told),
            was_wrong: true,
            flips: vec![since],
            flaps: false,
            told_flapping: false,
            flapping_episode: None,
            was_hidden: false,
            held_until: 0,
        };
        (key.to_string(), serde_json::to_string(&condition).unwrap())
    };
    let changed = vec![
        condition(Subject::Node(node.0), Trouble::Down, true),
        condition(Subject::Probe(77), Trouble::Silent, false),
    ];
    store(desk, changed, Vec::new()).await;
    (rule, node)
}

async fn store(desk: &Desk, changed: Vec<(String, String)>, deliveries: Vec<NewDelivery>) {
    let plan = desk.hub.alert_news(1).await.unwrap().unwrap().plan;
    let cursor = plan.cursor;
    let step =
        PlanStep { plan, changed, removed: Vec::new(), ended: Vec::new(), deliveries, visitors: Default::default() };
    desk.hub.store_plan_step(cursor, &step, Timestamp::now()).await.unwrap();
}

async fn what_is_wrong_is_shown_acknowledged_and_muted(store: TestStore) {
    let desk = Desk::over(store).await;
    assert!(desk.get(PATH, "en").await.contains("No active alerts."));
    let (rule, node) = wrong(&desk, HOSTILE).await;
    let (english, chinese) = (desk.get(PATH, "en").await, desk.get(PATH, "zh").await);
    for words in ["Offline", "Does not report", "Probe #77", "not notified yet", "&lt;/title&gt;"] {
        assert!(english.contains(words), "{words}: {english}");
    }
    assert!(chinese.contains("停止上报") && chinese.contains("已通知") && chinese.contains("尚未通知"), "{chinese}");
    assert_eq!(english.matches("<script").count(), 1);

    let key = format!("{}/node:{node}", rule.id);
    let done = desk.post("/admin/alerts/acknowledge", &[("key", &key)], "en").await;
    assert_goes_to(&done, "/admin/alerts?done=acknowledged");
    let page = desk.get("/admin/alerts?done=acknowledged", "en").await;
    assert!(page.contains("acknowledged by admin, ") && page.contains("no more reminders"), "{page}");
    assert_eq!(page.matches("action=\"/admin/alerts/acknowledge\"").count(), 1, "the probe's is left");
    let gone = desk.post("/admin/alerts/acknowledge", &[("key", "hub")], "en").await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);

    let rule_scope = format!("rule:{}", rule.id);
    let node_id = node.to_string();
    for form in [
        vec![("scope", key.as_str()), ("hours", "8")],
        vec![("scope", "all"), ("hours", "1")],
        vec![("scope", rule_scope.as_str()), ("hours", "24")],
        vec![("scope", "node"), ("node", node_id.as_str()), ("hours", "8784")],
    ] {
        assert_goes_to(&desk.post("/admin/alerts/mute", &form, "en").await, "/admin/alerts?done=muted");
    }
    let scopes: Vec<String> = alerts(&desk).mutes().await.unwrap().into_iter().map(|mute| mute.scope).collect();
    assert_eq!(scopes, [key, "all".to_owned(), rule_scope, format!("node:{node}")]);
    let page = desk.get(PATH, "zh").await;
    assert!(page.contains("全部") && page.contains("规则 <a href=\"/admin/channels/1\">ops</a>"), "{page}");
    for (form, words) in [
        (vec![("scope", "all"), ("hours", "0")], "Enter a whole number from 1 to 8784."),
        (vec![("scope", "all"), ("hours", "")], "Fill in this field."),
        (vec![("scope", "node"), ("node", "x"), ("hours", "1")], "This value is not valid."),
        (vec![("scope", "node"), ("hours", "1")], "Fill in this field."),
        (vec![("scope", "moon"), ("hours", "1")], "This value is not valid."),
    ] {
        let refused = desk.post("/admin/alerts/mute", &form, "en").await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{form:?}");
        assert!(!refused.text().contains("/admin/alerts/mute?lang="), "nothing is to be read there");
        if form[0].1 != "moon" {
            assert_eq!(problems(refused.text()), [words], "{form:?}");
        }
    }
    let id = alerts(&desk).mutes().await.unwrap()[0].id.to_string();
    assert_goes_to(&desk.post("/admin/alerts/unmute", &[("id", &id)], "en").await, "/admin/alerts?done=unmuted");
    assert_eq!(alerts(&desk).mutes().await.unwrap().len(), 3);
    assert_eq!(desk.post("/admin/alerts/unmute", &[("id", &id)], "en").await.status, StatusCode::NOT_FOUND);
}

async fn messages_are_shown_and_sent_again(test: TestStore) {
    let desk = Desk::over(test).await;
    wrong(&desk, "n").await;
    let delivery = |title: String| {
        let id = Uuid::now_v7();
        let message = Message {
            id,
            topic: Topic::Outage,
            severity: Severity::Critical,
            subject: "a".into(),
            title,
            lines: Vec::new(),
            nodes: Vec::new(),
            url: None,
            acknowledge: None,
            unsubscribe: None,
            at: Timestamp::now().into(),
            language: Language::English,
        };
        NewDelivery { id, channel: ChannelId(1), message: serde_json::to_string(&message).unwrap() }
    };
    store(&desk, Vec::new(), (0..60).map(|nth| delivery(format!("message {nth}."))).collect()).await;
    for end in [DeliveryEnd::Sent, DeliveryEnd::Failed("it answered 400: <b>no</b>".into())] {
        let claimed = desk.hub.claim_deliveries(seconds(60), Timestamp::now()).await.unwrap().remove(0);
        assert!(desk.hub.end_delivery(&claimed, &end, Timestamp::now()).await.unwrap());
    }
    let page = desk.get(PATH, "en").await;
    assert!(page.contains("message 59.") && page.contains("message 10.") && !page.contains("message 9."), "{page}");
    let older = page.split("rel=\"next\" href=\"").nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&");
    let page = desk.get(&older, "en").await;
    assert!(page.contains("message 9.") && page.contains("message 0.") && !page.contains("message 10."), "{page}");
    assert!(page.contains("it answered 400: &lt;b&gt;no&lt;/b&gt;") && !page.contains("rel=\"next\""), "{page}");

    let failed = desk.get("/admin/alerts?state=failed", "zh").await;
    assert!(failed.contains("message 1.") && failed.contains("发送失败") && !failed.contains("message 2."), "{failed}");
    let channels = desk.get("/admin/channels", "en").await;
    assert!(channels.contains("Waiting"), "the last message of the channel: {channels}");
    let id = failed.split("name=\"id\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let again = desk.post("/admin/alerts/repeat", &[("id", &id)], "en").await;
    assert_goes_to(&again, "/admin/alerts?done=repeated");
    assert!(desk.hub.deliveries(Some(DeliveryState::Failed), None, 10).await.unwrap().is_empty());
    assert_eq!(desk.post("/admin/alerts/repeat", &[("id", &id)], "en").await.status, StatusCode::NOT_FOUND);
}
