//! Maintenance on the pages: what visitors see, and where the operator plans it.

use axum::http::StatusCode;
use easytier_uptime_store::domain::{PeerId, Timestamp};

use crate::{
    HOSTILE, add,
    desk::{Desk, assert_goes_to},
    http::PublicHub,
    named, page, read, report,
    support::offline,
};

const PATH: &str = "/admin/maintenance";

/// A node that is offline.
async fn down(hub: &PublicHub, name: &str) -> PeerId {
    let peer = add(hub, &named(name, "tcp://node.example.net:11010")).await;
    let probe = hub.live_probe("p1", "eu").await;
    report(hub, &probe, vec![offline(peer, Timestamp::now())]).await;
    peer
}

/// A window of an hour from now on, for all nodes.
const NOW: [(&str, &str); 5] =
    [("title", "New disks"), ("title_zh", "更换磁盘"), ("all", "true"), ("time_zone", "UTC"), ("minutes", "60")];

#[tokio::test]
async fn visitors_see_maintenance_beside_the_status() {
    let desk = Desk::new().await;
    let peer = down(&desk.hub, "Frankfurt").await;
    for path in ["/", &format!("/nodes/{peer}")] {
        assert!(!page(&desk.hub, path).await.contains("Maintenance until"), "{path}");
    }
    assert_goes_to(&desk.post(PATH, &NOW, "en").await, "/admin/maintenance?done=added");
    for path in ["/", &format!("/nodes/{peer}")] {
        let english = page(&desk.hub, path).await;
        assert!(english.contains("Maintenance until ") && english.contains("New disks"), "{path}: {english}");
        assert!(english.contains("Offline"), "the status is shown all the same");
        let chinese = read(&desk.hub, path, "zh").await.text().to_owned();
        assert!(
            chinese.contains("维护中，至 ") && chinese.contains("更换磁盘") && chinese.contains("离线"),
            "{chinese}"
        );
        assert!(!chinese.contains("New disks"), "{path}");
    }
    let badge =
        async |language: &str| read(&desk.hub, &format!("/badge/{peer}/status.svg"), language).await.text().to_owned();
    assert!(badge("en").await.contains("Offline · maintenance") && badge("zh").await.contains("离线 · 维护中"));
    // Nothing counts but maintenance, and that figure is shown.
    let node = page(&desk.hub, &format!("/nodes/{peer}")).await;
    assert!(node.contains("with maintenance: 0.0%"), "{node}");
}

