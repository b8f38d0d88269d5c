//! Announcements: the operator's form, and what visitors see.

use axum::http::{Request, StatusCode};

use crate::{
    HOSTILE,
    http::PublicHub,
    log_in, page, read,
    support::{Engine, TestStore},
};

#[tokio::test]
async fn visitors_read_what_the_operator_announces() {
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    let cookie = log_in(&hub).await;
    let post = async |path: &str, form: String| {
        let request = Request::post(path).header("cookie", &cookie).header("origin", format!("http://{}", hub.address));
        hub.send(request, form).await
    };
    let form = |english: &str, chinese: &str| {
        let fields = [("severity", "critical"), ("english", english), ("chinese", chinese), ("hours", "")];
        serde_html_form::to_string(fields).unwrap()
    };
    let refused = post("/admin/announcements", form("", " ")).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.text().contains("Fill in this field."), "{}", refused.text());

    let made = post("/admin/announcements", form(HOSTILE, "")).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text());
    assert!(made.text().contains("Announced"));
    for path in ["/", "/probes", "/map", "/submit"] {
        let shown = page(&hub, path).await;
        assert!(shown.contains("<p class=\"warning announcement bad\" role=\"note\">"), "{path}: {shown}");
        assert!(!shown.contains(HOSTILE) && !shown.contains("<script>alert"), "{path}");
    }
    // A Chinese reader gets the text that there is, with its language.
    let chinese = read(&hub, "/", "zh").await;
    assert!(chinese.text().contains("<p class=\"warning announcement bad\" role=\"note\" lang=\"en\">"));
    assert!(page(&hub, "/events.atom").await.contains(":announcement:1</id>"));

    let ended = post("/admin/announcements/end", "id=1".into()).await;
    assert_eq!(ended.status, StatusCode::SEE_OTHER, "{}", ended.text());
    assert!(!page(&hub, "/").await.contains("announcement bad"));
    assert!(!page(&hub, "/events.atom").await.contains(":announcement:"));
}
