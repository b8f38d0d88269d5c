//! `/admin/queue`: approves or rejects many submissions at once, after a confirmation.

use std::collections::BTreeSet;

use axum::{
    extract::{Request, State},
    response::Response,
};
use easytier_uptime_store::StoreError;
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    frame::{self, Confirmation},
    operator::Operator,
};
use crate::{
    pages::{
        form::{self, Outcome},
        site::Site,
        view::View,
    },
    service::{Decision, Entry, MAX_DECIDED, NodeId, ServiceError},
    web::{Refusal, input::Query},
};

const PATH: &str = "/admin/queue";

/// The id of the form to which the boxes of the table belong.
const FORM: &str = "decide";

/// The parameters of the form, which other pages do not have.
const PARAMETERS: [&str; 4] = ["decision", "id", "all", "shown"];

#[derive(Debug, Deserialize)]
pub struct QueueForm {
    decision: Decision,
    /// The submissions that were ticked.
    #[serde(default)]
    id: Vec<NodeId>,
    /// Whether all of `shown` are meant.
    #[serde(default)]
    all: Option<String>,
    /// The submissions on the page.
    #[serde(default)]
    shown: Vec<NodeId>,
}

impl QueueForm {
    fn ids(&self) -> BTreeSet<NodeId> {
        let shown = self.shown.iter().filter(|_| self.all.is_some());
        self.id.iter().chain(shown).copied().take(MAX_DECIDED).collect()
    }
}

/// The buttons above the queue. A form of its own, because the table has forms.
pub fn buttons(view: &View, entries: &[Entry]) -> Markup {
    let texts = view.texts();
    html! {
        form.heading #(FORM) action=(PATH) method="get" {
            @for (name, value) in kept(view).query { input type="hidden" name=(name) value=(value); }
            @for entry in entries { input type="hidden" name="shown" value=(entry.id()); }
            label.check { input type="checkbox" name="all" value="yes"; span { (texts.all_on_page) } }
            div {
                button type="submit" name="decision" value="approve" { (texts.approve_selected) }
                " " button.danger type="submit" name="decision" value="reject" { (texts.reject_selected) }
            }
        }
    }
}

/// The box that selects a submission.
pub fn tick(view: &View, entry: &Entry) -> Markup {
    let name = view.language.labelled(view.texts().select, &entry.spec().name);
    html! {
        label.pick { input type="checkbox" form=(FORM) name="id" value=(entry.id()) aria-label=(name); }
    }
}

/// Asks for confirmation.
pub async fn page(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Query(form): Query<QueueForm>,
) -> Result<Response, Refusal> {
    let texts = view.texts();
    let mut entries = Vec::new();
    for id in form.ids() {
        match site.admin.node(id).await {
            Ok(entry @ Entry::Pending(_)) => entries.push(entry),
            Ok(Entry::Peer(_)) | Err(ServiceError::Store(StoreError::NotFound(_))) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let back = kept(&view).at("/admin", &[]);
    let (title, hint, button, class) = match form.decision {
        Decision::Approve => (texts.approve_many_title, texts.approve_many_hint, texts.approve, "primary"),
        Decision::Reject => (texts.reject_many_title, texts.reject_many_hint, texts.reject, "danger"),
    };
    if entries.is_empty() {
        let content = html! { p { strong { (texts.nothing_selected) } } p { a href=(back) { (texts.nodes) } } };
        return Ok(frame::page(&view, button, &form::outcome(Outcome::Bad, &content)));
    }
    let ids: Vec<String> = entries.iter().map(|entry| entry.id().to_string()).collect();
    let decision = if form.decision == Decision::Approve { "approve" } else { "reject" };
    let fields: Vec<_> = [("decision", decision)].into_iter().chain(ids.iter().map(|id| ("id", id.as_str()))).collect();
    let question = Confirmation {
        title: &format!("{title} ({})", entries.len()),
        subject: html! {
            @for entry in &entries { strong { (entry.spec().name) } br; code { (entry.spec().url) } br; }
        },
        hint,
        action: &kept(&view).at(PATH, &[]),
        fields: &fields,
        button,
        class,
        back: &back,
        edits: form.decision == Decision::Approve,
    };
    Ok(frame::confirmation(&view, &form::no_outcome(), &question))
}

/// Approves or rejects the submissions of a confirmation.
pub async fn decide(_: Operator, State(site): State<Site>, view: View, request: Request) -> Result<Response, Refusal> {
    let form: QueueForm = form::read(request).await?;
    let decided = site.admin.decide(form.decision, form.ids()).await?;
    let done = if form.decision == Decision::Approve { "approved" } else { "rejected" };
    let counts = [(done, decided.done.len()), ("listed", decided.listed.len()), ("gone", decided.gone.len())];
    let counts = counts.map(|(name, count)| (name, count.to_string()));
    let counts: Vec<_> = counts.iter().map(|(name, count)| (*name, count.as_str())).collect();
    Ok(form::see_other(&kept(&view).at("/admin", &counts)))
}

/// The view with the filter and the page numbers of the lists alone.
fn kept(view: &View) -> View {
    PARAMETERS.into_iter().fold(view.clone(), View::without_parameter)
}
