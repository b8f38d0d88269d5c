//! What pages of other sites can have the browsers of their visitors do, on every route of the hub: nothing.

use std::collections::BTreeSet;

use easytier_probe::{CheckOptions, Checker};
use easytier_uptime_hub::{WebOptions, service::password};
use easytier_uptime_store::domain::Timestamp;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::{
    hub::{TestHub, send},
    support::{Engine, TestStore},
};

const PASSWORD: &str = "correct horse battery staple";

/// The route that mail programs post to for their readers. The token in the link of a mail is its authority.
const ONE_CLICK: &str = "/subscriptions/unsubscribe";

/// Pages and their assets, which `/openapi.json` leaves out. A new route is either documented or listed here.
const PAGES: [&str; 76] = [
    "/",
    "/admin",
    "/admin/alerts",
    "/admin/alerts/acknowledge",
    "/admin/alerts/mute",
    "/admin/alerts/repeat",
    "/admin/alerts/unmute",
    "/admin/announcements",
    "/admin/announcements/end",
    "/admin/channels",
    "/admin/channels/new",
    "/admin/channels/{id}",
    "/admin/channels/{id}/enable",
    "/admin/channels/{id}/remove",
    "/admin/channels/{id}/rules",
    "/admin/channels/{id}/rules/{rule}",
    "/admin/channels/{id}/rules/{rule}/remove",
    "/admin/channels/{id}/test",
    "/admin/checks/{id}",
    "/admin/events",
    "/admin/status-changes",
    "/admin/export.json",
    "/admin/import",
    "/admin/incidents",
    "/admin/incidents/{id}",
    "/admin/incidents/{id}/close",
    "/admin/incidents/{id}/name",
    "/admin/instances",
    "/admin/instances/demote",
    "/admin/instances/order",
    "/admin/instances/promote",
    "/admin/instances/remove",
    "/admin/keys",
    "/admin/keys/revoke",
    "/admin/login",
    "/admin/logout",
    "/admin/maintenance",
    "/admin/maintenance/{id}",
    "/admin/maintenance/{id}/end",
    "/admin/maintenance/{id}/remove",
    "/admin/nodes/{id}",
    "/admin/nodes/{id}/approve",
    "/admin/nodes/{id}/check",
    "/admin/nodes/{id}/delete",
    "/admin/nodes/{id}/revoke",
    "/admin/nodes/{id}/watch",
    "/admin/probes",
    "/admin/probes/managed",
    "/admin/probes/managed/{id}/push",
    "/admin/probes/managed/{id}/remove",
    "/admin/probes/remove",
    "/admin/queue",
    "/admin/settings",
    "/admin/sources",
    "/admin/sources/{id}/fetch",
    "/admin/sources/{id}/remove",
    "/alerts",
    "/assets/{name}",
    "/badge/{id}/latency.svg",
    "/badge/{id}/status.svg",
    "/badge/{id}/uptime.svg",
    "/events.atom",
    "/favicon.ico",
    "/incidents",
    "/incidents/{id}",
    "/live",
    "/map",
    "/nodes/{id}",
    "/nodes/{id}/events.atom",
    "/nodes/{id}/subscribe",
    "/probes",
    "/reports",
    "/reports/{month}",
    "/submit",
    "/subscriptions",
    "/subscriptions/unsubscribe",
];

async fn sqlite() -> TestHub {
    TestHub::on(&TestStore::new(Engine::Sqlite).await).await
}

/// The pattern of every route, from the router itself, whose `Debug` form lists them by number.
fn routes(hub: &TestHub) -> BTreeSet<String> {
    let checker = Checker::new(CheckOptions::default());
    let router = format!("{:?}", easytier_uptime_hub::router(hub.store.clone(), checker, WebOptions::default(), None));
    let patterns =
        router.split("RouteId(").skip(1).filter_map(|rest| rest.split_once("): \"")).filter_map(|(id, rest)| {
            let is_number = id.bytes().all(|byte| byte.is_ascii_digit());
            rest.split('"').next().filter(|pattern| is_number && pattern.starts_with('/')).map(str::to_owned)
        });
    // The paths under which axum keeps the fallback.
    let patterns: BTreeSet<String> = patterns.filter(|pattern| !pattern.contains("__private__")).collect();
    assert!(patterns.len() > 40, "{patterns:?}");
    patterns
}

async fn document(hub: &TestHub) -> Value {
    send(hub.get("/openapi.json")).await.body
}

/// A path of the pattern, of which the parts in braces are `part`.
fn filled(pattern: &str, part: &str) -> String {
    let fill = |segment: &str| if segment.starts_with('{') { part.to_owned() } else { segment.to_owned() };
    pattern.split('/').map(fill).collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn every_route_is_documented_or_a_page() {
    let hub = sqlite().await;
    let document = document(&hub).await;
    let documented: BTreeSet<String> = document["paths"].as_object().unwrap().keys().cloned().collect();
    let pages = PAGES.map(str::to_owned).into();
    assert_eq!(documented.intersection(&pages).collect::<Vec<_>>(), Vec::<&String>::new());
    assert_eq!(routes(&hub), &documented | &pages);
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            assert!(operation["summary"].is_string(), "{method} {path}");
            let is_for_the_admin = path.starts_with("/api/admin/") && path != "/api/admin/login";
            assert!(
                !is_for_the_admin || !operation["security"].is_null(),
                "{method} {path} does not say who may use it"
            );
        }
    }
}

