//! `/subscriptions`: where the links in mails to visitors lead. Reading the page changes nothing, because mail scanners follow links;
//! its forms confirm and unsubscribe. A POST to `/subscriptions/unsubscribe`, which mail programs send without asking the reader's
//! browser, unsubscribes at once (RFC 8058): its token is the authority, and not the page that sends it.
//!
//! The token is in the query and in the body, never in the path: paths are logged.

use axum::{
    extract::{FromRequestParts, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use easytier_uptime_store::domain::{PeerId, SubscribedNode};
use maud::{Markup, html};
use serde::Deserialize;

use crate::{
    pages::{
        form,
        layout::{self, Place},
        site::Site,
        standing,
        view::View,
    },
    service::{
        FieldError, FieldProblem, LinkError, ServiceError,
        subscriptions::{Linked, Which},
    },
    web::{
        self, Poster, Refusal,
        input::{self, Query},
    },
};

/// The path of the page.
pub const PATH: &str = "/subscriptions";

/// The path to which mail programs post.
pub const ONE_CLICK: &str = "/subscriptions/unsubscribe";

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
struct ManageForm {
    token: String,
    /// The id of a node, or `all`.
    confirm: Option<String>,
    /// The id of a node, or `all`.
    end: Option<String>,
}

pub async fn page(
    State(site): State<Site>,
    view: View,
    Query(query): Query<LinkQuery>,
) -> Result<Response, ServiceError> {
    let linked = site.subscriptions.linked(&query.token).await?;
    let texts = view.language.subscriptions();
    let outcome = match query.done.as_str() {
        "confirmed" => form::done(texts.was_confirmed),
        "ended" => form::done(texts.was_ended),
        _ => form::no_outcome(),
    };
    Ok(layout::private(&shown(&view.without_parameter("done"), &query.token, &linked, &outcome)))
}

/// Confirms or ends what the mailbox of the link asked for.
pub async fn act(State(site): State<Site>, Poster(_): Poster, request: Request) -> Result<Response, Refusal> {
    web::own_page(request.headers())?;
    let ManageForm { token, confirm, end } = form::read_from_stranger(request).await?;
    let done = match (confirm, end) {
        (Some(which), None) => site.subscriptions.confirm(&token, read(&which)?).await.map(|()| "confirmed"),
        (None, Some(which)) => site.subscriptions.unsubscribe(&token, read(&which)?).await.map(|()| "ended"),
        _ => Err(FieldError::new("confirm", FieldProblem::Missing).into()),
    };
    Ok(match done {
        // The token was genuine, so its characters are those of base64url.
        Ok(done) => form::see_other(&format!("{PATH}?token={token}&done={done}")),
        Err(error) => error.into_response(),
    })
}

fn read(which: &str) -> Result<Which, ServiceError> {
    match (which, which.parse()) {
        ("all", _) => Ok(Which::All),
        (_, Ok(id)) => Ok(Which::Node(PeerId(id))),
        _ => Err(FieldError::new("node", FieldProblem::UnknownKind).into()),
    }
}

/// Ends all subscriptions of the mailbox of the link, for a mail program. Programs of one provider come from few addresses, so only
/// guesses are limited.
pub async fn one_click(
    State(site): State<Site>,
    view: View,
    Query(query): Query<LinkQuery>,
    request: Request,
) -> Result<Response, Refusal> {
    let (mut parts, body) = request.into_parts();
    if !site.subscriptions.is_genuine(&query.token) {
        Poster::from_request_parts(&mut parts, &site).await?;
        return Err(ServiceError::from(LinkError::Wrong).into());
    }
    let body = input::read(Request::from_parts(parts, body), input::MAX_STRANGERS_BODY).await?;
    if !is_one_click(&body) {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "send List-Unsubscribe=One-Click (RFC 8058)"));
    }
    site.subscriptions.unsubscribe(&query.token, Which::All).await?;
    let linked = site.subscriptions.linked(&query.token).await?;
    Ok(layout::private(&shown(&view, &query.token, &linked, &form::done(view.language.subscriptions().was_ended))))
}

/// Whether a body says so, as a form or as one of several parts.
fn is_one_click(body: &[u8]) -> bool {
    let has = |text: &[u8]| body.windows(text.len()).any(|window| window == text);
    has(b"List-Unsubscribe") && has(b"One-Click")
}

fn shown(view: &View, token: &str, linked: &Linked, outcome: &Markup) -> Markup {
    let texts = view.language.subscriptions();
    let Linked { address, waiting, confirmed } = linked;
    let content = html! {
        div.heading { h1 { (texts.yours) } }
        (outcome)
        @if waiting.is_empty() && confirmed.is_empty() { section.panel { p.empty { (texts.nothing) } } } @else {
            p.muted { (view.language.labelled(texts.mailbox, address)) }
        }
        @if !waiting.is_empty() {
            @let form = list(token, waiting, &Buttons { action: "confirm", one: texts.confirm, all: Some(texts.confirm_all) });
            section.panel {
                h2 { (texts.waiting) }
                p.muted { (texts.waiting_hint) }
                @if standing::is_closed(view) { p.warning role="note" { (texts.at_dependent) } }
                (standing::edits(view, &form))
            }
        }
        @if !confirmed.is_empty() {
            section.panel {
                h2 { (texts.confirmed) }
                (list(token, confirmed, &Buttons { action: "end", one: texts.end, all: None }))
            }
        }
        @if !address.is_empty() {
            form.sheet method="post" action=(PATH) {
                input type="hidden" name="token" value=(token);
                fieldset {
                    legend { (texts.end_all) }
                    p.muted { (texts.end_all_hint) }
                    button type="submit" name="end" value="all" { (texts.end_all) }
                }
            }
        }
    };
    layout::page(view, Place::Elsewhere, texts.yours, &content)
}

/// What the buttons of a list do, and their texts.
struct Buttons {
    action: &'static str,
    one: &'static str,
    all: Option<&'static str>,
}

/// Nodes, each with a button, and a button for all.
fn list(token: &str, nodes: &[SubscribedNode], buttons: &Buttons) -> Markup {
    let Buttons { action, one, all } = *buttons;
    html! {
        form method="post" action=(PATH) {
            input type="hidden" name="token" value=(token);
            ul.changes {
                @for node in nodes {
                    li {
                        a href=(format!("/nodes/{}", node.peer)) { (node.name) }
                        button type="submit" name=(action) value=(node.peer) aria-label=(format!("{one}: {}", node.name)) { (one) }
                    }
                }
            }
            @if let Some(all) = all {
                div.actions { button.primary type="submit" name=(action) value="all" { (all) } }
            }
        }
    }
}
