//! The map, and the locations of a node.

use std::time::Duration;

use axum::http::{Request, StatusCode};
use easytier_probe::{CheckResult, FailureCode, Stage};
use easytier_uptime_store::domain::{InstanceId, Member, Role, Timestamp};
use url::Url;
use uuid::Uuid;

use crate::{
    HOSTILE, add,
    http::PublicHub,
    hub::{TestHub, send},
    named, page, read, report,
    support::{Engine, TestStore, offline, on_both_engines, online},
};

on_both_engines! {
    the_map_shows_what_each_region_sees,
    the_map_shows_the_instances_of_a_cluster_without_their_addresses,
    a_caller_that_has_the_newest_map_gets_no_body,
    the_page_of_a_node_agrees_with_the_api,
}

/// The labels of the pins of the map with small pins, with the places where they stand.
fn pins(page: &str) -> Vec<(String, f64, f64)> {
    let map = page.split("<svg class=\"wide\"").nth(1).expect("a map").split("</svg>").next().unwrap();
    let pins = map.split("<a class=\"pin ").skip(1);
    pins.map(|pin| {
        let place = pin.split_once("translate(").unwrap().1.split_once(')').unwrap().0.split_once(' ').unwrap();
        let label = pin.split("<text").nth(1).unwrap().split_once('>').unwrap().1.split_once('<').unwrap().0;
        (label.to_owned(), place.0.parse().unwrap(), place.1.parse().unwrap())
    })
    .collect()
}

/// What the pin with this label says.
fn said<'a>(page: &'a str, label: &str) -> &'a str {
    let pin = page.split("<a class=\"pin ").find(|pin| pin.contains(&format!(">{label}</text>"))).expect(label);
    pin.split_once("<title>").unwrap().1.split_once("</title>").unwrap().0
}

/// The text of the table row with this id.
fn row(page: &str, id: &str) -> String {
    let row = page.split(&format!("<tr id=\"{id}\">")).nth(1).expect(id).split("</tr>").next().unwrap();
    let texts = row.split('<').filter_map(|tag| tag.split_once('>')).map(|(_, text)| text.trim());
    texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
}

async fn the_map_shows_what_each_region_sees(store: TestStore) {
    let hub = PublicHub::over(store).await;
    let empty = page(&hub, "/map").await;
    assert!(pins(&empty).is_empty() && empty.contains("No region yet."), "{empty}");

    let mut peers = Vec::new();
    for name in ["up", "split", "down"] {
        peers.push(add(&hub, &named(name, &format!("tcp://{name}.example.net:11010"))).await);
    }
    let [up, split, down] = peers[..] else { panic!("{peers:?}") };
    let now = Timestamp::now();
    for (region, sees) in
        [("eu-frankfurt-1", online(split, now)), ("上海", offline(split, now)), ("attic", offline(split, now))]
    {
        let probe = hub.live_probe(&format!("secret-probe-{region}"), region).await;
        report(&hub, &probe, vec![online(up, now), sees, offline(down, now)]).await;
    }
    // A region whose probe is gone.
    let before = now - Duration::from_secs(3600);
    let gone = hub.local_probe("secret-gone", &"us-west-2".parse().unwrap(), before).await.unwrap();
    hub.heartbeat(&gone, None, before).await.unwrap();

    let map = page(&hub, "/map").await;
    assert!(!map.contains("secret-"), "probes are for the operator only: {map}");
    let placed = pins(&map);
    let labels: Vec<&str> = placed.iter().map(|(label, ..)| label.as_str()).collect();
    assert_eq!(labels, ["2", "3", "4"]);
    let near = |label: &str, (x, y): (f64, f64)| {
        let (_, at_x, at_y) = placed.iter().find(|(known, ..)| known == label).unwrap();
        assert!((at_x - x).hypot(at_y - y) < 5.0, "{label} at {at_x} {at_y}");
    };
    // Frankfurt, Portland and Shanghai, measured on the outlines.
    near("2", (524.0, 115.0));
    near("3", (159.0, 130.5));
    near("4", (837.0, 179.0));
    // Both sizes are there, with the same outlines.
    assert_eq!(map.matches("<image href=\"/assets/world-").count(), 2);

    // A region without a known place is listed, with a link to its row.
    assert!(map.contains("<a href=\"#region-1\">1 attic</a>"), "{map}");
    assert_eq!(row(&map, "region-1"), "1 attic Online 1 / 1 1 Online 2 Offline");
    assert_eq!(row(&map, "region-2"), "2 eu-frankfurt-1 Online 1 / 1 1 Online 1 Partly online 1 Offline");
    assert_eq!(row(&map, "region-3"), "3 us-west-2 Offline 0 / 1 0 Online");
    assert_eq!(row(&map, "region-4"), "4 上海 Online 1 / 1 1 Online 2 Offline");
    assert_eq!(said(&map, "2"), "2 eu-frankfurt-1: Online, nodes: 1 online, 1 partly online, 1 offline");
    assert_eq!(said(&map, "3"), "3 us-west-2: Offline, nodes: 0 online");
    assert!(map.contains("href=\"#region-2\" aria-label=\"2 eu-frankfurt-1: Online"), "{map}");

    let chinese = read(&hub, "/map", "zh-CN").await;
    assert_eq!(said(chinese.text(), "2"), "2 eu-frankfurt-1：在线、节点：1 在线、1 部分在线、1 离线");
    assert!(chinese.text().contains("检测点分布") && chinese.text().contains("位置未知"), "{}", chinese.text());
}

