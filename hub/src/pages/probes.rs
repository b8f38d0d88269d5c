//! `/probes`: the regions from which nodes are checked, and their probes. Only the operator sees the names and addresses of
//! probes.

use std::collections::BTreeMap;

use axum::extract::State;
use easytier_uptime_store::domain::{Presence, Probe, Region, Timestamp};
use maud::{Markup, html};

use super::{
    format::{self, NOTHING},
    layout::{self, Place},
    site::Site,
    view::View,
    widgets,
};
use crate::web::Refusal;

pub async fn page(State(site): State<Site>, view: View) -> Result<Markup, Refusal> {
    let now = Timestamp::now();
    let mut regions: BTreeMap<Region, Vec<&Probe>> = BTreeMap::new();
    let snapshot = site.board.newest().await?;
    for probe in &snapshot.probes.probes {
        regions.entry(probe.region.clone()).or_default().push(probe);
    }
    // Sorted by age, because an order by name would reveal something about the names.
    regions.values_mut().for_each(|probes| probes.sort_by_key(|probe| probe.id));
    let doubts = &snapshot.probes.doubts;
    let texts = view.texts();
    let content = html! {
        (widgets::stale(view.language, snapshot.stale_since))
        div.heading {
            h1 { (texts.probes_title) }
            (widgets::live_switch(texts))
        }
        p { (texts.probes_intro) }
        @if regions.is_empty() { p.empty { (texts.no_probes) } }
        div.grid {
            @for (region, probes) in &regions {
                section.panel {
                    h2 { (region) }
                    @if let Some(doubt) = doubts.get(region) { p.warning { (view.language.doubt(*doubt)) } }
                    @for (nth, probe) in probes.iter().enumerate() { (card(&view, nth + 1, probe, now)) }
                }
            }
        }
    };
    Ok(layout::page(&view, Place::Probes, texts.probes_title, &content))
}

fn card(view: &View, number: usize, probe: &Probe, now: Timestamp) -> Markup {
    let (texts, language) = (view.texts(), view.language);
    let number_of = |of: &Option<serde_json::Value>, name: &str| of.as_ref().and_then(|value| value[name].as_u64());
    let watched = number_of(&probe.metadata, "total_monitored_nodes").or(number_of(&probe.counters, "peers"));
    let healthy = number_of(&probe.metadata, "healthy_nodes");
    html! {
        article.probe {
            h3 { (texts.probe) " " (number) " " (widgets::presence(language, probe.presence)) }
            @if probe.presence == Presence::Degraded { p.muted { (texts.degraded_hint) } }
            dl.facts {
                dt { (texts.last_report) } dd { (widgets::ago(language, probe.last_seen_at, now)) }
                dt { (texts.version) } dd { (probe.version.as_deref().unwrap_or(NOTHING)) }
                @if let Some(interval) = probe.check_interval {
                    dt { (texts.check_interval) } dd { (language.span(interval)) }
                }
                @if let Some(watched) = watched {
                    dt { (texts.nodes_watched) }
                    dd { (watched) @if let Some(healthy) = healthy { " (" (healthy) " " (texts.healthy) ")" } }
                }
                @if let Some(spool) = number_of(&probe.counters, "spool") {
                    dt { (texts.undelivered) } dd { (spool) }
                }
                @if let Some(micros) = probe.response_us {
                    dt { (texts.round_trip) } dd { (format::latency(micros)) }
                }
            }
        }
    }
}
