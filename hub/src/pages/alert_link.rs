//! `/alerts`: where the links in messages lead. Reading the page changes nothing, because mail scanners and previews of chats
//! follow links; its forms acknowledge and mute.
//!
//! The token is in the query and in the body, never in the path: paths are logged.

use std::time::Duration;

use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use easytier_uptime_store::domain::Verdict;
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    form, format,
    layout::{self, Place},
    site::Site,
    standing,
    view::View,
    widgets,
};
use crate::{
    service::{
        FieldError, FieldProblem, ServiceError,
        alerts::{LINK_HOURS, Linked},
    },
    web::{self, Poster, Refusal, input::Query},
};

const PATH: &str = "/alerts";

/// The link, and what was done before this page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct LinkQuery {
    token: String,
    done: String,
}

/// A button of the page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LinkForm {
    token: String,
    /// For how many hours to mute; empty to acknowledge.
    hours: String,
}

pub async fn page(
    State(site): State<Site>,
    view: View,
    Query(query): Query<LinkQuery>,
) -> Result<Response, ServiceError> {
    let linked = site.alerts.linked(&query.token).await?;
    let texts = view.language.alerts();
    let outcome = match query.done.as_str() {
        "acknowledged" if !linked.open.is_empty() => form::done(texts.acknowledged),
        "muted" => form::done(texts.muted),
        _ => form::no_outcome(),
    };
    Ok(layout::private(&shown(&view.without_parameter("done"), &query.token, &linked, &outcome)))
}

/// Acknowledges or mutes what the message is about.
pub async fn act(State(site): State<Site>, Poster(_): Poster, request: Request) -> Result<Response, Refusal> {
    web::own_page(request.headers())?;
    let LinkForm { token, hours } = form::read_from_stranger(request).await?;
    let done = match hours.as_str() {
        "" => site.alerts.acknowledge_by_link(&token).await.map(|()| "acknowledged"),
        hours => mute(&site, &token, hours).await.map(|()| "muted"),
    };
    Ok(match done {
        // The token was genuine, so its characters are those of base64url.
        Ok(done) => form::see_other(&format!("{PATH}?token={token}&done={done}")),
        Err(error) => error.into_response(),
    })
}

async fn mute(site: &Site, token: &str, hours: &str) -> Result<(), ServiceError> {
    let hours = LINK_HOURS.into_iter().find(|known| known.to_string() == hours);
    let hours = hours.ok_or_else(|| FieldError::new("hours", FieldProblem::UnknownKind))?;
    site.alerts.mute_by_link(token, Duration::from_secs(u64::from(hours) * 3600)).await
}

fn shown(view: &View, token: &str, linked: &Linked, outcome: &Markup) -> Markup {
    let (texts, message) = (view.language.alerts(), &linked.message);
    let content = html! {
        div.heading { h1 { (message.title) } }
        (outcome)
        section.panel {
            @for line in &message.lines { p { (line) } }
            @if !message.nodes.is_empty() {
                ul.changes {
                    @for node in &message.nodes {
                        li {
                            @if node.id > 0 { a href=(format!("/nodes/{}", node.id)) { (node.name) } } @else { span { (node.name) } }
                            span.muted { (node.what) }
                        }
                    }
                }
            }
        }
        section.panel {
            h2 { (texts.now) }
            (now(view, linked))
        }
        (forms(view, token, linked))
    };
    layout::page(view, Place::Elsewhere, &message.title, &content)
}

/// What of it is wrong now, who knows, and what is muted.
fn now(view: &View, linked: &Linked) -> Markup {
    let (texts, language) = (view.language.alerts(), view.language);
    let known = linked.open.iter().find_map(|one| one.acknowledged_by.as_deref().zip(one.acknowledged_at));
    let until = linked.mutes.iter().max_by_key(|mute| mute.until);
    html! {
        @if linked.open.is_empty() { p { (widgets::marked(Verdict::Up, texts.link_over)) } }
        @else { p { (widgets::marked(Verdict::Down, &language.labelled(texts.link_wrong, &linked.open.len().to_string()))) } }
        @if let Some((by, at)) = known { p { (language.acknowledged_by(by, at)) } }
        @if let Some(mute) = until { p { (texts.link_muted) " " (format::minute(mute.until)) " UTC · " (mute.muted_by) } }
    }
}

fn forms(view: &View, token: &str, linked: &Linked) -> Markup {
    let texts = view.language.alerts();
    let is_known = linked.open.iter().all(|one| one.acknowledged_by.is_some());
    let forms = html! {
        @if !is_known {
            form.sheet method="post" action=(PATH) {
                input type="hidden" name="token" value=(token);
                fieldset {
                    legend { (texts.acknowledge) }
                    p.muted { (texts.link_acknowledge_hint) }
                    button.primary type="submit" { (texts.acknowledge) }
                }
            }
        }
        form.sheet method="post" action=(PATH) {
            input type="hidden" name="token" value=(token);
            fieldset {
                legend { (texts.mute) }
                p.muted { @if linked.mutes_rule { (texts.link_mutes_rule) } @else { (texts.link_mute_hint) } }
                div.actions {
                    @for hours in LINK_HOURS {
                        button type="submit" name="hours" value=(hours) { (view.language.mute_for(hours)) }
                    }
                }
            }
        }
    };
    html! {
        @if standing::is_closed(view) { p.warning role="note" { (texts.link_dependent) } }
        (standing::edits(view, &forms))
    }
}
