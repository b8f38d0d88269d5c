//! The forms as a browser without scripts sends them. The response is a redirect, or the form as it was sent with an error
//! message beside the field.

use axum::http::{Request, StatusCode};
use easytier_uptime_hub::service::password;
use easytier_uptime_store::domain::{
    Contacts, NodeFilter, PageRequest, PeerId, PeerOrder, PeerRecord, PeerSpec, Presence, Timestamp,
};

use crate::{
    PASSWORD, add,
    http::{PublicHub, Reply},
    hub, log_in, named,
    support::{Engine, TestStore},
};

/// A hub, and the session cookie of its operator.
struct Desk {
    hub: PublicHub,
    cookie: String,
    origin: String,
}

impl Desk {
    async fn new() -> Self {
        let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
        let cookie = log_in(&hub).await;
        let origin = format!("http://{}", hub.address);
        Self { hub, cookie, origin }
    }

    /// Sends a form as one of the operator's pages does.
    async fn post(&self, path: &str, form: &str) -> Reply {
        let request = Request::post(path).header("cookie", &self.cookie).header("origin", &self.origin);
        self.hub.send(request.header("accept-language", "en"), form.to_owned()).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.hub.send(Request::get(path).header("cookie", &self.cookie).header("accept-language", "en"), "").await
    }

    async fn record(&self, id: PeerId) -> PeerRecord {
        self.hub.peer(id).await.unwrap()
    }

    /// The id in the operator's pages of a node that waits for approval.
    async fn submitted(&self, name: &str) -> i64 {
        let spec = named(name, &format!("tcp://{name}.example.net:11010"));
        -self.hub.waiting(&spec, Timestamp::now()).await.0
    }

    /// A listed node.
    async fn listed(&self, name: &str) -> PeerId {
        add(&self.hub, &named(name, &format!("tcp://{name}.example.net:11010"))).await
    }
}

/// Fails unless the reply is a redirect to `location`.
#[track_caller]
fn assert_redirect(reply: &Reply, location: &str) {
    assert_eq!((reply.status, reply.header("location")), (StatusCode::SEE_OTHER, Some(location)), "{reply:?}");
}

/// The label of an input or text area, found by the field's name.
#[track_caller]
fn field<'a>(page: &'a str, name: &str) -> &'a str {
    let start = page.find(&format!(" name=\"{name}\"")).unwrap_or_else(|| panic!("no field {name} in {page}"));
    let rest = &page[start..];
    &rest[..rest.find("</label>").unwrap_or(rest.len())]
}

#[tokio::test]
async fn the_operator_logs_in_and_out() {
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    password::set(&hub.store, &PASSWORD.into(), Timestamp::now()).await.unwrap();
    let origin = format!("http://{}", hub.address);
    let log_in = async |origin: &str, language: &str, password: &str| {
        let request = Request::post("/admin/login").header("origin", origin).header("accept-language", language);
        hub.send(request, serde_html_form::to_string([("password", password)]).unwrap()).await
    };
    let form = hub.send(Request::get("/admin/login").header("accept-language", "en"), "").await;
    assert!(form.text().contains("method=\"post\" action=\"/admin/login\""), "{}", form.text());

    for foreign in ["https://evil.example", "null"] {
        let reply = log_in(foreign, "en", PASSWORD).await;
        assert_eq!((reply.status, reply.header("set-cookie")), (StatusCode::FORBIDDEN, None), "{foreign}");
    }
    for (language, words) in [("en", "The password is wrong."), ("zh-CN", "密码错误。")] {
        let wrong = log_in(&origin, language, "another").await;
        assert_eq!((wrong.status, wrong.header("set-cookie")), (StatusCode::UNAUTHORIZED, None));
        assert!(wrong.text().contains(words) && wrong.text().contains("aria-invalid=\"true\""), "{}", wrong.text());
        assert!(!wrong.text().contains("another"));
    }

    let reply = log_in(&origin, "en", PASSWORD).await;
    assert_redirect(&reply, "/admin");
    let set_cookie = reply.header("set-cookie").unwrap();
    assert!(set_cookie.contains("HttpOnly") && set_cookie.contains("SameSite=Strict"), "{set_cookie}");
    let cookie = set_cookie.split(';').next().unwrap().to_owned();
    let admin = async || hub.send(Request::get("/admin").header("cookie", &cookie), "").await;
    assert_eq!(admin().await.status, StatusCode::OK);

    let log_out = async |origin: &str| {
        hub.send(Request::post("/admin/logout").header("origin", origin).header("cookie", &cookie), "").await
    };
    assert_eq!(log_out("https://evil.example").await.status, StatusCode::FORBIDDEN);
    assert_eq!(admin().await.status, StatusCode::OK);
    let left = log_out(&origin).await;
    assert_redirect(&left, "/");
    assert!(left.header("set-cookie").unwrap().contains("Max-Age=0"), "{left:?}");
    assert_redirect(&admin().await, "/admin/login");
}

