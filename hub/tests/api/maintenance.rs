//! `/api/maintenance` and `/api/admin/maintenance`.

use easytier_uptime_hub::service::password;
use easytier_uptime_store::domain::{PeerId, PeerSpec, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    hub::{ApiReply, TestHub, send},
    support::{Engine, TestStore, on_both_engines, spec},
};

on_both_engines! {
    a_window_is_made_changed_ended_and_removed,
    nodes_in_maintenance_say_so_and_keep_their_status,
    visitors_learn_of_windows_but_not_of_unlisted_nodes,
}

const PASSWORD: &str = "correct horse battery staple";

/// A hub, and the session of its operator.
struct Desk {
    hub: TestHub,
    session: String,
}

impl Desk {
    async fn over(store: &TestStore) -> Self {
        let hub = TestHub::on(store).await;
        password::set(&hub.store, &PASSWORD.into(), Timestamp::now()).await.unwrap();
        let login = send(hub.post("/api/admin/login", &json!({ "password": PASSWORD }))).await;
        let session = login.body["data"]["token"].as_str().unwrap().to_owned();
        Self { hub, session }
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> ApiReply {
        let request = self.hub.request(method, &format!("/api/admin/maintenance{path}")).bearer_auth(&self.session);
        send(if body.is_null() { request } else { request.json(body) }).await
    }

    async fn add(&self, body: &Value) -> Value {
        let reply = self.send(Method::POST, "", body).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.body["data"].clone()
    }

    async fn refused(&self, body: &Value, status: u16) -> String {
        let reply = self.send(Method::POST, "", body).await;
        assert_eq!((reply.status, &reply.body["success"]), (status, &false.into()), "{body}: {reply:?}");
        reply.body["error"].as_str().unwrap().to_owned()
    }

    async fn public(&self, path: &str) -> Value {
        let reply = send(self.hub.get(path)).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.body["data"].clone()
    }
}

async fn a_window_is_made_changed_ended_and_removed(store: TestStore) {
    let desk = Desk::over(&store).await;
    assert_eq!(desk.send(Method::GET, "", &Value::Null).await.body["data"], json!([]));
    let fields = json!({
        "title": " New disks ", "title_zh": "更换磁盘", "nodes": [3, 1], "tags": ["eu"], "regions": null,
        "start": "2027-01-31T02:00", "time_zone": "Europe/Berlin", "minutes": 90.0,
        "rrule": "freq=weekly;byday=SU;until=20271231", "until": "2028-01-31",
    });
    let made = desk.add(&fields).await;
    let first = json!({ "begins_at": "2027-01-31T01:00:00Z", "ends_at": "2027-01-31T02:30:00Z" });
    let next = made["next"].clone();
    assert!(next == first || made["created_at"].as_str().unwrap() > "2027-01-31", "{made}");
    let expected = json!({
        "id": made["id"], "title": "New disks", "title_zh": "更换磁盘", "all": false, "nodes": [1, 3], "tags": ["eu"],
        "regions": [], "start": "2027-01-31T02:00", "time_zone": "Europe/Berlin", "minutes": 90,
        "rrule": "FREQ=WEEKLY;BYDAY=SU", "until": "2027-12-31T23:59", "current": null, "next": next,
        "created_at": made["created_at"], "updated_at": made["created_at"],
    });
    assert_eq!(made, expected);
    let path = format!("/{}", made["id"]);
    let early = desk.send(Method::POST, &format!("{path}/end"), &Value::Null).await;
    assert_eq!(early.status, 409, "{early:?}");

    // From now on, for all nodes.
    let mut change = json!({ "title": "Now", "all": true, "minutes": 60, "updated_at": made["updated_at"] });
    let changed = desk.send(Method::PUT, &path, &change).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let window = &changed.body["data"];
    assert_eq!((&window["title"], &window["rrule"], &window["all"]), (&"Now".into(), &Value::Null, &true.into()));
    assert!(window["current"]["ends_at"].is_string() && window["next"].is_null(), "{window}");
    let late = desk.send(Method::PUT, &path, &change).await;
    assert_eq!(late.status, 409, "somebody changed it meanwhile: {late:?}");
    change["updated_at"] = Value::Null;
    assert_eq!(desk.send(Method::PUT, &path, &change).await.status, 200, "whatever it was");

    let ended = desk.send(Method::POST, &format!("{path}/end"), &Value::Null).await;
    assert_eq!(ended.status, 200, "{ended:?}");
    let list = desk.send(Method::GET, "", &Value::Null).await.body["data"].clone();
    assert_eq!((&list[0]["current"], &list[0]["next"]), (&Value::Null, &Value::Null), "{list}");
    assert_eq!(desk.send(Method::DELETE, &path, &Value::Null).await.status, 200);
    for (method, path) in
        [(Method::DELETE, path.clone()), (Method::POST, format!("{path}/end")), (Method::PUT, path.clone())]
    {
        assert_eq!(desk.send(method, &path, &json!({ "title": "x", "all": true, "minutes": 1 })).await.status, 404);
    }
}

async fn nodes_in_maintenance_say_so_and_keep_their_status(store: TestStore) {
    let desk = Desk::over(&store).await;
    let peer = desk.hub.peer("tcp://192.0.2.1:11010").await;
    let other = desk.hub.peer("tcp://192.0.2.2:11010").await;
    let before = desk.public(&format!("/api/nodes/{peer}")).await;
    assert_eq!(before["maintenance"], Value::Null);
    let window = desk.add(&json!({ "title": "New disks", "nodes": [peer], "minutes": 60 })).await;
    let during = desk.public(&format!("/api/nodes/{peer}")).await;
    let expected = json!({ "until": window["current"]["ends_at"], "title": "New disks", "title_zh": null });
    assert_eq!(during["maintenance"], expected);
    let rest = |mut node: Value| {
        node.as_object_mut().unwrap().remove("maintenance");
        node
    };
    assert_eq!(rest(during), rest(before), "nothing else of the node changes");
    let list = desk.public("/api/nodes").await;
    let items = list["items"].as_array().unwrap();
    let maintained = |id: PeerId| items.iter().find(|item| item["id"] == id.0).unwrap()["maintenance"].clone();
    assert_eq!((maintained(peer), maintained(other)), (expected, Value::Null));
    desk.send(Method::DELETE, &format!("/{}", window["id"]), &Value::Null).await;
    assert_eq!(desk.public(&format!("/api/nodes/{peer}")).await["maintenance"], Value::Null);
}

async fn visitors_learn_of_windows_but_not_of_unlisted_nodes(store: TestStore) {
    let desk = Desk::over(&store).await;
    let listed = desk.hub.peer("tcp://192.0.2.1:11010").await;
    let unlisted = desk.hub.peer("tcp://192.0.2.2:11010").await;
    store.set_approved(unlisted, false, Timestamp::now()).await.unwrap();
    assert_eq!(desk.public("/api/maintenance").await, json!([]));
    let day = 24 * 3_600_000;
    let local = |days: i64| {
        let at: chrono::DateTime<chrono::Utc> = Timestamp(Timestamp::now().0 + days * day).into();
        at.format("%Y-%m-%dT%H:%M").to_string()
    };
    for (title, start) in [("next week", local(7)), ("next month", local(30)), ("over", local(-1))] {
        desk.add(&json!({ "title": title, "all": true, "start": start, "minutes": 60 })).await;
    }
    let now = desk.add(&json!({ "title": "now", "nodes": [listed, unlisted], "tags": ["a"], "minutes": 60 })).await;
    let shown = desk.public("/api/maintenance").await;
    let brief: Vec<_> = shown
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["title"].as_str().unwrap(), one["is_active"] == true))
        .collect();
    assert_eq!(brief, [("now", true), ("next week", false)]);
    let expected = json!({
        "id": now["id"], "title": "now", "title_zh": null, "is_active": true, "begins_at": now["current"]["begins_at"],
        "ends_at": now["current"]["ends_at"], "all": false, "nodes": [listed], "tags": ["a"], "regions": [],
    });
    assert_eq!(shown[0], expected);
}