async fn the_map_shows_the_instances_of_a_cluster_without_their_addresses(store: TestStore) {
    let now = Timestamp::now();
    let hub = TestHub::with(&store, |options| {
        let mut own = easytier_uptime_hub::instance::InstanceOptions::named("Lighthouse");
        own.coordinates = Some((50.1, 8.7));
        options.instance.options = std::sync::Arc::new(own);
    })
    .await;
    let text =
        async |path: &str| hub.get(path).header("accept", "text/html").send().await.unwrap().text().await.unwrap();
    // One that belongs to no cluster is shown because its place is configured.
    let alone = text("/map").await;
    assert_eq!(row(&alone, "instance-A"), "A Lighthouse Standalone Online –");

    let url: Url = "https://secret-address.example.net/".parse().unwrap();
    hub.store.become_primary("Lighthouse", Some(url.as_str())).await.unwrap();
    let member = |nth: u128, name: &str, heard: Option<Timestamp>| Member {
        name: name.to_owned(),
        failover_order: nth as i64,
        public_endpoint: Some(url.to_string()),
        last_heartbeat: heard,
        role: Role::Dependent,
        ..Member::registering(InstanceId(Uuid::from_u128(nth)), now)
    };
    let shanghai = Member { location: Some("cn-shanghai".into()), ..member(1, "Second", Some(now)) };
    let lost =
        Member { coordinates: Some((-33.9, 151.2)), ..member(2, "Third", Some(now - Duration::from_secs(3600))) };
    let hostile = Member { location: Some(HOSTILE.into()), ..member(3, HOSTILE, None) };
    for member in [&shanghai, &lost, &hostile] {
        hub.store.put_member(member).await.unwrap();
    }
    // The region of the own probe has no known name: it is where the instance is.
    let probe = hub.store.local_probe("Lighthouse", &"tower".parse().unwrap(), now).await.unwrap();
    hub.store.heartbeat(&probe, None, now).await.unwrap();

    let map = text("/map").await;
    assert!(!map.contains("secret-address"), "{map}");
    assert_eq!(map.matches("<script").count(), 1, "{map}");
    assert!(!map.contains("<img src=x"), "{map}");
    assert_eq!(row(&map, "instance-A"), "A Lighthouse Primary Online –");
    assert_eq!(row(&map, "instance-B"), "B Second Dependent Online cn-shanghai");
    assert_eq!(row(&map, "instance-C"), "C Third Dependent Away –");
    let placed = pins(&map);
    let labels: Vec<&str> = placed.iter().map(|(label, ..)| label.as_str()).collect();
    assert_eq!(labels, ["A", "B", "C", "1"]);
    // The instance and the region of its probe are at one place, and stand side by side.
    let apart = (placed[0].1 - placed[3].1).hypot(placed[0].2 - placed[3].2);
    assert!((36.0..45.0).contains(&apart), "{placed:?}");
    assert_eq!(said(&map, "C"), "C Third: Away, Dependent");
    assert!(map.contains("<a href=\"#instance-D\">D "), "an instance at no known place is listed: {map}");
}

async fn a_caller_that_has_the_newest_map_gets_no_body(store: TestStore) {
    let hub = PublicHub::over(store).await;
    let get = async |tag: &str| hub.send(Request::get("/map").header("if-none-match", tag), "").await;
    let first = get("\"none\"").await;
    let tag = first.header("etag").unwrap().to_owned();
    assert_eq!((first.status, first.header("cache-control")), (StatusCode::OK, Some("no-cache")));
    let same = get(&tag).await;
    assert_eq!((same.status, same.body.len()), (StatusCode::NOT_MODIFIED, 0));
    // A probe alone changes the map.
    let probe = hub.live_probe("p1", "eu").await;
    let changed = get(&tag).await;
    assert_eq!(changed.status, StatusCode::OK);
    assert_eq!(pins(changed.text()).len(), 1);
    // A heartbeat alone does not.
    let tag = changed.header("etag").unwrap().to_owned();
    hub.heartbeat(&probe, None, Timestamp::now()).await.unwrap();
    assert_eq!(get(&tag).await.status, StatusCode::NOT_MODIFIED);
}

