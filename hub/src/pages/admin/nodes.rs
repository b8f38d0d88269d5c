//! `/admin`: what waits for approval, and all nodes.

use axum::{extract::State, response::Response};
use maud::{Markup, html};
use serde::Deserialize;
use serde_html_form::de::empty_as_none;

use super::{Operator, act};
use crate::{
    api::{
        error::Refusal,
        input::Query,
        parameter::{Text, Whole},
    },
    model::{Page, PageRequest, PeerFilter, PeerRecord},
    pages::{Site, format, nodes, view::View},
    time::Timestamp,
};

const PER_PAGE: u32 = 50;

/// How much of the queue is shown at once.
const QUEUE: u32 = 50;

#[derive(Debug, Deserialize)]
pub struct Wanted {
    search: Option<Text<200>>,
    #[serde(default, deserialize_with = "empty_as_none")]
    page: Option<Whole<1, 1_000_000>>,
}

pub async fn page(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Refusal> {
    let texts = view.texts();
    let now = Timestamp::now();
    let waiting = PeerFilter { approved: Some(false), search: None };
    let queue = site.store.peers(&waiting, PageRequest { page: 1, per_page: QUEUE }).await?;
    let search = wanted.search.map(|search| search.0).filter(|search| !search.trim().is_empty());
    let request = PageRequest { page: wanted.page.map_or(1, |page| page.0), per_page: PER_PAGE };
    let filter = PeerFilter { approved: Some(true), search: search.clone() };
    let Page { items, total } = site.store.peers(&filter, request).await?;
    let pages = usize::try_from(total.div_ceil(PER_PAGE.into())).unwrap_or(1);
    let content = html! {
        section.panel #queue {
            h2 { (texts.queue) " (" (queue.total) ")" }
            @if queue.items.is_empty() { p.empty { (texts.queue_empty) } } @else { (table(&view, &queue.items, now)) }
        }
        section.panel {
            div.heading {
                h2 { (texts.listed) " (" (total) ")" }
                form.inline action="/admin" method="get" role="search" {
                    input type="search" name="search" aria-label=(texts.search) placeholder=(texts.search_hint) value=[search.as_deref()];
                    button type="submit" { (texts.search) }
                }
                a.button href="/admin/export.json" download="nodes.json" { (texts.export) }
            }
            @if items.is_empty() { p.empty { (texts.no_nodes) } } @else { (table(&view, &items, now)) }
            (nodes::paging(&view, request.page as usize, pages))
        }
    };
    Ok(super::page(&view, texts.nodes, &content))
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