#[tokio::test]
async fn a_window_is_made_changed_ended_and_removed_on_the_page() {
    let desk = Desk::new().await;
    assert!(desk.get(PATH, "en").await.contains("value=\"UTC\""));
    assert!(desk.get(PATH, "zh").await.contains("value=\"Asia/Shanghai\""));
    let weekly = [
        ("title", "Updates"),
        ("nodes", "7, 3"),
        ("tags", "eu"),
        ("start", "2030-01-31T02:00"),
        ("time_zone", "Europe/Berlin"),
        ("minutes", "90"),
        ("repeat", "rule"),
        ("rrule", "FREQ=WEEKLY;BYDAY=SU"),
        ("until", "2030-12-31"),
    ];
    assert_goes_to(&desk.post(PATH, &weekly, "en").await, "/admin/maintenance?done=added");
    let listed = desk.get("/admin/maintenance?done=added", "en").await;
    for shown in
        ["The window is made.", "Updates", "Nodes: 3, 7; Tags: eu", "FREQ=WEEKLY;BYDAY=SU", "2030-02-03 01:00 UTC"]
    {
        assert!(listed.contains(shown), "{shown}: {listed}");
    }
    let edit = desk.get("/admin/maintenance/1", "en").await;
    for field in
        ["value=\"3, 7\"", "value=\"2030-01-31T02:00\"", "value=\"2030-12-31T23:59\"", "value=\"rule\" selected"]
    {
        assert!(edit.contains(field), "{field}: {edit}");
    }
    let seen = edit.split("name=\"seen\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let change: Vec<_> = NOW.into_iter().chain([("seen", seen.as_str())]).collect();
    assert_goes_to(&desk.post("/admin/maintenance/1", &change, "en").await, "/admin/maintenance?done=saved");
    let late = desk.post("/admin/maintenance/1", &change, "zh").await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert!(late.text().contains("该维护计划刚刚已被他人修改"), "{}", late.text());
    let listed = desk.get(PATH, "en").await;
    assert!(listed.contains("Now, until ") && listed.contains("/admin/maintenance/1/end"), "{listed}");
    assert_goes_to(&desk.post("/admin/maintenance/1/end", &[], "en").await, "/admin/maintenance?done=ended");
    let again = desk.post("/admin/maintenance/1/end", &[], "en").await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(again.text().contains("This maintenance window does not take place now."), "{}", again.text());
    let question = desk.get("/admin/maintenance/1/remove", "en").await;
    assert!(question.contains("Remove this window?") && question.contains("New disks"), "{question}");
    assert_goes_to(&desk.post("/admin/maintenance/1/remove", &[], "en").await, "/admin/maintenance?done=removed");
    let reply = desk.post("/admin/maintenance/1/remove", &[], "en").await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_refused_form_comes_back_with_the_reason_beside_the_field() {
    let desk = Desk::new().await;
    let with = |name: &'static str, value: &'static str| -> Vec<(&str, &str)> {
        NOW.into_iter().filter(|(known, _)| *known != name).chain([(name, value)]).collect()
    };
    for (form, english, chinese) in [
        (with("title", " "), "Fill in this field.", "此项为必填项。"),
        (with("all", ""), "Name nodes, tags or regions", "请填写节点、标签或地区"),
        (with("nodes", "seven"), "This value is not valid.", "格式不正确。"),
        (with("time_zone", "Berlin"), "Write the name of a time zone", "请填写时区名称"),
        (with("start", "soon"), "Write the start as", "请按 2027-01-31T02:00 的格式"),
        (with("minutes", "0"), "Enter a whole number from 1 to 44640.", "请填写 1 到 44640 的整数。"),
        (with("repeat", "rule"), "Fill in this field.", "此项为必填项。"),
        (with("repeat", "FREQ=HOURLY"), "FREQ must be DAILY", "FREQ 只能是 DAILY"),
        (with("until", "2030-01-01"), "Only a window that is repeated", "只有重复的维护计划"),
    ] {
        for (language, words) in [("en", english), ("zh", chinese)] {
            let reply = desk.post(PATH, &form, language).await;
            assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{form:?}");
            assert!(reply.text().contains(words), "{form:?} {words}: {}", reply.text());
            assert!(reply.text().contains("aria-invalid=\"true\""), "{form:?}");
        }
    }
    assert!(!desk.get(PATH, "en").await.contains("/admin/maintenance/1"), "nothing was made");
}

#[tokio::test]
async fn titles_stay_text() {
    let desk = Desk::new().await;
    let peer = down(&desk.hub, "n").await;
    let form: Vec<(&str, &str)> =
        NOW.into_iter().filter(|(name, _)| !name.starts_with("title")).chain([("title", HOSTILE)]).collect();
    assert_goes_to(&desk.post(PATH, &form, "en").await, "/admin/maintenance?done=added");
    let pages = [
        page(&desk.hub, "/").await,
        page(&desk.hub, &format!("/nodes/{peer}")).await,
        desk.get(PATH, "en").await,
        desk.get("/admin/maintenance/1", "en").await,
        desk.get("/admin/maintenance/1/remove", "en").await,
    ];
    for page in pages {
        assert_eq!(page.matches("<script").count(), 1, "{page}");
        assert!(!page.contains("<img src=x"), "{page}");
    }
}
