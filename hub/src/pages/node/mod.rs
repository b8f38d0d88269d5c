//! `/nodes/{id}`: the page of one node, with its public data.

mod locations;
mod modes;

use std::{collections::BTreeMap, time::Duration};

use axum::{extract::State, http::StatusCode};
use easytier_uptime_monitor::Party;
use easytier_uptime_store::domain::{DAY, Event, EventKind, FailureCount, Grain, Node, NodeStats, Timestamp, Verdict};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    chart,
    format::{self, NOTHING, latency_or_nothing, percent_or_nothing},
    histories::History,
    language::{Language, Texts},
    layout::{self, Place},
    site::Site,
    view::View,
    widgets,
};
use crate::web::{
    Client, Refusal,
    input::{Path, Query},
    parameter::NodePath,
};

const HOUR: Duration = Duration::from_secs(3600);

/// The time range of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
enum Range {
    #[serde(rename = "1h")]
    Hour,
    #[default]
    #[serde(rename = "24h")]
    Day,
    #[serde(rename = "7d")]
    Week,
    #[serde(rename = "30d")]
    Month,
}

impl Range {
    const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Month];

    fn name(self) -> &'static str {
        ["1h", "24h", "7d", "30d"][self as usize]
    }

    fn text(self, texts: &Texts) -> &'static str {
        [texts.range_hour, texts.range_day, texts.range_week, texts.range_month][self as usize]
    }

    fn length(self) -> Duration {
        [HOUR, DAY, DAY * 7, DAY * 30][self as usize]
    }

    fn grain(self) -> Grain {
        [Grain::FiveMinutes, Grain::FiveMinutes, Grain::Hour, Grain::Hour][self as usize]
    }
}

#[derive(Debug, Deserialize)]
pub struct NodeQuery {
    #[serde(default)]
    range: Range,
}

pub async fn page(
    State(site): State<Site>,
    Client(from): Client,
    view: View,
    Path(NodePath { id }): Path<NodePath>,
    Query(NodeQuery { range }): Query<NodeQuery>,
) -> Result<Markup, Refusal> {
    let snapshot = site.board.newest().await?;
    let node = snapshot.entry(id).ok_or_else(|| Refusal::not_found("node"))?.node();
    let (texts, language, now) = (view.texts(), view.language, Timestamp::now());
    let head = html! {
        (widgets::stale(language, snapshot.stale_since))
        div.heading {
            h1 { (node.name) }
            (widgets::state(language, node.verdict))
            (widgets::maintenance(language, node))
            @if node.verdict != Verdict::Unknown || node.last_check_at.is_some() {
                span.muted { (widgets::lasting(language, node.since, now)) }
            }
            (widgets::live_switch(texts))
        }
        @if let Some(maintenance) = &node.maintenance {
            p.warning role="note" {
                strong { (language.maintenance_title(maintenance)) } (language.dash()) (language.maintenance().hint_for_visitors)
            }
        }
        section.panel aria-label=(texts.connect) {
            (to_copy(texts.address, &node.url.full(), texts.copy_address))
            (to_copy(texts.command, &widgets::command(node), texts.copy_command))
        }
    };
    let history = match site.histories.of(Party::of(from), id, range.length(), range.grain()).await {
        Ok(history) => history,
        // What is known from memory is shown all the same.
        Err(refusal) if refusal.status == StatusCode::SERVICE_UNAVAILABLE => {
            let content = html! {
                (head)
                p.warning role="status" { (texts.no_history) }
                section.panel { h2 { (texts.about) } (facts(language, node, now)) }
            };
            return Ok(layout::page(&view, Place::Nodes, &node.name, &content));
        }
        Err(refusal) => return Err(refusal),
    };
    let History { at, lines, failures, regions, names, modes, events, incidents, uptimes, can_subscribe } = &*history;
    let from = *at - range.length();
    let content = html! {
        (head)
        div.columns {
            section.panel { h2 { (texts.about) } (facts(language, node, now)) }
            section.panel { h2 { (texts.uptime) } (uptime_figures(language, node, uptimes, snapshot.at)) }
        }
        (locations::panel(language, node.verdict, regions, names, &snapshot.probes, now))
        (modes::panel(language, modes, now))
        section.panel #latency {
            div.heading { h2 { (texts.latency_by_region) } (range_tabs(&view, range)) }
            @if lines.is_empty() { p.empty { (texts.no_latency) } } @else {
                (legend(lines))
                (chart::chart(language, lines, from, *at, range.grain().duration() * 3))
                (latency_table(texts, lines))
            }
        }
        div.columns {
            section.panel {
                h2 { (texts.failures) }
                p.muted { (texts.failures_hint) }
                @if failures.is_empty() { p.empty { (texts.no_failures) } } @else { (failure_table(language, failures, now)) }
            }
            section.panel {
                div.heading {
                    h2 { (texts.changes) }
                    a href=(format!("/nodes/{id}/events.atom")) { (language.incidents().feed_of_node) }
                }
                @if events.is_empty() { p.empty { (texts.no_changes) } } @else { (changes(language, events, now)) }
                @if *can_subscribe {
                    details {
                        summary { (language.subscriptions().title) }
                        (super::subscriptions::form(&view, id, "", None))
                    }
                }
            }
        }
        section.panel {
            h2 { (language.incidents().title) }
            @if incidents.is_empty() { p.empty { (language.incidents().none_of_node) } } @else {
                (super::incidents::table(language, incidents, now, "/incidents"))
            }
        }
        (badges(texts, node))
    };
    Ok(layout::page(&view, Place::Nodes, &node.name, &content))
}

