//! `/admin/probes`: the probes by name, with everything that they report about themselves.

use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use easytier_uptime_store::domain::{Presence, Probe, Timestamp};
use maud::{Markup, html};
use serde::Deserialize;
use url::form_urlencoded;

use super::{
    frame::{self, Confirmation},
    operator::Operator,
};
use crate::{
    pages::{form, format::NOTHING, site::Site, standing, view::View, widgets},
    web::{Refusal, input::Query},
};

const REMOVE: &str = "/admin/probes/remove";

#[derive(Debug, Deserialize)]
pub struct ProbesQuery {
    #[serde(default)]
    done: Option<String>,
}

/// The probe that is to be removed.
#[derive(Debug, Deserialize)]
pub struct Removal {
    server_id: String,
}

pub async fn page(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Query(query): Query<ProbesQuery>,
) -> Result<Response, Refusal> {
    let (texts, now) = (view.texts(), Timestamp::now());
    let mut probes = site.store.probes(now).await?;
    probes.sort_by_key(|probe| probe.presence == Presence::Offline);
    let content = html! {
        p { a.button href="/admin/probes/managed" { (view.language.managed().title) } }
        @if query.done.is_some() { (form::done(texts.removed_done)) }
        @if probes.is_empty() { p.empty { (texts.no_probes) } }
        @for probe in &probes { (panel(&view, probe, now)) }
    };
    Ok(frame::page(&view, texts.probes, &content))
}

fn panel(view: &View, probe: &Probe, now: Timestamp) -> Markup {
    let (texts, language) = (view.texts(), view.language);
    let reported =
        [(texts.system, &probe.system), (texts.metadata, &probe.metadata), (texts.counters, &probe.counters)];
    html! {
        section.panel {
            div.heading {
                h3 { (probe.server_id) " " (widgets::presence(language, probe.presence)) }
                @if probe.presence == Presence::Offline && !standing::is_closed(view) {
                    a.button.danger href=(removal_of(&probe.server_id)) { (texts.remove) }
                }
            }
            dl.facts {
                dt { (texts.region) } dd { (probe.region) }
                dt { (texts.address) }
                dd { (probe.host.as_deref().unwrap_or(NOTHING)) @if let Some(port) = probe.port { ":" (port) } }
                dt { (texts.last_report) } dd { (widgets::ago(language, probe.last_seen_at, now)) }
                dt { (texts.version) } dd { (probe.version.as_deref().unwrap_or(NOTHING)) }
                @for (name, document) in reported {
                    @if let Some(document) = document { dt { (name) } dd { code { (document) } } }
                }
            }
        }
    }
}

fn removal_of(server_id: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("server_id", server_id).finish();
    format!("{REMOVE}?{query}")
}

/// Asks before a probe is removed.
pub async fn confirmation(_: Operator, view: View, Query(removal): Query<Removal>) -> Response {
    asked(&view, &removal.server_id, &form::no_outcome())
}

/// Removes a probe, which must be offline.
pub async fn remove(_: Operator, State(site): State<Site>, view: View, request: Request) -> Result<Response, Refusal> {
    let Removal { server_id } = form::read(request).await?;
    Ok(match site.admin.remove_probe(&server_id).await {
        Ok(()) => form::see_other("/admin/probes?done=removed"),
        Err(error) => {
            let page = asked(&view, &server_id, &form::refused(&view, &error));
            form::with_refusal(page, error).into_response()
        }
    })
}

fn asked(view: &View, server_id: &str, outcome: &Markup) -> Response {
    let texts = view.texts();
    let question = Confirmation {
        title: texts.remove_title,
        subject: html! { strong { (server_id) } },
        hint: texts.remove_hint,
        action: REMOVE,
        fields: &[("server_id", server_id)],
        button: texts.remove,
        class: "danger",
        back: "/admin/probes",
        edits: true,
    };
    frame::confirmation(view, outcome, &question)
}
