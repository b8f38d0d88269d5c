//! The pages over HTTP, as a browser without scripts gets them.

#[path = "support/http.rs"]
mod http;
#[path = "support/hub.rs"]
mod hub;
#[path = "../../store/tests/support/mod.rs"]
mod support;

use std::time::Duration;

use axum::http::{Request, StatusCode};
use easytier_probe::{CheckResult, FailureCode};
use easytier_uptime_hub::{
    model::{Contacts, PeerId, PeerSpec, ProbeIdentity},
    service::password,
    time::{DAY, Timestamp},
    tuning::{Knob, Tuning},
};
use quick_xml::{Reader, events::Event};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    http::{PublicHub, Reply},
    support::{Engine, TestStore, offline, on_both_engines, online, spec, unknown},
};

on_both_engines! {
    the_list_shows_what_is_approved_and_links_to_each_node,
    filters_and_sorting_are_in_the_address,
    the_list_is_cut_into_pages,
    a_node_is_shown_from_all_sides,
    nothing_that_only_the_operator_may_see_is_on_a_page,
    badges_tell_the_state,
    the_feed_is_xml_and_tells_each_change,
    probes_that_come_and_go_push_no_change_out_of_the_feed,
    open_pages_are_told_of_a_change,
}

/// What breaks out of a page that does not escape it.
const HOSTILE: &str = "</title><script>alert(1)</script><img src=x onerror=\"alert('2')\">&amp;";

fn named(name: &str, url: &str) -> PeerSpec {
    PeerSpec { name: name.to_owned(), ..spec(url) }
}

async fn add(hub: &PublicHub, spec: &PeerSpec) -> PeerId {
    hub.add_peer(spec, Timestamp::now()).await.unwrap()
}

async fn report(hub: &PublicHub, probe: &ProbeIdentity, results: Vec<CheckResult>) {
    let count = results.len();
    let receipt = hub.report(probe, results, Timestamp::now()).await;
    assert_eq!(receipt.accepted, count, "{receipt:?}");
}

/// A page as somebody with this language gets it.
async fn read(hub: &PublicHub, path: &str, language: &str) -> Reply {
    hub.send(Request::get(path).header("accept", "text/html").header("accept-language", language), "").await
}

async fn page(hub: &PublicHub, path: &str) -> String {
    let reply = read(hub, path, "en").await;
    assert_eq!(reply.status, StatusCode::OK, "{path}: {reply:?}");
    reply.text().to_owned()
}

/// The names of the nodes on a page of the list, in order.
fn listed(page: &str) -> Vec<&str> {
    let rows = page.split("<a class=\"name\"").skip(1);
    rows.map(|row| row.split_once('>').unwrap().1.split_once('<').unwrap().0).collect()
}

/// A list is read at most once a second, so it is looked at until it is as it should be.
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
    hub.submit_peer(&named("Hidden", "tcp://hidden.example.net:11010"), Timestamp::now()).await.unwrap();
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
    let full = CheckResult { network_count: Some(80), ..at(far, 90.0) };
    report(&hub, &eu, vec![full, at(near, 5.0), offline(down, now)]).await;
    report(&hub, &asia, vec![at(near, 7.0)]).await;
    // The nearest is less reliable than the others that work, and nobody measured its load.
    let quick = add(&hub, &named("d quick", "tcp://quick.example.net:1")).await;
    let unmeasured = |result| CheckResult { network_count: None, ..result };
    let before = |seconds| now - Duration::from_secs(seconds);
    let failed = CheckResult { checks: 3, ..offline(quick, before(60)) };
    report(&hub, &eu, vec![unmeasured(online(quick, before(120))), failed, unmeasured(at(quick, 1.0))]).await;

    for (query, expected) in [
        ("", &["c near", "d quick", "b far", "a down"][..]),
        ("?sort=name", &["a down", "b far", "c near", "d quick"]),
        ("?sort=latency", &["d quick", "c near", "b far", "a down"]),
        ("?sort=uptime", &["b far", "c near", "d quick", "a down"]),
        ("?sort=load", &["c near", "b far", "d quick", "a down"]),
        ("?online=true&sort=name", &["b far", "c near", "d quick"]),
        ("?search=FAR.example", &["b far"]),
        ("?protocol=udp", &["c near"]),
        ("?tags=%E5%9B%BD%E5%86%85", &["c near"]),
        ("?relay=true", &["b far"]),
        ("?region=asia", &["c near"]),
        ("?search=nothing", &[]),
    ] {
        until_listed(&hub, &format!("/{query}"), expected).await;
    }
    let loads = page(&hub, "/?search=quick").await;
    assert!(loads.contains("data-label=\"Load\"><span class=\"figure\">–</span>"), "{loads}");
    assert_eq!(read(&hub, "/?protocol=carrier-pigeon", "en").await.status, StatusCode::BAD_REQUEST);
}