/// The uptime over a day, a week and a month, and the bar of the last 24 hours.
fn uptime_figures(language: Language, node: &Node, uptimes: &[NodeStats], now: Timestamp) -> Markup {
    let texts = language.texts();
    html! {
        dl.big {
            @for (label, stats) in [texts.day, texts.week, texts.month].into_iter().zip(uptimes) {
                div {
                    dt { (label) }
                    dd { (percent_or_nothing(stats.uptime.percentage())) }
                    dd.muted { (stats.checks.total_checks) " " (texts.checks) }
                    @if stats.uptime.maintenance.known() > Duration::ZERO {
                        dd.muted {
                            (language.labelled(
                                language.maintenance().with_maintenance,
                                &percent_or_nothing(stats.uptime.percentage_with_maintenance()),
                            ))
                        }
                    }
                }
            }
        }
        p.muted { (texts.uptime_hint) }
        div.wide.nodes data-newest=(chart::newest_quarter(now)) data-checks=(texts.checks) data-none=(texts.no_checks) {
            (chart::bar_hint(language))
            (chart::bar(language, &node.ring, &node.name, node.health_percentage_24h()))
            div.scale aria-hidden="true" { span { (texts.last_day) } span { (texts.now) } }
        }
    }
}

/// Links to the other time ranges.
fn range_tabs(view: &View, range: Range) -> Markup {
    let texts = view.texts();
    html! {
        nav.tabs aria-label=(texts.range) {
            @for other in Range::ALL {
                a href=(view.with(&[("range", if other == Range::Day { "" } else { other.name() })]))
                    aria-current=[(other == range).then_some("true")] { (other.text(texts)) }
            }
        }
    }
}

/// The badges of the node, with their paths to copy.
fn badges(texts: &Texts, node: &Node) -> Markup {
    let paths = ["status.svg", "uptime.svg?days=30", "latency.svg"].map(|name| format!("/badge/{}/{name}", node.id));
    html! {
        details.panel {
            summary { (texts.badges) }
            p.muted { (texts.badges_hint) }
            p.badges {
                @for path in &paths { img src=(path) alt=(path) height="20"; " " }
            }
            @for path in &paths { code.block { (path) } }
        }
    }
}

fn to_copy(label: &str, text: &str, hint: &str) -> Markup {
    html! {
        div.to-copy {
            span.muted { (label) }
            code { (text) }
            button.copy type="button" hidden data-copy=(text) { (hint) }
        }
    }
}

