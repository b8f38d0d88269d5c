//! Links in messages, and the page that they lead to.

use std::time::Duration;

use axum::http::{Request, StatusCode};
use easytier_uptime_alerts::{Change, Message};
use easytier_uptime_hub::{notify::Planner, service::alerts::LINK_LIFETIME};
use easytier_uptime_store::domain::{DAY, PeerId, Timestamp};

use crate::{
    add_rule, alerts,
    http::{PublicHub, Reply},
    scene::{Hub, add},
    support::{Engine, TestStore, on_both_engines},
};

on_both_engines! {
    who_has_a_link_acknowledges_and_mutes_what_the_message_is_about,
    a_link_of_a_message_about_many_nodes_mutes_the_rule,
}

/// A hub that told of nodes that are down, `age` ago.
async fn told(test: TestStore, count: usize, age: Duration) -> (Hub, Vec<PeerId>, Message) {
    let mut hub = Hub::at(test, Timestamp::now() - age).await;
    add_rule(&hub.test, "ops", &[Change::Down, Change::Up]).await;
    let mut nodes = Vec::new();
    for nth in 0..count {
        nodes.push(add(&hub, &format!("node-{nth}")).await);
    }
    hub.check(&nodes, &[], 60).await;
    hub.check(&[], &nodes, 40).await;
    let message = hub.messages().await.remove(0);
    (hub, nodes, message)
}

fn path(message: &Message) -> String {
    let url = message.acknowledge.as_ref().unwrap();
    assert!(url.as_str().starts_with("https://status.example/alerts?token="), "{url}");
    format!("{}?{}", url.path(), url.query().unwrap())
}

fn token(message: &Message) -> String {
    path(message).split_once('=').unwrap().1.to_owned()
}

async fn get(site: &PublicHub, path: &str, language: &str) -> Reply {
    site.send(Request::get(path).header("accept", "text/html").header("accept-language", language), "").await
}

/// A form of the page, posted by a page of this origin.
async fn post(site: &PublicHub, origin: Option<&str>, form: &[(&str, &str)]) -> Reply {
    let request = Request::post("/alerts").header("accept", "text/html");
    let request = match origin {
        Some(origin) => request.header("origin", origin),
        None => request,
    };
    site.send(request, serde_html_form::to_string(form).unwrap()).await
}

async fn who_has_a_link_acknowledges_and_mutes_what_the_message_is_about(test: TestStore) {
    let (mut hub, nodes, message) = told(test, 1, Duration::from_secs(3600)).await;
    let site = PublicHub::over(hub.test.clone()).await;
    let (path, token, own) = (path(&message), token(&message), format!("http://{}", site.address));
    let acknowledged = async || alerts(&hub.test).conditions().await.unwrap().remove(0).acknowledged_by;
    // Scanners of mails and previews of chats follow links.
    for _ in 0..2 {
        let page = get(&site, &path, "en").await;
        assert_eq!(page.status, StatusCode::OK, "{page:?}");
        assert!(page.text().contains("node-0 is down") && page.text().contains("Still wrong: 1"), "{}", page.text());
        assert_eq!(page.header("x-robots-tag"), Some("noindex, nofollow, noarchive"));
        assert_eq!(
            (page.header("cache-control"), page.header("referrer-policy")),
            (Some("no-store"), Some("same-origin"))
        );
        assert!(!page.text().contains("192.0.2.1/hook"), "nothing of the channel is shown");
    }
    assert!(get(&site, &path, "zh").await.text().contains("静音 8 小时"));
    site.send(Request::head(&path), "").await;
    assert_eq!(acknowledged().await, None);
    assert!(alerts(&hub.test).mutes().await.unwrap().is_empty());

    for origin in [None, Some("https://evil.example"), Some("null")] {
        for form in [vec![("token", token.as_str())], vec![("token", token.as_str()), ("hours", "8")]] {
            assert_eq!(post(&site, origin, &form).await.status, StatusCode::FORBIDDEN, "{origin:?}");
        }
    }
    assert_eq!(acknowledged().await, None);

    let done = post(&site, Some(&own), &[("token", &token)]).await;
    let location = format!("{path}&done=acknowledged");
    assert_eq!((done.status, done.header("location")), (StatusCode::SEE_OTHER, Some(location.as_str())));
    assert_eq!(acknowledged().await.as_deref(), Some("ops (link)"));
    let page = get(&site, &location, "en").await;
    for words in ["no more reminders", "acknowledged by ops (link)"] {
        assert!(page.text().contains(words), "{words}: {}", page.text());
    }
    assert!(!page.text().contains("No more reminders are sent."), "the form is gone: {}", page.text());

    for hours in ["5", "0", "x", "9999999999"] {
        let refused = post(&site, Some(&own), &[("token", &token), ("hours", hours)]).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{hours}");
    }
    for _ in 0..2 {
        let muted = post(&site, Some(&own), &[("token", &token), ("hours", "8")]).await;
        assert_eq!(muted.status, StatusCode::SEE_OTHER);
    }
    let mutes = alerts(&hub.test).mutes().await.unwrap();
    assert_eq!(mutes.len(), 1, "{mutes:?}");
    let condition = alerts(&hub.test).conditions().await.unwrap().remove(0);
    assert_eq!((&mutes[0].scope, mutes[0].muted_by.as_str()), (&condition.key, "ops (link)"));
    assert_eq!(mutes[0].until.since(mutes[0].muted_at), Duration::from_secs(8 * 3600));
    assert!(get(&site, &path, "en").await.text().contains("Muted until "));
    alerts(&hub.test).unmute(mutes[0].id).await.unwrap();

    hub.check(&nodes, &[], 400).await;
    let messages = hub.messages().await;
    assert_eq!((messages[1].title.as_str(), &messages[1].acknowledge), ("node-0 is up again", &None));
    assert!(get(&site, &path, "en").await.text().contains("Resolved: "));

    hub.test.dependent().await;
    let page = get(&site, &path, "en").await;
    let closed = "<fieldset class=\"closed\" disabled>";
    assert!(page.text().contains(closed) && page.text().contains("This instance does not send alerts now"), "{page:?}");
}

