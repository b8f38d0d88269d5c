//! `/api/reports/{month}`.

use std::time::Duration;

use easytier_uptime_hub::Freshness;
use easytier_uptime_store::domain::{DAY, Month, PeerId, PeerSpec, Timestamp};
use serde_json::{Value, json};

use crate::{
    hub::{ApiReply, TestHub, send},
    support::{Engine, TestStore, offline, on_both_engines, online, region, spec},
};

on_both_engines! {
    a_month_is_reported_by_node_and_by_tag_against_a_target,
}

/// The month before the last one, which is over.
fn month() -> Month {
    Month::of(Timestamp::now()).previous().previous()
}

/// The day on which nodes are seen for the first time.
fn first_day() -> Timestamp {
    month().begins_at() + DAY
}

async fn node(store: &TestStore, name: &str, url: &str, tags: &[&str]) -> PeerId {
    let tags = tags.iter().map(|tag| tag.parse().unwrap()).collect();
    let spec = PeerSpec { name: name.into(), tags, ..spec(url) };
    store.add_peer(&spec, month().begins_at()).await.unwrap()
}

/// The node is up on the first day, down for `down` seconds ten minutes later, and up again.
async fn fails_once(store: &TestStore, peer: PeerId, down: u64) {
    let probe = store.local_probe("p1", &region("eu"), month().begins_at()).await.unwrap();
    let seconds = Duration::from_secs;
    let back = first_day() + seconds(600 + down);
    for (is_online, at) in [(true, first_day()), (false, first_day() + seconds(600)), (true, back)] {
        let result = if is_online { online } else { offline };
        store.report(&probe, vec![result(peer, at - Duration::from_millis(1)), result(peer, at)], at).await;
    }
}

async fn get(hub: &TestHub, path: &str) -> ApiReply {
    send(hub.get(path)).await
}

async fn a_month_is_reported_by_node_and_by_tag_against_a_target(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let hostile = "=HYPERLINK(\"http://evil.example\")";
    let first = node(&store, "first", "tcp://192.0.2.1:11010", &["eu", "game"]).await;
    let second = node(&store, hostile, "tcp://192.0.2.2:11010", &["eu"]).await;
    let never = node(&store, "never checked", "tcp://192.0.2.3:11010", &[]).await;
    let hidden = node(&store, "hidden", "tcp://192.0.2.4:11010", &["secret"]).await;
    store.set_approved(hidden, false, first_day()).await.unwrap();
    fails_once(&store, first, 120).await;
    fails_once(&store, second, 14 * 86_400).await;
    let path = format!("/api/reports/{}", month());
    let reply = get(&hub, &path).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let report = &reply.body["data"];
    let known = month().ends_at().since(first_day()).as_secs();
    let share = |down: u64| ((known - down) as f64 * 1_000_000.0 / known as f64).floor() / 10_000.0;
    let figures = |down: u64| {
        json!({
            "availability": share(down), "availability_with_maintenance": share(down), "up_seconds": known - down,
            "partial_seconds": 0, "down_seconds": down, "maintenance_seconds": 0, "outages": 1,
            "longest_outage_seconds": down, "mean_time_to_recover_seconds": down,
        })
    };
    let with = |mut object: Value, more: Value| {
        object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        object
    };
    let line = |id, name: &str, tags: &[&str], met, down| {
        with(figures(down), json!({ "id": id, "name": name, "tags": tags, "target_met": met }))
    };
    let nodes = report["nodes"]["items"].as_array().unwrap();
    assert_eq!(nodes[0], line(second, hostile, &["eu"], false, 14 * 86_400), "the least available one is first");
    assert_eq!(nodes[1], line(first, "first", &["eu", "game"], true, 120));
    assert_eq!(
        (nodes[2]["id"].as_i64(), &nodes[2]["availability"], &nodes[2]["target_met"]),
        (Some(never.0), &Value::Null, &Value::Null)
    );
    assert_eq!((nodes.len(), &report["nodes"]["total"]), (3, &json!(3)));
    assert_eq!((&report["month"], &report["target"]), (&json!(month()), &json!(99.0)));
    assert_eq!((&report["begins_at"], &report["until"]), (&json!(month().begins_at()), &json!(month().ends_at())));
    assert_eq!(report["outages_complete_since"], Value::Null);
    let group = |of: &Value| [&of["tag"], &of["nodes"], &of["nodes_that_met_target"], &of["outages"]].map(Clone::clone);
    assert_eq!(group(&report["total"]), [Value::Null, json!(3), json!(1), json!(2)]);
    assert_eq!(report["total"]["nodes_without_verdict"], json!(1));
    let tags: Vec<_> = report["tags"].as_array().unwrap().iter().map(group).collect();
    assert_eq!(tags, [[json!("eu"), json!(2), json!(1), json!(2)], [json!("game"), json!(1), json!(1), json!(1)]]);
    let eu = &report["tags"][0];
    assert_eq!((&eu["down_seconds"], &eu["longest_outage_seconds"]), (&json!(120 + 14 * 86_400), &json!(14 * 86_400)));
    assert_eq!(eu["mean_time_to_recover_seconds"], json!(60 + 7 * 86_400));

    let of_tag = get(&hub, &format!("{path}?tag=game&target=99.9999&page=1&per_page=1")).await.body["data"].clone();
    let items = &of_tag["nodes"]["items"];
    assert_eq!(
        (items.as_array().unwrap().len(), &items[0]["id"], &items[0]["target_met"]),
        (1, &json!(first), &json!(false))
    );
    assert_eq!(get(&hub, &format!("{path}?tag=secret")).await.body["data"]["total"]["nodes"], json!(0));
    assert_eq!(get(&hub, &format!("{path}?page=9")).await.body["data"]["nodes"]["items"], json!([]));

    let table = get(&hub, &format!("{path}/nodes.csv?target=50")).await;
    assert_eq!(table.headers["content-type"], "text/csv; charset=utf-8");
    assert!(table.headers["content-disposition"].to_str().unwrap().contains(&format!("uptime-{}.csv", month())));
    let text = table.body.as_str().unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert!(lines[1].contains(",\"'=HYPERLINK(\"\"http://evil.example\"\")\",eu,"), "{text}");
    let end = format!(",{},{},50,true,{},0,120,0,1,120,120", share(120), share(120), known - 120);
    assert!(
        lines[2].starts_with(&format!("{},{first},first,\"eu,game\",", month())) && lines[2].ends_with(&end),
        "{text}"
    );
    assert!(lines[3].ends_with("never checked,,,,50,,0,0,0,0,0,0,"), "{text}");
}