fn facts(language: Language, node: &Node, now: Timestamp) -> Markup {
    let texts = language.texts();
    html! {
        dl.facts {
            dt { (texts.protocol) } dd { (node.url.protocol()) }
            dt { (texts.version) } dd { (node.version.as_deref().unwrap_or(NOTHING)) }
            dt { (texts.load) } dd.load { (widgets::load(texts, node)) }
            dt { (texts.relay) } dd { (relay(language, node, now)) }
            dt { (texts.latency) } dd { (latency_or_nothing(node.response_us)) }
            dt { (texts.last_checked) }
            dd { @match node.last_check_at { Some(at) => (widgets::ago(language, at, now)), None => (texts.never) } }
            @if !node.tags.is_empty() {
                dt { (texts.tags) }
                dd.tags { @for tag in &node.tags { span.tag { (tag) } } }
            }
            @if !node.description.is_empty() {
                dt { (texts.description) }
                dd.description { (node.description) }
            }
        }
    }
}

/// What the owner declares, and what the last tests found.
fn relay(language: Language, node: &Node, now: Timestamp) -> Markup {
    let Some(found) = &node.relay else {
        return html! { (language.relay_declared(node.allow_relay)) " · " (language.relay_measured(None)) };
    };
    html! {
        (language.relay_declared(node.allow_relay)) " · "
        span title=[found.reason.as_deref()] { (language.relay_measured(Some(found.verdict))) }
        @if let Some(round_trip) = found.round_trip_us { " · " (format::latency(round_trip)) }
        " · " (widgets::ago(language, found.checked_at, now))
    }
}

fn legend(lines: &chart::Lines) -> Markup {
    html! {
        ul.legend {
            @for (nth, (region, line)) in lines.iter().enumerate() {
                li {
                    svg viewBox="0 0 24 8" width="24" height="8" aria-hidden="true" { path class=(chart::color(nth)) d="M1 4h22" {} }
                    (region)
                    @if let Some((_, latency)) = line.last() { " " b { (format::latency(*latency)) } }
                }
            }
        }
    }
}

/// The figures of the chart as a table.
fn latency_table(texts: &Texts, lines: &chart::Lines) -> Markup {
    let mut rows: BTreeMap<Timestamp, Vec<Option<i64>>> = BTreeMap::new();
    for (nth, line) in lines.values().enumerate() {
        for (at, latency) in line {
            rows.entry(*at).or_insert_with(|| vec![None; lines.len()])[nth] = Some(*latency);
        }
    }
    html! {
        details {
            summary { (texts.as_table) }
            div.frame tabindex="0" role="region" aria-label=(texts.as_table) {
                table.plain {
                    thead { tr { th scope="col" { (texts.time) " (UTC)" } @for region in lines.keys() { th scope="col" { (region) } } } }
                    tbody {
                        @for (at, latencies) in rows.iter().rev() {
                            tr {
                                th scope="row" { (format::minute(*at)) }
                                @for latency in latencies { td { (latency_or_nothing(*latency)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn failure_table(language: Language, failures: &[FailureCount], now: Timestamp) -> Markup {
    let texts = language.texts();
    html! {
        div.frame {
            table.plain.stack {
                (widgets::table_head([texts.reason, texts.failed_at, texts.times, texts.last_time]))
                tbody {
                    @for failure in failures {
                        tr {
                            th scope="row" {
                                @match failure.code {
                                    Some(code) => { (language.failure(code)) " " code { (code) } },
                                    None => (texts.unknown),
                                }
                            }
                            td data-label=(texts.failed_at) { @if let Some(stage) = failure.stage { (language.stage(stage)) } }
                            td data-label=(texts.times) { (failure.checks) }
                            td data-label=(texts.last_time) { (widgets::ago(language, failure.last_at, now)) }
                        }
                    }
                }
            }
        }
    }
}

fn changes(language: Language, events: &[Event], now: Timestamp) -> Markup {
    let texts = language.texts();
    html! {
        ol.changes {
            @for event in events {
                li {
                    @if event.kind == EventKind::Relay {
                        span title=[event.detail["reason"].as_str()] { (language.state(&event.became)) }
                    } @else {
                        @let verdict = Verdict::ALL.into_iter().find(|verdict| verdict.as_str() == event.became);
                        (widgets::state(language, verdict.unwrap_or_default()))
                    }
                    @if let (Some(online), Some(regions)) = (event.detail["online"].as_u64(), event.detail["regions"].as_u64()) {
                        span.muted { (online) "/" (regions) " " (texts.regions_agree) }
                    }
                    (widgets::ago(language, event.at, now))
                }
            }
        }
    }
}