#[tokio::test]
async fn no_route_takes_a_change_from_a_page_of_another_site() {
    let hub = sqlite().await;
    hub.peer("tcp://192.0.2.1:11010").await;
    password::set(&hub.store, &PASSWORD.into(), Timestamp::now()).await.unwrap();
    let login = send(hub.post("/api/admin/login", &json!({ "password": PASSWORD }))).await;
    let cookie = login.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let kept = hub.kept().await;
    let own = hub.url.clone();
    let foreign: [(&str, &[(&str, &str)]); 5] = [
        ("another site", &[("origin", "https://evil.example")]),
        ("a sandboxed page", &[("origin", "null")]),
        ("a browser without Origin", &[("sec-fetch-site", "cross-site")]),
        ("a sister site", &[("sec-fetch-site", "same-site")]),
        ("a redirect by another site", &[("origin", &own), ("sec-fetch-site", "cross-site")]),
    ];
    let mut refused = 0;
    for pattern in routes(&hub) {
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            for (who, headers) in foreign {
                let request = hub.request(method.clone(), &filled(&pattern, "1")).header("cookie", &cookie).body("{}");
                let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
                let reply = send(request).await;
                let words = reply.body.to_string();
                let is_refused = reply.status == 403
                    && (words.contains("Origin of the request")
                        || words.contains("did not come from a page of this hub"));
                let is_without_token = pattern == ONE_CLICK && reply.status == 404;
                assert!(
                    is_refused || reply.status == 405 || is_without_token,
                    "{method} {pattern} by {who}: {reply:?}"
                );
                refused += usize::from(is_refused);
            }
        }
    }
    assert!(refused > 500, "{refused}");
    assert_eq!(hub.kept().await, kept);
    // The same session and the same kind of request, by a page of the hub.
    let approve = hub.request(Method::POST, "/admin/nodes/1/revoke").header("cookie", &cookie);
    assert_eq!(send(approve.header("origin", &own).header("sec-fetch-site", "same-origin")).await.status, 200);
    assert_ne!(hub.kept().await, kept);
}

#[tokio::test]
async fn programs_that_are_no_browsers_need_no_origin() {
    let hub = sqlite().await;
    let node = json!({ "name": "n", "host": "192.0.2.7", "port": 11010, "mail": "o@example.net" });
    assert_eq!(send(hub.post("/api/nodes", &node)).await.status, 200);
    let own = json!({ "name": "n", "host": "192.0.2.8", "port": 11010, "mail": "o@example.net" });
    assert_eq!(send(hub.post("/api/nodes", &own).header("origin", &hub.url)).await.status, 200);
}

#[tokio::test]
async fn a_body_that_is_not_json_is_refused_by_every_route_that_takes_json() {
    let hub = sqlite().await;
    hub.peer("tcp://192.0.2.1:11010").await;
    password::set(&hub.store, &PASSWORD.into(), Timestamp::now()).await.unwrap();
    let login = send(hub.post("/api/admin/login", &json!({ "password": PASSWORD }))).await;
    let session = login.body["data"]["token"].as_str().unwrap().to_owned();
    let token = hub.token("1", "eu").await;
    let kept = hub.kept().await;
    let document = document(&hub).await;
    let mut routes = 0;
    for (pattern, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            // Instances of a cluster have an API of their own, with its own tests; this hub belongs to none.
            if operation.get("requestBody").is_none() || pattern.starts_with("/sync/api/") {
                continue;
            }
            routes += 1;
            assert!(operation["responses"]["415"].is_object(), "{method} {pattern}");
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let send_as = async |media_type: Option<&str>| {
                let request = hub.request(method.clone(), &filled(pattern, "1")).bearer_auth(&session);
                let request = request.header("x-node-token", &token).body("[");
                let with = |request: RequestBuilder, media_type: &str| request.header("content-type", media_type);
                send(
                    media_type
                        .map_or_else(|| request.try_clone().unwrap(), |to| with(request.try_clone().unwrap(), to)),
                )
                .await
            };
            for media_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
            {
                let reply = send_as(Some(media_type)).await;
                assert_eq!(reply.status, 415, "{method} {pattern} {media_type}: {reply:?}");
            }
            for media_type in
                [Some("application/json"), Some("Application/JSON; charset=utf-8"), Some("application/x+json"), None]
            {
                let reply = send_as(media_type).await;
                assert_eq!(reply.status, 400, "{method} {pattern} {media_type:?}: {reply:?}");
            }
        }
    }
    assert!(routes >= 9, "{routes}");
    assert_eq!(hub.kept().await, kept);
}
