//! `/`: the list of nodes.

mod query;
mod row;

use std::{collections::BTreeSet, sync::Arc};

use axum::{extract::State, http::HeaderMap, response::Response};
use easytier_probe::Scheme;
use easytier_uptime_store::domain::Verdict;
use maud::{Markup, html};

use self::query::ListQuery;
pub use self::row::Fragments;
use super::{
    chart,
    language::Texts,
    layout::{self, Place},
    view::View,
    widgets,
};
use crate::{
    board::{Board, Snapshot, Sort},
    web::{Refusal, input::Query},
};

pub async fn page(
    State(board): State<Arc<Board>>,
    State(fragments): State<Arc<Fragments>>,
    view: View,
    Query(query): Query<ListQuery>,
    request: HeaderMap,
) -> Result<Response, Refusal> {
    let snapshot = board.newest().await?;
    // What is kept for later visitors is of one moment.
    let view = view.with_snapshot(&snapshot);
    board.respond(&snapshot, &view.key("/"), &request, || {
        Ok(document(&fragments, &view, &query, &snapshot).into_string().into())
    })
}

fn document(fragments: &Fragments, view: &View, query: &ListQuery, snapshot: &Snapshot) -> Markup {
    let rows = query.rows(snapshot);
    let per_page = query.per_page();
    let pages = rows.len().div_ceil(per_page).max(1);
    let number = query.page().min(pages);
    let mut shown = rows.iter().skip((number - 1) * per_page).take(per_page).peekable();
    let texts = view.texts();
    let content = html! {
        (widgets::stale(view.language, snapshot.stale_since))
        div.heading {
            h1 { (texts.nodes_title) }
            (summary(view, snapshot))
            (widgets::live_switch(texts))
        }
        (widgets::open_incidents(view.language, snapshot.incidents.open))
        (filters(view, query, snapshot))
        @if shown.peek().is_none() {
            p.empty { @if query.is_filtered() { (texts.no_nodes) } @else { (texts.no_nodes_at_all) } }
        } @else {
            div.frame {
                (chart::bar_hint(view.language))
                table.nodes data-newest=(chart::newest_quarter(snapshot.at)) data-checks=(texts.checks)
                    data-none=(texts.no_checks) {
                    caption.unseen { (texts.nodes_title) }
                    (widgets::table_head([
                        texts.node, texts.last_day, texts.uptime, texts.latency, texts.load, texts.version, texts.connect,
                    ]))
                    tbody {
                        @for row in shown { (fragments.row(view, row, snapshot.at)) }
                    }
                }
            }
            (widgets::paging(view, "page", number, pages))
        }
    };
    layout::page(view, Place::Nodes, texts.site, &content)
}

/// How many nodes there are in each state.
fn summary(view: &View, snapshot: &Snapshot) -> Markup {
    html! {
        ul.summary {
            @for verdict in [Verdict::Up, Verdict::Partial, Verdict::Down, Verdict::Unknown] {
                @let count = snapshot.count(verdict);
                @if count > 0 || verdict == Verdict::Up {
                    li { (widgets::mark(verdict)) b { (count) } " " (view.language.verdict(verdict)) }
                }
            }
        }
    }
}

fn filters(view: &View, query: &ListQuery, snapshot: &Snapshot) -> Markup {
    let texts = view.texts();
    let facets = snapshot.facets();
    let mut chosen_tags = query.tags();
    html! {
        form.filters #filters action="/" method="get" role="search" aria-label=(texts.filters) {
            label.wide { span { (texts.search) }
                input type="search" name="search" maxlength="200" placeholder=(texts.search_hint) value=(query.search());
            }
            (choice(texts, "tags", texts.tag, &facets.tags, chosen_tags.next()))
            @for tag in chosen_tags { input type="hidden" name="tags" value=(tag); }
            (choice(texts, "protocol", texts.protocol, &facets.protocols, query.protocol.map(Scheme::as_str)))
            (choice(texts, "region", texts.reachable_from, &facets.regions, query.region.as_deref()))
            label { span { (texts.sort) }
                select name="sort" {
                    @for sort in Sort::ALL {
                        option value=(if sort == Sort::Best { "" } else { sort.name() }) selected[sort == query.sort()] { (sort_text(texts, sort)) }
                    }
                }
            }
            label.check { input type="checkbox" name="relay" value="true" checked[query.relay_only()]; span { (texts.relay_only) } }
            label.check { input type="checkbox" name="relay_measured" value="ok" checked[query.relaying_only()]; span { (texts.relay_works) } }
            label.check { input type="checkbox" name="online" value="true" checked[query.online_only()]; span { (texts.online_only) } }
            @if let Some(per_page) = query.chosen_per_page() { input type="hidden" name="per_page" value=(per_page); }
            button type="submit" { (texts.apply) }
        }
        @if query.is_filtered() {
            p.chips #chips {
                span.unseen { (view.language.labelled(texts.active_filters, "")) }
                @for (name, value) in &view.query {
                    @if ["search", "tags", "protocol", "region"].contains(&name.as_str()) && !value.trim().is_empty() {
                        a.chip href=(view.without(name, value)) aria-label=(view.language.labelled(texts.remove_filter, value)) { (value) " ×" }
                    }
                }
                a href="/" { (texts.clear) }
            }
        }
    }
}

fn sort_text(texts: &Texts, sort: Sort) -> &'static str {
    match sort {
        Sort::Best => texts.sort_best,
        Sort::Name => texts.sort_name,
        Sort::Latency => texts.sort_latency,
        Sort::Uptime => texts.sort_uptime,
        Sort::Load => texts.sort_load,
    }
}

fn choice(texts: &Texts, name: &str, label: &str, values: &BTreeSet<String>, chosen: Option<&str>) -> Markup {
    html! {
        label { span { (label) }
            select name=(name) {
                option value="" { (texts.any) }
                @if let Some(chosen) = chosen && !values.contains(chosen) {
                    option value=(chosen) selected { (chosen) }
                }
                @for value in values { option value=(value) selected[chosen == Some(value.as_str())] { (value) } }
            }
        }
    }
}
