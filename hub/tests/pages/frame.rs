//! The properties of all pages: language, escaping, headers, size.

use std::time::Duration;

use axum::http::{Request, StatusCode};
use easytier_probe::CheckResult;
use easytier_uptime_store::domain::{Month, PeerId, PeerSpec, Timestamp};

use crate::{
    HOSTILE, add,
    desk::{Desk, assert_goes_to},
    http::PublicHub,
    named, page,
    public::listed,
    read, report,
    support::{Engine, TestStore, offline, online},
};

#[tokio::test]
async fn a_page_is_in_the_requested_language() {
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    assert!(read(&hub, "/", "en").await.text().contains("<html lang=\"en\">"));
    let chinese = read(&hub, "/", "zh-CN,zh;q=0.9").await;
    assert!(chinese.text().contains("<html lang=\"zh-CN\">") && chinese.text().contains("EasyTier 共享节点"));
    let chosen = read(&hub, "/?lang=zh&search=x", "en").await;
    assert!(
        chosen.text().contains("<html lang=\"zh-CN\">") && chosen.text().contains("href=\"/?search=x&amp;lang=en\"")
    );
    let cookie = chosen.header("set-cookie").unwrap();
    assert!(cookie.starts_with("uptime_lang=zh; "), "{cookie}");
    let again = hub.send(Request::get("/probes").header("cookie", "uptime_lang=zh; uptime_theme=dark"), "").await;
    assert!(again.text().contains("<html lang=\"zh-CN\" data-theme=\"dark\">"));

    // A browser that has the page already still gets the cookie, once.
    let tag = chosen.header("etag").unwrap();
    let known = || Request::get("/?lang=zh&search=x").header("if-none-match", tag);
    assert!(hub.send(known(), "").await.header("set-cookie").unwrap().starts_with("uptime_lang=zh; "));
    let remembered = hub.send(known().header("cookie", "uptime_lang=zh"), "").await;
    assert_eq!((remembered.status, remembered.header("set-cookie")), (StatusCode::NOT_MODIFIED, None));
}

#[tokio::test]
async fn hostile_text_stays_text() {
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    let hostile = PeerSpec {
        description: HOSTILE.into(),
        tags: ["<script>tag</script>".parse().unwrap()].into(),
        ..named(HOSTILE, "tcp://node.example.net:11010")
    };
    let peer = add(&hub, &hostile).await;
    let probe = hub.live_probe("p1", "<script>region</script>").await;
    report(&hub, &probe, vec![online(peer, Timestamp::now())]).await;
    let query = "search=%22%3E%3Cscript%3Ealert(3)%3C/script%3E&region=%3Cscript%3E&tags=%22%3E%3Cscript%3E";
    for path in
        ["/", &format!("/?{query}"), &format!("/nodes/{peer}?x=%22%3E%3Cscript%3E"), "/probes", "/map", "/%3Cscript%3E"]
    {
        let reply = read(&hub, path, "en").await;
        let scripts = reply.text().matches("<script").count();
        assert_eq!(scripts, 1, "{path}: {}", reply.text());
        assert!(!reply.text().contains("<img src=x") && !reply.text().contains("onerror=\"alert"), "{path}");
    }
}

#[tokio::test]
async fn every_page_has_a_strict_policy_and_nothing_of_other_hosts() {
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    let peer = add(&hub, &named("a", "tcp://node.example.net:11010")).await;
    for path in [
        "/",
        "/probes",
        "/map",
        "/submit",
        &format!("/reports/{}", Month::of(Timestamp::now())),
        &format!("/nodes/{peer}"),
        "/nodes/77",
        "/nowhere",
    ] {
        let reply = read(&hub, path, "en").await;
        assert_eq!(
            reply.header("content-security-policy"),
            Some(
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                 form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
            ),
            "{path}"
        );
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{path}");
        let page = reply.text();
        assert!(!page.contains("style=") && !page.contains("onclick") && !page.contains("src=\"http"), "{path}");
        // Every script and style has a file.
        for asset in page.split(['"', '\'']).filter(|text| text.starts_with("/assets/")) {
            let reply = hub.get(asset).await;
            assert_eq!(reply.status, StatusCode::OK, "{asset}");
            assert_eq!(reply.header("cache-control"), Some("public, max-age=31536000, immutable"), "{asset}");
        }
    }
}