#[tokio::test]
async fn logins_are_limited() {
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    password::set(&hub.store, &PASSWORD.into(), Timestamp::now()).await.unwrap();
    let mut refused = None;
    for _ in 0..11 {
        let request = Request::post("/admin/login").header("origin", format!("http://{}", hub.address));
        let reply = hub.send(request.header("accept-language", "zh"), "password=wrong").await;
        refused = Some(reply).filter(|reply| reply.status == StatusCode::TOO_MANY_REQUESTS).or(refused);
    }
    let refused = refused.expect("the eleventh login within a minute is refused");
    assert!(refused.header("retry-after").is_some() && refused.text().contains("请求过于频繁"), "{refused:?}");
}

#[tokio::test]
async fn a_node_is_approved_and_revoked() {
    let desk = Desk::new().await;
    let id = desk.submitted("waiting").await;
    let page = desk.get("/admin?search=wait").await;
    assert!(page.text().contains(&format!("action=\"/admin/nodes/{id}/approve?search=wait\"")), "{}", page.text());

    let approved = desk.post(&format!("/admin/nodes/{id}/approve?search=wait"), "").await;
    assert_redirect(&approved, "/admin?search=wait&done=approved");
    let id = desk.hub.export_peers().await.unwrap()[0].id;
    assert!(desk.record(id).await.approved);
    let listed = desk.get("/admin?search=wait&done=approved").await;
    assert!(listed.text().contains("The node is listed."), "{}", listed.text());
    assert!(!listed.text().contains("done=approved\""), "no link repeats what was done: {}", listed.text());

    assert_redirect(&desk.post(&format!("/admin/nodes/{id}/revoke"), "").await, "/admin?done=revoked");
    assert!(!desk.record(id).await.approved);
    let unlisted = desk.get("/admin").await;
    assert!(unlisted.text().contains("Waiting for approval (0)") && unlisted.text().contains("Not listed (1)"));
    assert_redirect(&desk.post(&format!("/admin/nodes/{id}/approve"), "").await, "/admin?done=approved");
    for action in ["approve", "revoke"] {
        let missing = desk.post(&format!("/admin/nodes/1000/{action}"), "").await;
        assert_eq!(missing.status, StatusCode::NOT_FOUND);
        assert!(missing.text().starts_with("<!DOCTYPE html>"), "{missing:?}");
    }
}