#[tokio::test]
async fn what_is_not_valid_is_refused_with_its_field() {
    let store = TestStore::new(Engine::Sqlite).await;
    let desk = Desk::over(&store).await;
    let good = json!({ "title": "t", "all": true, "minutes": 60 });
    let with = |changes: Value| {
        let mut fields = good.clone();
        fields.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        fields
    };
    for (changes, field) in [
        (json!({ "title": null }), "title: "),
        (json!({ "title": " \t" }), "title: "),
        (json!({ "title": "x".repeat(201) }), "title: "),
        (json!({ "title_zh": "a\nb" }), "title_zh: "),
        (json!({ "all": false }), "nodes: "),
        (json!({ "nodes": vec![1; 1001] }), "nodes: "),
        (json!({ "nodes": ["a"] }), "nodes"),
        (json!({ "nodes": [0] }), "nodes: "),
        (json!({ "tags": ["a,b"] }), "tags: "),
        (json!({ "regions": ["x".repeat(65)] }), "regions: "),
        (json!({ "minutes": null }), "minutes: "),
        (json!({ "minutes": 0 }), "minutes: "),
        (json!({ "minutes": 44641 }), "minutes: "),
        (json!({ "minutes": 1.5 }), "minutes"),
        (json!({ "start": "tomorrow" }), "start: "),
        (json!({ "time_zone": "Mars/Olympus" }), "time_zone: "),
        (json!({ "time_zone": "Mars/Olympus", "start": "2027-01-31T02:00" }), "time_zone: "),
        (json!({ "until": "2027-12-31" }), "until: "),
        (json!({ "rrule": "FREQ=SECONDLY" }), "rrule: FREQ must be DAILY"),
        (json!({ "rrule": "FREQ=DAILY;BYHOUR=1,2" }), "rrule: "),
        (json!({ "rrule": "FREQ=DAILY", "until": "never" }), "until: "),
    ] {
        let words = desk.refused(&with(changes.clone()), 400).await;
        assert!(words.starts_with(field), "{changes}: {words}");
    }
    let stranger = send(desk.hub.post("/api/admin/maintenance", &good)).await;
    assert_eq!(stranger.status, 401);
    assert_eq!(store.maintenance_windows().await.unwrap(), [], "nothing was made");
}

