//! `/incidents`: what went wrong together, the open ones first. `/incidents/{id}` has the timeline of one.

mod timeline;

use std::time::Duration;

use axum::extract::State;
use easytier_uptime_monitor::Party;
use easytier_uptime_store::domain::{Incident, IncidentFilter, PageRequest, Timestamp, Verdict};
use maud::{Markup, html};
use serde::Deserialize;
use serde_html_form::de::empty_as_none;

pub use self::timeline::{page as one, timeline};
use super::{
    language::Language,
    layout::{self, Place},
    site::Site,
    view::View,
    widgets,
};
use crate::{
    service::incidents::{IncidentState, state},
    web::{Client, Refusal, input::Query, parameter::Whole},
};

/// How many incidents a page has.
pub const PER_PAGE: u32 = 20;

#[derive(Debug, Deserialize)]
pub struct ListQuery {
    #[serde(default, deserialize_with = "empty_as_none")]
    page: Option<Whole<1, 100_000>>,
}

impl ListQuery {
    /// The number of the page, from 1.
    pub fn number(&self) -> u32 {
        self.page.map_or(1, |page| page.0)
    }
}

pub async fn page(
    State(site): State<Site>,
    Client(from): Client,
    view: View,
    Query(query): Query<ListQuery>,
) -> Result<Markup, Refusal> {
    let texts = view.language.incidents();
    let request = PageRequest { page: query.number(), per_page: PER_PAGE };
    let incidents = site.chronicle.list(Party::of(from), IncidentFilter::default(), request).await?;
    let pages = usize::try_from(incidents.total.div_ceil(u64::from(PER_PAGE))).unwrap_or(usize::MAX).max(1);
    let content = html! {
        div.heading { h1 { (texts.title) } (widgets::live_switch(view.texts())) }
        p { (texts.intro) }
        @if incidents.items.is_empty() { p.empty { (texts.none) } } @else {
            section.panel { (table(view.language, &incidents.items, Timestamp::now(), "/incidents")) }
            (widgets::paging(&view, "page", query.number() as usize, pages))
        }
    };
    Ok(layout::page(&view, Place::Incidents, texts.title, &content))
}

/// Incidents with links to their pages below `base`.
pub fn table(language: Language, incidents: &[Incident], now: Timestamp, base: &str) -> Markup {
    let texts = language.incidents();
    html! {
        div.frame {
            table.plain.stack {
                (widgets::table_head([texts.incident, language.texts().state, texts.began, texts.lasted, texts.nodes]))
                tbody {
                    @for incident in incidents {
                        tr {
                            th scope="row" { a href=(format!("{base}/{}", incident.id)) { (name(language, incident)) } }
                            td data-label=(language.texts().state) { (marked(language, incident)) }
                            td data-label=(texts.began) { (widgets::ago(language, incident.opened_at, now)) }
                            td data-label=(texts.lasted) { (language.span(length(incident, now))) }
                            td data-label=(texts.nodes) { (incident.node_count) }
                        }
                    }
                }
            }
        }
    }
}

/// What an incident is called.
pub fn name(language: Language, incident: &Incident) -> Markup {
    let (name, foreign) = language.incident_name(incident);
    html! { span lang=[foreign.map(Language::tag)] { (name) } }
}

/// How far an incident is, as a shape and a text.
pub fn marked(language: Language, incident: &Incident) -> Markup {
    let like = match state(incident) {
        IncidentState::Open => Verdict::Down,
        IncidentState::Recovering => Verdict::Partial,
        IncidentState::Closed => Verdict::Up,
    };
    widgets::marked(like, language.incident_state(incident))
}

/// For how long nodes were not well.
fn length(incident: &Incident, now: Timestamp) -> Duration {
    incident.well_at.or(incident.closed_at).unwrap_or(now).since(incident.opened_at)
}
