//! `/`: the list of nodes.

mod past;
mod query;

use std::collections::BTreeSet;

use axum::extract::State;
use easytier_probe::Scheme;
use easytier_uptime_store::domain::{Node, PeerId, RegionStatus, RegionView, Timestamp, Verdict};
use maud::{Markup, html};

use self::{
    past::Past,
    query::{ListQuery, Row, Sort},
};
use super::{
    board::Snapshot,
    chart,
    format::{latency, latency_or_nothing, percent_or_nothing},
    language::Texts,
    layout::{self, Place},
    site::Site,
    view::View,
    widgets,
};
use crate::web::{Refusal, input::Query};

pub async fn page(State(site): State<Site>, view: View, Query(query): Query<ListQuery>) -> Result<Markup, Refusal> {
    let snapshot = site.snapshots.newest().await?;
    let rows = query.rows(&snapshot);
    let per_page = query.per_page();
    let pages = rows.len().div_ceil(per_page).max(1);
    let number = query.page().min(pages);
    let shown: Vec<&Row> = rows.iter().skip((number - 1) * per_page).take(per_page).collect();
    let ids: Vec<PeerId> = shown.iter().map(|row| row.view.node.id).collect();
    let pasts = past::read(&site.store, &ids, snapshot.at).await?;
    let texts = view.texts();
    let content = html! {
        div.heading {
            h1 { (texts.nodes_title) }
            (summary(&view, &snapshot))
            (widgets::live_switch(texts))
        }
        (filters(&view, &query, &snapshot))
        @if shown.is_empty() {
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
                        @for row in shown { (table_row(&view, row, pasts.get(&row.view.node.id), snapshot.at)) }
                    }
                }
            }
            (widgets::paging(&view, "page", number, pages))
        }
    };
    Ok(layout::page(&view, Place::Nodes, texts.site, &content))
}

/// How many nodes there are in each state.
fn summary(view: &View, snapshot: &Snapshot) -> Markup {
    let count_of = |verdict| snapshot.nodes.iter().filter(|view| view.node.verdict == verdict).count();
    html! {
        ul.summary {
            @for verdict in [Verdict::Up, Verdict::Partial, Verdict::Down, Verdict::Unknown] {
                @let count = count_of(verdict);
                @if count > 0 || verdict == Verdict::Up {
                    li { (widgets::mark(verdict)) b { (count) } " " (view.language.verdict(verdict)) }
                }
            }
        }
    }
}

fn filters(view: &View, query: &ListQuery, snapshot: &Snapshot) -> Markup {
    let texts = view.texts();
    let tags: BTreeSet<&str> =
        snapshot.nodes.iter().flat_map(|view| view.node.tags.iter().map(|tag| tag.as_str())).collect();
    let protocols: BTreeSet<&str> = snapshot.nodes.iter().map(|view| view.node.url.protocol()).collect();
    let regions: BTreeSet<&str> =
        snapshot.nodes.iter().flat_map(|view| view.regions.iter().map(|view| view.region.as_str())).collect();
    let mut chosen_tags = query.tags();
    html! {
        form.filters #filters action="/" method="get" role="search" aria-label=(texts.filters) {
            label.wide { span { (texts.search) }
                input type="search" name="search" maxlength="200" placeholder=(texts.search_hint) value=(query.search());
            }
            (choice(texts, "tags", texts.tag, &tags, chosen_tags.next()))
            @for tag in chosen_tags { input type="hidden" name="tags" value=(tag); }
            (choice(texts, "protocol", texts.protocol, &protocols, query.protocol.map(Scheme::as_str)))
            (choice(texts, "region", texts.reachable_from, &regions, query.region.as_deref()))
            label { span { (texts.sort) }
                select name="sort" {
                    @for sort in Sort::ALL {
                        option value=(if sort == Sort::Best { "" } else { sort.name() }) selected[sort == query.sort()] { (sort.text(texts)) }
                    }
                }
            }
            label.check { input type="checkbox" name="relay" value="true" checked[query.relay_only()]; span { (texts.relay_only) } }
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

fn choice(texts: &Texts, name: &str, label: &str, values: &BTreeSet<&str>, chosen: Option<&str>) -> Markup {
    html! {
        label { span { (label) }
            select name=(name) {
                option value="" { (texts.any) }
                @if let Some(chosen) = chosen && !values.contains(chosen) {
                    option value=(chosen) selected { (chosen) }
                }
                @for value in values { option value=(value) selected[chosen == Some(value)] { (value) } }
            }
        }
    }
}

fn table_row(view: &View, row: &Row, past: Option<&Past>, now: Timestamp) -> Markup {
    let (texts, language) = (view.texts(), view.language);
    let node = &row.view.node;
    let nothing = Past::default();
    let past = past.unwrap_or(&nothing);
    html! {
        tr id=(format!("node-{}", node.id)) {
            th.who scope="row" {
                span.title {
                    (widgets::state(language, node.verdict))
                    a.name href=(format!("/nodes/{}", node.id)) { (node.name) }
                    @if node.allow_relay { span.badge title=(texts.relay_hint) { (texts.relay) } }
                }
                span.address { (node.url) }
                @if !node.tags.is_empty() {
                    span.tags { @for tag in &node.tags { a.tag href=(view.with(&[("tags", tag.as_str())])) { (tag) } } }
                }
            }
            td.day data-label=(texts.last_day) { (chart::bar(language, &node.ring, &node.name, node.health_percentage_24h())) }
            td.uptime data-label=(texts.uptime) {
                dl {
                    @for (label, share) in [(texts.day, row.uptime()), (texts.week, past.week()), (texts.month, past.month())] {
                        div { dt { (label) } dd { (percent_or_nothing(share)) } }
                    }
                }
            }
            td.latency data-label=(texts.latency) {
                span.figure title=(latencies(&row.view.regions)) { (latency_or_nothing(row.latency())) }
                @if !past.latencies.is_empty() { (chart::sparkline(&past.latencies, now)) }
                @if row.view.regions.len() > 1 { span.unseen { (latencies(&row.view.regions)) } }
            }
            td.load data-label=(texts.load) { (widgets::load(node)) }
            td.version data-label=(texts.version) { (short_version(node.version.as_deref())) }
            td.connect { (copy_buttons(view, node)) }
        }
    }
}

/// The latency in each region.
fn latencies(regions: &[RegionView]) -> String {
    let one = |view: &RegionView| match (view.status, view.response_us) {
        (Some(RegionStatus::Online), Some(micros)) => format!("{} {}", view.region, latency(micros)),
        (Some(RegionStatus::Online), None) => view.region.to_string(),
        _ => format!("{} –", view.region),
    };
    regions.iter().map(one).collect::<Vec<_>>().join(" · ")
}

/// A version without its commit.
fn short_version(version: Option<&str>) -> &str {
    version.map_or("–", |version| version.split(['-', '+', '~']).next().unwrap_or(version))
}

/// Buttons that copy, which only the script shows. Without it the page shows the address as text.
fn copy_buttons(view: &View, node: &Node) -> Markup {
    let (texts, language) = (view.texts(), view.language);
    let command = widgets::command(node);
    html! {
        button.copy type="button" hidden data-copy=(node.url.full()) aria-label=(language.labelled(texts.copy_address, &node.name)) {
            (texts.address)
        }
        button.copy type="button" hidden data-copy=(command) title=(command) aria-label=(language.labelled(texts.copy_command, &node.name)) {
            (texts.command)
        }
        noscript { code { (node.url) } }
    }
}
