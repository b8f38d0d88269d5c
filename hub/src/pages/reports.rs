//! `/reports/2026-11`: what a month was like, for each node and each tag.

use axum::{
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Redirect, Response},
};
use easytier_uptime_monitor::Party;
use easytier_uptime_store::domain::{Month, MonthFigures, Timestamp, Verdict};
use maud::{Markup, html};
use serde::Deserialize;
use serde_html_form::de::empty_as_none;

use super::{
    format::{self, NOTHING},
    layout::{self, Place},
    view::View,
    widgets,
};
use crate::{
    service::{Group, Line, Report},
    web::{
        Client, MonthPath, Refusal, Reported, Reports, Selection,
        input::{Path, Query},
        parameter::Whole,
    },
};

/// How many nodes a page has.
const PER_PAGE: usize = 100;

/// The choice of a month in the form.
#[derive(Debug, Deserialize)]
pub struct Choice {
    #[serde(default, deserialize_with = "empty_as_none")]
    month: Option<Month>,
}

/// Leads to the month that the form chose, or to the present one.
pub async fn choose(view: View, Query(Choice { month }): Query<Choice>) -> Response {
    let month = month.unwrap_or_else(|| Month::of(Timestamp::now()));
    Redirect::to(&view.at(&format!("/reports/{month}"), &[("month", "")])).into_response()
}

#[derive(Debug, Deserialize)]
pub struct Paging {
    #[serde(default, deserialize_with = "empty_as_none")]
    page: Option<Whole<1, 1_000_000>>,
}

pub async fn page(
    State(reports): State<Reports>,
    Client(from): Client,
    view: View,
    Path(MonthPath { month }): Path<MonthPath>,
    Query(selection): Query<Selection>,
    Query(paging): Query<Paging>,
    request: HeaderMap,
) -> Result<Response, Refusal> {
    let key = view.key(&view.path);
    let number = paging.page.map_or(1, |page| page.0) as usize;
    let page = reports.respond((Party::of(from), month), key, &request, |reported| {
        // What is kept for later visitors is of one moment.
        let view = view.with_snapshot(&reported.snapshot);
        Ok(document(&view, reported, &selection, number).into_string().into())
    });
    page.await
}

fn document(view: &View, reported: &Reported, selection: &Selection, number: usize) -> Markup {
    let report = reported.report(selection);
    let (language, texts) = (view.language, view.language.reports());
    let pages = report.lines.len().div_ceil(PER_PAGE).max(1);
    let number = number.min(pages);
    let shown = report.lines.iter().skip((number - 1) * PER_PAGE).take(PER_PAGE);
    let month = language.month(report.month);
    let title = format!("{} · {month}", texts.title);
    let content = html! {
        (widgets::stale(language, reported.snapshot.stale_since))
        div.heading {
            h1 { (month) }
            (summary(view, &report))
        }
        (filters(view, reported, selection, &report))
        @if report.until < report.month.ends_at() { p.muted { (language.until(report.until)) } }
        @if let Some(since) = report.outages_since { p.warning { (language.outages_since(since)) } }
        @if report.lines.is_empty() {
            p.empty { @if selection.tag().is_some() { (texts.no_nodes) } @else { (view.texts().no_nodes_at_all) } }
        } @else {
            @if !report.tags.is_empty() {
                section.panel {
                    h2 { (texts.by_tag) }
                    div.frame tabindex="0" role="region" aria-label=(texts.by_tag) {
                        table.plain.stack {
                            (widgets::table_head([
                                texts.tag, texts.availability, texts.met, texts.outages, texts.longest, texts.recovery,
                            ]))
                            tbody { @for (tag, group) in &report.tags { (group_row(view, tag, group)) } }
                        }
                    }
                }
            }
            section.panel {
                h2 { (texts.by_node) }
                div.frame tabindex="0" role="region" aria-label=(texts.by_node) {
                    table.plain.stack {
                        (widgets::table_head([
                            view.texts().node, texts.availability, texts.met, texts.outages, texts.longest, texts.recovery,
                        ]))
                        tbody { @for line in shown { (node_row(view, line)) } }
                    }
                }
                (widgets::paging(view, "page", number, pages))
            }
        }
        p.muted { (texts.counting) }
        p.muted {
            a href=(view.at(&format!("/api/reports/{}", report.month), &[("page", "")])) { (texts.json) } " · "
            a href=(view.at(&format!("/api/reports/{}/nodes.csv", report.month), &[("page", "")])) { (texts.csv) }
        }
    };
    layout::page(view, Place::Elsewhere, &title, &content)
}

