//! The pages of the operator.

use std::time::Duration;

use axum::http::{Request, StatusCode};
use easytier_uptime_store::domain::{
    Contacts, CredentialKind, DAY, EnrollmentKey, Intervals, LiveSetting, LiveSettings, NewProbe, NodeFilter,
    PageRequest, PeerOrder, PeerSpec, Registration, Timestamp,
};

use crate::{
    add,
    http::PublicHub,
    log_in, named, read,
    support::{Engine, TestStore},
};

#[tokio::test]
async fn the_pages_of_the_operator_need_a_session() {
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    let waiting = named("Waiting", "tcp://waiting.example.net:1");
    let waiting = hub.waiting(&waiting, Timestamp::now()).await;
    let paths = [
        "/admin/import",
        "/admin/settings",
        "/admin/sources",
        "/admin",
        "/admin/keys",
        "/admin/probes",
        "/admin/events",
        "/admin/status-changes",
        "/admin/instances",
        "/admin/maintenance",
        "/admin/export.json",
        &format!("/admin/nodes/-{waiting}"),
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
async fn contacts_of_a_node_say_what_they_are() {
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    let contacts =
        Contacts { mail: Some("owner@example.net".into()), qq_number: Some("77".into()), wechat: Some("owner".into()) };
    let waiting = PeerSpec { contacts, ..named("Waiting", "tcp://waiting.example.net:1") };
    hub.waiting(&waiting, Timestamp::now()).await;
    let cookie = log_in(&hub).await;
    for (language, shown) in [
        ("en", ["<div>owner@example.net</div>", "<div>QQ number: 77</div>", "<div>WeChat: owner</div>"]),
        ("zh", ["<div>owner@example.net</div>", "<div>QQ 号：77</div>", "<div>微信：owner</div>"]),
    ] {
        let request = Request::get("/admin").header("cookie", &cookie).header("accept-language", language);
        let page = hub.send(request, "").await;
        for contact in shown {
            assert!(page.text().contains(contact), "{contact}: {}", page.text());
        }
    }
}

#[tokio::test]
async fn every_node_that_waits_for_approval_is_listed() {
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    for nth in 1..=51 {
        let submitted = named(&format!("node-{nth}."), &format!("tcp://{nth}.example.net:1"));
        hub.waiting(&submitted, Timestamp::now()).await;
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
    // A page number after the last page shows the last page.
    for query in ["?queue=2", "?queue=3", "?search=node-51"] {
        assert_eq!(shown(query).await.0, ["51"], "{query}");
    }
}

#[tokio::test]
async fn selected_submissions_are_approved_or_rejected_together_after_a_confirmation() {
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    add(&hub, &named("listed", "tcp://1.example.net:1")).await;
    for nth in 1..=4 {
        let submitted = named(&format!("<node {nth}>"), &format!("tcp://{nth}.example.net:1"));
        hub.waiting(&submitted, Timestamp::now()).await;
    }
    let cookie = log_in(&hub).await;
    let own = format!("http://{}", hub.address);
    let get = async |path: &str, language: &str| {
        let request = Request::get(path).header("cookie", &cookie).header("accept-language", language);
        let reply = hub.send(request, "").await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        reply.text().to_owned()
    };
    let post = async |path: &str, form: &'static str| {
        let reply = hub.send(Request::post(path).header("cookie", &cookie).header("origin", &own), form).await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER, "{reply:?}");
        reply.header("location").unwrap().to_owned()
    };
    let page = get("/admin?search=node", "en").await;
    for part in [
        r#"<form class="heading" id="decide" action="/admin/queue" method="get">"#,
        r#"<input type="hidden" name="search" value="node">"#,
        r#"<input type="checkbox" form="decide" name="id" value="-4" aria-label="Select: &lt;node 4&gt;">"#,
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }

    let asked = get("/admin/queue?search=node&shown=-1&shown=-2&decision=reject&id=-2&id=-3", "zh-CN").await;
    assert!(asked.contains("拒绝这些提交？ (2)") && asked.contains("&lt;node 3&gt;"), "{asked}");
    assert!(!asked.contains("node 1") && !asked.contains("node 4"), "{asked}");
    assert!(asked.contains(r#"action="/admin/queue?search=node""#) && asked.contains(r#"href="/admin?search=node""#));
    let all = get("/admin/queue?decision=approve&all=yes&shown=-1&shown=-2&id=-4", "en").await;
    assert!(all.contains("Approve these submissions? (3)"), "{all}");
    for none in ["", "&id=-99", "&shown=-1", "&id=1"] {
        let page = get(&format!("/admin/queue?decision=reject{none}"), "en").await;
        assert!(page.contains("No waiting submission is selected."), "{none}: {page}");
    }
    assert_eq!(
        hub.submissions(&NodeFilter::default(), PeerOrder::OldestFirst, PageRequest::default()).await.unwrap().total,
        4,
        "only asked"
    );

    let back = post("/admin/queue?search=node", "decision=reject&id=-2&id=-3").await;
    assert_eq!(back, "/admin?search=node&rejected=2&listed=0&gone=0");
    assert!(get(&back, "en").await.contains("Rejected: 2."));
    let back = post("/admin/queue", "decision=approve&id=-1&id=-2&id=-4").await;
    let page = get(&back, "zh-CN").await;
    assert!(page.contains("已上架 1 个。1 个因相同地址和网络的节点已存在，仍待审核。另有 1 个"), "{page}");
    assert!(
        page.contains("待审核 (1)") && !page.contains("id=\"decide\""),
        "one is decided by its own buttons: {page}"
    );
}

#[tokio::test]
async fn a_key_is_shown_once_and_created_by_pages_of_the_hub_only() {
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
        ("kind=enrollment&name=new&any_region=true", "ete_"),
    ] {
        let made = post("/admin/keys", Some(&own), form).await;
        assert_eq!(made.status, StatusCode::OK, "{made:?}");
        let token = kept(made.text()).unwrap();
        assert!(token.starts_with(prefix) && hub.authenticate(&token, Timestamp::now()).await.unwrap().is_some());
        let again = hub.send(Request::get("/admin/keys").header("cookie", &cookie), "").await;
        assert!(again.text().contains("reader") && !again.text().contains(&token));
    }
    for wrong in [
        "kind=api&name=",
        "kind=other&name=x",
        "name=x",
        "kind=node&name=x&region=a%2Cb",
        "kind=enrollment&name=x",
        "kind=enrollment&name=x&region=eu&uses=-1",
        "kind=api&name=x&days=3651",
    ] {
        assert_eq!(post("/admin/keys", Some(&own), wrong).await.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    let reader = post("/admin/keys", Some(&own), "kind=api&name=second").await;
    let token = kept(reader.text()).unwrap();
    assert_eq!(
        post("/admin/keys/revoke", Some("https://evil.example"), "kind=api&id=4").await.status,
        StatusCode::FORBIDDEN
    );
    assert!(hub.authenticate(&token, Timestamp::now()).await.unwrap().is_some());
    assert_eq!(post("/admin/keys/revoke", Some(&own), "kind=api&id=4").await.status, StatusCode::SEE_OTHER);
    assert!(hub.authenticate(&token, Timestamp::now()).await.is_err());
}

#[tokio::test]
async fn the_page_of_keys_shows_their_limits_and_why_they_ended() {
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    let cookie = log_in(&hub).await;
    let create = async |form: &'static str| {
        let request = Request::post("/admin/keys").header("cookie", &cookie);
        let made = hub.send(request.header("origin", format!("http://{}", hub.address)), form).await;
        assert_eq!(made.status, StatusCode::OK, "{made:?}");
    };
    create("kind=enrollment&name=usual&region=eu").await;
    create("kind=enrollment&name=one&region=eu&uses=1&days=30").await;
    create("kind=enrollment&name=unlimited&any_region=true&uses=0&days=0").await;
    create("kind=api&name=reader").await;
    let now = Timestamp::now();
    let keys = hub.credentials(CredentialKind::Enrollment).await.unwrap();
    let limits: Vec<_> =
        keys.iter().map(|key| (key.max_uses, key.expires_at.map(|at| at.since(key.created_at)))).collect();
    assert_eq!(limits, [(Some(10), Some(7 * DAY)), (Some(1), Some(30 * DAY)), (None, None)]);
    assert_eq!(hub.credentials(CredentialKind::Api).await.unwrap()[0].expires_at, None);
    let key = EnrollmentKey { id: keys[1].id, region: None };
    let (eu, registration) = ("eu".parse().unwrap(), Registration::default());
    let new = NewProbe { server_id: "p", region: &eu, registration: &registration, token: None };
    hub.enroll_probe(&key, &new, now).await.unwrap();
    hub.create_api_key("old", Some(now - DAY), now).await.unwrap();
    for (language, texts) in [
        ("en", ["0 / 10", "1 / 1", "used up", "in 29 days", "expired", "never"]),
        ("zh", ["0 / 10", "1 / 1", "次数已用完", "29 天后", "已过期", "长期有效"]),
    ] {
        let page = hub.send(Request::get(format!("/admin/keys?lang={language}")).header("cookie", &cookie), "").await;
        for text in texts {
            assert!(page.text().contains(text), "{text}: {}", page.text());
        }
    }
}

#[tokio::test]
async fn an_import_adds_new_nodes_or_says_what_is_wrong() {
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
    assert!(good.text().contains("Added: 1. Already listed: 1."), "{}", good.text());
    let foreign = hub.send(Request::post("/admin/import").header("cookie", &cookie), "peers=tcp://other:1").await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    assert_eq!(hub.export_peers().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_hub_imports_the_export_of_another() {
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
    let revoked = add(&from, &named("Revoked", "udp://revoked.example.net:1")).await;
    from.approve(revoked, false).await;
    let stranger = from.waiting(&named("Strange", "udp://strange.example.net:1"), Timestamp::now()).await;
    from.approve_submission(stranger, Timestamp::now()).await.unwrap();
    from.waiting(&named("Waiting", "udp://waiting.example.net:1"), Timestamp::now()).await;
    let cookie = log_in(&from).await;
    let exported = from.send(Request::get("/admin/export.json").header("cookie", &cookie), "").await;

    let cookie = log_in(&to).await;
    let request = Request::post("/admin/import").header("cookie", &cookie);
    let request = request.header("origin", format!("http://{}", to.address));
    let form = serde_html_form::to_string([("peers", exported.text())]).unwrap();
    let reply = to.send(request, form).await;
    assert!(reply.text().contains("Added: 3. Already listed: 0. Added but not listed: 1."), "{}", reply.text());
    let of = async |hub: &PublicHub| {
        let records = hub.export_peers().await.unwrap();
        records.into_iter().map(|record| (record.spec, record.approved, record.submitted)).collect::<Vec<_>>()
    };
    assert_eq!(of(&to).await, of(&from).await);
}

#[tokio::test]
async fn two_operators_do_not_overwrite_each_others_settings() {
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    let cookie = log_in(&hub).await;
    let save = async |form: String| {
        let request = Request::post("/admin/settings").header("cookie", &cookie);
        hub.send(request.header("origin", format!("http://{}", hub.address)), form).await
    };
    let page = hub.send(Request::get("/admin/settings").header("cookie", &cookie), "").await;
    let value = |name: &str| {
        let rest = page.text().split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    let names = ["FLAP_DAMPING", "RESULT_RETENTION", "EVENT_RETENTION"];
    // Both have the page open. Each sends the whole form, with one change.
    let form = |changed: &str, to: &str| {
        let fields = names.iter().flat_map(|name| {
            let now = if *name == changed { to.to_owned() } else { value(name) };
            [((*name).to_owned(), now), (format!("seen_{name}"), value(&format!("seen_{name}")))]
        });
        serde_html_form::to_string(fields.collect::<Vec<_>>()).unwrap()
    };
    assert_eq!(save(form("FLAP_DAMPING", "3")).await.status, StatusCode::SEE_OTHER);
    assert_eq!(save(form("RESULT_RETENTION", "72h")).await.status, StatusCode::SEE_OTHER);
    let refused = save(form("FLAP_DAMPING", "5")).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.text().contains("Somebody changed the same setting"), "{}", refused.text());
    hub.reload_live_settings().await.unwrap();
    let stored = hub.live_settings();
    assert_eq!((stored.policy.confirmations, stored.retention.results), (3, 3 * DAY));
}

#[tokio::test]
async fn settings_are_saved_if_all_of_them_are_valid() {
    let mut test = TestStore::new(Engine::Sqlite).await;
    let intervals = Intervals { check: Duration::from_secs(5), report: Duration::from_secs(30) };
    test.options.intervals = Some(intervals);
    test.options.fixed = [(LiveSetting::CheckInterval, "--health-check-interval".to_owned())].into();
    test.store = test.second_hub().await.unwrap();
    let usual = LiveSettings { intervals: Some(intervals), ..LiveSettings::default() };
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
    assert!(
        before.contains("--health-check-interval") && !before.contains("name=\"HEALTH_CHECK_INTERVAL\""),
        "{before}"
    );

    let foreign = save("https://evil.example", "en", "FLAP_DAMPING=3").await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    let wrong = save(&own, "zh", "FLAP_DAMPING=3&RESULT_RETENTION=%3Cb%3E1h").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(wrong.text().contains("value=\"&lt;b&gt;1h\"") && wrong.text().contains("未保存"), "{}", wrong.text());
    hub.reload_live_settings().await.unwrap();
    assert_eq!(hub.live_settings(), usual, "all or nothing");

    let saved = save(
        &own,
        "en",
        "FLAP_DAMPING=3&REGION_DOUBT_NODES=0&RESULT_RETENTION=+72h+&HEALTH_CHECK_INTERVAL=1s&UNKNOWN=1",
    )
    .await;
    assert_eq!((saved.status, saved.header("location")), (StatusCode::SEE_OTHER, Some("/admin/settings?saved=yes")));
    hub.reload_live_settings().await.unwrap();
    let mut expected = usual;
    (expected.policy.confirmations, expected.policy.doubt_nodes, expected.retention.results) = (3, 0, 3 * DAY);
    assert_eq!(hub.live_settings(), expected);
    assert!(shown().await.contains("name=\"RESULT_RETENTION\" value=\"72h\""));
    save(&own, "en", "FLAP_DAMPING=&REGION_DOUBT_NODES=&RESULT_RETENTION=").await;
    hub.reload_live_settings().await.unwrap();
    assert_eq!(hub.live_settings(), usual, "an empty field is the usual value");
}

#[tokio::test]
async fn the_pages_of_a_dependent_say_where_its_primary_is() {
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    let own = add(&hub, &named("Own", "tcp://own.example.net:1")).await;
    let key = hub.create_api_key("reader", None, Timestamp::now()).await.unwrap().id;
    let cookie = log_in(&hub).await;
    hub.dependent().await;
    let origin = format!("http://{}", hub.address);
    let post = async |path: &str, language: &str, form: &str| {
        let request = Request::post(path).header("cookie", &cookie).header("origin", &origin);
        hub.send(request.header("accept-language", language), form.to_owned()).await
    };
    let revoke = format!("kind=api&id={key}");
    for (path, form) in [
        (format!("/admin/nodes/{own}/revoke").as_str(), ""),
        ("/admin/settings", "FLAP_DAMPING=3"),
        ("/admin/keys/revoke", revoke.as_str()),
        ("/admin/keys", "kind=api&name=another"),
        ("/admin/import", "peers=tcp%3A%2F%2F192.0.2.9%3A11010&step=import"),
    ] {
        let english = post(path, "en", form).await;
        assert_eq!(english.status, StatusCode::CONFLICT, "{path}: {english:?}");
        let expected = "This instance is a dependent of hub 1. Make the change there: http://192.0.2.1:3002";
        assert!(english.text().contains(expected), "{path}: {}", english.text());
        let chinese = post(path, "zh", form).await;
        assert_eq!(chinese.status, StatusCode::CONFLICT, "{path}: {chinese:?}");
        let expected = "本实例从属于 hub 1，请前往主实例修改：http://192.0.2.1:3002";
        assert!(chinese.text().contains(expected), "{path}: {}", chinese.text());
    }
    for (language, text) in [("en", "Local, not watched"), ("zh", "本地节点，未监测")] {
        let list = Request::get("/admin").header("cookie", &cookie).header("accept-language", language);
        assert!(hub.send(list, "").await.text().contains(text), "{language}");
    }
    assert_eq!(post(&format!("/admin/nodes/{own}/delete"), "en", "").await.status, StatusCode::SEE_OTHER);
}
