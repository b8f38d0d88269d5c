//! The pages over HTTP, as a browser without JavaScript gets them.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

#[path = "../support/http.rs"]
mod http;
#[path = "../support/hub.rs"]
mod hub;
#[path = "../support/outage.rs"]
mod outage;
#[path = "../../../store/tests/support/mod.rs"]
mod support;

mod admin;
mod alerts;
mod announcements;
mod audit;
mod board;
mod channels;
mod checks;
mod desk;
mod forms;
mod frame;
mod incidents;
mod instances;
mod live;
mod maintenance;
mod managed;
mod map;
mod public;
mod reports;
mod rules;
mod sources;

use axum::http::{Request, StatusCode};
use easytier_probe::CheckResult;
use easytier_uptime_hub::service::password;
use easytier_uptime_store::domain::{PeerId, PeerSpec, ProbeIdentity, Timestamp};

use crate::{
    http::{PublicHub, Reply},
    support::spec,
};

/// A text that breaks out of a page which does not escape it.
const HOSTILE: &str = "</title><script>alert(1)</script><img src=x onerror=\"alert('2')\">&amp;";

/// The operator's password.
const PASSWORD: &str = "the admin's password";

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

/// A page in a language.
async fn read(hub: &PublicHub, path: &str, language: &str) -> Reply {
    hub.send(Request::get(path).header("accept", "text/html").header("accept-language", language), "").await
}

async fn page(hub: &PublicHub, path: &str) -> String {
    let reply = read(hub, path, "en").await;
    assert_eq!(reply.status, StatusCode::OK, "{path}: {reply:?}");
    reply.text().to_owned()
}

/// Logs in as the operator, and returns the cookie of the session.
async fn log_in(hub: &PublicHub) -> String {
    password::set(&hub.store, &PASSWORD.into(), Timestamp::now()).await.unwrap();
    let request = Request::post("/admin/login").header("origin", format!("http://{}", hub.address));
    let reply = hub.send(request, serde_html_form::to_string([("password", PASSWORD)]).unwrap()).await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER, "{reply:?}");
    reply.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}
