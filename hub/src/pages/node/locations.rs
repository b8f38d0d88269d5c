//! The node as each location sees it, in a table and on the map, and what all of them say together. The figures are those of
//! `GET /api/nodes/{id}/regions`.

use easytier_probe::Status;
use easytier_uptime_monitor::public::locations::{LocationFigures, Locations, Names};
use easytier_uptime_store::domain::{CheckStats, RegionReport, RegionStatus, Timestamp, Verdict};
use maud::{Markup, html};

use super::super::{
    format::{self, NOTHING, latency_or_nothing, percent_or_nothing},
    language::Language,
    map::{self, Kind, Mark},
    widgets,
};
use crate::board::Probes;

/// The panel. `known`: where probes and instances are.
pub fn panel(
    language: Language,
    verdict: Verdict,
    reports: &[RegionReport],
    names: &Names,
    known: &Probes,
    now: Timestamp,
) -> Markup {
    let texts = language.texts();
    let marks: Vec<Mark> = reports.iter().enumerate().map(|(nth, report)| mark(language, nth, report, known)).collect();
    html! {
        section.panel #locations {
            h2 { (texts.regions) }
            @if reports.is_empty() { p.empty { (texts.no_regions) } } @else {
                (together(language, verdict, reports, names))
                (table(language, reports, names, now))
                // Regions without a known place are in the table; a map without any mark says nothing.
                @if marks.iter().any(|mark| mark.position.is_some()) { (map::world(&marks, language)) }
            }
        }
    }
}

/// The status, the uptime and the latency over all locations.
fn together(language: Language, verdict: Verdict, reports: &[RegionReport], names: &Names) -> Markup {
    let texts = language.texts();
    let all = Locations::of(verdict, reports, names);
    let figures = LocationFigures::of(reports);
    let millis = |time: Option<f64>| time.map_or_else(|| NOTHING.to_owned(), format::millis);
    html! {
        dl.big {
            div {
                dt { (texts.verdict) }
                dd { (widgets::state(language, verdict)) }
            }
            div {
                dt { (texts.locations_online) }
                dd { (figures.successful_locations) " / " (figures.total_locations) }
            }
            div {
                dt { (texts.healthy_checks) }
                // As the API rounds it.
                dd { @match all.aggregated_uptime { Some(uptime) => { (uptime) "%" }, None => (NOTHING) } }
            }
            div {
                dt { (texts.average_latency) }
                dd { (millis(figures.average_response_time)) }
                @if figures.average_response_time.is_some() {
                    dd.muted { (millis(figures.min_response_time)) " – " (millis(figures.max_response_time)) }
                }
            }
        }
    }
}

fn id(nth: usize) -> String {
    format!("location-{}", nth + 1)
}

fn table(language: Language, reports: &[RegionReport], names: &Names, now: Timestamp) -> Markup {
    let texts = language.texts();
    html! {
        div.frame {
            table.plain.stack {
                (widgets::table_head([
                    texts.region, texts.verdict, texts.latency, texts.healthy_checks, texts.last_result, texts.checked_at,
                ]))
                tbody {
                    @for (nth, report) in reports.iter().enumerate() {
                        tr id=(id(nth)) {
                            th scope="row" {
                                span.label { (map::label(Kind::Region, nth)) } " " (report.region)
                                @if let Some((name, _)) = names.of_probe(&report.latest.server_id) {
                                    " " span.muted { (language.labelled(texts.instance, name)) }
                                }
                            }
                            td {
                                (widgets::state(language, seen(report.status)))
                                @if let Some(doubt) = report.doubt { div.muted { (language.doubt(doubt)) } }
                            }
                            td data-label=(texts.latency) { (latency_or_nothing(report.latest.response_us)) }
                            td data-label=(texts.healthy_checks) {
                                (percent_or_nothing(healthy_share(&report.stats)))
                            }
                            td data-label=(texts.last_result) {
                                (result(language, report))
                                @if let Some(relay) = &report.relay {
                                    div.muted title=[relay.reason.as_deref()] { (language.relay_state(relay.verdict)) }
                                }
                            }
                            td data-label=(texts.checked_at) { (widgets::ago(language, report.latest.checked_at, now)) }
                        }
                    }
                }
            }
        }
    }
}

fn mark(language: Language, nth: usize, report: &RegionReport, known: &Probes) -> Mark {
    let state = seen(report.status);
    let latency = report.latest.response_us.filter(|_| state == Verdict::Up);
    Mark {
        kind: Kind::Region,
        label: map::label(Kind::Region, nth),
        name: report.region.to_string(),
        position: map::place_of_region(&report.region, known),
        state,
        state_text: language.verdict(state),
        summary: latency.map(format::latency).unwrap_or_default(),
        sight: None,
        href: format!("#{}", id(nth)),
    }
}

/// The verdict of one region.
fn seen(status: Option<RegionStatus>) -> Verdict {
    match status {
        Some(RegionStatus::Online) => Verdict::Up,
        Some(RegionStatus::Offline) => Verdict::Down,
        None => Verdict::Unknown,
    }
}

/// Healthy checks in percent; `None` without checks.
fn healthy_share(stats: &CheckStats) -> Option<f64> {
    (stats.total_checks > 0).then(|| stats.health_percentage())
}

/// The outcome of the last check; of one that failed, how far it came and why.
fn result(language: Language, report: &RegionReport) -> Markup {
    let texts = language.texts();
    let latest = &report.latest;
    html! {
        @match (latest.status, latest.error) {
            (Status::Online, _) => (texts.online),
            (_, Some(code)) => {
                (language.failure(code)) " " code { (code) }
                @if let Some(stage) = latest.stage {
                    div.muted { (language.labelled(texts.failed_at, language.stage(stage))) }
                }
            },
            (Status::Offline, None) => (texts.offline),
            (_, None) => (texts.unknown),
        }
    }
}