#[tokio::test]
async fn statistics_show_both_figures() {
    let store = TestStore::new(Engine::Sqlite).await;
    let desk = Desk::over(&store).await;
    let tagged = PeerSpec { tags: ["disks".parse().unwrap()].into(), ..spec("tcp://192.0.2.1:11010") };
    let peer = store.add_peer(&tagged, Timestamp::now()).await.unwrap();
    let stats = async || desk.public(&format!("/api/nodes/{peer}/health/stats")).await;
    let figures = |stats: &Value| {
        (stats["uptime_percentage"].as_f64().unwrap(), stats["uptime_percentage_with_maintenance"].as_f64().unwrap())
    };
    assert_eq!(figures(&stats().await), (0.0, 0.0));
    // Up for three hours, down for one hour of maintenance.
    let hour = 3_600_000;
    let now = Timestamp::now().0;
    store
        .execute(&format!("UPDATE peer_states SET verdict = 3, since = {} WHERE peer_id = {peer}", now - 2 * hour))
        .await;
    for table in ["verdict_times", "maintained_times"] {
        let insert = format!(
            "INSERT INTO {table} VALUES ({peer}, {}, 1, {}, {}, 0, 0, {hour})",
            (now - 2 * hour) / hour,
            now - 3 * hour,
            now - 2 * hour
        );
        store.execute(&insert).await;
    }
    let (uptime, whole) = figures(&stats().await);
    assert_eq!(uptime, 100.0);
    assert!((whole - 66.67).abs() < 0.1, "{whole}");
}