async fn a_link_of_a_message_about_many_nodes_mutes_the_rule(test: TestStore) {
    let (hub, _, message) = told(test, 25, Duration::from_secs(3600)).await;
    let site = PublicHub::over(hub.test.clone()).await;
    let own = format!("http://{}", site.address);
    let page = get(&site, &path(&message), "en").await;
    assert!(
        page.text().contains("its whole rule is muted") && page.text().contains("Still wrong: 25"),
        "{}",
        page.text()
    );
    for hours in ["", "1"] {
        let done = post(&site, Some(&own), &[("token", &token(&message)), ("hours", hours)]).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER);
    }
    let conditions = alerts(&hub.test).conditions().await.unwrap();
    assert!(conditions.len() == 25 && conditions.iter().all(|one| one.acknowledged_by.is_some()));
    let scopes: Vec<String> = alerts(&hub.test).mutes().await.unwrap().into_iter().map(|mute| mute.scope).collect();
    assert_eq!(scopes, [format!("rule:{}", conditions[0].rule)]);
}

#[tokio::test]
async fn links_that_are_wrong_or_have_expired_do_nothing() {
    let (hub, _, message) = told(TestStore::new(Engine::Sqlite).await, 1, Duration::from_secs(3600)).await;
    let site = PublicHub::over(hub.test.clone()).await;
    let (good, own) = (token(&message), format!("http://{}", site.address));
    let mut wrong: Vec<String> = ["", "x", "%00", "../../etc"].map(str::to_owned).into();
    for nth in 0..good.len() {
        let mut changed: Vec<char> = good.chars().collect();
        changed[nth] = if changed[nth] == 'A' { 'B' } else { 'A' };
        wrong.push(changed.into_iter().collect());
    }
    wrong.push(good[..good.len() - 1].to_owned());
    wrong.push(format!("{good}A"));
    // One of another database, which has another key.
    let (_other, _, foreign) = told(TestStore::new(Engine::Sqlite).await, 1, Duration::from_secs(3600)).await;
    wrong.push(token(&foreign));
    for token in &wrong {
        let page = get(&site, &format!("/alerts?token={token}"), "en").await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{token}");
        assert!(page.text().contains("This link is not complete"), "{}", page.text());
    }
    assert_eq!(get(&site, "/alerts", "zh").await.status, StatusCode::NOT_FOUND);
    for token in &wrong[wrong.len() - 3..] {
        for hours in ["", "1"] {
            let refused = post(&site, Some(&own), &[("token", token), ("hours", hours)]).await;
            assert_eq!(refused.status, StatusCode::NOT_FOUND, "{token}");
        }
    }

    let (old, _, message) = told(TestStore::new(Engine::Sqlite).await, 1, LINK_LIFETIME + DAY).await;
    let site = PublicHub::over(old.test.clone()).await;
    let page = get(&site, &path(&message), "zh").await;
    assert_eq!(page.status, StatusCode::GONE);
    assert!(page.text().contains("链接已失效") && page.text().contains("14 天"), "{}", page.text());
    let own = format!("http://{}", site.address);
    assert_eq!(post(&site, Some(&own), &[("token", &token(&message))]).await.status, StatusCode::GONE);
    assert_eq!(alerts(&old.test).conditions().await.unwrap()[0].acknowledged_by, None);
    for test in [&hub.test, &old.test] {
        assert!(alerts(test).mutes().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn guesses_are_limited_as_other_posts_of_strangers() {
    let site = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    let own = format!("http://{}", site.address);
    // While they are posted the limit comes back, one a second.
    for _ in 0..60 {
        assert_eq!(post(&site, Some(&own), &[("token", "x")]).await.status, StatusCode::NOT_FOUND);
    }
    let mut more = 0;
    while post(&site, Some(&own), &[("token", "x")]).await.status != StatusCode::TOO_MANY_REQUESTS {
        more += 1;
        assert!(more < 600, "there is no limit");
    }
}

#[tokio::test]
async fn links_are_below_the_path_of_the_public_url() {
    let mut hub = Hub::at(TestStore::new(Engine::Sqlite).await, Timestamp::now() - DAY).await;
    hub.planner = Planner::new(hub.test.store.clone(), Some("https://example.net/uptime".parse().unwrap()));
    add_rule(&hub.test, "ops", &[Change::Down]).await;
    let node = add(&hub, "tokyo").await;
    hub.check(&[node], &[], 60).await;
    hub.check(&[], &[node], 40).await;
    let message = hub.messages().await.remove(0);
    assert_eq!(message.url.unwrap().as_str(), format!("https://example.net/uptime/nodes/{node}"));
    let link = message.acknowledge.unwrap();
    assert!(link.as_str().starts_with("https://example.net/uptime/alerts?token="), "{link}");
}
