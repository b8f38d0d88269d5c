//! The pages that anybody can read: the list, a node, badges, the feed.

use std::time::Duration;

use axum::http::{Request, StatusCode};
use easytier_probe::{CheckResult, FailureCode, Relay};
use easytier_uptime_store::domain::{Contacts, PeerSpec, StatusReport, Timestamp};
use quick_xml::{Reader, events::Event};
use tokio::time::timeout;

use crate::{
    HOSTILE, add,
    http::PublicHub,
    hub::{TestHub, send},
    log_in, named, page, read, report,
    support::{Engine, TestStore, offline, on_both_engines, online, region, unknown},
};

on_both_engines! {
    the_list_shows_what_is_approved_and_links_to_each_node,
    filters_and_sorting_are_in_the_address,
    the_list_is_cut_into_pages,
    the_page_of_a_node_shows_results_of_all_regions,
    a_region_in_doubt_says_why_it_does_not_count,
    a_degraded_probe_says_what_that_means,
    nothing_that_only_the_operator_may_see_is_on_a_page,
    badges_show_the_state,
    the_feed_is_xml_and_has_each_change,
    a_change_of_relaying_is_on_the_page_of_the_node_in_the_feeds_and_in_the_log,
    events_of_probes_push_no_change_of_a_node_out_of_the_feed,
}

/// The names of the nodes on a page of the list, in order.
pub fn listed(page: &str) -> Vec<&str> {
    let rows = page.split("<a class=\"name\"").skip(1);
    rows.map(|row| row.split_once('>').unwrap().1.split_once('<').unwrap().0).collect()
}