async fn the_page_of_a_node_agrees_with_the_api(store: TestStore) {
    let hub = PublicHub::over(store).await;
    let peer = add(&hub, &named("Shanghai 2", "tcp://node.example.net:11010")).await;
    let path = format!("/nodes/{peer}");
    assert!(page(&hub, &path).await.contains("No region has checked this node yet."));
    let now = Timestamp::now();
    let at = |ms| CheckResult { response_time: Some(ms), ..online(peer, now) };
    let failed = CheckResult { stage: Stage::Connect, error: Some(FailureCode::ConnectTimeout), ..offline(peer, now) };
    // The own probe of this instance has its name.
    for (server_id, region, result) in
        [("hub", "eu-frankfurt-1", at(12.0)), ("secret-a", "tokyo", at(37.0)), ("secret-b", "attic", failed)]
    {
        let probe = hub.live_probe(server_id, region).await;
        report(&hub, &probe, vec![result]).await;
    }

    let api = send(hub.serving().get(&format!("/api/nodes/{peer}/regions"))).await.body["data"].take();
    assert_eq!((&api["aggregatedStatus"], &api["aggregatedUptime"]), (&"UP".into(), &66.67.into()));
    let shown = page(&hub, &path).await;
    assert!(!shown.contains("secret-"), "{shown}");
    let panel = shown.split("id=\"locations\"").nth(1).unwrap().split("</section>").next().unwrap();
    for (figure, expected) in [
        ("aggregatedUptime", format!("<dd>{}%</dd>", api["aggregatedUptime"])),
        (
            "locations",
            format!("<dd>{} / {}</dd>", api["consensus"]["successfulLocations"], api["consensus"]["totalLocations"]),
        ),
        ("minResponseTime", format!("{:.0} ms – ", api["consensus"]["minResponseTime"].as_f64().unwrap())),
        ("maxResponseTime", format!(" – {:.0} ms", api["consensus"]["maxResponseTime"].as_f64().unwrap())),
        (
            "averageResponseTime",
            format!("<dd>{:.0} ms</dd>", api["consensus"]["averageResponseTime"].as_f64().unwrap()),
        ),
    ] {
        assert!(panel.contains(&expected), "{figure}: {expected} is not in {panel}");
    }
    assert_eq!(api["locationData"].as_object().unwrap().len(), panel.matches("<tr id=").count());
    let rows = ["location-1", "location-2", "location-3"].map(|id| row(panel, id));
    for (row, expected) in rows.iter().zip([
        "1 attic Offline – 0.0% Connection timed out connect_timeout Failed at: connection",
        "2 eu-frankfurt-1 Instance: hub Online 12 ms 100% Online",
        "3 tokyo Online 37 ms 100% Online",
    ]) {
        assert!(row.starts_with(expected), "{row}");
    }
    let labels: Vec<String> = pins(panel).into_iter().map(|(label, ..)| label).collect();
    assert_eq!(labels, ["2", "3"]);
    assert_eq!(said(panel, "3"), "3 tokyo: Online, 37 ms");
    assert!(panel.contains("<a href=\"#location-1\">1 attic</a>"), "{panel}");
    let chinese = read(&hub, &path, "zh").await;
    assert!(chinese.text().contains("失败阶段：建立连接"), "{}", chinese.text());
}

#[tokio::test]
async fn the_outlines_are_small_and_can_be_kept() {
    const MAX_BYTES: usize = 60_000;
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    let map = page(&hub, "/map").await;
    let path = map.split('"').find(|text| text.starts_with("/assets/world-")).unwrap();
    let outlines = hub.get(path).await;
    assert_eq!(outlines.status, StatusCode::OK);
    assert_eq!(outlines.header("content-type"), Some("image/svg+xml"));
    assert_eq!(outlines.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert!(outlines.body.len() <= MAX_BYTES, "{} bytes", outlines.body.len());
    assert!(outlines.text().contains("ISC licence") && outlines.text().contains("public domain"));
}

#[tokio::test]
async fn fifty_regions_keep_the_page_small_and_each_has_a_row() {
    const MAX_BYTES: usize = 120_000;
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    let places = ["tokyo", "上海", "eu-central-1", "us-east-1", "singapore"];
    for nth in 0..50 {
        hub.live_probe(&format!("p{nth}"), &format!("{} {nth}", places[nth % 5])).await;
    }
    let map = page(&hub, "/map").await;
    assert_eq!(map.matches("<tr id=\"region-").count(), 50);
    assert_eq!(pins(&map).len(), 50);
    let narrow = map.split("<svg class=\"narrow\"").nth(1).unwrap();
    assert!((1..=18).contains(&narrow.matches("<a class=\"pin ").count()), "{narrow}");
    assert!(map.len() < MAX_BYTES, "{} bytes", map.len());
}
