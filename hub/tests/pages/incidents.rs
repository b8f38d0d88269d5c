//! Incidents on the pages and in the feeds.

use axum::http::{Request, StatusCode};
use easytier_uptime_store::domain::Timestamp;

use crate::{
    HOSTILE, add,
    http::PublicHub,
    log_in, named,
    outage::Outage,
    page, read,
    support::{Engine, TestStore, seconds},
};

#[tokio::test]
async fn visitors_follow_an_incident_and_the_operator_says_something() {
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    assert!(page(&hub, "/incidents").await.contains("No incidents yet."));
    let node = add(&hub, &named(HOSTILE, "tcp://192.0.2.1:11010")).await;
    let other = add(&hub, &named("quiet", "tcp://198.51.100.1:11010")).await;
    let mut outage = Outage::begin(&hub, Timestamp::now() - seconds(150)).await;
    outage.see(&[node, other], &[]).await;
    assert!(!page(&hub, "/").await.contains("incident is open"));
    outage.see(&[other], &[node]).await;

    assert!(page(&hub, "/").await.contains("<a href=\"/incidents\">One incident is open.</a>"));
    assert!(page(&hub, "/incidents").await.contains("<a href=\"/incidents/1\">"));
    let timeline = page(&hub, "/incidents/1").await;
    assert!(timeline.contains("eu sees it offline: Connection refused (connection)"), "{timeline}");
    let chinese = read(&hub, "/incidents/1", "zh").await;
    assert!(chinese.text().contains("eu 看到离线：连接被拒绝（建立连接）"), "{}", chinese.text());
    assert!(page(&hub, &format!("/nodes/{node}")).await.contains("<a href=\"/incidents/1\">"));
    assert!(page(&hub, &format!("/nodes/{other}")).await.contains("This node had no incident."));
    assert_eq!(read(&hub, "/incidents/9", "en").await.status, StatusCode::NOT_FOUND);

    let feed = page(&hub, "/events.atom").await;
    assert!(feed.contains(":incident:1</id>") && feed.contains("href=\"/incidents/1\""), "{feed}");
    let own = page(&hub, &format!("/nodes/{node}/events.atom")).await;
    assert!(own.contains(":incident:1</id>") && own.contains(":event:"), "{own}");
    assert!(own.contains(&format!(":node:{node}</id>")));
    let others = page(&hub, &format!("/nodes/{other}/events.atom")).await;
    assert!(!others.contains(":incident:") && others.contains("quiet: Online"), "{others}");
    assert!(page(&hub, &format!("/nodes/{node}")).await.contains(&format!("href=\"/nodes/{node}/events.atom\"")));
    assert_eq!(read(&hub, "/nodes/99/events.atom", "en").await.status, StatusCode::NOT_FOUND);

    let cookie = log_in(&hub).await;
    let as_operator = |request: axum::http::request::Builder| {
        request.header("cookie", &cookie).header("origin", format!("http://{}", hub.address))
    };
    let post = async |path: &str, english: &str, chinese: &str| {
        let form = serde_html_form::to_string([("english", english), ("chinese", chinese)]).unwrap();
        hub.send(as_operator(Request::post(path)), form).await
    };
    let listed = hub.send(as_operator(Request::get("/admin/incidents")), "").await;
    assert!(listed.text().contains("<a href=\"/admin/incidents/1\">"), "{}", listed.text());
    let refused = post("/admin/incidents/1", " ", "").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.text().contains("Fill in this field."), "{}", refused.text());
    let done = post("/admin/incidents/1", HOSTILE, "").await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    assert_eq!(post("/admin/incidents/1/name", "", "机房断电").await.status, StatusCode::SEE_OTHER);
    let timeline = page(&hub, "/incidents/1").await;
    assert!(timeline.contains("<span lang=\"zh-CN\">机房断电</span>"), "{timeline}");
    let chinese = read(&hub, "/incidents/1", "zh").await;
    assert!(chinese.text().contains("<p class=\"words\" lang=\"en\">"), "{}", chinese.text());
    for path in ["/", "/incidents", "/incidents/1", "/events.atom", &format!("/nodes/{node}/events.atom")] {
        assert!(!page(&hub, path).await.contains("<script>alert"), "{path}");
    }
    assert_eq!(post("/admin/incidents/1/close", "", "").await.status, StatusCode::SEE_OTHER);
    assert!(page(&hub, "/incidents/1").await.contains("Closed by the operator"));
    assert!(!page(&hub, "/").await.contains("incident is open"));
    assert_eq!(post("/admin/incidents/1/close", "", "").await.status, StatusCode::NOT_FOUND);

    // Nobody learns of incidents of nodes that are not listed.
    hub.set_approved(node, false, Timestamp::now()).await.unwrap();
    assert_eq!(read(&hub, "/incidents/1", "en").await.status, StatusCode::NOT_FOUND);
    for path in ["/incidents", "/events.atom"] {
        assert!(!page(&hub, path).await.contains("/incidents/1"), "{path}");
    }
}
