//! The frame of the operator's pages.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use maud::{Markup, html};

use crate::pages::{
    layout::{self, Place},
    standing,
    view::View,
};

/// A page of the operator, which caches must not store.
pub fn page(view: &View, title: &str, content: &Markup) -> Response {
    let texts = view.texts();
    let places = [
        ("/admin", texts.nodes),
        ("/admin/keys", texts.keys),
        ("/admin/probes", texts.probes),
        ("/admin/instances", texts.instances),
        ("/admin/maintenance", view.language.maintenance().title),
        ("/admin/channels", view.language.channels().title),
        ("/admin/alerts", view.language.alerts().title),
        ("/admin/events", texts.events),
        ("/admin/incidents", view.language.incidents().title),
        ("/admin/announcements", texts.announcements),
        ("/admin/import", texts.import),
        ("/admin/sources", view.language.sources().title),
        ("/admin/settings", texts.settings),
    ];
    let heading = view.language.labelled(texts.admin, title);
    let content = html! {
        div.heading {
            h1 { (heading) }
            form.inline method="post" action="/admin/logout" { button type="submit" { (texts.log_out) } }
        }
        nav.tabs aria-label=(texts.admin) {
            @for (path, name) in places { a href=(path) aria-current=[(view.path == path).then_some("page")] { (name) } }
        }
        (standing::notices(view))
        (content)
    };
    private(&layout::page(view, Place::Admin, &heading, &content))
}

/// A page that caches must not store.
pub fn private(page: &Markup) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], page.clone()).into_response()
}

/// A button that posts to `action`.
pub fn button(action: &str, text: &str, class: &str) -> Markup {
    html! { form.inline method="post" action=(action) { button class=(class) type="submit" { (text) } } }
}

/// The confirmation of a deletion, or of a decision.
pub struct Confirmation<'a> {
    pub title: &'a str,
    /// The names of the items.
    pub subject: Markup,
    pub hint: &'a str,
    /// The path to which the form is posted.
    pub action: &'a str,
    /// Hidden fields of the form.
    pub fields: &'a [(&'a str, &'a str)],
    pub button: &'a str,
    /// `danger`, or `primary` for what can be undone.
    pub class: &'a str,
    /// The page that the link to cancel leads to.
    pub back: &'a str,
    /// Whether it edits what instances share, which only the primary does.
    pub edits: bool,
}

/// The page that asks for confirmation. `outcome`: why the form was refused before, if it was.
pub fn confirmation(view: &View, outcome: &Markup, question: &Confirmation) -> Response {
    let form = html! {
        form.sheet method="post" action=(question.action) {
            fieldset {
                legend { (question.title) }
                p { (question.subject) }
                p.muted { (question.hint) }
                @for (name, value) in question.fields { input type="hidden" name=(name) value=(value); }
            }
            div.actions {
                button class=(question.class) type="submit" { (question.button) }
                a.button href=(question.back) { (view.texts().cancel) }
            }
        }
    };
    let content = html! {
        (outcome)
        @if question.edits { (standing::edits(view, &form)) } @else { (form) }
    };
    page(view, question.button, &content)
}
