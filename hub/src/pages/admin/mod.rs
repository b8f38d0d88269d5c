//! `/admin`: for the person who runs the hub.
//!
//! What changes something is sent by the script to the admin's API, or as a form to a page here; both take the session's
//! cookie only from pages of this hub.

mod edit;
mod events;
mod export;
mod import;
mod keys;
mod login;
mod nodes;
mod probes;
mod settings;

use axum::{
    Router,
    extract::{FromRequestParts, Request},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use maud::{Markup, html};
use serde::de::DeserializeOwned;

use super::{
    Site,
    layout::{self, Place},
    view::View,
};
use crate::web::{self, Refusal, input};

pub fn routes() -> Router<Site> {
    Router::new()
        .route("/admin", get(nodes::page))
        .route("/admin/login", get(login::page))
        .route("/admin/nodes/{id}", get(edit::page))
        .route("/admin/keys", get(keys::page).post(keys::create))
        .route("/admin/keys/revoke", post(keys::revoke))
        .route("/admin/probes", get(probes::page))
        .route("/admin/events", get(events::page))
        .route("/admin/settings", get(settings::page).post(settings::change))
        .route("/admin/import", get(import::page).post(import::import))
        .route("/admin/export.json", get(export::export))
}

/// The admin is logged in. Who is not is sent to the login.
pub struct Operator;

impl FromRequestParts<Site> for Operator {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Response> {
        match web::is_admin(parts, &site.app.sessions).await {
            Ok(true) => Ok(Self),
            Ok(false) => Err((StatusCode::SEE_OTHER, [(header::LOCATION, "/admin/login")]).into_response()),
            Err(refusal) => Err(refusal.into_response()),
        }
    }
}

/// A page of the admin's, which nobody keeps a copy of.
fn page(view: &View, title: &str, content: &Markup) -> Response {
    let texts = view.texts();
    let places = [
        ("/admin", texts.nodes),
        ("/admin/keys", texts.keys),
        ("/admin/probes", texts.probes),
        ("/admin/events", texts.events),
        ("/admin/import", texts.import),
        ("/admin/settings", texts.settings),
    ];
    let content = html! {
        div.heading {
            h1 { (texts.admin) ": " (title) }
            form.inline data-api="POST" action="/api/admin/logout" data-then="/" {
                button type="submit" { (texts.log_out) }
            }
        }
        nav.tabs aria-label=(texts.admin) {
            @for (path, name) in places { a href=(path) aria-current=[(view.path == path).then_some("page")] { (name) } }
        }
        div.outcome #outcome role="status" aria-live="polite" data-failed=(texts.failed) {}
        (content)
    };
    let page = layout::page(view, Place::Elsewhere, &format!("{}: {title}", texts.admin), &content);
    ([(header::CACHE_CONTROL, "no-store")], page).into_response()
}

/// What a form that is sent to a page here says.
async fn form<T: DeserializeOwned>(request: Request) -> Result<T, Refusal> {
    let body = input::read(request).await?;
    serde_html_form::from_bytes(&body).map_err(|error| Refusal::bad_request(error.to_string()))
}

/// A button that asks the admin's API for something, and shows this page anew.
fn act(method: &str, path: &str, text: &str, class: &str, confirm: Option<&str>) -> Markup {
    html! {
        form.inline data-api=(method) action=(path) data-confirm=[confirm] {
            button class=(class) type="submit" { (text) }
        }
    }
}