#[tokio::test]
async fn a_node_is_deleted_after_a_question() {
    let desk = Desk::new().await;
    let id = desk.listed("unwanted").await;
    let path = format!("/admin/nodes/{id}/delete");
    let question = desk.get(&path).await;
    assert!(question.text().contains("Delete this node?") && question.text().contains("unwanted"), "{question:?}");
    assert!(question.text().contains(&format!("method=\"post\" action=\"{path}\"")), "{}", question.text());
    assert_eq!(desk.hub.export_peers().await.unwrap().len(), 1, "the question deletes nothing");
    assert_redirect(&desk.post(&path, "").await, "/admin?done=deleted");
    assert_eq!(desk.hub.export_peers().await.unwrap(), []);
    assert_eq!(desk.get(&path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(desk.post(&path, "").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_submission_is_changed_or_rejected() {
    let desk = Desk::new().await;
    let id = desk.submitted("wrong").await;
    let path = format!("/admin/nodes/{id}");
    let form = desk.get(&path).await;
    assert!(form.text().contains("value=\"wrong.example.net\""), "{}", form.text());
    assert_redirect(&desk.post(&path, EDIT).await, "/admin?done=saved");
    let page = desk.get("/admin").await;
    assert!(page.text().contains("New name") && page.text().contains("udp://new.example.net:7"), "{}", page.text());

    let question = desk.get(&format!("{path}/delete")).await;
    assert!(question.text().contains("Reject this submission?"), "{}", question.text());
    assert_redirect(&desk.post(&format!("{path}/delete"), "").await, "/admin?done=rejected");
    assert!(desk.get("/admin?done=rejected").await.text().contains("The submission is rejected."));
    assert_eq!(desk.get(&path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(desk.hub.export_peers().await.unwrap(), []);
}

#[tokio::test]
async fn the_queue_shows_what_is_on_file_already() {
    let desk = Desk::new().await;
    let (listed, first, second) =
        (desk.listed("same").await, desk.submitted("same").await, desk.submitted("same").await);
    let page = desk.get("/admin").await.text().to_owned();
    assert!(page.contains("This address and network belong to node"), "{page}");
    for id in [listed.0, first, second] {
        assert!(page.contains(&format!("href=\"/admin/nodes/{id}\">{id}</a>")), "no link to {id}: {page}");
    }
    assert!(!page.contains(&format!("/admin/nodes/{first}/approve")), "it cannot be approved: {page}");
    let refused = desk.post(&format!("/admin/nodes/{first}/approve"), "").await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{refused:?}");
}

/// The form of a node with all fields.
const EDIT: &str = "name=New+name&protocol=udp&host=new.example.net&port=7&description=&tags=a%EF%BC%8Cb&max_connections=9\
                    &regions=eu,+asia&check=handshake&timeout_ms=1500&network_name=lan&network_secret=&mail=&qq_number=77\
                    &wechat=";

#[tokio::test]
async fn a_node_is_edited() {
    let desk = Desk::new().await;
    let stored = PeerSpec {
        description: "Old <description>".into(),
        allow_relay: true,
        network_name: Some("lan".into()),
        network_secret: Some("the old secret".into()),
        contacts: Contacts { mail: Some("owner@example.net".into()), ..Contacts::default() },
        ..named("Old name", "tcp://old.example.net:11010")
    };
    let id = add(&desk.hub, &stored).await;
    let path = format!("/admin/nodes/{id}");
    let form = desk.get(&path).await;
    for expected in ["value=\"Old name\"", "Old &lt;description&gt;", "value=\"owner@example.net\"", "value=\"11010\""]
    {
        assert!(form.text().contains(expected), "no {expected} in {}", form.text());
    }
    assert!(!form.text().contains("the old secret") && form.text().contains("name=\"remove_secret\""));

    assert_redirect(&desk.post(&path, EDIT).await, "/admin?done=saved");
    let spec = desk.record(id).await.spec;
    assert_eq!((spec.name.as_str(), spec.url.to_string().as_str()), ("New name", "udp://new.example.net:7"));
    assert_eq!((spec.description.as_str(), spec.allow_relay, spec.max_connections), ("", false, 9));
    assert_eq!(spec.tags.iter().map(|tag| tag.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(spec.regions.iter().map(|region| region.as_str()).collect::<Vec<_>>(), ["asia", "eu"]);
    assert_eq!((spec.mode, spec.timeout.unwrap().as_millis()), (easytier_probe::CheckMode::Handshake, 1500));
    assert_eq!(spec.network_secret, Some("the old secret".into()), "an empty field leaves the secret");
    assert_eq!(spec.contacts, Contacts { qq_number: Some("77".into()), ..Contacts::default() });

    let changed = EDIT.replace("network_secret=", "network_secret=the+new+secret");
    assert_redirect(&desk.post(&path, &changed).await, "/admin?done=saved");
    assert_eq!(desk.record(id).await.spec.network_secret, Some("the new secret".into()));
    assert_redirect(&desk.post(&path, &format!("{EDIT}&remove_secret=true")).await, "/admin?done=saved");
    assert_eq!(desk.record(id).await.spec.network_secret, None);
}

#[tokio::test]
async fn a_node_that_somebody_else_changed_is_not_overwritten() {
    let desk = Desk::new().await;
    for id in [desk.listed("listed").await.0, desk.submitted("submitted").await] {
        let path = format!("/admin/nodes/{id}");
        let value = async |name: &str| {
            let page = desk.get(&path).await.text().to_owned();
            let (_, rest) = page.split_once(&format!("name=\"{name}\"")).unwrap();
            rest.split("value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
        };
        let (mine, theirs) = (value("seen").await, value("seen").await);
        let form = |name: &str, seen: &str| format!("name={name}&host=192.0.2.1&protocol=tcp&check=full&seen={seen}");
        assert_redirect(&desk.post(&path, &form("first", &theirs)).await, "/admin?done=saved");
        let second = form("second", &mine);
        let refused = desk.post(&path, &second).await;
        assert_eq!(refused.status, StatusCode::CONFLICT);
        let text = refused.text();
        assert!(text.contains("Somebody changed this node while you were editing it"), "{text}");
        assert!(text.contains("value=\"second\""), "what was filled in is not lost: {text}");
        assert_eq!(value("name").await, "first");
        // The refused form does not overwrite either when it is sent again; the page read again does.
        assert_eq!(desk.post(&path, &second).await.status, StatusCode::CONFLICT);
        assert_redirect(&desk.post(&path, &form("second", &value("seen").await)).await, "/admin?done=saved");
    }
}

#[tokio::test]
async fn what_is_wrong_with_an_edit_stands_beside_the_field() {
    let desk = Desk::new().await;
    let id = add(&desk.hub, &named("Node", "tcp://node.example.net:11010")).await;
    add(&desk.hub, &named("Other", "udp://other.example.net:7")).await;
    let path = format!("/admin/nodes/{id}");
    let before = desk.record(id).await;
    for (name, from, to, problem) in [
        ("name", "name=New+name", "name=+", "Fill in this field."),
        ("host", "host=new.example.net", "host=a%2Fb", "Enter a host name or an IP address"),
        ("port", "port=7", "port=many", "Enter a whole number from 1 to 65535."),
        ("max_connections", "max_connections=9", "max_connections=0", "Enter a whole number from 1 to 1000000."),
        ("tags", "tags=a", &format!("tags={}", "x".repeat(65)), "Each entry must have 1 to 64 characters"),
        ("regions", "regions=eu", &format!("regions={}", "x".repeat(65)), "Each entry must have 1 to 64 characters"),
        ("timeout_ms", "timeout_ms=1500", "timeout_ms=60001", "60000"),
        ("mail", "mail=", "mail=nobody", "Enter an email address"),
    ] {
        let refused = desk.post(&path, &EDIT.replacen(from, to, 1)).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{to}");
        let wrong = field(refused.text(), name);
        assert!(wrong.contains("aria-invalid=\"true\"") && wrong.contains(problem), "{to}: {wrong}");
        assert!(refused.text().contains("value=\"77\""), "{to}: the rest of the form is kept");
    }
    let taken =
        EDIT.replace("host=new.example.net", "host=other.example.net").replace("network_name=lan", "network_name=");
    let refused = desk.post(&path, &taken).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.text().contains("already listed") && refused.text().contains("value=\"New name\""), "{refused:?}");
    assert_eq!(desk.record(id).await, before, "nothing was changed");
    assert_eq!(desk.post("/admin/nodes/1000", EDIT).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_refused_edit_is_explained_in_chinese_on_a_chinese_page() {
    let desk = Desk::new().await;
    let id = add(&desk.hub, &named("Node", "tcp://node.example.net:11010")).await;
    let request = Request::post(format!("/admin/nodes/{id}")).header("cookie", &desk.cookie);
    let request = request.header("origin", &desk.origin).header("accept-language", "zh-CN");
    let refused = desk.hub.send(request, EDIT.replace("host=new.example.net", "host=")).await;
    let wrong = field(refused.text(), "host");
    assert!(wrong.contains("请填写域名或 IP 地址"), "{wrong}");
    assert!(refused.text().contains("操作未完成") && !refused.text().contains("Enter "), "{}", refused.text());
}

#[tokio::test]
async fn an_offline_probe_is_removed_after_a_question() {
    let desk = Desk::new().await;
    let probe = desk.hub.local_probe("pod 1/a", &"eu".parse().unwrap(), Timestamp::now()).await.unwrap();
    desk.hub.heartbeat(&probe, None, Timestamp::now()).await.unwrap();
    let path = "/admin/probes/remove?server_id=pod+1%2Fa";

    let online = desk.get("/admin/probes").await;
    assert!(online.text().contains("pod 1/a") && !online.text().contains(path), "{}", online.text());
    let refused = desk.post("/admin/probes/remove", "server_id=pod+1%2Fa").await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.text().contains("Only an offline probe can be removed."), "{}", refused.text());

    desk.hub.unregister_probe(&probe, Timestamp::now()).await.unwrap();
    let probes = desk.hub.probes(Timestamp::now()).await.unwrap();
    assert_eq!(probes.iter().map(|probe| probe.presence).collect::<Vec<_>>(), [Presence::Offline]);
    assert!(desk.get("/admin/probes").await.text().contains(path));
    let question = desk.get(path).await;
    assert!(question.text().contains("Remove this probe?") && question.text().contains("pod 1/a"), "{question:?}");
    let removed = desk.post("/admin/probes/remove", "server_id=pod+1%2Fa").await;
    assert_redirect(&removed, "/admin/probes?done=removed");
    assert!(desk.hub.probes(Timestamp::now()).await.unwrap().is_empty());
    assert_eq!(desk.post("/admin/probes/remove", "server_id=pod+1%2Fa").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_key_form_that_is_refused_keeps_what_was_filled_in() {
    let desk = Desk::new().await;
    let refused = desk.post("/admin/keys", "kind=enrollment&name=new+probes&region=a%2Cb").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let page = refused.text();
    assert!(field(page, "region").contains("Each entry must have 1 to 64 characters"), "{page}");
    assert!(page.contains("value=\"new probes\"") && page.contains("value=\"enrollment\" selected"), "{page}");
}

#[tokio::test]
async fn a_node_is_tested_and_submitted() {
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    let own = format!("http://{}", hub.address);
    let post = async |origin: &str, language: &str, form: &str| {
        let request = Request::post("/submit").header("origin", origin).header("accept-language", language);
        hub.send(request.header("x-forwarded-for", "198.51.100.7"), form.to_owned()).await
    };
    let filled = "name=%3Cb%3EMine&protocol=udp&host=127.0.0.1&port=11010&tags=games,home&max_connections=7&allow_relay=true\
                  &network_name=lan&network_secret=hush&mail=owner%40example.net";
    // This hub's checker allows local addresses; strangers may not use that.
    let tested = post(&own, "en", &format!("step=test&{filled}")).await;
    assert_eq!((tested.status, tested.header("cache-control")), (StatusCode::OK, Some("no-store")));
    let page = tested.text();
    assert!(page.contains("The node could not be used") && page.contains("forbidden_address"), "{page}");
    for kept in
        ["value=\"&lt;b&gt;Mine\"", "value=\"udp\" selected", "value=\"games,home\"", "value=\"owner@example.net\""]
    {
        assert!(page.contains(kept), "no {kept} in {page}");
    }
    assert!(!page.contains("hush") && page.contains("Enter the secret again"), "{page}");
    assert_eq!(hub.export_peers().await.unwrap(), [], "a test stores nothing");

    for (language, wrong, words) in [
        ("en", "step=send&name=Mine&host=node.example.net", "Enter at least one contact"),
        ("zh", "step=send&name=Mine&host=a%2Fb&mail=a%40b", "请填写域名或 IP 地址"),
        ("en", "step=send&host=node.example.net&mail=a%40b", "Fill in this field."),
        ("en", "step=test&host=node.example.net&port=many", "Enter a whole number from 1 to 65535."),
        ("zh", "step=test&host=node.example.net&path=%2Fa+b", "请填写路径，例如 /easytier"),
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
    let waiting = async || {
        hub.submissions(&NodeFilter::default(), PeerOrder::OldestFirst, PageRequest::default()).await.unwrap().items
    };
    let spec = &waiting().await[0].spec;
    assert!(spec.allow_relay && spec.max_connections == 7);
    assert_eq!((spec.name.as_str(), spec.url.to_string().as_str()), ("<b>Mine", "udp://127.0.0.1:11010"));
    assert_eq!(spec.network_secret, Some("hush".into()));
    let again = post(&own, "en", &format!("step=send&{filled}")).await;
    assert!(again.status == StatusCode::OK && again.text().contains("listed once it is approved"), "{again:?}");
    assert_eq!(waiting().await.len(), 2);
    let proxied = "name=Behind+nginx&protocol=wss&host=node.example.net&path=%2Fet%3Fx%3D1&mail=owner%40example.net";
    assert!(post(&own, "en", &format!("step=send&{proxied}")).await.text().contains("listed once it is approved"));
    assert_eq!(waiting().await[2].spec.url.full(), "wss://node.example.net:443/et?x=1");

    let mut refused = None;
    for _ in 0..7 {
        let reply = post(&own, "en", "step=test&host=127.0.0.1").await;
        refused = Some(reply).filter(|reply| reply.status != StatusCode::OK).or(refused);
    }
    let refused = refused.expect("strangers' tests are limited");
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.header("retry-after").is_some() && refused.text().contains("Try again in"), "{refused:?}");
}

#[tokio::test]
async fn a_refused_import_is_explained_in_chinese_on_a_chinese_page() {
    let desk = Desk::new().await;
    let request = Request::post("/admin/import").header("cookie", &desk.cookie).header("origin", &desk.origin);
    let form = serde_html_form::to_string([("peers", "tcp://new.example.net:1\n<b>")]).unwrap();
    let refused = desk.hub.send(request.header("accept-language", "zh-CN"), form).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let page = refused.text();
    assert!(page.contains("未导入任何节点") && page.contains("第 2 行：地址缺少协议"), "{page}");
    assert!(page.contains("tcp://new.example.net:1\n&lt;b&gt;</textarea>"), "the list is kept: {page}");
}

#[tokio::test]
async fn an_import_leaves_invalid_entries_out_and_names_them_if_the_operator_says_so() {
    let desk = Desk::new().await;
    let post = async |language: &str, form: &[(&str, &str)]| {
        let request = Request::post("/admin/import").header("cookie", &desk.cookie).header("origin", &desk.origin);
        let form = serde_html_form::to_string(form).unwrap();
        desk.hub.send(request.header("accept-language", language), form).await
    };
    let some = ("peers", "tcp://good.example.net:1\nnothing\ntcp://****:1");
    let skip = ("skip_invalid", "true");
    let count = async || desk.hub.export_peers().await.unwrap().len();
    let before = count().await;
    let page = post("en", &[some]).await;
    assert_eq!((page.status, count().await), (StatusCode::BAD_REQUEST, before));
    assert!(page.text().contains("<input type=\"checkbox\" name=\"skip_invalid\" value=\"true\">"), "{}", page.text());
    for (language, step, left_out, place) in [
        ("en", "preview", "Invalid entries left out: 2.", "line 2: "),
        ("zh", "import", "已忽略 2 个无效条目：", "第 2 行：地址缺少协议"),
    ] {
        let page = post(language, &[some, skip, ("step", step)]).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.text().contains(left_out) && page.text().contains(place), "{}", page.text());
        let is_kept =
            page.text().contains("value=\"true\" checked") && page.text().contains("nothing\ntcp://****:1</text");
        assert_eq!((is_kept, count().await), (step == "preview", before + usize::from(step == "import")), "{language}");
    }
    let none = post("en", &[("peers", "nothing"), skip]).await;
    assert!(none.status == StatusCode::BAD_REQUEST && none.text().contains("Nothing was imported"), "{}", none.text());
}

/// A maintenance window that takes place now.
const WINDOW: &str = "title=New+disks&all=true&time_zone=UTC&minutes=60";

/// Every form that changes something, with a valid body.
fn forms(id: PeerId) -> Vec<(String, String)> {
    let node = format!("/admin/nodes/{id}");
    let forms = [
        (node.clone(), EDIT),
        ("/admin/nodes/-1/approve".into(), ""),
        (format!("{node}/approve"), ""),
        (format!("{node}/revoke"), ""),
        (format!("{node}/delete"), ""),
        ("/admin/probes/remove".into(), "server_id=p1"),
        ("/admin/queue".into(), "decision=reject&id=-1"),
        ("/admin/keys".into(), "kind=api&name=reader"),
        ("/admin/maintenance".into(), WINDOW),
        ("/admin/maintenance/1".into(), WINDOW),
        ("/admin/maintenance/1/end".into(), ""),
        ("/admin/maintenance/1/remove".into(), ""),
        ("/admin/keys/revoke".into(), "kind=node&id=1"),
        ("/admin/settings".into(), "FLAP_DAMPING=7"),
        ("/admin/sources".into(), "url=https%3A%2F%2Flist.example%2F&every=1h"),
        ("/admin/sources/1/fetch".into(), ""),
        ("/admin/sources/1/remove".into(), ""),
        ("/admin/import".into(), "peers=tcp%3A%2F%2Fimported.example.net%3A1"),
        ("/admin/logout".into(), ""),
    ];
    forms.map(|(path, form)| (path, form.to_owned())).into()
}

#[tokio::test]
async fn no_form_is_taken_from_strangers_or_from_pages_of_other_sites() {
    let test = TestStore::new(Engine::Sqlite).await;
    let serving = hub::TestHub::on(&test).await;
    let id = test.add("tcp://listed.example.net:1").await;
    test.waiting(&named("waiting", "tcp://waiting.example.net:1"), Timestamp::now()).await;
    serving.token("p1", "eu").await;
    let desk = Desk { cookie: String::new(), origin: String::new(), hub: PublicHub::over(test).await };
    let cookie = log_in(&desk.hub).await;
    let own = format!("http://{}", desk.hub.address);
    let before = serving.kept().await;
    for (path, form) in forms(id) {
        let stranger = desk.hub.send(Request::post(&path).header("origin", &own), form.clone()).await;
        assert_redirect(&stranger, "/admin/login");
        for origin in [None, Some("https://evil.example"), Some("null")] {
            let mut request = Request::post(&path).header("cookie", &cookie);
            if let Some(origin) = origin {
                request = request.header("origin", origin);
            }
            let foreign = desk.hub.send(request, form.clone()).await;
            assert_eq!(foreign.status, StatusCode::FORBIDDEN, "{path} from {origin:?}");
        }
    }
    assert_eq!(serving.kept().await, before, "nothing was changed");
    let admin = desk.hub.send(Request::get("/admin").header("cookie", &cookie), "").await;
    assert_eq!(admin.status, StatusCode::OK, "the session goes on");
    // The same forms are taken from a page of this hub.
    for (path, form) in forms(id) {
        let request = Request::post(&path).header("cookie", &cookie).header("origin", &own);
        let taken = desk.hub.send(request, form).await;
        let expected = [StatusCode::OK, StatusCode::SEE_OTHER, StatusCode::NOT_FOUND];
        assert!(expected.contains(&taken.status), "{path}: {taken:?}");
    }
    assert_ne!(serving.kept().await, before);
}

#[tokio::test]
async fn every_form_of_a_page_is_plain_html() {
    let desk = Desk::new().await;
    let id = desk.submitted("waiting").await;
    add(&desk.hub, &named("Listed", "tcp://listed.example.net:1")).await;
    let pages = [
        "/",
        "/submit",
        "/admin/login",
        "/admin",
        "/admin/keys",
        "/admin/probes",
        "/admin/import",
        "/admin/maintenance",
        "/admin/settings",
        "/admin/sources",
        &format!("/admin/nodes/{id}"),
        &format!("/admin/nodes/{id}/delete"),
        "/admin/probes/remove?server_id=p1",
    ];
    for path in pages {
        let page = desk.get(path).await.text().to_owned();
        for form in page.split("<form").skip(1) {
            let tag = form.split('>').next().unwrap();
            assert!(tag.contains("method=\"post\"") || tag.contains("method=\"get\""), "{path}: {tag}");
            assert!(tag.contains("action=\"/") && !tag.contains("/api/"), "{path}: {tag}");
        }
    }
}
