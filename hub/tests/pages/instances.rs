//! The page of the instances of a cluster, and what pages of a dependent say.

use std::sync::Arc;

use axum::http::{Request, StatusCode};
use easytier_uptime_hub::{
    WebOptions,
    instance::{InstanceOptions, SharedStatus, wire::SystemMetrics},
    service::OwnInstance,
};
use easytier_uptime_store::domain::{
    ConfigVersion, InstanceHealth, InstanceId, Member, MemberBeat, Role, Scope, Timestamp,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    HOSTILE, add,
    http::{PublicHub, Reply},
    log_in, named, page, read,
    support::{Engine, TestStore, leadership, seconds},
};

const SECRET: &str = "a secret that all instances of the cluster know";
const PATH: &str = "/admin/instances";

fn id(nth: u128) -> InstanceId {
    InstanceId(Uuid::from_u128(nth))
}

/// A hub of an instance, and the operator who is logged in.
struct Stage {
    hub: PublicHub,
    status: SharedStatus,
    cookie: String,
}

impl std::ops::Deref for Stage {
    type Target = PublicHub;

    fn deref(&self) -> &PublicHub {
        &self.hub
    }
}

impl Stage {
    async fn standalone() -> Self {
        let status = SharedStatus::default();
        let options = InstanceOptions { secret: Some(SECRET.into()), ..InstanceOptions::named("hub-0") };
        let own = OwnInstance { options: Arc::new(options), status: status.clone() };
        let store = TestStore::new(Engine::Sqlite).await;
        let hub = PublicHub::with(store, |options: &mut WebOptions| options.instance = own).await;
        let cookie = log_in(&hub).await;
        Self { hub, status, cookie }
    }

    /// A primary with two dependents; the first one is there and reachable.
    async fn primary() -> Self {
        let stage = Self::standalone().await;
        stage.store.become_primary("hub-0", Some("http://192.0.2.1:3002/")).await.unwrap();
        let now = Timestamp::now();
        for nth in [1, 2] {
            let member = Member {
                name: format!("hub-{nth}"),
                location: Some(format!("Place {nth}")),
                public_endpoint: Some(format!("http://192.0.2.1{nth}:3002/")),
                ..Member::registering(id(nth), now)
            };
            stage.store.put_member(&member).await.unwrap();
        }
        stage.store.note_called_back(id(1), Some(now)).await.unwrap();
        let beat = MemberBeat {
            at: now,
            health: InstanceHealth::Healthy,
            role: Role::Dependent,
            epoch: 1,
            config: ConfigVersion { epoch: 1, version: 0 },
            config_hash: None,
            synced_at: Some(now - seconds(7200)),
            sync_error: Some(HOSTILE.to_owned()),
            system_metrics: Some(
                json!({ "cpuUsage": 12.34, "memoryUsage": 56.0, "diskUsage": null, "activeEndpoints": 7 }),
            ),
            connection: None,
        };
        stage.store.note_member_beat(id(1), &beat).await.unwrap();
        stage
    }

    /// A dependent of `hub 1`, which is not reachable since a while if `is_away`.
    async fn dependent(is_away: bool) -> Self {
        let stage = Self::standalone().await;
        add(&stage, &named("Own", "tcp://own.example.net:1")).await;
        stage.store.join(&leadership(7, 1, 3), &"a token".into()).await.unwrap();
        let primary =
            Member { name: "hub 1".into(), role: Role::Primary, ..Member::registering(id(1), Timestamp::now()) };
        stage.store.put_member(&primary).await.unwrap();
        stage.status.update(|status| {
            status.configured = Some(Role::Dependent);
            status.outage_since = is_away.then_some(Timestamp(1_700_000_000_000));
        });
        stage
    }