/// Loads the list until it is as expected: a snapshot of the nodes is served for a second.
async fn until_listed(hub: &PublicHub, path: &str, expected: &[&str]) {
    let mut seen = String::new();
    let as_expected = async {
        loop {
            seen = page(hub, path).await;
            if listed(&seen) == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let in_time = timeout(Duration::from_secs(30), as_expected).await.is_ok();
    assert!(in_time, "{path}: {:?} and not {expected:?}", listed(&seen));
}

async fn the_list_shows_what_is_approved_and_links_to_each_node(store: TestStore) {
    let hub = PublicHub::over(store).await;
    let shown = add(&hub, &named("Shanghai 2", "tcp://node.example.net:11010")).await;
    hub.waiting(&named("Hidden", "tcp://hidden.example.net:11010"), Timestamp::now()).await;
    let probe = hub.live_probe("secret-host-name", "eu").await;
    report(&hub, &probe, vec![CheckResult { response_time: Some(12.41), ..online(shown, Timestamp::now()) }]).await;

    until_listed(&hub, "/", &["Shanghai 2"]).await;
    let list = page(&hub, "/").await;
    assert!(list.contains(&format!("href=\"/nodes/{shown}\"")));
    assert!(
        list.contains("tcp://node.example.net:11010") && list.contains("easytier-core -p tcp://node.example.net:11010")
    );
    assert!(list.contains("id=\"bar-hint\"") && list.contains("aria-describedby=\"bar-hint\""), "{list}");
    assert!(list.contains("12 ms") && list.contains("<b>1</b> Online"), "{list}");
}

async fn filters_and_sorting_are_in_the_address(store: TestStore) {
    let hub = PublicHub::over(store).await;
    let far = add(&hub, &PeerSpec { allow_relay: true, ..named("b far", "tcp://far.example.net:1") }).await;
    let near =
        add(&hub, &PeerSpec { tags: ["国内".parse().unwrap()].into(), ..named("c near", "udp://near.example.net:1") })
            .await;
    let down = add(&hub, &named("a down", "wss://down.example.net:443")).await;
    let (eu, asia) = (hub.live_probe("p1", "eu").await, hub.live_probe("p2", "asia").await);
    let now = Timestamp::now();
    let at = |peer, ms| CheckResult { response_time: Some(ms), ..online(peer, now) };
    let (refused, why) = (Some(Relay::Refused), Some("it drops data".to_owned()));
    let full = CheckResult { network_count: Some(80), relay: refused, relay_error: why, ..at(far, 90.0) };
    let relays = CheckResult { relay: Some(Relay::Ok), relay_ms: Some(1.5), ..at(near, 5.0) };
    report(&hub, &eu, vec![full, relays, offline(down, now)]).await;
    report(&hub, &asia, vec![at(near, 7.0)]).await;
    // The nearest node is less reliable than the other online nodes, and its load was never measured.
    let quick = add(&hub, &named("d quick", "tcp://quick.example.net:1")).await;
    let unmeasured = |result| CheckResult { network_count: None, ..result };
    let before = |seconds| now - Duration::from_secs(seconds);
    let failed = CheckResult { checks: 3, ..offline(quick, before(60)) };
    report(&hub, &eu, vec![unmeasured(online(quick, before(120))), failed, unmeasured(at(quick, 1.0))]).await;

    for (query, expected) in [
        ("", &["c near", "b far", "d quick", "a down"][..]),
        ("?sort=name", &["a down", "b far", "c near", "d quick"]),
        ("?sort=latency", &["d quick", "c near", "b far", "a down"]),
        ("?sort=uptime", &["b far", "c near", "d quick", "a down"]),
        ("?sort=load", &["c near", "b far", "d quick", "a down"]),
        ("?online=true&sort=name", &["b far", "c near", "d quick"]),
        ("?search=FAR.example", &["b far"]),
        ("?protocol=udp", &["c near"]),
        ("?tags=%E5%9B%BD%E5%86%85", &["c near"]),
        ("?relay=true", &["b far"]),
        ("?relay_measured=ok", &["c near"]),
        ("?region=asia", &["c near"]),
        ("?search=nothing", &[]),
    ] {
        until_listed(&hub, &format!("/{query}"), expected).await;
    }
    let list = page(&hub, "/").await;
    let badge = |title: &str, text: &str| format!("<span class=\"badge\" title=\"{title}\">{text}</span>");
    for words in [
        badge("Declared by the owner · tested: does not relay data", "Relay not working"),
        badge("Not declared by the owner · tested: relays data", "Relay"),
    ] {
        assert!(list.contains(&words), "{words} in {list}");
    }
    let node = page(&hub, &format!("/nodes/{far}")).await;
    let words = "Declared by the owner · <span title=\"it drops data\">tested: does not relay data</span> · ";
    assert!(node.contains(words), "{node}");
    let chinese = read(&hub, &format!("/nodes/{near}"), "zh").await;
    assert!(
        chinese.text().contains("节点提供者未声明提供 · <span>实测可转发数据</span> · 1.5 ms · "),
        "{}",
        chinese.text()
    );
    let loads = page(&hub, "/?search=quick").await;
    assert!(loads.contains("data-label=\"Load\"><span class=\"figure\">not measured</span>"), "{loads}");
    assert_eq!(read(&hub, "/?protocol=carrier-pigeon", "en").await.status, StatusCode::BAD_REQUEST);
}

async fn the_list_is_cut_into_pages(store: TestStore) {
    let hub = PublicHub::over(store).await;
    for name in ["a", "b", "c"] {
        add(&hub, &named(name, &format!("tcp://{name}.example.net:1"))).await;
    }
    until_listed(&hub, "/?sort=name&per_page=2", &["a", "b"]).await;
    until_listed(&hub, "/?sort=name&per_page=2&page=2", &["c"]).await;
    // A page number after the last page shows the last page.
    until_listed(&hub, "/?sort=name&per_page=2&page=9", &["c"]).await;
    let first = page(&hub, "/?sort=name&per_page=2").await;
    assert!(first.contains("rel=\"next\" href=\"/?sort=name&amp;per_page=2&amp;page=2\""), "{first}");
}

async fn the_page_of_a_node_shows_results_of_all_regions(store: TestStore) {
    let hub = PublicHub::over(store).await;
    let peer = add(&hub, &named("Shanghai 2", "tcp://node.example.net:11010")).await;
    let (eu, asia) = (hub.live_probe("secret-host-name", "eu").await, hub.live_probe("p2", "asia").await);
    let now = Timestamp::now();
    report(&hub, &eu, vec![CheckResult { response_time: Some(12.41), ..online(peer, now) }]).await;
    let bad = CheckResult { error: Some(FailureCode::NotEasytier), checks: 12, ..offline(peer, now) };
    report(&hub, &asia, vec![bad, unknown(peer, now - Duration::from_secs(1))]).await;

    for range in ["1h", "24h", "7d", "30d"] {
        let page = page(&hub, &format!("/nodes/{peer}?range={range}")).await;
        for expected in
            ["Shanghai 2", "The port answers, but it is not EasyTier", "not_easytier", "asia", "eu", "12 ms"]
        {
            assert!(page.contains(expected), "no {expected} in {range}: {page}");
        }
        assert!(page.contains("Partly online") && page.contains("1/2 regions online"), "{page}");
        assert!(page.contains("data-label=\"Times\">12<") && !page.contains("missed_window"), "{page}");
        assert!(page.contains("class=\"chart\"") && !page.contains("secret-host-name"));
    }
    let page = page(&hub, &format!("/nodes/{peer}")).await;
    let modes = page.split("id=\"modes\"").nth(1).and_then(|rest| rest.split("</section>").next()).unwrap();
    for name in ["direct", "remote", "relay", "reverse"] {
        assert!(modes.contains(&format!("<code>{name}</code>")), "{name} in {modes}");
    }
    for words in ["1/2 regions online", "<code>not_easytier</code>", "Nobody asked for a check."] {
        assert_eq!(modes.matches(words).count(), 1, "{words} in {modes}");
    }
    let chinese = read(&hub, &format!("/nodes/{peer}"), "zh-CN").await;
    assert!(chinese.text().contains("端口有响应，但不是 EasyTier") && chinese.text().contains("一小时内的按需检测"));
    for wrong in ["/nodes/1000000", "/nodes/x", "/nodes/1?range=year"] {
        let reply = read(&hub, wrong, "en").await;
        assert!(reply.status.is_client_error() && reply.text().starts_with("<!DOCTYPE html>"), "{wrong}: {reply:?}");
    }
}

async fn a_region_in_doubt_says_why_it_does_not_count(store: TestStore) {
    let hub = PublicHub::over(store).await;
    let mut peers = Vec::new();
    for nth in 1..=14 {
        peers.push(add(&hub, &named(&format!("node {nth}"), &format!("tcp://192.0.2.{nth}:11010"))).await);
    }
    let (eu, asia) = (hub.live_probe("p1", "eu").await, hub.live_probe("p2", "asia").await);
    let now = Timestamp::now();
    report(&hub, &asia, peers.iter().map(|peer| online(*peer, now)).collect()).await;
    report(&hub, &eu, peers.iter().map(|peer| online(*peer, now - Duration::from_secs(50))).collect()).await;
    let english =
        "Not counted: 12 of 14 nodes turned offline at once while other regions see them. Waiting for the next check.";
    let chinese = "暂不采信：14 个节点中有 12 个同时离线，而其他地区仍可访问。等待下一次检测确认。";
    let node = format!("/nodes/{}", peers[0]);
    for path in ["/probes", &node] {
        assert!(!page(&hub, path).await.contains("Not counted"), "{path}");
    }
    for ago in [40, 30] {
        let at = now - Duration::from_secs(ago);
        report(&hub, &eu, peers[..12].iter().map(|peer| offline(*peer, at)).collect()).await;
    }
    for path in ["/probes", &node] {
        let shown = page(&hub, path).await;
        assert_eq!(shown.matches(english).count(), 1, "{path}: {shown}");
        let shown = read(&hub, path, "zh-CN").await;
        assert_eq!(shown.text().matches(chinese).count(), 1, "{path}: {}", shown.text());
    }
    assert!(!page(&hub, &format!("/nodes/{}", peers[13])).await.contains("Not counted"));
}

async fn a_degraded_probe_says_what_that_means(store: TestStore) {
    let hub = PublicHub::over(store).await;
    let probe = hub.live_probe("p1", "eu").await;
    assert!(!page(&hub, "/probes").await.contains("Degraded"));
    let report = StatusReport { degraded: true, ..StatusReport::default() };
    hub.report_status(&probe, &report, Timestamp::now()).await.unwrap();
    let shown = page(&hub, "/probes").await;
    assert!(shown.contains("Degraded") && shown.contains("found that it is cut off from the network"), "{shown}");
    let shown = read(&hub, "/probes", "zh-CN").await;
    assert!(
        shown.text().contains("网络异常") && shown.text().contains("该探针自检发现自身网络中断"),
        "{}",
        shown.text()
    );
}

async fn nothing_that_only_the_operator_may_see_is_on_a_page(store: TestStore) {
    let hub = PublicHub::over(store).await;
    let contacts = Contacts {
        qq_number: Some("masked-qq".into()),
        wechat: Some("masked-wechat".into()),
        mail: Some("masked@mail".into()),
    };
    let secret = PeerSpec {
        contacts,
        network_name: Some("masked-network".into()),
        network_secret: Some("masked-secret".into()),
        ..named("Listed", "tcp://node.example.net:11010")
    };
    let peer = add(&hub, &secret).await;
    let waiting = PeerSpec { name: "Waiting".into(), ..named("Waiting", "tcp://waiting.example.net:1") };
    hub.waiting(&waiting, Timestamp::now()).await;
    let waiting = add(&hub, &waiting).await;
    hub.approve(waiting, false).await;
    let probe = hub.live_probe("masked-host", "eu").await;
    report(&hub, &probe, vec![online(peer, Timestamp::now())]).await;
    until_listed(&hub, "/", &["Listed"]).await;
    for path in ["/", "/probes", "/events.atom", &format!("/nodes/{peer}"), &format!("/badge/{peer}/status.svg")] {
        let page = page(&hub, path).await;
        assert!(!page.contains("masked") && !page.contains("Waiting"), "{path}: {page}");
    }
    for path in ["nodes/ID", "badge/ID/status.svg", "badge/ID/uptime.svg", "badge/ID/latency.svg"] {
        let reply = read(&hub, &format!("/{}", path.replace("ID", &waiting.to_string())), "en").await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}");
    }
}

async fn badges_show_the_state(store: TestStore) {
    let hub = PublicHub::over(store).await;
    let peer = add(&hub, &named(HOSTILE, "tcp://node.example.net:11010")).await;
    let badge = async |name: &str| {
        let reply = read(&hub, &format!("/badge/{peer}/{name}"), "en").await;
        assert_eq!(reply.header("content-type"), Some("image/svg+xml"), "{reply:?}");
        let text = reply.text().to_owned();
        assert_xml(&text);
        text
    };
    for (name, text) in [("status.svg", "Unknown"), ("uptime.svg?days=7", "Uptime 7d: –")] {
        let badge = badge(name).await;
        assert!(badge.contains(text), "{name}: {badge}");
    }
    let probe = hub.live_probe("p1", "eu").await;
    report(&hub, &probe, vec![CheckResult { response_time: Some(12.41), ..online(peer, Timestamp::now()) }]).await;
    for (name, text) in
        [("status.svg", "Online"), ("uptime.svg", "Uptime 30d: 100%"), ("latency.svg?lang=zh", "延迟: 12 ms")]
    {
        let badge = badge(name).await;
        assert!(badge.contains(text), "{name}: {badge}");
    }
    // Shared caches may keep a badge, so it must not carry the cookie of the one who asked.
    for (path, has_cookie) in [(format!("/badge/{peer}/latency.svg?lang=zh"), false), ("/?lang=zh".to_owned(), true)] {
        assert_eq!(read(&hub, &path, "en").await.header("set-cookie").is_some(), has_cookie, "{path}");
    }
    assert_eq!(read(&hub, &format!("/badge/{peer}/uptime.svg?days=0"), "en").await.status, StatusCode::BAD_REQUEST);
}

/// Fails unless the text is an XML document.
#[track_caller]
fn assert_xml(text: &str) {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    let mut depth = 0;
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("{error}: {text}")) {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth -= 1,
            Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(depth, 0, "{text}");
}

async fn the_feed_is_xml_and_has_each_change(store: TestStore) {
    let hub = PublicHub::over(store).await;
    assert_xml(&page(&hub, "/events.atom").await);
    let peer = add(&hub, &named(&format!("{HOSTILE}\u{8}"), "tcp://node.example.net:11010")).await;
    let probe = hub.live_probe("p1", "eu").await;
    report(&hub, &probe, vec![online(peer, Timestamp::now())]).await;
    let reply = read(&hub, "/events.atom", "en").await;
    assert_eq!(reply.header("content-type"), Some("application/atom+xml; charset=utf-8"));
    let feed = reply.text();
    assert_xml(feed);
    assert!(feed.contains("Unknown → Online (1/1 regions online)") && feed.matches("<entry>").count() == 1, "{feed}");
    assert!(
        feed.contains(&format!("href=\"/nodes/{peer}\"/>")) && !feed.contains("<script>") && !feed.contains('\u{8}')
    );
    let id = format!("<id>urn:easytier-uptime:{}:event:", hub.database_id().await.unwrap());
    assert!(feed.contains(&id), "{feed}");
    let other = TestStore::new(hub.engine()).await;
    assert_ne!(other.database_id().await.unwrap(), hub.database_id().await.unwrap());
    assert_eq!(hub.second_hub().await.unwrap().database_id().await.unwrap(), hub.database_id().await.unwrap());
}

async fn a_change_of_relaying_is_on_the_page_of_the_node_in_the_feeds_and_in_the_log(store: TestStore) {
    let hub = PublicHub::over(store).await;
    let peer = add(&hub, &named("Tokyo", "tcp://node.example.net:11010")).await;
    let probe = hub.live_probe("p1", "eu").await;
    let now = Timestamp::now();
    let tested = |relay, why: Option<&str>, ago| {
        let relay_error = why.map(str::to_owned);
        CheckResult { relay: Some(relay), relay_error, ..online(peer, now - Duration::from_secs(ago)) }
    };
    report(&hub, &probe, vec![tested(Relay::Ok, None, 20)]).await;
    report(&hub, &probe, vec![tested(Relay::Refused, Some("it drops data"), 10)]).await;
    let cookie = log_in(&hub).await;
    let (node, feed_of_node) = (format!("/nodes/{peer}"), format!("/nodes/{peer}/events.atom"));
    for (language, was, became) in [("en", "Relays data", "Does not relay data"), ("zh", "中继可用", "不提供中继")]
    {
        for (path, shown) in [
            ("/events.atom", format!("Tokyo: {was} → {became}<")),
            (&feed_of_node, format!("Tokyo: {was} → {became}<")),
            (&node, format!("<span title=\"it drops data\">{became}</span>")),
            (
                "/admin/status-changes",
                format!("<a href=\"/admin/nodes/{peer}\">Tokyo</a><span>{was} → <b>{became}</b></span>"),
            ),
        ] {
            let request = Request::get(path).header("accept-language", language).header("cookie", &cookie);
            let reply = hub.send(request, "").await;
            assert!(reply.text().contains(&shown), "{path}: {shown} in {}", reply.text());
        }
    }
}

#[tokio::test]
async fn the_links_of_the_feed_are_absolute_when_the_hub_knows_its_url() {
    let test = TestStore::new(Engine::Sqlite).await;
    let peer = test.add("tcp://node.example.net:11010").await;
    let probe = test.local_probe("p1", &region("eu"), Timestamp::now()).await.unwrap();
    test.heartbeat(&probe, None, Timestamp::now()).await.unwrap();
    test.report(&probe, vec![online(peer, Timestamp::now())], Timestamp::now()).await;
    let links = async |url: Option<&str>| -> Vec<String> {
        let hub = TestHub::with(&test, |options| options.public_url = url.map(|url| url.parse().unwrap())).await;
        let feed = send(hub.get("/events.atom")).await.body.as_str().unwrap().to_owned();
        assert_xml(&feed);
        feed.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    };
    assert_eq!(links(None).await, ["/events.atom", "/", "/nodes/1"]);
    for url in ["https://status.example.net", "https://status.example.net/"] {
        let expected = ["/events.atom", "/", "/nodes/1"].map(|path| format!("https://status.example.net{path}"));
        assert_eq!(links(Some(url)).await, expected);
    }
}

async fn events_of_probes_push_no_change_of_a_node_out_of_the_feed(store: TestStore) {
    let hub = PublicHub::over(store).await;
    let peer = add(&hub, &named("Shanghai 2", "tcp://node.example.net:11010")).await;
    let probe = hub.live_probe("p1", "eu").await;
    let now = Timestamp::now();
    report(&hub, &probe, vec![online(peer, now)]).await;
    // More probes come online than the feed has entries.
    for nth in 0..201 {
        hub.live_probe(&format!("passing {nth}"), "eu").await;
    }
    hub.review(Timestamp::now()).await.unwrap();
    let feed = page(&hub, "/events.atom").await;
    assert_eq!(feed.matches("<entry>").count(), 1, "{feed}");
}
