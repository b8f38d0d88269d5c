//! `/admin/events`: the audit log.

use axum::http::Request;

use crate::desk::Desk;

#[tokio::test]
async fn changes_and_failures_are_shown_filtered_and_paged_in_both_languages() {
    let desk = Desk::new().await;
    desk.post("/admin/import", &[("peers", "tcp://192.0.2.1:11010#<b>"), ("step", "import")], "en").await;
    desk.post("/admin/keys", &[("kind", "api"), ("name", "<i>robot</i>")], "en").await;
    let wrong = Request::post("/admin/login").header("origin", format!("http://{}", desk.hub.address));
    desk.hub.send(wrong, "password=wrong").await;

    let page = desk.get("/admin/events", "en").await;
    for part in
        ["Node added", "API key added", "&lt;i&gt;robot&lt;/i&gt;", "Wrong password", "Session started", "127.0.0.1"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("<i>robot"), "{page}");
    let page = desk.get("/admin/events", "zh").await;
    for part in ["新增节点", "新增API 密钥", "密码错误", "合并为一行", "管理员，会话"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let failures = desk.get("/admin/events?kind=failure", "en").await;
    assert!(failures.contains("<b>Wrong password</b>") && !failures.contains("Node added"), "{failures}");
    let found = desk.get("/admin/events?search=ROBOT&object=api_key&actor=admin", "en").await;
    assert!(found.contains("API key added") && !found.contains("Node added"), "{found}");
    assert!(desk.get("/admin/events?object=channel", "en").await.contains("No events."));
    for nth in 0..100 {
        let spec = crate::named(&format!("node {nth}"), &format!("tcp://198.51.100.{nth}:1"));
        desk.hub.add_peer(&spec, easytier_uptime_store::domain::Timestamp::now()).await.unwrap();
    }
    let first = desk.get("/admin/events?object=peer", "en").await;
    let link = first.split("rel=\"next\" href=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let second = desk.get(&link.replace("&amp;", "&"), "en").await;
    assert!(link.contains("object=peer") && second.contains("192.0.2.1") && !second.contains("node 99"), "{second}");
    assert!(desk.get("/admin/status-changes", "en").await.contains("Audit log"));
}
