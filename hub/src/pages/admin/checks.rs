//! `/admin/checks`: a check that the operator asks for now, and what the probes found.

use axum::{
    extract::State,
    http::{HeaderName, HeaderValue},
    response::{IntoResponse, Response},
};
use easytier_probe::{CheckResult, Status};
use easytier_uptime_store::domain::{CheckRun, RequestedCheck, RunOutcome, Timestamp, Verdict};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::{frame, operator::Operator};
use crate::{
    pages::{form::see_other, format, site::Site, view::View, widgets},
    service::{Asker, CheckWish, NodeId, ServiceError},
    web::{Client, EntryPath, Refusal, input::Path},
};

/// With it a browser loads the page again after so many seconds.
const REFRESH: HeaderName = HeaderName::from_static("refresh");

/// The id of a requested check in a path.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct CheckPath {
    id: Uuid,
}

/// Has all regions check a node now.
pub async fn request(
    _: Operator,
    State(site): State<Site>,
    Client(address): Client,
    Path(EntryPath { id }): Path<EntryPath>,
) -> Result<Response, Refusal> {
    let wish = match id {
        NodeId::Peer(id) => CheckWish { peer_id: Some(id.0), ..CheckWish::default() },
        NodeId::Pending(_) => {
            let url = site.admin.node(id).await?.spec().url.full();
            CheckWish { url: Some(url), ..CheckWish::default() }
        }
    };
    Ok(match site.checks.request(&Asker::Admin, address, &wish).await {
        Ok(check) => see_other(&format!("/admin/checks/{check}")),
        Err(error) => error.into_response(),
    })
}

/// What the probes found so far.
pub async fn page(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Path(CheckPath { id }): Path<CheckPath>,
) -> Result<Response, ServiceError> {
    let check = site.checks.requested(id).await?;
    let mut page = frame::page(&view, view.language.requested_checks().title, &shown(&view, &check));
    if check.is_running() {
        page.headers_mut().insert(REFRESH, HeaderValue::from_static("1"));
    }
    Ok(page)
}

fn shown(view: &View, check: &RequestedCheck) -> Markup {
    let (texts, language) = (view.language.requested_checks(), view.language);
    let hint = if check.is_running() { texts.running } else { texts.done };
    html! {
        section.panel {
            h2 { code { (check.url) } }
            p.muted { (widgets::ago(language, check.requested_at, Timestamp::now())) " · " (hint) }
            @if check.runs.is_empty() { p.empty { (texts.no_probe) } } @else { (table(view, check)) }
        }
        @if let Some(id) = check.peer {
            div.actions {
                (frame::button(&format!("/admin/nodes/{id}/check"), texts.again, ""))
                a.button href=(format!("/nodes/{id}")) { (view.texts().node) }
            }
        }
    }
}

fn table(view: &View, check: &RequestedCheck) -> Markup {
    let texts = view.texts();
    html! {
        div.frame {
            table.plain.stack {
                (widgets::table_head([texts.region, texts.probe, texts.status, texts.latency, texts.version]))
                tbody { @for run in &check.runs { (row(view, run)) } }
            }
        }
    }
}

fn row(view: &View, run: &CheckRun) -> Markup {
    let texts = view.texts();
    let (probe, region) = match &run.probe {
        Some((server_id, region)) => (server_id.as_str(), region.as_str()),
        None => ("", run.vantage.as_str()),
    };
    let found = match &run.outcome {
        RunOutcome::Done(result) => Some(&**result),
        RunOutcome::Waiting | RunOutcome::Unavailable => None,
    };
    let latency = found.and_then(|result| result.response_time).map(format::millis);
    html! {
        tr {
            th scope="row" { (region) }
            td data-label=(texts.probe) { (probe) }
            td data-label=(texts.status) { (state(view, &run.outcome)) }
            td data-label=(texts.latency) { (latency.unwrap_or_default()) }
            td data-label=(texts.version) { (found.and_then(|result| result.version.as_deref()).unwrap_or_default()) }
        }
    }
}

fn state(view: &View, outcome: &RunOutcome) -> Markup {
    let texts = view.language.requested_checks();
    match outcome {
        RunOutcome::Waiting => html! { span.muted { (texts.waiting) } },
        RunOutcome::Unavailable => widgets::marked(Verdict::Unknown, texts.unavailable),
        RunOutcome::Done(result) => html! {
            div { (widgets::state(view.language, verdict(result))) }
            @if let Some(code) = result.error { div.problem { (view.language.failure(code)) } }
            @if let Some(message) = &result.message { div.muted { (message) } }
        },
    }
}

fn verdict(result: &CheckResult) -> Verdict {
    match result.status {
        Status::Online => Verdict::Up,
        Status::Offline => Verdict::Down,
        _ => Verdict::Unknown,
    }
}
