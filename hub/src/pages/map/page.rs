//! The page itself: the map and its tables.

use std::sync::Arc;

use axum::{extract::State, http::HeaderMap, response::Response};
use easytier_uptime_store::domain::Verdict;
use maud::{Markup, html};

use super::{
    super::{
        format::NOTHING,
        language::{Language, Texts},
        layout::{self, Place},
        view::View,
        widgets,
    },
    Picture, draw,
    picture::{Instance, Spot, role},
};
use crate::{
    board::{Board, Sight, Snapshot},
    web::Refusal,
};

pub async fn page(State(board): State<Arc<Board>>, view: View, request: HeaderMap) -> Result<Response, Refusal> {
    let snapshot = board.newest().await?;
    board.respond(&snapshot, &view.key("/map"), &request, || Ok(document(&view, &snapshot).into_string().into()))
}

fn document(view: &View, snapshot: &Snapshot) -> Markup {
    let (texts, language) = (view.texts(), view.language);
    let picture = Picture::of(snapshot);
    let Picture { instances, regions } = &picture;
    let content = html! {
        (widgets::stale(language, snapshot.stale_since))
        div.heading {
            h1 { (texts.map_title) }
            (widgets::live_switch(texts))
        }
        p { (texts.map_intro) }
        section.panel aria-label=(texts.world_map) { (draw::world(&picture.marks(language), language)) }
        section.panel {
            h2 { (texts.regions_title) }
            @if regions.is_empty() { p.empty { (texts.no_regions_yet) } } @else {
                (region_table(texts, language, regions))
                p.muted { (texts.sees_hint) }
            }
        }
        @if !instances.is_empty() {
            section.panel { h2 { (texts.instances) } (instance_table(texts, instances)) }
        }
    };
    layout::page(view, Place::Map, texts.map_title, &content)
}

fn region_table(texts: &Texts, language: Language, regions: &[Spot<'_>]) -> Markup {
    html! {
        div.frame {
            table.plain.stack {
                (widgets::table_head([
                    texts.region, texts.state, texts.probes_alive, texts.sees,
                ]))
                tbody {
                    @for site in regions {
                        tr id=(site.id()) {
                            th scope="row" { span.label { (site.label) } " " (site.region) }
                            td data-label=(texts.state) {
                                (widgets::marked(site.state(), site.state_text(texts)))
                                @if let Some(doubt) = site.doubt { div.muted { (language.doubt(*doubt)) } }
                            }
                            td data-label=(texts.probes_alive) { (site.alive()) " / " (site.probes.len()) }
                            td data-label=(texts.sees) { (sees(language, site.sight)) }
                        }
                    }
                }
            }
        }
    }
}

/// How many nodes a region sees in each state; states without nodes are left out, except the first.
fn sees(language: Language, sight: Sight) -> Markup {
    let Sight { online, partial, offline, unknown } = sight;
    let counts =
        [(Verdict::Up, online), (Verdict::Partial, partial), (Verdict::Down, offline), (Verdict::Unknown, unknown)];
    html! {
        ul.summary.sees {
            @for (verdict, count) in counts.iter().filter(|(verdict, count)| *count > 0 || *verdict == Verdict::Up) {
                li { (widgets::mark(*verdict)) b { (count) } " " (language.verdict(*verdict)) }
            }
        }
    }
}

fn instance_table(texts: &Texts, instances: &[Instance<'_>]) -> Markup {
    html! {
        div.frame {
            table.plain.stack {
                (widgets::table_head([texts.instance, texts.role, texts.state, texts.location]))
                tbody {
                    @for instance in instances {
                        tr id=(instance.id()) {
                            th scope="row" { span.label { (instance.label) } " " (instance.seat.name) }
                            td data-label=(texts.role) { (role(texts, instance.seat.role)) }
                            td data-label=(texts.state) { (widgets::marked(instance.state(), instance.state_text(texts))) }
                            td data-label=(texts.location) { (instance.seat.location.as_deref().unwrap_or(NOTHING)) }
                        }
                    }
                }
            }
        }
    }
}