async fn the_list_is_cut_into_pages(store: TestStore) {
    let hub = PublicHub::over(store).await;
    for name in ["a", "b", "c"] {
        add(&hub, &named(name, &format!("tcp://{name}.example.net:1"))).await;
    }
    until_listed(&hub, "/?sort=name&per_page=2", &["a", "b"]).await;
    until_listed(&hub, "/?sort=name&per_page=2&page=2", &["c"]).await;
    // One that was removed in between leaves no empty page.
    until_listed(&hub, "/?sort=name&per_page=2&page=9", &["c"]).await;
    let first = page(&hub, "/?sort=name&per_page=2").await;
    assert!(first.contains("rel=\"next\" href=\"/?sort=name&amp;per_page=2&amp;page=2\""), "{first}");
}

async fn a_node_is_shown_from_all_sides(store: TestStore) {
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
    let chinese = read(&hub, &format!("/nodes/{peer}"), "zh-CN").await;
    assert!(chinese.text().contains("端口有应答，但不是 EasyTier"));
    for wrong in ["/nodes/1000000", "/nodes/x", "/nodes/1?range=year"] {
        let reply = read(&hub, wrong, "en").await;
        assert!(reply.status.is_client_error() && reply.text().starts_with("<!DOCTYPE html>"), "{wrong}: {reply:?}");
    }
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
    let waiting = hub.submit_peer(&waiting, Timestamp::now()).await.unwrap();
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

async fn badges_tell_the_state(store: TestStore) {
    let hub = PublicHub::over(store).await;
    let peer = add(&hub, &named(HOSTILE, "tcp://node.example.net:11010")).await;
    let badge = async |name: &str| {
        let reply = read(&hub, &format!("/badge/{peer}/{name}"), "en").await;
        assert_eq!(reply.header("content-type"), Some("image/svg+xml"), "{reply:?}");
        let text = reply.text().to_owned();
        assert_xml(&text);
        text
    };
    assert!(badge("status.svg").await.contains("Unknown"));
    assert!(badge("uptime.svg?days=7").await.contains("Uptime 7d: –"));
    let probe = hub.live_probe("p1", "eu").await;
    report(&hub, &probe, vec![CheckResult { response_time: Some(12.41), ..online(peer, Timestamp::now()) }]).await;
    assert!(badge("status.svg").await.contains("Online"));
    assert!(badge("uptime.svg").await.contains("Uptime 30d: 100%"));
    assert!(badge("latency.svg?lang=zh").await.contains("延迟: 12 ms"));
    assert_eq!(read(&hub, &format!("/badge/{peer}/uptime.svg?days=0"), "en").await.status, StatusCode::BAD_REQUEST);
}

/// Fails for what is no XML document.
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

async fn the_feed_is_xml_and_tells_each_change(store: TestStore) {
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

async fn probes_that_come_and_go_push_no_change_out_of_the_feed(store: TestStore) {
    let hub = PublicHub::over(store).await;
    let peer = add(&hub, &named("Shanghai 2", "tcp://node.example.net:11010")).await;
    let probe = hub.live_probe("p1", "eu").await;
    let now = Timestamp::now();
    report(&hub, &probe, vec![online(peer, now)]).await;
    // Each of many probes has come.
    for nth in 0..201 {
        hub.live_probe(&format!("passing {nth}"), "eu").await;
    }
    hub.review(Timestamp::now()).await.unwrap();
    let feed = page(&hub, "/events.atom").await;
    assert_eq!(feed.matches("<entry>").count(), 1, "{feed}");
}

async fn open_pages_are_told_of_a_change(store: TestStore) {
    let hub = PublicHub::over(store).await;
    let mut stream = TcpStream::connect(hub.address).await.unwrap();
    stream.write_all(b"GET /live HTTP/1.1\r\nhost: hub\r\n\r\n").await.unwrap();
    let mut told = Vec::new();
    let listen = async |stream: &mut TcpStream, told: &mut Vec<u8>, words: &str| {
        let heard = async {
            while !String::from_utf8_lossy(told).contains(words) {
                assert!(stream.read_buf(told).await.unwrap() > 0, "it ended: {}", String::from_utf8_lossy(told));
            }
        };
        let in_time = timeout(Duration::from_secs(60), heard).await.is_ok();
        assert!(in_time, "no {words:?} in {}", String::from_utf8_lossy(told));
    };
    listen(&mut stream, &mut told, ": listening").await;
    for header in ["content-type: text/event-stream", "x-accel-buffering: no"] {
        assert!(String::from_utf8_lossy(&told).contains(header), "{header}");
    }
    // The first look at the store is what later ones are compared with; nobody tells when it was.
    let peer = add(&hub, &named("Shanghai 2", "tcp://node.example.net:11010")).await;
    let probe = hub.live_probe("p1", "eu").await;
    let changes = async {
        loop {
            report(&hub, &probe, vec![online(peer, Timestamp::now())]).await;
            add(&hub, &named("another", &format!("tcp://{}.example.net:1", uuid::Uuid::new_v4()))).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::select! {
        () = listen(&mut stream, &mut told, "event: change") => {}
        () = changes => unreachable!("it goes on"),
    }
}

#[tokio::test]
async fn a_hundred_nodes_weigh_less_than_150_kilobytes() {
    const MOST: usize = 150_000;
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
    // Every node has a day of its own, which does not pack well.
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
    assert_eq!(assets.len(), 3, "{assets:?}");
    for path in assets.into_iter().chain(["/?per_page=100"]) {
        let reply = hub.send(request(path), "").await;
        assert_eq!(reply.header("content-encoding"), Some("gzip"), "{path}");
        weight += reply.body.len();
    }
    assert!(weight < MOST, "{weight} bytes");
}

/// Logs in as the pages do, and gives the cookie.
async fn log_in(hub: &PublicHub) -> String {
    password::set(&hub.store, &"the admin's password".into(), Timestamp::now()).await.unwrap();
    let request = Request::post("/api/admin/login").header("origin", format!("http://{}", hub.address));
    let reply = hub.send(request, r#"{"password": "the admin's password"}"#).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    reply.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn the_admins_pages_are_for_the_admin() {
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    let waiting = named("Waiting", "tcp://waiting.example.net:1");
    let waiting = hub.submit_peer(&waiting, Timestamp::now()).await.unwrap();
    let paths = [
        "/admin/import",
        "/admin/settings",
        "/admin",
        "/admin/keys",
        "/admin/probes",
        "/admin/events",
        "/admin/export.json",
        &format!("/admin/nodes/{waiting}"),
    ];
    for path in paths {
        let reply = read(&hub, path, "en").await;
        assert_eq!((reply.status, reply.header("location")), (StatusCode::SEE_OTHER, Some("/admin/login")), "{path}");
        assert!(!reply.text().contains("Waiting"), "{path}");
    }
    let cookie = log_in(&hub).await;
    for path in paths {
        let reply = hub.send(Request::get(path).header("cookie", &cookie), "").await;
        assert_eq!(reply.status, StatusCode::OK, "{path}: {reply:?}");
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{path}");
        assert!(reply.header("content-security-policy").is_some(), "{path}");
    }
    let queue = hub.send(Request::get("/admin").header("cookie", &cookie), "").await;
    assert!(queue.text().contains("Waiting for approval (1)"));
}

#[tokio::test]
async fn all_that_waits_for_approval_can_be_found() {
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    for nth in 1..=51 {
        let submitted = named(&format!("node-{nth}."), &format!("tcp://{nth}.example.net:1"));
        hub.submit_peer(&submitted, Timestamp::now()).await.unwrap();
    }
    let cookie = log_in(&hub).await;
    let shown = async |query: &str| {
        let reply = hub.send(Request::get(format!("/admin{query}")).header("cookie", &cookie), "").await;
        assert_eq!(reply.status, StatusCode::OK, "{query}: {reply:?}");
        let text = reply.text().to_owned();
        let names = text.split(">node-").skip(1).map(|rest| rest.split('.').next().unwrap().to_owned());
        (names.collect::<Vec<_>>(), text)
    };
    let (names, page) = shown("").await;
    assert!(names.len() == 50 && names[0] == "1" && names[49] == "50", "the oldest come first: {names:?}");
    assert!(page.contains("Waiting for approval (51)") && page.contains("href=\"/admin?queue=2\""), "{page}");
    // The last may have been approved meanwhile.
    for query in ["?queue=2", "?queue=3", "?search=node-51"] {
        assert_eq!(shown(query).await.0, ["51"], "{query}");
    }
}

#[tokio::test]
async fn a_key_is_shown_once_and_made_by_the_hubs_own_pages_only() {
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    let cookie = log_in(&hub).await;
    let own = format!("http://{}", hub.address);
    let post = async |path: &str, origin: Option<&str>, form: &'static str| {
        let mut request = Request::post(path).header("cookie", &cookie);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        hub.send(request, form).await
    };
    for foreign in [None, Some("https://evil.example"), Some("null")] {
        let reply = post("/admin/keys", foreign, "kind=api&name=reader").await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{foreign:?}");
    }
    let kept = |page: &str| page.split("id=\"issued\">").nth(1).map(|rest| rest.split('<').next().unwrap().to_owned());
    for (form, prefix) in [
        ("kind=api&name=reader", "eta_"),
        ("kind=node&name=p1&region=eu", "etn_"),
        ("kind=enrollment&name=new", "ete_"),
    ] {
        let made = post("/admin/keys", Some(&own), form).await;
        assert_eq!(made.status, StatusCode::OK, "{made:?}");
        let token = kept(made.text()).unwrap();
        assert!(token.starts_with(prefix) && hub.authenticate(&token).await.unwrap().is_some());
        let again = hub.send(Request::get("/admin/keys").header("cookie", &cookie), "").await;
        assert!(again.text().contains("reader") && !again.text().contains(&token));
    }
    for wrong in ["kind=api&name=", "kind=other&name=x", "name=x", "kind=node&name=x&region=a%2Cb"] {
        assert_eq!(post("/admin/keys", Some(&own), wrong).await.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    let reader = post("/admin/keys", Some(&own), "kind=api&name=second").await;
    let token = kept(reader.text()).unwrap();
    assert_eq!(
        post("/admin/keys/revoke", Some("https://evil.example"), "kind=api&id=4").await.status,
        StatusCode::FORBIDDEN
    );
    assert!(hub.authenticate(&token).await.unwrap().is_some());
    assert_eq!(post("/admin/keys/revoke", Some(&own), "kind=api&id=4").await.status, StatusCode::SEE_OTHER);
    assert!(hub.authenticate(&token).await.unwrap().is_none());
}

#[tokio::test]
async fn an_import_adds_what_is_not_there_or_says_what_is_wrong() {
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    let cookie = log_in(&hub).await;
    add(&hub, &named("known", "tcp://known.example.net:1")).await;
    let import = async |peers: &str| {
        let request = Request::post("/admin/import").header("cookie", &cookie);
        let request = request.header("origin", format!("http://{}", hub.address));
        hub.send(request, serde_html_form::to_string([("peers", peers)]).unwrap()).await
    };
    let wrong = import("tcp://new.example.net:1\n<script>").await;
    assert!(
        wrong.text().contains("&lt;script&gt;") && wrong.text().matches("<script").count() == 1,
        "{}",
        wrong.text()
    );
    assert_eq!(hub.export_peers().await.unwrap().len(), 1);
    let good = import("tcp://new.example.net:1\ntcp://known.example.net:1\n").await;
    assert!(good.text().contains("Added: <b>1</b>. Known before: <b>1</b>."), "{}", good.text());
    let foreign = hub.send(Request::post("/admin/import").header("cookie", &cookie), "peers=tcp://other:1").await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    assert_eq!(hub.export_peers().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_node_is_tested_and_submitted_without_scripts() {
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    let own = format!("http://{}", hub.address);
    let post = async |origin: &str, language: &str, form: &str| {
        let request = Request::post("/submit").header("origin", origin).header("accept-language", language);
        hub.send(request.header("x-forwarded-for", "198.51.100.7"), form.to_owned()).await
    };
    let filled = "name=%3Cb%3EMine&protocol=udp&host=127.0.0.1&port=11010&tags=games,home&max_connections=7&allow_relay=true\
                  &network_name=lan&network_secret=hush&mail=owner%40example.net";
    let tested = post(&own, "en", &format!("step=test&{filled}")).await;
    assert_eq!((tested.status, tested.header("cache-control")), (StatusCode::OK, Some("no-store")));
    let page = tested.text();
    assert!(page.contains("The node could not be used") && page.contains("forbidden_address"), "{page}");
    for kept in
        ["value=\"&lt;b&gt;Mine\"", "value=\"udp\" selected", "value=\"games,home\"", "value=\"owner@example.net\""]
    {
        assert!(page.contains(kept), "no {kept} in {page}");
    }
    assert!(!page.contains("hush") && page.contains("Write the secret again"), "{page}");
    assert_eq!(hub.export_peers().await.unwrap(), [], "a test stores nothing");

    for (language, wrong, words) in [
        ("en", "step=send&name=Mine&host=node.example.net", "At least one way to reach you"),
        ("zh", "step=send&name=Mine&host=a%2Fb&mail=a%40b", "请填写域名或 IP 地址"),
        ("en", "step=send&host=node.example.net&mail=a%40b", "Give it a name"),
        ("en", "step=test&host=node.example.net&port=many", "The port is a whole number"),
    ] {
        let reply = post(&own, language, wrong).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{wrong}");
        assert!(reply.text().contains(words), "{wrong}: {}", reply.text());
    }
    for foreign in ["https://evil.example", "null"] {
        assert_eq!(post(foreign, "en", &format!("step=send&{filled}")).await.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(hub.export_peers().await.unwrap(), []);

    let sent = post(&own, "en", &format!("step=send&{filled}")).await;
    assert!(sent.status == StatusCode::OK && sent.text().contains("listed once it is approved"), "{sent:?}");
    let records = hub.export_peers().await.unwrap();
    let (record, spec) = (&records[0], &records[0].spec);
    assert!(record.submitted && !record.approved && spec.allow_relay && spec.max_connections == 7);
    assert_eq!((spec.name.as_str(), spec.url.to_string().as_str()), ("<b>Mine", "udp://127.0.0.1:11010"));
    assert_eq!(spec.network_secret, Some("hush".into()));
    let again = post(&own, "en", &format!("step=send&{filled}")).await;
    assert!(again.status == StatusCode::CONFLICT && again.text().contains("listed already"), "{again:?}");

    let mut refused = None;
    for _ in 0..7 {
        let reply = post(&own, "en", "step=test&host=127.0.0.1").await;
        refused = Some(reply).filter(|reply| reply.status != StatusCode::OK).or(refused);
    }
    let refused = refused.expect("strangers' tests are limited");
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.header("retry-after").is_some() && refused.text().contains("Try again later"), "{refused:?}");
}

#[tokio::test]
async fn what_one_hub_exports_another_imports() {
    let [from, to] = [TestStore::new(Engine::Sqlite).await, TestStore::new(Engine::Sqlite).await];
    let (from, to) = (PublicHub::over(from).await, PublicHub::over(to).await);
    let whole = PeerSpec {
        description: "Two lines\nof text".into(),
        tags: ["games".parse().unwrap()].into(),
        regions: ["eu".parse().unwrap(), "亚洲".parse().unwrap()].into(),
        contacts: Contacts { mail: Some("owner@example.net".into()), ..Contacts::default() },
        allow_relay: true,
        max_connections: 7,
        ..named("Shanghai 2", "tcp://node.example.net:11010")
    };
    add(&from, &whole).await;
    from.submit_peer(&named("Waiting", "udp://waiting.example.net:1"), Timestamp::now()).await.unwrap();
    let cookie = log_in(&from).await;
    let exported = from.send(Request::get("/admin/export.json").header("cookie", &cookie), "").await;

    let cookie = log_in(&to).await;
    let request = Request::post("/admin/import").header("cookie", &cookie);
    let request = request.header("origin", format!("http://{}", to.address));
    let form = serde_html_form::to_string([("peers", exported.text())]).unwrap();
    let reply = to.send(request, form).await;
    assert!(reply.text().contains("Waiting for approval: <b>1</b>."), "{}", reply.text());
    let of = async |hub: &PublicHub| {
        let records = hub.export_peers().await.unwrap();
        records.into_iter().map(|record| (record.spec, record.approved, record.submitted)).collect::<Vec<_>>()
    };
    assert_eq!(of(&to).await, of(&from).await);
}

#[tokio::test]
async fn the_operator_changes_settings_and_is_told_what_is_not_valid() {
    let mut test = TestStore::new(Engine::Sqlite).await;
    test.options.fixed = [(Knob::EventRetention, "--event-retention".to_owned())].into();
    test.store = test.second_hub().await.unwrap();
    let hub = PublicHub::over(test).await;
    let cookie = log_in(&hub).await;
    let own = format!("http://{}", hub.address);
    let save = async |origin: &str, language: &str, form: &'static str| {
        let request = Request::post("/admin/settings").header("cookie", &cookie).header("origin", origin);
        hub.send(request.header("accept-language", language), form).await
    };
    let shown =
        async || hub.send(Request::get("/admin/settings").header("cookie", &cookie), "").await.text().to_owned();

    let before = shown().await;
    assert!(before.contains("name=\"RESULT_RETENTION\" value=\"168h\""), "{before}");
    assert!(before.contains("--event-retention") && !before.contains("name=\"EVENT_RETENTION\""), "{before}");
    assert!(!before.contains("name=\"HEALTH_CHECK_INTERVAL\""), "there is no probe in this process");

    let foreign = save("https://evil.example", "en", "FLAP_DAMPING=3").await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    let wrong = save(&own, "zh", "FLAP_DAMPING=3&RESULT_RETENTION=%3Cb%3E1h").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(wrong.text().contains("value=\"&lt;b&gt;1h\"") && wrong.text().contains("未保存"), "{}", wrong.text());
    hub.read_tuning().await.unwrap();
    assert_eq!(hub.tuning(), Tuning::default(), "all or nothing");

    let saved = save(&own, "en", "FLAP_DAMPING=3&RESULT_RETENTION=+72h+&EVENT_RETENTION=48h&UNKNOWN=1").await;
    assert_eq!((saved.status, saved.header("location")), (StatusCode::SEE_OTHER, Some("/admin/settings?saved=yes")));
    hub.read_tuning().await.unwrap();
    let mut expected = Tuning::default();
    (expected.policy.confirmations, expected.retention.results) = (3, 3 * DAY);
    assert_eq!(hub.tuning(), expected);
    assert!(shown().await.contains("name=\"RESULT_RETENTION\" value=\"72h\""));
    save(&own, "en", "FLAP_DAMPING=&RESULT_RETENTION=").await;
    hub.read_tuning().await.unwrap();
    assert_eq!(hub.tuning(), Tuning::default(), "an empty field is the usual value");
}

#[tokio::test]
async fn a_page_is_in_the_language_that_is_asked_for() {
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
    for path in ["/", &format!("/?{query}"), &format!("/nodes/{peer}?x=%22%3E%3Cscript%3E"), "/probes", "/%3Cscript%3E"]
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
    for path in ["/", "/probes", "/submit", &format!("/nodes/{peer}"), "/nodes/77", "/nowhere"] {
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
async fn what_is_not_there_is_a_page_for_people_and_an_envelope_for_programs() {
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    let person = read(&hub, "/nowhere", "zh").await;
    assert_eq!(person.status, StatusCode::NOT_FOUND);
    assert!(person.text().contains("页面不存在"));
    assert_eq!(hub.get("/nowhere").await.refusal(StatusCode::NOT_FOUND), "there is nothing at this path");
    assert_eq!(read(&hub, "/api/nowhere", "en").await.refusal(StatusCode::NOT_FOUND), "there is nothing at this path");
    assert_eq!(read(&hub, "/assets/site-0.css", "en").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_hub_that_stops_ends_the_news() {
    let test = TestStore::new(Engine::Sqlite).await;
    let mut hub = hub::TestHub::on(&test).await;
    let mut stream = TcpStream::connect(hub.url.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(b"GET /live HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut told = Vec::new();
    while !String::from_utf8_lossy(&told).contains(": listening") {
        assert!(stream.read_buf(&mut told).await.unwrap() > 0);
    }
    let stopped = hub.begin_stop();
    timeout(Duration::from_secs(60), stream.read_to_end(&mut told)).await.expect("it ends").unwrap();
    assert!(String::from_utf8_lossy(&told).ends_with("0\r\n\r\n"), "in order");
    timeout(Duration::from_secs(60), stopped).await.expect("the hub stops").unwrap().unwrap();
}