#[tokio::test]
async fn a_missing_path_is_a_page_for_browsers_and_an_envelope_for_programs() {
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    let person = read(&hub, "/nowhere", "zh").await;
    assert_eq!(person.status, StatusCode::NOT_FOUND);
    assert!(person.text().contains("页面不存在"));
    assert_eq!(hub.get("/nowhere").await.refusal(StatusCode::NOT_FOUND), "there is nothing at this path");
    assert_eq!(read(&hub, "/api/nowhere", "en").await.refusal(StatusCode::NOT_FOUND), "there is nothing at this path");
    assert_eq!(read(&hub, "/assets/site-0.css", "en").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_hundred_nodes_weigh_less_than_150_kilobytes() {
    const MAX_BYTES: usize = 150_000;
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    let probes =
        [hub.live_probe("p1", "eu").await, hub.live_probe("p2", "asia").await, hub.live_probe("p3", "us").await];
    let now = Timestamp::now();
    let mut peers = Vec::new();
    for nth in 0..100 {
        let tags = [format!("tag {}", nth % 7), format!("other {}", nth % 3)].map(|tag| tag.parse().unwrap()).into();
        let named = named(&format!("共享节点 {nth}"), &format!("tcp://node-{nth}.example.net:{}", 11_000 + nth));
        peers.push(add(&hub, &PeerSpec { tags, allow_relay: nth % 2 == 0, ..named }).await);
    }
    // The histories of the nodes differ, so that they do not compress well.
    for (nth, probe) in probes.iter().enumerate() {
        for hour in 0..24_u64 {
            let at = |peer: &PeerId| {
                let at = now - Duration::from_secs(hour * 3600 + peer.0.unsigned_abs() * 37 % 3600);
                let latency = Some((peer.0 * 7919 % 200) as f64 + (hour * nth as u64) as f64);
                match (peer.0.unsigned_abs() * 31 + hour * 7) % 11 {
                    0 => offline(*peer, at),
                    _ => CheckResult { response_time: latency, min_ms: None, max_ms: None, ..online(*peer, at) },
                }
            };
            report(&hub, probe, peers.iter().map(at).collect()).await;
        }
    }
    let mut weight = 0;
    let request = |path: &str| Request::get(path).header("accept-encoding", "gzip").header("accept", "text/html");
    let plain = page(&hub, "/?per_page=100").await;
    assert_eq!(listed(&plain).len(), 100);
    let assets: Vec<&str> = plain.split('"').filter(|text| text.starts_with("/assets/")).collect();
    assert_eq!(assets.len(), 4, "{assets:?}");
    for path in assets.into_iter().chain(["/?per_page=100"]) {
        let reply = hub.send(request(path), "").await;
        assert_eq!(reply.header("content-encoding"), Some("gzip"), "{path}");
        weight += reply.body.len();
    }
    assert!(weight < MAX_BYTES, "{weight} bytes");
}

/// The paths of the pages that take forms, as the router names them, with ids that nothing has.
fn paths_of_forms() -> Vec<String> {
    let routers = [include_str!("../../src/pages/mod.rs"), include_str!("../../src/pages/admin/mod.rs")];
    let lines = routers.iter().flat_map(|router| router.lines()).map(str::trim);
    let path = |line: &str| line.strip_prefix(".route(\"")?.split('"').next().map(str::to_owned);
    let takes_forms = lines.filter(|line| line.contains("post(") || line.contains("act("));
    let uuid = "00000000-0000-7000-8000-000000000007";
    takes_forms.filter_map(path).map(|path| path.replace("{id}", "7").replace("{rule}", uuid)).collect()
}

#[tokio::test]
async fn the_language_links_of_every_answer_to_a_form_lead_to_a_page() {
    let desk = Desk::new().await;
    let (paths, mut pages) = (paths_of_forms(), 0);
    assert!(paths.len() > 30 && paths.iter().any(|path| path.ends_with("/end")), "{paths:?}");
    // What ends the session is last.
    let (last, others): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| path == "/admin/logout");
    for path in others.into_iter().chain(last) {
        let answer = desk.post(&path, &[("id", "7")], "en").await;
        let links = answer.text().split("href=\"").filter_map(|part| part.split('"').next());
        for link in links.filter(|link| link.contains("lang=zh")) {
            pages += 1;
            let request = Request::get(link.replace("&amp;", "&")).header("cookie", &desk.cookie);
            let status = desk.hub.send(request, "").await.status;
            assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{path}: {link}");
        }
    }
    assert!(pages > 20, "{pages} pages");
}

#[tokio::test]
async fn a_path_without_a_page_leads_to_the_page_above_it() {
    let desk = Desk::new().await;
    let request = Request::get("/admin/maintenance/7/end?lang=zh").header("cookie", &desk.cookie);
    assert_goes_to(&desk.hub.send(request, "").await, "/admin/maintenance/7?lang=zh");
    let refused = desk.post("/admin/maintenance/7/end", &[], "en").await;
    assert!(refused.text().contains("href=\"/admin/maintenance?lang=zh\""), "{}", refused.text());
}
