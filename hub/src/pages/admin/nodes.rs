//! `/admin`: what waits for approval, and all nodes.

use axum::{extract::State, response::Response};
use maud::{Markup, html};
use serde::Deserialize;
use serde_html_form::de::empty_as_none;

use super::{Operator, act};
use crate::{
    model::{Page, PageRequest, PeerFilter, PeerRecord},
    pages::{Site, format, nodes, view::View},
    store::{Store, StoreError},
    time::Timestamp,
    web::{
        Refusal,
        input::Query,
        parameter::{Text, Whole},
    },
};

const PER_PAGE: u32 = 50;

#[derive(Debug, Deserialize)]
pub struct Wanted {
    search: Option<Text<200>>,
    #[serde(default, deserialize_with = "empty_as_none")]
    page: Option<Whole<1, 1_000_000>>,
    /// The page of what waits.
    #[serde(default, deserialize_with = "empty_as_none")]
    queue: Option<Whole<1, 1_000_000>>,
}

pub async fn page(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Refusal> {
    let texts = view.texts();
    let now = Timestamp::now();
    let search = wanted.search.map(|search| search.0).filter(|search| !search.trim().is_empty());
    // Who has waited longest comes first.
    let waiting = PeerFilter { approved: Some(false), search: search.clone(), oldest_first: true };
    let queue = Part::read(&site.store, &waiting, wanted.queue).await?;
    let approved = PeerFilter { approved: Some(true), search: search.clone(), oldest_first: false };
    let listed = Part::read(&site.store, &approved, wanted.page).await?;
    let content = html! {
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
    Ok(super::page(&view, texts.nodes, &content))
}

/// One page of a list.
struct Part {
    items: Vec<PeerRecord>,
    total: u64,
    number: u32,
    pages: u32,
}

impl Part {
    /// The page that is wanted, or the last one where there are not so many any more.
    async fn read(store: &Store, filter: &PeerFilter, wanted: Option<Whole<1, 1_000_000>>) -> Result<Self, StoreError> {
        let mut number = wanted.map_or(1, |page| page.0);
        loop {
            let Page { items, total } = store.peers(filter, PageRequest { page: number, per_page: PER_PAGE }).await?;
            let pages = u32::try_from(total.div_ceil(PER_PAGE.into())).unwrap_or(u32::MAX).max(1);
            if number <= pages {
                return Ok(Self { items, total, number, pages });
            }
            number = pages;
        }
    }

    fn shown(&self, view: &View, name: &str, nothing: &str, now: Timestamp) -> Markup {
        html! {
            @if self.items.is_empty() { p.empty { (nothing) } } @else { (table(view, &self.items, now)) }
            (nodes::paging(view, name, self.number as usize, self.pages as usize))
        }
    }
}

fn table(view: &View, records: &[PeerRecord], now: Timestamp) -> Markup {
    let texts = view.texts();
    html! {
        div.frame {
            table.plain.stack {
                thead { tr { @for label in [texts.node, texts.status, texts.reach, texts.when, texts.actions] { th scope="col" { (label) } } } }
                tbody { @for record in records { (row(view, record, now)) } }
            }
        }
    }
}

fn row(view: &View, record: &PeerRecord, now: Timestamp) -> Markup {
    let (texts, spec) = (view.texts(), &record.spec);
    let contacts = [&spec.contacts.mail, &spec.contacts.qq_number, &spec.contacts.wechat];
    let at = |what: &str| format!("/api/admin/nodes/{}{what}", record.id);
    html! {
        tr {
            th scope="row" {
                a href=(format!("/admin/nodes/{}", record.id)) { (spec.name) }
                div.muted { code { (spec.url) } }
                @if !spec.description.is_empty() { div.muted.description { (spec.description) } }
                @if !spec.tags.is_empty() { div.tags { @for tag in &spec.tags { span.tag { (tag) } } } }
            }
            td { @if record.approved { (nodes::state(view.language, record.verdict)) } @else { (texts.waits) } }
            td { @for contact in contacts.into_iter().flatten() { div { (contact) } } }
            td { (format::ago(view.language, record.created_at, now)) }
            td.acts {
                @if record.approved { (act("PUT", &at("/revoke"), texts.take_off, "", None)) }
                @else { (act("PUT", &at("/approve"), texts.approve, "primary", None)) }
                (act("DELETE", &at(""), texts.delete, "danger", Some(texts.delete_sure)))
            }
        }
    }
}
