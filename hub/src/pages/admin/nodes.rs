//! `/admin`: the nodes that wait for approval, and the listed nodes.

use axum::{extract::State, response::Response};
use easytier_uptime_store::{
    Store, StoreError,
    domain::{Page, PageRequest, PeerFilter, PeerOrder, PeerRecord, Timestamp},
};
use maud::{Markup, html};
use serde::Deserialize;
use serde_html_form::de::empty_as_none;

use super::{frame, operator::Operator};
use crate::{
    pages::{form, language::Texts, site::Site, view::View, widgets},
    service::ServiceError,
    web::{
        Refusal,
        input::{Path, Query},
        parameter::{NodePath, Text, Whole},
    },
};

const PER_PAGE: u32 = 50;

#[derive(Debug, Deserialize)]
pub struct AdminQuery {
    search: Option<Text<200>>,
    #[serde(default, deserialize_with = "empty_as_none")]
    page: Option<Whole<1, 1_000_000>>,
    /// The page of the approval queue.
    #[serde(default, deserialize_with = "empty_as_none")]
    queue: Option<Whole<1, 1_000_000>>,
    /// The action that led to this page.
    #[serde(default, deserialize_with = "empty_as_none")]
    done: Option<Done>,
}

/// An action on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Done {
    Approved,
    Revoked,
    Deleted,
    Saved,
}

impl Done {
    fn name(self) -> &'static str {
        ["approved", "revoked", "deleted", "saved"][self as usize]
    }

    fn text(self, texts: &Texts) -> &'static str {
        [texts.approved_done, texts.unlisted_done, texts.deleted_done, texts.saved_done][self as usize]
    }

    /// A redirect to the list of nodes, with the same filter and page as before.
    pub fn back(self, view: &View) -> Response {
        form::see_other(&view.at("/admin", &[("done", self.name())]))
    }
}

pub async fn page(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Query(query): Query<AdminQuery>,
) -> Result<Response, Refusal> {
    // Links of this page must not repeat the message about the last action.
    let view = view.without_parameter("done");
    let texts = view.texts();
    let now = Timestamp::now();
    let search = query.search.map(|search| search.0).filter(|search| !search.trim().is_empty());
    let waiting = PeerFilter { approved: Some(false), search: search.clone(), order: PeerOrder::OldestFirst };
    let queue = Part::read(&site.store, &waiting, query.queue).await?;
    let approved = PeerFilter { approved: Some(true), search: search.clone(), order: PeerOrder::NewestFirst };
    let listed = Part::read(&site.store, &approved, query.page).await?;
    let content = html! {
        @match query.done { Some(done) => (form::done(done.text(texts))), None => (form::no_outcome()) }
        div.heading {
            form.inline action="/admin" method="get" role="search" {
                input type="search" name="search" aria-label=(texts.search) placeholder=(texts.search_hint) value=[search.as_deref()];
                button type="submit" { (texts.search) }
            }
        }
        section.panel #queue {
            h2 { (texts.queue) " (" (queue.total) ")" }
            (queue.shown(&view, "queue", if search.is_some() { texts.no_nodes } else { texts.queue_empty }, now))
        }
        section.panel {
            div.heading {
                h2 { (texts.listed) " (" (listed.total) ")" }
                a.button href="/admin/export.json" download="nodes.json" { (texts.export) }
            }
            (listed.shown(&view, "page", texts.no_nodes, now))
        }
    };
    Ok(frame::page(&view, texts.nodes, &content))
}

/// Lists a node.
pub async fn approve(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Path(NodePath { id }): Path<NodePath>,
) -> Result<Response, ServiceError> {
    site.admin.approve_node(id).await?;
    Ok(Done::Approved.back(&view))
}

/// Takes a node off the list.
pub async fn revoke(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Path(NodePath { id }): Path<NodePath>,
) -> Result<Response, ServiceError> {
    site.admin.revoke_node(id).await?;
    Ok(Done::Revoked.back(&view))
}

/// One page of a list.
struct Part {
    items: Vec<PeerRecord>,
    total: u64,
    number: u32,
    pages: u32,
}

impl Part {
    /// The page with the number in the query, or the last page if there are fewer now.
    async fn read(store: &Store, filter: &PeerFilter, number: Option<Whole<1, 1_000_000>>) -> Result<Self, StoreError> {
        let mut number = number.map_or(1, |number| number.0);
        loop {
            let Page { items, total } = store.peers(filter, PageRequest { page: number, per_page: PER_PAGE }).await?;
            let pages = u32::try_from(total.div_ceil(PER_PAGE.into())).unwrap_or(u32::MAX).max(1);
            if number <= pages {
                return Ok(Self { items, total, number, pages });
            }
            number = pages;
        }
    }

    fn shown(&self, view: &View, name: &str, empty: &str, now: Timestamp) -> Markup {
        html! {
            @if self.items.is_empty() { p.empty { (empty) } } @else { (table(view, &self.items, now)) }
            (widgets::paging(view, name, self.number as usize, self.pages as usize))
        }
    }
}

fn table(view: &View, records: &[PeerRecord], now: Timestamp) -> Markup {
    let texts = view.texts();
    html! {
        div.frame {
            table.plain.stack {
                (widgets::table_head([texts.node, texts.status, texts.contact, texts.added_at, texts.actions]))
                tbody { @for record in records { (row(view, record, now)) } }
            }
        }
    }
}

fn row(view: &View, record: &PeerRecord, now: Timestamp) -> Markup {
    let (texts, spec) = (view.texts(), &record.spec);
    let contacts = [&spec.contacts.mail, &spec.contacts.qq_number, &spec.contacts.wechat];
    let path = |action: &str| view.at(&format!("/admin/nodes/{}{action}", record.id), &[]);
    html! {
        tr {
            th scope="row" {
                a href=(path("")) { (spec.name) }
                div.muted { code { (spec.url.full()) } }
                @if !spec.description.is_empty() { div.muted.description { (spec.description) } }
                @if !spec.tags.is_empty() { div.tags { @for tag in &spec.tags { span.tag { (tag) } } } }
            }
            td data-label=(texts.status) { @if record.approved { (widgets::state(view.language, record.verdict)) } @else { (texts.pending) } }
            td data-label=(texts.contact) { @for contact in contacts.into_iter().flatten() { div { (contact) } } }
            td data-label=(texts.added_at) { (widgets::ago(view.language, record.created_at, now)) }
            td.acts {
                @if record.approved { (frame::button(&path("/revoke"), texts.unlist, "")) }
                @else { (frame::button(&path("/approve"), texts.approve, "primary")) }
                " " a.button.danger href=(path("/delete")) { (texts.delete) }
            }
        }
    }
}
