//! The reports of months on the pages.

use axum::http::StatusCode;
use easytier_uptime_store::domain::{Month, PeerSpec, Timestamp};

use crate::{
    HOSTILE,
    http::PublicHub,
    named, page, read, report,
    support::{Engine, TestStore, online},
};

#[tokio::test]
async fn the_form_leads_to_the_month() {
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    let present = Month::of(Timestamp::now());
    for (path, goal) in [
        ("/reports".to_owned(), format!("/reports/{present}")),
        ("/reports?month=2026-10&tag=a+b&target=99.5".to_owned(), "/reports/2026-10?tag=a+b&target=99.5".to_owned()),
        ("/reports?month=".to_owned(), format!("/reports/{present}")),
    ] {
        let reply = read(&hub, &path, "en").await;
        assert_eq!((reply.status, reply.header("location")), (StatusCode::SEE_OTHER, Some(goal.as_str())), "{path}");
    }
    assert_eq!(read(&hub, "/reports?month=%22%3E", "en").await.status, StatusCode::BAD_REQUEST);
    assert!(page(&hub, "/").await.contains("href=\"/reports\""));
}

#[tokio::test]
async fn a_month_is_shown_in_both_languages() {
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    let present = Month::of(Timestamp::now());
    let created_at = present.previous().begins_at();
    let tagged = PeerSpec { tags: ["game".parse().unwrap()].into(), ..named(HOSTILE, "tcp://node.example.net:11010") };
    let peer = hub.add_peer(&tagged, created_at).await.unwrap();
    let other = hub.add_peer(&named("Berlin", "tcp://node.example.net:11011"), created_at).await.unwrap();
    let probe = hub.live_probe("p1", "eu").await;
    report(&hub, &probe, vec![online(peer, Timestamp::now())]).await;
    let path = format!("/reports/{present}");
    let english = page(&hub, &path).await;
    assert!(!english.contains("<script>alert") && english.contains("&lt;script&gt;"), "{english}");
    for shown in ["Berlin", "the month goes on", "By tag", &format!("/nodes/{other}"), &format!("{path}?tag=game")] {
        assert!(english.contains(shown), "{shown}: {english}");
    }
    assert!(!english.contains("Outages are known since"), "{english}");
    let chinese = read(&hub, &path, "zh").await.text().to_owned();
    for shown in ["可用率", "按标签", "本月尚未结束", "平均恢复时间"] {
        assert!(chinese.contains(shown), "{shown}: {chinese}");
    }
    let of_tag = page(&hub, &format!("{path}?tag=game&target=99.5&lang=en")).await;
    assert!(!of_tag.contains("Berlin") && of_tag.contains("value=\"99.5\""), "{of_tag}");
    assert!(of_tag.contains(&format!("/api{path}/nodes.csv?tag=game&amp;target=99.5")), "{of_tag}");
    // A database that began to keep outages in the middle of a month says so.
    let since = present.previous().begins_at().0 + 86_400_000;
    hub.execute(&format!("UPDATE settings SET value = '{since}' WHERE key = 'outages_since'")).await;
    let before = page(&hub, &format!("/reports/{}", present.previous())).await;
    assert!(before.contains("Outages are known since") && !before.contains("the month goes on"), "{before}");
    for missing in [present.next(), present.previous().previous()] {
        let reply = read(&hub, &format!("/reports/{missing}"), "zh").await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{missing}");
    }
}