/// The figures of all nodes together.
fn summary(view: &View, report: &Report) -> Markup {
    let (texts, total) = (view.language.reports(), &report.total);
    html! {
        ul.summary {
            li { b { (format::percent_or_nothing(total.figures.uptime.percentage())) } " " (texts.availability) }
            li { b { (view.language.met(total.met, total.nodes - total.unknown)) } " " (texts.met) }
            li { b { (total.figures.outages.number) } " " (texts.outages) }
        }
    }
}

fn filters(view: &View, reported: &Reported, selection: &Selection, report: &Report) -> Markup {
    let (language, texts) = (view.language, view.language.reports());
    let tags = &reported.snapshot.facets().tags;
    let chosen = selection.tag();
    html! {
        form.filters action="/reports" method="get" {
            label { span { (texts.month) }
                select name="month" {
                    @for month in reported.months() {
                        option value=(month) selected[month == report.month] { (language.month(month)) }
                    }
                }
            }
            label { span { (texts.tag) }
                select name="tag" {
                    option value="" { (texts.all_tags) }
                    @if let Some(chosen) = chosen && !tags.contains(chosen) { option value=(chosen) selected { (chosen) } }
                    @for tag in tags { option value=(tag) selected[chosen == Some(tag.as_str())] { (tag) } }
                }
            }
            label { span { (texts.target) }
                input name="target" type="number" min="0" max="100" step="any" value=(report.target.percent());
            }
            button type="submit" { (texts.show) }
        }
    }
}

fn group_row(view: &View, tag: &str, group: &Group) -> Markup {
    let met = view.language.met(group.met, group.nodes - group.unknown);
    html! {
        tr {
            th scope="row" { a href=(view.with(&[("tag", tag)])) { (tag) } }
            (cells(view, &group.figures, &html! { (met) }))
        }
    }
}

fn node_row(view: &View, line: &Line) -> Markup {
    let texts = view.language.reports();
    let met = html! {
        @match line.is_met {
            Some(true) => { (widgets::marked(Verdict::Up, texts.yes)) }
            Some(false) => { (widgets::marked(Verdict::Down, texts.no)) }
            None => { (NOTHING) }
        }
    };
    html! {
        tr {
            th scope="row" { a href=(format!("/nodes/{}", line.id)) { (line.name) } }
            (cells(view, &line.figures, &met))
        }
    }
}

fn cells(view: &View, MonthFigures { uptime, outages }: &MonthFigures, met: &Markup) -> Markup {
    let (language, texts) = (view.language, view.language.reports());
    let (share, whole) = (uptime.percentage(), uptime.percentage_with_maintenance());
    html! {
        td data-label=(texts.availability) {
            (format::percent_or_nothing(share))
            @if share != whole { " " small { (language.labelled(texts.with_maintenance, &format::percent_or_nothing(whole))) } }
        }
        td data-label=(texts.met) { (met) }
        td data-label=(texts.outages) { (outages.number) }
        td data-label=(texts.longest) { @if outages.number > 0 { (language.length(outages.longest)) } @else { (NOTHING) } }
        td data-label=(texts.recovery) {
            @match outages.mean_time_to_recover() {
                Some(mean) => { (language.length(mean)) }
                None => { (NOTHING) }
            }
        }
    }
}
