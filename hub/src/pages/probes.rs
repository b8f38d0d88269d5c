//! `/probes`: from where nodes are checked. What a probe is called and where it runs is for the operator.

use std::collections::BTreeMap;

use axum::extract::State;
use maud::{Markup, html};

use super::{
    Site, format,
    layout::{self, Place},
    nodes,
    view::View,
};
use crate::{
    consensus::Verdict,
    model::{Presence, Probe, Region},
    time::Timestamp,
    web::Refusal,
};

/// Probes that have been away for longer are not shown.
const GONE_AFTER: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 3600);

pub async fn page(State(site): State<Site>, view: View) -> Result<Markup, Refusal> {
    let now = Timestamp::now();
    let mut regions: BTreeMap<Region, Vec<Probe>> = BTreeMap::new();
    for probe in site.store.probes(now).await? {
        if now.since(probe.last_seen_at) < GONE_AFTER {
            regions.entry(probe.region.clone()).or_default().push(probe);
        }
    }
    // By age: the order of their names would tell something about those.
    regions.values_mut().for_each(|probes| probes.sort_by_key(|probe| probe.id));
    let texts = view.texts();
    let content = html! {
        div.heading {
            h1 { (texts.probes_title) }
            button.live #live type="button" aria-pressed="true" title=(texts.live_hint) hidden { (texts.live) }
        }
        p { (texts.probes_intro) }
        @if regions.is_empty() { p.empty { (texts.no_probes) } }
        div.grid {
            @for (region, probes) in &regions {
                section.panel {
                    h2 { (region) }
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
            h3 { (texts.probe) " " (number) " " (presence(view, probe.presence)) }
            dl.facts {
                dt { (texts.heard) } dd { (format::ago(language, probe.last_seen_at, now)) }
                dt { (texts.version) } dd { (probe.version.as_deref().unwrap_or("–")) }
                @if let Some(interval) = probe.check_interval {
                    dt { (texts.every) } dd { (format::span(language, interval)) }
                }
                @if let Some(watched) = watched {
                    dt { (texts.watches) }
                    dd { (watched) @if let Some(healthy) = healthy { " (" (healthy) " " (texts.healthy) ")" } }
                }
                @if let Some(spool) = number_of(&probe.counters, "spool") {
                    dt { (texts.waiting) } dd { (spool) }
                }
                @if let Some(micros) = probe.response_us {
                    dt { (texts.round_trip) } dd { (format::latency(micros)) }
                }
            }
        }
    }
}

pub fn presence(view: &View, presence: Presence) -> Markup {
    let verdict = match presence {
        Presence::Online => Verdict::Up,
        Presence::Degraded => Verdict::Partial,
        Presence::Offline => Verdict::Down,
    };
    html! {
        span class=(format!("state {}", verdict.as_str())) { (nodes::mark(verdict)) (view.language.presence(presence)) }
    }
}
