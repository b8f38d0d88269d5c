//! `/admin/probes`: the probes by name, with all that they said of themselves.

use axum::{extract::State, response::Response};
use maud::html;

use super::Operator;
use crate::{
    api::error::Refusal,
    pages::{Site, format, probes, view::View},
    time::Timestamp,
};

pub async fn page(_: Operator, State(site): State<Site>, view: View) -> Result<Response, Refusal> {
    let (texts, language, now) = (view.texts(), view.language, Timestamp::now());
    let known = site.store.probes(now).await?;
    let content = html! {
        @if known.is_empty() { p.empty { (texts.no_probes) } }
        @for probe in &known {
            section.panel {
                h3 { (probe.server_id) " " (probes::presence(&view, probe.presence)) }
                dl.facts {
                    dt { (texts.its_region) } dd { (probe.region) }
                    dt { (texts.address) }
                    dd { (probe.host.as_deref().unwrap_or("–")) @if let Some(port) = probe.port { ":" (port) } }
                    dt { (texts.heard) } dd { (format::ago(language, probe.last_seen_at, now)) }
                    dt { (texts.version) } dd { (probe.version.as_deref().unwrap_or("–")) }
                    @for (name, said) in [("system", &probe.system), ("metadata", &probe.metadata), ("counters", &probe.counters)] {
                        @if let Some(said) = said { dt { (name) } dd { code { (said) } } }
                    }
                }
            }
        }
    };
    Ok(super::page(&view, texts.probes, &content))
}
