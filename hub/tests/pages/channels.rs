//! The pages of channels.

use std::sync::{Arc, Mutex};

use axum::{Router, extract::State, http::StatusCode, routing::post};
use easytier_uptime_alerts::{ChannelKind, Format};
use tokio::net::TcpListener;

use crate::{
    HOSTILE,
    desk::{Desk, assert_goes_to, problems},
    support::{TestStore, on_both_engines},
};

on_both_engines! {
    a_channel_is_added_tried_changed_and_removed,
}

const LIST: &str = "/admin/channels";
const WEBHOOKS: &str = "/admin/channels/new?kind=webhook";

/// What a server was sent, in the order in which it came.
type Taken = Arc<Mutex<Vec<String>>>;

/// A server that takes what it is sent.
async fn receiver() -> (String, Taken) {
    let taken = Taken::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hunter2", listener.local_addr().unwrap());
    let take = async |State(taken): State<Taken>, body: String| taken.lock().unwrap().push(body);
    let router = Router::new().route("/hunter2", post(take)).with_state(Arc::clone(&taken));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, taken)
}

async fn a_channel_is_added_tried_changed_and_removed(store: TestStore) {
    let desk = Desk::over(store).await;
    let (url, taken) = receiver().await;
    let added = desk.post(WEBHOOKS, &[("name", "ops"), ("settings.url", &url)], "en").await;
    assert_goes_to(&added, "/admin/channels/1?done=added");
    let page = desk.get("/admin/channels/1?done=added", "en").await;
    let host = url.strip_suffix("hunter2").unwrap();
    for shown in ["The channel is added.", "value=\"ops\"", &format!("{host}…"), "No rule yet"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(!page.contains("hunter2"));

    let tried = desk.post("/admin/channels/1/test", &[], "zh").await;
    assert!(tried.status == StatusCode::OK && tried.text().contains("渠道已接收测试消息。"), "{}", tried.text());
    assert!(taken.lock().unwrap()[0].contains("通知渠道测试"));

    // What is not filled in of secrets stays.
    let saved = desk.post("/admin/channels/1", &[("name", "night"), ("settings.url", "")], "en").await;
    assert_goes_to(&saved, "/admin/channels/1?done=saved");
    let tried = desk.post("/admin/channels/1/test", &[], "en").await;
    assert!(tried.text().contains("The channel took the test message."), "{}", tried.text());
    assert_eq!(taken.lock().unwrap().len(), 2);

    // Nobody listens there. The signature's key is set, and removed.
    let elsewhere = [("name", "night"), ("settings.url", "http://127.0.0.1:9/hunter2"), ("settings.secret", "hunter3")];
    assert_goes_to(&desk.post("/admin/channels/1", &elsewhere, "en").await, "/admin/channels/1?done=saved");
    let tried = desk.post("/admin/channels/1/test", &[], "en").await;
    assert!(tried.text().contains("The test message could not be sent now: "), "{}", tried.text());
    assert!(!tried.text().contains("hunter"), "{}", tried.text());
    let config = async || desk.hub.alert_channels().await.unwrap().remove(0).spec.config.expose().to_owned();
    assert!(config().await.contains("hunter3"));
    let cleared = [("name", "night"), ("settings.url", ""), ("settings.secret", ""), ("clear.secret", "true")];
    assert_goes_to(&desk.post("/admin/channels/1", &cleared, "en").await, "/admin/channels/1?done=saved");
    assert!(!config().await.contains("hunter3") && config().await.contains("hunter2"));

    assert_goes_to(&desk.post("/admin/channels/1/enable", &[], "en").await, "/admin/channels?done=disabled");
    let listed = desk.get(LIST, "zh").await;
    assert!(listed.contains("已停用") && listed.contains("night"), "{listed}");
    let enabled = desk.post("/admin/channels/1/enable", &[("enabled", "true")], "en").await;
    assert_goes_to(&enabled, "/admin/channels?done=enabled");
    let question = desk.get("/admin/channels/1/remove", "en").await;
    assert!(question.contains("Remove this channel?") && question.contains("night"), "{question}");
    assert_goes_to(&desk.post("/admin/channels/1/remove", &[], "en").await, "/admin/channels?done=removed");
    for path in ["/admin/channels/1/remove", "/admin/channels/1/test", "/admin/channels/1/enable"] {
        assert_eq!(desk.post(path, &[], "en").await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn each_kind_has_a_form_and_a_refused_one_comes_back_without_its_secrets() {
    let desk = Desk::new().await;
    let (listed, listed_zh) = (desk.get(LIST, "en").await, desk.get(LIST, "zh").await);
    assert!(listed.contains("New channel") && listed_zh.contains("钉钉"));
    for kind in ChannelKind::ALL {
        assert!(listed.contains(&format!("<option value=\"{}\"", kind.name())), "{}", kind.name());
        let path = format!("/admin/channels/new?kind={}", kind.name());
        for language in ["en", "zh"] {
            let form = desk.get(&path, language).await;
            for field in kind.fields() {
                assert!(form.contains(&format!("name=\"settings.{}\"", field.name)), "{} {}", kind.name(), field.name);
            }
        }
        // Everything is filled in, but the name.
        let value = |format: Format| match format {
            Format::Url => "https://example.com/hunter2".to_owned(),
            Format::Proxy => "socks5://hunter2@127.0.0.1:1".to_owned(),
            Format::Number => "4711".to_owned(),
            Format::Choice(words) => words[0].to_owned(),
            Format::Text | Format::Lines => "kept: hunter2".to_owned(),
        };
        let sent: Vec<(String, String)> = kind
            .fields()
            .iter()
            .map(|field| {
                let value =
                    if field.secret { value(field.format) } else { value(field.format).replace("hunter2", "x") };
                (format!("settings.{}", field.name), value)
            })
            .collect();
        let form: Vec<(&str, &str)> = sent.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let refused = desk.post(&path, &form, "en").await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", kind.name());
        let page = refused.text();
        assert!(!page.contains("hunter2"), "{page}");
        assert!(page.contains("aria-invalid=\"true\"") && page.contains("Enter the secret again"), "{page}");
        let has_text = kind.fields().iter().any(|field| !field.secret && field.format == Format::Text);
        assert!(!has_text || page.contains("kept: x"), "{page}");
    }
    assert_eq!(desk.post("/admin/channels/new?kind=pigeon", &[], "en").await.status, StatusCode::BAD_REQUEST);
    assert!(desk.hub.alert_channels().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_is_wrong_with_a_setting_is_said_beside_it() {
    let desk = Desk::new().await;
    for (form, english, chinese) in [
        (
            vec![("name", ""), ("settings.url", "https://example.com")],
            "Enter 1 to 128 characters",
            "请填写 1 到 128 个字符",
        ),
        (vec![("name", "ops")], "Fill in this field.", "此项为必填项。"),
        (
            vec![("name", "ops"), ("settings.url", "ftp://example.com")],
            "This value cannot be used: its scheme is not one of http, https.",
            "此值不可用：协议只能是 http、https。",
        ),
        (
            vec![("name", "ops"), ("settings.url", "https://example.com"), ("settings.body", "{{")],
            "This value cannot be used: ",
            "此值不可用：模板有误（",
        ),
    ] {
        for (language, words) in [("en", english), ("zh", chinese)] {
            let reply = desk.post(WEBHOOKS, &form, language).await;
            assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{form:?}");
            let page = reply.text();
            let problems = problems(page);
            assert!(problems.len() == 1 && problems[0].starts_with(words), "{form:?} {words}: {problems:?}");
            assert_eq!(page.matches("aria-invalid=\"true\"").count(), 1, "{form:?}: {page}");
        }
    }
    let form = [("name", "ops"), ("settings.url", "https://example.com")];
    assert_goes_to(&desk.post(WEBHOOKS, &form, "en").await, "/admin/channels/1?done=added");
    let again = desk.post(WEBHOOKS, &form, "zh").await;
    assert!(again.status == StatusCode::CONFLICT && again.text().contains("已有同名的通知渠道。"));
    let wrong = desk.post("/admin/channels/1", &[("name", "ops"), ("settings.url", "ftp://example.com/")], "en").await;
    assert!(wrong.status == StatusCode::BAD_REQUEST && wrong.text().contains("This value cannot be used"));
}

#[tokio::test]
async fn at_a_dependent_channels_can_be_read_only() {
    let desk = Desk::new().await;
    let form = [("name", "ops"), ("settings.url", "https://example.com")];
    assert_goes_to(&desk.post(WEBHOOKS, &form, "en").await, "/admin/channels/1?done=added");
    assert!(!desk.get(LIST, "en").await.contains("<fieldset class=\"closed\" disabled>"));
    desk.hub.dependent().await;
    for path in
        [LIST, WEBHOOKS, "/admin/channels/1", "/admin/channels/1/rules", "/admin/channels/1/remove", "/admin/alerts"]
    {
        assert!(desk.get(path, "en").await.contains("<fieldset class=\"closed\" disabled>"), "{path}");
    }
    assert!(!desk.get(LIST, "en").await.contains("/admin/channels/1/remove"));
    assert_eq!(desk.post(WEBHOOKS, &[("name", "b"), form[1]], "en").await.status, StatusCode::CONFLICT);
    assert_eq!(desk.post("/admin/channels/1", &form, "en").await.status, StatusCode::CONFLICT);
    assert_eq!(desk.post("/admin/channels/1/remove", &[], "en").await.status, StatusCode::CONFLICT);
    let disabled = desk.post("/admin/channels/1/enable", &[], "en").await;
    assert!(disabled.status == StatusCode::CONFLICT && disabled.text().contains("is a dependent of"));
}

#[tokio::test]
async fn the_pages_are_for_the_operator_and_names_stay_text() {
    let desk = Desk::new().await;
    let form = [("name", HOSTILE), ("settings.url", "https://example.com")];
    assert_goes_to(&desk.post(WEBHOOKS, &form, "en").await, "/admin/channels/1?done=added");
    for path in [LIST, "/admin/channels/1", "/admin/channels/1/rules", "/admin/channels/1/remove", "/admin/alerts"] {
        let page = desk.get(path, "en").await;
        assert_eq!(page.matches("<script").count(), 1, "{page}");
        assert!(!page.contains("<img src=x"), "{page}");
        let stranger = crate::read(&desk.hub, path, "en").await;
        assert_goes_to(&stranger, "/admin/login");
    }
}
