//! `/incidents/{id}`: one incident and its timeline.

use axum::extract::State;
use easytier_uptime_alerts::incident::MAX_ENTRIES;
use easytier_uptime_monitor::Party;
use easytier_uptime_store::domain::{Incident, IncidentEntry, IncidentId, PeerId, Timestamp, Verdict};
use maud::{Markup, html};

use super::{length, marked, name};
use crate::{
    pages::{
        format,
        language::Language,
        layout::{self, Place},
        site::Site,
        view::View,
        widgets,
    },
    service::incidents::Detail,
    web::{Client, Refusal, input::Path, parameter::Id},
};

pub async fn page(
    State(site): State<Site>,
    Client(from): Client,
    view: View,
    Path(Id(id)): Path<Id>,
) -> Result<Markup, Refusal> {
    let read = site.chronicle.timeline(Party::of(from), IncidentId(id)).await?;
    let (incident, entries) = &*read;
    let (language, texts) = (view.language, view.language.incidents());
    let content = html! {
        div.heading {
            h1 { (name(language, incident)) }
            (marked(language, incident))
            (widgets::live_switch(view.texts()))
        }
        (facts(language, incident, Timestamp::now()))
        section.panel { h2 { (texts.timeline) } (timeline(language, incident, entries)) }
        p { a href="/incidents" { (texts.all) } }
    };
    Ok(layout::page(&view, Place::Incidents, &language.incident_name(incident).0, &content))
}

fn facts(language: Language, incident: &Incident, now: Timestamp) -> Markup {
    let texts = language.incidents();
    let more = (incident.node_count as usize).saturating_sub(incident.nodes.len());
    html! {
        section.panel {
            dl.facts {
                dt { (texts.began) } dd { (time(incident.opened_at)) }
                dt { (texts.lasted) } dd { (language.span(length(incident, now))) }
                dt { (texts.nodes) }
                dd {
                    ul.plain-list {
                        @for node in &incident.nodes {
                            li {
                                a href=(format!("/nodes/{}", node.id)) { (node.name) } " "
                                (widgets::state(language, verdict(&node.verdict)))
                            }
                        }
                        @if more > 0 { li.muted { (language.more(more)) } }
                    }
                }
            }
        }
    }
}

/// The entries of a timeline.
pub fn timeline(language: Language, incident: &Incident, entries: &[IncidentEntry]) -> Markup {
    html! {
        ol.timeline {
            @for entry in entries { (item(language, entry)) }
        }
        @if incident.changes > MAX_ENTRIES {
            p.muted { (language.changes_left_out(u64::from(incident.changes - MAX_ENTRIES))) }
        }
    }
}

fn item(language: Language, entry: &IncidentEntry) -> Markup {
    let detail = Detail::read(&entry.detail);
    let words = language.either(entry.english.as_deref(), entry.chinese.as_deref());
    // Nodes that are not listed any more are not counted.
    let more = match entry.nodes.is_empty() {
        true => 0,
        false => usize::try_from(detail.nodes).unwrap_or(usize::MAX).saturating_sub(NAMED.max(entry.nodes.len())),
    };
    html! {
        li {
            div.when { (time(entry.at)) }
            div {
                strong { (language.entry(&entry.kind, &detail)) }
                @if let (Some(became), false) = (&detail.verdict, entry.kind == "changed") {
                    " " (widgets::state(language, verdict(became)))
                }
                @if !entry.nodes.is_empty() { p { (named(language, &entry.nodes, more)) } }
                @if let Some((text, written)) = words {
                    p.words lang=[(written != language).then_some(written.tag())] { (text) }
                }
                @if !detail.regions.is_empty() {
                    ul.sights { @for sight in &detail.regions { li { (language.region_sight(sight)) } } }
                }
            }
        }
    }
}

/// How many nodes an entry names at most.
const NAMED: usize = 20;

fn named(language: Language, nodes: &[(PeerId, String)], more: usize) -> Markup {
    html! {
        @for (nth, (id, name)) in nodes.iter().enumerate() {
            @if nth > 0 { (language.comma()) }
            a href=(format!("/nodes/{id}")) { (name) }
        }
        @if more > 0 { " " (language.more(more)) }
    }
}

fn time(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (format::exact(at)) } }
}

fn verdict(name: &str) -> Verdict {
    Verdict::ALL.into_iter().find(|verdict| verdict.as_str() == name).unwrap_or_default()
}
