//! The pages of the rules of a channel.

use axum::http::StatusCode;
use easytier_uptime_alerts::{Change, Language};
use easytier_uptime_hub::{
    notify::messenger,
    service::alerts::{Alerts, RuleView},
};
use uuid::Uuid;

use crate::{
    desk::{Desk, assert_goes_to, problems},
    support::{TestStore, on_both_engines},
};

on_both_engines! {
    a_rule_is_added_previewed_changed_and_removed,
}

const NEW: &str = "/admin/channels/1/rules";

/// A form that is taken.
const FULL: [(&str, &str); 11] = [
    ("down", "true"),
    ("probe", "true"),
    ("nodes", "7, #3"),
    ("tags", "fast，国内"),
    ("after", "5m"),
    ("gather", "10s"),
    ("remind", "6h"),
    ("quiet_from", "22:00"),
    ("quiet_to", "07:30"),
    ("time_zone", "Asia/Shanghai"),
    ("language", "zh"),
];

async fn desk(store: TestStore) -> Desk {
    let desk = Desk::over(store).await;
    let form = [("name", "ops"), ("settings.url", "https://example.com")];
    let added = desk.post("/admin/channels/new?kind=webhook", &form, "en").await;
    assert_goes_to(&added, "/admin/channels/1?done=added");
    desk
}

async fn rules(desk: &Desk) -> Vec<RuleView> {
    let alerts = Alerts::new(desk.hub.store.store.clone(), messenger());
    alerts.channel("ops").await.unwrap().rules
}

/// The form with another value of one field.
fn with<'a>(name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    FULL.into_iter().filter(|(known, _)| *known != name).chain([(name, value)]).collect()
}

async fn a_rule_is_added_previewed_changed_and_removed(store: TestStore) {
    let desk = desk(store).await;
    let (english, chinese) = (desk.get(NEW, "en").await, desk.get(NEW, "zh").await);
    for (page, ticked, zone) in
        [(&english, "value=\"en\" selected", "\"UTC\""), (&chinese, "value=\"zh\" selected", "\"Asia/Shanghai\"")]
    {
        assert!(page.contains(ticked) && page.contains(zone), "{page}");
        assert!(
            page.contains("name=\"down\" value=\"true\" checked")
                && page.contains("name=\"up\" value=\"true\" checked")
        );
        assert!(!page.contains("name=\"probe\" value=\"true\" checked"), "{page}");
    }
    let preview: Vec<_> = FULL.into_iter().chain([("step", "preview")]).collect();
    let shown = desk.post(NEW, &preview, "en").await;
    assert_eq!(shown.status, StatusCode::OK);
    for words in [
        "What this rule would have sent",
        "Notifies when a node with the id 3, 7 or with the tag fast, 国内",
        "Nothing.",
    ] {
        assert!(shown.text().contains(words), "{words}: {}", shown.text());
    }
    assert!(rules(&desk).await.is_empty(), "a preview stores nothing");

    assert_goes_to(&desk.post(NEW, &FULL, "en").await, "/admin/channels/1?done=rule-added");
    let rule = rules(&desk).await.remove(0).rule;
    assert_eq!(rule.on, [Change::Down, Change::Probe].into());
    assert_eq!((rule.after_seconds, rule.group_seconds, rule.reminder_seconds), (300, 10, Some(21_600)));
    assert_eq!((rule.nodes.ids.len(), rule.nodes.tags.len(), rule.language), (2, 2, Language::Chinese));
    assert_eq!(rule.quiet.as_ref().unwrap().to_string(), "22:00-07:30 Asia/Shanghai");
    let page = desk.get("/admin/channels/1?done=rule-added", "en").await;
    assert!(page.contains("Reminds every 6 h until somebody acknowledges it."), "{page}");

    let path = format!("{NEW}/{}", rule.id);
    let form = desk.get(&path, "zh").await;
    for value in [
        "\"3, 7\"",
        "\"5m\"",
        "\"10s\"",
        "\"6h\"",
        "\"22:00\"",
        "\"07:30\"",
        "\"Asia/Shanghai\"",
        "value=\"zh\" selected",
    ] {
        assert!(form.contains(value), "{value}: {form}");
    }
    let changed = desk.post(&path, &with("after", "90s"), "en").await;
    assert_goes_to(&changed, "/admin/channels/1?done=saved");
    let stored = rules(&desk).await;
    assert_eq!((stored.len(), stored[0].rule.id, stored[0].rule.after_seconds), (1, rule.id, 90));

    let question = desk.get(&format!("{path}/remove"), "zh").await;
    assert!(question.contains("删除此规则？") && question.contains("离线"), "{question}");
    assert_goes_to(&desk.post(&format!("{path}/remove"), &[], "en").await, "/admin/channels/1?done=rule-removed");
    assert!(rules(&desk).await.is_empty());
    for path in [path, format!("{NEW}/{}/remove", Uuid::nil())] {
        assert_eq!(desk.post(&path, &FULL, "en").await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn a_refused_rule_comes_back_as_it_was_typed_with_the_reason_beside_the_field() {
    let desk = desk(TestStore::new(crate::support::Engine::Sqlite).await).await;
    let nothing: Vec<_> = FULL.into_iter().filter(|(name, _)| !["down", "probe"].contains(name)).collect();
    for (form, english, chinese) in [
        (nothing, "Tick at least one change", "请至少勾选一种变化"),
        (with("after", "soon"), "Write a time such as 30s", "请填写时间，例如 30s"),
        (with("after", "500ms"), "Write a time such as 30s", "请填写时间，例如 30s"),
        (with("after", "169h"), "Enter at most 168h.", "最长 168h。"),
        (with("gather", "6m"), "Enter at most 5m.", "最长 5m。"),
        (with("remind", "9m"), "Enter 10m to 720h.", "请填写 10m 到 720h。"),
        (with("nodes", "seven"), "This value is not valid.", "格式不正确。"),
        (with("quiet_to", "22:00"), "Enter two different times of day", "请填写两个不同的时间"),
        (with("quiet_to", ""), "Enter two different times of day", "请填写两个不同的时间"),
        (with("time_zone", "Moon"), "Write the name of a time zone", "请填写时区名称"),
    ] {
        for (language, words) in [("en", english), ("zh", chinese)] {
            let reply = desk.post(NEW, &form, language).await;
            assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{form:?}");
            let page = reply.text();
            let problems = problems(page);
            assert!(problems.len() == 1 && problems[0].contains(words), "{form:?} {words}: {problems:?}");
            for (name, value) in
                form.iter().filter(|(name, _)| ["after", "remind", "time_zone", "nodes"].contains(name))
            {
                assert!(page.contains(&format!("value=\"{value}\"")), "{name} {value}: {page}");
            }
        }
    }
    assert!(rules(&desk).await.is_empty());
}
