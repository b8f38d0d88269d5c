//! `/admin/status-changes`: all changes of status and relaying, including those of nodes that are not listed, and of probes by name.

use axum::{extract::State, response::Response};
use easytier_uptime_store::domain::{EventKind, Timestamp};
use maud::html;
use serde::Deserialize;
use serde_html_form::de::empty_as_none;

use super::{frame, operator::Operator};
use crate::{
    pages::{format::NOTHING, site::Site, view::View, widgets},
    web::{Refusal, input::Query, parameter::Whole},
};

const PER_PAGE: u32 = 100;

#[derive(Debug, Deserialize)]
pub struct EventsQuery {
    /// The id of the oldest event on the previous page.
    #[serde(default, deserialize_with = "empty_as_none")]
    before: Option<Whole<1, { u32::MAX }>>,
}

pub async fn page(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Query(query): Query<EventsQuery>,
) -> Result<Response, Refusal> {
    let (texts, language, now) = (view.texts(), view.language, Timestamp::now());
    let mut events = site.store.events(None, query.before.map(|id| id.0.into()), PER_PAGE + 1, true).await?;
    let more = events.len() > PER_PAGE as usize;
    events.truncate(PER_PAGE as usize);
    let peers: Vec<i64> =
        events.iter().filter(|event| event.kind != EventKind::Probe).map(|event| event.subject_id).collect();
    let names = site.store.peer_names(&peers).await?;
    let content = html! {
        p { a href="/admin/events" { (view.language.audit().title) } }
        section.panel {
            @if events.is_empty() { p.empty { (texts.no_changes) } }
            ol.changes {
                @for event in &events {
                    li {
                        @match event.kind {
                            EventKind::Peer | EventKind::Relay => a href=(format!("/admin/nodes/{}", event.subject_id)) {
                                (names.get(&event.subject_id).map_or(NOTHING, String::as_str))
                            },
                            EventKind::Probe => span { (texts.probe) " " (event.detail["server_id"].as_str().unwrap_or(NOTHING)) },
                        }
                        span { (language.state(&event.was)) " → " b { (language.state(&event.became)) } }
                        (widgets::ago(language, event.at, now))
                    }
                }
            }
            @if more && let Some(last) = events.last() {
                nav.paging aria-label=(texts.pages) { a href=(view.with(&[("before", &last.id.to_string())])) { (texts.next) " →" } }
            }
        }
    };
    Ok(frame::page(&view, texts.changes, &content))
}
