//! `/nodes/{id}/subscribe`: takes the form on the page of a node. The answer is the same for each mailbox.

use axum::{
    extract::{Request, State},
    http::header,
    response::{IntoResponse, Response},
};
use easytier_uptime_store::domain::PeerId;
use maud::{Markup, html};
use serde::Deserialize;

use crate::{
    pages::{
        form::{self, Fields, Input},
        layout::{self, Place},
        site::Site,
        standing,
        view::View,
    },
    service::FieldError,
    web::{self, Poster, Refusal, input::Path, parameter::NodePath},
};

/// The longest address (RFC 5321).
const LONGEST: usize = 254;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AskForm {
    address: String,
}

/// Has who reads the mailbox asked whether they want mails about the node.
pub async fn subscribe(
    State(site): State<Site>,
    view: View,
    Poster(from): Poster,
    Path(NodePath { id }): Path<NodePath>,
    request: Request,
) -> Result<Response, Refusal> {
    web::own_page(request.headers())?;
    let AskForm { address } = form::read_from_stranger(request).await?;
    let texts = view.language.subscriptions();
    let response = match site.subscriptions.ask(from, id, &address, view.language.of_messages()).await {
        Ok(()) => shown(&view, id, &form::done(texts.asked), &html! {}).into_response(),
        Err(error) => {
            let again = form(&view, id, &address, form::field_error(&error));
            let page = shown(&view, id, &form::refused(&view, &error), &again);
            form::with_refusal(page.into_response(), error)
        }
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], response).into_response())
}

fn shown(view: &View, id: PeerId, outcome: &Markup, form: &Markup) -> Markup {
    let texts = view.language.subscriptions();
    let content = html! {
        div.heading { h1 { (texts.title) } }
        (outcome)
        (form)
        p { a href=(format!("/nodes/{id}")) { (texts.back) } }
    };
    layout::page(view, Place::Nodes, texts.title, &content)
}

/// The form that asks for mails about a node.
pub fn form(view: &View, id: PeerId, address: &str, wrong: Option<&FieldError>) -> Markup {
    let texts = view.language.subscriptions();
    let input = Input::text("address", texts.address, address, LONGEST).required();
    let input = Input { kind: "email", autocomplete: "email", ..input };
    let form = html! {
        form.sheet method="post" action=(format!("/nodes/{id}/subscribe")) {
            p.muted { (texts.hint) }
            (Fields::new(view.language, wrong).input(&input))
            button type="submit" { (texts.subscribe) }
        }
    };
    standing::edits(view, &form)
}