#[tokio::test]
async fn what_is_no_month_or_no_target_is_refused() {
    let store = TestStore::new(Engine::Sqlite).await;
    let hub = TestHub::on(&store).await;
    node(&store, "first", "tcp://192.0.2.1:11010", &[]).await;
    let present = Month::of(Timestamp::now());
    for suffix in ["", "/nodes.csv"] {
        let status =
            async |month: &str, query: &str| get(&hub, &format!("/api/reports/{month}{suffix}{query}")).await.status;
        assert_eq!(status(&present.to_string(), "").await, 200);
        assert_eq!(status(&month().to_string(), "?target=100&tag=").await, 200);
        for other in [present.next(), month().previous(), "2000-01".parse().unwrap()] {
            assert_eq!(status(&other.to_string(), "").await, 404, "{other}");
        }
        for wrong in ["2026-13", "2026", "today", "1999-12"] {
            assert_eq!(status(wrong, "").await, 400, "{wrong}");
        }
        for wrong in ["100.1", "-1", "NaN", "inf", "much"] {
            assert_eq!(status(&present.to_string(), &format!("?target={wrong}")).await, 400, "{wrong}");
        }
    }
}

#[tokio::test]
async fn a_month_is_read_once_and_a_caller_that_has_it_gets_no_body() {
    let store = TestStore::new(Engine::Sqlite).await;
    let peer = node(&store, "first", "tcp://192.0.2.1:11010", &[]).await;
    fails_once(&store, peer, 60).await;
    let hub = TestHub::with(&store, |options| options.freshness = Freshness::Behind).await;
    let path = format!("/api/reports/{}", month());
    let first = get(&hub, &path).await;
    let tag = first.headers["etag"].to_str().unwrap();
    let again = send(hub.get(&path).header("if-none-match", tag)).await;
    assert_eq!(again.status, 304);
    assert_eq!(send(hub.get(&path).header("if-none-match", "W/\"0\"")).await.body, first.body);
    store.execute("DELETE FROM outages").await;
    assert_eq!(get(&hub, &format!("{path}?target=1")).await.body["data"]["total"]["outages"], json!(1));
    let table = get(&hub, &format!("{path}/nodes.csv")).await;
    assert_ne!(table.headers["etag"], first.headers["etag"]);
}
