//! The pages of the operator.

use axum::http::{Request, StatusCode};
use easytier_uptime_store::domain::{Contacts, DAY, LiveSetting, LiveSettings, PeerSpec, Timestamp};

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
async fn every_node_that_waits_for_approval_is_listed() {
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
    // A page number after the last page shows the last page.
    for query in ["?queue=2", "?queue=3", "?search=node-51"] {
        assert_eq!(shown(query).await.0, ["51"], "{query}");
    }
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
    from.submit_peer(&named("Waiting", "udp://waiting.example.net:1"), Timestamp::now()).await.unwrap();
    let cookie = log_in(&from).await;
    let exported = from.send(Request::get("/admin/export.json").header("cookie", &cookie), "").await;

    let cookie = log_in(&to).await;
    let request = Request::post("/admin/import").header("cookie", &cookie);
    let request = request.header("origin", format!("http://{}", to.address));
    let form = serde_html_form::to_string([("peers", exported.text())]).unwrap();
    let reply = to.send(request, form).await;
    assert!(reply.text().contains("Waiting for approval: 1."), "{}", reply.text());
    let of = async |hub: &PublicHub| {
        let records = hub.export_peers().await.unwrap();
        records.into_iter().map(|record| (record.spec, record.approved, record.submitted)).collect::<Vec<_>>()
    };
    assert_eq!(of(&to).await, of(&from).await);
}

#[tokio::test]
async fn settings_are_saved_if_all_of_them_are_valid() {
    let mut test = TestStore::new(Engine::Sqlite).await;
    test.options.fixed = [(LiveSetting::EventRetention, "--event-retention".to_owned())].into();
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
    hub.reload_live_settings().await.unwrap();
    assert_eq!(hub.live_settings(), LiveSettings::default(), "all or nothing");

    let saved =
        save(&own, "en", "FLAP_DAMPING=3&REGION_DOUBT_NODES=0&RESULT_RETENTION=+72h+&EVENT_RETENTION=48h&UNKNOWN=1")
            .await;
    assert_eq!((saved.status, saved.header("location")), (StatusCode::SEE_OTHER, Some("/admin/settings?saved=yes")));
    hub.reload_live_settings().await.unwrap();
    let mut expected = LiveSettings::default();
    (expected.policy.confirmations, expected.policy.doubt_nodes, expected.retention.results) = (3, 0, 3 * DAY);
    assert_eq!(hub.live_settings(), expected);
    assert!(shown().await.contains("name=\"RESULT_RETENTION\" value=\"72h\""));
    save(&own, "en", "FLAP_DAMPING=&REGION_DOUBT_NODES=&RESULT_RETENTION=").await;
    hub.reload_live_settings().await.unwrap();
    assert_eq!(hub.live_settings(), LiveSettings::default(), "an empty field is the usual value");
}