    async fn shown(&self, path: &str, language: &str) -> String {
        let reply = self.get(path, language).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}: {reply:?}");
        reply.text().to_owned()
    }

    async fn get(&self, path: &str, language: &str) -> Reply {
        let request = Request::get(path).header("cookie", &self.cookie).header("accept-language", language);
        self.send(request.header("accept", "text/html"), "").await
    }

    async fn post(&self, path: &str, form: &str) -> Reply {
        self.post_from(path, form, Some(&format!("http://{}", self.address))).await
    }

    async fn post_from(&self, path: &str, form: &str, origin: Option<&str>) -> Reply {
        let mut request = Request::post(path).header("cookie", &self.cookie);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        self.send(request, form.to_owned()).await
    }

    /// Ids and places, as other instances read them.
    async fn order(&self) -> Vec<(Value, Value)> {
        let request = Request::get("/sync/api/failover-order").header("authorization", format!("Bearer {SECRET}"));
        let order = self.send(request, "").await.json();
        order["order"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (one["instanceName"].clone(), one["failoverOrder"].clone()))
            .collect()
    }
}

#[tokio::test]
async fn a_standalone_instance_says_how_to_begin() {
    let stage = Stage::standalone().await;
    let shown = stage.shown(PATH, "en").await;
    for part in ["This instance stands alone.", "ENABLE_SYNC_API=true", "easytier-uptime hub join"] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    assert!(!shown.contains("<table") && !shown.contains("/admin/instances/"), "{shown}");
    assert!(!shown.contains("class=\"warning") && !shown.contains("disabled"), "{shown}");
    assert!(stage.shown(PATH, "zh-CN").await.contains("本实例独立运行。"));
    assert!(!page(&stage, "/").await.contains("class=\"standing\""));
    for (path, form) in [("order", "&step=up"), ("promote", "&epoch=1"), ("demote", "&epoch=1"), ("remove", "&epoch=1")]
    {
        let refused = stage.post(&format!("{PATH}/{path}"), &format!("id={}{form}", id(1).0)).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn the_primary_lists_all_instances_with_what_they_say() {
    let stage = Stage::primary().await;
    stage.status.update(|status| {
        status.load = Some(SystemMetrics { cpu_usage: Some(99.0), active_endpoints: 3, ..SystemMetrics::default() });
    });
    let shown = stage.shown(PATH, "en").await;
    for part in [
        "hub-0 <span class=\"badge\">this instance</span>",
        "hub-1",
        "Place 1",
        "http://192.0.2.11:3002/",
        "The primary does not reach it there: it cannot take over.",
        "Active",
        "Failed",
        "2 h ago",
        "CPU <span class=\"figure\">12.3%</span>",
        "memory <span class=\"figure\">56.0%</span>",
        "7 nodes checked",
        "CPU <span class=\"figure\">99.00%</span>",
        "version 1-0, behind 1-",
        "&lt;/title&gt;&lt;script&gt;",
        "<figure class=\"world\">",
        "href=\"/map#instance-A\"",
    ] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    assert!(!shown.contains("disk <span"), "what is not known is not shown");
    let promotable = |nth: u128| shown.contains(&format!("{PATH}/promote?id={}", id(nth)));
    assert!(promotable(1) && !promotable(2), "only who is there and reachable can lead: {shown}");
    let chinese = stage.shown(PATH, "zh-CN").await;
    for part in ["本实例", "主实例", "从实例", "失联", "同步失败", "个检测节点", "上移 hub-1"] {
        assert!(chinese.contains(part), "{part} is not in {chinese}");
    }
}

#[tokio::test]
async fn the_order_is_changed_step_by_step() {
    let stage = Stage::primary().await;
    let own = stage.store.instance().await.unwrap().id;
    let step = async |of: InstanceId, step: &str| {
        let reply = stage.post(&format!("{PATH}/order"), &format!("id={of}&step={step}")).await;
        assert_eq!(
            (reply.status, reply.header("location")),
            (StatusCode::SEE_OTHER, Some("/admin/instances?done=moved"))
        );
    };
    let names = async || stage.order().await.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    step(id(2), "up").await;
    let order = stage.order().await;
    let numbers: Vec<&Value> = order.iter().map(|(_, number)| number).collect();
    assert_eq!(numbers, [&json!(1), &json!(2), &json!(3)], "equal numbers become different");
    let before = names().await;
    // This instance moves like any other.
    let place = before.iter().position(|name| name == "hub-0").unwrap();
    let (direction, to) = if place == 0 { ("down", 1) } else { ("up", place - 1) };
    step(own, direction).await;
    assert_eq!(names().await[to], "hub-0");
    for _ in 0..4 {
        step(id(2), "up").await;
    }
    assert_eq!(names().await[0], "hub-2", "it stays at the end of the order");
    assert!(stage.shown("/admin/instances?done=moved", "en").await.contains("The order is changed."));

    // An instance that registers again keeps the place that it was given, until it names another one.
    let mut register: Value = serde_json::from_str(include_str!("../fixtures/sync-register.json")).unwrap();
    register["instanceId"] = json!(id(3));
    register["instanceName"] = json!("hub-3");
    register["failoverOrder"] = json!(50);
    let place = async |register: &Value| {
        let request = Request::post("/sync/api/register").header("authorization", format!("Bearer {SECRET}"));
        let reply = stage.send(request.header("content-type", "application/json"), register.to_string()).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{reply:?}");
        stage.order().await.into_iter().position(|(name, _)| name == "hub-3").unwrap()
    };
    assert_eq!(place(&register).await, 3);
    step(id(3), "up").await;
    assert_eq!(place(&register).await, 2);
    register["failoverOrder"] = json!(0);
    assert_eq!(place(&register).await, 0);

    for (form, status) in [
        (format!("id={}&step=up", id(9)), StatusCode::NOT_FOUND),
        (format!("id={}&step=left", id(1)), StatusCode::BAD_REQUEST),
        ("id=x&step=up".to_owned(), StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(stage.post(&format!("{PATH}/order"), &form).await.status, status, "{form}");
    }
}

#[tokio::test]
async fn promotion_demotion_and_removal_are_confirmed_first() {
    let stage = Stage::primary().await;
    let own = stage.store.instance().await.unwrap().id;
    for (action, of, question) in [
        ("promote", id(1), "Make this instance the primary?"),
        ("demote", own, "Hand the lead to the next instance?"),
        ("remove", id(2), "Remove this instance from the cluster?"),
    ] {
        let asked = stage.shown(&format!("{PATH}/{action}?id={of}"), "en").await;
        let action = format!("action=\"{PATH}/{action}\"");
        let (of, epoch) = (format!("name=\"id\" value=\"{of}\""), "name=\"epoch\" value=\"1\"");
        for part in [question, &action, &of, epoch] {
            assert!(asked.contains(part), "{part} is not in {asked}");
        }
    }
    let unknown = stage.get(&format!("{PATH}/promote?id={}", id(9)), "en").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);

    let of = |of: InstanceId, epoch: i64| format!("id={of}&epoch={epoch}");
    for action in ["promote", "remove", "order"] {
        let form = format!("{}&step=up", of(id(1), 1));
        for foreign in [None, Some("https://evil.example"), Some("null")] {
            let refused = stage.post_from(&format!("{PATH}/{action}"), &form, foreign).await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{action} from {foreign:?}");
        }
    }
    let stranger = Request::post(format!("{PATH}/promote")).header("origin", format!("http://{}", stage.address));
    let stranger = stage.send(stranger, of(id(1), 1)).await;
    assert_eq!(stranger.header("location"), Some("/admin/login"));
    for (action, form, status, why) in [
        ("promote", of(id(1), 2), StatusCode::CONFLICT, "The primary changed meanwhile."),
        ("promote", of(id(2), 1), StatusCode::CONFLICT, "The primary does not reach it there"),
        ("promote", of(id(9), 1), StatusCode::NOT_FOUND, "no longer in the cluster"),
        ("demote", of(id(1), 1), StatusCode::CONFLICT, "Only the primary does that."),
        ("remove", of(id(1), 0), StatusCode::CONFLICT, "The primary changed meanwhile."),
    ] {
        let refused = stage.post(&format!("{PATH}/{action}"), &form).await;
        assert_eq!(refused.status, status, "{action} {form}");
        assert!(refused.text().contains(why), "{action} {form}: {}", refused.text());
    }
    assert_eq!(stage.store.handing_over_to().await.unwrap(), None);
    assert_eq!(stage.store.members().await.unwrap().len(), 2);

    for (action, form) in [("promote", of(id(1), 1)), ("demote", of(own, 1))] {
        let begun = stage.post(&format!("{PATH}/{action}"), &form).await;
        assert_eq!(
            (begun.status, begun.header("location")),
            (StatusCode::SEE_OTHER, Some("/admin/instances?done=begun"))
        );
        assert_eq!(stage.store.handing_over_to().await.unwrap(), Some(id(1)));
        let shown = stage.shown("/admin/instances?done=begun", "en").await;
        assert!(shown.contains("The hand-over has begun.") && shown.contains("Taking over"), "{shown}");
        stage.store.hand_over(None).await.unwrap();
    }
    let removed = stage.post(&format!("{PATH}/remove"), &of(id(2), 1)).await;
    assert_eq!(removed.header("location"), Some("/admin/instances?done=removed"));
    assert!(!stage.shown(PATH, "en").await.contains("hub-2"));
}

#[tokio::test]
async fn an_instance_that_takes_over_is_promoting_everywhere() {
    let stage = Stage::primary().await;
    stage.store.hand_over(Some(id(1))).await.unwrap();
    let status_of = async |stage: &Stage, of: InstanceId| {
        let request = Request::get("/sync/api/instances").header("authorization", format!("Bearer {SECRET}"));
        let listed = stage.send(request, "").await.json();
        let one = listed["instances"].as_array().unwrap().iter().find(|one| one["instanceId"] == json!(of)).cloned();
        one.unwrap()["status"].clone()
    };
    assert_eq!(status_of(&stage, id(1)).await, "promoting");
    assert_eq!(status_of(&stage, id(2)).await, "failed");
    let metrics = stage.hub.get("/metrics").await;
    let gauge = "easytier_uptime_instances{status=\"promoting\"} 1";
    assert!(metrics.text().contains(gauge), "{}", metrics.text());

    let dependent = Stage::dependent(false).await;
    let own = dependent.store.instance().await.unwrap().id;
    assert_eq!(status_of(&dependent, own).await, "active");
    dependent.status.update(|status| status.handing_over_to = Some(own));
    assert_eq!(status_of(&dependent, own).await, "promoting");
    dependent.status.update(|status| status.handing_over_to = Some(id(1)));
    assert_eq!(status_of(&dependent, id(1)).await, "failed", "it leads already");
}

#[tokio::test]
async fn a_dependent_shows_the_instances_and_changes_none() {
    let stage = Stage::dependent(false).await;
    let own = stage.store.instance().await.unwrap().id;
    let shown = stage.shown(PATH, "en").await;
    for part in [
        "This instance is a dependent of hub 1. Changes are made there: <code>http://192.0.2.1:3002</code>",
        "easytier-uptime hub role --leave",
        "easytier-uptime hub promote &#39;hub-0&#39;",
    ] {
        let plain = shown.replace("&apos;", "&#39;").replace('\'', "&#39;");
        assert!(plain.contains(part), "{part} is not in {shown}");
    }
    assert!(!shown.contains("name=\"step\"") && !shown.contains("/admin/instances/"), "{shown}");
    for (action, form) in
        [("order", "&step=up"), ("promote", "&epoch=3"), ("demote", "&epoch=3"), ("remove", "&epoch=3")]
    {
        for of in [own, id(1)] {
            let refused = stage.post(&format!("{PATH}/{action}"), &format!("id={of}{form}")).await;
            assert_eq!(refused.status, StatusCode::CONFLICT, "{action}");
            assert!(refused.text().contains("Only the primary does that."), "{action}");
            assert!(refused.text().contains("http://192.0.2.1:3002"), "{action}");
        }
    }
    for action in ["promote", "demote", "remove"] {
        let refused = stage.get(&format!("{PATH}/{action}?id={own}"), "en").await;
        assert_eq!(refused.status, StatusCode::CONFLICT, "{action}");
    }
    assert_eq!(stage.store.members().await.unwrap().len(), 1);
    assert_eq!(stage.store.instance().await.unwrap().role, Role::Dependent);
}

#[tokio::test]
async fn forms_with_edits_are_closed_at_a_dependent_and_open_elsewhere() {
    for is_dependent in [true, false] {
        let stage = if is_dependent { Stage::dependent(false).await } else { Stage::primary().await };
        if !is_dependent {
            add(&stage, &named("Own", "tcp://own.example.net:1")).await;
            stage.store.create_api_key("reader", None, Timestamp::now()).await.unwrap();
        }
        if is_dependent {
            // Its own node can be deleted; one of the primary cannot.
            let asked = stage.shown("/admin/nodes/1/delete", "en").await;
            assert!(!asked.contains("disabled") && stage.shown("/admin", "en").await.contains("/admin/nodes/1/delete"));
            stage.execute("UPDATE peers SET set_aside = FALSE").await;
        }
        let closed = "<fieldset class=\"closed\" disabled>";
        for path in [
            "/admin/nodes/1",
            "/admin/nodes/1/delete",
            "/admin/keys",
            "/admin/maintenance",
            "/admin/import",
            "/admin/settings",
            "/admin/sources",
        ] {
            let shown = stage.shown(path, "en").await;
            assert_eq!(shown.contains(closed), is_dependent, "{path}: {shown}");
            assert_eq!(shown.contains("This instance is a dependent of hub 1."), is_dependent, "{path}");
        }
        let nodes = stage.shown("/admin", "en").await;
        let actions = ["/admin/nodes/1/delete", "/admin/nodes/1/revoke", "/admin/nodes/1/watch"];
        let has_any = actions.iter().any(|action| nodes.contains(action));
        assert_eq!(has_any, !is_dependent, "{nodes}");
        assert_eq!(stage.shown("/admin/keys", "en").await.contains("/admin/keys/revoke"), !is_dependent);
        let submit = stage.shown("/submit", "en").await;
        assert_eq!(submit.contains("value=\"send\" disabled"), is_dependent, "{submit}");
        if is_dependent {
            // Whoever sends the form all the same is told why.
            for (path, form) in [
                ("/admin/nodes/1/delete", ""),
                ("/admin/keys", "kind=api&name=x"),
                ("/admin/maintenance", "title=x&all=true&minutes=60&time_zone=UTC"),
            ] {
                let refused = stage.post(path, form).await;
                assert_eq!(refused.status, StatusCode::CONFLICT, "{path}");
                assert!(refused.text().contains("http://192.0.2.1:3002"), "{path}: {}", refused.text());
            }
        }
    }
}

#[tokio::test]
async fn pages_say_that_the_primary_is_away_and_when_the_role_is_another_one() {
    let stage = Stage::dependent(true).await;
    let away = "The primary hub 1 has been away since 2023-11-14 22:13 UTC. This instance goes on alone.";
    for path in ["/admin", "/admin/keys", PATH] {
        assert!(stage.shown(path, "en").await.contains(away), "{path}");
        assert!(stage.shown(path, "zh-CN").await.contains("主实例 hub 1 自 2023-11-14 22:13（UTC）起失联"), "{path}");
    }
    for path in ["/", "/probes", "/submit"] {
        let shown = page(&stage, path).await;
        assert!(shown.contains(&format!("<p class=\"standing\" role=\"note\">{away}</p>")), "{path}: {shown}");
        assert!(!shown.contains("192.0.2.1"), "visitors do not see the address: {path}");
    }
    // A page that was kept for visitors follows.
    stage.status.update(|status| status.outage_since = None);
    let back = page(&stage, "/").await;
    assert!(back.contains("This instance is a dependent of hub 1.") && !back.contains(away), "{back}");
    assert!(read(&stage, "/", "zh").await.text().contains("本实例是 hub 1 的从实例。"));

    assert!(!stage.shown(PATH, "en").await.contains("Configured:"));
    stage.status.update(|status| status.configured = Some(Role::Primary));
    let shown = stage.shown(PATH, "en").await;
    assert!(shown.contains("Configured: primary. The role is dependent since a failover or a command."), "{shown}");
}

#[tokio::test]
async fn a_peer_that_is_set_aside_is_watched_again() {
    let stage = Stage::dependent(false).await;
    let listed = stage.shown("/admin", "en").await;
    for part in ["Local, not watched", "export the nodes and import the file at the primary"] {
        assert!(listed.contains(part), "{part} is not in {listed}");
    }
    assert_eq!(stage.post("/admin/nodes/1/watch", "").await.status, StatusCode::CONFLICT);

    // It leads; another one with this address keeps the peer aside.
    stage.store.promote("hub-0", None, 3, 3).await.unwrap();
    stage.execute("UPDATE peers SET set_aside = TRUE").await;
    let listed = stage.shown("/admin", "en").await;
    assert!(listed.contains("action=\"/admin/nodes/1/watch\"") && !listed.contains("import the file"), "{listed}");
    let watched = stage.post("/admin/nodes/1/watch", "").await;
    assert_eq!(watched.header("location"), Some("/admin?done=watched"), "{watched:?}");
    let listed = stage.shown("/admin?done=watched", "en").await;
    assert!(listed.contains("The node is watched again.") && !listed.contains("Local, not watched"), "{listed}");
    assert_eq!(stage.post("/admin/nodes/1/watch", "").await.status, StatusCode::NOT_FOUND, "it is watched already");
    assert_eq!(stage.post("/admin/nodes/-1/watch", "").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_lost_a_merge_is_listed() {
    let stage = Stage::primary().await;
    assert!(!stage.shown(PATH, "en").await.contains("Changes that were lost"));
    stage
        .execute(
            "INSERT INTO sync_conflicts (at, kind, uid, lost, won) VALUES (1700000000000, 'peer', 'u1', \
             '{\"name\":\"<b>mine</b>\",\"description\":\"same\"}', '{\"name\":\"theirs\",\"description\":\"same\"}'), \
             (1700000000000, 'setting', 'flap_damping', '{\"value\":3}', '{\"deletedAt\":1}')",
        )
        .await;
    let shown = stage.shown(PATH, "en").await;
    for part in [
        "Changes that were lost (2)",
        "Node: theirs",
        "<code>name</code> &lt;b&gt;mine&lt;/b&gt;",
        "<code>name</code> theirs",
        "Setting: flap_damping",
        "<code>value</code> 3",
        "deleted",
    ] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    assert!(!shown.contains("<code>description</code>"), "what both say is not shown: {shown}");
}

#[tokio::test]
async fn a_key_may_be_made_that_changes_instances() {
    let stage = Stage::primary().await;
    for (more, scopes) in
        [("", vec![Scope::Read]), ("&scope=read&scope=instances", vec![Scope::Read, Scope::Instances])]
    {
        let made = stage.post("/admin/keys", &format!("kind=api&name=k{}{more}", scopes.len())).await;
        assert_eq!(made.status, StatusCode::OK, "{made:?}");
        let keys = stage.store.credentials(easytier_uptime_store::domain::CredentialKind::Api).await.unwrap();
        assert_eq!(keys.last().unwrap().scopes, scopes.into_iter().collect());
    }
    assert!(stage.shown("/admin/keys", "en").await.contains("read, instances"));
}
